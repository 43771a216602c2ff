// Who else connects to a node: wrong secrets, other clusters, garbage, half frames, silence,
// readers that do not read. None of them gets a link, keeps a link open, or costs more than its
// limit.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/peer_nodes.h"
#include "tests/support/stream_ends.h"

namespace holdfast {

using namespace peer_nodes;

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

TEST_CASE("peer strangers: who is refused hears why and gets no link") {
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

TEST_CASE("peer strangers: garbage, half a handshake, and silence are closed in time") {
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

TEST_CASE("peer strangers: many who only connect do not keep a node out") {
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

TEST_CASE(
    "peer strangers: behind the handshake, a broken or incomplete frame ends the connection") {
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
    const Payload payload = encode_message({0, 1, member(1), member(2), prepare(1, 1000)});
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

TEST_CASE(
    "peer strangers: a peer that does not read is given up, and costs no more than the queue") {
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

}  // namespace holdfast
