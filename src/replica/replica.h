// Replica: a protocol core with the things it acts on: the engine's log and hard state, the other
// members, a clock and a timer. It holds no keyspace: what is committed, it tells its shard.
//
// Actions are done in the order in which the core gave them. What the core does in one turn leaves
// for the other members at the turn's end, together.
//
// Threads: the reactor's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/random.h"
#include "base/reactor.h"
#include "engine/engine.h"
#include "replica/replica_core.h"

namespace holdfast {

// To be set by who owns the group's network.
struct ReplicaHooks {
  std::function<void(const Message&)> send;
};

class Replica final : public LogSource {
 public:
  // What the shard does with what the core decides. Called inside step().
  class Owner {
   public:
    virtual ~Owner() = default;
    // The core is about to append an entry of its own: those of this turn go first.
    virtual void before_own_entry() = 0;
    // It has, or has not: the next entry follows core().last().
    virtual void after_own_entry() = 0;
    // The leader's, about to be logged here; they may never be committed. Gives those of their
    // values that are to be written once.
    virtual std::vector<LogGroup::Large> on_received(std::string_view entries) = 0;
    virtual void on_committed(const LogPosition& upto) = 0;
    // The log up to there is on that node's media, as this one has just learned: before what
    // follows from it.
    virtual void on_copy(NodeId at, Seq upto) = 0;
    virtual void on_role(Role role) = 0;
    virtual void on_store_failed(const Status& status) = 0;
    // That member needs a snapshot; SnapshotSent is to follow.
    virtual void on_send_snapshot(const Member& to) = 0;
    // A message about snapshots, which the core knows nothing of.
    virtual void on_snapshot(const Message& message) = 0;
    // Likewise of damaged records.
    virtual void on_repair(const Message& message) = 0;
    // An entry of the log, on the device, cannot be read back.
    virtual void on_log_damaged(const Status& status) = 0;
  };

  // All outlive the replica.
  Replica(Reactor& reactor, Engine& engine, Random& random, Owner& owner, ReplicaHooks hooks);
  ~Replica() override;
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Begins, with what is there. `members`: of an elected group.
  void start(const ReplicaOptions& options, ReplicaState state, Membership members);
  bool started() const { return core_ != nullptr; }
  // REQUIRES: started().
  const ReplicaCore& core() const { return *core_; }

  void receive(const Message& message);
  void send(MessageBody body, const Member& to);
  // An event that comes while actions are done (an engine may complete at once) waits for its turn.
  void step(const Event& event);
  // Lets the member lead that has most of the log, before this node stops. False: there is none, or
  // this replica does not lead.
  bool hand_over();
  // REQUIRES: core().serving(). `group` is the slice, for the engine.
  void propose(LogGroup group, LogSlice slice);

  // Fresh readings of the clock, as leases need them.
  bool lease_valid() const { return now_ns() < lease_end_ns_; }
  bool accepting() const { return core_ != nullptr && core_->accepting(now_ns()); }

  Result<LogSlice> read_entries(Seq from, uint64_t max_bytes) override;

 private:
  int64_t now_ns() const { return reactor_.clock().boot_ns(); }
  void tick_later();
  void handle(const Event& event);
  void perform(Action& action);
  void append(const AppendLog& append);
  void read(const ReadLog& read);
  void note_damage(const Status& read);
  // `upto`: of the log; 0: it was no write of that.
  Engine::Done when_written(uint64_t write, Seq upto);
  void note_copy(const Message& message);

  Reactor& reactor_;
  Engine& engine_;
  Random& random_;
  Owner& owner_;
  const ReplicaHooks hooks_;
  ShardId shard_ = 0;
  int64_t silent_ns_ = 0;  // ReplicaOptions::silent_ns
  std::unique_ptr<ReplicaCore> core_;
  LogGroup proposed_;         // of the step that runs
  std::deque<Event> events_;  // that came while actions were done
  bool acting_ = false;
  int64_t lease_end_ns_ = ReplicaCore::kNever;  // the core's, asked for once an event
  Seq logged_ = 0;                              // given to the engine
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
