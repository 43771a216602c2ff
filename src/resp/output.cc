// See output.h.
#include "resp/output.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/assert.h"

namespace holdfast {

size_t Output::used(size_t chunk) const {
  if (chunk + 1 < chunks_.size()) return chunks_[chunk].size;
  return static_cast<size_t>(end_ - chunks_[chunk].data);
}

void Output::add_chunk(size_t size) {
  const size_t capacity = std::max(size, kChunkBytes);
  auto* data = static_cast<char*>(std::malloc(capacity));
  if (data == nullptr) throw std::bad_alloc();
  push_chunk({data, 0, capacity, nullptr});
}

void Output::push_chunk(Chunk chunk) {
  if (!chunks_.empty()) chunks_.back().size = used(chunks_.size() - 1);
  allocated_ += chunk.capacity;
  end_ = chunk.data + chunk.size;
  room_ = chunk.room();
  chunks_.push_back(std::move(chunk));
}

void Output::free_chunk(const Chunk& chunk) {
  if (chunk.shared == nullptr) std::free(chunk.data);
}

void Output::append_shared(const SharedBytes& bytes) {
  if (bytes->empty()) return;
  if (bytes->size() < kWorthSharing && !chunks_.empty()) {
    append(*bytes);
    return;
  }
  // Nothing writes through the pointer: a shared chunk has no room.
  push_chunk({const_cast<char*>(bytes->data()), bytes->size(), bytes->size(), bytes});
  appended_ += bytes->size();
}

void Output::rewind(uint64_t position) {
  HF_ASSERT(position >= sent_);
  while (appended_ > position) {
    const size_t in_last = used(chunks_.size() - 1);
    const auto cut = static_cast<size_t>(std::min<uint64_t>(in_last, appended_ - position));
    appended_ -= cut;
    end_ -= cut;
    if (chunks_.back().shared == nullptr) room_ += cut;
    if (cut < in_last || chunks_.size() == 1) break;
    allocated_ -= chunks_.back().capacity;
    free_chunk(chunks_.back());
    chunks_.pop_back();
    end_ = chunks_.back().data + chunks_.back().size;
    room_ = chunks_.back().room();
  }
  while (!holds_.empty() && holds_.back().from >= position) holds_.pop_back();
}

void Output::fill(const Late& late, std::string_view bytes) {
  HF_ASSERT(bytes.size() <= kLateBytes);
  const bool last = late.chunk + 1 == chunks_.size();
  const char* behind = late.at + kLateBytes;
  const char* end = chunks_[late.chunk].data + used(late.chunk);
  std::memcpy(late.at, bytes.data(), bytes.size());
  std::memmove(late.at + bytes.size(), behind, static_cast<size_t>(end - behind));
  const size_t saved = kLateBytes - bytes.size();
  appended_ -= saved;
  if (last) {
    end_ -= saved;
    room_ += saved;
  } else {
    chunks_[late.chunk].size -= saved;
  }
}

void Output::hold_from(uint64_t position, const CommitPoint& what) {
  // Nearly always behind all others; what a command pushed is held when its replies are already.
  auto at = holds_.end();
  while (at != holds_.begin() && std::prev(at)->from >= position) --at;
  const auto covers = [](const CommitPoint& a, const CommitPoint& b) {
    return a.shard == b.shard && a.seq >= b.seq;
  };
  if (at != holds_.begin() && covers(std::prev(at)->what, what)) return;
  const auto covered =
      std::find_if(at, holds_.end(), [&](const Hold& hold) { return !covers(what, hold.what); });
  holds_.insert(holds_.erase(at, covered), {position, what});
}

bool Output::waits_for(const Shard& shard) const {
  return std::any_of(holds_.begin(), holds_.end(),
                     [&shard](const Hold& hold) { return hold.what.shard == &shard; });
}

size_t Output::gather(std::span<iovec> parts) const {
  uint64_t left = (holds_.empty() ? appended_ : holds_.front().from) - sent_;
  size_t count = 0;
  for (size_t i = 0; i < chunks_.size() && left > 0 && count < parts.size(); ++i) {
    const size_t skip = i == 0 ? first_offset_ : 0;
    const auto size = static_cast<size_t>(std::min<uint64_t>(used(i) - skip, left));
    if (size == 0) continue;
    parts[count++] = {chunks_[i].data + skip, size};
    left -= size;
  }
  return count;
}

void Output::copy_from(uint64_t position, std::string* out) const {
  uint64_t left = appended_ - position;
  size_t i = chunks_.size();
  while (left > 0) {  // from the end, where it is
    const size_t size = used(--i);
    if (left <= size) {
      out->append(chunks_[i].data + size - left, left);
      break;
    }
    left -= size;
  }
  for (++i; i < chunks_.size(); ++i) out->append(chunks_[i].data, used(i));
}

void Output::copy_to(std::string* out) const {
  for (size_t i = 0; i < chunks_.size(); ++i) {
    const size_t skip = i == 0 ? first_offset_ : 0;
    out->append(chunks_[i].data + skip, used(i) - skip);
  }
}

void Output::consume(size_t size) {
  sent_ += size;
  if (sent_ == appended_) {
    clear();
    return;
  }
  first_offset_ += size;
  while (chunks_.size() > 1 && first_offset_ >= used(0)) {
    first_offset_ -= used(0);
    allocated_ -= chunks_.front().capacity;
    free_chunk(chunks_.front());
    chunks_.pop_front();
  }
}

// Keeps nothing: an idle session costs no buffer.
void Output::clear() {
  for (const Chunk& chunk : chunks_) free_chunk(chunk);
  chunks_.clear();
  holds_.clear();
  first_offset_ = 0;
  end_ = nullptr;
  room_ = 0;
  allocated_ = 0;
  sent_ = appended_;
}

}  // namespace holdfast
