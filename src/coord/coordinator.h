// Coordinator: a ClusterCore with the things it acts on: the coordinators' own group, whose log
// keeps what is decided, and the links to all nodes.
//
// The coordinators are a shard of their own (id 0) that elects its primary; its keyspace holds the
// map ("map") and why it became so ("history:REVISION", the newest kHistory). So durability,
// elections, snapshots and recovery are those of any shard. Who is its primary leads the cluster.
//
// Threads: the reactor's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutant.h"
#include "base/reactor.h"
#include "coord/cluster_core.h"
#include "replica/peer_net.h"
#include "replica/shard.h"

namespace holdfast {

class Coordinator {
 public:
  static constexpr uint64_t kHistory = 1000;  // revisions that VIEW HISTORY can tell of

  // All outlive the coordinator. `peers` is asked for when something is to be sent.
  Coordinator(Reactor& reactor, Shard& shard, PeerNet& peers, const ClusterCore::Options& options);
  ~Coordinator();
  Coordinator(const Coordinator&) = delete;
  Coordinator& operator=(const Coordinator&) = delete;

  // A message to the coordinator on this node.
  void receive(const Message& message);
  void link_changed(const Member& peer, bool up);

  // Leads the cluster, with a lease: what map() says is what holds.
  bool leads() const {
    return core_.leading() && shard_.serves() &&
           (shard_.lease_valid() || mutant(Mutant::kTellMapWithoutLease));
  }
  const ClusterCore& core() const { return core_; }
  // Does something that an operator asks for. REQUIRES: leads().
  Status run(
      const std::function<Status(ClusterCore&, int64_t now_ns, ClusterCore::Actions*)>& what);
  // The newest first: revision, and why.
  std::vector<std::pair<uint64_t, std::string>> history(size_t most) const;

 private:
  int64_t now_ns() const { return reactor_.clock().boot_ns(); }
  void busy(const Member& member);
  void tick_later();
  void look();
  void tell_what_waits();
  void act(const ClusterCore::Actions& actions);
  void log_proposal();
  void publish();
  void send_map(NodeId node);
  std::string stored(std::string_view key) const;

  Reactor& reactor_;
  Shard& shard_;
  PeerNet& peers_;
  ClusterCore core_;
  ClusterCore::Propose proposal_;
  bool to_log_ = false;  // the proposal is not in the log yet: it took no writes
  Seq logged_ = 0;       // the proposal's entry; 0: none is on its way
  Bytes encoded_;        // the committed map
  std::string told_;     // what it waits for, as it was logged last
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
