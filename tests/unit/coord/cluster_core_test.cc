// ClusterCore, against nodes that do what they are told: placement, suspicion, replacement,
// operators.
#include "coord/cluster_core.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <set>

namespace holdfast {
namespace {

constexpr int64_t kMs = 1'000'000;

// Nodes that do what they are told at once, a coordinator whose proposals are committed when the
// test says so, and a clock.
class World {
 public:
  explicit World(ClusterCore::Options options = {}) : core(options) {}

  struct Node {
    Member member;
    bool up = true;
    std::map<ShardId, ReplicaReport> replicas;
    std::vector<NodeId> suspects;
  };

  Node& add(NodeId id) {
    nodes[id].member = {id, 0x50 + uint64_t{id}};
    return nodes[id];
  }
  void lead() {
    ClusterCore::Actions actions;
    core.lead({}, now, &actions);
    take(actions);
  }
  // Time passes, nodes report, proposals are committed.
  void run(int64_t ms) {
    for (const int64_t until = now + ms * kMs; now < until; now += 10 * kMs) {
      for (auto& [id, node] : nodes) {
        if (node.up && (now / kMs) % 50 == 0) report(node);
      }
      ClusterCore::Actions actions;
      core.tick(now, &actions);
      take(actions);
      if (commits) commit();
    }
  }
  void report(const Node& node) {
    NodeReport report;
    report.address = "h:" + std::to_string(100 + node.member.node);
    report.resp_address = "h:" + std::to_string(node.member.node);
    for (const auto& [id, replica] : node.replicas) report.replicas.push_back(replica);
    report.suspects = node.suspects;
    ClusterCore::Actions actions;
    core.report(node.member, report, now, &actions);
    take(actions);
  }
  void commit() {
    while (proposal) {
      committed = proposal->map;
      history.push_back(proposal->why);
      proposal.reset();
      ClusterCore::Actions actions;
      core.decided(now, &actions);
      take(actions);
    }
  }
  void take(const ClusterCore::Actions& actions) {
    for (const ClusterCore::Action& action : actions) {
      if (const auto* send = std::get_if<Send>(&action)) {
        answer(send->message);
      } else if (const auto* propose = std::get_if<ClusterCore::Propose>(&action)) {
        CHECK(!proposal);
        CHECK(propose->map.revision == committed.revision + 1);
        proposal = *propose;
      }
    }
  }
  void answer(const Message& message) {
    const auto found = nodes.find(message.to.node);
    if (found == nodes.end() || !found->second.up || found->second.member != message.to) return;
    ReplicaReport& replica = found->second.replicas[message.shard];
    replica.shard = message.shard;
    sent.push_back(message);
    if (message.epoch < replica.epoch) return;
    std::optional<MessageBody> back;
    if (std::holds_alternative<Fence>(message.body)) {
      replica.epoch = message.epoch;
      replica.role = Role::kFenced;
      back = FenceOk{{0, replica.last, 0}, 0, true, 0};
    } else if (std::holds_alternative<Form>(message.body)) {
      replica.role = Role::kCandidate;
      back = Ready{};
    } else if (const auto* active = std::get_if<Activate>(&message.body)) {
      replica.role = Role::kPrimary;
      replica.accepting = true;
      for (auto& [id, node] : nodes) {
        if (node.up && active->view.has(node.member))
          node.replicas[message.shard].hears_leader = true;
        if (node.up && active->view.has(node.member)) {
          node.replicas[message.shard].shard = message.shard;
          node.replicas[message.shard].epoch = message.epoch;
        }
      }
    } else if (const auto* to = std::get_if<HandOverTo>(&message.body)) {
      back = HandedOver{to->to};
    }
    if (!back) return;
    ClusterCore::Actions actions;
    core.receive({message.shard, message.epoch, message.to, kCoordinatorMember, *back}, now,
                 &actions);
    take(actions);
  }
  const ShardRecord& record(ShardId shard) { return committed.shard(shard)->record; }
  NodeId primary(ShardId shard) { return record(shard).active.primary.node; }

  ClusterCore core;
  int64_t now = 1000 * kMs;
  bool commits = true;
  std::map<NodeId, Node> nodes;
  std::optional<ClusterCore::Propose> proposal;
  ClusterMap committed;
  std::vector<std::string> history;
  std::vector<Message> sent;
};

World placed(uint32_t shards, uint32_t nodes, ClusterCore::Options options = {}) {
  options.shards = shards;
  World world(options);
  for (NodeId id = 11; id < 11 + nodes; ++id) world.add(id);
  world.lead();
  world.run(500);
  return world;
}

}  // namespace

TEST_CASE("cluster core: a new cluster is placed evenly, when there are nodes enough") {
  ClusterCore::Options options;
  options.shards = 3;
  World world(options);
  world.add(11);
  world.add(12);
  world.lead();
  world.run(500);
  CHECK(world.committed.shards.empty());
  CHECK(world.committed.nodes.size() == 2);
  world.add(13);
  world.run(500);
  REQUIRE(world.committed.shards.size() == 3);
  std::set<NodeId> primaries;
  size_t next = 0;
  for (const ClusterShard& shard : world.committed.shards) {
    CHECK(shard.record.active.epoch == 1);
    CHECK(shard.record.active.members.size() == 3);
    CHECK(shard.record.active.write_quorum == 2);
    REQUIRE(shard.slots.size() == 1);
    CHECK(shard.slots[0].first == next);
    next = shard.slots[0].last + 1U;
    primaries.insert(shard.record.active.primary.node);
  }
  CHECK(next == kSlotCount);
  CHECK(primaries.size() == 3);
}

TEST_CASE("cluster core: coordinators that have lost their map place nothing over data") {
  World world;
  for (NodeId id = 11; id <= 13; ++id) world.add(id);
  world.nodes[12].replicas[1] = {1, Role::kFenced, 7, 900, 900, false, false, false};
  world.lead();
  world.run(2000);
  CHECK(world.committed.shards.empty());
}

TEST_CASE("cluster core: a primary that is silent is replaced within a second, others are not") {
  World world = placed(2, 3);
  const NodeId dead = world.primary(1);
  const Epoch other = world.record(2).active.epoch;
  world.run(5000);
  CHECK(world.record(1).active.epoch == 1);  // nothing happens while nothing is wrong
  world.nodes[dead].up = false;
  world.run(200);
  CHECK(world.primary(1) == dead);
  world.run(300);
  CHECK(world.primary(1) != dead);
  CHECK(world.record(1).active.epoch > 1);
  CHECK(world.record(2).active.epoch == other);
}

TEST_CASE("cluster core: for how long a primary may be silent is an operator's choice") {
  ClusterCore::Options options;
  options.suspect_ns = 5000 * kMs;
  World world = placed(1, 3, options);
  const NodeId slow = world.primary(1);
  world.nodes[slow].up = false;
  world.run(4900);
  CHECK(world.primary(1) == slow);
  world.nodes[slow].up = true;
  world.run(1000);
  CHECK(world.record(1).active.epoch == 1);
  world.nodes[slow].up = false;
  world.core.link_lost(slow, world.now);  // its process ended: no need to wait
  world.run(300);
  CHECK(world.primary(1) != slow);
}

TEST_CASE("cluster core: a primary that computes is not taken for silent") {
  World world = placed(1, 3);
  const NodeId slow = world.primary(1);
  const Member member = world.nodes[slow].member;
  world.nodes[slow].up = false;
  for (int i = 0; i < 20; ++i) {
    world.run(50);
    world.core.busy(member, world.now);
  }
  CHECK(world.primary(1) == slow);
  CHECK(world.record(1).allocated == 1);
  SUBCASE("another store's word is not its word") {
    for (int i = 0; i < 10; ++i) {
      world.run(50);
      world.core.busy({slow, member.store + 1}, world.now);
    }
    CHECK(world.primary(1) != slow);
  }
  SUBCASE("nor is it longer than it says so") {
    world.run(500);
    CHECK(world.primary(1) != slow);
  }
}

TEST_CASE("cluster core: a coordinator that slept lets a node report before it suspects it") {
  World world = placed(1, 3);
  const NodeId first = world.primary(1);
  world.core.link_lost(first, world.now);
  world.now += 3010 * kMs;
  for (const auto& [id, node] : world.nodes) {
    if (id != first) world.report(node);
  }
  world.run(200);  // it reports within 40 ms
  CHECK(world.record(1).allocated == 1);
  CHECK(world.committed.node(first)->state == NodeState::kUp);
  world.nodes[first].up = false;  // whoever is silent for long enough while it runs is suspected
  world.run(600);
  CHECK(world.primary(1) != first);
}

TEST_CASE("cluster core: a broken connection is suspicion, unless the node reports again") {
  World world = placed(1, 3);
  const NodeId lost = world.primary(1);
  world.core.link_lost(lost, world.now);
  world.run(200);
  CHECK(world.primary(1) == lost);  // it was back
  world.nodes[lost].up = false;
  world.core.link_lost(lost, world.now);
  world.run(120);
  CHECK(world.primary(1) != lost);
}

TEST_CASE("cluster core: who is not reached by others is not waited for as long") {
  for (const bool unreached : {false, true}) {
    CAPTURE(unreached);
    World world = placed(1, 3);
    const NodeId bad = world.primary(1);
    for (auto& [id, node] : world.nodes) {
      if (unreached && id != bad) node.suspects = {bad};
    }
    world.run(1000);
    CHECK(world.primary(1) == bad);  // it reports: what others say is not enough
    world.nodes[bad].up = false;
    world.run(200);
    CHECK((world.primary(1) != bad) == unreached);
  }
}

TEST_CASE("cluster core: it says what does not go on, and why") {
  ClusterCore::Options options;
  options.replicas = 3;
  World world(options);
  world.add(11);
  world.add(12);
  world.lead();
  world.run(500);
  CHECK(world.core.waits_for() == "a new cluster: 2 of 3 storage nodes report");
  world.add(13).replicas[1] = {1, Role::kFenced, 7, 900, 900, false, false, false};
  world.run(500);
  CHECK(world.core.waits_for().starts_with("nodes have data of a cluster that these coordinators"));
  world.nodes[13].replicas.clear();
  world.run(500);
  CHECK(world.core.waits_for().empty());
  for (auto& [id, node] : world.nodes) node.up = id == world.nodes.rbegin()->first;
  world.run(1000);
  CHECK(world.core.waits_for().find("1 of its members do, of the 2 that it takes") !=
        std::string::npos);
}

TEST_CASE("cluster core: a primary that stalls, or does not lead, or is not heard, is replaced") {
  for (const int fault : {0, 1, 2}) {
    CAPTURE(fault);
    World world = placed(1, 3);
    world.run(500);
    const NodeId bad = world.primary(1);
    if (fault == 0) world.nodes[bad].replicas[1].stalled = true;
    if (fault == 1) world.nodes[bad].replicas[1].role = Role::kFenced;
    for (auto& [id, node] : world.nodes) {
      if (fault == 2 && id != bad) node.replicas[1].hears_leader = false;
    }
    world.run(300);
    CHECK(world.primary(1) != bad);
  }
}

TEST_CASE("cluster core: without a quorum of members nothing is begun") {
  World world = placed(1, 3);
  const NodeId dead = world.primary(1);
  for (auto& [id, node] : world.nodes) node.up = id != dead && id != 13 && node.up;
  world.run(3000);
  CHECK(world.record(1).allocated == 1);
}

TEST_CASE("cluster core: nothing is sent before it is committed") {
  World world = placed(1, 3);
  world.commits = false;
  world.nodes[world.primary(1)].up = false;
  world.sent.clear();
  world.run(600);
  REQUIRE(world.proposal);
  CHECK(std::ranges::none_of(world.sent, [](const Message& message) {
    return std::holds_alternative<Fence>(message.body);
  }));
}

TEST_CASE("cluster core: changes that were under way are finished by the next leader") {
  World world = placed(1, 3);
  const NodeId dead = world.primary(1);
  world.nodes[dead].up = false;
  world.commits = false;
  while (!world.proposal || world.proposal->map.shard(1)->record.allocated == 1) {
    world.run(10);
    if (world.proposal && world.proposal->map.shard(1)->record.allocated == 1) world.commit();
  }
  // Committed, and the leader is gone before it acts on it.
  const ClusterMap map = world.proposal->map;
  world.committed = map;
  world.proposal.reset();
  world.commits = true;
  ClusterCore::Actions actions;
  world.core.resign();
  world.core.lead(map, world.now, &actions);
  world.take(actions);
  world.run(1000);
  CHECK(world.record(1).active.epoch > map.shard(1)->record.allocated);
  CHECK(world.primary(1) != dead);
}

TEST_CASE("cluster core: a member that stays away is replaced by another node") {
  World world = placed(1, 4);
  const View before = world.record(1).active;
  const NodeId gone = before.members[2].node;
  NodeId spare = 0;
  for (const auto& [id, node] : world.nodes) {
    if (!before.has(node.member)) spare = id;
  }
  world.nodes[gone].up = false;
  world.run(29'000);
  CHECK(world.record(1).active.members == before.members);
  world.run(2000);
  const View& after = world.record(1).active;
  CHECK(after.primary == before.primary);
  CHECK(after.has(world.nodes[spare].member));
  CHECK(!after.has(world.nodes[gone].member));
}

TEST_CASE("cluster core: a node with another store takes the place of what it was") {
  World world = placed(1, 3);
  const View before = world.record(1).active;
  const NodeId node = before.members[1].node;
  REQUIRE(before.primary.node != node);
  world.nodes[node].member.store = 0x99;
  world.nodes[node].replicas.clear();
  world.run(1000);
  CHECK(world.record(1).active.has({node, 0x99}));
  CHECK(world.record(1).active.epoch > before.epoch);
}

TEST_CASE("cluster core: a drained node leads nothing; a handover goes where it was told to") {
  World world = placed(2, 3);
  const NodeId node = world.primary(1);
  ClusterCore::Actions actions;
  REQUIRE(world.core.drain(node, true, world.now, &actions).ok());
  world.take(actions);
  world.run(3000);
  CHECK(world.primary(1) != node);
  CHECK(world.primary(2) != node);
  CHECK(world.committed.node(node)->state == NodeState::kDraining);
  const NodeId from = world.primary(2);
  NodeId to = 0;
  for (const auto& [id, each] : world.nodes) {
    if (id != from && id != node) to = id;
  }
  actions.clear();
  REQUIRE(world.core.hand_over(2, to, world.now, &actions).ok());
  world.take(actions);
  world.run(500);
  CHECK(world.primary(2) == to);
  CHECK(!world.core.hand_over(2, to, world.now, &actions).ok());
  CHECK(!world.core.hand_over(9, to, world.now, &actions).ok());
}

TEST_CASE("cluster core: a view is set only by who knows the epoch that holds") {
  World world = placed(1, 3);
  world.run(300);
  const Epoch epoch = world.record(1).active.epoch;
  const NodeId from = world.primary(1);
  const NodeId to = from == 11 ? 12 : 11;
  ClusterCore::Actions actions;
  const auto set = [&](ShardId shard, Epoch expected, NodeId node) {
    return world.core.compare_and_set(shard, expected, node, world.now, &actions);
  };
  CHECK(set(1, epoch + 1, to).code() == Code::kStale);
  CHECK(set(1, epoch - 1, to).message() == "shard 1 is at epoch 1, not 0");
  CHECK(set(2, epoch, to).code() == Code::kNotFound);
  CHECK(set(1, epoch, 99).code() == Code::kInvalid);
  CHECK(set(1, epoch, from).message() == "it is the primary already");
  CHECK(actions.empty());
  world.run(300);
  CHECK(world.record(1).active.epoch == epoch);

  REQUIRE(set(1, epoch, to).ok());
  // Who comes second with the same knowledge is refused, during the change and after it.
  CHECK(set(1, epoch, to).message() == "its view is being changed");
  world.take(actions);
  world.run(500);
  CHECK(world.primary(1) == to);
  CHECK(world.record(1).active.epoch == epoch + 1);
  CHECK(set(1, epoch, from).code() == Code::kStale);
  CHECK(std::ranges::any_of(world.history, [&](const std::string& why) {
    return why.find("an operator set node " + std::to_string(to) + ", expecting epoch 1") !=
           std::string::npos;
  }));
}

TEST_CASE("cluster core: who misses a node is counted") {
  World world = placed(1, 3);
  world.run(300);
  CHECK(world.core.failure_reports(11, world.now) == 0);
  NodeReport gateway;  // without an address: no storage node
  gateway.suspects = {11};
  ClusterCore::Actions actions;
  world.core.report({40, 0}, gateway, world.now, &actions);
  CHECK(world.core.failure_reports(11, world.now) == 1);
  CHECK(world.core.failure_reports(12, world.now) == 0);
  world.nodes[11].up = false;
  world.run(200);
  world.core.report({40, 0}, gateway, world.now, &actions);
  world.run(100);
  CHECK(world.core.failure_reports(11, world.now) == 2);
  world.run(500);  // the gateway was not heard from for so long
  CHECK(world.core.failure_reports(11, world.now) == 1);
}

TEST_CASE("cluster core: can-stop counts the copies that stay") {
  World world = placed(1, 3);
  world.run(300);
  CHECK(world.core.can_stop(11, world.now).ok());
  world.nodes[12].up = false;
  world.run(2000);
  CHECK(world.core.can_stop(11, world.now).message() ==
        "shard 1 would have 1 of the 2 copies that a write needs");
  CHECK(world.core.can_stop(12, world.now).ok());
  CHECK(world.core.can_stop(99, world.now).message() == "no such node");
}

TEST_CASE("cluster core: a node that is gone for good is forgotten, unless it has a copy") {
  World world = placed(1, 4);
  world.run(300);
  const auto forget = [&](NodeId node) {
    ClusterCore::Actions actions;
    const Status done = world.core.forget(node, world.now, &actions);
    world.take(actions);
    world.commit();
    return done.message();
  };
  const auto known = [&](NodeId node) { return world.committed.node(node) != nullptr; };
  CHECK(forget(99) == "no such node");
  NodeId spare = 0, member = 0;
  for (const NodeRecord& node : world.committed.nodes) {
    (world.record(1).active.has({node.id, node.store}) ? member : spare) = node.id;
  }
  CHECK(forget(spare) == "it reports, or did a moment ago: stop it first");
  world.nodes[spare].up = false;
  world.run(900);
  CHECK(forget(spare) == "it reports, or did a moment ago: stop it first");
  world.run(200);
  CHECK(forget(spare).empty());
  CHECK(!known(spare));
  CHECK(world.history.back() == "node " + std::to_string(spare) + " is forgotten");
  world.run(500);
  CHECK(!known(spare));

  world.nodes[member].up = false;
  world.run(1500);
  CHECK(forget(member) == "it is a member of shard 1: another node has to take its place first");
  world.nodes[spare].up = true;  // it comes back, as a new node
  world.run(100);
  CHECK(known(spare));
  world.run(40'000);
  CHECK(world.record(1).active.has(world.nodes[spare].member));
  CHECK(forget(member).empty());
  CHECK(!known(member));
}

TEST_CASE("cluster core: what operators ask is refused while it could not be proposed at once") {
  World world = placed(1, 4);
  world.run(300);
  world.nodes[14].up = false;  // which has no copy
  world.run(1500);
  const NodeId to = world.primary(1) == 11 ? 12 : 11;
  ClusterCore::Actions actions;
  const auto asked = [&] {
    std::vector<std::string> answers;
    for (const Status& status : {world.core.drain(13, true, world.now, &actions),
                                 world.core.forget(14, world.now, &actions),
                                 world.core.fail_over(1, to, world.now, &actions),
                                 world.core.compare_and_set(1, 1, to, world.now, &actions)}) {
      answers.push_back(status.message());
    }
    return answers;
  };
  REQUIRE(world.core.drain(13, false, world.now, &actions).ok());
  world.take(actions);
  REQUIRE(world.proposal);
  actions.clear();
  const std::string refused = "another decision is on its way: try again";
  CHECK(asked() == std::vector<std::string>(4, refused));
  CHECK(actions.empty());
  world.commit();
  CHECK(world.core.forget(14, world.now, &actions).ok());
}

TEST_CASE("cluster core: who leads anew does not bring back what was forgotten") {
  World world = placed(1, 4);
  world.run(300);
  NodeId spare = 0;
  for (const NodeRecord& node : world.committed.nodes) {
    if (!world.record(1).active.has({node.id, node.store})) spare = node.id;
  }
  world.nodes[spare].up = false;
  world.run(5000);
  ClusterMap map = world.committed;  // another coordinator has led, and forgot it
  std::erase_if(map.nodes, [&](const NodeRecord& node) { return node.id == spare; });
  ++map.revision;
  ClusterCore::Actions actions;
  world.core.resign();
  world.core.lead(map, world.now, &actions);
  world.committed = map;
  world.take(actions);
  world.run(2000);
  CHECK(world.committed.node(spare) == nullptr);
}

TEST_CASE("cluster core: views that change too often change slower") {
  World world = placed(1, 3);
  size_t changes = 0;
  Epoch seen = 1;
  for (int i = 0; i < 300; ++i) {
    world.nodes[world.primary(1)].replicas[1].stalled = true;
    world.run(100);
    if (world.record(1).active.epoch != seen) ++changes;
    seen = world.record(1).active.epoch;
    for (auto& [id, node] : world.nodes) node.replicas[1].stalled = false;
  }
  CHECK(changes >= 4);
  CHECK(changes <= 10);
}

TEST_CASE("cluster core: ... but not where the primary's process is gone") {
  World world = placed(1, 3);
  for (int i = 0; i < 12; ++i) {
    CAPTURE(i);
    const NodeId dead = world.primary(1);
    world.nodes[dead].up = false;
    world.core.link_lost(dead, world.now);
    world.run(120);
    CHECK(world.primary(1) != dead);
    world.nodes[dead].up = true;
    world.run(200);
  }
}

}  // namespace holdfast
