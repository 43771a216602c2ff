// See rocks_shard_log.h.
#include "engine/rocks_shard_log.h"

#include "base/assert.h"
#include "engine/log_group.h"
#include "engine/rocks_format.h"
#include "engine/rocks_store.h"

namespace holdfast {
namespace {

using namespace rocks_format;

constexpr uint64_t kRunBytes = 256 << 10;

std::string range(Seq from, Seq to) {
  return "log entries " + std::to_string(from) + " to " + std::to_string(to);
}

}  // namespace

bool decode_group(std::string_view key, std::string_view value, Seq* first, Seq* last,
                  std::string_view* entries) {
  std::string_view content;
  if (key.size() != kLogKeyBytes || !unseal(key, value, &content)) return false;
  if (content.size() < sizeof(Seq)) return false;
  *first = load_fixed<Seq>(content.data());
  *last = load_big_endian<Seq>(key.substr(sizeof(ShardId)));
  *entries = content.substr(sizeof(Seq));
  return *first != 0 && *first <= *last;
}

Status RocksShardLog::found(Seq first, Seq last, uint64_t bytes, Seq covered) {
  const std::string shard = "shard " + std::to_string(shard_) + ": ";
  if (!runs_.empty() && first <= this->last()) {
    return Status::corrupt(shard + range(first, this->last()) + " are there twice");
  }
  const Seq expected = runs_.empty() ? covered + 1 : this->last() + 1;
  if (first > expected && first > covered + 1) {
    return Status::corrupt(shard + range(std::max(expected, covered + 1), first - 1) +
                           " are missing");
  }
  if (!runs_.empty() && first != expected) {
    // All that is missing is in the checkpoint's records: what lies before it was being released.
    runs_.clear();
    bytes_ = 0;
  }
  extend(first, last, bytes);
  return {};
}

void RocksShardLog::found_all(Seq covered) {
  if (last() >= covered) return;
  runs_.clear();
  bytes_ = 0;
}

void RocksShardLog::extend(Seq first, Seq last, uint64_t bytes) {
  const uint64_t stored = bytes + kGroupHeadBytes;
  bytes_ += stored;
  if (runs_.empty() || runs_.back().bytes >= kRunBytes) {
    runs_.push_back({first, last, stored});
  } else {
    runs_.back().last = last;
    runs_.back().bytes += stored;
  }
}

RocksShardLog::GroupPtr RocksShardLog::append(LogGroup group) {
  HF_ASSERT(group.first != 0 && group.first <= group.last);
  HF_ASSERT(runs_.empty() || group.first == last() + 1);
  extend(group.first, group.last, group.bytes.size());
  in_flight_.push_back(std::make_shared<const LogGroup>(std::move(group)));
  return in_flight_.back();
}

void RocksShardLog::written() {
  HF_ASSERT(!in_flight_.empty());
  in_flight_.pop_front();
}

// Newest first: a group that was cut and written anew hides what it replaces.
const LogGroup* RocksShardLog::in_flight(Seq seq) const {
  for (auto at = in_flight_.rbegin(); at != in_flight_.rend(); ++at) {
    if ((*at)->first <= seq && seq <= (*at)->last) return at->get();
  }
  return nullptr;
}

std::unique_ptr<rocksdb::Iterator> RocksShardLog::seek(Seq seq) const {
  rocksdb::ReadOptions how;
  how.fill_cache = false;
  how.readahead_size = 1 << 20;
  std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(how, family_));
  at->Seek(log_key(shard_, seq));
  return at;
}

Status RocksShardLog::decode(rocksdb::Iterator& at, Seq wanted, GroupView* view) const {
  const std::string name = "log group of entry " + std::to_string(wanted);
  if (!at.Valid()) {
    return at.status().ok() ? Status::corrupt(name + " is missing")
                            : from_rocks("read " + name, at.status());
  }
  const std::string_view key = at.key().ToStringView();
  if (load_big_endian<ShardId>(key) != shard_) return Status::corrupt(name + " is missing");
  if (!decode_group(key, at.value().ToStringView(), &view->first, &view->last, &view->bytes)) {
    return Status::corrupt(name + " is damaged");
  }
  if (wanted < view->first) return Status::corrupt(name + " is missing");
  return {};
}

Result<RocksShardLog::GroupPtr> RocksShardLog::cut(Seq last_kept) const {
  GroupView view;
  std::unique_ptr<rocksdb::Iterator> at;  // the view's bytes live in it
  if (const LogGroup* group = in_flight(last_kept)) {
    view = {group->first, group->last, group->bytes};
  } else {
    at = seek(last_kept);
    const Status status = decode(*at, last_kept, &view);
    if (!status.ok()) return status;
  }
  if (view.last == last_kept) return GroupPtr();
  auto kept = std::make_shared<LogGroup>();
  kept->first = view.first;
  kept->last = last_kept;
  const Status split =
      split_group(view.first, view.last, view.bytes, [&](Seq seq, std::string_view entry) {
        if (seq <= last_kept) kept->bytes.append(entry);
        return true;
      });
  if (!split.ok()) return split;
  return GroupPtr(std::move(kept));
}

Result<RocksShardLog::GroupPtr> RocksShardLog::truncate(Seq last_kept) {
  if (last_kept >= last()) return GroupPtr();
  GroupPtr kept;
  if (last_kept >= first()) {
    Result<GroupPtr> result = cut(last_kept);
    if (!result.ok()) return result;
    kept = result.value();
  }
  while (!runs_.empty() && runs_.back().first > last_kept) {
    bytes_ -= runs_.back().bytes;
    runs_.pop_back();
  }
  if (last() > last_kept) {
    Run& run = runs_.back();
    const uint64_t gone = run.bytes * (run.last - last_kept) / (run.last - run.first + 1);
    run.last = last_kept;
    run.bytes -= gone;
    bytes_ -= gone;
  }
  if (kept != nullptr) in_flight_.push_back(kept);
  return kept;
}

// In a run that is cut, bytes are taken to be spread evenly over its entries.
uint64_t RocksShardLog::release(Seq seq) {
  const uint64_t before = bytes_;
  while (!runs_.empty() && runs_.front().last <= seq) {
    bytes_ -= runs_.front().bytes;
    runs_.pop_front();
  }
  if (!runs_.empty() && runs_.front().first <= seq) {
    Run& run = runs_.front();
    const uint64_t gone = run.bytes * (seq - run.first + 1) / (run.last - run.first + 1);
    run.first = seq + 1;
    run.bytes -= gone;
    bytes_ -= gone;
  }
  return before - bytes_;
}

Status RocksShardLog::read(Seq from, Seq to, const Engine::EntryVisitor& visit) const {
  if (runs_.empty() || from < first() || to > last()) {
    return Status::not_found(range(from, to) + " are not kept");
  }
  std::unique_ptr<rocksdb::Iterator> at;
  bool more = true;
  for (Seq next = from; next <= to && more;) {
    GroupView view;
    if (const LogGroup* group = in_flight(next)) {
      view = {group->first, group->last, group->bytes};
    } else {
      if (at == nullptr) {
        at = seek(next);
      } else {
        at->Next();
      }
      const Status status = decode(*at, next, &view);
      if (!status.ok()) return status;
    }
    const Status split =
        split_group(view.first, view.last, view.bytes, [&](Seq seq, std::string_view entry) {
          more = seq < from || (seq <= to && visit(seq, entry));
          return more;
        });
    if (!split.ok()) return split;
    next = view.last + 1;
  }
  return {};
}

}  // namespace holdfast
