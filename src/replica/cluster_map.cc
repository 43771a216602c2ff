// See cluster_map.h. The format is pinned by docs/PROTOCOL.md and its test.
#include "replica/cluster_map.h"

#include <algorithm>

#include "base/codec.h"

namespace holdfast {
namespace {

constexpr uint8_t kVersion = 1;
// Above these a decoder believes nothing.
constexpr uint64_t kMaxNodes = 4096;
constexpr uint64_t kMaxShards = kSlotCount;
constexpr uint64_t kMaxMembers = 64;
constexpr uint64_t kMaxAddress = 256;

template <typename Items, typename Id>
auto find_by_id(Items& items, Id id) -> decltype(items.data()) {
  const auto at = std::ranges::find(items, id, [](const auto& item) { return item.id; });
  return at == items.end() ? nullptr : &*at;
}

void put(std::string& out, const Member& member) {
  put_varint(out, member.node);
  put_fixed(out, member.store);
}

void put(std::string& out, const View& view) {
  put_varint(out, view.epoch);
  put_fixed(out, view.phase);
  put(out, view.primary);
  put_varint(out, view.members.size());
  for (const Member& member : view.members) put(out, member);
  put_varint(out, view.write_quorum);
}

// Reads parts; anything out of its range makes done() false.
class Parts {
 public:
  explicit Parts(std::string_view bytes) : in_(bytes) {}

  uint64_t at_most(uint64_t limit) {
    const uint64_t value = in_.varint();
    if (value > limit) valid_ = false;
    return valid_ ? value : 0;
  }
  uint64_t count(uint64_t limit) { return at_most(std::min<uint64_t>(limit, in_.left())); }
  template <typename T>
  T fixed() {
    return in_.fixed<T>();
  }
  std::string text() {
    const std::string_view bytes = in_.sized_bytes();
    if (bytes.size() > kMaxAddress) valid_ = false;
    return std::string(valid_ ? bytes : std::string_view());
  }
  Member member() {
    Member member;
    member.node = static_cast<NodeId>(at_most(UINT32_MAX));
    member.store = fixed<StoreId>();
    return member;
  }
  View view() {
    View view;
    view.epoch = in_.varint();
    view.phase = static_cast<ViewPhase>(choice(static_cast<uint8_t>(ViewPhase::kActive)));
    view.primary = member();
    view.members.resize(count(kMaxMembers));
    for (Member& each : view.members) each = member();
    view.write_quorum = static_cast<uint32_t>(at_most(view.members.size()));
    return view;
  }
  uint8_t choice(uint8_t last) {
    const auto value = fixed<uint8_t>();
    if (value > last) valid_ = false;
    return valid_ ? value : uint8_t{0};
  }
  uint64_t number() { return in_.varint(); }
  bool done() const { return valid_ && in_.ok() && in_.at_end(); }

 private:
  Reader in_;
  bool valid_ = true;
};

NodeRecord read_node(Parts& in) {
  NodeRecord node;
  node.id = static_cast<NodeId>(in.at_most(UINT32_MAX));
  node.store = in.fixed<StoreId>();
  node.address = in.text();
  node.resp_address = in.text();
  node.state = static_cast<NodeState>(in.choice(static_cast<uint8_t>(NodeState::kDraining)));
  return node;
}

ClusterShard read_shard(Parts& in) {
  ClusterShard shard;
  shard.id = static_cast<ShardId>(in.at_most(UINT32_MAX));
  shard.slots.resize(in.count(kSlotCount));
  for (SlotRange& range : shard.slots) {
    range.first = static_cast<SlotId>(in.at_most(kSlotCount - 1));
    range.last = static_cast<SlotId>(in.at_most(kSlotCount - 1));
  }
  shard.record.active = in.view();
  shard.record.allocated = in.number();
  shard.record.forming = in.view();
  return shard;
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
  Parts in(bytes);
  if (in.fixed<uint8_t>() != kVersion) return Status::corrupt("cluster map: another version");
  ClusterMap map;
  map.revision = in.number();
  map.nodes.resize(in.count(kMaxNodes));
  for (NodeRecord& node : map.nodes) node = read_node(in);
  map.shards.resize(in.count(kMaxShards));
  for (ClusterShard& shard : map.shards) shard = read_shard(in);
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
