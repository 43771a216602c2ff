// Large values are written once: to a record, which the log names and the next checkpoint takes.
// Power cuts meanwhile are in tests/crash/power_cut.cc.
#include <doctest/doctest.h>

#include <map>

#include "base/codec.h"
#include "engine/disk/inspect.h"
#include "tests/support/sim_store.h"

using namespace holdfast;

namespace {

constexpr size_t kLarge = 300'000;
constexpr uint64_t kBlocks = disk::blocks_for(kLarge + 100);  // of such a value's record

struct Store : SimStore {
  explicit Store(SimDisk& on, uint64_t wal_bytes = 1 << 20) : SimStore(on, wal_bytes) {}
  uint64_t free_bytes() { return std::get<0>(fact(EnginePart::kFiles, "data_free_bytes")); }
  uint64_t data_bytes() { return std::get<0>(fact(EnginePart::kFiles, "data_file_bytes")); }
  uint64_t used_blocks() { return (data_bytes() - disk::kRegionOffset - free_bytes()) / kBlock; }
  Object* object(const std::string& key) {
    return replica.keyspace.find(0, replica.keyspace.key(key));
  }
  // The image that the device has of the key.
  std::string record(const std::string& key) {
    const KeyRef ref = replica.keyspace.key(key);
    const auto image = engine.read_record(0, {0, ref.slot, key, object(key)->ref()});
    REQUIRE_MESSAGE(image.ok(), image.status().message());
    return image.value();
  }
  // As the next checkpoint would write it.
  std::string image(const std::string& key) {
    std::string bytes;
    encode_record(*object(key), &bytes);
    return bytes;
  }
};

void expect_same_after_restart(SimDisk& disk, Store& store) {
  const auto copy = disk.fork(1);
  copy->crash();
  Store again(*copy);
  CHECK(contents(again.replica.keyspace) == contents(store.replica.keyspace));
}

std::vector<std::string> problems(SimDisk& disk) {
  SimReactor reactor;
  const auto report = inspect_store(reactor, disk, "store", {}, [](const std::string&) {});
  REQUIRE(report.ok());
  return report.value().problems;
}

}  // namespace

TEST_CASE("disk engine: a large value is written once, to the record that a checkpoint takes") {
  SimDisk disk(1);
  Store store(disk);
  const uint64_t empty = store.used_blocks();
  std::map<std::string, std::string> images;
  for (const std::string key : {"a", "b", "c"}) {
    store.put(key, kLarge, key == "c" ? 5000 : 0);
    images[key] = store.image(key);
  }
  CHECK(store.used_blocks() == empty + 3 * kBlocks);
  CHECK(std::get<0>(store.fact(EnginePart::kLog, "used_blocks")) < 10);
  expect_same_after_restart(disk, store);
  store.checkpoint();
  CHECK(store.used_blocks() < empty + 3 * kBlocks + 3);  // the root is new
  for (const auto& [key, image] : images) {
    CHECK(store.object(key)->has_ref());
    CHECK(store.record(key) == image);
  }
  CHECK(store.replica.shard.cold_values().cool(kLarge, 1'000'000) > kLarge);
  expect_same_after_restart(disk, store);
  CHECK(problems(disk).empty());
}

TEST_CASE(
    "disk engine: a large value's room is free when neither the log nor a checkpoint names it") {
  for (const int scenario : {0, 1, 2, 3}) {
    CAPTURE(scenario);
    SimDisk disk(2);
    auto store = std::make_unique<Store>(disk);
    for (int i = 0; i < 3; ++i) {  // the roots' room is as it stays
      store->put("small", 100);
      store->checkpoint();
    }
    const uint64_t before = store->used_blocks();
    store->put("a", kLarge);
    if (scenario >= 1) store->checkpoint();  // else it dies in the log
    if (scenario >= 2) store->put("a", kLarge);
    if (scenario == 3) {
      store->engine.close();
      store = std::make_unique<Store>(disk);
    }
    store->erase("a");
    store->turn();
    CHECK(store->used_blocks() >= kBlocks);  // erased, and held all the same
    for (int i = 0; i < 4; ++i) {
      store->put("small", 100);
      store->checkpoint();
      expect_same_after_restart(disk, *store);
    }
    CHECK(store->used_blocks() <= before + 1);
    // And is used again, while nothing is taken for what was there.
    for (int i = 0; i < 8; ++i) store->put("b" + std::to_string(i % 3), kLarge);
    expect_same_after_restart(disk, *store);
    store->checkpoint();
    expect_same_after_restart(disk, *store);
  }
}

TEST_CASE("disk engine: a checkpoint takes the record of a large value that is still on its way") {
  SimDisk disk(8);
  Store store(disk);
  store.put("old", kLarge);
  const uint64_t used = store.used_blocks();
  store.replica.command(
      Effect::put_string(0, store.replica.keyspace.key("a"), store.noise(kLarge), 0));
  store.replica.shard.submit();
  const std::string image = store.image("a");
  CHECK(store.replica.shard.commit_seq() < store.replica.shard.last_seq());
  bool done = false;
  store.replica.shard.checkpoint().start([&done](const Status& status) { done = status.ok(); });
  REQUIRE(store.reactor.run_until([&done] { return done; }, 60'000));
  CHECK(store.used_blocks() <= used + kBlocks + 2);  // the root is new
  CHECK(store.object("a")->has_ref());
  CHECK(store.record("a") == image);
  expect_same_after_restart(disk, store);
}

TEST_CASE("disk engine: only the record of what an entry left is taken") {
  SimDisk disk(3);
  Store store(disk);
  Keyspace& keyspace = store.replica.keyspace;
  Shard& shard = store.replica.shard;
  const auto put = [&](const char* key) {
    shard.emit(Effect::put_string(0, keyspace.key(key), store.noise(kLarge), 0));
  };
  shard.begin_command(1000);
  put("expires");
  put("changed");
  put("twice");
  put("twice");
  put("kept");
  shard.emit(Effect::set_expiry(0, keyspace.key("expires"), 7777));
  shard.emit(Effect::write_range(0, keyspace.key("changed"), 100, "x"));
  shard.emit(Effect::erase(0, keyspace.key("none")));
  shard.end_command();
  store.turn();
  const auto logged = [&](const char* key, Seq seq) {
    return store.engine.has_logged_record(0, {0, keyspace.key(key).slot, key}, seq);
  };
  const Seq seq = shard.last_seq();
  CHECK(!logged("expires", seq));
  CHECK(!logged("changed", seq));
  CHECK(logged("twice", seq));
  CHECK(logged("kept", seq));
  CHECK(!logged("kept", seq + 1));
  CHECK(!logged("kept", seq - 1));
  CHECK(!store.engine.has_logged_record(0, {1, keyspace.key("kept").slot, "kept"}, seq));
  std::map<std::string, std::string> images;
  for (const char* key : {"expires", "changed", "twice", "kept"}) images[key] = store.image(key);
  store.checkpoint();
  CHECK(!logged("kept", seq));
  for (const auto& [key, image] : images) CHECK(store.record(key) == image);

  // Flushed in the same entry, and put again.
  shard.begin_command(1000);
  put("kept");
  shard.emit(Effect::flush_db(0));
  put("twice");
  shard.end_command();
  store.turn();
  CHECK(!logged("kept", seq + 1));
  CHECK(logged("twice", seq + 1));
  // What was cut off the log is nobody's state, even if its number comes again.
  CHECK(store.engine.info().durable);
  store.engine.truncate_suffix(0, seq, [](const Status&) {});
  CHECK(!logged("twice", seq + 1));
}

TEST_CASE("disk engine: after a restart a checkpoint takes the log's records, and old ones stay") {
  SimDisk disk(4);
  auto store = std::make_unique<Store>(disk);
  store->put("old", kLarge);
  store->checkpoint();
  store->put("new", kLarge);
  const Model expected = contents(store->replica.keyspace);
  const uint64_t used = store->used_blocks();
  for (int round = 0; round < 3; ++round) {
    disk.crash();
    store = std::make_unique<Store>(disk);
    CHECK(contents(store->replica.keyspace) == expected);
    CHECK(store->used_blocks() <= used + 2);
  }
  store->checkpoint();
  CHECK(store->used_blocks() <= used + 2);
  CHECK(store->object("new")->has_ref());
  CHECK(disk::kRegionOffset < disk::offset_of(store->object("new")->ref()));
  expect_same_after_restart(disk, *store);
}

TEST_CASE("disk engine: a bit that turns in a large value of the log is found, and refused") {
  SimDisk disk(5);
  uint64_t offset = 0;
  {
    Store store(disk);
    store.put("a", kLarge);
    store.engine.close();
  }
  disk.crash();
  SimReactor reactor;
  const auto whole = inspect_store(reactor, disk, "store", {}, [](const std::string&) {});
  REQUIRE((whole.ok() && whole.value().problems.empty()));
  for (const LiveRange& range : whole.value().live) {
    if (range.file == "data" && range.size > kLarge) offset = range.offset;
  }
  REQUIRE(offset > 0);
  for (const uint64_t at : {0, 12, 40, 70'000, 300'000}) {
    CAPTURE(at);
    const auto copy = disk.fork(at);
    copy->rot("store/data", offset + at, 1);
    CHECK(!problems(*copy).empty());
    SeededRandom random(1);
    DiskEngine engine(reactor, *copy, random, "store", {.wal_bytes = 1 << 20});
    RandomReplica replica(reactor, engine);
    const auto refused = open_and_recover(replica.shard);
    CHECK(refused.status().code() == Code::kCorrupt);
    CHECK(refused.status().message().find("the log's large value in data blocks") !=
          std::string::npos);
    engine.close();
  }
}

TEST_CASE("disk engine: without room in the data file a large value goes to the log") {
  SimDisk disk(6);
  Store store(disk, 4 << 20);
  store.put("a", kLarge);
  uint64_t size = 0;
  for (const char* file : {"store/wal", "store/data"}) {
    size += disk.read_file(file).value().size();
  }
  disk.set_capacity(size);
  while (!store.engine.out_of_space()) {
    store.replica.command(
        Effect::put_string(0, store.replica.keyspace.key("b"), store.noise(200'000), 0));
    store.turn();
  }
  const uint64_t used = store.used_blocks();
  // Smaller than a sixteenth of the ring, it has room there.
  const std::string value = store.noise(100'000);
  store.replica.command(Effect::put_string(0, store.replica.keyspace.key("c"), value, 0));
  store.turn();
  CHECK(store.replica.shard.commit_seq() == store.replica.shard.last_seq());
  CHECK(store.used_blocks() == used);
  expect_same_after_restart(disk, store);
}

TEST_CASE(
    "disk engine: a store of format 1 has no large values elsewhere until it is of format 2") {
  SimDisk disk(7);
  {
    Store store(disk);
    store.put("a", 100);
    store.engine.close();
  }
  disk.crash();
  for (const int copy : {0, 1}) {
    const std::string path = copy == 0 ? "store/wal" : "store/data";
    auto file = disk.open(path, {.direct = true, .write_through = true});
    AlignedBuffer block(kBlock);
    REQUIRE(file.value()->read_at(disk::superblock_offset(0), block.span()).ok());
    auto superblock = disk::decode_superblock(block.span(), 0, copy);
    REQUIRE((superblock.ok() && superblock.value().has_value()));
    superblock.value()->format = 1;
    disk::encode_superblock(*superblock.value(), copy, block.span());
    REQUIRE(file.value()->write_at(disk::superblock_offset(0), block.span()).ok());
  }
  Store store(disk);
  const uint64_t used = store.used_blocks();
  const auto put = [&](const char* key) {
    store.replica.command(
        Effect::put_string(0, store.replica.keyspace.key(key), store.noise(kLarge), 0));
    store.turn();
    return store.engine.has_logged_record(0, {0, store.replica.keyspace.key(key).slot, key},
                                          store.replica.shard.last_seq());
  };
  CHECK(!put("b"));
  CHECK(store.used_blocks() >= used + kBlocks - 1);  // the whole group, too large for this ring
  store.checkpoint();
  CHECK(put("c"));
  expect_same_after_restart(disk, store);
}
