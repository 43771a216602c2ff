// CowBytes: the content of a simulated file. A copy shares what neither side changes, so that a
// disk can be forked thousands of times.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/assert.h"

namespace holdfast {

class CowBytes {
 public:
  uint64_t size() const { return size_; }

  // What is added reads as zeros.
  void resize(uint64_t size) {
    if (size < size_) clear(size, std::min(size_, (size / kChunk + 1) * kChunk));
    size_ = size;
    chunks_.resize((size + kChunk - 1) / kChunk);
  }

  // REQUIRES: within the size.
  void read(uint64_t offset, std::span<char> out) const {
    HF_ASSERT(offset + out.size() <= size_);
    each_part(offset, out.size(), [&](uint64_t chunk, uint64_t at, uint64_t done, uint64_t count) {
      if (chunks_[chunk] == nullptr) {
        std::memset(out.data() + done, 0, count);
      } else {
        std::memcpy(out.data() + done, chunks_[chunk]->data() + at, count);
      }
    });
  }

  // Extends the content if needed.
  void write(uint64_t offset, std::span<const char> bytes) {
    if (size_ < offset + bytes.size()) resize(offset + bytes.size());
    each_part(offset, bytes.size(),
              [&](uint64_t chunk, uint64_t at, uint64_t done, uint64_t count) {
                std::memcpy(own(chunk).data() + at, bytes.data() + done, count);
              });
  }

  void turn_bit(uint64_t offset, int bit) {
    HF_ASSERT(offset < size_);
    char& byte = own(offset / kChunk)[offset % kChunk];
    byte = static_cast<char>(byte ^ (1 << bit));
  }

  std::string to_string() const {
    std::string all(size_, '\0');
    read(0, all);
    return all;
  }

 private:
  static constexpr uint64_t kChunk = 16 * 1024;
  using Chunk = std::array<char, kChunk>;

  template <typename Use>
  static void each_part(uint64_t offset, uint64_t size, Use use) {
    for (uint64_t done = 0; done < size;) {
      const uint64_t at = (offset + done) % kChunk;
      const uint64_t count = std::min(size - done, kChunk - at);
      use((offset + done) / kChunk, at, done, count);
      done += count;
    }
  }

  Chunk& own(uint64_t chunk) {
    std::shared_ptr<Chunk>& place = chunks_[chunk];
    if (place == nullptr) {
      place = std::make_shared<Chunk>();
    } else if (place.use_count() > 1) {
      place = std::make_shared<Chunk>(*place);
    }
    return *place;
  }

  void clear(uint64_t from, uint64_t to) {
    each_part(from, to - from, [&](uint64_t chunk, uint64_t at, uint64_t, uint64_t count) {
      if (chunks_[chunk] != nullptr) std::memset(own(chunk).data() + at, 0, count);
    });
  }

  uint64_t size_ = 0;
  std::vector<std::shared_ptr<Chunk>> chunks_;  // null: zeros
};

}  // namespace holdfast
