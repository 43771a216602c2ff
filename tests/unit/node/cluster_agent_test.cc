// ClusterAgent, between coordinators that are played by the test.
#include "node/cluster_agent.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/sim/sim_disk.h"
#include "engine/mem_engine.h"
#include "tests/support/peer_nodes.h"

namespace holdfast {
namespace {

using peer_nodes::address;
using peer_nodes::host;
using peer_nodes::identity;

constexpr NodeId kSelf = 11;

ClusterMap map_of(uint64_t revision, const Member& member) {
  ClusterMap map;
  map.revision = revision;
  map.nodes.push_back(
      {kSelf, member.store, host(kSelf) + ":7000", host(kSelf) + ":6379", NodeState::kUp});
  ClusterShard shard;
  shard.id = 1;
  shard.slots = {{0, kSlotCount - 1}};
  shard.record.active = {1, ViewPhase::kActive, member, {member}, 1};
  map.shards.push_back(shard);
  return map;
}

// A storage node's agent, and coordinators 1 and 2.
struct Agent : peer_nodes::Quiet {
  Agent()
      : world(1),
        net(world.net.at(host(kSelf))),
        reactor(world.reactor),
        system{reactor, *net, disk, world.random, [](ExitCode, std::string_view) {}},
        first(world, identity(1)),
        second(world, identity(2)) {
    options.mode = Mode::kStorage;
    options.cluster_id = peer_nodes::kCluster;
    options.cluster_secret = "s3cret";
    options.cluster_node = kSelf;
    options.cluster_listen = host(kSelf) + ":7000";
    options.cluster_coordinators = {{1, host(1), peer_nodes::kPort, 6379},
                                    {2, host(2), peer_nodes::kPort, 6379}};
    first.peers->accept_unknown();
    second.peers->accept_unknown();
    REQUIRE(ClusterAgent::check(options).ok());
    agent = std::make_unique<ClusterAgent>(
        system, options,
        ClusterAgent::Hooks{[this](ShardId id) { hosted.push_back(id); },
                            [this](const ClusterMap& map) { taken.push_back(map.revision); },
                            [this](const Published& message) {
                              published.push_back(std::string(message.channel()) + "=" +
                                                  std::string(message.message()));
                            },
                            [this](NodeId node) { busy.push_back(node); }});
    REQUIRE(agent->start(kStore, "10.0.0.11:6379").ok());
    REQUIRE(world.run_until([this] { return first.up(kSelf) && second.up(kSelf); }));
  }
  static std::vector<NodeReport> reports(const peer_nodes::Node& coordinator) {
    std::vector<NodeReport> found;
    for (const Message& message : coordinator.heard) {
      if (const auto* report = std::get_if<NodeReport>(&message.body)) found.push_back(*report);
    }
    return found;
  }
  void tell(const peer_nodes::Node& by, const Member& from, const ClusterMap& map) {
    auto bytes = std::make_shared<const std::string>(encode_cluster_map(map));
    by.peers->send({0, 0, from, {kSelf, 0}, MapIs{map.revision, bytes}});
    world.reactor.run_for(20);
  }

  static constexpr StoreId kStore = 0x77;

  SimWorld world;
  std::unique_ptr<Net> net;
  SimNodeReactor reactor;
  SimDisk disk{1};
  Options options;
  NodeSystem system;
  peer_nodes::Node first, second;
  std::vector<ShardId> hosted;
  std::vector<uint64_t> taken;
  std::vector<std::string> published;
  std::vector<NodeId> busy;
  std::unique_ptr<ClusterAgent> agent;
};

}  // namespace

TEST_CASE("cluster agent: clients are only sent to addresses that they can use") {
  Agent a;
  const auto check = [&](const std::string& bind, const std::string& announce) {
    a.options.resp_bind = {bind};
    a.options.cluster_announce = announce;
    return ClusterAgent::check(a.options).message();
  };
  CHECK(check("127.0.0.1", "").empty());
  CHECK(check("0.0.0.0", "10.0.0.11:6379").empty());
  CHECK(check("0.0.0.0", "").starts_with("cluster.announce: empty, and resp.bind"));
  CHECK(
      check("127.0.0.1", "0.0.0.0:6379").starts_with("cluster.announce: \"0.0.0.0:6379\" is not"));
  CHECK(check("127.0.0.1", "nowhere").starts_with("cluster.announce: \"nowhere\" is not"));
}

TEST_CASE("cluster agent: every coordinator hears reports, with what the node cannot reach") {
  Agent a;
  a.agent->suspect(12);
  a.world.reactor.run_for(200);
  for (const peer_nodes::Node* coordinator : {&a.first, &a.second}) {
    const auto reports = Agent::reports(*coordinator);
    REQUIRE(reports.size() >= 3);
    CHECK(reports.back().address == "10.0.0.11:7000");
    CHECK(reports.back().resp_address == "10.0.0.11:6379");
    CHECK(reports.back().suspects == std::vector<NodeId>{12});
  }
  a.world.reactor.run_for(2000);  // it is suspected for a while
  CHECK(Agent::reports(a.first).back().suspects.empty());
}

TEST_CASE("cluster agent: a node that computes says so to all, and hears it of others") {
  Agent a;
  a.agent->say_busy();
  a.first.peers->send({0, 0, kCoordinatorMember, {kSelf, 0}, Busy{12}});
  a.world.run_for(10);
  for (const peer_nodes::Node* coordinator : {&a.first, &a.second}) {
    REQUIRE(std::holds_alternative<Busy>(coordinator->heard.back().body));
    CHECK(coordinator->heard.back().from == Member{kSelf, Agent::kStore});
    CHECK(std::get<Busy>(coordinator->heard.back().body).node == kSelf);
  }
  CHECK(a.busy == std::vector<NodeId>{12});
}

TEST_CASE("cluster agent: the newest map decides, and an older one is dropped (I40)") {
  Agent a;
  const Member self{kSelf, Agent::kStore};
  a.tell(a.first, kCoordinatorMember, map_of(5, self));
  a.tell(a.second, kCoordinatorMember, map_of(4, {12, 1}));
  a.tell(a.second, kCoordinatorMember, map_of(5, {12, 1}));
  CHECK(a.taken == std::vector<uint64_t>{5});
  CHECK(a.agent->map().shards[0].primary() == self);
  CHECK(a.hosted == std::vector<ShardId>{1});
  CHECK(Agent::reports(a.second).back().revision <= 5);
  a.tell(a.second, kCoordinatorMember, map_of(6, {12, 1}));
  CHECK(a.taken == std::vector<uint64_t>{5, 6});
}

TEST_CASE("cluster agent: a map that another node tells, or that cannot be read, is not taken") {
  Agent a;
  a.tell(a.first, peer_nodes::member(1), map_of(5, {kSelf, Agent::kStore}));
  CHECK(a.taken.empty());
  auto damaged = std::make_shared<const std::string>(
      encode_cluster_map(map_of(5, {kSelf, Agent::kStore})).substr(0, 20));
  a.first.peers->send({0, 0, kCoordinatorMember, {kSelf, 0}, MapIs{5, damaged}});
  a.world.reactor.run_for(20);
  CHECK(a.taken.empty());
  CHECK(a.hosted.empty());
}

TEST_CASE("cluster agent: a member with another store is not this node") {
  Agent a;
  a.tell(a.first, kCoordinatorMember, map_of(5, {kSelf, Agent::kStore + 1}));
  CHECK(a.taken == std::vector<uint64_t>{5});
  CHECK(a.hosted.empty());
}

TEST_CASE("cluster agent: messages of clients go to all storage nodes, and come from them") {
  Agent a;
  peer_nodes::Node other(a.world, identity(12));
  other.peers->set_peer(kSelf, Address::tcp(host(kSelf), 7000));
  ClusterMap map = map_of(5, {kSelf, Agent::kStore});
  map.nodes.push_back({12, 0x62, host(12) + ":7000", host(12) + ":6379", NodeState::kUp});
  map.nodes.push_back({13, 0x63, host(13) + ":7000", host(13) + ":6379", NodeState::kDown});
  a.tell(a.first, kCoordinatorMember, map);
  REQUIRE(a.world.run_until([&] { return other.up(kSelf); }));
  CHECK(a.agent->publish({1, std::make_shared<const std::string>("cm")}));
  a.world.reactor.run_for(50);
  const auto heard = [](const peer_nodes::Node& node) {
    return std::ranges::count_if(node.heard, [](const Message& message) {
      return std::holds_alternative<Published>(message.body);
    });
  };
  CHECK(heard(other) == 1);
  CHECK(heard(a.first) == 0);
  CHECK(a.published.empty());
  other.peers->send({0,
                     0,
                     peer_nodes::member(12),
                     {kSelf, 0},
                     Published{2, std::make_shared<const std::string>("c2m2")}});
  a.world.reactor.run_for(50);
  CHECK(a.published == std::vector<std::string>{"c2=m2"});
  // What is published leaves half of a link's room to the log.
  const Published large{1, std::make_shared<const std::string>(1 << 20, 'm')};
  int taken = 0;
  while (taken < 100 && a.agent->publish(large)) ++taken;
  CHECK(taken == 31);
  map.nodes.resize(1);  // the others are forgotten
  map.revision = 6;
  a.tell(a.first, kCoordinatorMember, map);
  a.world.reactor.run_for(3000);
  CHECK(!other.up(kSelf));
}

}  // namespace holdfast
