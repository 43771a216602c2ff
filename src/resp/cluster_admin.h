// ClusterAdmin: what a coordinator does for operators, as the RESP commands VIEW, NODE and SHARD
// need it. The roles above implement it (node/); a server without one asks its operator to go to a
// coordinator.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "replica/cluster_map.h"
#include "replica/message.h"

namespace holdfast {

class ClusterAdmin {
 public:
  virtual ~ClusterAdmin() = default;

  // This coordinator leads, and knows what holds: the rest may be asked. Else its leader's clients'
  // address, or nothing while there is none.
  virtual bool leads() const = 0;
  virtual std::string leader_address() const = 0;

  virtual const ClusterMap& map() const = 0;
  // The newest first, with the revision of each.
  virtual std::vector<std::pair<uint64_t, std::string>> history(size_t most) const = 0;
  // What does not go on, and why; empty: everything does.
  virtual const std::string& waits_for() const = 0;
  // Null: it has not reported to this coordinator.
  virtual const NodeReport* report(NodeId node) const = 0;
  virtual int64_t silent_ms(NodeId node) const = 0;
  // How many say that they do not reach the node; this coordinator is one if it does not.
  virtual int64_t failure_reports(NodeId node) const = 0;

  virtual Status can_stop(NodeId node) const = 0;
  virtual Status drain(NodeId node, bool on) = 0;
  virtual Status forget(NodeId node) = 0;
  virtual Status hand_over(ShardId shard, NodeId to) = 0;  // 0: to any
  virtual Status fail_over(ShardId shard, NodeId to) = 0;
  // kStale: the shard's epoch is not the expected one.
  virtual Status compare_and_set(ShardId shard, Epoch expected, NodeId to) = 0;
};

}  // namespace holdfast
