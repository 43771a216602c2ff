// See cluster_map.h. The format is pinned by docs/PROTOCOL.md and its test.
#include "replica/cluster_map.h"

#include <algorithm>

#include "replica/field_codec.h"

namespace holdfast {
namespace {

constexpr uint8_t kVersion = 1;
// Above these a decoder believes nothing.
constexpr size_t kMaxNodes = 4096;
constexpr size_t kMaxShards = kSlotCount;
constexpr size_t kMaxAddress = 256;

template <typename Items, typename Id>
auto find_by_id(Items& items, Id id) -> decltype(items.data()) {
  const auto at = std::ranges::find(items, id, [](const auto& item) { return item.id; });
  return at == items.end() ? nullptr : &*at;
}

void get(Fields& in, NodeRecord& node) {
  node.id = in.number32();
  node.store = in.fixed<StoreId>();
  node.address = in.text(kMaxAddress);
  node.resp_address = in.text(kMaxAddress);
  const auto state = in.fixed<uint8_t>();
  in.require(state <= static_cast<uint8_t>(NodeState::kDraining));
  node.state = static_cast<NodeState>(state);
}

void get(Fields& in, ClusterShard& shard) {
  shard.id = in.number32();
  shard.slots.resize(in.count(kSlotCount));
  for (SlotRange& range : shard.slots) {
    range.first = static_cast<SlotId>(in.at_most(kSlotCount - 1));
    range.last = static_cast<SlotId>(in.at_most(kSlotCount - 1));
  }
  get(in, shard.record.active);
  shard.record.allocated = in.number();
  get(in, shard.record.forming);
}

}  // namespace

std::string_view node_state_name(NodeState state) {
  constexpr std::string_view kNames[] = {"up", "down", "draining"};
  return kNames[static_cast<size_t>(state)];
}

const NodeRecord* ClusterMap::node(NodeId id) const { return find_by_id(nodes, id); }
NodeRecord* ClusterMap::node(NodeId id) { return find_by_id(nodes, id); }
const ClusterShard* ClusterMap::shard(ShardId id) const { return find_by_id(shards, id); }
ClusterShard* ClusterMap::shard(ShardId id) { return find_by_id(shards, id); }

std::string encode_cluster_map(const ClusterMap& map) {
  std::string out;
  put_fixed(out, kVersion);
  put_varint(out, map.revision);
  put_varint(out, map.nodes.size());
  for (const NodeRecord& node : map.nodes) {
    put_varint(out, node.id);
    put_fixed(out, node.store);
    put_bytes(out, node.address);
    put_bytes(out, node.resp_address);
    put_fixed(out, node.state);
  }
  put_varint(out, map.shards.size());
  for (const ClusterShard& shard : map.shards) {
    put_varint(out, shard.id);
    put_varint(out, shard.slots.size());
    for (const SlotRange& range : shard.slots) {
      put_varint(out, range.first);
      put_varint(out, range.last);
    }
    put(out, shard.record.active);
    put_varint(out, shard.record.allocated);
    put(out, shard.record.forming);
  }
  return out;
}

Result<ClusterMap> decode_cluster_map(std::string_view bytes) {
  Fields in(bytes);
  if (in.fixed<uint8_t>() != kVersion) return Status::corrupt("cluster map: another version");
  ClusterMap map;
  map.revision = in.number();
  map.nodes.resize(in.count(kMaxNodes));
  for (NodeRecord& node : map.nodes) get(in, node);
  map.shards.resize(in.count(kMaxShards));
  for (ClusterShard& shard : map.shards) get(in, shard);
  if (!in.done()) return Status::corrupt("cluster map: not whole");
  return map;
}

SlotOwners::SlotOwners(const ClusterMap& map) : SlotOwners() {
  for (const ClusterShard& shard : map.shards) {
    for (const SlotRange& range : shard.slots) {
      for (size_t slot = range.first; slot <= range.last; ++slot) owner_[slot] = shard.id;
    }
  }
}

}  // namespace holdfast
