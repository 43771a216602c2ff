// SimStore: a shard on a DiskEngine on a simulated disk, driven as a server does.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "tests/support/random_replica.h"

namespace holdfast {

struct SimStore {
  explicit SimStore(SimDisk& on, uint64_t wal_bytes = 8 << 20)
      : disk(on),
        engine(reactor, disk, random, "store", {.wal_bytes = wal_bytes, .grow_bytes = 1 << 20}),
        replica(reactor, engine) {
    const auto recovered = open_and_recover(replica.shard);
    REQUIRE_MESSAGE(recovered.ok(), recovered.status().message());
  }

  // Random bytes, which lz4 leaves alone.
  std::string noise(size_t bytes) {
    std::string value(bytes, '\0');
    for (char& byte : value) byte = static_cast<char>(random.next());
    return value;
  }
  void put(const std::string& key, size_t bytes, int64_t expire_at_ms = 0) {
    replica.command(Effect::put_string(0, replica.keyspace.key(key), noise(bytes), expire_at_ms));
    if (++puts % 16 == 0 || bytes > 4096) turn();
  }
  void erase(const std::string& key) {
    replica.command(Effect::erase(0, replica.keyspace.key(key)));
  }
  // Nothing is taken in while the log is short of room.
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
  std::variant<uint64_t, std::string> fact(EnginePart part, std::string_view name) {
    for (const EngineFact& one : engine.describe(part)) {
      if (one.name == name) return one.value;
    }
    return std::string("none");
  }

  SimDisk& disk;
  SimReactor reactor;
  SeededRandom random{5};
  DiskEngine engine;
  RandomReplica replica;
  uint64_t puts = 0;
};

}  // namespace holdfast
