// How a DiskEngine reads its log without waiting: what becomes of the log meanwhile.
#include <doctest/doctest.h>

#include <optional>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "tests/unit/engine/engine_fixtures.h"

using namespace holdfast;

namespace {

std::string noise(Seq seed, size_t bytes) {
  SeededRandom random(seed);
  std::string value(bytes, '\0');
  for (char& byte : value) byte = static_cast<char>(random.next());
  return value;
}

struct Store {
  explicit Store(SimDisk& on)
      : disk(on),
        engine(reactor, disk, random, "store", {.wal_bytes = 256 << 10, .grow_bytes = 1 << 20}) {
    REQUIRE(engine.open().ok());
  }

  // Groups of one entry.
  void append(Seq first, Seq last, std::string_view flavor = "e") {
    for (Seq seq = first; seq <= last; ++seq) {
      engine.append(kShard, make_group(seq, seq, flavor), [](const Status& s) { CHECK(s.ok()); });
      reactor.run_for(5);
    }
  }
  void append_value(Seq seq, size_t bytes, bool large = false) {
    LogGroup group{seq, seq, make_entry(noise(seq, bytes))};
    if (large) group.large.push_back({4, bytes, seq, 0, 1, "key", "head", true});
    engine.append(kShard, std::move(group), [](const Status& s) { CHECK(s.ok()); });
    reactor.run_for(50);
  }
  void release(Seq upto) {
    engine.finish_checkpoint(kShard, {upto, "s"}, [](const Status& s) { CHECK(s.ok()); });
    reactor.run_for(50);
    engine.release_prefix(kShard, upto, [](const Status& s) { CHECK(s.ok()); });
    reactor.run_for(50);
  }
  // The log goes on, and what lies before that is needed no more.
  void move_on(Seq first, Seq last) {
    append(first, last);
    release(last);
  }
  void truncate(Seq last_kept) {
    engine.truncate_suffix(kShard, last_kept, [](const Status& s) { CHECK(s.ok()); });
  }
  void fetch(Seq from, Seq to, uint64_t max_bytes = 1) {
    got.reset();
    const uint64_t waited = disk.waited_reads();
    engine.fetch_log(kShard, from, to, max_bytes,
                     [this](Result<std::string> entries) { got = std::move(entries); });
    CHECK(!got.has_value());
    CHECK(disk.waited_reads() == waited);
  }
  Result<std::string> fetched() {
    reactor.run_for(100);
    REQUIRE(got.has_value());
    return *got;
  }

  SimReactor reactor;
  SimDisk& disk;
  SeededRandom random{1};
  DiskEngine engine;
  std::optional<Result<std::string>> got;
};

}  // namespace

TEST_CASE("disk log: fetched all around the ring, and over its end") {
  SimDisk disk(1);
  Store store(disk);
  const uint64_t waited = disk.waited_reads();
  for (Seq seq = 1; seq < 200; ++seq) {  // of 1 to 4 of the ring's 64 blocks
    store.append_value(seq, 100 + seq % 4 * 4000);
    store.fetch(seq > 2 ? seq - 2 : 1, seq, 100'000);
    const Result<std::string> entries = store.fetched();
    REQUIRE_MESSAGE(entries.ok(), entries.status().message());
    std::string expected;
    for (Seq one = seq > 2 ? seq - 2 : 1; one <= seq; ++one) {
      expected += make_entry(noise(one, 100 + one % 4 * 4000));
    }
    CHECK(entries.value().size() == expected.size());
    CHECK((entries.value() == expected));
    if (seq > 3) store.release(seq - 3);
  }
  CHECK(disk.waited_reads() == waited);
}

TEST_CASE("disk log: released and written over while it is fetched, it is not there any more") {
  SimDisk disk(2);
  Store store(disk);
  store.append(1, 20);
  disk.hold_reads(2 * kBlock);
  store.fetch(5, 10, 1 << 20);
  store.release(20);
  store.move_on(21, 30);  // the ring's 64 blocks are free but for the last ones
  store.move_on(31, 60);
  store.append(61, 64);
  disk.hold_reads(UINT64_MAX);
  CHECK(store.fetched().status().code() == Code::kNotFound);
}

TEST_CASE("disk log: what is truncated while it is fetched, and appended anew, is not mixed up") {
  SimDisk disk(3);
  Store store(disk);
  store.append(1, 20);
  disk.hold_reads(2 * kBlock);
  store.fetch(5, 20, 1 << 20);
  store.truncate(10);
  store.append(11, 20, "new");
  disk.hold_reads(UINT64_MAX);
  CHECK(store.fetched().value() == make_group(5, 10).bytes);

  disk.hold_reads(2 * kBlock);
  store.fetch(15, 20, 1 << 20);
  store.truncate(10);
  store.append(11, 20, "newer");
  disk.hold_reads(UINT64_MAX);
  CHECK(store.fetched().status().code() == Code::kNotFound);
}

TEST_CASE("disk log: large values, and large groups, are fetched from the data file") {
  for (const bool large : {false, true}) {
    CAPTURE(large);
    SimDisk disk(4);
    Store store(disk);
    store.append(1, 3);
    store.append_value(4, 300'000, large);
    store.append(5, 6);
    store.fetch(3, 6, 1 << 20);
    CHECK(store.fetched().value() == entry_of(3));
    store.fetch(4, 6, 1 << 20);
    CHECK((store.fetched().value() == make_entry(noise(4, 300'000))));

    // Whose blocks are another's by then.
    disk.hold_reads(100'000);
    store.fetch(4, 6);
    store.reactor.run_for(10);
    store.release(6);
    store.move_on(7, 8);
    store.move_on(9, 10);
    for (Seq seq = 11; seq < 20; ++seq) store.append_value(seq, 300'000);
    disk.hold_reads(UINT64_MAX);
    CHECK(store.fetched().status().code() == Code::kNotFound);
  }
}

TEST_CASE("disk log: a damaged block is told, and not what lies before it") {
  SimDisk disk(5);
  Store store(disk);
  store.append(1, 5);
  // Block 0 begins the generation.
  disk.fail_reads("store/wal", disk::kRegionOffset + 4 * kBlock, kBlock);
  store.fetch(1, 2, 1 << 20);
  CHECK(store.fetched().value() == make_group(1, 2).bytes);
  store.fetch(1, 5, 1 << 20);
  CHECK(!store.fetched().ok());
  store.fetch(4, 5, 1 << 20);
  CHECK(store.fetched().status().code() != Code::kNotFound);
}
