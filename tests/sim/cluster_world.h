// ClusterWorld: one seed's simulation of whole nodes: src/node/ and all below it, on simulated
// disks, network and clocks; two to eight clients, others that only read and stay with one node
// each whatever becomes of it, and an operator. Everything that happens follows from the seed.
//
// Below kClusters a seed is of a group that elects its primary, of one to five nodes, or of one
// node alone. From there on it is of a cluster: one or three coordinators, three to five storage
// nodes with one or two shards, and gateways, which some of the clients go through.
//
// Faults, of which each seed turns on some: processes killed, power lost (of one, of all, in the
// middle of a write, within recovery), failed, slow and stalled disks, pauses, partitions (also
// one-way, also clogs opened in random order), resets, slow networks, wall clock steps, drifting
// boot clocks, clients that stop reading, primaries that only their clients reach, power lost right
// after a vote, full devices, disks that are replaced; members taken out and back, handovers,
// processes that are stopped in order. Small logs and checkpoints, so that logs are released.
//
// Oracles:
//   C1  the history of the clients is linearizable, its transactions strictly serializable
//       (tests/support/history); the last reads of it come after the faults
//   C2  the same entry at a seq, once committed, on every node and in every life
//   C3  replicas have equal contents when they have applied the same entries
//   C4  after the faults end, all nodes come to the same commit, and all clients are answered,
//       within 60 s of virtual time
//   C5  no assertion of the product is broken; a store is always recovered
//   C6  no checkpoints without end when there is nothing new
//   C7  what a store told the others, it knows in later lives (cluster_told.h)
//   C8  a shard has one view of an epoch, whoever is asked; who leads in it, is its primary; no
//       process goes back to an older map
//   C9  what coordinators tell of the map is never older than what they told (coordinator_client.h)
// A broken oracle throws Violation.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "tests/sim/campaign.h"
#include "tests/sim/cluster_client.h"
#include "tests/sim/cluster_node.h"
#include "tests/sim/cluster_operator.h"
#include "tests/sim/cluster_told.h"
#include "tests/sim/coordinator_client.h"
#include "tests/sim/violation.h"
#include "tests/sim/workload.h"

namespace holdfast {

class ClusterWorld {
 public:
  static constexpr uint64_t kClusters = 1'000'000;

  explicit ClusterWorld(uint64_t seed);
  ~ClusterWorld();

  void run();
  uint64_t trace_hash() const { return reactor_.trace_hash(); }
  const MarkCounts& marks() const { return marks_; }
  uint64_t faults() const { return faults_; }
  int64_t now_ms();
  // The newest events, oldest first.
  const std::deque<std::string>& timeline() const { return timeline_; }
  // After a violation, what explains it shortest: who led when, and how far each node is.
  void describe();
  // An event that the product logged.
  void logged(std::string_view message, std::initializer_list<LogField> fields);

 private:
  // --- who is there: cluster_layout.cc ---
  using Hosts = std::vector<std::string>;

  void make_group();
  void make_cluster();
  void make_node(const ClusterNode::Knobs& knobs);
  ClusterNode::Knobs draw_knobs();
  void make_clients();
  void make_client(const ClusterClient::Manner& manner, const Hosts& servers);
  void make_operator();
  ConnectTo connects_from(const std::string& host);
  bool coordinated() const { return nodes_.front()->mode() == Mode::kCoordinator; }
  void note(const std::string& what);
  void note_primaries(const ClusterNode& node);
  void mark(const std::string& name) { ++marks_[name]; }
  int64_t up_to(int64_t most) { return static_cast<int64_t>(random_.below(uint64_t(most) + 1)); }
  void after(int64_t ms, std::function<void()> task) { reactor_.run_after(ms, std::move(task)); }
  ClusterNode& any() { return *nodes_[random_.below(nodes_.size())]; }
  // Of some shard; null: no shard has one.
  ClusterNode* primary();
  ClusterNode* primary(ShardId shard);
  // Who leads the cluster, as far as it knows; null: nobody, or there are no coordinators.
  const ClusterCore* leading_coordinator();

  // --- lives of processes ---
  void start(ClusterNode& node);
  void start_after(ClusterNode& node, int64_t ms);
  void kill(ClusterNode& node);
  void lose_power(ClusterNode& node);
  void ended(ClusterNode& node, ExitCode code, const std::string& why);
  int64_t downtime() { return 1 + up_to(random_.one_in(4) ? 4000 : 300); }

  // --- faults: cluster_faults.cc, cluster_aimed_faults.cc ---
  static constexpr int kFaultKinds = 36;
  void draw_faults();
  void draw_weather();
  void schedule_fault();
  void one_fault();
  void process_fault(int kind);
  void disk_fault(int kind);
  void network_fault(int kind);
  void power_off_soon(ClusterNode& node);
  void tell_busy(ClusterNode& node, int64_t until_ns);
  void partition();
  void swizzle();
  void clock_step(ClusterNode& node);
  void cut_for(std::vector<std::pair<std::string, std::string>> links, int64_t ms);
  void aimed_fault(int kind);
  void answer_late(ClusterNode& node);
  void cut_off_from_members(ClusterNode& node, int64_t ms);
  void sends(ClusterNode& node, const Message& message);
  void operator_fault(int kind);
  bool all_is_well();
  void take_out();
  void replace_disk();
  void fill_device(ClusterNode& node);
  void hand_over();
  void stop_in_order(ClusterNode& node);
  void heal();

  // --- oracles: cluster_oracles.cc ---
  void look();
  void look_at(const ClusterNode& node, Shard& shard);
  void look_at_log(const ClusterNode& node, Shard& shard, const ReplicaCore& core);
  void compare_contents(const ClusterNode& node, Shard& shard);
  void watch_checkpoints(const ClusterNode& node, const Shard& shard);
  void look_at_map();
  bool converged();
  bool converged(ShardId shard, const std::vector<Member>& members);
  std::string state(const ClusterNode& node);
  void calm();

  SimReactor reactor_;
  SeededRandom random_;
  SimNet net_;
  MarkCounts marks_;
  uint64_t faults_ = 0;
  std::deque<std::string> timeline_;
  std::unique_ptr<Workload> workload_;
  std::vector<std::unique_ptr<ClusterNode>> nodes_;
  std::vector<std::unique_ptr<ClusterClient>> clients_;
  std::unique_ptr<ClusterOperator> operator_;  // null: no group that elects its primary
  CoordinatorClient::Told map_told_;           // C9
  std::vector<std::unique_ptr<CoordinatorClient>> coordinator_clients_;
  bool calm_ = false;

  // Knobs.
  std::vector<int> enabled_;  // faults
  int64_t fault_every_ms_ = 1;
  int64_t chaos_ms_ = 1;
  bool rare_recovery_faults_ = false;

  struct Contents {
    std::string host;                        // who had them first
    std::map<std::string, uint64_t> hashes;  // of the values
  };
  // What was seen of a shard, on whichever node.
  struct Seen {
    std::map<Seq, LogPosition> ledger;  // C2
    std::map<Seq, Contents> contents;   // C3
    Told told;                          // C7
    std::map<Epoch, View> views;        // C8
    Epoch newest_epoch = 0;
    Epoch last_led = 0;  // what describe() tells of
  };
  std::map<ShardId, Seen> seen_;
  struct Checkpoints {
    uint64_t life = 0;
    Seq committed = 0;
    uint64_t finished = 0;
  };
  std::map<std::pair<std::string, ShardId>, Checkpoints> checkpoints_;  // C6
  std::map<std::pair<std::string, uint64_t>, uint64_t> revisions_;      // C8, of each life
  std::vector<std::string> views_;                                      // for describe()
};

}  // namespace holdfast
