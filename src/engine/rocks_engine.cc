// See rocks_engine.h.
#include "engine/rocks_engine.h"

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include "base/assert.h"
#include "base/log.h"
#include "engine/log_group.h"
#include "engine/rocks_format.h"
#include "engine/rocks_writer.h"

namespace holdfast {
namespace {

using namespace rocks_format;

constexpr size_t kMemtableBytes = 64 << 20;
constexpr size_t kBlockCacheBytes = 16 << 20;
constexpr int kMaxOpenFiles = 256;

Status io_status(const std::string& what, const rocksdb::Status& status) {
  if (status.IsCorruption()) return Status::corrupt(what + ": " + status.ToString());
  return Status::io(what + ": " + status.ToString());
}

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = kMaxOpenFiles;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 8 << 20;
  options.recycle_log_file_num = 0;  // recycled files cannot tell an old tail from damage
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.paranoid_checks = true;
  options.bytes_per_sync = 1 << 20;
  options.max_total_wal_size = 256 << 20;
  options.max_background_jobs = 2;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(bool compress) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.verify_compression = false;
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = kMemtableBytes;
  options.compression = compress ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// A store of someone else's, or not a store, must not be touched (D8).
bool is_in_use(const rocksdb::Status& status) {
  return status.IsIOError() && status.ToString().find("lock") != std::string::npos;
}

}  // namespace

RocksEngine::RocksEngine(Reactor& reactor, std::string directory, RocksOptions options)
    : reactor_(reactor), directory_(std::move(directory)), options_(options) {}

RocksEngine::~RocksEngine() { close(); }

void RocksEngine::close() {
  if (writer_ != nullptr) writer_->close();
  writer_.reset();
  if (db_ == nullptr) return;
  for (auto* family : {state_family_, log_family_, record_family_}) {
    if (family != nullptr) db_->DestroyColumnFamilyHandle(family);
  }
  db_->Close();
  db_.reset();
}

Result<std::vector<RecoveredShard>> RocksEngine::open() {
  Status status = open_database();
  if (status.ok()) status = check_format();
  if (status.ok()) status = load_state();
  if (status.ok()) status = load_log();
  if (!status.ok()) return status;
  std::vector<RecoveredShard> found;
  for (const auto& [id, shard] : shards_) {
    status = check_no_gap(id, shard);
    if (!status.ok()) return status;
    RecoveredShard recovered{id, shard.hard_state, shard.checkpoint, 0, 0};
    if (!shard.groups.empty()) {
      recovered.first_seq = shard.groups.front().first;
      recovered.last_seq = shard.groups.back().last;
    }
    found.push_back(recovered);
  }
  writer_ = std::make_unique<RocksWriter>(*db_, reactor_, options_.durability);
  return found;
}

Status RocksEngine::open_database() {
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, family_options(false)},
      {"log", family_options(false)},
      {"records", family_options(true)}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(), directory_, families, &handles, &db);
  if (is_in_use(status)) {
    return Status::unavailable("data directory " + directory_ + " is in use by another process");
  }
  if (!status.ok()) return io_status("open data directory " + directory_, status);
  db_.reset(db);
  state_family_ = handles[0];
  log_family_ = handles[1];
  record_family_ = handles[2];
  return {};
}

Status RocksEngine::check_format() {
  std::string value;
  const rocksdb::Slice key(kVersionKey.data(), kVersionKey.size());
  rocksdb::Status status = db_->Get({}, state_family_, key, &value);
  if (status.IsNotFound()) {
    std::unique_ptr<rocksdb::Iterator> any(db_->NewIterator({}, state_family_));
    any->SeekToFirst();
    if (any->Valid()) {
      return Status::corrupt("data directory " + directory_ +
                             " holds a RocksDB store that is not holdfast's");
    }
    std::string content;
    put_fixed(content, kVersion);
    rocksdb::WriteOptions how;
    how.sync = true;
    status = db_->Put(how, state_family_, key, seal(kVersionKey, content));
    return status.ok() ? Status() : io_status("format " + directory_, status);
  }
  if (!status.ok()) return io_status("read " + directory_, status);
  std::string_view content;
  if (!unseal(kVersionKey, value, &content) || content.size() != sizeof kVersion) {
    return Status::corrupt("data directory " + directory_ + ": its format version is damaged");
  }
  const auto version = load_fixed<uint32_t>(content.data());
  if (version == kVersion) return {};
  return Status::corrupt("data directory " + directory_ + " has format version " +
                         std::to_string(version) + "; this holdfast reads version " +
                         std::to_string(kVersion));
}

Status RocksEngine::load_state() {
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, state_family_));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    if (key == kVersionKey) continue;
    std::string_view content;
    if (key.size() != 8 || !unseal(key, at->value().ToStringView(), &content)) {
      return Status::corrupt("data directory " + directory_ + ": a state value is damaged");
    }
    ShardState& shard = shards_[load_big_endian<ShardId>(key.substr(4))];
    Reader reader(content);
    if (key.substr(0, 4) == "hard") {
      shard.hard_state.promised_epoch = reader.fixed<Epoch>();
      shard.hard_state.voted_for = reader.fixed<uint64_t>();
    } else {
      shard.checkpoint.seq = reader.fixed<Seq>();
      shard.checkpoint.state = reader.bytes(reader.left());
    }
    if (!reader.ok()) return Status::corrupt("data directory " + directory_ + ": state too short");
  }
  return at->status().ok() ? Status() : io_status("read " + directory_, at->status());
}

// Only the shape is read here; the entries are checked when they are replayed.
Status RocksEngine::load_log() {
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}, log_family_));
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    std::string_view content;
    if (key.size() != sizeof(ShardId) + sizeof(Seq) ||
        !unseal(key, at->value().ToStringView(), &content) || content.size() < sizeof(Seq)) {
      return Status::corrupt("data directory " + directory_ + ": a group of the log is damaged");
    }
    const auto last = load_big_endian<Seq>(key.substr(sizeof(ShardId)));
    const auto first = load_fixed<Seq>(content.data());
    const uint64_t bytes = content.size() - sizeof(Seq);
    shards_[load_big_endian<ShardId>(key)].groups.push_back({first, last, bytes});
    stats_.log_bytes += bytes;
  }
  return at->status().ok() ? Status() : io_status("read the log", at->status());
}

Status RocksEngine::check_no_gap(ShardId id, const ShardState& shard) const {
  Seq next = shard.checkpoint.seq + 1;
  for (const Group& group : shard.groups) {
    const bool first_group = &group == &shard.groups.front();
    if (first_group ? group.first > next : group.first != next) {
      return Status::corrupt("shard " + std::to_string(id) + ": entries " + std::to_string(next) +
                             " to " + std::to_string(group.first - 1) + " of the log are missing");
    }
    next = group.last + 1;
  }
  return {};
}

void RocksEngine::append(ShardId shard, LogGroup group, Done done) {
  ShardState& state = shards_[shard];
  HF_ASSERT(state.groups.empty() || group.first == state.groups.back().last + 1);
  HF_ASSERT(group.first <= group.last);
  const uint64_t bytes = group.bytes.size();
  state.groups.push_back({group.first, group.last, bytes});
  ++stats_.appended_groups;
  stats_.appended_bytes += bytes;
  stats_.log_bytes += bytes;
  const auto shared = std::make_shared<LogGroup>(std::move(group));
  writer_->submit(
      [this, shard, shared](rocksdb::WriteBatch* batch) {
        const std::string key = log_key(shard, shared->last);
        std::string content;
        content.reserve(sizeof(Seq) + shared->bytes.size());
        put_fixed(content, shared->first);
        content.append(shared->bytes);
        batch->Put(log_family_, key, seal(key, content));
      },
      false, std::move(done));
}

Result<std::string> RocksEngine::read_group(ShardId shard, const Group& group) {
  const std::string key = log_key(shard, group.last);
  std::string value;
  const rocksdb::Status status = db_->Get({}, log_family_, key, &value);
  if (!status.ok()) return io_status("read log group " + std::to_string(group.last), status);
  std::string_view content;
  if (!unseal(key, value, &content)) {
    return Status::corrupt("log group " + std::to_string(group.first) + " to " +
                           std::to_string(group.last) + " is damaged");
  }
  return std::string(content.substr(sizeof(Seq)));
}

Status RocksEngine::read_log(ShardId shard, Seq from, Seq to, const EntryVisitor& visit) {
  const ShardState& state = shards_[shard];
  if (state.groups.empty() || from < state.groups.front().first || to > state.groups.back().last) {
    return Status::not_found("log entries " + std::to_string(from) + " to " + std::to_string(to) +
                             " are not kept");
  }
  bool more = true;
  for (const Group& group : state.groups) {
    if (group.last < from) continue;
    if (group.first > to || !more) break;
    const Result<std::string> bytes = read_group(shard, group);
    if (!bytes.ok()) return bytes.status();
    const Status status =
        split_group(group.first, bytes.value(), [&](Seq seq, std::string_view entry) {
          more = seq < from || (seq <= to && visit(seq, entry));
          return more;
        });
    if (!status.ok()) return status;
  }
  return {};
}

// Whole groups above go; a group that is cut is written anew up to the last entry kept.
void RocksEngine::truncate_suffix(ShardId shard, Seq last_kept, Done done) {
  ShardState& state = shards_[shard];
  std::string kept;
  Seq kept_first = 0;
  for (const Group& group : state.groups) {
    if (group.first > last_kept || group.last <= last_kept) continue;
    const Result<std::string> bytes = read_group(shard, group);
    if (!bytes.ok()) {
      done(bytes.status());
      return;
    }
    kept_first = group.first;
    const Status split = split_group(group.first, bytes.value(), [&](Seq seq, std::string_view e) {
      if (seq <= last_kept) kept.append(e);
      return seq < last_kept;
    });
    if (!split.ok()) {
      done(split);
      return;
    }
  }
  forget_groups_above(state, last_kept);
  if (kept_first != 0) {
    state.groups.push_back({kept_first, last_kept, kept.size()});
    stats_.log_bytes += kept.size();
  }
  writer_->submit(
      [this, shard, last_kept, kept_first, kept = std::move(kept)](rocksdb::WriteBatch* batch) {
        batch->DeleteRange(log_family_, log_key(shard, last_kept + 1),
                           after_prefix(log_key(shard, UINT64_MAX)));
        if (kept_first == 0) return;
        const std::string key = log_key(shard, last_kept);
        std::string content;
        put_fixed(content, kept_first);
        content.append(kept);
        batch->Put(log_family_, key, seal(key, content));
      },
      true, std::move(done));
}

void RocksEngine::forget_groups_above(ShardState& state, Seq last_kept) {
  while (!state.groups.empty() && state.groups.back().last > last_kept) {
    stats_.log_bytes -= state.groups.back().bytes;
    state.groups.pop_back();
  }
}

// A group goes when all of it may go.
void RocksEngine::release_prefix(ShardId shard, Seq seq, Done done) {
  ShardState& state = shards_[shard];
  HF_ASSERT(seq <= state.checkpoint.seq);  // E5
  Seq last = 0;
  while (!state.groups.empty() && state.groups.front().last <= seq) {
    last = state.groups.front().last;
    stats_.log_bytes -= state.groups.front().bytes;
    state.groups.pop_front();
  }
  writer_->submit(
      [this, shard, last](rocksdb::WriteBatch* batch) {
        if (last == 0) return;
        batch->DeleteRange(log_family_, log_key(shard, 0), log_key(shard, last + 1));
      },
      false, std::move(done));
}

void RocksEngine::save_hard_state(ShardId shard, const HardState& state, Done done) {
  shards_[shard].hard_state = state;
  std::string content;
  put_fixed(content, state.promised_epoch);
  put_fixed(content, state.voted_for);
  writer_->submit(
      [this, key = state_key("hard", shard), content](rocksdb::WriteBatch* batch) {
        batch->Put(state_family_, key, seal(key, content));
      },
      true, std::move(done));
}

void RocksEngine::write_records(ShardId shard, const std::vector<RecordWrite>& writes, Done done) {
  struct Copy {
    std::string key;
    std::string image;
    bool erase;
  };
  std::vector<Copy> copies;
  copies.reserve(writes.size());
  for (const RecordWrite& write : writes) {
    copies.push_back({record_key(shard, write.key), std::string(write.image), write.erase});
  }
  writer_->submit(
      [this, copies = std::move(copies)](rocksdb::WriteBatch* batch) {
        for (const Copy& copy : copies) {
          if (copy.erase) {
            batch->Delete(record_family_, copy.key);
          } else {
            batch->Put(record_family_, copy.key, seal(copy.key, copy.image));
          }
        }
      },
      false, std::move(done));
}

void RocksEngine::erase_database(ShardId shard, DbId db, Done done) {
  const std::string prefix = record_prefix(shard, db);
  writer_->submit(
      [this, prefix](rocksdb::WriteBatch* batch) {
        batch->DeleteRange(record_family_, prefix, after_prefix(prefix));
      },
      false, std::move(done));
}

void RocksEngine::finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) {
  std::string content;
  put_fixed(content, meta.seq);
  content.append(meta.state);
  // The in-memory meta moves when this is durable: release_prefix relies on it (E5).
  writer_->submit(
      [this, key = state_key("ckpt", shard), content](rocksdb::WriteBatch* batch) {
        batch->Put(state_family_, key, seal(key, content));
      },
      true,
      [this, shard, meta, done = std::move(done)](const Status& status) {
        if (status.ok()) shards_[shard].checkpoint = meta;
        done(status);
      });
}

Result<std::string> RocksEngine::read_record(ShardId shard, const RecordKey& record) {
  const std::string key = record_key(shard, record);
  std::string value;
  const rocksdb::Status status = db_->Get({}, record_family_, key, &value);
  if (status.IsNotFound()) return Status::not_found("no such record");
  if (!status.ok()) return io_status("read a record", status);
  std::string_view content;
  if (!unseal(key, value, &content)) return Status::corrupt("a record is damaged");
  return std::string(content);
}

Status RocksEngine::visit_prefix(const std::string& prefix, const RecordVisitor& visit) {
  rocksdb::ReadOptions how;
  how.fill_cache = false;
  how.readahead_size = 2 << 20;
  const std::string end = after_prefix(prefix);
  const rocksdb::Slice upper(end);
  how.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(how, record_family_));
  constexpr size_t kHead = sizeof(ShardId) + sizeof(DbId) + sizeof(SlotId);
  for (at->Seek(prefix); at->Valid(); at->Next()) {
    const std::string_view key = at->key().ToStringView();
    std::string_view content;
    if (key.size() < kHead || !unseal(key, at->value().ToStringView(), &content)) {
      return Status::corrupt("data directory " + directory_ + ": a record is damaged");
    }
    const RecordKey record{load_big_endian<DbId>(key.substr(4)),
                           load_big_endian<SlotId>(key.substr(5)), key.substr(kHead)};
    if (!visit(record, content)) return {};
  }
  return at->status().ok() ? Status() : io_status("read the records", at->status());
}

Status RocksEngine::iterate_slot(ShardId shard, DbId db, SlotId slot, const RecordVisitor& visit) {
  return visit_prefix(record_prefix(shard, db, slot), visit);
}

Status RocksEngine::iterate_database(ShardId shard, DbId db, const RecordVisitor& visit) {
  return visit_prefix(record_prefix(shard, db), visit);
}

void RocksEngine::drop_slot(ShardId shard, SlotId slot, Done done) {
  writer_->submit(
      [this, shard, slot](rocksdb::WriteBatch* batch) {
        for (int db = 0; db < kDbCount; ++db) {
          const std::string prefix = record_prefix(shard, static_cast<DbId>(db), slot);
          batch->DeleteRange(record_family_, prefix, after_prefix(prefix));
        }
      },
      true, std::move(done));
}

EngineStats RocksEngine::stats() const {
  EngineStats stats = stats_;
  if (writer_ != nullptr) writer_->add_stats(&stats);
  if (db_ != nullptr) {
    uint64_t bytes = 0;
    db_->GetIntProperty(record_family_, "rocksdb.estimate-live-data-size", &bytes);
    stats.record_bytes = bytes;
  }
  return stats;
}

}  // namespace holdfast
