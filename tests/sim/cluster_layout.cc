// Who is there in a ClusterWorld: nodes, clients, the operator.
#include <cstdlib>

#include "tests/sim/cluster_world.h"

namespace holdfast {
namespace {

constexpr uint16_t kPeerPort = 7000;
constexpr uint16_t kRespPort = 6379;

std::string client_host(size_t client) { return "client" + std::to_string(client); }

}  // namespace

// What all nodes have in common.
ClusterNode::Knobs ClusterWorld::draw_knobs() {
  ClusterNode::Knobs knobs;
  Options& options = knobs.options;
  options.data_dir = "store";
  options.resp_bind = {"0.0.0.0"};
  options.resp_port = kRespPort;
  options.resp_protected_mode = false;
  options.cluster_secret = random_.one_in(2) ? "the secret of this cluster" : "";
  options.checkpoint_log_bytes = 4096ULL << random_.below(11);
  options.engine_wal_bytes = (512ULL << 10) << random_.below(5);
  if (random_.one_in(4)) options.memory_limit = 64ULL << 20;
  knobs.grow_bytes = (16ULL << 10) << random_.below(5);
  knobs.lz4 = random_.one_in(2);
  return knobs;
}

void ClusterWorld::make_node(const ClusterNode::Knobs& common) {
  ClusterNode::Knobs knobs = common;
  knobs.drift_ppm = up_to(998) - 499;
  if (std::abs(knobs.drift_ppm) > 400) mark("clocks that drift");
  knobs.boot_ns = up_to(1'000'000'000'000);
  const size_t index = nodes_.size();
  nodes_.push_back(std::make_unique<ClusterNode>(
      reactor_, net_, random_.next(), std::move(knobs),
      ClusterNode::Hooks{[this, index](ExitCode code, std::string_view why) {
                           ended(*nodes_[index], code, std::string(why));
                         },
                         [this, index](const Message& message) { sends(*nodes_[index], message); }},
      marks_));
}

void ClusterWorld::make_group() {
  const auto count = static_cast<uint32_t>(1 + random_.below(5));
  const bool alone = count == 1 && random_.one_in(2);
  ClusterNode::Knobs knobs = draw_knobs();
  knobs.options.replication = alone ? Replication::kNone : Replication::kRaft;
  for (uint32_t node = 1; node <= count; ++node) {
    knobs.options.cluster_members.push_back({node, cluster_host(node), kPeerPort, kRespPort});
  }
  for (uint32_t node = 1; node <= count; ++node) {
    knobs.options.cluster_node = node;
    make_node(knobs);
  }
}

void ClusterWorld::make_cluster() {
  const uint32_t coordinators = random_.one_in(4) ? 1 : 3;
  const auto keepers = static_cast<uint32_t>(3 + random_.below(3));
  const auto gateways = static_cast<uint32_t>(random_.below(3));
  ClusterNode::Knobs knobs = draw_knobs();
  Options& options = knobs.options;
  options.engine_wal_bytes = (512ULL << 10) << random_.below(3);  // there are many of them
  options.cluster_shards = 1 + static_cast<uint32_t>(random_.below(2));
  options.cluster_replicas = random_.one_in(4) ? 5 : 3;
  if (options.cluster_replicas > keepers) options.cluster_replicas = 3;
  for (uint32_t node = 1; node <= coordinators; ++node) {
    options.cluster_coordinators.push_back({node, cluster_host(node), kPeerPort, kRespPort});
  }
  for (uint32_t node = 1; node <= coordinators + keepers + gateways; ++node) {
    options.cluster_node = node;
    options.mode = node <= coordinators             ? Mode::kCoordinator
                   : node <= coordinators + keepers ? Mode::kStorage
                                                    : Mode::kGateway;
    options.cluster_listen = cluster_host(node) + ":" + std::to_string(kPeerPort);
    options.cluster_announce = cluster_host(node) + ":" + std::to_string(kRespPort);
    make_node(knobs);
  }
}

void ClusterWorld::make_clients() {
  Hosts servers, gateways;
  for (const auto& node : nodes_) {
    if (node->mode() == Mode::kGateway) gateways.push_back(node->host());
    if (node->mode() == Mode::kStandalone || node->mode() == Mode::kStorage) {
      servers.push_back(node->host());
    }
  }
  const size_t count = 2 + random_.below(7);
  const int64_t think_ms = static_cast<int64_t>(count) * (6 + up_to(30));
  for (size_t i = 0; i < count; ++i) {
    // Slow ones ask a node that stands still long after another one was elected.
    const bool slow = random_.one_in(3);
    ClusterClient::Manner manner;
    manner.think_ms = slow ? 300 + up_to(600) : think_ms;
    manner.pipeline = 1 + random_.below(slow ? 16 : 6);
    manner.patience_ms = 300 + up_to(slow ? 5000 : 2000);
    if (i == 0) manner.patience_ms = 100 + up_to(200);  // it is the first at a new primary
    manner.through_gateway = !gateways.empty() && !random_.one_in(3);
    make_client(manner, manner.through_gateway ? gateways : servers);
  }
  if (servers.size() < 2) return;
  for (size_t i = random_.one_in(2) ? servers.size() : random_.below(2); i > 0; --i) {
    ClusterClient::Manner manner;
    manner.watches = true;
    manner.think_ms = 20 + up_to(60);
    manner.pipeline = 100;
    manner.patience_ms = 2000 + up_to(6000);
    make_client(manner, servers);
  }
}

void ClusterWorld::make_client(const ClusterClient::Manner& manner, const Hosts& servers) {
  const size_t number = clients_.size();
  clients_.push_back(std::make_unique<ClusterClient>(static_cast<uint32_t>(number), servers,
                                                     reactor_, random_, *workload_, manner,
                                                     connects_from(client_host(number))));
}

void ClusterWorld::make_operator() {
  if (coordinated()) {
    Hosts coordinators, nodes;
    for (const auto& node : nodes_) {
      if (node->mode() == Mode::kCoordinator) coordinators.push_back(node->host());
      if (node->mode() == Mode::kStorage) nodes.push_back(std::to_string(node->number()));
    }
    for (uint64_t i = random_.below(4); i > 0; --i) {
      coordinator_clients_.push_back(std::make_unique<CoordinatorClient>(
          coordinators, nodes, reactor_, random_, marks_, map_told_,
          connects_from("operator" + std::to_string(i))));
    }
    return;
  }
  if (!nodes_.front()->grouped()) return;
  operator_ = std::make_unique<ClusterOperator>(nodes_.size(), reactor_, random_, marks_,
                                                connects_from("operator"));
}

ConnectTo ClusterWorld::connects_from(const std::string& host) {
  return [net = std::shared_ptr<Net>(net_.at(host))](
             const std::string& server) -> std::unique_ptr<Conn> {
    auto conn = net->connect(Address::tcp(server, kRespPort));
    return conn.ok() ? std::move(conn.value()) : nullptr;
  };
}

}  // namespace holdfast
