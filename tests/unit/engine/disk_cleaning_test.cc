// Cleaning: a shard on a DiskEngine gets the room of overwritten and deleted records back, and what
// is moved stays what it was.
#include <doctest/doctest.h>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "tests/support/random_replica.h"

using namespace holdfast;

namespace {

constexpr uint64_t kWalBytes = 8 << 20;

struct Store {
  explicit Store(SimDisk& disk)
      : engine(reactor, disk, random, "store", {.wal_bytes = kWalBytes, .grow_bytes = 1 << 20}),
        replica(reactor, engine) {
    REQUIRE(replica.shard.recover().ok());
  }
  void put(int number, char filler) {
    const std::string key = "key:" + std::to_string(number);
    // Random enough for lz4 to leave it alone.
    std::string value(200, filler);
    for (char& byte : value) byte = static_cast<char>(random.next());
    replica.command(Effect::put_string(0, replica.keyspace.key(key), value, 0));
    if (number % 16 == 0) turn();
  }
  // As a server does: nothing is taken in while the log is short of room.
  void turn() {
    do {
      replica.shard.submit();
      reactor.run_for(5);
    } while (replica.shard.wants_pause());
  }
  void checkpoint() {
    turn();
    bool done = false;
    replica.shard.checkpoint().start([&done](const Status& status) { done = status.ok(); });
    REQUIRE(reactor.run_until([&done] { return done; }, 60'000));
  }

  SimReactor reactor;
  SeededRandom random{5};
  DiskEngine engine;
  RandomReplica replica;
};

}  // namespace

TEST_CASE("disk cleaning: sparse segments are written anew and their room is used again") {
  constexpr int kKeys = 20'000;
  SimDisk disk(1);
  Model expected;
  uint64_t full = 0;
  {
    Store store(disk);
    for (int i = 0; i < kKeys; ++i) store.put(i, 'a');
    store.checkpoint();
    full = store.engine.stats().record_bytes;
    CHECK(full > kKeys * 200);
    // Three of four keys change, all over the segments, again and again.
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < kKeys; ++i) {
        if (i % 4 != 0) store.put(i, static_cast<char>('b' + round));
      }
      store.checkpoint();
    }
    store.checkpoint();
    CHECK(store.engine.stats().record_bytes < full * 2);
    for (int i = 0; i < kKeys; ++i) {
      if (i % 10 != 0) {
        store.replica.command(
            Effect::erase(0, store.replica.keyspace.key("key:" + std::to_string(i))));
      }
      if (i % 500 == 0) store.turn();
    }
    store.turn();
    for (int i = 0; i < 3; ++i) store.checkpoint();
    CHECK(store.engine.stats().record_bytes < full / 4);
    expected = contents(store.replica.keyspace);
    store.engine.close();
  }
  // The reserve is as large as the log may get.
  CHECK(disk.open("store/data", {}).value()->size().value() < full * 6 + kWalBytes);
  Store again(disk);
  CHECK(contents(again.replica.keyspace) == expected);
}
