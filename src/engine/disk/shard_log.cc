// See shard_log.h.
#include "engine/disk/shard_log.h"

#include <algorithm>

#include "base/assert.h"

namespace holdfast::disk {

void ShardLog::append(LoggedGroup group) {
  HF_ASSERT(groups_.empty() || group.first == last() + 1);
  HF_ASSERT(group.first <= group.last);
  bytes_ += group.bytes;
  groups_.push_back(std::move(group));
}

// A group may have been truncated while it was written, and another one begin where it did.
void ShardLog::placed(Seq first, const std::string* bytes, const WalPlace& at) {
  const auto found =
      std::lower_bound(groups_.begin(), groups_.end(), first,
                       [](const LoggedGroup& group, Seq seq) { return group.first < seq; });
  if (found == groups_.end() || found->in_memory.get() != bytes) return;
  found->at = at;
  found->in_memory.reset();
}

void ShardLog::truncate(Seq last_kept) {
  while (!groups_.empty() && groups_.back().first > last_kept) {
    bytes_ -= groups_.back().bytes;
    groups_.pop_back();
  }
  if (groups_.empty() || groups_.back().last <= last_kept) return;
  // What is kept of the group's bytes is not known without reading it: its share is counted.
  LoggedGroup& cut = groups_.back();
  const uint64_t entries = cut.last - cut.first + 1;
  const uint64_t kept = cut.bytes * (last_kept - cut.first + 1) / entries;
  bytes_ -= cut.bytes - kept;
  cut.bytes = kept;
  cut.last = last_kept;
}

void ShardLog::release(Seq seq) {
  while (!groups_.empty() && groups_.front().last <= seq) {
    bytes_ -= groups_.front().bytes;
    groups_.pop_front();
  }
}

std::deque<LoggedGroup>::const_iterator ShardLog::at_or_above(Seq seq) const {
  return std::lower_bound(groups_.begin(), groups_.end(), seq,
                          [](const LoggedGroup& group, Seq wanted) { return group.last < wanted; });
}

const LoggedGroup* ShardLog::first_above(Seq seq) const {
  const auto found = at_or_above(seq + 1);
  return found == groups_.end() ? nullptr : &*found;
}

const LoggedRecord* ShardLog::record_of(const RecordKey& key, Seq seq, bool on_device) const {
  const LoggedGroup* group = seq == 0 ? nullptr : first_above(seq - 1);
  if (group == nullptr || group->first > seq || (on_device && !group->placed()))
    return nullptr;
  auto at =
      std::lower_bound(group->records.begin(), group->records.end(), seq,
                       [](const LoggedRecord& record, Seq wanted) { return record.seq < wanted; });
  for (; at != group->records.end() && at->seq == seq; ++at) {
    if (at->final && at->db == key.db && at->key == key.key) return &*at;
  }
  return nullptr;
}

}  // namespace holdfast::disk
