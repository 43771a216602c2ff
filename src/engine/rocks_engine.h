// RocksEngine: log, records and state in RocksDB (Debian's librocksdb). Durable from the first
// day, and a known-good second opinion beside an engine of our own.
//
// What is stored, key by key: docs/ONDISK_ROCKS.md. A group is one value, so it is atomic (E2);
// every value carries a CRC32C over its key and content, above RocksDB's own checksums (E6).
//
// Invariant: the log of a shard has no gap from the entry after the checkpoint to its end; open()
// refuses a store where it has.
// Threads: the reactor's; RocksWriter has a thread of its own.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "base/options.h"
#include "base/reactor.h"
#include "engine/engine.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Iterator;
}  // namespace rocksdb

namespace holdfast {

class RocksWriter;

struct RocksOptions {
  Durability durability = Durability::kAlways;
};

class RocksEngine final : public Engine {
 public:
  // `directory` exists or can be made (its parent exists).
  RocksEngine(Reactor& reactor, std::string directory, RocksOptions options);
  ~RocksEngine() override;

  EngineInfo info() const override {
    return {"rocks", options_.durability == Durability::kAlways, true, false};
  }
  Result<std::vector<RecoveredShard>> open() override;
  void close() override;

  void append(ShardId shard, LogGroup group, Done done) override;
  Status read_log(ShardId shard, Seq from, Seq to, const EntryVisitor& visit) override;
  void truncate_suffix(ShardId shard, Seq last_kept, Done done) override;
  void release_prefix(ShardId shard, Seq seq, Done done) override;
  void save_hard_state(ShardId shard, const HardState& state, Done done) override;
  void write_records(ShardId shard, const std::vector<RecordWrite>& writes, Done done) override;
  void erase_database(ShardId shard, DbId db, Done done) override;
  void finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) override;
  Result<std::string> read_record(ShardId shard, const RecordKey& key) override;
  Status iterate_slot(ShardId shard, DbId db, SlotId slot, const RecordVisitor& visit) override;
  Status iterate_database(ShardId shard, DbId db, const RecordVisitor& visit) override;
  void drop_slot(ShardId shard, SlotId slot, Done done) override;
  uint64_t log_bytes() const override { return stats_.log_bytes; }
  EngineStats stats() const override;

 private:
  // A kept group: the reactor's own memory of the log's shape.
  struct Group {
    Seq first;
    Seq last;
    uint64_t bytes;
  };
  struct ShardState {
    HardState hard_state;
    CheckpointMeta checkpoint;
    std::deque<Group> groups;
  };

  Status open_database();
  Status check_format();
  Status load_state();
  Status load_log();
  Status check_no_gap(ShardId id, const ShardState& shard) const;
  Status visit_prefix(const std::string& prefix, const RecordVisitor& visit);
  void forget_groups_above(ShardState& state, Seq last_kept);
  Result<std::string> read_group(ShardId shard, const Group& group);

  Reactor& reactor_;
  const std::string directory_;
  const RocksOptions options_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* state_family_ = nullptr;
  rocksdb::ColumnFamilyHandle* log_family_ = nullptr;
  rocksdb::ColumnFamilyHandle* record_family_ = nullptr;
  std::unique_ptr<RocksWriter> writer_;
  std::map<ShardId, ShardState> shards_;
  EngineStats stats_;
};

}  // namespace holdfast
