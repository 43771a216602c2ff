// Links between nodes on a simulated network that cuts, resets, splits and delays; full queues; and
// others who knock: wrong secrets, other clusters, garbage, half frames, readers that do not read.
#include "replica/peer_net.h"

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "tests/support/random_messages.h"
#include "tests/support/stream_ends.h"
#include "tests/support/worlds.h"

namespace holdfast {
namespace {

constexpr uint64_t kCluster = 0xc1;
constexpr uint16_t kPort = 7000;

std::string host(NodeId id) { return "10.0.0." + std::to_string(id); }
Address address(NodeId id) { return Address::tcp(host(id), kPort); }
Member member(NodeId id) { return {id, 0x50 + id}; }
LinkIdentity identity(NodeId id, const std::string& secret = "s3cret") {
  return {kCluster, member(id), LinkRole::kReplica, 0, secret};
}

// A node that keeps what it hears.
struct Node {
  Node(SimWorld& world, const LinkIdentity& self, const PeerOptions& options = {})
      : id(self.self.node), net(world.net.at(host(id))), reactor(world.reactor) {
    PeerHooks hooks;
    hooks.on_message = [this](Message message) {
      if (on_message) on_message(message);
      heard.push_back(std::move(message));
    };
    hooks.on_link = [this](Member peer, bool up) {
      CHECK(links[peer.node] != up);
      links[peer.node] = up;
      changes += up ? 'u' : 'd';
    };
    hooks.on_drained = [this](NodeId) { ++drained; };
    const auto nonce = [&world] {
      Handshake::Nonce made;
      for (char& c : made) c = static_cast<char>(world.random.next());
      return made;
    };
    peers = std::make_unique<PeerNet>(reactor, *net, world.random, self, options, hooks, nonce);
    REQUIRE(peers->listen(Address::tcp("0.0.0.0", kPort)).ok());
  }

  bool up(NodeId other) { return links[other]; }
  const PeerStats& stats(NodeId other) { return peers->link(other)->stats(); }
  SendResult send(NodeId to, MessageBody body) {
    return peers->send({0, 1, {}, member(to), std::move(body)});
  }
  // The seqs of all Prepares heard.
  std::vector<Seq> prepared() const {
    std::vector<Seq> seqs;
    for (const Message& message : heard) {
      if (const auto* prepare = std::get_if<Prepare>(&message.body)) {
        seqs.push_back(prepare->previous.seq);
      }
    }
    return seqs;
  }

  NodeId id;
  std::unique_ptr<Net> net;
  SimNodeReactor reactor;
  std::vector<Message> heard;
  std::map<NodeId, bool> links;
  std::string changes;
  int drained = 0;
  std::function<void(const Message&)> on_message;
  std::unique_ptr<PeerNet> peers;
};

Prepare prepare(Seq seq, size_t bytes = 10) {
  return {{1, seq, 0}, std::make_shared<const std::string>(bytes, 'e'), 0};
}

struct Quiet {
  Quiet() { set_log_level(LogLevel::kOff); }
  ~Quiet() { set_log_level(LogLevel::kInfo); }
};

// Nodes 1 and 2, each knows the other.
struct TwoNodes : Quiet {
  explicit TwoNodes(uint64_t seed = 1, const PeerOptions& options = {}, SimNetOptions net = {})
      : world(seed, net), a(world, identity(1), options), b(world, identity(2), options) {
    a.peers->set_peer(2, address(2));
    b.peers->set_peer(1, address(1));
  }
  bool meet() {
    return world.run_until([this] { return a.up(2) && b.up(1); });
  }

  SimWorld world;
  Node a, b;
};

}  // namespace

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
      there.from = back.from = {};
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
  CHECK(two.a.peers->send({0, 1, {}, {1, 0x99}, Fence{}}) == SendResult::kOtherMember);
}

TEST_CASE("peer net: a message for a member that is gone, or for nobody") {
  TwoNodes two;
  CHECK(two.a.send(2, Fence{}) == SendResult::kDown);
  REQUIRE(two.meet());
  CHECK(two.a.peers->send({0, 1, {}, {2, 0x99}, Fence{}}) == SendResult::kOtherMember);
  CHECK(two.a.peers->send({0, 1, {}, {2, 0}, Fence{}}) == SendResult::kQueued);
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

// --- others ---

namespace {

// One who knows the protocol and does what it wants behind the handshake.
struct Stranger : Quiet {
  explicit Stranger(SimWorld& world, const LinkIdentity& self, Member wanted)
      : net(world.net.at("10.0.9.9")),
        handshake(Handshake::dial(self, wanted, Handshake::Nonce{})) {
    end = connect_to(*net, address(wanted.node));
    end->send(handshake.take_output());
    world.run_until(
        [this] {
          const std::string bytes = std::exchange(end->received, {});
          handshake.feed(bytes);  // what comes behind the handshake it does not care for
          return handshake.state() != Handshake::State::kRunning || end->closed;
        },
        1000);
    end->send(handshake.take_output());
  }
  std::unique_ptr<Net> net;
  Handshake handshake;
  std::unique_ptr<Peer> end;
};

}  // namespace

TEST_CASE("peer net: who is refused hears why and gets no link") {
  SimWorld world;
  Quiet quiet;
  Node node(world, identity(2));
  node.peers->set_peer(1, address(1), 0x51);
  const auto refusal = [&](const LinkIdentity& self, Member wanted = {2, 0}) {
    Stranger stranger(world, self, wanted);
    world.run_for(100);
    CHECK(stranger.end->closed);
    REQUIRE(stranger.handshake.state() == Handshake::State::kRefused);
    return stranger.handshake.refusal();
  };
  LinkIdentity other_cluster = identity(1);
  other_cluster.cluster = 9;
  LinkIdentity other_store = identity(1);
  other_store.self.store = 9;
  CHECK(refusal(identity(1, "guess")) == Refusal::kWrongSecret);
  CHECK(refusal(identity(1, "")) == Refusal::kSecretMissing);
  CHECK(refusal(other_cluster) == Refusal::kOtherCluster);
  CHECK(refusal(other_store) == Refusal::kChangedStore);
  CHECK(refusal(identity(5)) == Refusal::kUnknownNode);
  CHECK(refusal(identity(2)) == Refusal::kSelf);
  CHECK(refusal(identity(1), {2, 77}) == Refusal::kOtherStore);
  CHECK(node.changes.empty());
  Stranger welcome(world, identity(1), {2, 0});
  world.run_for(100);
  CHECK(node.changes == "u");
}

TEST_CASE("peer net: garbage, half a handshake, and silence are closed in time") {
  SimWorld world;
  Quiet quiet;
  Node node(world, identity(2));
  node.peers->set_peer(1, address(1));
  const auto net = world.net.at("10.0.9.9");
  auto garbage = connect_to(*net, address(2));
  garbage->send("GET / HTTP/1.1\r\nHost: x\r\n\r\n012345678901234567890");
  Handshake half = Handshake::dial(identity(1), {2, 0}, {});
  auto slow = connect_to(*net, address(2));
  slow->send(half.take_output().substr(0, 40));
  auto silent = connect_to(*net, address(2));
  world.run_for(100);
  CHECK(garbage->closed);
  CHECK(!slow->closed);
  world.run_for(2500);
  CHECK(slow->closed);
  CHECK(silent->closed);
  CHECK(node.changes.empty());
}

TEST_CASE("peer net: many who only connect do not keep a node out") {
  SimWorld world;
  Quiet quiet;
  Node node(world, identity(2));
  node.peers->set_peer(1, address(1));
  const auto net = world.net.at("10.0.9.9");
  std::vector<std::unique_ptr<Peer>> crowd;
  for (int i = 0; i < 200; ++i) crowd.push_back(connect_to(*net, address(2)));
  world.run_for(10);
  Stranger welcome(world, identity(1), {2, 0});
  world.run_for(10);
  CHECK(node.up(1));
}

TEST_CASE("peer net: behind the handshake, a broken or incomplete frame ends the connection") {
  for (const bool garbage : {false, true}) {
    SimWorld world;
    Quiet quiet;
    Node node(world, identity(2));
    node.peers->set_peer(1, address(1));
    Stranger stranger(world, identity(1), {2, 0});
    REQUIRE(stranger.handshake.state() == Handshake::State::kDone);
    world.run_for(50);
    CHECK(node.up(1));
    Encoder encoder(stranger.handshake.session());
    const Payload payload = encode_message({0, 1, {}, {}, prepare(1, 1000)});
    size_t sent = 0;
    std::string frame = encoder.next(payload, &sent).flat();
    if (garbage) frame[500] ^= 1;
    stranger.end->send(garbage ? frame : frame.substr(0, 500));
    world.run_for(garbage ? 50 : 1000);
    CHECK(node.up(1) != garbage);
    world.run_for(3000);
    CHECK(!node.up(1));
    CHECK(stranger.end->closed);
    CHECK(node.heard.empty());
  }
}

TEST_CASE("peer net: a peer that does not read is given up, and costs no more than the queue") {
  SimWorld world;
  Quiet quiet;
  Node node(world, identity(2), {.max_queue_bytes = 1 << 20});
  node.peers->set_peer(1, address(1));
  Stranger stranger(world, identity(1), {2, 0});
  stranger.end->conn->want_read(false);
  world.run_for(50);
  REQUIRE(node.up(1));
  Encoder encoder(stranger.handshake.session());
  for (int i = 0; i < 100 && node.up(1); ++i) {
    while (node.send(1, prepare(1, 10'000)) == SendResult::kQueued) continue;
    for (int j = 0; j < 1000; ++j) node.send(1, Heartbeat{UINT64_MAX, UINT64_MAX});
    CHECK(node.peers->link(1)->queued_bytes() < (2 << 20) + (300 << 10));
    stranger.end->send(encoder.ping(FrameType::kPing, 1).flat());  // it is alive
    world.run_for(100);
  }
  CHECK(!node.up(1));
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
