// Group: a node's part in a group of replicas: the network between the members, and how a new group
// comes to know its members.
//
// A store draws its identity when it is made, so no configuration can name it. Members of a new
// group tell each other that they know of none (Unformed); who has heard so from all that the
// configuration names writes the group's first entry, the same on every member. A member whose disk
// was replaced finds the others formed, waits, and is no member until it is made one: a learner
// first (SHARD ADDMEMBER), and a voter as soon as it has nearly all of the log.
//
// Threads: the reactor's.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/options.h"
#include "node/node_system.h"
#include "replica/peer_net.h"
#include "replica/shard.h"
#include "resp/server.h"

namespace holdfast {

class Group {
 public:
  // All outlive the group. `members`: of the options, the ones that this group is of.
  Group(const NodeSystem& system, const Options& options, const std::vector<GroupMember>& members);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // What is wrong with the options, naming the key. `key`: of the members.
  static Status check(const Options& options, const std::vector<GroupMember>& members,
                      std::string_view key);
  // For the shard, before it recovers.
  ReplicaOptions replica_options() const;
  ReplicaHooks hooks();
  // Others of the cluster may connect too; what they say is not for the group.
  struct Others {
    std::function<void(const Message&)> on_message;
    std::function<void(const Member&, bool up)> on_link;
  };
  void allow_others(Others others) { others_ = std::move(others); }
  // After it has recovered: listens for the others and looks for them.
  Status start(Shard& shard);

  // Any thread: PeerNet::say_busy(). REQUIRES: start() succeeded.
  void say_busy() { peers_->say_busy(); }

  // "HOST:PORT" of a member for clients; empty: unknown.
  std::string client_address(NodeId node) const;
  GroupPeer peer(NodeId node) const;
  // After start().
  PeerNet& net() { return *peers_; }

 private:
  void on_message(const Message& message);
  void form();
  void promote_later();
  void promote();

  const NodeSystem& system_;
  Reactor& reactor_;
  const Options& options_;
  const std::vector<GroupMember>& members_;
  Others others_;
  Shard* shard_ = nullptr;
  std::unique_ptr<PeerNet> peers_;
  std::map<NodeId, StoreId> unformed_;  // who said so, with the store that it has
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Of a node that others count on: what is wrong with the options that say how it keeps data.
Status check_durable(const Options& options);
// What connects to a node; see GroupPeer.
GroupPeer group_peer(const PeerNet& peers, NodeId node);

}  // namespace holdfast
