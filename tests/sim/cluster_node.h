// ClusterNode: a node of a ClusterWorld: its machine (disk, clocks, network) and, while it runs,
// its process, which is src/node/ with a simulated NodeSystem.
//
// A process ends by kill (what the system has, stays), by power loss (the disk keeps what it must),
// by itself after a failed write, or to start anew when it was deposed with uncommitted effects or
// got a snapshot.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/random.h"
#include "base/sim/sim_disk.h"
#include "base/sim/sim_net.h"
#include "base/sim/sim_reactor.h"
#include "coord/coordinator.h"
#include "node/exit_codes.h"
#include "replica/shard.h"
#include "tests/sim/campaign.h"

namespace holdfast {

class ClusterNode {
 public:
  struct Knobs {
    Options options;          // of the process
    uint64_t grow_bytes = 0;  // of the data file
    bool lz4 = false;
    int64_t drift_ppm = 0;
    int64_t boot_ns = 0;  // that its machine is older than the simulation
  };
  // Called in an event of the process, which must not be destroyed in it.
  struct Hooks {
    std::function<void(ExitCode, std::string_view why)> ended;
    // To another node, before it leaves.
    std::function<void(const Message&)> sends;
  };
  enum class Start : uint8_t {
    kOk,
    kDiskFailed,  // of a fault, within recovery
    kNoRoom,      // for a new store
  };

  ClusterNode(SimReactor& reactor, SimNet& net, uint64_t seed, Knobs knobs, Hooks hooks,
              MarkCounts& marks);
  ~ClusterNode();
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  // REQUIRES: !running(). Throws Violation when the store cannot be recovered.
  Start start();
  void kill();
  void lose_power();
  // As SIGTERM does; it ends later. REQUIRES: running().
  void stop();

  Mode mode() const { return knobs_.options.mode; }
  bool keeps_data() const { return mode() != Mode::kGateway; }
  bool grouped() const { return knobs_.options.replication != Replication::kNone; }
  bool running() const { return process_ != nullptr; }
  // Counts the starts; tells whether the process is still the one that an event was meant for.
  uint64_t life() const { return life_; }
  const std::string& host() const { return host_; }
  NodeId number() const { return knobs_.options.cluster_node; }
  SimDisk& disk() { return *disk_; }
  // An empty one takes its place: its next process has another store. REQUIRES: !running().
  void replace_disk();
  void pause_for(int64_t ns);
  // As Beacon does for a node that computes. REQUIRES: running().
  void say_busy();
  void step_wall(int64_t us);

  // Those that its process hosts; none when there is no process.
  std::vector<Shard*> shards() const;
  Shard* shard(ShardId id) const;             // null: not hosted now
  const ReplicaCore* core(ShardId id) const;  // null: not hosted now, or alone
  // Null: this process is no coordinator.
  const Coordinator* coordinator() const;
  // The one that it goes by; null: none.
  const ClusterMap* map() const;
  bool accepts_writes() const;  // in any shard
  // Sessions that wait until the primary is sure to be one.
  uint64_t waiting_for_lease() const;
  // The newest entry of its log when it started; 0: it had none.
  Seq recovered_seq(ShardId shard) const { return get(recovered_, shard); }
  // What its earlier processes, or whoever sent it a snapshot, knew to be committed. There may be
  // images as new as that, so before it has come there again, its contents are of no one seq.
  Seq known_before(ShardId shard) const { return get(known_before_, shard); }
  const std::map<ShardId, Seq>& known_before() const { return known_before_; }
  void may_show(ShardId shard, Seq committed) {
    known_before_[shard] = std::max(known_before_[shard], committed);
  }

 private:
  struct Process;
  using Seqs = std::map<ShardId, Seq>;

  static Seq get(const Seqs& seqs, ShardId shard) {
    const auto found = seqs.find(shard);
    return found == seqs.end() ? 0 : found->second;
  }
  void count_process();

  SimReactor& reactor_;
  SimNet& net_;
  SeededRandom random_;
  const Knobs knobs_;
  const Hooks hooks_;
  MarkCounts& marks_;
  const std::string host_;
  std::unique_ptr<SimDisk> disk_;
  int64_t wall_step_us_ = 0;
  uint64_t life_ = 0;
  Seqs recovered_, known_before_;
  std::unique_ptr<Process> process_;
};

// Of node 1, 2, ...
std::string cluster_host(size_t node);

}  // namespace holdfast
