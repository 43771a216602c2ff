// What only the simulated network has: repeatable runs, and links that can be cut.
#include "base/sim/sim_net.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>

#include "tests/support/stream_ends.h"
#include "tests/support/worlds.h"

namespace holdfast {
namespace {

// Two hosts and one connection between them.
struct Pair {
  explicit Pair(uint64_t seed = 1) : world(seed) {
    client = connect_to(*a, server.address());
    REQUIRE(world.run_until([&] { return client->connected && server.ends.size() == 1; }));
  }
  Peer& far() { return *server.ends[0]; }

  SimWorld world;
  std::unique_ptr<Net> a = world.net.at("10.0.0.1");
  std::unique_ptr<Net> b = world.net.at("10.0.0.2");
  Server<Peer> server{*b, Address::tcp("0.0.0.0", 7000)};
  std::unique_ptr<Peer> client;
};

// A lively run: several clients, echo, closes in the middle.
uint64_t run_traffic(uint64_t seed) {
  SimWorld world(seed);
  Server<Echo> server(world.net, Address::tcp("127.0.0.1", 0));
  std::vector<std::unique_ptr<Peer>> clients;
  for (int i = 0; i < 5; ++i) {
    clients.push_back(connect_to(world.net, server.address()));
    clients.back()->send(pattern_bytes(20'000));
  }
  world.run_for(3);
  clients[2].reset();
  world.run_for(1000);
  for (const auto& client : clients) CHECK((!client || client->received.size() == 20'000));
  return world.reactor.trace_hash();
}

}  // namespace

TEST_CASE("sim net: the same seed gives the same run, another seed another run") {
  std::set<uint64_t> hashes;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const uint64_t hash = run_traffic(seed);
    CHECK(hash == run_traffic(seed));
    hashes.insert(hash);
  }
  CHECK(hashes.size() == 10);
}

TEST_CASE("sim net: bytes keep their order under every seed") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Pair pair(seed);
    const std::string bytes = pattern_bytes(200'000);
    pair.client->send(bytes);
    REQUIRE(pair.world.run_until([&] { return pair.far().received.size() == bytes.size(); }));
    CHECK((pair.far().received == bytes));
  }
}

TEST_CASE("sim net: hosts have addresses, and ports of their own") {
  Pair pair;
  CHECK(pair.client->conn->local().host == "10.0.0.1");
  CHECK(pair.client->conn->peer().to_string() == "10.0.0.2:7000");
  CHECK(pair.far().conn->peer().host == "10.0.0.1");
  CHECK(!pair.far().conn->peer().is_loopback());
  Server<Peer> same_port(*pair.a, Address::tcp("10.0.0.1", 7000));
  CHECK(!pair.a->listen(Address::tcp("10.0.0.9", 7000), {}, [](auto) {}).ok());
}

TEST_CASE("sim net: a cut link holds everything back until it is healed") {
  Pair pair;
  pair.world.net.cut("10.0.0.1", "10.0.0.2");
  pair.client->send("one");
  pair.far().send("two");
  pair.world.run_for(5000);
  CHECK(pair.far().received.empty());
  CHECK(pair.client->received.empty());
  pair.server.ends.erase(pair.server.ends.begin());  // its end waits as well
  pair.world.run_for(1000);
  CHECK(!pair.client->closed);
  pair.world.net.heal("10.0.0.1", "10.0.0.2");
  REQUIRE(pair.world.run_until([&] { return pair.client->closed; }));
  CHECK(pair.client->received == "two");
}

TEST_CASE("sim net: a link cut one way") {
  Pair pair;
  pair.world.net.cut_one_way("10.0.0.1", "10.0.0.2");
  pair.client->send("one");
  pair.far().send("two");
  pair.world.run_for(1000);
  CHECK(pair.far().received.empty());
  CHECK(pair.client->received == "two");
  pair.world.net.heal_all();
  CHECK(pair.world.run_until([&] { return pair.far().received == "one"; }));
}

TEST_CASE("sim net: a connect over a cut link waits, then fails") {
  Pair pair;
  pair.world.net.cut("10.0.0.1", "10.0.0.2");
  auto patient = connect_to(*pair.a, pair.server.address());
  pair.world.run_for(3000);
  CHECK(!patient->connected);
  pair.world.net.heal_all();
  CHECK(pair.world.run_until([&] { return patient->connected; }));

  pair.world.net.cut("10.0.0.1", "10.0.0.2");
  auto hopeless = connect_to(*pair.a, pair.server.address());
  pair.world.run_for(4000);
  CHECK(!hopeless->closed);
  pair.world.run_for(3000);
  CHECK(hopeless->closed);
  CHECK(!hopeless->connected);
}

TEST_CASE("sim net: reset ends both sides") {
  Pair pair;
  pair.client->send("lost?");
  pair.world.net.reset("10.0.0.2", "10.0.0.1");
  REQUIRE(pair.world.run_until([&] { return pair.client->closed && pair.far().closed; }));
  CHECK(pair.far().received.empty());
  pair.client->send("x");
  CHECK(pair.client->broken);
}

TEST_CASE("sim net: a host without power says nothing; back, it resets what it does not know") {
  Pair pair;
  pair.world.net.power_off("10.0.0.2");
  pair.client->send("anyone?");
  pair.world.run_for(10'000);
  CHECK(!pair.client->closed);
  CHECK(pair.far().received.empty());
  pair.server.ends.clear();  // the process is gone too: still no word
  pair.world.run_for(1000);
  CHECK(!pair.client->closed);
  pair.world.net.power_on("10.0.0.2");
  CHECK(pair.world.run_until([&] { return pair.client->closed; }));
}

TEST_CASE("sim net: closing with unread bytes is a reset; the other side still ends") {
  int lost = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Pair pair(seed);
    pair.far().conn->want_read(false);
    pair.client->send("never read");
    pair.world.run_for(10);
    pair.far().send(std::string(1000, 'x'));
    pair.server.ends.clear();
    REQUIRE(pair.world.run_until([&] { return pair.client->closed; }));
    if (pair.client->received.size() < 1000) ++lost;
  }
  CHECK(lost > 0);
  CHECK(lost < 40);
}

}  // namespace holdfast
