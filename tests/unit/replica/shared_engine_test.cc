// Several shards on one engine: each takes its own checkpoints and releases its own log, and the
// room of the one ring is everybody's.
#include <doctest/doctest.h>

#include <deque>
#include <memory>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "tests/support/random_replica.h"

using namespace holdfast;

namespace {

constexpr uint64_t kRingBytes = 256 << 10;

struct SharedStore {
  SharedStore(SimDisk& disk, int shards, uint64_t checkpoint_bytes)
      : engine(reactor, disk, random, "store", {.wal_bytes = kRingBytes, .grow_bytes = 1 << 20}) {
    const auto found = engine.open();
    REQUIRE_MESSAGE(found.ok(), found.status().message());
    for (int i = 0; i < shards; ++i) {
      const auto id = static_cast<ShardId>(i);
      replicas.emplace_back(reactor, engine, checkpoint_bytes, false, id);
      const auto recovered = replicas.back().shard.recover(recovered_shard(found.value(), id));
      REQUIRE_MESSAGE(recovered.ok(), recovered.status().message());
    }
  }
  // Nothing is taken in while the log is short of room; false: it stays so.
  bool turn() {
    for (int i = 0; i < 1000; ++i) {
      for (RandomReplica& replica : replicas) replica.shard.submit();
      reactor.run_for(1);
      if (!engine.wants_pause()) return true;
    }
    return false;
  }

  SimReactor reactor;
  SeededRandom random{3};
  DiskEngine engine;
  std::deque<RandomReplica> replicas;
};

}  // namespace

TEST_CASE("shared engine: a shard that writes nothing more does not keep the log from others") {
  SimDisk disk(1);
  std::vector<Model> expected;
  {
    SharedStore store(disk, 3, 1 << 30);
    store.replicas[1].put(0, "one");
    REQUIRE(store.turn());
    store.replicas[2].put(0, "another");
    // Many times the ring, all of one shard.
    for (int i = 0; i < 4000; ++i) {
      store.replicas[0].command(
          Effect::put_string(0, store.replicas[0].keyspace.key("k" + std::to_string(i % 50)),
                             std::string(600, static_cast<char>('a' + i % 26)), 0));
      if (i % 8 == 0) REQUIRE(store.turn());
    }
    REQUIRE(store.turn());
    CHECK(store.engine.log_bytes() < kRingBytes);
    // As often as there was need, not more.
    CHECK(store.replicas[0].shard.checkpoint().finished_count() < 200);
    for (size_t idle : {1, 2}) {
      CHECK(store.replicas[idle].shard.checkpoint().finished_count() >= 1);
      CHECK(store.replicas[idle].shard.checkpoint().finished_count() < 4);
      CHECK(store.engine.log_bytes_of(static_cast<ShardId>(idle)) == 0);
    }
    for (RandomReplica& replica : store.replicas) expected.push_back(contents(replica.keyspace));
    store.engine.close();
  }
  SharedStore again(disk, 3, 1 << 30);
  for (size_t n = 0; n < 3; ++n) CHECK(contents(again.replicas[n].keyspace) == expected[n]);
}

TEST_CASE("shared engine: each shard's checkpoints follow from what it has logged itself") {
  SimDisk disk(2);
  SharedStore store(disk, 2, 40'000);
  store.replicas[1].put(0, "seldom");
  for (int i = 0; i < 300; ++i) {
    store.replicas[0].command(
        Effect::put_string(0, store.replicas[0].keyspace.key("often"), std::string(500, 'v'), 0));
    REQUIRE(store.turn());
  }
  CHECK(store.replicas[0].shard.checkpoint().finished_count() >= 3);
  CHECK(store.replicas[1].shard.checkpoint().finished_count() <= 1);
}

TEST_CASE("shared engine: random commands and checkpoints of three shards survive a power cut") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    SimDisk disk(seed);
    SeededRandom chance(seed);
    std::vector<std::vector<Model>> states(3);  // of each shard, by entry
    std::vector<Seq> acknowledged;
    {
      SharedStore store(disk, 3, 1 << 30);
      for (size_t n = 0; n < 3; ++n) states[n].emplace_back();
      for (int step = 0; step < 120; ++step) {
        const size_t n = chance.below(3);
        RandomReplica& replica = store.replicas[n];
        replica.random_command(chance);
        states[n].resize(replica.shard.last_seq() + 1);
        states[n].back() = contents(replica.keyspace);
        replica.shard.submit();
        if (chance.one_in(6)) store.replicas[chance.below(3)].shard.checkpoint().start();
        if (chance.one_in(3)) store.reactor.run_for(static_cast<int64_t>(chance.below(3)));
      }
      for (RandomReplica& replica : store.replicas) {
        acknowledged.push_back(replica.shard.commit_seq());
      }
      disk.crash();
    }
    SharedStore again(disk, 3, 1 << 30);
    for (size_t n = 0; n < 3; ++n) {
      const Seq last = again.replicas[n].shard.last_seq();
      REQUIRE(last >= acknowledged[n]);
      REQUIRE(last < states[n].size());
      CHECK(contents(again.replicas[n].keyspace) == states[n][last]);
    }
  }
}

// Their blocks may hold what others have written since: other shards may end two checkpoints while
// this one makes one.
TEST_CASE("shared engine: records of a database that was dropped are not given back once more") {
  SimDisk disk(4);
  SeededRandom random(4);
  Model expected;
  {
    SharedStore store(disk, 2, 1 << 30);
    RandomReplica &slow = store.replicas[0], &other = store.replicas[1];
    const auto put_large = [&](RandomReplica& replica, std::string_view key) {
      std::string value(70'000, 0);
      for (size_t at = 0; at < value.size(); at += 8) store_fixed(&value[at], random.next());
      replica.command(Effect::put_string(1, replica.keyspace.key(key), value, 0));
    };
    const auto finish_checkpoint = [&](RandomReplica& replica) {
      replica.shard.submit();
      replica.shard.checkpoint().start();
      for (int i = 0; i < 1000 && replica.shard.checkpoint().running(); ++i) {
        store.reactor.run_for(1);
      }
      REQUIRE(!replica.shard.checkpoint().running());
    };
    for (const char* key : {"a", "b"}) put_large(slow, key);
    finish_checkpoint(slow);
    for (const char* key : {"a", "b"}) slow.put(1, key);  // lists them with their records
    slow.flush(1);
    slow.put(1, "waits");
    slow.shard.submit();
    store.reactor.run_for(5);
    slow.shard.checkpoint().start();
    slow.put(1, "waits");  // until this is committed, and so does the checkpoint
    for (int i = 0; i < 5; ++i) {
      put_large(other, "other" + std::to_string(i));
      finish_checkpoint(other);
    }
    CHECK(slow.shard.checkpoint().running());
    finish_checkpoint(slow);
    finish_checkpoint(other);
    expected = contents(other.keyspace);
    CHECK(expected.size() == 5);
    store.engine.close();
  }
  SharedStore again(disk, 2, 1 << 30);
  CHECK(contents(again.replicas[1].keyspace) == expected);
}
