// ClusterMap: what the coordinator's group has decided about the whole cluster: its nodes, its
// shards, who owns which slot and who serves it. One value, with a revision that grows with every
// change; whoever holds an older one than it has seen drops it (I40).
//
// The coordinator's group keeps it as one encoded value; nodes and gateways are sent it whole. It
// is small: some 50 bytes a node, and as much for each member of a shard.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "replica/view.h"

namespace holdfast {

// What the coordinator's group holds of a shard's views.
struct ShardRecord {
  View active;          // the last that was; epoch 0: none yet, its members are those of the first
  Epoch allocated = 0;  // the highest number given out
  View forming;         // epoch 0: none
  bool operator==(const ShardRecord&) const = default;
};

struct SlotRange {
  SlotId first = 0;
  SlotId last = 0;  // included
  bool operator==(const SlotRange&) const = default;
};

struct ClusterShard {
  ShardId id = 0;  // from 1; 0 is the coordinators' own
  std::vector<SlotRange> slots;
  ShardRecord record;

  // Who leads it, as far as the coordinator knows; not valid(): nobody.
  const Member& primary() const { return record.active.primary; }
  bool operator==(const ClusterShard&) const = default;
};

enum class NodeState : uint8_t {
  kUp,        //
  kDown,      // it does not report
  kDraining,  // an operator wants it to serve nothing
};
std::string_view node_state_name(NodeState state);

// A storage node.
struct NodeRecord {
  NodeId id = 0;
  StoreId store = 0;         // that it reported last
  std::string address;       // "HOST:PORT" for other nodes
  std::string resp_address;  // "HOST:PORT" for clients
  NodeState state = NodeState::kUp;
  bool operator==(const NodeRecord&) const = default;
};

struct ClusterMap {
  uint64_t revision = 0;             // 0: nothing was decided yet
  std::vector<NodeRecord> nodes;     // in order of their ids
  std::vector<ClusterShard> shards;  // in order of their ids

  // Null: there is none.
  const NodeRecord* node(NodeId id) const;
  NodeRecord* node(NodeId id);
  const ClusterShard* shard(ShardId id) const;
  ClusterShard* shard(ShardId id);
  bool operator==(const ClusterMap&) const = default;
};

// Bytes with a version in front (docs/PROTOCOL.md). A decoder takes nothing that is not whole.
std::string encode_cluster_map(const ClusterMap& map);
Result<ClusterMap> decode_cluster_map(std::string_view bytes);

// Which shard owns a slot, of one map. 64 KiB.
class SlotOwners {
 public:
  SlotOwners() { owner_.fill(0); }
  explicit SlotOwners(const ClusterMap& map);
  // 0: nobody.
  ShardId owner(SlotId slot) const { return owner_[slot]; }

 private:
  std::array<ShardId, kSlotCount> owner_;
};

}  // namespace holdfast
