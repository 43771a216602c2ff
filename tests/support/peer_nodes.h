// Nodes with links to each other on a simulated network; each keeps what it hears.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "replica/peer_net.h"
#include "tests/support/worlds.h"

namespace holdfast::peer_nodes {

inline constexpr uint64_t kCluster = 0xc1;
inline constexpr uint16_t kPort = 7000;

inline std::string host(NodeId id) { return "10.0.0." + std::to_string(id); }
inline Address address(NodeId id) { return Address::tcp(host(id), kPort); }
inline Member member(NodeId id) { return {id, 0x50 + id}; }
inline LinkIdentity identity(NodeId id, const std::string& secret = "s3cret") {
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
    return peers->send({0, 1, member(id), member(to), std::move(body)});
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

inline Prepare prepare(Seq seq, size_t bytes = 10) {
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

}  // namespace holdfast::peer_nodes
