// See cluster_core.h.
#include "coord/cluster_core.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"

namespace holdfast {
namespace {

constexpr int64_t kMinuteNs = 60'000'000'000;
// So long after its activation a view's primary must have taken its role.
constexpr int64_t kSettleNs = 250'000'000;
// A handover that did not come about by then is asked for again, or given up.
constexpr int64_t kHandoverNs = 1'000'000'000;

std::string record_text(const ShardRecord& before, const ShardRecord& after) {
  if (after.active.epoch != before.active.epoch) {
    return "epoch " + std::to_string(after.active.epoch) + " active, primary " +
           of_node(after.active.primary.node);
  }
  if (after.forming.epoch != 0) {
    return "epoch " + std::to_string(after.forming.epoch) + " forming, candidate " +
           of_node(after.forming.primary.node);
  }
  return "epoch " + std::to_string(after.allocated) + " allocated";
}

}  // namespace

void ClusterCore::lead(ClusterMap map, int64_t now_ns, Actions* actions) {
  passed(now_ns);
  led_since_ns_ = now_ns;
  leading_ = true;
  map_ = wished_ = std::move(map);
  proposing_ = dirty_ = false;
  why_.clear();
  deciding_.clear();
  wants_decision_.clear();
  shards_.clear();
  for (const ClusterShard& shard : map_.shards) {
    ViewChange::Options options = options_.view_change;
    options.shard = shard.id;
    Shard& state = shards_[shard.id];
    state.change = std::make_unique<ViewChange>(options, shard.record);
    state.since_ns = now_;
  }
  actions->emplace_back(Publish{});
}

// Who does not run hears nobody: that time is not silence of the nodes.
void ClusterCore::passed(int64_t now_ns) {
  const int64_t slept_ns = now_ns - std::exchange(now_, now_ns);
  if (slept_ns <= ReplicaCore::kAsleepNs) return;
  led_since_ns_ += slept_ns;
  for (auto& [id, node] : nodes_) {
    node.heard_ns += slept_ns;
    if (node.lost_ns != 0) node.lost_ns += slept_ns;
  }
}

void ClusterCore::report(const Member& from, const NodeReport& report, int64_t now_ns,
                         Actions* actions) {
  passed(now_ns);
  nodes_[from.node] = {from, report, now_ns, 0};
  if (!leading_) return;
  note_node(from.node, nodes_[from.node]);
  propose(actions);
}

void ClusterCore::busy(const Member& from, int64_t now_ns) {
  passed(now_ns);
  const auto found = nodes_.find(from.node);
  if (found != nodes_.end() && found->second.member == from) found->second.heard_ns = now_ns;
}

void ClusterCore::link_lost(NodeId node, int64_t now_ns) {
  passed(now_ns);
  const auto found = nodes_.find(node);
  if (found != nodes_.end()) found->second.lost_ns = now_ns;
}

void ClusterCore::receive(const Message& message, int64_t now_ns, Actions* actions) {
  passed(now_ns);
  const auto found = shards_.find(message.shard);
  if (!leading_ || found == shards_.end()) return;
  Shard& state = found->second;
  const ClusterShard* shard = map_.shard(message.shard);
  if (const auto* handed = std::get_if<HandedOver>(&message.body)) {
    const View& active = shard->record.active;
    const bool primary = message.from == active.primary && message.epoch == active.epoch;
    if (!primary || !state.change->idle() || !active.has(handed->to)) return;
    begin(*shard, state, active.members, handed->to, "handed over", actions);
  } else {
    ViewChange::Actions done;
    state.change->receive(message, now_, &done);
    run(message.shard, done, actions);
  }
  propose(actions);
}

void ClusterCore::decided(int64_t now_ns, Actions* actions) {
  HF_ASSERT(leading_ && proposing_);
  passed(now_ns);
  map_ = std::move(proposed_);
  wished_.revision = map_.revision;
  proposing_ = false;
  actions->emplace_back(Publish{});
  for (const ClusterShard& shard : map_.shards) {
    Shard& state = shards_[shard.id];
    if (state.change != nullptr) continue;
    ViewChange::Options options = options_.view_change;
    options.shard = shard.id;
    state.change = std::make_unique<ViewChange>(options, shard.record);
    state.since_ns = now_;
  }
  for (const ShardId id : std::exchange(deciding_, {})) {
    ViewChange::Actions done;
    shards_[id].change->decided(now_, &done);
    if (shards_[id].change->idle()) shards_[id].since_ns = now_;
    run(id, done, actions);
  }
  propose(actions);
}

void ClusterCore::tick(int64_t now_ns, Actions* actions) {
  passed(now_ns);
  if (!leading_) return;
  waits_for_.clear();
  for (const auto& [id, heard] : nodes_) note_node(id, heard);
  bootstrap();
  for (const ClusterShard& shard : map_.shards) {
    Shard& state = shards_[shard.id];
    ViewChange::Actions done;
    state.change->tick(now_, &done);
    run(shard.id, done, actions);
    if (state.change->idle()) look_at(shard, state, actions);
  }
  propose(actions);
}

// --- what nodes are ---

bool ClusterCore::alive(NodeId node, int64_t within_ns) const {
  return silent_ns(node, now_) < within_ns;
}

int64_t ClusterCore::silent_ns(NodeId node, int64_t now_ns) const {
  const auto found = nodes_.find(node);
  const int64_t heard = found == nodes_.end() ? led_since_ns_ : found->second.heard_ns;
  return now_ns - std::max(heard, led_since_ns_);
}

// It reported lately, with the store that the member has.
bool ClusterCore::fresh(const Member& member) const {
  const auto found = nodes_.find(member.node);
  if (found == nodes_.end() || gone(member.node)) return false;
  if (found->second.member != member && !mutant(Mutant::kCountAnyStore)) return false;
  return alive(member.node, options_.suspect_ns);
}

// How many of those who report themselves cannot reach it.
int64_t ClusterCore::missed_by(NodeId node, int64_t now_ns) const {
  return std::ranges::count_if(nodes_, [&](const auto& each) {
    const auto& suspects = each.second.report.suspects;
    return each.first != node && silent_ns(each.first, now_ns) < options_.suspect_ns &&
           std::ranges::find(suspects, node) != suspects.end();
  });
}

int64_t ClusterCore::failure_reports(NodeId node, int64_t now_ns) const {
  const bool silent = silent_ns(node, now_ns) >= options_.suspect_ns;
  return missed_by(node, now_ns) + (silent ? 1 : 0);
}

// Its connection broke, and it did not come back.
bool ClusterCore::gone(NodeId node) const {
  const auto found = nodes_.find(node);
  return found != nodes_.end() && found->second.lost_ns != 0 &&
         now_ - found->second.lost_ns >= options_.lost_ns;
}

const ReplicaReport* ClusterCore::replica_report(const Member& member, ShardId shard) const {
  const auto found = nodes_.find(member.node);
  if (found == nodes_.end() || found->second.member != member) return nullptr;
  const auto& replicas = found->second.report.replicas;
  const auto at = std::ranges::find(replicas, shard, &ReplicaReport::shard);
  return at == replicas.end() ? nullptr : &*at;
}

const NodeReport* ClusterCore::last_report(NodeId node) const {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? nullptr : &found->second.report;
}

// What a report says of the node itself.
void ClusterCore::note_node(NodeId id, const Node& heard) {
  if (heard.report.address.empty()) return;  // a gateway
  NodeRecord* known = wished_.node(id);
  if (known == nullptr) {
    if (now_ - heard.heard_ns >= options_.down_ns) return;  // long ago, and forgotten meanwhile
    const auto at = std::ranges::find_if(wished_.nodes, [&](const auto& n) { return n.id > id; });
    known = &*wished_.nodes.insert(at, NodeRecord{});
    known->id = id;
  }
  NodeState state = alive(id, options_.down_ns) ? NodeState::kUp : NodeState::kDown;
  if (known->state == NodeState::kDraining) state = NodeState::kDraining;
  const bool same = known->store == heard.member.store && known->state == state &&
                    known->address == heard.report.address &&
                    known->resp_address == heard.report.resp_address;
  if (same) return;
  *known = {id, heard.member.store, heard.report.address, heard.report.resp_address, state};
  wish(of_node(id) + " is " + std::string(node_state_name(state)));
}

// --- a new cluster ---

bool ClusterCore::keeps_data_already() const {
  return std::ranges::any_of(nodes_, [](const auto& each) {
    return std::ranges::any_of(each.second.report.replicas, [](const ReplicaReport& replica) {
      return replica.last > 0 || replica.epoch > 0;
    });
  });
}

// Shards on as many nodes as there are, each node with about as many copies and primaries. Nothing
// is placed over data that is there already: then it is these coordinators that have lost theirs.
void ClusterCore::bootstrap() {
  if (!wished_.shards.empty()) return;
  std::vector<Member> nodes;
  for (const NodeRecord& node : wished_.nodes) {
    if (fresh({node.id, node.store})) nodes.push_back({node.id, node.store});
  }
  const size_t wanted = std::max(first_nodes(), options_.replicas);
  if (nodes.size() < wanted) {
    return waits("a new cluster: " + std::to_string(nodes.size()) + " of " +
                 std::to_string(wanted) + " storage nodes report");
  }
  if (keeps_data_already()) {
    return waits(
        "nodes have data of a cluster that these coordinators do not know: start the coordinators "
        "with their data, or empty the nodes' data.dir");
  }
  for (uint32_t i = 0; i < options_.shards; ++i) {
    ClusterShard shard;
    shard.id = i + 1;
    const auto from = [&](uint32_t n) { return uint64_t{kSlotCount} * n / options_.shards; };
    shard.slots = {{static_cast<SlotId>(from(i)), static_cast<SlotId>(from(i + 1) - 1)}};
    View& first = shard.record.active;
    first.phase = ViewPhase::kActive;
    for (uint32_t copy = 0; copy < options_.replicas; ++copy) {
      first.members.push_back(nodes[(i + copy) % nodes.size()]);
    }
    first.write_quorum = majority(first.members.size());
    wished_.shards.push_back(std::move(shard));
  }
  wish(std::to_string(options_.shards) + " shards placed on " + std::to_string(nodes.size()) +
       " nodes");
}

// --- views ---

std::string ClusterCore::suspicion(const ClusterShard& shard, const Shard& state) const {
  const View& view = shard.record.active;
  const Member& primary = view.primary;
  if (view.epoch == 0) return "its first view";
  if (shard.record.allocated > view.epoch) return "a change was not finished";
  if (!fresh(primary)) return of_node(primary.node) + " does not report";
  if (!alive(primary.node, options_.unreached_ns) && missed_by(primary.node, now_) > 0) {
    return of_node(primary.node) + " is not reached by others, and does not report";
  }
  const ReplicaReport* replica = replica_report(primary, shard.id);
  if (replica != nullptr && replica->stalled) return of_node(primary.node) + "'s device stalls";
  if (now_ - state.since_ns < kSettleNs) return {};
  if (replica == nullptr || replica->role != Role::kPrimary || replica->epoch != view.epoch) {
    return of_node(primary.node) + " does not lead";
  }
  uint32_t deaf = 0;
  for (const Member& member : view.members) {
    const ReplicaReport* other = replica_report(member, shard.id);
    if (member != primary && other != nullptr && fresh(member) && !other->hears_leader) ++deaf;
  }
  return deaf >= view.fence_quorum() ? "nobody hears " + of_node(primary.node) : std::string();
}

// Changes that follow one another too fast are not what helps.
bool ClusterCore::hasty(Shard& state) const {
  while (!state.changes.empty() && now_ - state.changes.front() > kMinuteNs) {
    state.changes.pop_front();
  }
  if (state.changes.size() <= options_.hasty_changes) return false;
  const size_t more = std::min<size_t>(state.changes.size() - options_.hasty_changes, 5);
  return now_ - state.changes.back() < (int64_t{500'000'000} << more);
}

void ClusterCore::look_at(const ClusterShard& shard, Shard& state, Actions* actions) {
  const View& view = shard.record.active;
  const std::string why = suspicion(shard, state);
  if (!why.empty()) {
    const auto answers = static_cast<uint32_t>(
        std::ranges::count_if(view.members, [this](const Member& m) { return fresh(m); }));
    const uint32_t needed = std::max(view.fence_quorum(), view.write_quorum);
    if (answers < needed) {
      return waits(of_shard(shard.id) + ": " + why + ", and " + std::to_string(answers) +
                   " of its members do, of the " + std::to_string(needed) + " that it takes");
    }
    if (!gone(view.primary.node) && hasty(state)) return;
    const Member preferred =
        view.epoch == 0 ? view.members[0] : choose_preferred(shard, view.primary.node);
    begin(shard, state, view.members, preferred, why, actions);
    return;
  }
  if (replace_missing(shard, state, actions)) return;
  const NodeRecord* node = map_.node(view.primary.node);
  const bool drains = node != nullptr && node->state == NodeState::kDraining;
  if (drains && now_ - state.handover_asked_ns >= kHandoverNs) {
    const Member to = choose_preferred(shard, view.primary.node);
    if (to.valid()) (void)hand_over(shard.id, to.node, now_, actions);
  }
}

// A member whose node is gone for long, or came back with another store, is one no more.
bool ClusterCore::replace_missing(const ClusterShard& shard, Shard& state, Actions* actions) {
  const View& view = shard.record.active;
  for (const Member& member : view.members) {
    const auto found = nodes_.find(member.node);
    const bool other_store = found != nodes_.end() && found->second.member != member &&
                             fresh(found->second.member) && !mutant(Mutant::kCountAnyStore);
    if (!other_store && alive(member.node, options_.replace_ns)) continue;
    const Member instead = other_store ? found->second.member : choose_replacement(shard);
    if (!instead.valid() || hasty(state)) continue;
    std::vector<Member> members = view.members;
    *std::ranges::find(members, member) = instead;
    begin(shard, state, std::move(members), view.primary,
          of_node(instead.node) +
              (other_store ? " has another store" : " takes the place of " + of_node(member.node)),
          actions);
    return true;
  }
  return false;
}

// The node with the fewest copies that has none of this shard.
Member ClusterCore::choose_replacement(const ClusterShard& shard) const {
  Member best;
  size_t best_copies = SIZE_MAX;
  for (const NodeRecord& node : map_.nodes) {
    const Member candidate{node.id, node.store};
    const auto& members = shard.record.active.members;
    const bool has_one =
        std::ranges::any_of(members, [&](const Member& member) { return member.node == node.id; });
    if (has_one || node.state != NodeState::kUp || !fresh(candidate)) continue;
    const auto copies = static_cast<size_t>(std::ranges::count_if(
        map_.shards, [&](const ClusterShard& each) { return each.record.active.has(candidate); }));
    if (copies >= best_copies) continue;
    best = candidate;
    best_copies = copies;
  }
  return best;
}

// Of the members that can lead, the one whose node leads fewest shards; not valid(): nobody.
Member ClusterCore::choose_preferred(const ClusterShard& shard, NodeId not_this) const {
  Member best;
  size_t fewest = SIZE_MAX;
  for (const Member& member : shard.record.active.members) {
    const NodeRecord* node = map_.node(member.node);
    const bool drains = node != nullptr && node->state == NodeState::kDraining;
    if (member.node == not_this || drains || !fresh(member)) continue;
    const auto leads =
        static_cast<size_t>(std::ranges::count_if(map_.shards, [&](const ClusterShard& each) {
          return each.record.active.primary == member;
        }));
    if (leads >= fewest) continue;
    best = member;
    fewest = leads;
  }
  return best;
}

void ClusterCore::begin(const ClusterShard& shard, Shard& state, std::vector<Member> members,
                        Member preferred, const std::string& why, Actions* actions) {
  state.changes.push_back(now_);
  state.handover_asked_ns = 0;
  wish(of_shard(shard.id) + ": " + why);
  const uint32_t quorum = majority(members.size());
  ViewChange::Actions done;
  state.change->begin(std::move(members), quorum, preferred, now_, &done);
  run(shard.id, done, actions);
}

void ClusterCore::run(ShardId id, const ViewChange::Actions& done, Actions* actions) {
  for (const ViewChange::Action& action : done) {
    if (const auto* send = std::get_if<Send>(&action)) {
      actions->emplace_back(*send);
      continue;
    }
    const ShardRecord& record = std::get<ViewChange::Decide>(action).record;
    ClusterShard* shard = wished_.shard(id);
    wish(of_shard(id) + ": " + record_text(shard->record, record));
    shard->record = record;
    wants_decision_.push_back(id);
  }
}

// --- decisions ---

void ClusterCore::wish(const std::string& why) {
  dirty_ = true;
  if (!why_.empty()) why_ += "; ";
  why_ += why;
}

void ClusterCore::waits(const std::string& why) {
  if (!waits_for_.empty()) waits_for_ += "; ";
  waits_for_ += why;
}

void ClusterCore::propose(Actions* actions) {
  if (proposing_ || !dirty_) return;
  proposed_ = wished_;
  ++proposed_.revision;
  deciding_ = std::exchange(wants_decision_, {});
  proposing_ = true;
  dirty_ = false;
  actions->emplace_back(Propose{proposed_, std::exchange(why_, {})});
}

}  // namespace holdfast
