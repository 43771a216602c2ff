// LogTail: a shard's log as its protocol core sees it: the newest entries in memory, all older ones
// through LogSource, and the position of each.
//
// Invariants: entries are in order without a gap, each chained to the one before; what is in memory
// is a suffix of the log, with all that is not on the device yet.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/status.h"
#include "replica/message.h"
#include "store/entry.h"

namespace holdfast {

// Consecutive entries.
struct LogSlice {
  LogPosition previous;  // of the entry before the first
  Bytes entries;         // null: none
  LogPosition last;
};

// What is on the device. Reads may block for the time of a device's read.
class LogSource {
 public:
  virtual ~LogSource() = default;
  // Entries from `from` on, checked: at least one, and more while they stay within `max_bytes`.
  // kNotFound: it is not kept any more. `previous` need not be filled in. Only what is durable is
  // asked for; behind that the answer may hold entries that a truncation on its way takes away.
  virtual Result<LogSlice> read_entries(Seq from, uint64_t max_bytes) = 0;
};

// The entries as a slice behind `previous`; kCorrupt unless each follows the one before.
Result<LogSlice> check_entries(const LogPosition& previous, const Bytes& entries);

class LogTail {
 public:
  // The source outlives this. `log`: all that was logged so far, entries behind `base` being there
  // to be read; what lies before is known by its position alone. `memory_bytes`: of entries that
  // are kept in memory although they are on the device.
  LogTail(LogSource& source, LogPosition base, LogSummary log, uint64_t memory_bytes)
      : source_(source),
        memory_bytes_(memory_bytes),
        base_(base),
        log_(std::move(log)),
        on_device_(log_.last.seq) {}

  const LogPosition& last() const { return log_.last; }
  const LogPosition& base() const { return base_; }
  const LogSummary& summary() const { return log_; }

  // REQUIRES: the slice follows last().
  void append(const LogSlice& slice);
  // REQUIRES: base().seq <= last_kept <= last().seq.
  void truncate(Seq last_kept);
  // Entries up to there are on the device, and can be read back. Never decreases but by truncate().
  void on_device(Seq upto);
  // What lies before that entry may not be kept any more.
  void release(const LogPosition& base);
  // Everything so far is replaced by a state that contains the log up to this.
  void reset(const LogSummary& log);

  // Of the entry; kNotFound for one that is not kept, or beyond the end.
  Result<LogPosition> position(Seq seq) const;
  // Entries from `from` on, as whole groups as they were appended if that fits; empty beyond the
  // end.
  Result<LogSlice> slice(Seq from, uint64_t max_bytes) const;
  uint64_t memory() const { return recent_bytes_; }  // of the entries that are kept in it
  // slice() from there on needs no reading.
  bool in_memory(Seq seq) const { return seq > last().seq || recent(seq) != nullptr; }
  // Entries that were read back behind `previous`, as far as they are of this log, in parts like
  // those of slice(). kCorrupt unless they follow it.
  Result<std::vector<LogSlice>> read_back(const LogPosition& previous, const Bytes& entries,
                                          uint64_t max_bytes) const;
  // The last entry that a log of that summary can have in common with this one.
  Seq common_end(const LogSummary& other) const;
  // That entry may be of this log, which is kept behind it. Nothing is read: whether it is shows
  // when what follows it does, or not.
  bool may_hold(const LogPosition& at) const;

 private:
  const LogSlice* recent(Seq seq) const;
  // As position(), as far as that needs no reading.
  std::optional<LogPosition> known(Seq seq) const;
  void trim();

  LogSource& source_;
  const uint64_t memory_bytes_;
  LogPosition base_;
  LogSummary log_;
  Seq on_device_;
  std::deque<LogSlice> recent_;
  uint64_t recent_bytes_ = 0;
};

// Walks the entries of `bytes`, which were checked before; false from the visitor stops.
template <typename Visitor>
void visit_entries(std::string_view bytes, Visitor visit) {
  while (!bytes.empty()) {
    const EntryHeader header = peek_entry_header(bytes);
    if (!visit(header, bytes.substr(0, header.length))) return;
    bytes.remove_prefix(header.length);
  }
}

inline LogPosition position_of(const EntryHeader& header) {
  return {header.epoch, header.seq, header.crc};
}

}  // namespace holdfast
