// Maps, what nodes say of single slots, and CLUSTER SLOTS.
#include "gateway/topology.h"

#include <doctest/doctest.h>

#include "gateway/gateway.h"
#include "gateway/map_poller.h"
#include "tests/support/worlds.h"

namespace holdfast {
namespace {

ClusterMap two_nodes(uint64_t revision, int split = 8192) {
  ClusterMap map;
  map.revision = revision;
  for (NodeId id = 1; id <= 2; ++id) {
    NodeRecord node;
    node.id = id;
    node.resp_address = "h:" + std::to_string(id);
    map.nodes.push_back(node);
    ClusterShard shard;
    shard.id = id;
    shard.record.active.epoch = 1;
    shard.record.active.primary = {id, 7};
    map.shards.push_back(shard);
  }
  map.shards[0].slots = {{0, static_cast<SlotId>(split - 1)}};
  map.shards[1].slots = {{static_cast<SlotId>(split), kSlotCount - 1}};
  return map;
}

}  // namespace

TEST_CASE("topology: the map with the larger revision holds (T1)") {
  Topology topology;
  CHECK(topology.owner(0) == nullptr);
  CHECK_FALSE(topology.complete());
  REQUIRE(topology.set_map(two_nodes(5)));
  CHECK(topology.complete());
  CHECK(topology.owner(0)->address == "h:1");
  CHECK(topology.owner(8192)->address == "h:2");
  CHECK_FALSE(topology.set_map(two_nodes(4, 100)));
  CHECK(topology.owner(8191)->address == "h:1");
  REQUIRE(topology.set_map(two_nodes(6, 100)));
  CHECK(topology.owner(8191)->address == "h:2");
  REQUIRE(topology.primaries().size() == 2);
  CHECK(topology.primaries()[1]->first_slot == 100);
}

TEST_CASE("topology: what a node says of a slot holds until the next map (T2, T3)") {
  Topology topology;
  REQUIRE(topology.set_map(two_nodes(1)));
  const uint64_t before = topology.generation();
  REQUIRE(topology.set_map(two_nodes(1)));
  CHECK(topology.generation() == before);
  topology.learn(3, topology.node("h:9"));
  CHECK(topology.generation() == before + 1);
  CHECK(topology.owner(3)->address == "h:9");
  CHECK(topology.primaries().size() == 3);
  REQUIRE(topology.set_map(two_nodes(1)));
  CHECK(topology.owner(3)->address == "h:1");
  CHECK(topology.primaries().size() == 2);
  CHECK_FALSE(topology.node("h:9").primary);
}

TEST_CASE("topology: a shard without a primary has slots that nobody serves") {
  Topology topology;
  ClusterMap map = two_nodes(1);
  map.shards[1].record.active.primary = {};
  REQUIRE(topology.set_map(std::move(map)));
  CHECK(topology.owner(8191) != nullptr);
  CHECK(topology.owner(8192) == nullptr);
  CHECK_FALSE(topology.complete());
}

TEST_CASE("map poller: seeds that refuse are asked again and again, but not in a rush") {
  SimWorld sim{1};
  Options options;
  options.resp_port = 7000;
  options.gateway_seeds = {"127.0.0.1:7001"};  // where nobody is
  Gateway gateway(sim.reactor, sim.net, sim.random, options, {});
  REQUIRE(gateway.listen().ok());
  sim.reactor.run_for(1000);
  const uint64_t tries = gateway.context().stats.backend_breaks;
  CHECK(tries >= 20);
  CHECK(tries <= 51);
}

TEST_CASE("map poller: CLUSTER SLOTS becomes a map") {
  ClusterMap map;
  const std::string slots =
      "*3\r\n"
      "*4\r\n:0\r\n:99\r\n*4\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n*0\r\n*3\r\n$1\r\nr\r\n:9\r\n$"
      "1\r\nx\r\n"
      "*3\r\n:100\r\n:16000\r\n*3\r\n$0\r\n\r\n:2\r\n$2\r\nid\r\n"
      "*3\r\n:16001\r\n:16383\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n";
  REQUIRE(map_of_slots(slots, "asked:5", &map));
  REQUIRE(map.nodes.size() == 2);
  CHECK(map.nodes[0].resp_address == "a:1");
  CHECK(map.nodes[1].resp_address == "asked:2");
  CHECK(map.shards[0].slots == std::vector<SlotRange>{{0, 99}, {16001, 16383}});
  CHECK_FALSE(map_of_slots("*1\r\n*3\r\n:5\r\n:1\r\n*0\r\n", "a:1", &map));
  CHECK_FALSE(map_of_slots("-ERR x\r\n", "a:1", &map));
  CHECK(map_of_one("a:1").shards[0].slots == std::vector<SlotRange>{{0, 16383}});
}

}  // namespace holdfast
