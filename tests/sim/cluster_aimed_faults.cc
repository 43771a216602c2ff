// The faults of ClusterWorld that are aimed: at the primary, at the moment after a vote, at devices
// and members that an operator looks after.
#include <algorithm>

#include "tests/sim/cluster_world.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int kAfterVotes = 28;  // see sends()

}  // namespace

void ClusterWorld::aimed_fault(int kind) {
  ClusterNode* leads = primary();
  if (leads == nullptr || nodes_.size() < 2) return;
  ClusterNode& node = *leads;
  const int64_t ms = 200 + up_to(2000);
  switch (kind) {
    case 24:
      cut_off_from_members(node, ms);
      break;
    case 25:
      answer_late(node);
      break;
    case 26:
      // When it goes on it hears its clients, and of the others nothing.
      mark("pauses of a primary that is cut off");
      note(node.host() + " stands still");
      cut_off_from_members(node, ms + 1000);
      node.pause_for((ms + 600) * kNsPerMs);
      break;
    case 27:
      mark("elections with slow disks");
      note(node.host() + " stands still, disks are slow");
      for (const auto& each : nodes_) each->disk().set_delay(5 + up_to(40));
      node.pause_for((ms + 600) * kNsPerMs);
      break;
    default:
      kill(node);
  }
}

// The others hear of it no more, but what they answered before comes when it is nearly too late.
void ClusterWorld::answer_late(ClusterNode& node) {
  mark("late answers to a primary");
  std::vector<std::pair<std::string, std::string>> in, out;
  for (const auto& other : nodes_) {
    if (other.get() == &node) continue;
    in.emplace_back(other->host(), node.host());
    out.emplace_back(node.host(), other->host());
  }
  const int64_t heard_ms = 55 + up_to(40), late_ms = 60 + up_to(90);
  note(node.host() + " is answered " + std::to_string(late_ms) + " ms late");
  cut_for(std::move(in), heard_ms + late_ms);
  after(heard_ms, [this, out = std::move(out)]() mutable {
    if (!calm_) cut_for(std::move(out), 400 + up_to(800));
  });
}

// Its clients reach it all the same.
void ClusterWorld::cut_off_from_members(ClusterNode& node, int64_t ms) {
  mark("primaries cut off from members");
  note(node.host() + " is cut off from the other members");
  const uint64_t ways = random_.below(3);
  std::vector<std::pair<std::string, std::string>> cuts;
  for (const auto& other : nodes_) {
    if (other.get() == &node) continue;
    if (ways != 1) cuts.emplace_back(node.host(), other->host());
    if (ways != 2) cuts.emplace_back(other->host(), node.host());
  }
  cut_for(std::move(cuts), ms);
}

// What was told and is not on stable media is lost with the power that goes a moment later.
void ClusterWorld::sends(ClusterNode& node, const Message& message) {
  seen_[message.shard].told.sends(message);
  if (calm_ || std::ranges::find(enabled_, kAfterVotes) == enabled_.end()) return;
  const auto* vote = std::get_if<Vote>(&message.body);
  const bool asks = std::holds_alternative<VoteRequest>(message.body);
  const bool tells = vote != nullptr && vote->granted && !vote->pre;
  if ((!tells && !asks) || !random_.one_in(tells ? 8 : 60)) return;
  reactor_.run_after_ns(up_to(2 * kNsPerMs), [this, &node, life = node.life()] {
    if (calm_ || !node.running() || node.life() != life) return;
    ++faults_;
    mark("power lost after a vote");
    lose_power(node);
  });
}

// --- what an operator looks after ---

void ClusterWorld::operator_fault(int kind) {
  switch (kind) {
    case 29:
      take_out();
      break;
    case 30:
      replace_disk();
      break;
    case 31:
    case 32:
      fill_device(kind == 31 && primary() != nullptr ? *primary() : any());
      break;
    case 33:
      hand_over();
      break;
    default:
      stop_in_order(kind == 34 && primary() != nullptr ? *primary() : any());
  }
}

// All nodes run, and nothing that is committed says that one of them is not a member, with the
// store that it has. So the copies are as many as they are to be.
bool ClusterWorld::all_is_well() {
  if (coordinated()) return converged();
  if (operator_ == nullptr || !operator_->idle()) return false;
  for (const auto& node : nodes_) {
    const ReplicaCore* core = node->core(0);
    if (core == nullptr) return false;
    const Membership& members = core->membership();
    if (!members.learners.empty() || members.voters.size() != nodes_.size()) return false;
    for (const auto& other : nodes_) {
      if (!other->running()) return false;
      const Member member = other->core(0)->self();
      if (std::ranges::find(members.voters, member) == members.voters.end()) return false;
    }
  }
  return true;
}

// For a while, and one at a time; two have to be left.
void ClusterWorld::take_out() {
  if (operator_ == nullptr || nodes_.size() < 3 || !all_is_well()) return;
  ClusterNode& node = any();
  const NodeId id = node.number();
  note("the operator takes out " + node.host());
  mark("members taken out");
  operator_->take_out(id);
  after(1 + up_to(4000), [this, id] { operator_->take_back(id); });
}

// One copy is gone. The others are enough, as long as it is the only one.
void ClusterWorld::replace_disk() {
  if (nodes_.size() < 3 || !all_is_well()) return;
  ClusterNode& node = any();
  if (node.mode() == Mode::kCoordinator || node.mode() == Mode::kGateway) return;
  note(node.host() + " gets an empty disk");
  mark("disks replaced");
  if (operator_ != nullptr) operator_->replaced(node.core(0)->self());
  node.lose_power();
  node.replace_disk();
  start_after(node, downtime());
}

void ClusterWorld::fill_device(ClusterNode& node) {
  mark("full devices");
  note(node.host() + ": the device is full");
  node.disk().leave_room(random_.one_in(2) ? 0 : random_.below(64 << 10));
  after(200 + up_to(4000), [this, &node] {
    note(node.host() + ": the device has room");
    node.disk().set_capacity(UINT64_MAX);
  });
}

void ClusterWorld::stop_in_order(ClusterNode& node) {
  if (!node.running()) return;
  note(node.host() + " is told to stop");
  node.stop();
}

void ClusterWorld::hand_over() {
  ClusterNode* leads = primary();
  ClusterNode& to = any();
  if (operator_ == nullptr || leads == nullptr || leads == &to) return;
  note("the operator wants " + to.host() + " to lead");
  operator_->hand_over(to.number());
  after(1500, [this, &to] {
    if (to.accepts_writes()) mark("handed over as was wished");
  });
}

}  // namespace holdfast
