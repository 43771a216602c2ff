// EntryReplay: applies entries of the log to a keyspace, in recovery and on backups.
//
// The keyspace may have been loaded from records that are newer than an entry; what such a record
// contains already is left out.
//
// At every entry a key is absent or of the type that it truly had then, with one exception. Either
// its object is the true one: it came from a record, and all later effects were applied. Or the
// records do not have the key because it was erased after the checkpoint began, and effects build
// it from nothing: what sets a type is applied as it was emitted, and what ended the key ends this
// object too: an erase, which the shard adds where a collection runs empty, or a flush. Until then
// it may hold other elements than the key did, which is why effects on what is not there do
// nothing. The exception: a database that was dropped while the checkpoint ran keeps the records
// that it had before (Checkpoint::gather), so until the replay comes to the drop, which it always
// does, an object may be stale: effects on another type do nothing.
//
// Entries are gathered and applied a batch at a time, so that the lines of memory that a batch
// needs are asked for together.
//
// Threads: the keyspace's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/effect.h"
#include "store/keyspace.h"
#include "store/log_position.h"

namespace holdfast {

class EntryReplay {
 public:
  // The keyspace outlives the replay, which goes on behind `from`.
  EntryReplay(Keyspace& keyspace, LogSummary from) : keyspace_(keyspace), log_(std::move(from)) {}

  // Takes one entry, which must be the next one; kCorrupt when it is not, or is damaged. It is
  // copied, or applied at once. An error may be that of an entry before. After an error nothing
  // more may be added.
  Status add(std::string_view entry);
  // Applies what was gathered.
  Status flush();

  uint64_t count() const { return count_; }  // added
  int64_t log_clock_ms() const { return log_clock_ms_; }
  const LogSummary& log() const { return log_; }  // up to the last that was added

 private:
  static constexpr size_t kBatchEntries = 64;
  static constexpr size_t kBatchBytes = 1 << 20;

  struct Entry {
    Seq seq;
    size_t at, end;  // in the batch
    size_t first_effect = 0;
  };

  Status decode(std::string_view batch);
  Status apply_batch(std::string_view batch);

  Keyspace& keyspace_;
  LogSummary log_;
  std::string bytes_;
  std::vector<Entry> entries_;
  std::vector<Effect> effects_;
  uint64_t count_ = 0;
  int64_t log_clock_ms_ = 0;
};

}  // namespace holdfast
