// SegmentedArray: a growable array whose growth never copies more than a page of elements.
//
// While it fits in one 4 KiB segment, the segment doubles; beyond that, whole segments are added
// and found through a directory of pointers. At 50 million elements the largest copy is the
// directory's (about a megabyte, well under a millisecond). 16 bytes when empty, so that 16384
// of them cost little.
//
// T must be trivially copyable. Not copyable itself. REQUIRES: size < 2^32.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

#include "base/assert.h"

namespace holdfast {

template <typename T>
class SegmentedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr uint32_t kPerSegment = 4096 / sizeof(T);
  static_assert(std::has_single_bit(kPerSegment), "index arithmetic is shifts and masks");

  SegmentedArray() = default;
  SegmentedArray(const SegmentedArray&) = delete;
  SegmentedArray& operator=(const SegmentedArray&) = delete;
  ~SegmentedArray() { clear(); }

  uint32_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T& operator[](uint32_t i) { return *at(i); }
  const T& operator[](uint32_t i) const { return *const_cast<SegmentedArray*>(this)->at(i); }

  void push_back(const T& value) {
    const uint32_t i = size_;
    if (i < kPerSegment) {
      grow_first(i);
    } else if (i % kPerSegment == 0) {
      add_segment(i / kPerSegment);
    }
    ++size_;
    *at(i) = value;
  }

  void pop_back() {
    HF_ASSERT(size_ > 0);
    --size_;
    if (size_ == 0) {
      std::free(base_);
      base_ = nullptr;
      return;
    }
    if (size_ % kPerSegment != 0) return;
    std::free(directory()[size_ / kPerSegment]);
    if (size_ == kPerSegment) drop_directory();
  }

  void clear() {
    if (segmented()) {
      for (uint32_t s = 0; s <= (size_ - 1) / kPerSegment; ++s) std::free(directory()[s]);
    }
    std::free(base_);
    base_ = nullptr;
    size_ = 0;
    directory_capacity_ = 0;
  }

  // Asks the processor to fetch the element's place (for a later access).
  void prefetch(uint32_t i) const { __builtin_prefetch(const_cast<SegmentedArray*>(this)->at(i)); }

  size_t memory() const {
    if (!segmented()) return size_ == 0 ? 0 : std::bit_ceil(size_) * sizeof(T);
    return ((size_ - 1) / kPerSegment + 1) * size_t{4096} + directory_capacity_ * sizeof(T*);
  }

 private:
  bool segmented() const { return directory_capacity_ != 0; }
  T** directory() const { return static_cast<T**>(base_); }
  T* at(uint32_t i) {
    if (!segmented()) return static_cast<T*>(base_) + i;
    return directory()[i / kPerSegment] + i % kPerSegment;
  }

  static void* allocate(size_t bytes, size_t alignment) {
    void* block =
        std::aligned_alloc(std::max(alignment, sizeof(void*)), std::max(bytes, alignment));
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }

  // Room for element i within the only segment, whose capacity is the next power of two.
  void grow_first(uint32_t i) {
    if (i != 0 && !std::has_single_bit(i)) return;
    const uint32_t capacity = i == 0 ? 1 : i * 2;
    void* grown = allocate(capacity * sizeof(T), alignof(T));
    if (i != 0) std::memcpy(grown, base_, i * sizeof(T));
    std::free(base_);
    base_ = grown;
  }

  void add_segment(uint32_t index) {
    if (index >= directory_capacity_) {
      const uint32_t capacity = index == 1 ? 4 : directory_capacity_ * 2;
      auto** grown = static_cast<T**>(allocate(capacity * sizeof(T*), alignof(T*)));
      if (segmented()) {
        std::memcpy(grown, base_, index * sizeof(T*));
        std::free(base_);
      } else {
        grown[0] = static_cast<T*>(base_);
      }
      base_ = grown;
      directory_capacity_ = capacity;
    }
    directory()[index] = static_cast<T*>(allocate(4096, std::max<size_t>(64, alignof(T))));
  }

  void drop_directory() {
    T* first = directory()[0];
    std::free(base_);
    base_ = first;
    directory_capacity_ = 0;
  }

  void* base_ = nullptr;  // the only segment, or the directory
  uint32_t size_ = 0;
  uint32_t directory_capacity_ = 0;
};

}  // namespace holdfast
