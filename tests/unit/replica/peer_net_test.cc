// Links between nodes on a simulated network that cuts, resets, splits and delays; full queues; the
// same over real sockets.
#include "replica/peer_net.h"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/peer_nodes.h"
#include "tests/support/random_messages.h"

namespace holdfast {

using namespace peer_nodes;

TEST_CASE("peer net: messages both ways, each under its member's name") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    TwoNodes two(seed, {.lz4 = seed % 2 == 0});
    REQUIRE(two.meet());
    SeededRandom random(seed);
    RandomMessages messages(random);
    std::multiset<std::string> to_b, to_a, at_a, at_b;
    for (int i = 0; i < 200; ++i) {
      Message there = messages.message(member(1), member(2));
      Message back = messages.message(member(2), member(1));
      to_b.insert(MessageText::of(there));
      to_a.insert(MessageText::of(back));
      CHECK(two.a.peers->send(there) == SendResult::kQueued);
      CHECK(two.b.peers->send(back) == SendResult::kQueued);
      if (i % 50 == 0) two.world.run_for(1);
    }
    REQUIRE(two.world.run_until(
        [&] { return two.a.heard.size() == to_a.size() && two.b.heard.size() == to_b.size(); }));
    for (const Message& message : two.a.heard) at_a.insert(MessageText::of(message));
    for (const Message& message : two.b.heard) at_b.insert(MessageText::of(message));
    CHECK((at_a == to_a));
    CHECK((at_b == to_b));
    CHECK(two.a.peers->link(2)->peer() == member(2));
    CHECK(two.a.changes == "u");
  }
}

TEST_CASE("peer net: only the lower id dials; round trips are measured") {
  TwoNodes two;
  REQUIRE(two.meet());
  two.world.run_for(2000);
  CHECK(two.a.stats(2).connects == 1);
  CHECK(two.b.stats(1).connects == 1);
  for (const PeerStats& stats : {two.a.stats(2), two.b.stats(1)}) {
    CHECK(stats.rtt_us >= 100);
    CHECK(stats.rtt_us <= 5000);
    CHECK(stats.frames_in >= 16);
    CHECK(stats.frames_out >= 16);
    CHECK(stats.bytes_in > stats.frames_in * kFrameHeaderBytes);
  }
}

TEST_CASE("peer net: a node's messages to itself arrive in a later turn") {
  TwoNodes two;
  CHECK(two.a.send(1, Fence{}) == SendResult::kQueued);
  CHECK(two.a.heard.empty());
  two.world.run_for(1);
  REQUIRE(two.a.heard.size() == 1);
  CHECK(two.a.heard[0].from == member(1));
  CHECK(two.a.peers->send({0, 1, member(1), {1, 0x99}, Fence{}}) == SendResult::kOtherMember);
}

TEST_CASE("peer net: the coordinator sends and is sent to by its node") {
  TwoNodes two;
  REQUIRE(two.meet());
  two.a.peers->send({0, 1, kCoordinatorMember, member(2), Fence{}});
  two.b.peers->send_to(1, {0, 1, member(2), kCoordinatorMember, Ready{}});
  two.a.peers->send({0, 1, kCoordinatorMember, member(1), Fence{}});
  two.a.peers->send_to(1, {0, 1, member(1), kCoordinatorMember, Ready{}});
  two.world.run_for(10);
  REQUIRE(two.b.heard.size() == 1);
  CHECK(two.b.heard[0].from == kCoordinatorMember);
  CHECK(two.b.heard[0].to == member(2));
  REQUIRE(two.a.heard.size() == 3);
  for (const Message& message : two.a.heard) {
    const bool fence = std::holds_alternative<Fence>(message.body);
    CHECK((message.from == kCoordinatorMember) == fence);
    CHECK((message.to == kCoordinatorMember) == !fence);
  }
}

TEST_CASE("peer net: a message for a member that is gone, or for nobody") {
  TwoNodes two;
  CHECK(two.a.send(2, Fence{}) == SendResult::kDown);
  REQUIRE(two.meet());
  CHECK(two.a.peers->send({0, 1, member(1), {2, 0x99}, Fence{}}) == SendResult::kOtherMember);
  CHECK(two.a.peers->send({0, 1, member(1), {2, 0}, Fence{}}) == SendResult::kQueued);
  CHECK(two.a.send(7, Fence{}) == SendResult::kDown);
  CHECK(two.a.stats(2).dropped_member == 1);
  CHECK(two.a.stats(2).dropped_down == 1);
}

TEST_CASE("peer net: Prepares keep their order, whatever the network does") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    TwoNodes two(seed, {.ping_ms = 20, .silence_ms = 100, .handshake_ms = 100});
    SeededRandom random(seed * 7);
    Seq next = 1;
    for (int step = 0; step < 300; ++step) {
      switch (random.below(12)) {
        case 0:
          two.world.net.reset(host(1), host(2));
          break;
        case 1:
          random.one_in(2) ? two.world.net.cut_one_way(host(1), host(2))
                           : two.world.net.cut_one_way(host(2), host(1));
          break;
        case 2:
        case 3:
          two.world.net.heal_all();
          break;
        default:
          two.a.send(2, prepare(next++, random.below(30'000)));
          two.a.send(2, Heartbeat{1, 1});
      }
      two.world.run_for(static_cast<int64_t>(random.below(20)));
    }
    two.world.net.heal_all();
    REQUIRE(two.world.run_until([&] { return two.a.up(2) && two.b.up(1); }));
    const Seq last = next++;
    REQUIRE(two.world.run_until([&] {
      const auto seqs = two.b.prepared();
      if (!seqs.empty() && seqs.back() == last) return true;
      if (two.a.peers->link(2)->queued_bytes() == 0) two.a.send(2, prepare(last));
      return false;
    }));
    const auto seqs = two.b.prepared();
    CHECK(seqs.size() > 20);
    // Later ones may repeat only the last.
    for (size_t i = 1; i < seqs.size(); ++i) CHECK((seqs[i] > seqs[i - 1] || seqs[i] == last));
  }
}

TEST_CASE("peer net: a cut link goes down on both sides, and comes back when it is healed") {
  TwoNodes two;
  REQUIRE(two.meet());
  two.world.net.cut(host(1), host(2));
  two.world.run_for(1500);
  CHECK(two.a.up(2));
  two.world.run_for(1500);
  CHECK(!two.a.up(2));
  CHECK(!two.b.up(1));
  CHECK(two.a.send(2, Fence{}) == SendResult::kDown);
  two.world.run_for(20'000);
  two.world.net.heal_all();
  CHECK(two.world.run_until([&] { return two.a.up(2) && two.b.up(1); }, 3200));
  CHECK(two.a.changes == "udu");
}

TEST_CASE("peer net: after a reset the link is back within a few tries") {
  TwoNodes two;
  REQUIRE(two.meet());
  two.world.run_for(500);
  two.world.net.reset(host(1), host(2));
  two.world.run_for(1);
  CHECK(!two.a.up(2));
  CHECK(two.world.run_until([&] { return two.a.up(2) && two.b.up(1); }, 50));
}

TEST_CASE("peer net: a node that comes back with another store") {
  TwoNodes two;
  auto third = std::make_unique<Node>(two.world, identity(3));
  third->peers->set_peer(1, address(1));
  two.a.peers->set_peer(3, address(3), 0x53);
  REQUIRE(two.world.run_until([&] { return two.a.up(3); }));
  third.reset();
  LinkIdentity wiped = identity(3);
  wiped.self.store = 0x99;
  third = std::make_unique<Node>(two.world, wiped);
  third->peers->set_peer(1, address(1));
  two.world.run_for(5000);
  CHECK(!two.a.up(3));
  two.a.peers->set_peer(3, address(3), 0x99);
  CHECK(two.world.run_until([&] { return two.a.up(3); }));
  CHECK(two.a.peers->link(3)->peer() == Member{3, 0x99});
}

TEST_CASE("peer net: a restarted node replaces its old connection") {
  TwoNodes two;
  auto zero = std::make_unique<Node>(two.world, identity(3));
  two.a.peers->remove_peer(2);
  two.b.peers->set_peer(3, address(3));
  zero->peers->set_peer(2, address(2));
  REQUIRE(two.world.run_until([&] { return two.b.up(3) && zero->up(2); }));
  two.world.net.power_off(host(2));
  two.world.run_for(10);
  CHECK(zero->up(2));
  two.world.net.power_on(host(2));
  // b's host knows its old connections no more; b itself dials anew when it finds out.
  CHECK(two.world.run_until([&] { return zero->stats(2).connects == 2 && zero->up(2); }));
  CHECK(zero->changes == "udu");
}

TEST_CASE("peer net: removing a peer from inside a callback") {
  TwoNodes two;
  REQUIRE(two.meet());
  two.b.on_message = [&](const Message&) {
    two.b.peers->remove_peer(1);
    CHECK(two.b.send(1, Ready{}) == SendResult::kDown);
  };
  for (int i = 0; i < 10; ++i) two.a.send(2, Heartbeat{1, 1});
  two.world.run_for(3000);
  CHECK(two.b.heard.size() == 1);
  CHECK(!two.a.up(2));
  CHECK(two.b.changes == "ud");
  CHECK(two.b.peers->nodes().empty());
}

TEST_CASE(
    "peer net: a full queue refuses bulk, lets urgent messages pass, and tells when it drains") {
  TwoNodes two(1, {.max_queue_bytes = 1 << 20});
  REQUIRE(two.meet());
  const PeerLink& link = *two.a.peers->link(2);
  CHECK(link.writable_bytes() == 1 << 20);
  Seq seq = 0;
  while (two.a.send(2, prepare(++seq, 100'000)) == SendResult::kQueued) CHECK(seq < 100);
  CHECK(seq == 11);
  CHECK(link.queued_bytes() <= 1 << 20);
  CHECK(link.writable_bytes() < 100'100);
  CHECK(two.a.stats(2).dropped_full == 1);
  CHECK(two.a.send(2, Heartbeat{1, 1}) == SendResult::kQueued);
  two.world.run_for(2000);
  CHECK(two.a.drained == 1);
  CHECK(link.queued_bytes() == 0);
  CHECK(two.b.prepared().size() == 10);
  // The heartbeat overtook all but what was on its way.
  CHECK(std::holds_alternative<Heartbeat>(two.b.heard[0].body));
}

TEST_CASE("peer net: one message larger than the queue passes; heartbeats are not behind it") {
  TwoNodes two(1, {.max_queue_bytes = 1 << 20});
  REQUIRE(two.meet());
  CHECK(two.a.send(2, prepare(1, 20 << 20)) == SendResult::kQueued);
  CHECK(two.a.send(2, prepare(2, 1)) == SendResult::kFull);
  for (int i = 0; i < 20; ++i) {
    two.a.send(2, Heartbeat{1, 1});
    two.world.run_for(3);
  }
  CHECK(two.b.heard.size() > 10);
  CHECK(two.b.prepared().empty());
  REQUIRE(two.world.run_until([&] { return two.b.prepared().size() == 1; }));
  for (const Message& message : two.b.heard) {
    if (const auto* big = std::get_if<Prepare>(&message.body))
      CHECK(big->entries->size() == 20 << 20);
  }
}

TEST_CASE("peer net: over real sockets, a heartbeat overtakes a large message") {
  Quiet quiet;
  RealWorld world;
  SeededRandom random(1);
  std::vector<Message> heard[2];
  std::unique_ptr<PeerNet> nodes[2];
  for (NodeId id : {1u, 2u}) {
    PeerHooks hooks;
    hooks.on_message = [&heard, id](Message message) {
      heard[id - 1].push_back(std::move(message));
    };
    hooks.on_link = [](Member, bool) {};
    hooks.on_drained = [](NodeId) {};
    auto& node = nodes[id - 1];
    node =
        std::make_unique<PeerNet>(world.reactor, world.net, random, identity(id),
                                  PeerOptions{.silence_ms = 20'000, .handshake_ms = 20'000}, hooks);
    REQUIRE(node->listen(Address::tcp("127.0.0.1", 0)).ok());
  }
  nodes[0]->set_peer(2, nodes[1]->address());
  nodes[1]->set_peer(1, nodes[0]->address());
  REQUIRE(world.run_until([&] { return nodes[0]->link(2)->up() && nodes[1]->link(1)->up(); }));
  CHECK(nodes[0]->send({0, 1, member(1), member(2), prepare(1, 40 << 20)}) == SendResult::kQueued);
  REQUIRE(world.run_until([&] { return nodes[0]->link(2)->stats().bytes_out > 1 << 20; }));
  CHECK(nodes[0]->send({0, 1, member(1), member(2), Heartbeat{1, 1}}) == SendResult::kQueued);
  CHECK(nodes[1]->send({0, 1, member(2), member(1), HeartbeatOk{1, 1, 1}}) == SendResult::kQueued);
  REQUIRE(world.run_until([&] { return heard[1].size() == 2 && heard[0].size() == 1; }, 60'000));
  CHECK(std::holds_alternative<Heartbeat>(heard[1][0].body));
  CHECK(std::get<Prepare>(heard[1][1].body).entries->size() == 40 << 20);
}

TEST_CASE("peer net: a node that computes says so, and is not given up meanwhile") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    TwoNodes two(seed, {.ping_ms = 100, .silence_ms = 300});
    REQUIRE(two.meet());
    const auto stand_still = [&](bool says_so) {
      two.a.reactor.pause_for(1'000'000'000);
      two.world.net.pause(host(1), 1'000'000'000);
      for (Seq i = 1; i <= 20; ++i) {
        if (says_so) two.a.peers->say_busy();
        if (i <= 3) two.b.send(1, prepare(i, 1 << 20));
        two.world.run_for(50);
      }
    };
    stand_still(true);
    CHECK(two.a.changes == "u");
    CHECK(two.b.changes == "u");
    CHECK(two.b.heard.size() >= 10);  // parts of them may have waited
    for (const Message& message : two.b.heard) {
      CHECK(message.from == member(1));
      CHECK(std::get<Busy>(message.body).node == 1);
    }
    // What it was sent meanwhile is there, and so is what it sends after.
    CHECK(two.world.run_until([&] { return two.a.prepared().size() == 3; }));
    two.a.send(2, Heartbeat{1, 1});
    two.world.run_for(20);
    CHECK(std::holds_alternative<Heartbeat>(two.b.heard.back().body));
    stand_still(false);
    CHECK(two.b.changes != "u");
  }
}

TEST_CASE("peer net: what it says of being busy waits for what is half written") {
  TwoNodes two;
  REQUIRE(two.meet());
  two.world.net.pause(host(2), 1'000'000'000);
  CHECK(two.a.send(2, prepare(1, 20 << 20)) == SendResult::kQueued);
  two.a.peers->flush();
  for (int i = 0; i < 3; ++i) two.a.peers->say_busy();
  REQUIRE(two.world.run_until([&] { return two.b.prepared().size() == 1; }));
  CHECK(two.b.heard.size() == 1);
  CHECK(two.b.changes == "u");
}

TEST_CASE("peer net: over real sockets, a busy node's word comes from another thread") {
  Quiet quiet;
  RealWorld world;
  SeededRandom random(1);
  size_t busy = 0, beats = 0;
  std::unique_ptr<PeerNet> nodes[2];
  for (NodeId id : {1u, 2u}) {
    PeerHooks hooks;
    hooks.on_message = [&](const Message& message) {
      busy += std::holds_alternative<Busy>(message.body);
      beats += std::holds_alternative<Heartbeat>(message.body);
    };
    hooks.on_link = [](Member, bool) {};
    hooks.on_drained = [](NodeId) {};
    nodes[id - 1] = std::make_unique<PeerNet>(world.reactor, world.net, random, identity(id),
                                              PeerOptions{}, hooks);
    REQUIRE(nodes[id - 1]->listen(Address::tcp("127.0.0.1", 0)).ok());
  }
  std::atomic<bool> stop{false};
  std::thread teller([&] {
    while (!stop) nodes[0]->say_busy();
  });
  nodes[0]->set_peer(2, nodes[1]->address());
  nodes[1]->set_peer(1, nodes[0]->address());
  CHECK(world.run_until([&] { return nodes[0]->link(2)->up() && nodes[1]->link(1)->up(); }));
  size_t sent = 0;
  CHECK(world.run_until([&] {
    sent += nodes[0]->send({0, 1, member(1), member(2), Heartbeat{1, 1}}) == SendResult::kQueued;
    return beats > 500 && busy > 500;
  }));
  nodes[0]->remove_peer(2);
  stop = true;
  teller.join();
  CHECK(beats <= sent);
}

TEST_CASE("peer net: nodes that are not known may connect where that is said, and are known then") {
  const Quiet quiet;
  SimWorld world(1);
  Node a(world, identity(1)), b(world, identity(2)), stranger(world, identity(3, "a guess"));
  b.peers->set_peer(1, address(1), 0, Dial::kWe);  // although its id is higher
  stranger.peers->set_peer(1, address(1), 0, Dial::kWe);
  world.reactor.run_for(3000);
  CHECK(a.peers->nodes().empty());  // it has not said so
  CHECK(!b.up(1));
  a.peers->accept_unknown();
  CHECK(world.run_until([&] { return a.up(2) && b.up(1); }));
  CHECK(a.peers->nodes() == std::vector<NodeId>{2});
  CHECK(a.send(2, prepare(7)) == SendResult::kQueued);
  CHECK(world.run_until([&] { return b.prepared() == std::vector<Seq>{7}; }));
  world.reactor.run_for(3000);
  CHECK(!stranger.up(1));  // without the secret
  // It never dials one of these: it does not know where they are.
  world.net.reset(host(1), host(2));
  CHECK(world.run_until([&] { return a.changes == "udu"; }));
}

TEST_CASE(
    "peer net: who was silent for long is dialled at once when somebody says that it is there") {
  const Quiet quiet;
  SimWorld world(1);
  Node a(world, identity(1));
  a.peers->set_peer(2, address(2));
  world.reactor.run_for(20'000);  // attempts are a second apart by now
  Node b(world, identity(2));
  b.peers->set_peer(1, address(1));
  a.peers->hurry(2);
  world.reactor.run_for(10);
  CHECK(a.up(2));
  CHECK(b.up(1));
}

TEST_CASE("peer net: the same seed gives the same run") {
  const auto run = [](uint64_t seed) {
    TwoNodes two(seed);
    two.meet();
    for (Seq seq = 1; seq < 50; ++seq) {
      two.a.send(2, prepare(seq, 1000));
      if (seq % 10 == 0) two.world.net.reset(host(1), host(2));
      two.world.run_for(7);
    }
    return two.world.reactor.trace_hash();
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}

}  // namespace holdfast
