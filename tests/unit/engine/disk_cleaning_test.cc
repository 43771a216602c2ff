// Cleaning: a shard on a DiskEngine gets the room of overwritten and deleted records back, and what
// is moved stays what it was.
#include <doctest/doctest.h>

#include "tests/support/sim_store.h"

using namespace holdfast;

namespace {

using Store = SimStore;

constexpr uint64_t kWalBytes = 8 << 20;

std::string name(int number) { return "key:" + std::to_string(number); }

}  // namespace

TEST_CASE("disk cleaning: sparse segments are written anew and their room is used again") {
  constexpr int kKeys = 20'000;
  SimDisk disk(1);
  Model expected;
  uint64_t full = 0;
  {
    Store store(disk, kWalBytes);
    for (int i = 0; i < kKeys; ++i) store.put(name(i), 200);
    store.checkpoint();
    full = store.engine.stats().record_bytes;
    CHECK(full > kKeys * 200);
    const uint64_t waited = disk.waited_reads();
    // Three of four keys change, all over the segments, again and again.
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < kKeys; ++i) {
        if (i % 4 != 0) store.put(name(i), 200);
      }
      store.checkpoint();
    }
    store.checkpoint();
    CHECK(store.engine.stats().record_bytes < full * 2);
    for (int i = 0; i < kKeys; ++i) {
      if (i % 10 != 0) {
        store.erase(name(i));
      }
      if (i % 500 == 0) store.turn();
    }
    store.turn();
    for (int i = 0; i < 3; ++i) store.checkpoint();
    CHECK(store.engine.stats().record_bytes < full / 4);
    CHECK(disk.waited_reads() == waited);
    expected = contents(store.replica.keyspace);
    store.engine.close();
  }
  // The reserve is as large as the log may get.
  CHECK(disk.open("store/data", {}).value()->size().value() < full * 6 + kWalBytes);
  Store again(disk);
  CHECK(contents(again.replica.keyspace) == expected);
}

TEST_CASE("disk cleaning: a damaged record is written anew from memory, and cleaning goes on") {
  constexpr int kKeys = 20'000;
  SimDisk disk(2);
  Store store(disk, kWalBytes);
  for (int i = 0; i < kKeys; ++i) store.put(name(i), 200);
  store.checkpoint();
  const uint64_t full = store.engine.stats().record_bytes;
  const auto ref = [&](int i) {
    return store.replica.keyspace.find(0, store.replica.keyspace.key(name(i)))->ref();
  };
  // In every tenth of the data a record, of those that stay: each spoils its segment.
  for (int i = 0; i < kKeys; i += kKeys / 10) {
    REQUIRE(disk.open("store/data", {}).value()->sync().ok());
    disk.rot("store/data", disk::offset_of(ref(i)) + 100, 1);
  }
  for (int i = 0; i < kKeys; ++i) {
    if (i % 10 != 0) store.erase(name(i));
    if (i % 500 == 0) store.turn();
  }
  for (int i = 0; i < 3; ++i) store.checkpoint();
  CHECK(store.engine.stats().record_bytes < full / 4);
  store.engine.close();
  Store again(disk, kWalBytes);  // would be refused
  CHECK(contents(again.replica.keyspace) == contents(store.replica.keyspace));
}
