// DiskEngine: Holdfast's own storage engine: a group-commit log (wal.h) and immutable records
// (data_store.h) in two files, tied together by superblocks (layout.h). docs/ENGINE.md tells how
// the parts work together, docs/ONDISK_DISK.md what the bytes mean.
//
// Recovery: newest superblock -> its checkpoint's root -> live records -> the log from the
// checkpoint on. What cannot be proven whole is refused with what and where, never guessed.
//
// Invariants, with the rules of docs/ENGINE.md that they keep:
//   - the log before a checkpoint's predecessor, and before what its owner released, is the only
//     log that is overwritten (D5);
//   - a superblock is written when all that it names is on stable media, its second copy when the
//     first is, and both are read back;
//   - the first failed write ends everything: it and all later calls complete with an error (D4).
//
// Groups too large for a record of the log, and the large values of others, go to the data file
// first; the log then holds where they are. They are acknowledged when both are durable, in order
// with all others. A value that went there is a record, which the next checkpoint takes.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/codec.h"
#include "base/disk.h"
#include "base/random.h"
#include "base/reactor.h"
#include "engine/disk/data_store.h"
#include "engine/disk/disk_store.h"
#include "engine/disk/scrub.h"
#include "engine/disk/shard_log.h"
#include "engine/disk/wal.h"
#include "engine/disk/wal_reader.h"
#include "engine/disk/wal_scan.h"
#include "engine/engine.h"

namespace holdfast {

struct DiskEngineOptions {
  uint64_t wal_bytes = 1ULL << 30;    // of a new store
  uint64_t grow_bytes = 64ULL << 20;  // the data file grows by at least so much
  bool wait_for_media = true;         // false: completions do not wait (durability interval, none)
  bool accept_uncertain_tail = false;
};

class DiskEngine final : public Engine {
 public:
  static constexpr uint64_t kMinWalBytes = 256 << 10;

  // All references outlive the engine. `random` gives a new store its identity.
  DiskEngine(Reactor& reactor, Disk& disk, Random& random, std::string directory,
             DiskEngineOptions options);
  ~DiskEngine() override;
  DiskEngine(const DiskEngine&) = delete;
  DiskEngine& operator=(const DiskEngine&) = delete;

  EngineInfo info() const override { return {"disk", options_.wait_for_media, true, false, true}; }
  Result<std::vector<RecoveredShard>> open() override;
  Result<std::vector<RecoveredShard>> salvage(ShardId shard, Salvage how) override;
  Status cut_log(ShardId shard, Seq last_kept) override;
  uint64_t identity() const override {
    return load_fixed<uint64_t>(reinterpret_cast<const char*>(&store_.superblock.uuid));
  }
  void close() override;
  void append(ShardId shard, LogGroup group, Done done) override;
  Status read_log(ShardId shard, Seq from, Seq to, const EntryVisitor& visit) override;
  void fetch_log(ShardId shard, Seq from, Seq to, uint64_t max_bytes, const LogRead& done) override;
  void truncate_suffix(ShardId shard, Seq last_kept, Done done) override;
  void release_prefix(ShardId shard, Seq seq, Done done) override;
  void save_hard_state(ShardId shard, const HardState& state, Done done) override;
  void write_records(ShardId shard, const std::vector<RecordWrite>& writes,
                     RecordsDone done) override;
  bool has_logged_record(ShardId shard, const RecordKey& key, Seq seq) const override;
  void erase_database(ShardId shard, DbId db, Done done) override;
  void finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) override;
  Result<std::string> read_record(ShardId shard, const RecordKey& key) override;
  void fetch_record(ShardId shard, const RecordKey& key, const RecordRead& done) override;
  bool on_device(RecordRef ref) const override;
  Status visit_records(ShardId shard, const RecordVisitor& visit) override;
  Status visit_records_of(ShardId shard, const RecordVisitor& visit,
                          const DamageVisitor& damaged) override;
  void visit_sparse(ShardId shard, const RecordVisitor& visit, const Done& done) override;
  uint64_t log_bytes() const override;
  uint64_t log_bytes_of(ShardId shard) const override;
  Seq first_logged(ShardId shard) const override;
  bool wants_checkpoint(ShardId shard) const override;
  bool wants_pause() const override;
  bool out_of_space() const override;
  EngineStats stats() const override;
  std::vector<EngineFact> describe(EnginePart part) const override;
  Status start_scrub(uint64_t bytes_per_second) override;
  void stop_scrub() override;
  bool found_damage() const override { return scrub_ != nullptr && scrub_->found_damage(); }

 private:
  struct Spill {  // a group, or a value, in the data file, until the log that names it is trimmed
    disk::Extent extent;
    uint64_t block;  // of the log
  };
  // An append in order: a large group holds up those behind it until its bytes are written.
  struct Append {
    disk::WalAppend record;
    std::shared_ptr<const std::string> bytes;
    bool ready = true;
  };
  struct LogFetch {
    ShardId shard;
    Seq from, to;
    disk::WalPlace at;  // of the first group
    uint64_t end;       // block: so far is read
    LogRead done;
  };

  Status load();
  Status load_log();
  bool finish_writes();
  Status load_empty();
  Status lower_durable(uint64_t block);
  Status replace_superblock(const disk::Superblock& superblock);
  void distrust_all();
  Status recovered(const disk::WalRecord& record, const disk::WalPlace& at);
  Status complete_superblock();
  Status begin_generation();
  Status start_writing(const disk::WalScan& scan);
  Status with_place(Status status) const;

  void forward();
  bool has_room(ShardId shard) const;
  bool append_large(ShardId shard, const LogGroup& group, disk::LoggedGroup* logged,
                    Append* append);
  void in_data(const Status& status, Append* append, disk::WalRecordType type,
               const std::string& payload, const std::vector<disk::Extent>& extents);
  Status take_extents(const disk::WalRecord& record, const disk::WalPlace& at,
                      disk::LoggedGroup* group);
  const disk::LoggedRecord* logged_record(ShardId shard, const RecordKey& key, Seq seq,
                                          bool on_device) const;
  Status visit_group(const disk::LoggedGroup& group, const EntryVisitor& visit, bool* more);
  const disk::LoggedGroup* still_logged(const LogFetch& fetch) const;
  void take_fetched(const LogFetch& fetch, disk::WalReader* reader);
  void fetch_large(const LogFetch& fetch, const disk::WalRecord& record);
  disk::WalPosition replay_from() const;
  void write_superblock(const disk::CheckpointPointer& pointer, Done done);
  void write_copy(const disk::Superblock& superblock, int copy, Done done);
  void compare_copies(const disk::Superblock& superblock, int first, Done done);
  void check_anchors(const Done& done);
  void checkpoint_current(const disk::Superblock& superblock);
  void finish_next();
  void trim();
  disk::WalPosition older_wal() const;
  void write_hard_states();
  bool refused(const Done& done);
  void fail(const Status& status);

  Reactor& reactor_;
  Disk& disk_;
  Random& random_;
  const std::string directory_;
  const DiskEngineOptions options_;

  std::optional<std::pair<ShardId, Salvage>> salvage_;  // while it opens so
  disk::DiskStore store_;
  std::unique_ptr<BlockWriter> wal_writer_;
  std::unique_ptr<BlockWriter> data_writer_;
  std::unique_ptr<disk::WalReader> reader_;
  std::unique_ptr<disk::DataStore> data_;
  std::unique_ptr<disk::Wal> wal_;
  std::unique_ptr<disk::Scrub> scrub_;

  std::map<ShardId, disk::ShardLog> logs_;
  disk::ShardMetas metas_;
  std::map<ShardId, std::pair<Seq, Status>> gaps_;  // while the log is scanned: see recovered()
  std::deque<Spill> spills_;
  std::deque<std::unique_ptr<Append>> queue_;
  bool saving_ = false;  // hard states are being written
  std::vector<Done> save_waiters_, next_save_waiters_;
  bool finishing_ = false;      // a checkpoint is being ended, until its superblock is current
  std::deque<Task> to_finish_;  // those that wait for it
  Status failure_;
  EngineStats stats_;
};

}  // namespace holdfast
