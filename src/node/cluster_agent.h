// ClusterAgent: a node's part in a cluster with coordinators: it tells them what it finds, again
// and again, takes the map from them, and carries the messages of the shards it hosts. A gateway
// has one too: it hosts nothing and needs the map.
//
// The newest map decides; one that is older than what was seen is dropped (I40). Nothing of it is
// kept over a restart: what a node hosts, its store says; who leads, the coordinators say again.
//
// Threads: the reactor's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/options.h"
#include "node/node_system.h"
#include "replica/cluster_map.h"
#include "replica/peer_net.h"
#include "replica/shard.h"
#include "resp/server.h"

namespace holdfast {

class ClusterAgent {
 public:
  static constexpr int64_t kReportMs = 50;

  struct Hooks {
    std::function<void(ShardId)> host;  // this node is a member of that shard, which it has not
    std::function<void(const ClusterMap&)> map_changed;
    std::function<void(const Published&)> published;  // at another node
    std::function<void(NodeId)> busy;                 // that node computes
  };

  // Both outlive the agent.
  ClusterAgent(const NodeSystem& system, const Options& options, Hooks hooks);
  ~ClusterAgent();
  ClusterAgent(const ClusterAgent&) = delete;
  ClusterAgent& operator=(const ClusterAgent&) = delete;

  // What is wrong with the options, naming the key.
  static Status check(const Options& options);
  // For the shards, before they recover.
  ReplicaOptions replica_options() const;
  ReplicaHooks replica_hooks();
  // A shard that is hosted here, recovered; it outlives the agent.
  void add(ShardId id, Shard& shard) { shards_[id] = &shard; }
  // Listens, if other nodes are to reach this one, and looks for the coordinators. `store` 0: it
  // keeps no data. `resp_address`: where clients reach it.
  Status start(StoreId store, const std::string& resp_address);

  const ClusterMap& map() const { return map_; }
  const SlotOwners& slots() const { return slots_; }
  const Member& self() const { return self_; }
  // That node does not answer: the coordinators are told, for a while.
  void suspect(NodeId node);
  // To all storage nodes that are reached now. False: one has no room for it.
  bool publish(const Published& message);
  // Any thread: PeerNet::say_busy(). REQUIRES: start() succeeded.
  void say_busy() { peers_->say_busy(); }
  // "HOST:PORT" for clients; empty: unknown.
  std::string client_address(NodeId node) const;
  // Where a command for that slot belongs; empty: nobody serves it.
  std::string address_of(SlotId slot) const;
  GroupPeer peer(NodeId node) const;

 private:
  void on_message(const Message& message);
  void on_link(const Member& peer, bool up);
  void take_map(const MapIs& message);
  bool is_coordinator(NodeId node) const;
  void send_to_coordinators(const Message& message);
  void report();
  void report_later();

  const NodeSystem& system_;
  Reactor& reactor_;
  const Options& options_;
  const Hooks hooks_;
  Member self_;
  std::string resp_address_;
  std::unique_ptr<PeerNet> peers_;
  std::map<ShardId, Shard*> shards_;
  ClusterMap map_;
  SlotOwners slots_;
  std::map<NodeId, int64_t> suspects_;  // until when they are told of
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
