// ClusterWorld: one seed's simulation of whole nodes: server, shard, replication, links, engine,
// all real, on simulated disks, network and clocks; one to five nodes in a group that elects its
// primary, or one alone; two to eight clients, others that only read and stay with one node each
// whatever becomes of it, and an operator. Everything that happens follows from the seed.
//
// Faults, of which each seed turns on some: processes killed, power lost (of one, of all, in the
// middle of a write, within recovery), failed, slow and stalled disks, pauses, partitions (also
// one-way, also clogs opened in random order), resets, slow networks, wall clock steps, drifting
// boot clocks, clients that stop reading, primaries that only their clients reach, power lost right
// after a vote, full devices, disks that are replaced; members taken out and back, handovers. Small
// logs and checkpoints, so that logs are released.
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
#include "tests/sim/violation.h"
#include "tests/sim/workload.h"

namespace holdfast {

class ClusterWorld {
 public:
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
  void make_nodes();
  void make_clients();
  void make_client(size_t number, const ClusterClient::Manner& manner);
  void make_operator();
  std::function<std::unique_ptr<Conn>(size_t node)> connects_from(const std::string& host);
  void note(const std::string& what);
  void mark(const std::string& name) { ++marks_[name]; }
  int64_t up_to(int64_t most) { return static_cast<int64_t>(random_.below(uint64_t(most) + 1)); }
  void after(int64_t ms, std::function<void()> task) { reactor_.run_after(ms, std::move(task)); }
  ClusterNode& any() { return *nodes_[random_.below(nodes_.size())]; }
  ClusterNode* primary();

  // --- lives of processes ---
  void start(ClusterNode& node);
  void start_after(ClusterNode& node, int64_t ms);
  void kill(ClusterNode& node);
  void lose_power(ClusterNode& node);
  void start_anew(ClusterNode& node, const std::string& why);
  void log_failed(ClusterNode& node, const Status& status);
  int64_t downtime() { return 1 + up_to(random_.one_in(4) ? 4000 : 300); }

  // --- faults: cluster_faults.cc, cluster_aimed_faults.cc ---
  static constexpr int kFaultKinds = 34;
  void draw_faults();
  void draw_weather();
  void schedule_fault();
  void one_fault();
  void process_fault(int kind);
  void disk_fault(int kind);
  void network_fault(int kind);
  void power_off_soon(ClusterNode& node);
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
  void heal();

  // --- oracles: cluster_oracles.cc ---
  void look();
  void look_at(ClusterNode& node);
  void compare_contents(ClusterNode& node);
  void watch_checkpoints(ClusterNode& node);
  bool converged();
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
  std::unique_ptr<ClusterOperator> operator_;  // null: there is no group
  Told told_;                                  // C7
  bool calm_ = false;

  // Knobs.
  std::vector<int> enabled_;  // faults
  int64_t fault_every_ms_ = 1;
  int64_t chaos_ms_ = 1;
  bool rare_recovery_faults_ = false;

  std::map<Seq, LogPosition> ledger_;  // C2
  struct Contents {
    std::string host;                        // who had them first
    std::map<std::string, uint64_t> hashes;  // of the values
  };
  std::map<Seq, Contents> contents_;  // C3
  struct Seen {
    uint64_t life = 0;
    Seq committed = 0;
    uint64_t checkpoints = 0;
  };
  std::map<std::string, Seen> seen_;  // C6
  Epoch newest_epoch_ = 0;
  std::vector<std::string> views_;  // for describe()
};

}  // namespace holdfast
