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
  if (!chunks_.empty()) chunks_.back().size = used(chunks_.size() - 1);
  const size_t capacity = std::max(size, kChunkBytes);
  auto* data = static_cast<char*>(std::malloc(capacity));
  if (data == nullptr) throw std::bad_alloc();
  chunks_.push_back({data, 0, capacity});
  allocated_ += capacity;
  end_ = data;
  room_ = capacity;
}

void Output::rewind(uint64_t position) {
  HF_ASSERT(position >= sent_);
  while (appended_ > position) {
    const size_t in_last = used(chunks_.size() - 1);
    const auto cut = static_cast<size_t>(std::min<uint64_t>(in_last, appended_ - position));
    appended_ -= cut;
    end_ -= cut;
    room_ += cut;
    if (cut < in_last || chunks_.size() == 1) break;
    allocated_ -= chunks_.back().capacity;
    std::free(chunks_.back().data);
    chunks_.pop_back();
    end_ = chunks_.back().data + chunks_.back().size;
    room_ = chunks_.back().capacity - chunks_.back().size;
  }
  while (!holds_.empty() && holds_.back().from >= position) holds_.pop_back();
}

void Output::hold_from(uint64_t position, Seq seq) {
  if (holds_.empty() || holds_.back().seq < seq) holds_.push_back({position, seq});
}

void Output::release(Seq committed) {
  while (!holds_.empty() && holds_.front().seq <= committed) holds_.pop_front();
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
    std::free(chunks_.front().data);
    chunks_.pop_front();
  }
}

// Keeps nothing: an idle session costs no buffer.
void Output::clear() {
  for (const Chunk& chunk : chunks_) std::free(chunk.data);
  chunks_.clear();
  holds_.clear();
  first_offset_ = 0;
  end_ = nullptr;
  room_ = 0;
  allocated_ = 0;
  sent_ = appended_;
}

}  // namespace holdfast
