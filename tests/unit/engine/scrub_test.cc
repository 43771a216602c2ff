// The scrub: a bit that turned, or a place that cannot be read, is found while the server runs,
// and the next checkpoint writes it anew; what changes meanwhile is never taken for damage.
#include "engine/disk/scrub.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "engine/disk/inspect.h"
#include "tests/support/sim_store.h"

using namespace holdfast;

namespace {

constexpr uint64_t kPace = 32 << 20;

struct Store : SimStore {
  explicit Store(SimDisk& on) : SimStore(on, 32 << 20) {}

  void scrub() {
    REQUIRE(engine.start_scrub(kPace).ok());
    REQUIRE(reactor.run_until([this] { return number("running") == 0; }, 600'000));
  }
  uint64_t number(std::string_view name) { return std::get<0>(fact(EnginePart::kScrub, name)); }
  std::string first_damage() { return std::get<1>(fact(EnginePart::kScrub, "damage_1")); }
  // Where a store closed now would have the record of each key.
  std::map<std::string, uint64_t> places() {
    std::map<std::string, uint64_t> found;
    const auto copy = disk.fork(1);
    const auto report =
        inspect_store(reactor, *copy, "store", {.records = true}, [&](const std::string& line) {
          const size_t key = line.find("key '"), at = line.find("record at ");
          if (key == std::string::npos || at == std::string::npos) return;
          const size_t end = line.find('\'', key + 5);
          found[line.substr(key + 5, end - key - 5)] = std::stoull(line.substr(at + 10));
        });
    REQUIRE(report.ok());
    return found;
  }
  // Turns a bit on the medium, whose content a growing file is ahead of until it is flushed.
  void damage(const std::string& file, uint64_t offset) {
    REQUIRE(disk.open(file, {}).value()->sync().ok());
    disk.rot(file, offset, 1);
  }
  // Turns a bit of the key's value.
  void damage_record(const std::string& key) { damage("store/data", places().at(key) + 200); }
};

void fill(Store& store, int keys) {
  for (int i = 0; i < keys; ++i) store.put("key:" + std::to_string(i), 400);
}

// What the checkpoints after it make of damage that the scrub found.
void expect_healed(SimDisk& disk, Store& store, int checkpoints = 1) {
  for (int i = 0; i < checkpoints; ++i) store.checkpoint();
  store.scrub();
  CHECK(store.number("damaged_records") == 0);
  CHECK(store.number("damaged_metadata") == 0);
  CHECK(store.engine.stats().damaged_records == 0);
  const auto copy = disk.fork(2);
  Store again(*copy);
  CHECK(contents(again.replica.keyspace) == contents(store.replica.keyspace));
}

}  // namespace

TEST_CASE("scrub: of a whole store finds every record, small and large, and no damage") {
  SimDisk disk(1);
  Store store(disk);
  fill(store, 6000);
  store.put("large", 100'000);
  store.put("huge", 3'500'000);
  store.scrub();
  CHECK(store.number("records_checked") == 0);  // nothing is on the device yet
  store.checkpoint();
  const uint64_t waited = disk.waited_reads();
  store.scrub();
  CHECK(disk.waited_reads() == waited);
  CHECK(store.number("records_checked") == 6002);
  CHECK(store.number("segments_checked") == store.number("segments"));
  CHECK(store.number("bytes_checked") > 6000 * 400 + 3'600'000);
  CHECK(store.number("damaged_records") == 0);
  CHECK(store.number("damaged_metadata") == 0);
  CHECK(store.number("full_passes") == 2);
  CHECK(store.number("last_full_pass_time") > 0);
}

TEST_CASE("scrub: a turned bit is told with place and key, and the next checkpoint heals it") {
  for (const std::string key : {"key:4711", "large", "huge"}) {
    CAPTURE(key);
    SimDisk disk(2);
    Store store(disk);
    fill(store, 6000);
    store.put("large", 100'000);
    store.put("huge", 3'500'000);
    store.checkpoint();
    const uint64_t place = store.places().at(key);
    store.damage_record(key);
    store.scrub();
    CHECK(store.number("records_checked") == 6002);
    CHECK(store.number("damaged_records") == 1);
    CHECK(store.engine.stats().damaged_records == 1);
    CHECK(store.first_damage().find("at " + std::to_string(place) + ",") != std::string::npos);
    CHECK(store.first_damage().ends_with("database 0, key '" + key + "'"));
    expect_healed(disk, store);
    CHECK(store.places().at(key) != place);
  }
}

TEST_CASE("scrub: a key that was written or erased since it was found damaged stays as it is") {
  SimDisk disk(3);
  Store store(disk);
  fill(store, 100);
  store.checkpoint();
  for (const char* key : {"key:1", "key:2"}) store.damage_record(key);
  store.scrub();
  CHECK(store.number("damaged_records") == 2);
  store.put("key:1", 300);
  store.replica.command(Effect::erase(0, store.replica.keyspace.key("key:2")));
  expect_healed(disk, store);
  CHECK(!store.places().contains("key:2"));
}

TEST_CASE("scrub: a record whose key cannot be read is told and left; nothing else is touched") {
  SimDisk disk(4);
  Store store(disk);
  fill(store, 100);
  store.checkpoint();
  store.damage("store/data", store.places().at("key:7") + disk::kRecordHeader);
  store.scrub();
  CHECK(store.number("damaged_records") == 1);
  store.checkpoint();
  store.scrub();
  CHECK(store.number("damaged_records") == 1);
  store.put("key:7", 10);  // its owner helps
  expect_healed(disk, store);
}

TEST_CASE("scrub: damaged pages, roots and superblocks are found and written anew") {
  SimDisk disk(5);
  Store store(disk);
  fill(store, 6000);
  store.checkpoint();
  store.put("key:1", 400);
  store.checkpoint();
  const auto damaged = [&](const std::string& file, uint64_t offset) {
    store.damage(file, offset);
    store.scrub();
    CHECK(store.number("damaged_metadata") == 1);
    CHECK(store.number("damaged_records") == 0);
    expect_healed(disk, store, 2);
  };
  const uint64_t root =
      disk::kRegionOffset + std::get<0>(store.fact(EnginePart::kSuperblock, "root_block")) * kBlock;
  damaged("store/data", root);
  const auto copy = disk.fork(3);
  const auto report =
      inspect_store(store.reactor, *copy, "store", {}, [](const std::string&) {}).value();
  for (const LiveRange& range : report.live) {  // superblocks lie below the region, pages above
    if (range.file != "data" || range.size != kBlock || range.offset < kBlock * 2) continue;
    damaged("store/data", range.offset);
    break;
  }
  for (const uint64_t slot : {0, 1}) damaged("store/wal", slot * kBlock);
}

TEST_CASE("scrub: a segment that cannot be read counts all its records") {
  SimDisk disk(6);
  Store store(disk);
  fill(store, 100);
  store.checkpoint();
  disk.fail_reads("store/data", store.places().at("key:3"), 1);
  store.scrub();
  CHECK(store.number("damaged_records") == 100);
  disk.restore_reads("store/data");
  store.scrub();
  CHECK(store.number("damaged_records") == 0);
}

TEST_CASE("scrub: what changes, moves and vanishes meanwhile is no damage") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    SimDisk disk(seed);
    disk.set_delay(seed > 5 ? 100 : 3);
    Store store(disk);
    fill(store, 3000);
    store.put("huge", 2'500'000);
    store.checkpoint();
    for (int round = 0; round < 12; ++round) {
      if (store.number("running") == 0) REQUIRE(store.engine.start_scrub(4 << 20).ok());
      for (int i = 0; i < 1000; ++i) {
        store.put("key:" + std::to_string(store.random.below(3000)), 400);
      }
      if (round % 3 == 0) store.put("huge", 2'500'000);
      if (round == 8) store.replica.command(Effect::flush_db(0));
      store.checkpoint();
      CHECK(store.number("damaged_records") == 0);
      CHECK(store.number("damaged_metadata") == 0);
    }
    CHECK(store.number("full_passes") > 0);
  }
}

TEST_CASE("scrub: what a checkpoint writes anew while it is read is no damage (X2)") {
  SimDisk disk(10);
  disk.set_delay(100);
  Store store(disk);
  fill(store, 100);
  store.checkpoint();
  for (int round = 0; round < 1000; ++round) {
    if (store.number("running") == 0) REQUIRE(store.engine.start_scrub(kPace).ok());
    for (int i = 0; i < 8; ++i) store.put("key:" + std::to_string(store.random.below(100)), 400);
    store.turn();
    if (store.random.one_in(6)) store.replica.shard.checkpoint().start();
    store.reactor.run_for(static_cast<int64_t>(store.random.below(100)));
    CHECK(store.number("damaged_records") == 0);
    CHECK(store.number("damaged_metadata") == 0);
  }
  CHECK(store.number("full_passes") > 0);
}

TEST_CASE("scrub: a place that became another segment's while it was read is no damage") {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    SimDisk disk(seed);
    Store store(disk);
    fill(store, 3000);
    store.checkpoint();
    disk.hold_reads(64 << 10);
    REQUIRE(store.engine.start_scrub(kPace).ok());
    store.reactor.run_for(10);
    for (int i = 0; i < 12; ++i) {
      fill(store, 3000);
      store.checkpoint();
    }
    disk.hold_reads(UINT64_MAX);
    REQUIRE(store.reactor.run_until([&] { return store.number("running") == 0; }, 60'000));
    CHECK(store.number("damaged_records") == 0);
  }
}

TEST_CASE("scrub: what a checkpoint is building is passed over (X1)") {
  SimDisk disk(8);
  Store store(disk);
  const std::string image(100, 'i');
  store.engine.write_records(0, {{{0, 1, "key"}, false, image}}, [](const Status&, const auto&) {});
  store.scrub();
  CHECK(store.number("records_checked") == 0);
  CHECK(store.number("damaged_records") == 0);
  store.engine.finish_checkpoint(0, {0, {}}, [](const Status&) {});
  store.reactor.run_for(1000);
  store.scrub();
  CHECK(store.number("records_checked") == 1);
  CHECK(store.number("damaged_records") == 0);
}

TEST_CASE("scrub: one at a time; it can be stopped and begun anew") {
  SimDisk disk(7);
  Store store(disk);
  fill(store, 10'000);
  store.checkpoint();
  REQUIRE(store.engine.start_scrub(1 << 20).ok());
  CHECK(store.engine.start_scrub(1 << 20).code() == Code::kUnavailable);
  store.reactor.run_for(1500);
  const uint64_t checked = store.number("segments_checked");
  CHECK(checked >= 1);
  CHECK(checked <= 3);  // the pace
  store.engine.stop_scrub();
  store.engine.stop_scrub();
  store.reactor.run_for(5000);
  CHECK(store.number("running") == 0);
  CHECK(store.number("segments_checked") == checked);
  CHECK(store.number("full_passes") == 0);
  store.scrub();
  CHECK(store.number("records_checked") == 10'000);
}

TEST_CASE("scrub: what one that was stopped still reads is not told of the next one") {
  SimDisk disk(9);
  disk.set_delay(1000);
  Store store(disk);
  fill(store, 6000);
  store.put("huge", 3'500'000);
  store.checkpoint();
  for (int64_t ms : {2, 50, 300, 700, 1500}) {
    REQUIRE(store.engine.start_scrub(kPace).ok());
    store.reactor.run_for(ms);
    store.engine.stop_scrub();
  }
  store.scrub();
  CHECK(store.number("records_checked") == 6001);
  CHECK(store.number("damaged_records") == 0);
  CHECK(store.number("full_passes") == 1);
}
