// See mem_engine.h.
#include "engine/mem_engine.h"

#include <algorithm>

#include "base/assert.h"
#include "engine/log_group.h"

namespace holdfast {

Result<std::vector<RecoveredShard>> MemEngine::open() {
  std::vector<RecoveredShard> found;
  for (const auto& [id, shard] : shards_) {
    RecoveredShard recovered{id, shard.hard_state, shard.checkpoint, 0, 0};
    if (!shard.log.empty()) {
      recovered.first_seq = shard.log.begin()->first;
      recovered.last_seq = shard.log.rbegin()->first;
    }
    found.push_back(recovered);
  }
  return found;
}

void MemEngine::append(ShardId shard, LogGroup group, Done done) {
  ShardState& state = shards_[shard];
  HF_ASSERT(group.first != 0 && group.first <= group.last);
  HF_ASSERT(state.last_seq == 0 || group.first == state.last_seq + 1);
  state.last_seq = group.last;
  ++stats_.appended_groups;
  stats_.appended_bytes += group.bytes.size();
  if (keep_) keep(state, group);
  done({});
}

void MemEngine::keep(ShardState& state, const LogGroup& group) {
  const Status split =
      split_group(group.first, group.last, group.bytes, [&state](Seq seq, std::string_view entry) {
        state.log[seq] = entry;
        return true;
      });
  HF_ASSERT(split.ok());
  state.log_bytes += group.bytes.size();
  stats_.log_bytes += group.bytes.size();
}

Status MemEngine::read_log(ShardId shard, Seq from, Seq to, const EntryVisitor& visit) {
  const auto& log = shards_[shard].log;
  if (log.empty() || from < log.begin()->first || to > log.rbegin()->first) {
    return Status::not_found("log entries " + std::to_string(from) + " to " + std::to_string(to) +
                             " are not kept");
  }
  for (auto at = log.lower_bound(from); at != log.end() && at->first <= to; ++at) {
    if (!visit(at->first, at->second)) break;
  }
  return {};
}

void MemEngine::truncate_suffix(ShardId shard, Seq last_kept, Done done) {
  ShardState& state = shards_[shard];
  for (auto at = state.log.upper_bound(last_kept); at != state.log.end();) {
    state.log_bytes -= at->second.size();
    stats_.log_bytes -= at->second.size();
    at = state.log.erase(at);
  }
  state.last_seq = std::min(state.last_seq, last_kept);
  if (keep_ && state.log.empty()) state.last_seq = 0;
  done({});
}

void MemEngine::release_prefix(ShardId shard, Seq seq, Done done) {
  ShardState& state = shards_[shard];
  HF_ASSERT(!keep_ || seq <= state.checkpoint.seq);  // E5
  for (auto at = state.log.begin(); at != state.log.end() && at->first <= seq;) {
    state.log_bytes -= at->second.size();
    stats_.log_bytes -= at->second.size();
    at = state.log.erase(at);
  }
  if (seq >= state.last_seq) state.last_seq = 0;  // the log is empty: it may go on anywhere
  done({});
}

uint64_t MemEngine::log_bytes_of(ShardId shard) const {
  const auto found = shards_.find(shard);
  return found == shards_.end() ? 0 : found->second.log_bytes;
}

Seq MemEngine::first_logged(ShardId shard) const {
  const auto found = shards_.find(shard);
  const bool any = found != shards_.end() && !found->second.log.empty();
  return any ? found->second.log.begin()->first : 0;
}

void MemEngine::save_hard_state(ShardId shard, const HardState& hard_state, Done done) {
  if (keep_) shards_[shard].hard_state = hard_state;
  done({});
}

void MemEngine::write_records(ShardId shard, const std::vector<RecordWrite>& writes,
                              RecordsDone done) {
  auto& records = shards_[shard].records;
  for (const RecordWrite& write : writes) {
    if (!keep_) break;
    Place place{write.key.db, write.key.slot, std::string(write.key.key)};
    if (write.erase) {
      records.erase(place);
    } else {
      records.insert_or_assign(std::move(place), std::string(write.image));
    }
  }
  done({}, {});
}

void MemEngine::erase_database(ShardId shard, DbId db, Done done) {
  std::erase_if(shards_[shard].records, [db](const auto& r) { return r.first.db == db; });
  done({});
}

void MemEngine::finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) {
  if (keep_) shards_[shard].checkpoint = meta;
  done({});
}

Result<std::string> MemEngine::read_record(ShardId shard, const RecordKey& key) {
  const auto& records = shards_[shard].records;
  const auto found = records.find(Place{key.db, key.slot, std::string(key.key)});
  if (found == records.end()) return Status::not_found("no such record");
  return found->second;
}

Status MemEngine::visit_records(ShardId shard, const RecordVisitor& visit) {
  for (const auto& [place, image] : shards_[shard].records) {
    if (!visit({place.db, place.slot, place.key}, image)) break;
  }
  return {};
}

}  // namespace holdfast
