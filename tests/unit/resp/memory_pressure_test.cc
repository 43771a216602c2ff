// What commands do while memory is over its limit and can be freed.
#include <doctest/doctest.h>

#include "resp/memory_report.h"
#include "tests/support/disk_server.h"

using namespace holdfast;

namespace {

constexpr int kKeys = 100;
const std::string kValue(1000, 'v');
const std::string kReply = "$1000\r\n" + kValue + "\r\n";

std::string name_of(int i) { return "key:" + std::to_string(i); }

// Its values are on the device, and memory, which the test sets, is full.
struct FullServer {
  FullServer() {
    hooks.memory_used = [this] { return used; };
    server = std::make_unique<DiskServer>(options(), hooks);
    for (int i = 0; i < kKeys; ++i) REQUIRE(server->run({"SET", name_of(i), kValue}) == "+OK\r\n");
    server->save();
    client = server->connect();
    REQUIRE(client->run({"PING"}) == "+PONG\r\n");
    // The look at memory that forgets the last value frees some: it is worth to wait for the next.
    used = 2 * kLimit;
    REQUIRE(server->reactor().run_until([this] { return all_cold(); }, 1000));
  }
  static Options options() {
    Options options;
    options.memory_limit = kLimit;
    return options;
  }
  bool all_cold() {
    for (int i = 0; i < kKeys; ++i) {
      if (!server->keyspace().find(0, server->keyspace().key(name_of(i)))->cold()) return false;
    }
    return true;
  }
  const ColdStats& stats() { return server->shard().cold_values().stats(); }

  static constexpr uint64_t kLimit = 1 << 20;
  uint64_t used = 0;
  ServerHooks hooks;
  std::unique_ptr<DiskServer> server;
  std::unique_ptr<TestClient> client;
};

}  // namespace

TEST_CASE("memory pressure: a value on the device is not read before there is room for it") {
  FullServer f;
  f.client->send({"GET", name_of(1)});
  CHECK(f.client->received(2).empty());
  CHECK(f.stats().fetched == 0);
  f.used = 0;
  CHECK(f.client->received(20) == kReply);
  CHECK(f.stats().fetched == 1);
}

TEST_CASE("memory pressure: it is read all the same when nothing more can be freed") {
  FullServer f;
  f.client->send({"GET", name_of(1)});
  CHECK(f.client->received(2).empty());
  CHECK(f.client->received(20) == kReply);
}

TEST_CASE("memory pressure: who waits for memory sends nothing more meanwhile") {
  FullServer f;
  const std::string large(20'000, 'l');
  const uint64_t before = memory_report(f.server->server()).clients;
  for (int i = 0; i < kKeys; ++i) f.client->send({"SET", name_of(i), large});
  CHECK(f.client->received(3).empty());
  CHECK(memory_report(f.server->server()).clients - before < 20 * large.size());
  f.used = 0;
  std::string replies;
  for (int i = 0; i < kKeys; ++i) replies += "+OK\r\n";
  CHECK(f.client->received(1000) == replies);
}

TEST_CASE("memory pressure: changes that free nothing keep nobody waiting for ever") {
  FullServer f;
  f.used = 0;
  constexpr int kSmall = 2000;
  for (int i = 0; i < kSmall; ++i) {
    REQUIRE(f.server->run({"SET", "small:" + std::to_string(i), "v"}) == "+OK\r\n");
  }
  f.used = 2 * FullServer::kLimit;
  std::string reply;
  for (int i = 0; i < kSmall && reply.empty(); ++i) {
    REQUIRE(f.server->run({"DEL", "small:" + std::to_string(i)}) == ":1\r\n");
    if (i == 10) f.client->send({"SET", "another", "v"});
    reply = f.client->received(1);
  }
  CHECK(reply.starts_with("-OOM "));
}

TEST_CASE(
    "memory pressure: who can be helped by a checkpoint waits for it, however many there were") {
  FullServer f;
  f.used = 0;
  for (int round = 0; round < 4; ++round) {
    if (round > 0) f.server->save();
    for (int i = 0; i < kKeys; ++i) {
      REQUIRE(f.server->run({"SET", name_of(i), kValue + std::to_string(round)}) == "+OK\r\n");
    }
  }
  REQUIRE(!f.all_cold());
  f.used = 2 * FullServer::kLimit;
  f.server->reactor().run_for(6);  // until it is noticed
  f.client->send({"SET", "another", "v"});
  std::string reply;
  for (int i = 0; i < 1000 && !f.all_cold(); ++i) reply += f.client->received(1);
  CHECK(f.all_cold());
  CHECK(reply.empty());
}
