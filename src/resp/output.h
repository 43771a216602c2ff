// Output: the replies of one session that are not on the wire yet, in order, and which of them may
// leave.
//
// A reply that depends on an entry not yet committed holds back itself and everything behind it
// (promise 2: no reply shows what a crash can take back). Replies before it leave at once.
//
// Bytes lie in chunks; a value larger than a chunk gets one of its own, so nothing is copied twice.
// What goes to many sessions at once is a chunk that they share.
// Threads: the reactor's only.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "resp/commit_point.h"

namespace holdfast {

// Bytes that several outputs send.
using SharedBytes = std::shared_ptr<const std::string>;

class Output {
 public:
  static constexpr size_t kChunkBytes = 16 * 1024 - 64;
  // Behind other replies, fewer shared bytes than this are copied: a chunk of their own would cost
  // more than that.
  static constexpr size_t kWorthSharing = 2048;

  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { clear(); }

  // At least `size` bytes of room; commit() says how many were written.
  char* reserve(size_t size) {
    if (room_ < size) add_chunk(size);
    return end_;
  }
  void commit(size_t size) {
    end_ += size;
    room_ -= size;
    appended_ += size;
  }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;  // an empty view may have no address, which memcpy must not be given
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }

  // Leaves room for a number that is known later only: some bytes in front of what follows.
  struct Late {
    size_t chunk;
    char* at;
  };
  static constexpr size_t kLateBytes = 24;
  Late leave_room() {
    char* at = reserve(kLateBytes);
    const Late late{chunks_.size() - 1, at};
    commit(kLateBytes);
    return late;
  }
  // Puts `bytes` there and closes what is left of the room. REQUIRES: at most kLateBytes; nothing
  // was consumed meanwhile, nor rewound so far; of several, the last one left is filled first.
  void fill(const Late& late, std::string_view bytes);
  // The same without a copy, where that pays.
  void append_shared(const SharedBytes& bytes);

  // Position of the next byte in the session's whole output.
  uint64_t position() const { return appended_; }
  // Takes back what was appended since `position` (CLIENT REPLY OFF). REQUIRES: not released.
  void rewind(uint64_t position);
  // Everything from `position` on waits until that is committed.
  void hold_from(uint64_t position, const CommitPoint& what);

  uint64_t unsent_bytes() const { return appended_ - sent_; }
  bool empty() const { return appended_ == sent_; }
  bool held() const { return !holds_.empty(); }
  // What the first held reply waits for; null when none is held.
  const CommitPoint* waits_for() const { return holds_.empty() ? nullptr : &holds_.front().what; }
  // Any of them waits for an entry of this shard.
  bool waits_for(const Shard& shard) const;
  // Drops the first holds, as far as `committed` says so of what they wait for.
  template <typename Committed>
  void release(const Committed& committed) {
    while (!holds_.empty() && committed(holds_.front().what)) holds_.pop_front();
  }
  // Fills `parts` with bytes that may leave; returns how many parts.
  size_t gather(std::span<iovec> parts) const;
  // What was appended from that position on. REQUIRES: none of it was sent.
  void copy_from(uint64_t position, std::string* out) const;
  // Everything that was not sent, released or not.
  void copy_to(std::string* out) const;
  // `size` of the gathered bytes were written.
  void consume(size_t size);
  void clear();

  size_t chunk_count() const { return chunks_.size(); }
  size_t allocated_bytes() const { return allocated_; }

 private:
  struct Chunk {
    char* data;
    size_t size;  // bytes in use; of the last chunk: when it was left, see used()
    size_t capacity;
    SharedBytes shared;  // owns the data, which is then never written; null: the chunk owns it

    // What may still be written behind `size`.
    size_t room() const { return shared == nullptr ? capacity - size : 0; }
  };
  struct Hold {
    uint64_t from;
    CommitPoint what;
  };

  void add_chunk(size_t size);
  void push_chunk(Chunk chunk);
  static void free_chunk(const Chunk& chunk);
  size_t used(size_t chunk) const;

  std::deque<Chunk> chunks_;
  size_t first_offset_ = 0;  // bytes of the first chunk already sent
  char* end_ = nullptr;      // where the last chunk goes on
  size_t room_ = 0;
  uint64_t appended_ = 0;
  uint64_t sent_ = 0;
  size_t allocated_ = 0;
  std::deque<Hold> holds_;  // by position; of neighbours of one shard the seqs increase
};

}  // namespace holdfast
