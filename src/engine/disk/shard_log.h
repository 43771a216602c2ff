// ShardLog: the log of one shard as the DiskEngine sees it: which groups it has, where each lies,
// and the bytes of those that are not on the device yet.
//
// Invariant: groups are in order of their entries, without a gap; those in memory are the newest.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/disk/logged_record.h"
#include "engine/disk/wal_format.h"
#include "engine/engine.h"

namespace holdfast::disk {

struct LoggedGroup {
  Seq first = 0;
  Seq last = 0;          // less than written_last after a truncation
  Seq written_last = 0;  // as it was appended
  uint64_t bytes = 0;
  WalPlace at;                                   // block kUnplaced: not on the device yet
  std::shared_ptr<const std::string> in_memory;  // until it is
  std::vector<LoggedRecord> records = {};        // of its large values

  static constexpr uint64_t kUnplaced = UINT64_MAX;
  bool placed() const { return at.batch.block != kUnplaced; }
};

class ShardLog {
 public:
  Seq first() const { return groups_.empty() ? 0 : groups_.front().first; }
  Seq last() const { return groups_.empty() ? 0 : groups_.back().last; }
  uint64_t bytes() const { return bytes_; }
  const std::deque<LoggedGroup>& groups() const { return groups_; }

  // REQUIRES: the log is empty, or group.first == last() + 1.
  void append(LoggedGroup group);
  // The group with these bytes, which began with `first`, is on the device.
  void placed(Seq first, const std::string* bytes, const WalPlace& at);
  void truncate(Seq last_kept);
  // Forgets groups that end at or below `seq`.
  void release(Seq seq);
  // The first group with an entry of that number or above.
  std::deque<LoggedGroup>::const_iterator at_or_above(Seq seq) const;
  // The first group with an entry above `seq`, or null.
  const LoggedGroup* first_above(Seq seq) const;
  // The record of the key as the entry left it, if it has one, or null; `on_device`: only if the
  // log on the device names it.
  const LoggedRecord* record_of(const RecordKey& key, Seq seq, bool on_device) const;

 private:
  std::deque<LoggedGroup> groups_;
  uint64_t bytes_ = 0;
};

}  // namespace holdfast::disk
