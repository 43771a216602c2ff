// AlignedBuffer: memory as direct I/O wants it: address and size are multiples of 4096.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "base/assert.h"

namespace holdfast {

inline constexpr uint64_t kBlock = 4096;

constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Zeroed. REQUIRES: size is a multiple of kBlock. Throws std::bad_alloc only.
  explicit AlignedBuffer(size_t size) : AlignedBuffer(uninitialized(size)) {
    if (size > 0) std::memset(bytes_.get(), 0, size);
  }
  // For an owner that writes every byte.
  static AlignedBuffer uninitialized(size_t size) {
    HF_ASSERT(size % kBlock == 0);
    AlignedBuffer buffer;
    buffer.size_ = size;
    if (size == 0) return buffer;
    buffer.bytes_.reset(static_cast<char*>(std::aligned_alloc(kBlock, size)));
    if (buffer.bytes_ == nullptr) throw std::bad_alloc();
    return buffer;
  }

  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  std::span<char> span() { return {data(), size_}; }
  std::span<const char> span() const { return {data(), size_}; }

 private:
  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<char[], Free> bytes_;
  size_t size_ = 0;
};

}  // namespace holdfast
