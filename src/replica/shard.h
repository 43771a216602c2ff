// Shard: one replica of one shard: it numbers entries, applies and logs effects, knows what is
// committed, takes checkpoints and recovers. Alone, what its engine completed is committed. In a
// group, a Replica decides what is, and whether this shard serves clients or follows; nothing else
// above sees the difference.
//
// The way of a write: begin_command -> emit... -> end_command gives the entry's seq; at the end of
// the turn submit() hands all entries of the turn to the engine as one group; its completion
// moves commit_seq and calls on_commit. Replies wait for that, not writes.
//
// A follower applies what is committed and nothing else. A primary applies its own effects before
// they are: one that is deposed with such effects has to start anew, from its checkpoint and log.
//
// Invariants:
//   S1  seqs have no gap; an entry is applied before it is submitted and submitted once.
//   S2  commit_seq never exceeds what the engine completed, and only grows.
//   S3  a checkpoint contains committed state only (D13): a slice whose newest object is not
//       committed waits.
//   S4  after the first engine error nothing is emitted or committed any more: on_failure tells
//       the node once, and the node stops.
//
// Threads: the reactor's only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/reactor.h"
#include "base/status.h"
#include "engine/engine.h"
#include "replica/arrivals.h"
#include "replica/checkpoint.h"
#include "replica/cold_values.h"
#include "replica/large_values.h"
#include "replica/replica.h"
#include "replica/write_traces.h"
#include "store/effect.h"
#include "store/keyspace.h"

namespace holdfast {

class Repairs;
class Shard;
class Snapshots;

struct ShardOptions {
  ShardId id = 0;
  uint64_t checkpoint_log_bytes = 256ULL << 20;
  // Asked while a store is loaded: when it says yes, values stay on the device. May be empty.
  std::function<bool()> memory_is_short = {};
  // A member of a group; null hooks: alone. The random numbers outlive the shard.
  ReplicaOptions replica = {};
  ReplicaHooks hooks = {};
  Random* random = nullptr;
  bool shares_store = false;  // with other shards: what is damaged cannot be emptied for this one
  std::shared_ptr<Arrivals> arrivals = std::make_shared<Arrivals>();  // shared likewise
};

// What recovery did, for the log and for INFO.
struct RecoveryReport {
  uint64_t records = 0;
  uint64_t entries = 0;
  int64_t milliseconds = 0;
};

// Told of every effect that this replica emits as primary, before it is applied.
class EffectObserver {
 public:
  virtual ~EffectObserver() = default;
  virtual void before(Shard& shard, const Effect& effect, Seq seq) = 0;
};

// Told of every effect that this replica emits as primary, after it was applied. `emptied`: it took
// the last element out of a collection, which is gone.
class EffectFollower {
 public:
  virtual ~EffectFollower() = default;
  virtual void applied(Shard& shard, const Effect& effect, bool emptied) = 0;
};

class Shard final : private Replica::Owner {
 public:
  static constexpr uint64_t kMaxUncommittedBytes = 64ULL << 20;

  // All outlive the shard.
  Shard(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardOptions options);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;
  ~Shard() override;

  // Loads the last checkpoint and replays the log, as far as the engine, which is open, has found
  // any of this shard. Nothing else may be called before it is ok.
  Result<RecoveryReport> recover(const RecoveredShard& found);

  void on_commit(std::function<void()> hook) { on_commit_ = std::move(hook); }
  void on_failure(std::function<void(const Status&)> hook) { on_failure_ = std::move(hook); }

  // In a group: this shard serves from now on, or does no more; its clients have to know.
  void on_serving(std::function<void(bool serves)> hook) { on_serving_ = std::move(hook); }
  // It was deposed with effects that are not committed: nothing may be read or applied any more.
  void on_deposed(std::function<void()> hook) { on_deposed_ = std::move(hook); }

  // Its store holds another state than its memory, a snapshot's, or waits for one: as on_deposed.
  void on_replaced(std::function<void(std::string_view why)> hook) {
    on_replaced_ = std::move(hook);
  }

  Keyspace& keyspace() { return keyspace_; }

  // --- in a group ---
  bool in_group() const { return static_cast<bool>(options_.hooks.send); }
  // Null: alone.
  Replica* replica() { return replica_.get(); }
  const Replica* replica() const { return replica_.get(); }
  const Repairs* repairs() const { return repairs_.get(); }
  // Commands of clients may run, as far as the lease allows.
  bool serves() const { return serves_; }
  // It follows, and its keyspace is what the log had made of it at some commit, not older than what
  // was committed when it started: it may be shown to who does not ask for the newest.
  bool shows_committed();
  // The connection to a member is gone.
  void disconnected(const Member& member);
  // What is there may be read now: nobody else can have changed it. To be asked after a command has
  // come in.
  bool lease_valid() const { return replica_ == nullptr || replica_->lease_valid(); }
  // Commands that write may run.
  bool accepts_writes() const {
    return !failed() && serves_ && (replica_ == nullptr || replica_->accepting());
  }

  // --- one command at a time ---
  // `now_ms`: wall clock of the command, for the entry's log clock.
  void begin_command(int64_t now_ms) { now_ms_ = now_ms; }
  int64_t now_ms() const { return now_ms_; }
  // Applies the effect now and adds it to the command's entry.
  void emit(const Effect& effect);
  // A transaction or script whose entry is larger already may write nothing more: an entry's length
  // has 32 bits.
  static constexpr uint64_t kMaxEntryBytes = 1ULL << 30;
  bool entry_open() const { return writer_.open(); }  // something was emitted since
  bool entry_is_full() const { return writer_.size() > kMaxEntryBytes; }
  // The entry's seq, 0 when the command emitted nothing.
  Seq end_command();
  // The same of what the server does by itself; its trace says so. `what`: a literal.
  void end_own_command(std::string_view what);

  // Null when nobody has to be told, which costs nothing. Not owned.
  void observe_effects(EffectObserver* observer) { observer_ = observer; }
  void follow_effects(EffectFollower* follower) { follower_ = follower; }

  // Hands the entries since the last call to the engine. Called at the end of each turn.
  void submit();

  Seq last_seq() const { return last_.seq; }
  Seq commit_seq() const { return committed_.last.seq; }
  // The oldest entry that the log has still; 0: it has none that is committed.
  Seq first_logged() const;
  // Visits committed entries from..to. kNotFound: not all of them are kept. Waits for the device.
  Status read_committed(Seq from, Seq to, const Engine::EntryVisitor& visit);
  bool failed() const { return !failure_.ok(); }
  const Status& failure() const { return failure_; }
  // Bytes logged and not committed.
  uint64_t uncommitted_bytes() const { return uncommitted_bytes_; }
  // Nothing more should be written: too much is not committed, or the log has no room.
  bool wants_pause() const {
    return uncommitted_bytes_ > kMaxUncommittedBytes || engine_.wants_pause();
  }
  // Of what this replica wrote as primary. Who ends a command adds its trace.
  WriteTraces& traces() { return traces_; }
  // Commands that changed something since the last finished checkpoint.
  uint64_t changes_since_checkpoint() const { return last_.seq - checkpoint_.finished_seq(); }

  // Erases keys that are due, as logged effects, for at most `budget_us`; returns how many.
  // `expiring` is told of each before it is erased. True in *more when the budget ended before the
  // work did.
  using KeyVisitor = std::function<void(DbId db, const KeyRef& key)>;
  uint64_t expire_due(int64_t now_ms, int64_t budget_us, const KeyVisitor& expiring, bool* more);
  // The same for fields of hashes; `expired` is called after some of a key's went, with whether the
  // key went too. Gives the number of fields.
  using FieldsVisitor = std::function<void(DbId db, const KeyRef& key, bool emptied)>;
  uint64_t expire_due_fields(int64_t now_ms, int64_t budget_us, const FieldsVisitor& expired,
                             bool* more);
  // Deletes those of this hash that are due, all at once. REQUIRES: begin_command(), !failed().
  // True when the hash is empty now and gone.
  bool expire_fields(DbId db, const KeyRef& key, const Object& hash, int64_t now_ms);

  ShardId id() const { return options_.id; }
  Epoch epoch() const { return replica_ != nullptr ? replica_->core().epoch() : epoch_; }
  Checkpoint& checkpoint() { return checkpoint_; }
  const Checkpoint& checkpoint() const { return checkpoint_; }
  ColdValues& cold_values() { return cold_values_; }
  Engine& engine() { return engine_; }
  const RecoveryReport& recovery() const { return recovery_; }

 private:
  static constexpr uint64_t kMostReserved = 256 << 10;

  struct MissingRecord {
    DbId db;
    std::string key;
    RecordRef ref;
  };

  Status load(const RecoveredShard& recovered);
  void forget_all();
  Status load_records(const RecoveredShard& recovered);
  Status replay(const RecoveredShard& recovered);
  Status join_group(const RecoveredShard& recovered, bool trusted);
  Status read_positions(const RecoveredShard& recovered, LogSummary* log);
  Status drop_replaced_log(const RecoveredShard& recovered);
  Status join_emptied(RecoveredShard recovered);
  std::string checkpoint_state() const;
  Seq log_needed() const;
  void checkpoint_finished();
  bool checkpoint_due() const;
  void fetch_ahead(const Effect& effect);
  void group_done(const LogPosition& last, const Status& status);
  void committed(const LogPosition& upto);
  Status apply_upto(Seq seq);
  void before_own_entry() override { submit(); }
  void after_own_entry() override;
  std::vector<LogGroup::Large> on_received(std::string_view entries) override;
  void on_committed(const LogPosition& upto) override;
  void on_copy(NodeId at, Seq upto) override;
  void on_role(Role role) override;
  void on_store_failed(const Status& status) override { fail(status); }
  void on_send_snapshot(const Member& to) override;
  void on_snapshot(const Message& message) override;
  void on_repair(const Message& message) override;
  void on_log_damaged(const Status& status) override;
  void start_repairs();
  bool exact();
  void set_whole(bool whole);
  void fail(const Status& status);

  Reactor& reactor_;
  Engine& engine_;
  Keyspace& keyspace_;
  const ShardOptions options_;
  Checkpoint checkpoint_;
  ColdValues cold_values_;
  EffectObserver* observer_ = nullptr;
  EffectFollower* follower_ = nullptr;
  std::function<void()> on_commit_;
  std::function<void(const Status&)> on_failure_;

  std::unique_ptr<Replica> replica_;
  std::function<void(bool)> on_serving_;
  std::function<void()> on_deposed_;
  std::function<void(std::string_view)> on_replaced_;
  std::unique_ptr<Snapshots> snapshots_;
  std::unique_ptr<Repairs> repairs_;
  bool exact_ = false;                  // see exact()
  std::vector<MissingRecord> missing_;  // found damaged at start
  bool serves_ = true;
  bool deposed_ = false;

  Epoch epoch_ = 1;
  LogPosition last_;  // applied
  LogSummary committed_;
  LogPosition releasable_;  // the checkpoint before the newest
  LogPosition checkpointed_;
  Seq released_ = 0;
  uint64_t log_bytes_at_start_ = 0;  // of the newest checkpoint
  uint64_t log_bytes_kept_ = 0;      // that it did not make superfluous, though it covers them
  Membership members_;               // as of the checkpoint
  int64_t now_ms_ = 0;
  int64_t log_clock_ms_ = 0;
  Status failure_;

  std::string pending_;       // entries of this turn
  LargeValues large_values_;  // among them
  EntryWriter writer_{&pending_};
  Seq pending_first_ = 0;
  std::deque<std::pair<Seq, uint64_t>> submitted_;  // groups: last entry, bytes
  uint64_t uncommitted_bytes_ = 0;
  WriteTraces traces_;
  RecoveryReport recovery_;
};

// Opens the engine. In a group, what is damaged and can be had from the others is given up, as
// little as it may. `id`: whose promise says so, durably.
Result<std::vector<RecoveredShard>> open_store(Engine& engine, ShardId id, bool in_group);
// The start of a process that hosts this shard and no other: opens its engine first.
Result<RecoveryReport> open_and_recover(Shard& shard);

}  // namespace holdfast
