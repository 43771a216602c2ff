// Topology: which node serves which slot, as this gateway knows it: from the newest map that it was
// given, and from what nodes have said since (MOVED).
//
// T1 Of two maps the one with the larger revision holds; an older one is dropped. T2 What a node
// says about a slot holds until the next map. T3 generation() changes whenever the node of any slot
// does: a client with commands on the way must not send more of them elsewhere meanwhile, or they
// could be carried out in another order.
//
// Threads: the reactor's. Nodes live as long as the topology: who points at one may keep it. There
// are at most 65535 different addresses in its life.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "gateway/backend.h"
#include "replica/cluster_map.h"

namespace holdfast {

// A storage node, by the address where it serves clients, and the connections that clients share.
struct GatewayNode {
  explicit GatewayNode(std::string address_in) : address(std::move(address_in)) {}

  const std::string address;
  uint16_t number = 0;     // among the topology's nodes, from 1
  NodeId id = 0;           // in the map; 0: it is not in it
  bool primary = false;    // it serves a slot
  SlotId first_slot = 0;   // of those that it serves
  int64_t retired_ns = 0;  // since when it serves none, with commands on its connections
  std::vector<std::unique_ptr<Backend>> shared[2];  // RESP2, RESP3
};

class Topology {
 public:
  Topology() { owner_.fill(0); }

  // False: an older one than there is.
  bool set_map(ClusterMap map);
  // The next map holds, whatever its revision is: somebody else counts them from now on.
  void forget_revision() { map_.revision = 0; }
  const ClusterMap& map() const { return map_; }

  // Null: nobody serves it, as far as is known.
  GatewayNode* owner(SlotId slot) const { return by_number_[owner_[slot]]; }
  void learn(SlotId slot, GatewayNode& node);
  // Made if it is new.
  GatewayNode& node(std::string_view address);
  const std::map<std::string, std::unique_ptr<GatewayNode>, std::less<>>& nodes() const {
    return nodes_;
  }
  // Every node that serves slots, in the order of the first slot of each.
  const std::vector<GatewayNode*>& primaries() const { return primaries_; }
  uint64_t generation() const { return generation_; }
  // All slots have a node.
  bool complete() const { return unowned_ == 0; }
  // One node has all slots and knows nothing of them: keys of different slots may go together.
  bool unsharded = false;

 private:
  void find_primaries();

  ClusterMap map_;
  std::map<std::string, std::unique_ptr<GatewayNode>, std::less<>> nodes_;
  std::vector<GatewayNode*> by_number_ = {nullptr};  // 0: nobody
  std::array<uint16_t, kSlotCount> owner_;           // half the cache lines of pointers, and less
  std::vector<GatewayNode*> primaries_;
  uint64_t generation_ = 1;
  int unowned_ = kSlotCount;
};

}  // namespace holdfast
