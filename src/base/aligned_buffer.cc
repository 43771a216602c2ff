// See aligned_buffer.h. What was freed is kept for the next buffer of its size: pages that come
// from the kernel each time cost more than what is then written into them.
#include "base/aligned_buffer.h"

#include <bit>
#include <vector>

namespace holdfast {
namespace {

constexpr size_t kLargestKept = 1 << 20;
constexpr size_t kKeptBytes = 4 << 20;  // of a thread

// Sanitizers shall see what is used after it was freed.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

class Kept {
 public:
  ~Kept() {
    for (const std::vector<char*>& blocks : by_size_) {
      for (char* block : blocks) std::free(block);
    }
    gone_ = true;
  }

  char* take(size_t capacity) {
    if (gone_) return nullptr;
    std::vector<char*>& blocks = of(capacity);
    if (blocks.empty()) return nullptr;
    char* block = blocks.back();
    blocks.pop_back();
    bytes_ -= capacity;
    return block;
  }

  bool give(char* block, size_t capacity) {
    if (gone_ || bytes_ + capacity > kKeptBytes) return false;
    of(capacity).push_back(block);
    bytes_ += capacity;
    return true;
  }

 private:
  static constexpr int kSizes = std::countr_zero(kLargestKept) - std::countr_zero(kBlock) + 1;

  std::vector<char*>& of(size_t capacity) {
    return by_size_[std::countr_zero(capacity) - std::countr_zero(kBlock)];
  }

  std::vector<char*> by_size_[kSizes];
  size_t bytes_ = 0;
  static thread_local bool gone_;  // buffers may outlive it at the end of a thread
};

thread_local bool Kept::gone_ = false;
thread_local Kept kept;

}  // namespace

AlignedBuffer AlignedBuffer::uninitialized(size_t size) {
  HF_ASSERT(size % kBlock == 0);
  AlignedBuffer buffer;
  buffer.size_ = size;
  if (size == 0) return buffer;
  const bool keeps = kKeeps && size <= kLargestKept;
  const size_t capacity = keeps ? std::bit_ceil(size) : size;
  char* block = keeps ? kept.take(capacity) : nullptr;
  if (block == nullptr) block = static_cast<char*>(std::aligned_alloc(kBlock, capacity));
  if (block == nullptr) throw std::bad_alloc();
  buffer.bytes_ = {block, Free{capacity}};
  return buffer;
}

void AlignedBuffer::Free::operator()(char* block) const {
  if (kKeeps && capacity <= kLargestKept && kept.give(block, capacity)) return;
  std::free(block);
}

}  // namespace holdfast
