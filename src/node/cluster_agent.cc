// See cluster_agent.h.
#include "node/cluster_agent.h"

#include <algorithm>

#include "base/log.h"
#include "base/mutant.h"
#include "node/group.h"

namespace holdfast {
namespace {

constexpr int64_t kSuspectNs = 1'000'000'000;

bool listens_everywhere(const std::string& host) {
  return host == "0.0.0.0" || host == "::" || host == "*";
}

// Clients are sent to this address: it has to be one that they can use.
Status check_announced(const Options& options) {
  const std::string& address = options.cluster_announce;
  if (address.empty()) {
    if (std::ranges::none_of(options.resp_bind, listens_everywhere)) return {};
    return Status::invalid(
        "cluster.announce: empty, and resp.bind names no address that others could use; allowed: "
        "HOST:PORT");
  }
  const Result<Address> parsed = Address::parse(address);
  if (parsed.ok() && !listens_everywhere(parsed.value().host)) return {};
  return Status::invalid("cluster.announce: \"" + address +
                         "\" is not an address that others can use; allowed: HOST:PORT");
}

}  // namespace

ClusterAgent::ClusterAgent(const NodeSystem& system, const Options& options, Hooks hooks)
    : system_(system), reactor_(system.reactor), options_(options), hooks_(std::move(hooks)) {
  self_.node = options.cluster_node;
}

ClusterAgent::~ClusterAgent() { *alive_ = false; }

Status ClusterAgent::check(const Options& options) {
  if (options.cluster_node == 0) {
    return Status::invalid("cluster.node: not given; allowed: a number that no other node has");
  }
  if (options.cluster_coordinators.empty()) {
    return Status::invalid("cluster.coordinators: empty; allowed: at least one");
  }
  for (const GroupMember& coordinator : options.cluster_coordinators) {
    if (coordinator.node == options.cluster_node) {
      return Status::invalid("cluster.node: " + std::to_string(options.cluster_node) +
                             " is a coordinator's; allowed: a number that no other node has");
    }
  }
  if (options.mode != Mode::kStorage) return {};
  if (options.replication != Replication::kNone) {
    return Status::invalid(
        "cluster.replication: a storage node is told by the coordinators who "
        "leads; allowed: none");
  }
  if (const Result<Address> listen = Address::parse(options.cluster_listen); !listen.ok()) {
    return Status::invalid("cluster.listen: \"" + options.cluster_listen +
                           "\" is not an address; allowed: HOST:PORT");
  }
  if (const Status announced = check_announced(options); !announced.ok()) return announced;
  return check_durable(options);
}

ReplicaOptions ClusterAgent::replica_options() const {
  ReplicaOptions replica;
  replica.self.node = options_.cluster_node;
  replica.coordinated = true;
  replica.silent_ns = options_.cluster_failure_timeout_ms * ReplicaOptions::kMs;
  return replica;
}

ReplicaHooks ClusterAgent::replica_hooks() {
  return {[this, alive = std::weak_ptr<bool>(alive_)](const Message& message) {
    if (alive.expired() || peers_ == nullptr) return;
    if (message.to == kCoordinatorMember) {
      send_to_coordinators(message);
    } else {
      peers_->send(message);
    }
  }};
}

Status ClusterAgent::start(StoreId store, const std::string& resp_address) {
  self_.store = store;
  resp_address_ = resp_address;
  LinkIdentity identity;
  identity.cluster = options_.cluster_id;
  identity.self = self_;
  identity.secret = options_.cluster_secret;
  PeerHooks hooks;
  hooks.on_message = [this](const Message& message) { on_message(message); };
  hooks.on_link = [this](const Member& peer, bool up) { on_link(peer, up); };
  hooks.on_drained = [](NodeId) {};
  peers_ = std::make_unique<PeerNet>(reactor_, system_.net, system_.random, std::move(identity),
                                     system_.peers, std::move(hooks), system_.nonce);
  if (options_.mode == Mode::kStorage) {
    const Status listening = peers_->listen(Address::parse(options_.cluster_listen).value());
    if (!listening.ok()) return listening;
    peers_->accept_unknown();  // others may have a newer map
  }
  for (const GroupMember& coordinator : options_.cluster_coordinators) {
    peers_->set_peer(coordinator.node, Address::tcp(coordinator.host, coordinator.port), 0,
                     Dial::kWe);
  }
  reactor_.add_turn_end([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) peers_->flush();
  });
  report_later();
  return {};
}

bool ClusterAgent::is_coordinator(NodeId node) const {
  return std::ranges::any_of(options_.cluster_coordinators,
                             [node](const GroupMember& each) { return each.node == node; });
}

// To all of them: who leads knows what to do with it.
void ClusterAgent::send_to_coordinators(const Message& message) {
  for (const GroupMember& coordinator : options_.cluster_coordinators) {
    peers_->send_to(coordinator.node, message);
  }
}

void ClusterAgent::on_link(const Member& peer, bool up) {
  log_info(up ? "node connected" : "node disconnected", {{"node", uint64_t{peer.node}}});
  if (!up) {
    for (const auto& [id, shard] : shards_) shard->disconnected(peer);
  } else if (is_coordinator(peer.node)) {
    report();
  }
}

void ClusterAgent::on_message(const Message& message) {
  if (const auto* map = std::get_if<MapIs>(&message.body)) {
    if (message.from == kCoordinatorMember) take_map(*map);
    return;
  }
  if (const auto* published = std::get_if<Published>(&message.body)) {
    if (hooks_.published) hooks_.published(*published);
    return;
  }
  if (const auto* busy = std::get_if<Busy>(&message.body)) {
    if (hooks_.busy) hooks_.busy(busy->node);
    for (const auto& [id, shard] : shards_) shard->replica()->step(MemberBusy{message.from});
    return;
  }
  const auto found = shards_.find(message.shard);
  if (found == shards_.end()) return;
  Replica& replica = *found->second->replica();
  const auto* hand_over = std::get_if<HandOverTo>(&message.body);
  if (hand_over == nullptr) {
    replica.receive(message);
  } else if (message.from == kCoordinatorMember && replica.core().serving() &&
             replica.core().epoch() == message.epoch) {
    replica.step(HandOver{hand_over->to});
  }
}

void ClusterAgent::take_map(const MapIs& message) {
  const bool newer = message.revision > map_.revision || mutant(Mutant::kTakeOlderMap);
  if (!newer || message.map == nullptr) return;
  Result<ClusterMap> decoded = decode_cluster_map(*message.map);
  if (!decoded.ok() || decoded.value().revision != message.revision) {
    log_warning("a cluster map that cannot be read", {{"why", decoded.status().message()}});
    return;
  }
  for (const NodeRecord& node : map_.nodes) {
    const bool forgotten = decoded.value().node(node.id) == nullptr;
    if (forgotten && node.id != self_.node) peers_->remove_peer(node.id);
  }
  map_ = std::move(decoded.value());
  slots_ = SlotOwners(map_);
  if (options_.mode == Mode::kStorage) {
    for (const NodeRecord& node : map_.nodes) {
      const Result<Address> address = Address::parse(node.address);
      if (node.id == self_.node || !address.ok()) continue;
      peers_->set_peer(node.id, address.value());
      if (node.state == NodeState::kUp) peers_->hurry(node.id);
    }
    for (const ClusterShard& shard : map_.shards) {
      const View& active = shard.record.active;
      const bool member = active.has(self_) || shard.record.forming.has(self_);
      const auto hosted = shards_.find(shard.id);
      if (member && hosted == shards_.end()) hooks_.host(shard.id);
      if (!member && hosted != shards_.end() && active.epoch != 0) {
        hosted->second->replica()->step(LeftOut{active.epoch});
      }
    }
  }
  if (hooks_.map_changed) hooks_.map_changed(map_);
}

// --- what the coordinators are told ---

void ClusterAgent::report_later() {
  reactor_.run_after(kReportMs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    report();
    report_later();
  });
}

void ClusterAgent::report() {
  NodeReport report;
  report.revision = map_.revision;
  if (options_.mode == Mode::kStorage) {
    report.address = options_.cluster_announce_links.empty() ? options_.cluster_listen
                                                             : options_.cluster_announce_links;
  }
  report.resp_address = resp_address_;
  const int64_t now_ns = reactor_.clock().boot_ns();
  for (const auto& [id, shard] : shards_) {
    if (report.replicas.size() == NodeReport::kMaxReplicas) break;
    const ReplicaCore& core = shard->replica()->core();
    report.replicas.push_back({id, core.role(), core.epoch(), core.last().seq, core.committed().seq,
                               core.accepting(now_ns), core.disk_stalled(now_ns),
                               core.hears_leader(now_ns)});
  }
  std::erase_if(suspects_, [now_ns](const auto& each) { return each.second < now_ns; });
  for (const auto& [node, until] : suspects_) {
    if (report.suspects.size() < NodeReport::kMaxSuspects) report.suspects.push_back(node);
  }
  send_to_coordinators({0, 0, self_, kCoordinatorMember, std::move(report)});
}

void ClusterAgent::suspect(NodeId node) {
  suspects_[node] = reactor_.clock().boot_ns() + kSuspectNs;
}

// Half of a link's room is the log's: nobody writes slower because others publish.
bool ClusterAgent::publish(const Published& message) {
  bool to_all = true;
  for (const NodeRecord& node : map_.nodes) {
    const PeerLink* link = peers_->link(node.id);
    if (link == nullptr || !link->has(kFeaturePublished)) continue;
    const size_t queued = link->queued_bytes();
    const bool room =
        queued == 0 || queued + message.text->size() <= system_.peers.max_queue_bytes / 2;
    const Message to_node{0, 0, self_, {node.id, 0}, message};
    if (!room || peers_->send(to_node) != SendResult::kQueued) to_all = false;
  }
  return to_all;
}

// --- what others ask ---

std::string ClusterAgent::client_address(NodeId node) const {
  const NodeRecord* known = map_.node(node);
  return known == nullptr ? std::string() : known->resp_address;
}

std::string ClusterAgent::address_of(SlotId slot) const {
  const ClusterShard* shard = map_.shard(slots_.owner(slot));
  return shard == nullptr ? std::string() : client_address(shard->primary().node);
}

GroupPeer ClusterAgent::peer(NodeId node) const {
  return peers_ == nullptr ? GroupPeer{} : group_peer(*peers_, node);
}

}  // namespace holdfast
