// See wire_chunks.h.
#include "gateway/wire_chunks.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace holdfast {

WireChunk* WireChunk::make(size_t capacity) {
  void* memory = std::malloc(sizeof(WireChunk) + capacity);
  if (memory == nullptr) throw std::bad_alloc();
  return new (memory) WireChunk{1, 0, static_cast<uint32_t>(capacity)};
}

void WireChunk::release(WireChunk* chunk) {
  if (--chunk->references == 0) std::free(chunk);
}

WireBytes keep_bytes(std::string_view bytes) {
  WireChunk* chunk = WireChunk::make(bytes.size());
  std::memcpy(chunk->data(), bytes.data(), bytes.size());
  chunk->size = static_cast<uint32_t>(bytes.size());
  WireBytes kept(chunk, 0, chunk->size);
  WireChunk::release(chunk);
  return kept;
}

WireBytes SendQueue::append(std::string_view bytes) {
  HF_ASSERT(!bytes.empty() && bytes.size() < kMaxBytes);
  WireChunk* chunk = chunks_.empty() ? nullptr : chunks_.back();
  if (chunk == nullptr || chunk->capacity - chunk->size < bytes.size()) {
    chunk = WireChunk::make(std::max(bytes.size(), kChunkBytes));
    chunks_.push_back(chunk);
  }
  const uint32_t offset = chunk->size;
  std::memcpy(chunk->data() + offset, bytes.data(), bytes.size());
  chunk->size += static_cast<uint32_t>(bytes.size());
  appended_ += bytes.size();
  return {chunk, offset, static_cast<uint32_t>(bytes.size())};
}

size_t SendQueue::gather(std::span<iovec> parts) const {
  size_t count = 0;
  for (size_t i = 0; i < chunks_.size() && count < parts.size(); ++i) {
    const size_t skip = i == 0 ? first_offset_ : 0;
    if (chunks_[i]->size == skip) continue;
    parts[count++] = {chunks_[i]->data() + skip, chunks_[i]->size - skip};
  }
  return count;
}

void SendQueue::consume(size_t size) {
  sent_ += size;
  first_offset_ += size;
  // The last one goes on being filled, unless it is a large command's own.
  while (!chunks_.empty() && first_offset_ >= chunks_.front()->size) {
    const bool last = chunks_.size() == 1;
    if (last && chunks_.front()->capacity == kChunkBytes &&
        chunks_.front()->size < kChunkBytes / 2) {
      return;
    }
    first_offset_ -= chunks_.front()->size;
    WireChunk::release(chunks_.front());
    chunks_.pop_front();
  }
}

void SendQueue::clear() {
  for (WireChunk* chunk : chunks_) WireChunk::release(chunk);
  chunks_.clear();
  first_offset_ = 0;
  sent_ = appended_;
}

}  // namespace holdfast
