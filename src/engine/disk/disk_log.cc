// How a DiskEngine reads its log: see disk_engine.h.
#include <algorithm>
#include <utility>

#include "engine/disk/disk_engine.h"
#include "engine/log_group.h"

namespace holdfast {

using namespace disk;

namespace {

Status not_kept() { return Status::not_found("the log does not hold these entries"); }

bool holds(const ShardLog& log, Seq from, Seq to) {
  return from != 0 && from <= to && from >= log.first() && to <= log.last();
}

// Of a group's entries those that are asked for and were not truncated.
Status append_entries(const LoggedGroup& group, std::string_view bytes, Seq from, Seq to,
                      std::string* out) {
  return split_group(group.first, group.written_last, bytes, [&](Seq seq, std::string_view entry) {
    if (seq > std::min(to, group.last)) return false;
    if (seq >= from) out->append(entry);
    return true;
  });
}

}  // namespace

// --- waiting for it ---

Status DiskEngine::read_log(ShardId shard, Seq from, Seq to, const EntryVisitor& visit) {
  const auto found = logs_.find(shard);
  if (found == logs_.end() || !holds(found->second, from, to)) return not_kept();
  reader_->forget();
  bool more = true;
  const std::deque<LoggedGroup>& groups = found->second.groups();
  for (auto at = found->second.at_or_above(from); at != groups.end(); ++at) {
    const LoggedGroup& group = *at;
    if (group.first > to || !more) break;
    const Status status = visit_group(
        group,
        [&](Seq seq, std::string_view entry) {
          return seq < from || (seq <= std::min(to, group.last) && visit(seq, entry));
        },
        &more);
    if (!status.ok()) return with_place(status);
  }
  return {};
}

Status DiskEngine::visit_group(const LoggedGroup& group, const EntryVisitor& visit, bool* more) {
  const EntryVisitor counted = [&](Seq seq, std::string_view entry) {
    if (seq > group.last) return false;
    return *more = visit(seq, entry);
  };
  if (!group.placed())
    return split_group(group.first, group.written_last, *group.in_memory, counted);
  WalRecord record;
  if (Status status = reader_->read(group.at, &record); !status.ok()) return status;
  if (record.type == WalRecordType::kGroup) {
    return split_group(group.first, group.written_last, record.payload, counted);
  }
  SpilledGroup where;
  if (record.type == WalRecordType::kSpilled && !decode_spilled(record.payload, &where)) {
    return Status::corrupt("the place of a large group cannot be decoded");
  }
  const Result<std::string> bytes = record.type == WalRecordType::kSpilled
                                        ? data_->read_spilled(where)
                                        : data_->read_logged(record.payload);
  if (!bytes.ok()) return bytes.status();
  return split_group(group.first, group.written_last, bytes.value(), counted);
}

// --- not waiting ---

// Nothing that a group of the log names is written again before the log forgets the group. So a
// group that is still there, in the same place, when the read is done was there all the time.
const LoggedGroup* DiskEngine::still_logged(const LogFetch& fetch) const {
  const auto log = logs_.find(fetch.shard);
  if (log == logs_.end() || !holds(log->second, fetch.from, fetch.from)) return nullptr;
  const LoggedGroup& group = *log->second.at_or_above(fetch.from);
  const bool same = group.placed() && group.at.batch.block == fetch.at.batch.block &&
                    group.at.offset == fetch.at.offset;
  return same ? &group : nullptr;
}

void DiskEngine::fetch_log(ShardId shard, Seq from, Seq to, uint64_t max_bytes,
                           const LogRead& done) {
  const auto found = logs_.find(shard);
  if (found == logs_.end() || !holds(found->second, from, to)) return done(not_kept());
  const auto first = found->second.at_or_above(from);
  if (!first->placed()) return Engine::fetch_log(shard, from, to, max_bytes, done);
  const uint64_t block = first->at.first_block();
  const uint64_t most = block + blocks_for(max_bytes);
  uint64_t end = first->at.end_block();
  for (auto next = first + 1; next != found->second.groups().end(); ++next) {
    if (!next->placed() || next->first > to || next->at.end_block() > most) break;
    end = next->at.end_block();
  }
  LogFetch fetch{shard, from, to, first->at, end, done};
  wal_->read(block, end - block,
             [this, fetch = std::move(fetch)](const Status& status, AlignedBuffer blocks) {
               if (still_logged(fetch) == nullptr) return fetch.done(not_kept());
               if (!status.ok()) return fetch.done(with_place(status));
               WalReader reader(reader_->identity(), fetch.at.first_block(), std::move(blocks));
               take_fetched(fetch, &reader);
             });
}

// Those groups that the reader has in whole.
void DiskEngine::take_fetched(const LogFetch& fetch, WalReader* reader) {
  const ShardLog& log = logs_.at(fetch.shard);
  std::string entries;
  Status status;
  for (auto group = log.at_or_above(fetch.from); group != log.groups().end(); ++group) {
    if (!group->placed() || group->first > fetch.to || group->at.end_block() > fetch.end) break;
    WalRecord record;
    status = reader->read(group->at, &record);
    if (!status.ok()) break;
    if (record.type != WalRecordType::kGroup) {
      if (entries.empty()) return fetch_large(fetch, record);
      break;
    }
    status = append_entries(*group, record.payload, fetch.from, fetch.to, &entries);
    if (!status.ok()) break;
  }
  if (entries.empty()) return fetch.done(with_place(status));
  fetch.done(std::move(entries));
}

// A group that is in the data file, or has values there, is given by itself.
void DiskEngine::fetch_large(const LogFetch& fetch, const WalRecord& record) {
  const LogRead done = [this, fetch](const Result<std::string>& bytes) {
    const LoggedGroup* group = still_logged(fetch);
    if (group == nullptr) return fetch.done(not_kept());
    std::string entries;
    const Status status =
        bytes.ok() ? append_entries(*group, bytes.value(), fetch.from, fetch.to, &entries)
                   : bytes.status();
    if (!status.ok()) return fetch.done(with_place(status));
    fetch.done(std::move(entries));
  };
  if (record.type == WalRecordType::kLarge) {
    return data_->fetch_logged(std::string(record.payload), done);
  }
  SpilledGroup where;
  if (!decode_spilled(record.payload, &where)) {
    return done(Status::corrupt("the place of a large group cannot be decoded"));
  }
  data_->fetch_spilled(where, done);
}

}  // namespace holdfast
