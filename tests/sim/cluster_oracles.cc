// What must hold in a ClusterWorld.
#include <algorithm>
#include <functional>

#include "tests/sim/cluster_world.h"
#include "tests/support/contents.h"

namespace holdfast {

namespace {

constexpr int64_t kCalmMs = 60'000;
constexpr int64_t kStepMs = 100;
constexpr uint64_t kIdleCheckpoints = 30;  // between two looks, with nothing new to be covered

std::map<std::string, uint64_t> hashes_of(const Keyspace& keyspace) {
  std::map<std::string, uint64_t> hashes;
  for (const auto& [key, value] : contents(keyspace)) {
    hashes[std::to_string(key.first) + " " + key.second] = std::hash<std::string>()(value);
  }
  return hashes;
}

std::string first_difference(const std::map<std::string, uint64_t>& a,
                             const std::map<std::string, uint64_t>& b) {
  for (const auto& [key, hash] : a) {
    if (!b.contains(key)) return key + " is absent in the second";
    if (b.at(key) != hash) return key;
  }
  for (const auto& [key, hash] : b) {
    if (!a.contains(key)) return key + " is absent in the first";
  }
  return {};
}

}  // namespace

void ClusterWorld::look() {
  for (const auto& node : nodes_) {
    if (node->running() && !node->shard().failed()) look_at(*node);
  }
}

void ClusterWorld::look_at(ClusterNode& node) {
  if (node.waiting_for_lease() > 0) mark("reads that waited for a lease");
  const ReplicaCore* core = node.core();
  if (core != nullptr) {
    const LogPosition& committed = core->committed();
    const auto [known, fresh] = ledger_.emplace(committed.seq, committed);
    if (!fresh && known->second != committed) {
      throw Violation("C2: " + node.host() + " committed another entry " +
                      std::to_string(committed.seq) + " than was committed before");
    }
    if (core->serving() && core->epoch() > newest_epoch_) {
      if (newest_epoch_ != 0) mark("failovers");
      newest_epoch_ = core->epoch();
    }
    const bool follows = core->role() == Role::kBackup && node.life() > 1;
    if (follows && core->committed().seq > node.recovered_seq()) mark("caught up by the log");
  }
  compare_contents(node);
  watch_checkpoints(node);
}

void ClusterWorld::watch_checkpoints(ClusterNode& node) {
  Seen& seen = seen_[node.host()];
  const Seen now{node.life(), node.shard().commit_seq(),
                 node.shard().checkpoint().finished_count()};
  if (now.life == seen.life && now.committed == seen.committed &&
      now.checkpoints > seen.checkpoints + kIdleCheckpoints) {
    throw Violation("C6: " + node.host() + " takes checkpoints without end");
  }
  seen = now;
}

// A primary applies before it is committed: it can be compared when it is quiet.
void ClusterWorld::compare_contents(ClusterNode& node) {
  const Shard& shard = node.shard();
  if (shard.last_seq() != shard.commit_seq() || shard.commit_seq() < node.known_before()) return;
  auto hashes = hashes_of(node.shard().keyspace());
  const auto [known, fresh] = contents_.try_emplace(shard.commit_seq());
  if (fresh) {
    known->second = {node.host(), std::move(hashes)};
    return;
  }
  mark("contents compared");
  const std::string difference = first_difference(known->second.hashes, hashes);
  if (!difference.empty()) {
    throw Violation("C3: " + known->second.host + " and " + node.host() +
                    " have other contents at entry " + std::to_string(shard.commit_seq()) + ": " +
                    difference);
  }
  const std::string wrong = unsound(node.shard().keyspace());
  if (!wrong.empty()) throw Violation("C3: " + node.host() + " is wrong about " + wrong);
}

bool ClusterWorld::converged() {
  ClusterNode* leads = primary();
  if (leads == nullptr || leads->shard().last_seq() != leads->shard().commit_seq()) return false;
  if (operator_ != nullptr && !all_is_well()) return false;
  return std::ranges::all_of(nodes_, [&](const auto& node) {
    if (!node->running()) return false;
    return node->shard().commit_seq() == leads->shard().commit_seq();
  });
}

void ClusterWorld::describe() {
  note("--- primaries:");
  for (const std::string& view : views_) note(view);
  if (operator_ != nullptr && !operator_->idle()) note("the operator is not content");
  for (const auto& client : clients_) {
    if (calm_ && !client->finished()) note("unfinished: " + client->state());
  }
  note("--- nodes:");
  for (const auto& node : nodes_) {
    std::string text = node->host() + (node->running() ? " runs" : " is down");
    if (node->running()) {
      text += ", last " + std::to_string(node->shard().last_seq()) + ", committed " +
              std::to_string(node->shard().commit_seq());
    }
    if (node->accepts_writes()) text += ", accepts writes";
    if (node->running()) {
      text += ", " + std::to_string(node->waiting_for_lease()) + " clients wait for a lease";
    }
    if (node->running() && node->core() != nullptr) {
      text += ", log to " + std::to_string(node->core()->last().seq) + ", " +
              std::string(role_name(node->core()->role())) + " in epoch " +
              std::to_string(node->core()->epoch()) + ", a group of " +
              std::to_string(node->core()->members().size());
    }
    note(text);
  }
}

void ClusterWorld::calm() {
  calm_ = true;
  note("the faults end");
  heal();
  if (operator_ != nullptr) operator_->take_all_back();
  for (size_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->finish(workload_->final_reads(static_cast<uint32_t>(i)));
  }
  const int64_t end_ms = now_ms() + kCalmMs;
  while (now_ms() < end_ms) {
    reactor_.run_for(kStepMs);
    heal();
    look();
    const bool finished =
        std::ranges::all_of(clients_, [](const auto& client) { return client->finished(); });
    if (finished && converged()) return;
  }
  throw Violation("C4: no progress within 60 s after the faults ended");
}

}  // namespace holdfast
