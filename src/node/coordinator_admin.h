// CoordinatorAdmin: what the RESP commands of a coordinator may ask of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "coord/coordinator.h"
#include "node/group.h"
#include "replica/shard.h"
#include "resp/cluster_admin.h"

namespace holdfast {

class CoordinatorAdmin final : public ClusterAdmin {
 public:
  // All outlive it.
  CoordinatorAdmin(Coordinator& coordinator, Group& group, Shard& shard, Clock& clock)
      : coordinator_(coordinator), group_(group), shard_(shard), clock_(clock) {}

  bool leads() const override { return coordinator_.leads(); }
  std::string leader_address() const override {
    const ReplicaCore& core = shard_.replica()->core();
    const bool other = core.leader().valid() && core.leader() != core.self();
    return other ? group_.client_address(core.leader().node) : std::string();
  }
  const ClusterMap& map() const override { return core().map(); }
  std::vector<std::pair<uint64_t, std::string>> history(size_t most) const override {
    return coordinator_.history(most);
  }
  const std::string& waits_for() const override { return core().waits_for(); }
  const NodeReport* report(NodeId node) const override { return core().last_report(node); }
  int64_t silent_ms(NodeId node) const override {
    return core().silent_ns(node, clock_.boot_ns()) / 1'000'000;
  }
  int64_t failure_reports(NodeId node) const override {
    return core().failure_reports(node, clock_.boot_ns());
  }
  Status can_stop(NodeId node) const override { return core().can_stop(node, clock_.boot_ns()); }
  Status drain(NodeId node, bool on) override {
    return coordinator_.run([&](ClusterCore& core, int64_t now_ns, ClusterCore::Actions* actions) {
      return core.drain(node, on, now_ns, actions);
    });
  }
  Status forget(NodeId node) override {
    return coordinator_.run([&](ClusterCore& core, int64_t now_ns, ClusterCore::Actions* actions) {
      return core.forget(node, now_ns, actions);
    });
  }
  Status hand_over(ShardId shard, NodeId to) override {
    return coordinator_.run([&](ClusterCore& core, int64_t now_ns, ClusterCore::Actions* actions) {
      return core.hand_over(shard, to, now_ns, actions);
    });
  }
  Status fail_over(ShardId shard, NodeId to) override {
    return coordinator_.run([&](ClusterCore& core, int64_t now_ns, ClusterCore::Actions* actions) {
      return core.fail_over(shard, to, now_ns, actions);
    });
  }
  Status compare_and_set(ShardId shard, Epoch expected, NodeId to) override {
    return coordinator_.run([&](ClusterCore& core, int64_t now_ns, ClusterCore::Actions* actions) {
      return core.compare_and_set(shard, expected, to, now_ns, actions);
    });
  }

 private:
  const ClusterCore& core() const { return coordinator_.core(); }

  Coordinator& coordinator_;
  Group& group_;
  Shard& shard_;
  Clock& clock_;
};

}  // namespace holdfast
