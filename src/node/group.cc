// See group.h.
#include "node/group.h"

#include "base/log.h"

namespace holdfast {
namespace {

constexpr int64_t kFormMs = 100;

const GroupMember* find_member(const Options& options, NodeId node) {
  for (const GroupMember& member : options.cluster_members) {
    if (member.node == node) return &member;
  }
  return nullptr;
}

}  // namespace

Group::Group(Reactor& reactor, Net& net, Random& random, const Options& options,
             const PeerOptions& peers, std::function<Handshake::Nonce()> nonce)
    : reactor_(reactor),
      net_(net),
      random_(random),
      options_(options),
      peer_options_(peers),
      nonce_(std::move(nonce)) {}

Group::~Group() { *alive_ = false; }

Status Group::check(const Options& options) {
  if (options.replication == Replication::kNone) return {};
  if (find_member(options, options.cluster_node) == nullptr) {
    return Status::invalid("cluster.node: " + std::to_string(options.cluster_node) +
                           " is not among cluster.members; allowed: the number of one of them");
  }
  if (options.durability != Durability::kAlways) {
    return Status::invalid(
        "durability: a member of a group must have it on stable media before it says so; "
        "allowed: always");
  }
  return {};
}

ReplicaOptions Group::replica_options() const {
  ReplicaOptions replica;
  replica.self.node = options_.cluster_node;
  replica.lease_reads = !options_.cluster_confirm_reads;
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
  hooks.on_link = [](Member peer, bool up) {
    log_info(up ? "member connected" : "member disconnected", {{"node", uint64_t{peer.node}}});
  };
  hooks.on_drained = [](NodeId) {};
  peers_ = std::make_unique<PeerNet>(reactor_, net_, random_, std::move(identity), peer_options_,
                                     std::move(hooks), nonce_);
  const GroupMember& own = *find_member(options_, options_.cluster_node);
  const Status listening = peers_->listen(Address::tcp(own.host, own.port));
  if (!listening.ok()) return listening;
  for (const GroupMember& member : options_.cluster_members) {
    if (member.node == own.node) continue;
    peers_->set_peer(member.node, Address::tcp(member.host, member.port));
  }
  reactor_.add_turn_end([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) peers_->flush();
  });
  if (own.host != "127.0.0.1" && options_.cluster_secret.empty()) {
    log_warning("members are believed without proof; set cluster.secret");
  }
  form();
  return {};
}

void Group::on_message(const Message& message) {
  if (std::holds_alternative<Unformed>(message.body)) {
    unformed_[message.from.node] = message.from.store;
  } else {
    shard_->replica()->receive(message);
  }
}

void Group::form() {
  const ElectedCore& core = shard_->replica()->core();
  if (core.last().seq != 0 || !core.membership().voters.empty()) return;
  Membership members;
  bool all = true;
  for (const GroupMember& member : options_.cluster_members) {
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

std::string Group::client_address(NodeId node) const {
  const GroupMember* member = find_member(options_, node);
  if (member == nullptr) return {};
  return member->host + ":" + std::to_string(member->resp_port);
}

}  // namespace holdfast
