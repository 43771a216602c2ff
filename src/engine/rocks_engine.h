// RocksEngine: log, records and state in RocksDB (Debian's librocksdb). A known-good engine beside
// one of our own.
//
// What is stored, key by key: docs/ONDISK_ROCKS.md. The parts: RocksStore opens the directory or
// refuses it, RocksShardLog knows one shard's log, RocksWriter does all writing on its thread.
//
//   E1, E3  RocksWriter's.
//   E2      a group is one value of one write batch.
//   E4      records may become visible before finish_checkpoint; each is an old or a new image.
//   E5      asserted in release_prefix, against the checkpoint that is known to be durable.
//   E6      every value carries a CRC32C over its key and content, above RocksDB's own checksums,
//           and open() reads the whole log: damage or a missing entry above the checkpoint is
//           kCorrupt.
//
// Threads: the reactor's; reads run on it, writes on the writer's thread.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/codec.h"
#include "base/options.h"
#include "base/reactor.h"
#include "engine/engine.h"
#include "engine/rocks_shard_log.h"
#include "engine/rocks_store.h"

namespace holdfast {

class RocksWriter;
enum class Sync : uint8_t;

struct RocksOptions {
  Durability durability = Durability::kAlways;
};

class RocksEngine final : public Engine {
 public:
  // `directory` exists or can be made (its parent exists).
  RocksEngine(Reactor& reactor, std::string directory, RocksOptions options);
  // Without close(): what was appended is written, completions that did not run never will.
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
  void write_records(ShardId shard, const std::vector<RecordWrite>& writes,
                     RecordsDone done) override;
  void erase_database(ShardId shard, DbId db, Done done) override;
  void finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) override;
  Result<std::string> read_record(ShardId shard, const RecordKey& key) override;
  Status visit_records(ShardId shard, const RecordVisitor& visit) override;
  uint64_t log_bytes() const override;
  uint64_t log_bytes_of(ShardId shard) const override;
  Seq first_logged(ShardId shard) const override;
  EngineStats stats() const override;

  const StoreUuid& store_uuid() const { return store_.uuid; }
  uint64_t identity() const override {
    return load_fixed<uint64_t>(reinterpret_cast<const char*>(&store_.uuid));
  }

 private:
  struct ShardState {
    HardState hard_state;       // as found at open
    CheckpointMeta checkpoint;  // its state is kept until open() has told it
    RocksShardLog log;
  };

  ShardState& shard(ShardId id);
  Status load();
  Status load_state();
  Status load_state_value(std::string_view key, std::string_view value);
  Status load_log();
  Status visit_database(ShardId shard, DbId db, const RecordVisitor& visit);
  void put_state(std::string_view kind, ShardId shard, std::string content, Done done);
  void submit_group(ShardId shard, const RocksShardLog::GroupPtr& group, bool truncates, Done done);

  Reactor& reactor_;
  const std::string directory_;
  const RocksOptions options_;
  RocksStore store_;
  std::map<ShardId, ShardState> shards_;
  std::unique_ptr<RocksWriter> writer_;
  uint64_t released_bytes_ = 0;  // since whole files were last looked for
  EngineStats stats_;
};

}  // namespace holdfast
