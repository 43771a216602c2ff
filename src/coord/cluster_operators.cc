// ClusterCore: what operators ask of it. See cluster_core.h.
#include <algorithm>

#include "coord/cluster_core.h"

namespace holdfast {

// The shard, if its view may be changed now.
Result<ClusterShard> ClusterCore::idle_shard(ShardId id) const {
  const ClusterShard* shard = map_.shard(id);
  if (shard == nullptr) return Status::not_found("no such shard");
  if (!shards_.at(id).change->idle()) return Status::unavailable("its view is being changed");
  return *shard;
}

// Who is to lead, of those who can: that node's member, or with 0 any but the present primary.
Result<Member> ClusterCore::successor(const ClusterShard& shard, NodeId to) const {
  const View& view = shard.record.active;
  Member member = to == 0 ? choose_preferred(shard, view.primary.node) : Member{};
  for (const Member& each : view.members) {
    if (to != 0 && each.node == to) member = each;
  }
  if (!member.valid()) return Status::invalid("no member that can lead it");
  if (!fresh(member)) return Status::unavailable("that node does not report");
  return member;
}

Status ClusterCore::hand_over(ShardId id, NodeId to, int64_t now_ns, Actions* actions) {
  passed(now_ns);
  const Result<ClusterShard> shard = idle_shard(id);
  if (!shard.ok()) return shard.status();
  const Result<Member> target = successor(shard.value(), to);
  if (!target.ok()) return target.status();
  const View& view = shard.value().record.active;
  if (target.value() == view.primary) return Status::invalid("it is the primary already");
  shards_[id].handover_asked_ns = now_;
  actions->emplace_back(
      Send{{id, view.epoch, kCoordinatorMember, view.primary, HandOverTo{target.value()}}});
  return {};
}

Status ClusterCore::fail_over(ShardId id, NodeId to, int64_t now_ns, Actions* actions) {
  passed(now_ns);
  return change_view(id, to, "an operator asked for it", actions);
}

Status ClusterCore::compare_and_set(ShardId id, Epoch expected, NodeId to, int64_t now_ns,
                                    Actions* actions) {
  passed(now_ns);
  const ClusterShard* shard = map_.shard(id);
  if (shard == nullptr) return Status::not_found("no such shard");
  const View& active = shard->record.active;
  if (active.epoch != expected) {
    return Status::stale(of_shard(id) + " is at epoch " + std::to_string(active.epoch) + ", not " +
                         std::to_string(expected));
  }
  if (active.primary.node == to) return Status::invalid("it is the primary already");
  return change_view(
      id, to, "an operator set " + of_node(to) + ", expecting epoch " + std::to_string(expected),
      actions);
}

// Who asks is answered when the last proposal is committed: what he wants has to be in it.
Status ClusterCore::may_propose() const {
  return proposing_ ? Status::unavailable("another decision is on its way: try again") : Status();
}

Status ClusterCore::change_view(ShardId id, NodeId to, const std::string& why, Actions* actions) {
  const Result<ClusterShard> shard = idle_shard(id);
  if (!shard.ok()) return shard.status();
  const Result<Member> target = successor(shard.value(), to);
  if (!target.ok()) return target.status();
  if (Status status = may_propose(); !status.ok()) return status;
  begin(shard.value(), shards_[id], shard.value().record.active.members, target.value(), why,
        actions);
  propose(actions);
  return {};
}

Status ClusterCore::can_stop(NodeId node, int64_t now_ns) const {
  if (map_.node(node) == nullptr) return Status::not_found("no such node");
  for (const ClusterShard& shard : map_.shards) {
    const View& view = shard.record.active;
    const bool member =
        std::ranges::any_of(view.members, [&](const Member& each) { return each.node == node; });
    if (!member) continue;
    if (!shards_.at(shard.id).change->idle()) {
      return Status::unavailable(of_shard(shard.id) + " changes its view");
    }
    const auto others =
        static_cast<uint32_t>(std::ranges::count_if(view.members, [&](const Member& each) {
          const ReplicaReport* replica = replica_report(each, shard.id);
          return each.node != node && silent_ns(each.node, now_ns) < options_.suspect_ns &&
                 replica != nullptr && replica->epoch == view.epoch;
        }));
    if (others < view.write_quorum) {
      return Status::unavailable(of_shard(shard.id) + " would have " + std::to_string(others) +
                                 " of the " + std::to_string(view.write_quorum) +
                                 " copies that a write needs");
    }
  }
  return {};
}

Status ClusterCore::drain(NodeId node, bool on, int64_t now_ns, Actions* actions) {
  passed(now_ns);
  NodeRecord* known = wished_.node(node);
  if (known == nullptr) return Status::not_found("no such node");
  if (Status status = may_propose(); !status.ok()) return status;
  known->state = on ? NodeState::kDraining : NodeState::kUp;
  wish(of_node(node) + (on ? " drains" : " serves again"));
  propose(actions);
  return {};
}

Status ClusterCore::forget(NodeId node, int64_t now_ns, Actions* actions) {
  passed(now_ns);
  if (wished_.node(node) == nullptr) return Status::not_found("no such node");
  if (alive(node, options_.down_ns)) {
    return Status::unavailable("it reports, or did a moment ago: stop it first");
  }
  if (Status status = may_propose(); !status.ok()) return status;
  for (const ClusterShard& shard : map_.shards) {
    const auto& members = shard.record.active.members;
    if (std::ranges::find(members, node, &Member::node) != members.end()) {
      return Status::unavailable("it is a member of " + of_shard(shard.id) +
                                 ": another node has to take its place first");
    }
    if (!shards_.at(shard.id).change->idle()) {  // it may become one
      return Status::unavailable(of_shard(shard.id) + " changes its view");
    }
  }
  std::erase_if(wished_.nodes, [node](const NodeRecord& each) { return each.id == node; });
  nodes_.erase(node);
  wish(of_node(node) + " is forgotten");
  propose(actions);
  return {};
}

}  // namespace holdfast
