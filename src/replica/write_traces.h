// WriteTraces: what happened to the newest writes of a shard, and when: for TRACE, WHY and
// SLOWLOG TRACES. As primary only; of fixed size, in memory, gone with the process.
//
// A write is traced by itself until it is applied. From then on it shares its way with all entries
// of its turn, which go to the log, to the backups and into the commit as one group.
//
// Times: nanoseconds of Clock::mono_ns(); 0: it has not happened.
// Threads: the reactor's.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "replica/view.h"

namespace holdfast {

struct WriteTrace {
  Seq seq = 0;
  uint64_t client = 0;       // 0: the server itself
  std::string_view command;  // its full name, of the server's table or a literal
  int64_t received_ns = 0;
  int64_t started_ns = 0;
  int64_t applied_ns = 0;
};

struct GroupTrace {
  struct Copy {
    NodeId node = 0;
    int64_t at_ns = 0;
  };
  static constexpr size_t kMaxCopies = 6;

  Seq first = 0, last = 0;
  Seq slowest = 0;  // of its writes, the one that was received first; 0: none was a client's
  Epoch epoch = 0;
  uint64_t bytes = 0;
  int64_t logged_ns = 0;                     // handed to the engine and the backups
  int64_t flushed_ns = 0;                    // on this node's media
  std::array<Copy, kMaxCopies> copies = {};  // on those of backups, in the order of arrival
  int64_t committed_ns = 0;
};

// A write that took longer than it should, from its arrival to its commit.
struct SlowWrite {
  int64_t wall_ms = 0;  // when it was committed
  WriteTrace write;
  GroupTrace group;
  int64_t took_ns() const { return group.committed_ns - write.received_ns; }
};

class WriteTraces {
 public:
  static constexpr size_t kWrites = 8192;
  static constexpr size_t kGroups = 2048;

  // In order of seq.
  void wrote(const WriteTrace& trace) {
    if (writes_.size() < kWrites) {
      writes_.push_back(trace);
    } else {
      writes_[oldest_] = trace;
      oldest_ = (oldest_ + 1) % kWrites;
    }
    if (slowest_ != 0 && trace.received_ns >= slowest_received_ns_) return;
    slowest_ = trace.seq;
    slowest_received_ns_ = trace.received_ns;
  }
  // All writes since the last group. Times but logged_ns are still to come.
  void logged(GroupTrace group);
  // Everything up to there is on that medium.
  void flushed(Seq upto, int64_t now_ns);
  void copied(NodeId backup, Seq upto, int64_t now_ns);
  void committed(Seq upto, int64_t now_ns, int64_t wall_ms);

  // Null: not known any more, or not this primary's.
  const WriteTrace* write(Seq seq) const;
  const GroupTrace* group_of(Seq seq) const;

  // Of each group whose slowest write took that long, that write is kept, the newest `most`.
  // `slower_than_us` < 0: of none.
  void keep_slow(int64_t slower_than_us, uint64_t most);
  const std::deque<SlowWrite>& slow() const { return slow_; }  // newest first
  void forget_slow() { slow_.clear(); }

 private:
  void keep_if_slow(const GroupTrace& group, int64_t wall_ms);

  std::vector<WriteTrace> writes_;  // a ring when it is full
  size_t oldest_ = 0;
  Seq slowest_ = 0;  // since the last group
  int64_t slowest_received_ns_ = 0;
  std::deque<GroupTrace> groups_;  // oldest first
  std::deque<SlowWrite> slow_;
  int64_t slower_than_us_ = -1;
  uint64_t most_slow_ = 0;
};

}  // namespace holdfast
