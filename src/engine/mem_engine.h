// MemEngine: no disk at all. Commits at once, for caches that may vanish and for tests.
//
// By default it keeps nothing but each shard's last seq, so that an append costs a few
// instructions. With keep_log it keeps log, records and state in memory, wants checkpoints, and
// survives being opened again (the same object or a copy), so that it can stand where a test wants
// a durable engine.
//
//   E1, E2  hold because every call is done, completion included, before it returns.
//   E3      there is no error.
//   E5      asserted in release_prefix.
#pragma once

#include <map>
#include <string>

#include "engine/engine.h"

namespace holdfast {

class MemEngine final : public Engine {
 public:
  // `identity`: for tests of what is kept.
  explicit MemEngine(bool keep_log = false, uint64_t identity = 0)
      : keep_(keep_log), identity_(identity) {}

  EngineInfo info() const override { return {"mem", false, keep_, true}; }
  Result<std::vector<RecoveredShard>> open() override;
  uint64_t identity() const override { return identity_; }
  void close() override {}

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
  uint64_t log_bytes() const override { return stats_.log_bytes; }
  uint64_t log_bytes_of(ShardId shard) const override;
  Seq first_logged(ShardId shard) const override;
  EngineStats stats() const override { return stats_; }

 private:
  struct Place {
    DbId db;
    SlotId slot;
    std::string key;
    auto operator<=>(const Place&) const = default;  // NOLINT(modernize-use-nullptr)
  };
  struct ShardState {
    HardState hard_state;
    CheckpointMeta checkpoint;
    Seq last_seq = 0;
    std::map<Seq, std::string> log;
    uint64_t log_bytes = 0;
    std::map<Place, std::string> records;
  };

  void keep(ShardState& state, const LogGroup& group);

  bool keep_;
  uint64_t identity_;
  std::map<ShardId, ShardState> shards_;
  EngineStats stats_;
};

}  // namespace holdfast
