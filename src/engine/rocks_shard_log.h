// RocksShardLog: the log of one shard as the reactor sees it: where it begins and ends, what it
// occupies, and the groups that the writer has not finished yet.
//
// Invariants:
//  - entries first()..last() are in the database or in flight, without a gap (open() refuses a
//    store where one above the checkpoint is missing);
//  - groups in flight are the newest ones: what is not in flight is readable from the database.
//    So a read or a cut needs to wait for nothing;
//  - a group's checksum and its number of entries are verified whenever it is read (E6).
//
// The shape is kept in runs of many groups, so that a log of tiny groups costs the disk, not
// memory. Threads: the reactor's only.
#pragma once

#include <rocksdb/db.h>

#include <deque>
#include <memory>
#include <string>

#include "engine/engine.h"

namespace holdfast {

class RocksShardLog {
 public:
  using GroupPtr = std::shared_ptr<const LogGroup>;

  RocksShardLog(ShardId shard, rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family)
      : shard_(shard), db_(db), family_(family) {}

  // A group found at open, in order; `covered` is the checkpoint's seq. kCorrupt for a gap above
  // it.
  Status found(Seq first, Seq last, uint64_t bytes, Seq covered);
  // No more will be found.
  void found_all(Seq covered);

  // 0 and 0 when the log is empty.
  Seq first() const { return runs_.empty() ? 0 : runs_.front().first; }
  Seq last() const { return runs_.empty() ? 0 : runs_.back().last; }
  uint64_t bytes() const { return bytes_; }

  // REQUIRES: the log is empty, or group.first == last() + 1.
  GroupPtr append(LogGroup group);
  // The oldest group in flight is in the database.
  void written();

  // Forgets what is above `last_kept`. The group that held both sides is given back as it must be
  // written anew (then it is in flight), or null when no group is cut.
  Result<GroupPtr> truncate(Seq last_kept);
  // Forgets what is at or below `seq`; gives the bytes that were kept for it.
  uint64_t release(Seq seq);

  Status read(Seq from, Seq to, const Engine::EntryVisitor& visit) const;

 private:
  struct Run {
    Seq first;
    Seq last;
    uint64_t bytes;
  };
  struct GroupView {
    Seq first = 0;
    Seq last = 0;
    std::string_view bytes;
  };

  void extend(Seq first, Seq last, uint64_t bytes);
  const LogGroup* in_flight(Seq seq) const;
  std::unique_ptr<rocksdb::Iterator> seek(Seq seq) const;
  Status decode(rocksdb::Iterator& at, Seq wanted, GroupView* view) const;
  Result<GroupPtr> cut(Seq last_kept) const;

  const ShardId shard_;
  rocksdb::DB& db_;
  rocksdb::ColumnFamilyHandle* const family_;
  std::deque<Run> runs_;
  std::deque<GroupPtr> in_flight_;
  uint64_t bytes_ = 0;
};

// Takes a stored group apart; false when it is damaged. `entries` may be null.
bool decode_group(std::string_view key, std::string_view value, Seq* first, Seq* last,
                  std::string_view* entries);

}  // namespace holdfast
