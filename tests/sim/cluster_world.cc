// See cluster_world.h. Faults are in cluster_faults.cc, oracles in cluster_oracles.cc.
#include "tests/sim/cluster_world.h"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

constexpr size_t kTimelineKept = 4000;
constexpr int64_t kLookMs = 100;

}  // namespace

ClusterWorld::ClusterWorld(uint64_t seed)
    : random_(seed), net_(reactor_, random_), workload_(std::make_unique<Workload>(random_)) {
  if (seed < kClusters) {
    make_group();
  } else {
    make_cluster();
  }
  make_clients();
  make_operator();
  chaos_ms_ = 4000 + up_to(random_.one_in(4) ? 16'000 : 6000);
  fault_every_ms_ = 40 + up_to(1200);
  rare_recovery_faults_ = random_.one_in(2);
  draw_faults();
  draw_weather();
}

ClusterWorld::~ClusterWorld() = default;

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
      if (node->host() == reactor_.running()) note_primaries(*node);
    }
  }
  if (message == "log truncated") mark("suffixes truncated");
  if (message == "the group is formed") mark("groups formed");
}

void ClusterWorld::note_primaries(const ClusterNode& node) {
  for (const Shard* shard : node.shards()) {
    const ReplicaCore* core = node.core(shard->id());
    Seen& seen = seen_[shard->id()];
    if (core == nullptr || core->role() != Role::kPrimary || seen.last_led == core->epoch())
      continue;
    seen.last_led = core->epoch();
    seen.told.leads(core->epoch(), core->self());
    views_.push_back("shard " + std::to_string(shard->id()) + ", epoch " +
                     std::to_string(core->epoch()) + ": " + node.host() + " from " +
                     std::to_string(now_ms()) + " ms, entry " + std::to_string(core->last().seq) +
                     ", committed before: " + std::to_string(core->committed().seq));
  }
}

ClusterNode* ClusterWorld::primary() {
  std::vector<ClusterNode*> found;
  for (const auto& node : nodes_) {
    if (node->accepts_writes()) found.push_back(node.get());
  }
  if (found.empty()) return nullptr;
  return found.size() == 1 ? found[0] : found[random_.below(found.size())];
}

ClusterNode* ClusterWorld::primary(ShardId shard) {
  for (const auto& node : nodes_) {
    const Shard* hosted = node->shard(shard);
    if (hosted != nullptr && hosted->accepts_writes()) return node.get();
  }
  return nullptr;
}

const ClusterCore* ClusterWorld::leading_coordinator() {
  for (const auto& node : nodes_) {
    const Coordinator* coordinator = node->coordinator();
    if (coordinator != nullptr && coordinator->leads()) return &coordinator->core();
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
    for (const auto& [shard, seq] : other->known_before()) node.may_show(shard, seq);
    for (const Shard* shard : other->shards()) node.may_show(shard->id(), shard->commit_seq());
  }
  const auto started = node.start();
  note(node.host() + " starts");
  if (started == ClusterNode::Start::kOk) {
    for (const Shard* shard : node.shards()) {
      const ReplicaCore* core = node.core(shard->id());
      if (core != nullptr) seen_[shard->id()].told.starts(*core);
    }
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

// By itself, or as it was told: what follows is not within its own event.
void ClusterWorld::ended(ClusterNode& node, ExitCode code, const std::string& why) {
  note(node.host() + " ends: " + why);
  if (code == ExitCode::kIoError) mark("failed logs");
  if (code == ExitCode::kOk) mark("stopped in order");
  if (code == ExitCode::kAgain) {
    mark(why.starts_with("deposed") ? "deposed with uncommitted effects" : "snapshots installed");
  }
  reactor_.run_after_ns(0, [this, &node, code, life = node.life()] {
    if (!node.running() || node.life() != life) return;
    if (code == ExitCode::kIoError) {
      node.lose_power();  // which makes the file usable again
    } else {
      node.kill();
    }
    start_after(node, code == ExitCode::kAgain ? 1 + up_to(20) : downtime());
  });
}

// --- a run ---

void ClusterWorld::run() {
  for (const auto& node : nodes_) start_after(*node, up_to(500));
  for (const auto& client : clients_) client->start();
  if (operator_ != nullptr) operator_->start();
  for (const auto& client : coordinator_clients_) client->start();
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
    if (client->manner().through_gateway) {
      marks_["acknowledged through a gateway"] += client->acknowledged();
    }
  }
}

}  // namespace holdfast
