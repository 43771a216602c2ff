// See topology.h.
#include "gateway/topology.h"

#include <limits>

#include "base/assert.h"

namespace holdfast {

GatewayNode& Topology::node(std::string_view address) {
  const auto found = nodes_.find(address);
  if (found != nodes_.end()) return *found->second;
  HF_ASSERT(by_number_.size() <= std::numeric_limits<uint16_t>::max());
  auto made = std::make_unique<GatewayNode>(std::string(address));
  made->number = static_cast<uint16_t>(by_number_.size());
  by_number_.push_back(made.get());
  return *nodes_.emplace(std::string(address), std::move(made)).first->second;
}

bool Topology::set_map(ClusterMap map) {
  if (map.revision < map_.revision) return false;
  map_ = std::move(map);
  for (const auto& [address, node] : nodes_) node->id = 0;
  for (const NodeRecord& each : map_.nodes) {
    if (!each.resp_address.empty()) node(each.resp_address).id = each.id;
  }
  std::array<uint16_t, kSlotCount> owner;
  owner.fill(0);
  for (const ClusterShard& shard : map_.shards) {
    const NodeRecord* primary = map_.node(shard.primary().node);
    if (primary == nullptr || primary->resp_address.empty()) continue;
    const uint16_t serves = node(primary->resp_address).number;
    for (const SlotRange& range : shard.slots) {
      for (int slot = range.first; slot <= range.last; ++slot) {
        owner[static_cast<size_t>(slot)] = serves;
      }
    }
  }
  if (owner == owner_) return true;
  owner_ = owner;
  ++generation_;
  find_primaries();
  return true;
}

void Topology::learn(SlotId slot, GatewayNode& node) {
  if (owner_[slot] == node.number) return;
  owner_[slot] = node.number;
  ++generation_;
  find_primaries();
}

void Topology::find_primaries() {
  for (GatewayNode* node : primaries_) node->primary = false;
  primaries_.clear();
  unowned_ = 0;
  for (int slot = 0; slot < kSlotCount; ++slot) {
    GatewayNode* node = owner(static_cast<SlotId>(slot));
    if (node == nullptr) {
      ++unowned_;
    } else if (!node->primary) {
      node->primary = true;
      node->first_slot = static_cast<SlotId>(slot);
      node->retired_ns = 0;
      primaries_.push_back(node);
    }
  }
}

}  // namespace holdfast
