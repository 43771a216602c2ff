// SendQueue: the bytes that go out on one connection, in chunks, and WireBytes: a command's place
// in them. A command is copied once, from the client's input into a chunk; the chunk lives until
// everything in it was answered, so that what has to be sent again need not be kept anywhere else.
//
// Threads: the reactor's only; counts are plain.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>
#include <utility>

namespace holdfast {

// Bytes behind it are its own. Made and freed by its references only.
struct WireChunk {
  uint32_t references;
  uint32_t size;
  uint32_t capacity;
  char* data() { return reinterpret_cast<char*>(this + 1); }

  static WireChunk* make(size_t capacity);  // with one reference
  static void release(WireChunk* chunk);
};

class WireBytes {
 public:
  WireBytes() = default;
  WireBytes(WireChunk* chunk, uint32_t offset, uint32_t size)
      : chunk_(chunk), offset_(offset), size_(size) {
    ++chunk_->references;
  }
  WireBytes(WireBytes&& other) noexcept { *this = std::move(other); }
  WireBytes& operator=(WireBytes&& other) noexcept {
    if (this == &other) return *this;
    reset();
    chunk_ = std::exchange(other.chunk_, nullptr);
    offset_ = other.offset_;
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~WireBytes() { reset(); }

  void reset() {
    if (chunk_ != nullptr) WireChunk::release(std::exchange(chunk_, nullptr));
    size_ = 0;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  std::string_view view() const {
    return chunk_ == nullptr ? std::string_view()
                             : std::string_view(chunk_->data() + offset_, size_);
  }

 private:
  WireChunk* chunk_ = nullptr;
  uint32_t offset_ = 0;
  uint32_t size_ = 0;
};

// Bytes that are on no connection yet.
WireBytes keep_bytes(std::string_view bytes);

class SendQueue {
 public:
  static constexpr size_t kChunkBytes = 16 * 1024 - sizeof(WireChunk);
  static constexpr size_t kMaxBytes = uint64_t{4} << 30;  // of one append

  SendQueue() = default;
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;
  ~SendQueue() { clear(); }

  // REQUIRES: not empty, below kMaxBytes.
  WireBytes append(std::string_view bytes);
  // Positions count all bytes ever appended; those below sent() are with the kernel.
  uint64_t appended() const { return appended_; }
  uint64_t sent() const { return sent_; }
  bool empty() const { return appended_ == sent_; }

  size_t gather(std::span<iovec> parts) const;
  void consume(size_t size);
  void clear();  // what was not sent is dropped

 private:
  std::deque<WireChunk*> chunks_;  // of which the last may get more
  size_t first_offset_ = 0;
  uint64_t appended_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace holdfast
