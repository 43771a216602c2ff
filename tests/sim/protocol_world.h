// ProtocolWorld: one seed's simulation of a replicated shard at the level of messages: the real
// protocol cores and the real change of views, on simulated clocks, disks and a network that loses,
// doubles, delays, reorders and partitions. No bytes, no keyspace: so a seed takes milliseconds.
//
// Faults, of which each seed turns on some: crashes (alone and all at once), pauses, slow and
// stalled disks, ends of logs that cannot be proven, replaced disks, loss, duplication, delay,
// partitions (also one-way, also clogs that are opened in random order), nodes behind slow links,
// leaders cut off while another is made, clock drift, false suspicion, crashes of the coordinator,
// handovers, changes of members, released logs. Half of the seeds mix all of these; the others are
// made for leases, elections, disks or catching up.
//
// Oracles (numbers as in docs/REPLICATION.md):
//   I1   who becomes primary has every entry that was ever committed; what is committed is durable
//        on W members
//   I2   who acknowledges an entry has it on stable media
//   I3   ... and it is the entry that the leader has there; a leader counts nothing else
//   I4   one entry at a seq, once committed: the same on every replica
//   I5   a leader commits nothing before an entry of its own epoch
//   I9   a promise that a message told of is never forgotten
//   I13  one primary an epoch
//   I14  nothing is committed in an epoch that is not active
//   I18  a leader whose disk stalls is replaced within 2 s of that, when all else is well
//   I19  a read sees everything that was acknowledged before it was asked for
//   I21  when a write is acknowledged, nobody who has it not holds a lease
//   I26  what a replica acknowledged in an epoch stays on its disk while it follows that epoch
//   I35  the newest leader's voters differ from the committed ones by one at most
//   I39  a voter that its leader cannot reach does not end the leader's epoch
//   live after the faults end, a write commits and all replicas come to the same log in time
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/random.h"
#include "coord/view_change.h"
#include "tests/sim/campaign.h"
#include "tests/sim/sim_replica.h"

namespace holdfast {

struct ProtocolViolation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ProtocolWorld {
 public:
  explicit ProtocolWorld(uint64_t seed);
  ~ProtocolWorld();

  void run();
  uint64_t trace_hash() const { return hash_; }
  const MarkCounts& marks() const { return marks_; }
  uint64_t faults() const { return faults_; }
  // The newest events, oldest first.
  const std::deque<std::string>& timeline() const { return timeline_; }

  // --- for replicas ---
  SimReplica* find(const Member& member);
  SimReplica* on_node(NodeId node) { return node == 0 ? nullptr : replicas_[node - 1].get(); }
  static constexpr int64_t kMs = 1'000'000;
  static constexpr int kFaultKinds = 20;
  int64_t now() const { return now_; }
  Random& random() { return random_; }
  bool coordinated() const { return coordinated_; }
  const Membership& first_members() const { return first_members_; }
  void after(int64_t ns, std::function<void()> task);
  void send(const Message& message);
  static std::string name(const Member& member);
  void note(const Member& who, const std::string& what);
  void mark(const std::string& name, uint64_t count = 1) { marks_[name] += count; }
  [[noreturn]] void violation(const std::string& what);
  void committed(SimReplica& replica, const LogPosition& upto);
  void became_primary(SimReplica& replica);
  void changed_members(SimReplica& replica);
  void heard_copies(SimReplica& leader);
  void read_ready(SimReplica& replica, uint64_t token, bool ok);
  void send_snapshot(SimReplica& from, const Member& to);
  int64_t up_to(int64_t ns) { return static_cast<int64_t>(random_.below(uint64_t(ns) + 1)); }

 private:
  struct Task {
    int64_t at;
    uint64_t order;
    std::function<void()> run;
    bool operator>(const Task& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  struct Read {
    Seq floor;
    Member replica;
  };

  void run_until(int64_t ns);
  SimReplica& any();
  SimReplica* leader();
  void draw_profile();
  void draw_knobs();
  void check_copies(SimReplica& leader, const LogPosition& position);
  void check_leases(const SimReplica& leader);
  // --- work ---
  void client();
  void propose(SimReplica& replica);
  void ask_read(SimReplica& replica);
  // --- faults: protocol_faults.cc ---
  void schedule_fault();
  void one_fault();
  void crash(SimReplica& replica);
  void crash(SimReplica& replica, int64_t down_ns);
  void partition();
  void swizzle();
  void cut_off(NodeId node, int64_t begin_ns, int64_t end_ns);
  void slow_node(NodeId node);
  void coup();
  void damage(SimReplica& replica);
  void change_members();
  void heal();
  size_t whole_copies() const;
  // --- the coordinator ---
  void coordinator_tick();
  void coordinator_does(const ViewChange::Actions& actions);
  void to_coordinator(const Message& message);
  bool primary_lost();
  std::vector<Member> wanted_members();
  void exchange_member();
  void tell_views();
  // --- liveness ---
  void calm();
  void come_together();
  bool converged();
  void stall_leader();
  void half_connect();

  SeededRandom random_;
  int64_t now_ = 0;
  uint64_t order_ = 0;
  std::priority_queue<Task, std::vector<Task>, std::greater<>> tasks_;
  uint64_t hash_ = 0;
  std::deque<std::string> timeline_;
  MarkCounts marks_;
  uint64_t faults_ = 0;

  bool coordinated_ = true;
  bool spare_ = false;  // a node more than a view has members: they come and go
  enum class Profile : uint8_t { kMixed, kLeases, kElections, kDisks, kCatchUp };
  Profile profile_ = Profile::kMixed;
  Membership first_members_;
  uint32_t write_quorum_ = 0;
  std::vector<std::unique_ptr<SimReplica>> replicas_;
  StoreId next_store_ = 1000;

  // Knobs.
  uint64_t loss_percent_ = 0, double_percent_ = 0;
  int64_t delay_ns_ = 1, rarely_delay_ns_ = 1;
  uint64_t late_one_in_ = 50;
  int64_t snapshot_ns_ = 1;
  std::set<int> enabled_;
  int64_t fault_every_ns_ = 1;
  bool calm_ = false;
  bool quiet_ = false;  // no more proposals

  std::set<std::pair<NodeId, NodeId>> cut_;            // from, to; node 0: the coordinator
  std::map<std::pair<NodeId, NodeId>, int64_t> slow_;  // and what a message takes there
  std::map<Seq, LogPosition> ledger_;                  // what was committed
  Seq acked_ = 0;                                      // the highest that a client was told of
  Membership committed_members_;                       // of an elected group
  std::map<Epoch, Member> primaries_;
  std::map<uint64_t, Read> reads_;
  uint64_t next_token_ = 1;
  uint64_t next_value_ = 1;

  std::unique_ptr<ViewChange> coordinator_;  // null: crashed
  ShardRecord record_;                       // durable
  std::vector<ShardRecord> told_;            // that were, for those who are told late
  uint64_t coordinator_life_ = 0;
  int64_t primary_seen_ns_ = 0;
};

}  // namespace holdfast
