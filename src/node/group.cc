// See group.h.
#include "node/group.h"

#include <algorithm>

#include "base/log.h"

namespace holdfast {
namespace {

constexpr int64_t kFormMs = 100;
constexpr int64_t kPromoteMs = 100;

const GroupMember* find_member(const std::vector<GroupMember>& members, NodeId node) {
  for (const GroupMember& member : members) {
    if (member.node == node) return &member;
  }
  return nullptr;
}

}  // namespace

Status check_durable(const Options& options) {
  if (options.durability != Durability::kAlways) {
    return Status::invalid(
        "durability: a member of a group must have it on stable media before it says so; "
        "allowed: always");
  }
  if (options.engine_type == EngineType::kMem) {
    return Status::invalid(
        "engine.type: a member of a group must find again what it has said; allowed: disk, rocks");
  }
  return {};
}

Group::Group(const NodeSystem& system, const Options& options,
             const std::vector<GroupMember>& members)
    : system_(system), reactor_(system.reactor), options_(options), members_(members) {}

Group::~Group() { *alive_ = false; }

Status Group::check(const Options& options, const std::vector<GroupMember>& members,
                    std::string_view key) {
  if (find_member(members, options.cluster_node) == nullptr) {
    return Status::invalid("cluster.node: " + std::to_string(options.cluster_node) +
                           " is not among " + std::string(key) +
                           "; allowed: the number of one of them");
  }
  return check_durable(options);
}

ReplicaOptions Group::replica_options() const {
  ReplicaOptions replica;
  replica.self.node = options_.cluster_node;
  // Coordinators carry out nobody's commands but their own.
  if (options_.mode != Mode::kCoordinator) {
    replica.silent_ns = options_.cluster_failure_timeout_ms * ReplicaOptions::kMs;
  }
  return replica;
}

ReplicaHooks Group::hooks() {
  return {[this, alive = std::weak_ptr<bool>(alive_)](const Message& message) {
    if (!alive.expired() && peers_ != nullptr) peers_->send(message);
  }};
}

Status Group::start(Shard& shard) {
  shard_ = &shard;
  LinkIdentity identity;
  identity.cluster = options_.cluster_id;
  identity.self = shard.replica()->core().self();
  identity.secret = options_.cluster_secret;
  PeerHooks hooks;
  hooks.on_message = [this](const Message& message) { on_message(message); };
  hooks.on_link = [this](Member peer, bool up) {
    log_info(up ? "member connected" : "member disconnected", {{"node", uint64_t{peer.node}}});
    if (!up) shard_->disconnected(peer);
    if (others_.on_link) others_.on_link(peer, up);
  };
  hooks.on_drained = [](NodeId) {};
  peers_ = std::make_unique<PeerNet>(reactor_, system_.net, system_.random, std::move(identity),
                                     system_.peers, std::move(hooks), system_.nonce);
  const GroupMember& own = *find_member(members_, options_.cluster_node);
  const Status listening = peers_->listen(Address::tcp(own.host, own.port));
  if (!listening.ok()) return listening;
  for (const GroupMember& member : members_) {
    if (member.node == own.node) continue;
    peers_->set_peer(member.node, Address::tcp(member.host, member.port));
  }
  if (others_.on_message) peers_->accept_unknown();
  reactor_.add_turn_end([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) peers_->flush();
  });
  if (own.host != "127.0.0.1" && options_.cluster_secret.empty()) {
    log_warning("members are believed without proof; set cluster.secret");
  }
  form();
  promote_later();
  return {};
}

void Group::on_message(const Message& message) {
  if (std::holds_alternative<Unformed>(message.body)) {
    unformed_[message.from.node] = message.from.store;
  } else if (std::holds_alternative<Busy>(message.body)) {
    shard_->replica()->step(MemberBusy{message.from});
    if (others_.on_message) others_.on_message(message);
  } else if (message.to == kCoordinatorMember) {
    if (others_.on_message) others_.on_message(message);
  } else {
    shard_->replica()->receive(message);
  }
}

void Group::form() {
  const ReplicaCore& core = shard_->replica()->core();
  if (core.last().seq != 0 || !core.membership().voters.empty() || !core.trusted()) return;
  Membership members;
  bool all = true;
  for (const GroupMember& member : members_) {
    if (member.node == core.self().node) {
      members.voters.push_back(core.self());
      continue;
    }
    const PeerLink* link = peers_->link(member.node);
    all = all && link->up() && unformed_.contains(member.node) &&
          unformed_[member.node] == link->peer().store;
    if (!link->up()) continue;
    members.voters.push_back(link->peer());
    peers_->send({0, 0, core.self(), link->peer(), Unformed{}});
  }
  if (all) {
    std::sort(members.voters.begin(), members.voters.end());
    log_info("the group is formed", {{"members", members.voters.size()}});
    shard_->replica()->step(Found{members});
    return;
  }
  reactor_.run_after(kFormMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) form();
  });
}

void Group::promote_later() {
  reactor_.run_after(kPromoteMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    promote();
    promote_later();
  });
}

// A learner that has nearly caught up, one at a time.
void Group::promote() {
  const ReplicaCore& core = shard_->replica()->core();
  if (!core.serving()) return;
  for (const Member& learner : core.membership().learners) {
    Membership to = core.membership();
    std::erase(to.learners, learner);
    to.voters.push_back(learner);
    if (!core.may_change(to).ok()) continue;
    log_info("a learner becomes a voter", {{"node", uint64_t{learner.node}}});
    shard_->replica()->step(ChangeMembers{to});
    return;
  }
}

GroupPeer Group::peer(NodeId node) const {
  return peers_ == nullptr ? GroupPeer{} : group_peer(*peers_, node);
}

GroupPeer group_peer(const PeerNet& peers, NodeId node) {
  GroupPeer peer;
  const PeerLink* link = peers.link(node);
  if (link == nullptr) return peer;
  const PeerStats& stats = link->stats();
  peer.up = link->up();
  if (peer.up) peer.member = link->peer();
  peer.bytes_in = stats.bytes_in;
  peer.bytes_out = stats.bytes_out;
  peer.messages_in = stats.messages_in;
  peer.messages_out = stats.messages_out;
  peer.rtt_us = stats.rtt_us;
  return peer;
}

std::string Group::client_address(NodeId node) const {
  const GroupMember* member = find_member(members_, node);
  if (member == nullptr) return {};
  return member->host + ":" + std::to_string(member->resp_port);
}

}  // namespace holdfast
