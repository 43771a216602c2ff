// See cluster_node.h.
#include "tests/sim/cluster_node.h"

#include <algorithm>

#include "tests/sim/violation.h"

namespace holdfast {
namespace {

constexpr const char* kDirectory = "store";

}  // namespace

std::string cluster_host(size_t node) { return "10.0.0." + std::to_string(node); }

// In the order of Node's members: what is made last goes first.
struct ClusterNode::Process {
  Process(ClusterNode& node, const Options& its_options)
      : reactor(node.reactor_, node.host_),
        net(node.net_.at(node.host_)),
        options(its_options),
        random(node.random_.next()),
        engine(reactor, *node.disk_, random, kDirectory, node.knobs_.engine),
        keyspace(random.next()) {}

  SimNodeReactor reactor;
  std::unique_ptr<Net> net;
  Options options;
  SeededRandom random;
  DiskEngine engine;
  Keyspace keyspace;
  std::unique_ptr<Group> group;
  std::unique_ptr<Shard> shard;
  std::unique_ptr<Shards> shards;
  std::unique_ptr<Server> server;
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
  auto process = std::make_unique<Process>(*this, knobs_.options);
  Process& p = *process;
  p.reactor.clock().drift(knobs_.drift_ppm);
  p.reactor.clock().sleep_through(knobs_.boot_ns);
  p.reactor.clock().step_wall(wall_step_us_);
  const auto failed = [this](const char* what, const Status& status) {
    const bool broken = status.code() == Code::kIo || status.code() == Code::kPoisoned;
    if (!disk_->powered() || broken) return Start::kDiskFailed;
    if (status.code() == Code::kNoSpace) return Start::kNoRoom;
    throw Violation(host_ + ": " + what + ": " + status.message());
  };
  ShardOptions shard;
  shard.checkpoint_log_bytes = p.options.checkpoint_log_bytes;
  if (p.options.replication != Replication::kNone) {
    PeerOptions peers;
    peers.lz4 = knobs_.lz4;
    p.group = std::make_unique<Group>(p.reactor, *p.net, p.random, p.options,
                                      p.options.cluster_members, peers, [&p] {
                                        Handshake::Nonce nonce;
                                        for (char& byte : nonce)
                                          byte = static_cast<char>(p.random.next());
                                        return nonce;
                                      });
    shard.replica = p.group->replica_options();
    shard.hooks.send = [this, send = p.group->hooks().send](const Message& message) {
      hooks_.sends(message);
      send(message);
    };
    shard.random = &p.random;
  }
  Status status = disk_->make_directory(kDirectory);
  if (!status.ok()) return failed("data.dir", status);
  p.shard = std::make_unique<Shard>(p.reactor, p.engine, p.keyspace, std::move(shard));
  p.shard->on_deposed([this] { hooks_.start_anew("deposed with uncommitted effects"); });
  p.shard->on_replaced([this](std::string_view) { hooks_.start_anew("snapshots installed"); });
  const Result<RecoveryReport> recovered = open_and_recover(*p.shard);
  if (!recovered.ok()) return failed("recovery", recovered.status());
  ServerHooks hooks;
  if (p.group != nullptr) {
    hooks.client_address = [&p](NodeId node) { return p.group->client_address(node); };
    hooks.group_peer = [&p](NodeId node) { return p.group->peer(node); };
  }
  p.shards = std::make_unique<Shards>(*p.shard);
  p.server =
      std::make_unique<Server>(p.reactor, *p.net, p.random, p.options, *p.shards, std::move(hooks));
  p.server->on_log_failure(hooks_.log_failed);
  status = p.server->listen();
  if (status.ok() && p.group != nullptr) status = p.group->start(*p.shard);
  if (!status.ok()) return failed("listen", status);
  process_ = std::move(process);
  recovered_seq_ = core() != nullptr ? core()->last().seq : p.shard->last_seq();
  return Start::kOk;
}

void ClusterNode::count_process() {
  known_before_ = std::max(known_before_, process_->shard->commit_seq());
  marks_["replies held for a commit"] += process_->server->stats().replies_held;
  marks_["checkpoints"] += process_->shard->checkpoint().finished_count();
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

void ClusterNode::end_in_order() {
  if (!running()) return;
  process_->engine.close();
  kill();
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

void ClusterNode::step_wall(int64_t us) {
  wall_step_us_ += us;
  if (running()) process_->reactor.clock().step_wall(us);
}

Shard& ClusterNode::shard() { return *process_->shard; }

const ReplicaCore* ClusterNode::core() {
  const Replica* replica = process_->shard->replica();
  return replica == nullptr ? nullptr : &replica->core();
}

uint64_t ClusterNode::waiting_for_lease() {
  uint64_t waiting = 0;
  for (const auto& [id, session] : process_->server->sessions()) {
    if (session->block_reason() == BlockReason::kLease) ++waiting;
  }
  return waiting;
}

}  // namespace holdfast
