// Client-side caching: when clients are told, when that leaves, and the bounds of what is kept.
// (tests/integration/pubsub_test.py compares whole conversations with redis-server.)
#include "resp/tracking.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "resp/server.h"
#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

TestClient& cacher(CommandFixture& f, std::vector<std::string> options = {}) {
  TestClient& client = f.connect();
  REQUIRE(client.run({"HELLO", "3"})[0] == '%');
  options.insert(options.begin(), {"CLIENT", "TRACKING", "ON"});
  REQUIRE(client.run(options) == "+OK\r\n");
  return client;
}

std::string invalid(const std::vector<std::string>& keys) {
  std::string out = ">2\r\n$10\r\ninvalidate\r\n*" + std::to_string(keys.size()) + "\r\n";
  for (const std::string& key : keys) {
    out += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
  }
  return out;
}

const std::string kAllInvalid = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

}  // namespace

TEST_CASE("tracking: ids, few and many") {
  ClientIds ids;
  for (uint64_t id = 1; id <= 100; ++id) {
    CHECK(ids.insert(id * 7));
    CHECK_FALSE(ids.insert(id * 7));
    CHECK_FALSE(ids.insert(7));
    CHECK(ids.size() == id);
  }
  std::set<uint64_t> seen;
  ids.visit([&seen](uint64_t id) { seen.insert(id); });
  CHECK(seen.size() == 100);
  CHECK(*seen.rbegin() == 700);
}

TEST_CASE("tracking: an invalidation leaves when the change is committed") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine* engine = scripted.get();
  CommandFixture f({}, std::move(scripted));
  TestClient& client = cacher(f);
  TestClient& broadcast = cacher(f, {"BCAST"});
  TestClient& writer = f.connect();
  REQUIRE(client.run({"GET", "k"}) == "_\r\n");
  engine->hold();
  writer.send({"SET", "k", "v"});
  CHECK(client.received(500).empty());
  CHECK(broadcast.received().empty());
  client.send({"GET", "k"});
  CHECK(client.received(50).empty());
  f.reactor().post([engine] { engine->release_all(); });
  CHECK(client.received() == invalid({"k"}) + "$1\r\nv\r\n");
  CHECK(broadcast.received() == invalid({"k"}));
}

TEST_CASE("tracking: an expired key is invalid, found by a client or by the clock") {
  for (const bool by_clock : {false, true}) {
    CAPTURE(by_clock);
    CommandFixture f;
    if (!by_clock) REQUIRE(f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}) == "+OK\r\n");
    TestClient& client = cacher(f);
    TestClient& broadcast = cacher(f, {"BCAST", "NOLOOP"});
    f.run({"SET", "k", "v", "PX", "100"});
    broadcast.received();
    REQUIRE(client.run({"GET", "k"}) == "$1\r\nv\r\n");
    f.advance_ms(500);
    if (!by_clock) REQUIRE(f.run({"GET", "k"}) == "$-1\r\n");
    CHECK(client.received() == invalid({"k"}));
    CHECK(broadcast.received() == invalid({"k"}));
  }
}

TEST_CASE("tracking: databases that are swapped make everything invalid") {
  CommandFixture f;
  TestClient& client = cacher(f);
  f.run({"SET", "k", "v"});
  REQUIRE(client.run({"GET", "k"}) == "$1\r\nv\r\n");
  f.run({"SWAPDB", "0", "0"});
  CHECK(client.received().empty());
  f.run({"SWAPDB", "0", "1"});
  CHECK(client.received() == kAllInvalid);
}

TEST_CASE("tracking: the table is bounded; the keys remembered longest go first") {
  CommandFixture f([](Options& o) { o.tracking_table_max_keys = 3; });
  TestClient& client = cacher(f);
  REQUIRE(client.run({"MGET", "a", "b", "c"})[0] == '*');
  CHECK(client.received().empty());
  CHECK(client.run({"GET", "d"}) == "_\r\n");
  CHECK(client.received() == invalid({"a"}));
  CHECK(f.server().tracking().key_count() == 3);
  f.run({"CONFIG", "SET", "tracking-table-max-keys", "1"});
  CHECK(client.received() == invalid({"b"}) + invalid({"c"}));
  f.run({"CONFIG", "SET", "tracking-table-max-keys", "0"});
  for (int i = 0; i < 500; ++i) client.run({"GET", std::to_string(i)});
  CHECK(f.server().tracking().key_count() == 501);
  CHECK(client.received().empty());
}

TEST_CASE("tracking: what INFO and CLIENT LIST tell") {
  CommandFixture f;
  const auto has = [&f](const std::string& part) {
    return f.run({"INFO", "everything"}).find("\r\n" + part + "\r\n") != std::string::npos;
  };
  TestClient& one = cacher(f);
  TestClient& two = cacher(f);
  cacher(f, {"BCAST", "PREFIX", "a", "PREFIX", "b"});
  one.run({"MGET", "x", "y"});
  two.run({"GET", "x"});
  CHECK(has("tracking_clients:3"));
  CHECK(has("tracking_total_keys:2"));
  CHECK(has("tracking_total_items:3"));
  CHECK(has("tracking_total_prefixes:2"));
  const std::string lines = f.run({"CLIENT", "LIST"});
  CHECK(lines.find(" flags=t ") != std::string::npos);
  CHECK(lines.find(" flags=tB ") != std::string::npos);
  CHECK(lines.find(" redir=0 ") != std::string::npos);
  f.run({"SET", "x", "1"});
  CHECK(has("tracking_total_keys:1"));
  CHECK(has("tracking_total_items:1"));
  f.run({"CLIENT", "KILL", "TYPE", "normal"});
  f.advance_ms(10);
  CHECK(f.server().tracking().clients() == 0);
  CHECK(f.server().tracking().prefix_count() == 0);
  CHECK_FALSE(f.server().tracking().watches());
}

TEST_CASE("tracking: a client that is gone is skipped, and one that turned it off") {
  CommandFixture f;
  TestClient& gone = cacher(f);
  TestClient& off = cacher(f);
  TestClient& stays = cacher(f);
  for (TestClient* client : {&gone, &off, &stays}) client->run({"GET", "k"});
  gone.send({"QUIT"});
  off.run({"CLIENT", "TRACKING", "OFF"});
  f.advance_ms(10);
  f.run({"SET", "k", "v"});
  CHECK(stays.received() == invalid({"k"}));
  CHECK(off.received().empty());
}

TEST_CASE("tracking: the end of the client that gets the invalidations") {
  CommandFixture f;
  TestClient& target = f.connect();
  std::string id = target.run({"CLIENT", "ID"});
  id = id.substr(1, id.size() - 3);
  TestClient& client = cacher(f, {"REDIRECT", id});
  target.run({"SUBSCRIBE", "__redis__:invalidate"});
  REQUIRE(client.run({"GET", "k"}) == "_\r\n");
  f.run({"SET", "k", "v"});
  CHECK(target.received() ==
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
  target.send({"QUIT"});
  target.received();
  REQUIRE(client.run({"GET", "k"}) == "$1\r\nv\r\n");
  f.run({"SET", "k", "w"});
  CHECK(client.received() == ">2\r\n$21\r\ntracking-redir-broken\r\n:" + id + "\r\n");
  CHECK(f.run({"CLIENT", "LIST"}).find(" flags=tR ") != std::string::npos);
}
