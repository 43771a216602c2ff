// See cluster_world.h. Faults are in cluster_faults.cc, oracles in cluster_oracles.cc.
#include "tests/sim/cluster_world.h"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

constexpr uint16_t kPeerPort = 7000;
constexpr uint16_t kRespPort = 6379;
constexpr size_t kTimelineKept = 4000;
constexpr int64_t kLookMs = 100;

std::string client_host(size_t client) { return "client" + std::to_string(client); }

}  // namespace

ClusterWorld::ClusterWorld(uint64_t seed)
    : random_(seed), net_(reactor_, random_), workload_(std::make_unique<Workload>(random_)) {
  make_nodes();
  make_clients();
  if (nodes_.front()->grouped()) make_operator();
  chaos_ms_ = 4000 + up_to(random_.one_in(4) ? 16'000 : 6000);
  fault_every_ms_ = 40 + up_to(1200);
  rare_recovery_faults_ = random_.one_in(2);
  draw_faults();
  draw_weather();
}

ClusterWorld::~ClusterWorld() = default;

void ClusterWorld::make_nodes() {
  const auto count = static_cast<uint32_t>(1 + random_.below(5));
  const bool alone = count == 1 && random_.one_in(2);
  ClusterNode::Knobs knobs;
  Options& options = knobs.options;
  options.resp_bind = {"0.0.0.0"};
  options.resp_port = kRespPort;
  options.resp_protected_mode = false;
  options.replication = alone ? Replication::kNone : Replication::kRaft;
  for (uint32_t node = 1; node <= count; ++node) {
    options.cluster_members.push_back({node, cluster_host(node), kPeerPort, kRespPort});
  }
  options.cluster_secret = random_.one_in(2) ? "the secret of this cluster" : "";
  options.checkpoint_log_bytes = 4096ULL << random_.below(11);
  knobs.engine.wal_bytes = (512ULL << 10) << random_.below(5);
  knobs.engine.grow_bytes = (16ULL << 10) << random_.below(5);
  knobs.lz4 = random_.one_in(2);
  for (uint32_t node = 1; node <= count; ++node) {
    options.cluster_node = node;
    knobs.drift_ppm = up_to(998) - 499;
    if (std::abs(knobs.drift_ppm) > 400) mark("clocks that drift");
    knobs.boot_ns = up_to(1'000'000'000'000);
    const size_t index = node - 1;
    nodes_.push_back(std::make_unique<ClusterNode>(
        reactor_, net_, random_.next(), knobs,
        ClusterNode::Hooks{
            [this, index](const std::string& why) { start_anew(*nodes_[index], why); },
            [this, index](const Status& status) { log_failed(*nodes_[index], status); },
            [this, index](const Message& message) { sends(*nodes_[index], message); }},
        marks_));
  }
}

void ClusterWorld::make_clients() {
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
    make_client(i, manner);
  }
  if (nodes_.size() < 2) return;
  for (size_t i = random_.one_in(2) ? nodes_.size() : random_.below(2); i > 0; --i) {
    ClusterClient::Manner manner;
    manner.watches = true;
    manner.think_ms = 20 + up_to(60);
    manner.pipeline = 100;
    manner.patience_ms = 2000 + up_to(6000);
    make_client(clients_.size(), manner);
  }
}

void ClusterWorld::make_client(size_t number, const ClusterClient::Manner& manner) {
  clients_.push_back(std::make_unique<ClusterClient>(static_cast<uint32_t>(number), nodes_.size(),
                                                     reactor_, random_, *workload_, manner,
                                                     connects_from(client_host(number))));
}

void ClusterWorld::make_operator() {
  operator_ = std::make_unique<ClusterOperator>(nodes_.size(), reactor_, random_, marks_,
                                                connects_from("operator"));
}

std::function<std::unique_ptr<Conn>(size_t node)> ClusterWorld::connects_from(
    const std::string& host) {
  return [net = std::shared_ptr<Net>(net_.at(host))](size_t node) -> std::unique_ptr<Conn> {
    auto conn = net->connect(Address::tcp(cluster_host(node + 1), kRespPort));
    return conn.ok() ? std::move(conn.value()) : nullptr;
  };
}

int64_t ClusterWorld::now_ms() { return reactor_.clock().mono_ns() / 1'000'000; }

void ClusterWorld::note(const std::string& what) {
  reactor_.trace(what);
  timeline_.push_back(std::to_string(now_ms()) + " ms  " + what);
  if (timeline_.size() > kTimelineKept) timeline_.pop_front();
}

void ClusterWorld::logged(std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = reactor_.running() + ": " + std::string(message);
  for (const LogField& field : fields) line += " " + std::string(field.key) + "=" + field.value;
  note(line);
  if (message == "role" && line.find("role=primary") != std::string::npos) {
    for (const auto& node : nodes_) {
      if (node->running() && node->host() == reactor_.running()) {
        told_.leads(node->core()->epoch(), node->core()->self());
        views_.push_back("epoch " + std::to_string(node->core()->epoch()) + ": " + node->host() +
                         " from " + std::to_string(now_ms()) + " ms, entry " +
                         std::to_string(node->core()->last().seq) +
                         ", committed before: " + std::to_string(node->core()->committed().seq));
      }
    }
  }
  if (message == "log truncated") mark("suffixes truncated");
  if (message == "the group is formed") mark("groups formed");
}

ClusterNode* ClusterWorld::primary() {
  for (const auto& node : nodes_) {
    if (node->accepts_writes()) return node.get();
  }
  return nullptr;
}

// --- lives of processes ---

void ClusterWorld::start(ClusterNode& node) {
  if (node.running()) return;
  if (!calm_ && rare_recovery_faults_ && random_.one_in(4)) {
    node.disk().power_off_after(1 + random_.below(12));
  }
  // A snapshot that it got may show what its sender had committed by then, or in an earlier life.
  for (const auto& other : nodes_) {
    node.may_show(other->known_before());
    if (other->running()) node.may_show(other->shard().commit_seq());
  }
  const auto started = node.start();
  note(node.host() + " starts");
  if (started == ClusterNode::Start::kOk) {
    if (node.core() != nullptr) told_.starts(*node.core());
    if (!node.disk().powered()) return;
    if (calm_) return;
    power_off_soon(node);
    return;
  }
  if (started == ClusterNode::Start::kNoRoom) {
    mark("no room to start");
    start_after(node, downtime());
    return;
  }
  ++faults_;
  mark(node.disk().powered() ? "writes failed within recovery" : "power lost within recovery");
  node.lose_power();
  start_after(node, downtime());
}

void ClusterWorld::start_after(ClusterNode& node, int64_t ms) {
  after(ms, [this, &node, life = node.life()] {
    if (node.life() == life) start(node);
  });
}

void ClusterWorld::kill(ClusterNode& node) {
  if (!node.running()) return;
  note(node.host() + " is killed");
  mark("processes killed");
  node.kill();
  start_after(node, downtime());
}

void ClusterWorld::lose_power(ClusterNode& node) {
  if (!node.running()) return;
  note(node.host() + " loses power");
  mark("power lost");
  node.lose_power();
  start_after(node, downtime());
}

void ClusterWorld::start_anew(ClusterNode& node, const std::string& why) {
  mark(why);
  note(node.host() + " starts anew: " + why);
  reactor_.run_after_ns(0, [this, &node, life = node.life()] {
    if (!node.running() || node.life() != life) return;
    node.end_in_order();
    start_after(node, 1 + up_to(20));
  });
}

void ClusterWorld::log_failed(ClusterNode& node, const Status& status) {
  mark("failed logs");
  note(node.host() + " ends: " + status.message());
  reactor_.run_after_ns(0, [this, &node, life = node.life()] {
    if (!node.running() || node.life() != life) return;
    node.lose_power();  // which makes the file usable again
    start_after(node, downtime());
  });
}

// --- a run ---

void ClusterWorld::run() {
  for (const auto& node : nodes_) start_after(*node, up_to(500));
  for (const auto& client : clients_) client->start();
  if (operator_ != nullptr) operator_->start();
  schedule_fault();
  while (now_ms() < chaos_ms_) {
    reactor_.run_for(kLookMs);
    look();
  }
  calm();
  const std::string wrong = workload_->judge();
  if (!wrong.empty()) throw Violation("C1: " + wrong);
  if (workload_->undecided()) mark("histories without a verdict");
  marks_["acknowledged"] += workload_->acknowledged();
  marks_["refused"] += workload_->refused();
  marks_["refused: the device is full"] += workload_->refused_by_full_device();
  marks_["unknown outcomes"] += workload_->unknown();
  for (const auto& client : clients_) {
    marks_["clients sent elsewhere"] += client->moved();
    marks_["clients that waited in vain"] += client->timeouts();
  }
}

}  // namespace holdfast
