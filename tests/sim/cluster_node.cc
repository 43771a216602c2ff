// See cluster_node.h.
#include "tests/sim/cluster_node.h"

#include <algorithm>

#include "node/gateway_process.h"
#include "node/node.h"
#include "tests/sim/violation.h"

namespace holdfast {

std::string cluster_host(size_t node) { return "10.0.0." + std::to_string(node); }

// What is made last goes first.
struct ClusterNode::Process {
  explicit Process(ClusterNode& node)
      : reactor(node.reactor_, node.host_),
        net(node.net_.at(node.host_)),
        random(node.random_.next()) {
    NodeSystem system{reactor, *net, *node.disk_, random, node.hooks_.ended};
    system.peers.lz4 = node.knobs_.lz4;
    system.peers.watch = node.hooks_.sends;
    system.nonce = [this] {
      Handshake::Nonce nonce;
      for (char& byte : nonce) byte = static_cast<char>(random.next());
      return nonce;
    };
    system.engine.grow_bytes = node.knobs_.grow_bytes;
    if (node.keeps_data()) {
      // Always nearly full: all that is not in use is forgotten.
      system.facts.memory_used = [limit = node.knobs_.options.memory_limit] { return limit - 1; };
      keeper = std::make_unique<Node>(std::move(system), node.knobs_.options);
    } else {
      gateway = std::make_unique<GatewayProcess>(std::move(system), node.knobs_.options);
    }
  }
  Status start() { return keeper != nullptr ? keeper->start() : gateway->start(); }

  SimNodeReactor reactor;
  std::unique_ptr<Net> net;
  SeededRandom random;
  std::unique_ptr<Node> keeper;  // either this one
  std::unique_ptr<GatewayProcess> gateway;
};

ClusterNode::ClusterNode(SimReactor& reactor, SimNet& net, uint64_t seed, Knobs knobs, Hooks hooks,
                         MarkCounts& marks)
    : reactor_(reactor),
      net_(net),
      random_(seed),
      knobs_(std::move(knobs)),
      hooks_(std::move(hooks)),
      marks_(marks),
      host_(cluster_host(knobs_.options.cluster_node)),
      disk_(std::make_unique<SimDisk>(seed ^ 0xd15c)) {}

ClusterNode::~ClusterNode() = default;

ClusterNode::Start ClusterNode::start() {
  HF_ASSERT(!running());
  ++life_;
  net_.power_on(host_);
  reactor_.set_running(host_);
  auto process = std::make_unique<Process>(*this);
  SimClock& clock = process->reactor.clock();
  clock.drift(knobs_.drift_ppm);
  clock.sleep_through(knobs_.boot_ns);
  clock.step_wall(wall_step_us_);
  if (const Status status = process->start(); !status.ok()) {
    const bool broken = status.code() == Code::kIo || status.code() == Code::kPoisoned;
    if (!disk_->powered() || broken) return Start::kDiskFailed;
    if (status.code() == Code::kNoSpace) return Start::kNoRoom;
    throw Violation(host_ + " does not start: " + status.message());
  }
  process_ = std::move(process);
  recovered_.clear();
  for (const Shard* shard : shards()) {
    const ReplicaCore* replica = core(shard->id());
    recovered_[shard->id()] = replica != nullptr ? replica->last().seq : shard->last_seq();
  }
  return Start::kOk;
}

void ClusterNode::count_process() {
  for (const Shard* shard : shards()) {
    may_show(shard->id(), shard->commit_seq());
    marks_["checkpoints"] += shard->checkpoint().finished_count();
  }
  if (keeps_data())
    marks_["replies held for a commit"] += process_->keeper->server().stats().replies_held;
}

void ClusterNode::kill() {
  if (!running()) return;
  count_process();
  process_.reset();
}

void ClusterNode::lose_power() {
  net_.power_off(host_);
  disk_->crash();
  kill();
}

void ClusterNode::stop() {
  HF_ASSERT(running());
  if (process_->keeper != nullptr) {
    process_->keeper->stop();
  } else {
    process_->gateway->stop();
  }
}

void ClusterNode::replace_disk() {
  HF_ASSERT(!running());
  disk_ = std::make_unique<SimDisk>(random_.next());
}

void ClusterNode::pause_for(int64_t ns) {
  if (!running()) return;
  // When it goes on, it may see its sockets before its timers.
  process_->reactor.pause_for(ns + static_cast<int64_t>(random_.below(2'000'000)));
  net_.pause(host_, ns);
}

void ClusterNode::say_busy() {
  if (process_->keeper != nullptr) process_->keeper->say_busy();
}

void ClusterNode::step_wall(int64_t us) {
  wall_step_us_ += us;
  if (running()) process_->reactor.clock().step_wall(us);
}

std::vector<Shard*> ClusterNode::shards() const {
  if (!running() || !keeps_data()) return {};
  return process_->keeper->shards().all();
}

Shard* ClusterNode::shard(ShardId id) const {
  for (Shard* each : shards()) {
    if (each->id() == id) return each;
  }
  return nullptr;
}

const ReplicaCore* ClusterNode::core(ShardId id) const {
  const Shard* hosted = shard(id);
  return hosted == nullptr || hosted->replica() == nullptr ? nullptr : &hosted->replica()->core();
}

const Coordinator* ClusterNode::coordinator() const {
  return running() && keeps_data() ? process_->keeper->coordinator() : nullptr;
}

const ClusterMap* ClusterNode::map() const {
  if (!running()) return nullptr;
  return keeps_data() ? process_->keeper->map() : process_->gateway->map();
}

bool ClusterNode::accepts_writes() const {
  return std::ranges::any_of(shards(), [](const Shard* each) { return each->accepts_writes(); });
}

uint64_t ClusterNode::waiting_for_lease() const {
  if (!running() || !keeps_data()) return 0;
  uint64_t waiting = 0;
  for (const auto& [id, session] : process_->keeper->server().sessions()) {
    if (session->block_reason() == BlockReason::kLease) ++waiting;
  }
  return waiting;
}

}  // namespace holdfast
