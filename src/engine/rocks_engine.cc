// See rocks_engine.h.
#include "engine/rocks_engine.h"

#include <rocksdb/convenience.h>

#include "base/assert.h"
#include "engine/rocks_format.h"
#include "engine/rocks_writer.h"

namespace holdfast {

using namespace rocks_format;

namespace {

// Released ranges are looked at for whole files this often: below a memtable's size there are none.
constexpr uint64_t kDropFilesBytes = 64 << 20;

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

RocksEngine::RocksEngine(Reactor& reactor, std::string directory, RocksOptions options)
    : reactor_(reactor), directory_(std::move(directory)), options_(options) {}

RocksEngine::~RocksEngine() = default;

void RocksEngine::close() {
  if (writer_ != nullptr) writer_->close();
  writer_.reset();
  store_.close();
}

RocksEngine::ShardState& RocksEngine::shard(ShardId id) {
  const auto found = shards_.find(id);
  if (found != shards_.end()) return found->second;
  return shards_.emplace(id, ShardState{{}, {}, RocksShardLog(id, *store_.db, store_.log)})
      .first->second;
}

Result<std::vector<RecoveredShard>> RocksEngine::open() {
  HF_ASSERT(store_.db == nullptr && shards_.empty());
  const Status status = load();
  if (!status.ok()) {
    shards_.clear();
    store_.close();
    return status;
  }
  std::vector<RecoveredShard> found;
  for (auto& [id, state] : shards_) {
    found.push_back({id, state.hard_state, state.checkpoint, state.log.first(), state.log.last()});
    state.checkpoint.state.clear();
  }
  writer_ = std::make_unique<RocksWriter>(*store_.db, reactor_, options_.durability);
  return found;
}

Status RocksEngine::load() {
  Status status = open_rocks_store(directory_, &store_);
  if (status.ok()) status = load_state();
  if (status.ok()) status = load_log();
  return status;
}

Status RocksEngine::load_state() {
  std::unique_ptr<rocksdb::Iterator> at(store_.db->NewIterator({}, store_.state));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    if (key == kFormatKey) continue;
    const Status status = load_state_value(key, at->value().ToStringView());
    if (!status.ok()) return status;
  }
  return at->status().ok() ? Status() : from_rocks("read " + directory_, at->status());
}

Status RocksEngine::load_state_value(std::string_view key, std::string_view value) {
  const std::string where = "data directory " + directory_ + ": ";
  if (key.size() != kStateKeyBytes) return Status::corrupt(where + "a state key is not known");
  const std::string_view kind = key.substr(0, key.size() - sizeof(ShardId));
  const auto id = load_big_endian<ShardId>(key.substr(kind.size()));
  std::string_view content;
  if (!unseal(key, value, &content)) {
    return Status::corrupt(where + "the state of shard " + std::to_string(id) + " is damaged");
  }
  ShardState& state = shard(id);
  Reader reader(content);
  if (kind == kHardStateKind) {
    state.hard_state.promised_epoch = reader.fixed<Epoch>();
    state.hard_state.voted_for = reader.fixed<uint64_t>();
  } else if (kind == kCheckpointKind) {
    state.checkpoint.seq = reader.fixed<Seq>();
    state.checkpoint.state = reader.bytes(reader.left());
  } else {
    return Status::corrupt(where + "a state key is not known");
  }
  if (reader.ok() && reader.at_end()) return {};
  return Status::corrupt(where + "the state of shard " + std::to_string(id) + " has another size");
}

Status RocksEngine::load_log() {
  const std::string where = "data directory " + directory_ + ": ";
  rocksdb::ReadOptions how;
  how.fill_cache = false;
  how.readahead_size = 2 << 20;
  std::unique_ptr<rocksdb::Iterator> at(store_.db->NewIterator(how, store_.log));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    Seq first = 0, last = 0;
    std::string_view entries;
    if (!decode_group(key, at->value().ToStringView(), &first, &last, &entries)) {
      return Status::corrupt(where + "a group of the log is damaged");
    }
    ShardState& state = shard(load_big_endian<ShardId>(key));
    const Status status = state.log.found(first, last, entries.size(), state.checkpoint.seq);
    if (!status.ok()) return Status::corrupt(where + status.message());
  }
  for (auto& [id, state] : shards_) state.log.found_all(state.checkpoint.seq);
  return at->status().ok() ? Status() : from_rocks("read the log", at->status());
}

void RocksEngine::append(ShardId id, LogGroup group, Done done) {
  ++stats_.appended_groups;
  stats_.appended_bytes += group.bytes.size();
  submit_group(id, shard(id).log.append(std::move(group)), false, std::move(done));
}

// What is above the group goes first if it `truncates`.
void RocksEngine::submit_group(ShardId id, const RocksShardLog::GroupPtr& group, bool truncates,
                               Done done) {
  writer_->submit(
      truncates ? Sync::kForced : Sync::kPolicy,
      [this, id, truncates, group](rocksdb::WriteBatch* batch) {
        if (truncates) {
          batch->DeleteRange(store_.log, log_key(id, group->last + 1),
                             after_prefix(log_key(id, UINT64_MAX)));
        }
        put_group(batch, store_.log, id, *group);
      },
      [this, id, done = std::move(done)](const Status& status) {
        if (status.ok()) shard(id).log.written();
        done(status);
      });
}

Status RocksEngine::read_log(ShardId id, Seq from, Seq to, const EntryVisitor& visit) {
  return shard(id).log.read(from, to, visit);
}

// Whole groups above go; a group that is cut is written anew up to the last entry kept.
void RocksEngine::truncate_suffix(ShardId id, Seq last_kept, Done done) {
  Result<RocksShardLog::GroupPtr> cut = shard(id).log.truncate(last_kept);
  if (!cut.ok()) {
    writer_->submit_failure(cut.status(), std::move(done));
    return;
  }
  if (cut.value() != nullptr) {
    submit_group(id, cut.value(), true, std::move(done));
    return;
  }
  writer_->submit(
      Sync::kForced,
      [this, id, last_kept](rocksdb::WriteBatch* batch) {
        if (last_kept == UINT64_MAX) return;
        batch->DeleteRange(store_.log, log_key(id, last_kept + 1),
                           after_prefix(log_key(id, UINT64_MAX)));
      },
      std::move(done));
}

// A group goes when all of it may go: it stands under its last entry. Deleted ranges alone leave
// their files to a later compaction; files that are released as a whole are dropped at once, when
// the deletion is durable (a file may hold an older deletion that must not be undone).
void RocksEngine::release_prefix(ShardId id, Seq seq, Done done) {
  ShardState& state = shard(id);
  HF_ASSERT(seq <= state.checkpoint.seq);  // E5
  released_bytes_ += state.log.release(seq);
  Task drop_files;
  if (released_bytes_ >= kDropFilesBytes) {
    released_bytes_ = 0;
    drop_files = [this, from = log_key(id, 0), to = log_key(id, seq + 1)] {
      const rocksdb::Slice begin = slice(from), end = slice(to);
      // It only gives space back: what fails here is tried again next time.
      rocksdb::DeleteFilesInRange(store_.db.get(), store_.log, &begin, &end, false);
    };
  }
  writer_->submit(
      drop_files ? Sync::kForced : Sync::kNever,
      [this, id, seq](rocksdb::WriteBatch* batch) {
        batch->DeleteRange(store_.log, log_key(id, 0), log_key(id, seq + 1));
      },
      std::move(done), std::move(drop_files));
}

void RocksEngine::put_state(std::string_view kind, ShardId id, std::string content, Done done) {
  writer_->submit(
      Sync::kForced,
      [this, key = state_key(kind, id), content = std::move(content)](rocksdb::WriteBatch* batch) {
        put_sealed(batch, store_.state, key, {}, content);
      },
      std::move(done));
}

void RocksEngine::save_hard_state(ShardId id, const HardState& state, Done done) {
  std::string content;
  put_fixed(content, state.promised_epoch);
  put_fixed(content, state.voted_for);
  put_state(kHardStateKind, id, std::move(content), std::move(done));
}

void RocksEngine::finish_checkpoint(ShardId id, const CheckpointMeta& meta, Done done) {
  std::string content;
  put_fixed(content, meta.seq);
  content.append(meta.state);
  put_state(kCheckpointKind, id, std::move(content),
            [this, id, seq = meta.seq, done = std::move(done)](const Status& status) {
              if (status.ok()) shard(id).checkpoint.seq = seq;
              done(status);
            });
}

void RocksEngine::write_records(ShardId id, const std::vector<RecordWrite>& writes,
                                RecordsDone done) {
  struct Copy {
    std::string key;
    std::string image;
    bool erase;
  };
  std::vector<Copy> copies;
  copies.reserve(writes.size());
  for (const RecordWrite& write : writes) {
    copies.push_back({record_key(id, write.key), std::string(write.image), write.erase});
  }
  writer_->submit(
      Sync::kNever,  // finish_checkpoint flushes them
      [this, copies = std::move(copies)](rocksdb::WriteBatch* batch) {
        for (const Copy& copy : copies) {
          if (copy.erase) {
            batch->Delete(store_.records, copy.key);
          } else {
            put_sealed(batch, store_.records, copy.key, {}, copy.image);
          }
        }
      },
      [done = std::move(done)](const Status& status) { done(status, {}); });
}

void RocksEngine::erase_database(ShardId id, DbId db, Done done) {
  writer_->submit(
      Sync::kNever,
      [this, prefix = record_prefix(id, db)](rocksdb::WriteBatch* batch) {
        batch->DeleteRange(store_.records, prefix, after_prefix(prefix));
      },
      std::move(done));
}

Result<std::string> RocksEngine::read_record(ShardId id, const RecordKey& record) {
  const std::string key = record_key(id, record);
  std::string value;
  const rocksdb::Status status = store_.db->Get({}, store_.records, key, &value);
  if (status.IsNotFound()) return Status::not_found("no such record");
  if (!status.ok()) return from_rocks("read a record", status);
  std::string_view content;
  if (!unseal(key, value, &content)) {
    return Status::corrupt("data directory " + directory_ + ": a record of slot " +
                           std::to_string(record.slot) + " is damaged");
  }
  return std::string(content);
}

Status RocksEngine::visit_records(ShardId id, const RecordVisitor& visit) {
  bool more = true;
  const RecordVisitor counted = [&](const RecordKey& key, std::string_view image) {
    return more = visit(key, image);
  };
  Status status;
  for (int db = 0; db < kDbCount && more && status.ok(); ++db) {
    status = visit_database(id, static_cast<DbId>(db), counted);
  }
  return status;
}

Status RocksEngine::visit_database(ShardId id, DbId db, const RecordVisitor& visit) {
  const std::string prefix = record_prefix(id, db);
  rocksdb::ReadOptions how;
  how.fill_cache = false;
  how.readahead_size = 2 << 20;
  const std::string end = after_prefix(prefix);
  const rocksdb::Slice upper = slice(end);
  how.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> at(store_.db->NewIterator(how, store_.records));
  for (at->Seek(prefix); at->Valid(); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    std::string_view content;
    if (key.size() < kRecordHeadBytes || !unseal(key, at->value().ToStringView(), &content)) {
      return Status::corrupt("data directory " + directory_ + ": a record is damaged");
    }
    const RecordKey record{load_big_endian<DbId>(key.substr(sizeof(ShardId))),
                           load_big_endian<SlotId>(key.substr(sizeof(ShardId) + sizeof(DbId))),
                           key.substr(kRecordHeadBytes)};
    if (!visit(record, content)) return {};
  }
  return at->status().ok() ? Status() : from_rocks("read the records", at->status());
}

uint64_t RocksEngine::log_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, state] : shards_) bytes += state.log.bytes();
  return bytes;
}

uint64_t RocksEngine::log_bytes_of(ShardId shard) const {
  const auto found = shards_.find(shard);
  return found == shards_.end() ? 0 : found->second.log.bytes();
}

Seq RocksEngine::first_logged(ShardId shard) const {
  const auto found = shards_.find(shard);
  return found == shards_.end() ? 0 : found->second.log.first();
}

EngineStats RocksEngine::stats() const {
  EngineStats stats = stats_;
  stats.log_bytes = log_bytes();
  if (writer_ != nullptr) writer_->add_stats(&stats);
  if (store_.db != nullptr) {
    uint64_t memory = 0, files = 0;
    store_.db->GetIntProperty(store_.records, "rocksdb.cur-size-all-mem-tables", &memory);
    store_.db->GetIntProperty(store_.records, "rocksdb.estimate-live-data-size", &files);
    stats.record_bytes = memory + files;
  }
  return stats;
}

}  // namespace holdfast
