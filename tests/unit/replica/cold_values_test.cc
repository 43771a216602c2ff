// ColdValues on a DiskEngine and the simulated disk: what is forgotten comes back as it was,
// whatever happens to its key meanwhile.
#include "replica/cold_values.h"

#include <doctest/doctest.h>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "tests/support/random_replica.h"

using namespace holdfast;

namespace {

struct World {
  explicit World(SimDisk& disk, bool cold = false)
      : engine(reactor, disk, random, "store", {.wal_bytes = 4 << 20, .grow_bytes = 1 << 20}),
        replica(reactor, engine, 1 << 30, cold) {
    const Result<RecoveryReport> recovered = open_and_recover(replica.shard);
    REQUIRE_MESSAGE(recovered.ok(), recovered.status().message());
  }

  void put(const std::string& key, const std::string& value) {
    replica.command(Effect::put_string(0, replica.keyspace.key(key), value, 0));
  }
  void settle() {
    replica.shard.submit();
    reactor.run_for(50);
  }
  void checkpoint() {
    settle();
    replica.shard.checkpoint().start();
    reactor.run_for(200);
    REQUIRE_FALSE(replica.shard.checkpoint().running());
  }
  uint64_t cool() { return replica.shard.cold_values().cool(UINT64_MAX, 1'000'000); }
  Object* find(const std::string& key) {
    return replica.keyspace.find(0, replica.keyspace.key(key));
  }
  bool cold(const std::string& key) { return find(key)->cold(); }
  void fetch(const std::string& key) {
    replica.shard.cold_values().fetch(0, replica.keyspace.key(key), *find(key),
                                      [this] { ++fetched; });
  }
  std::string value(const std::string& key) {
    IntScratch scratch;
    const Object* object = replica.keyspace.find_value(0, replica.keyspace.key(key));
    return object == nullptr ? "(none)" : std::string(object->string(scratch));
  }

  SimReactor reactor;
  SeededRandom random{3};
  DiskEngine engine;
  RandomReplica replica;
  int fetched = 0;
};

const std::string kValue(300, 'a');

}  // namespace

TEST_CASE("cold values: only what a finished checkpoint holds is forgotten, and it comes back") {
  SimDisk disk(1);
  World w(disk);
  w.put("k", kValue);
  w.put("short", "s");
  w.settle();
  CHECK(w.cool() == 0);
  w.checkpoint();
  w.put("changed", kValue);
  CHECK(w.cool() > 200);
  CHECK(w.cold("k"));
  CHECK_FALSE(w.cold("short"));
  CHECK_FALSE(w.cold("changed"));
  CHECK(w.find("k")->string_size() == kValue.size());
  w.fetch("k");
  w.fetch("k");  // both hear of the one read
  CHECK(w.cold("k"));
  w.reactor.run_for(20);
  CHECK(w.fetched == 2);
  CHECK_FALSE(w.cold("k"));
  CHECK(w.value("k") == kValue);
  CHECK(w.replica.shard.cold_values().stats().waited == 0);
}

TEST_CASE("cold values: a value that is used stays, for one look") {
  SimDisk disk(1);
  World w(disk);
  w.put("used", kValue);
  w.put("idle", kValue);
  w.checkpoint();
  w.find("idle")->clear_used();
  const uint64_t round = w.replica.keyspace.cool_rounds();
  while (w.replica.keyspace.cool_rounds() == round) {
    w.replica.keyspace.cool_some([](RecordRef) { return true; });
  }
  CHECK(w.cold("idle"));
  CHECK_FALSE(w.cold("used"));
  w.cool();
  CHECK(w.cold("used"));
}

TEST_CASE("cold values: what happens to the key while its value is on its way wins") {
  SimDisk disk(1);
  World w(disk);
  for (const char* key : {"put", "erased", "appended", "expires", "again"}) w.put(key, kValue);
  w.checkpoint();
  w.cool();
  for (const char* key : {"put", "erased", "appended", "expires", "again"}) w.fetch(key);
  const auto key = [&](const char* name) { return w.replica.keyspace.key(name); };
  w.put("put", "new");
  w.replica.command(Effect::erase(0, key("erased")));
  w.replica.command(Effect::write_range(0, key("appended"), kValue.size(), "tail"));
  w.replica.command(Effect::set_expiry(0, key("expires"), 5000));
  w.replica.command(Effect::erase(0, key("again")));
  w.put("again", "anew");
  w.reactor.run_for(20);
  CHECK(w.fetched == 5);
  CHECK(w.value("put") == "new");
  CHECK(w.value("erased") == "(none)");
  CHECK(w.value("appended") == kValue + "tail");
  CHECK(w.value("expires") == kValue);
  CHECK(w.find("expires")->expire_at_ms() == 5000);
  CHECK(w.value("again") == "anew");
}

TEST_CASE("cold values: a store is loaded with its values on the device, and the log replayed") {
  SimDisk disk(1);
  {
    World w(disk);
    for (const char* key : {"k", "appended", "expires"}) w.put(key, kValue);
    w.checkpoint();
    w.replica.command(Effect::write_range(0, w.replica.keyspace.key("appended"), 0, "head"));
    w.replica.command(Effect::set_expiry(0, w.replica.keyspace.key("expires"), 7000));
    w.settle();
    disk.crash();
  }
  World w(disk, true);
  CHECK(w.cold("k"));
  CHECK(w.value("k") == kValue);
  CHECK(w.value("appended") == "head" + kValue.substr(4));
  CHECK(w.value("expires") == kValue);
  CHECK(w.find("expires")->expire_at_ms() == 7000);
}

TEST_CASE("cold values: random commands give the same state with and without") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    SimDisk disk(seed), plain_disk(seed);
    World w(disk, true), plain(plain_disk);
    SeededRandom random(seed), chance(seed), same(seed + 100);
    uint64_t colder = 0;
    for (int i = 0; i < 300; ++i) {
      const uint64_t command = same.next();
      for (World* world : {&w, &plain}) {
        SeededRandom stream(command);
        world->replica.shard.begin_command(1000);
        world->replica.random_effect(stream, 300);
        world->replica.shard.end_command();
      }
      w.settle();
      if (chance.one_in(8)) w.checkpoint();
      if (chance.one_in(3)) colder += w.cool();
      if (chance.one_in(2)) w.replica.fetch_some(chance);
      if (i % 20 == 0) REQUIRE(contents(w.replica.keyspace) == contents(plain.replica.keyspace));
    }
    CHECK(contents(w.replica.keyspace) == contents(plain.replica.keyspace));
    CHECK(colder > 10'000);
  }
}

TEST_CASE("cold values: a record that is damaged is told, and nothing is made of it") {
  SimDisk disk(1);
  World w(disk);
  w.put("k", kValue);
  w.checkpoint();
  w.cool();
  {
    auto file = disk.open("store/data", {});
    char byte = 0;
    const uint64_t at = disk::offset_of(w.find("k")->ref()) + 40;
    REQUIRE(file.value()->read_at(at, {&byte, 1}).ok());
    byte = static_cast<char>(byte ^ 4);
    REQUIRE(file.value()->write_at(at, {&byte, 1}).ok());
  }
  w.fetch("k");
  w.reactor.run_for(20);
  CHECK(w.fetched == 1);
  CHECK(w.cold("k"));
  CHECK_THROWS_AS(w.replica.keyspace.find_value(0, w.replica.keyspace.key("k")), ValueUnreadable);
  CHECK(w.replica.shard.cold_values().stats().unreadable == 1);
  w.put("k", "new");
  CHECK(w.value("k") == "new");
}
