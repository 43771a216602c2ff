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
    if (node->waiting_for_lease() > 0) mark("reads that waited for a lease");
    for (Shard* shard : node->shards()) {
      if (!shard->failed()) look_at(*node, *shard);
    }
  }
  look_at_map();
}

void ClusterWorld::look_at(const ClusterNode& node, Shard& shard) {
  if (const ReplicaCore* core = node.core(shard.id())) look_at_log(node, shard, *core);
  compare_contents(node, shard);
  watch_checkpoints(node, shard);
}

void ClusterWorld::look_at_log(const ClusterNode& node, Shard& shard, const ReplicaCore& core) {
  Seen& seen = seen_[shard.id()];
  const LogPosition& committed = core.committed();
  const auto [known, fresh] = seen.ledger.emplace(committed.seq, committed);
  if (!fresh && known->second != committed) {
    throw Violation("C2: " + node.host() + " committed another entry " +
                    std::to_string(committed.seq) + " of shard " + std::to_string(shard.id()) +
                    " than was committed before");
  }
  if (core.serving() && core.epoch() > seen.newest_epoch) {
    if (seen.newest_epoch != 0) mark("failovers");
    seen.newest_epoch = core.epoch();
  }
  const bool follows = core.role() == Role::kBackup;
  const ColdStats& cold = shard.cold_values().stats();
  if (follows && cold.cooled_bytes > 0) mark("values forgotten by backups");
  if (follows && cold.fetched > 0) mark("values read ahead by backups");
  if (follows && cold.waited > 0) mark("values that backups waited for");
  if (follows && node.life() > 1 && committed.seq > node.recovered_seq(shard.id()))
    mark("caught up by the log");
}

void ClusterWorld::watch_checkpoints(const ClusterNode& node, const Shard& shard) {
  Checkpoints& seen = checkpoints_[{node.host(), shard.id()}];
  const Checkpoints now{node.life(), shard.commit_seq(), shard.checkpoint().finished_count()};
  if (now.life == seen.life && now.committed == seen.committed &&
      now.finished > seen.finished + kIdleCheckpoints) {
    throw Violation("C6: " + node.host() + " takes checkpoints without end");
  }
  seen = now;
}

// A primary applies before it is committed: it can be compared when it is quiet.
void ClusterWorld::compare_contents(const ClusterNode& node, Shard& shard) {
  const Seq seq = shard.commit_seq();
  if (shard.last_seq() != seq || seq < node.known_before(shard.id())) return;
  std::map<std::string, uint64_t> hashes;
  try {
    hashes = hashes_of(shard.keyspace());
  } catch (const ValueUnreadable&) {
    return;  // it is being repaired
  }
  const auto [known, fresh] = seen_[shard.id()].contents.try_emplace(seq);
  if (fresh) {
    known->second = {node.host(), std::move(hashes)};
    return;
  }
  mark("contents compared");
  const std::string difference = first_difference(known->second.hashes, hashes);
  if (!difference.empty()) {
    throw Violation("C3: " + known->second.host + " and " + node.host() +
                    " have other contents at entry " + std::to_string(seq) + " of shard " +
                    std::to_string(shard.id()) + ": " + difference);
  }
  const std::string wrong = unsound(shard.keyspace());
  if (!wrong.empty()) throw Violation("C3: " + node.host() + " is wrong about " + wrong);
}

// What the coordinators have committed, and whether the nodes act on nothing else.
void ClusterWorld::look_at_map() {
  const auto check = [&](ShardId id, const View& view) {
    if (view.epoch == 0) return;
    const auto [known, fresh] = seen_[id].views.emplace(view.epoch, view);
    if (fresh || known->second == view) return;
    throw Violation("C8: shard " + std::to_string(id) + " has two views of epoch " +
                    std::to_string(view.epoch));
  };
  for (const auto& node : nodes_) {
    if (node->coordinator() == nullptr || !node->coordinator()->leads()) continue;
    for (const ClusterShard& shard : node->coordinator()->core().map().shards) {
      check(shard.id, shard.record.active);
      if (shard.record.active.epoch > 1) mark("views");
    }
  }
  for (const auto& node : nodes_) {
    if (node->map() == nullptr) continue;
    uint64_t& seen = revisions_[{node->host(), node->life()}];
    if (node->map()->revision < seen) throw Violation("C8: " + node->host() + " took an older map");
    seen = node->map()->revision;
  }
  for (const auto& node : nodes_) {
    if (node->mode() != Mode::kStorage) continue;
    for (const Shard* shard : node->shards()) {
      const ReplicaCore& core = *node->core(shard->id());
      const auto& views = seen_[shard->id()].views;
      const auto found = views.find(core.epoch());
      if (core.role() != Role::kPrimary || found == views.end()) continue;
      if (found->second.primary == core.self()) continue;
      throw Violation("C8: " + node->host() + " leads shard " + std::to_string(shard->id()) +
                      " in epoch " + std::to_string(core.epoch()) + ", which is another's");
    }
  }
}

// All that is logged is committed, and all members know it.
bool ClusterWorld::converged(ShardId shard, const std::vector<Member>& members) {
  const ClusterNode* leads = primary(shard);
  if (leads == nullptr) return false;
  const Seq seq = leads->shard(shard)->commit_seq();
  if (leads->shard(shard)->last_seq() != seq) return false;
  return std::ranges::all_of(members, [&](const Member& member) {
    const ClusterNode& node = *nodes_[member.node - 1];
    const ReplicaCore* core = node.core(shard);
    return core != nullptr && core->self() == member && node.shard(shard)->commit_seq() == seq;
  });
}

bool ClusterWorld::converged() {
  if (!std::ranges::all_of(nodes_, [](const auto& node) { return node->running(); })) return false;
  if (!coordinated()) {
    if (operator_ != nullptr && !all_is_well()) return false;
    const ClusterNode* leads = primary(0);
    if (leads == nullptr) return false;
    if (operator_ == nullptr) return leads->shard(0)->last_seq() == leads->shard(0)->commit_seq();
    return converged(0, leads->core(0)->membership().voters);
  }
  const ClusterCore* core = leading_coordinator();
  if (core == nullptr || core->map().shards.empty()) return false;
  const ClusterNode* leads = primary(0);
  return leads != nullptr && converged(0, leads->core(0)->membership().voters) &&
         std::ranges::all_of(core->map().shards, [&](const ClusterShard& shard) {
           return converged(shard.id, shard.record.active.members);
         });
}

std::string ClusterWorld::state(const ClusterNode& node) {
  if (!node.running()) return node.host() + " is down";
  std::string text = node.host() + " runs";
  if (node.waiting_for_lease() > 0) {
    text += ", " + std::to_string(node.waiting_for_lease()) + " clients wait for a lease";
  }
  for (const Shard* shard : node.shards()) {
    text += "; shard " + std::to_string(shard->id()) + ": applied " +
            std::to_string(shard->last_seq()) + ", committed " +
            std::to_string(shard->commit_seq());
    if (shard->accepts_writes()) text += ", accepts writes";
    if (const ReplicaCore* core = node.core(shard->id())) {
      text += ", log to " + std::to_string(core->last().seq) + ", " +
              std::string(role_name(core->role())) + " in epoch " + std::to_string(core->epoch()) +
              " of " + std::to_string(core->members().size());
    }
  }
  return text;
}

void ClusterWorld::describe() {
  note("--- primaries:");
  for (const std::string& view : views_) note(view);
  if (operator_ != nullptr && !operator_->idle()) note("the operator is not content");
  for (const auto& client : clients_) {
    if (calm_ && !client->finished()) note("unfinished: " + client->state());
  }
  note("--- nodes:");
  for (const auto& node : nodes_) note(state(*node));
  if (const ClusterCore* core = leading_coordinator()) {
    note("the map has revision " + std::to_string(core->map().revision) +
         (core->waits_for().empty() ? "" : ", waits: " + core->waits_for()));
  }
}

void ClusterWorld::calm() {
  calm_ = true;
  note("the faults end");
  heal();
  if (operator_ != nullptr) operator_->take_all_back();
  for (const auto& client : coordinator_clients_) client->change_nothing();
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
