// DiskEngine on the simulated disk: what it does when something fails or is not whole. The rules
// (D3, D4, D8, D12...) are those of docs/ENGINE.md; power cuts are in tests/crash/power_cut.cc.
#include "engine/disk/disk_engine.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/inspect.h"
#include "tests/unit/engine/engine_fixtures.h"

using namespace holdfast;

namespace {

constexpr DiskEngineOptions kSmall{.wal_bytes = 256 << 10, .grow_bytes = 1 << 20};
const std::vector<std::string> kFiles = {"store/wal", "store/data"};

struct Store {
  explicit Store(SimDisk& on, uint64_t seed = 1) : disk(on), random(seed) { open(); }

  void open() {
    engine = std::make_unique<DiskEngine>(reactor, disk, random, "store", kSmall);
    const Result<std::vector<RecoveredShard>> found = engine->open();
    opened = found.status();
    last = 0;
    for (const RecoveredShard& shard : found.ok() ? found.value() : std::vector<RecoveredShard>()) {
      last = std::max(last, shard.last_seq);
    }
  }
  Status append(Seq first, Seq to) {
    return wait([&](Engine::Done done) { engine->append(kShard, make_group(first, to), done); });
  }
  Status checkpoint(Seq seq) {
    const Status status = wait([&](Engine::Done done) {
      engine->write_records(kShard, {{{0, 1, "key" + std::to_string(seq)}, false, "image"}},
                            [done](const Status& s, const auto&) { done(s); });
    });
    if (!status.ok()) return status;
    return wait([&](Engine::Done done) { engine->finish_checkpoint(kShard, {seq, "s"}, done); });
  }
  Status wait(const std::function<void(Engine::Done)>& call) {
    auto result = std::make_shared<Status>(Status::unavailable("no completion"));
    call([result](const Status& status) { *result = status; });
    reactor.run_for(50);
    return *result;
  }

  SimReactor reactor;
  SimDisk& disk;
  SeededRandom random;
  std::unique_ptr<DiskEngine> engine;
  Status opened;
  Seq last = 0;
};

void zero(SimDisk& disk, const std::string& path, uint64_t offset) {
  const AlignedBuffer zeros(kBlock);
  auto file = disk.open(path, {.write_through = true});
  REQUIRE(file.value()->write_at(offset, zeros.span()).ok());
}

// From here on the device has no more room than the store has taken.
void fill(SimDisk& disk) {
  uint64_t size = 0;
  for (const std::string& file : kFiles) size += disk.read_file(file).value().size();
  disk.set_capacity(size);
}

std::vector<std::string> bytes_of(SimDisk& disk) {
  std::vector<std::string> all;
  for (const std::string& file : kFiles) all.push_back(disk.read_file(file).value());
  return all;
}

}  // namespace

TEST_CASE(
    "disk engine: a failed flush ends everything; nothing is retried or acknowledged (D3, D4)") {
  for (uint64_t nth = 1; nth <= 12; ++nth) {
    CAPTURE(nth);
    SimDisk disk(nth);
    Store store(disk);
    REQUIRE(store.append(1, 5).ok());
    disk.fail_sync(1 + nth / 2, nth % 2 == 0);  // also of a device that says ok afterwards
    Seq acked = 5;
    bool failed = false;
    for (Seq seq = 6; seq < 20; ++seq) {
      const Status status = store.append(seq, seq);
      CHECK((!failed || !status.ok()));
      failed = failed || !status.ok();
      if (status.ok()) acked = seq;
    }
    CHECK(failed);
    CHECK(!store.checkpoint(5).ok());
    store.engine.reset();
    disk.crash();
    Store again(disk);
    CHECK_MESSAGE(again.opened.ok(), again.opened.message());
    CHECK(again.last >= acked);
  }
}

TEST_CASE(
    "disk engine: a store that is not whole is refused and left alone, never made anew (D8, D12)") {
  SimDisk disk(3);
  {
    Store store(disk);
    REQUIRE(store.append(1, 5).ok());
    REQUIRE(store.checkpoint(3).ok());
    REQUIRE(store.append(6, 9).ok());
    store.engine->close();
  }
  disk.crash();
  const auto refused = [&](const std::function<void(SimDisk&)>& damage) {
    const auto copy = disk.fork(1);
    damage(*copy);
    const auto before = bytes_of(*copy);
    Store store(*copy);
    CHECK(store.opened.code() == Code::kCorrupt);
    CHECK(bytes_of(*copy) == before);
    return store.opened.message();
  };
  refused([](SimDisk& d) {
    for (const std::string& file : kFiles) {
      for (const uint64_t slot : {0, 1}) zero(d, file, slot * kBlock);
    }
  });
  // A block of the log that later ones vouch for.
  const std::string message =
      refused([](SimDisk& d) { zero(d, "store/wal", disk::kRegionOffset + kBlock); });
  CHECK(message.find("WAL block 1 is never written, but everything below block") !=
        std::string::npos);
  for (const std::string& file : kFiles) {
    const auto copy = disk.fork(1);
    REQUIRE(copy->remove(file).ok());
    Store store(*copy);
    CHECK(store.opened.code() == Code::kCorrupt);
    CHECK(!copy->exists(file));
  }
  Store untouched(disk);
  CHECK(untouched.last == 9);
}

TEST_CASE("disk engine: any bit that turns in a live record is found (D15)") {
  SimDisk disk(7);
  Store store(disk);
  REQUIRE(store.append(1, 5).ok());
  REQUIRE(store.checkpoint(5).ok());
  uint64_t offset = 0, size = 0;
  REQUIRE(store.engine
              ->visit_records(kShard,
                              [&](const RecordKey& key, std::string_view image) {
                                offset = disk::offset_of(key.ref);
                                size = disk::kRecordHeader + key.key.size() + image.size();
                                return true;
                              })
              .ok());
  REQUIRE(size > 0);
  store.engine->close();
  disk.crash();
  for (uint64_t byte = 0; byte < size; ++byte) {
    CAPTURE(byte);
    const auto copy = disk.fork(byte);
    copy->rot("store/data", offset + byte, 1);
    Store damaged(*copy);
    REQUIRE(damaged.opened.ok());
    const Status status = damaged.engine->visit_records(kShard, [](auto...) { return true; });
    CHECK(status.code() == Code::kCorrupt);
    CHECK(status.message().find("data file at " + std::to_string(offset)) != std::string::npos);
  }
}

TEST_CASE("disk engine: a store's making may be cut off anywhere; the next start makes it") {
  bool finished = false;
  for (uint64_t changes = 1; !finished; ++changes) {
    CAPTURE(changes);
    SimDisk disk(changes);
    disk.power_off_after(changes);
    {
      Store store(disk);
      finished = store.opened.ok() && disk.powered();
    }
    disk.crash();
    Store store(disk, 2);
    REQUIRE_MESSAGE(store.opened.ok(), store.opened.message());
    REQUIRE(store.append(1, 3).ok());
  }
}

TEST_CASE("disk engine: another store's blocks are not ours (D9)") {
  const disk::WalIdentity ours{{1, 2}, 64}, theirs{{3, 4}, 64};
  disk::WalStream stream(10, {5, 1, 0, 0, true, true}, theirs);
  stream.append("0123456789");
  AlignedBuffer block = stream.finish();
  disk::WalBlock header;
  CHECK(disk::open_wal_block(block.span(), ours, 5, 1, 1, &header) != disk::WalBlockState::kGood);
  CHECK(disk::open_wal_block(block.span(), theirs, 5, 1, 1, &header) == disk::WalBlockState::kGood);
}

TEST_CASE("disk engine: a block that cannot be read is not the end of the log (D2)") {
  SimDisk disk(4);
  {
    Store store(disk);
    for (Seq seq = 1; seq <= 5; ++seq) REQUIRE(store.append(seq, seq).ok());
  }
  disk.crash();
  // The last entry's block: nothing behind it vouches for it but the witness.
  for (uint64_t block = 0; block < 12; ++block) {
    CAPTURE(block);
    const auto copy = disk.fork(1);
    copy->fail_reads("store/wal", disk::kRegionOffset + block * kBlock, kBlock);
    Store store(*copy);
    CHECK((!store.opened.ok() || store.last == 5));
    if (block < 5) CHECK(!store.opened.ok());
  }
}

TEST_CASE("disk engine: a full ring makes appends wait until a checkpoint frees it") {
  SimDisk disk(5);
  Store store(disk);
  REQUIRE(store.opened.ok());
  Seq next = 1, done = 0;
  while (!store.engine->wants_pause()) {
    store.engine->append(kShard, make_group(next, next), [&done](const Status& s) {
      REQUIRE(s.ok());
      ++done;
    });
    ++next;
    store.reactor.run_for(5);
  }
  CHECK(store.engine->wants_checkpoint(kShard));
  for (int i = 0; i < 40; ++i) {  // far more than there is room for
    store.engine->append(kShard, make_group(next, next), [&done](const Status&) { ++done; });
    ++next;
    store.reactor.run_for(5);
  }
  CHECK(done < next - 1);
  while (store.engine->wants_checkpoint(kShard)) {
    const Seq covered = done;
    REQUIRE(store.checkpoint(covered).ok());
    REQUIRE(
        store.wait([&](Engine::Done d) { store.engine->release_prefix(kShard, covered, d); }).ok());
  }
  store.reactor.run_for(100);
  CHECK(done == next - 1);
  store.engine->close();
  store.open();
  CHECK(store.last == next - 1);
}

TEST_CASE("disk engine: a ring that others have filled has room for the shard that holds it up") {
  constexpr ShardId kOldest = kShard + 1;
  SimDisk disk(5);
  Store store(disk);
  const auto append = [&store](ShardId shard, Seq seq, int* done) {
    store.engine->append(shard, make_group(seq, seq), [done](const Status& s) {
      REQUIRE(s.ok());
      ++*done;
    });
    store.reactor.run_for(5);
  };
  int oldest = 0, others = 0;
  append(kOldest, 1, &oldest);
  Seq next = 1;
  for (; others + 10 > static_cast<int>(next); ++next) append(kShard, next, &others);
  const auto truncate = [&store](Engine::Done d) {
    store.engine->truncate_suffix(kShard + 2, 0, std::move(d));
  };
  CHECK(store.wait(truncate).ok());
  append(kOldest, 2, &oldest);
  CHECK(oldest == 2);
  // Committed by that, perhaps; then it can go, and the others go on.
  const auto let_go = [&store](ShardId shard, Seq seq) {
    REQUIRE(
        store.wait([&](Engine::Done d) {
               store.engine->finish_checkpoint(shard, {seq, "s"}, d);
             })
            .ok());
    REQUIRE(store.wait([&](Engine::Done d) { store.engine->release_prefix(shard, seq, d); }).ok());
  };
  let_go(kOldest, 2);
  while (others + 1 < static_cast<int>(next)) {
    const int before = others;
    for (int i = 0; i < 2; ++i) let_go(kShard, static_cast<Seq>(others));
    REQUIRE(others > before);
  }
  store.engine->close();
  store.open();
  CHECK(store.last == next - 1);
}

TEST_CASE("disk engine: a full device makes a checkpoint wait, and nothing is lost") {
  SimDisk disk(6);
  Store store(disk);
  REQUIRE(store.append(1, 5).ok());
  fill(disk);
  CHECK(!store.engine->out_of_space());
  int finished = 0;  // from the reserve
  Seq seq = 1;
  while (store.checkpoint(seq).ok()) {
    ++finished;
    ++seq;
  }
  CHECK(finished > 0);
  CHECK(store.engine->out_of_space());
  REQUIRE(store.append(6, 9).ok());  // the log goes on
  disk.set_capacity(UINT64_MAX);
  store.reactor.run_for(3000);
  CHECK(!store.engine->out_of_space());
  store.engine->close();
  store.open();
  int records = 0;
  REQUIRE(store.engine->visit_records(kShard, [&](auto...) { return ++records > 0; }).ok());
  CHECK(records == finished);
}

TEST_CASE("disk engine: a full device is not asked for room again and again") {
  SimDisk disk(6);
  Store store(disk);
  REQUIRE(store.append(1, 5).ok());
  fill(disk);
  std::string image(66'000, 'x');  // each record has an extent of its own
  for (char& byte : image) byte = static_cast<char>(store.random.next());
  const std::vector<RecordWrite> records(40, {{0, 1, "key"}, false, image});
  store.engine->write_records(kShard, records, [](const Status&, const auto&) {});
  CHECK(store.engine->out_of_space());
  const uint64_t refused = disk.refused_reserves();
  CHECK(refused > 0);
  CHECK(refused <= 8);  // not for each record
  store.reactor.run_for(1000);
  CHECK(disk.refused_reserves() > refused);
}

TEST_CASE("disk engine: what waits for room is told of a failed write") {
  SimDisk disk(6);
  Store store(disk);
  REQUIRE(store.append(1, 5).ok());
  fill(disk);
  std::string image(1'200'000, 'x');
  for (char& byte : image) byte = static_cast<char>(store.random.next());
  const auto write = [&](const char* key) {
    auto result = std::make_shared<std::optional<Status>>();
    store.engine->write_records(kShard, {{{0, 1, key}, false, image}},
                                [result](const Status& status, const auto&) { *result = status; });
    return result;
  };
  const auto fits = write("a"), waits = write("b");
  disk.fail_sync(1);
  store.reactor.run_for(100);
  CHECK(fits->has_value());
  REQUIRE(waits->has_value());
  CHECK(!(*waits)->ok());
  CHECK(store.append(6, 6).code() == Code::kPoisoned);
}

TEST_CASE("disk engine: on a full device it asks for checkpoints as long as they free room") {
  SimDisk disk(6);
  Store store(disk);
  REQUIRE(store.append(1, 5).ok());
  fill(disk);
  const auto write = [&](const RecordWrite& record) {
    std::vector<RecordRef> refs;
    REQUIRE(store
                .wait([&](Engine::Done done) {
                  store.engine->write_records(kShard, {record},
                                              [&refs, done](const Status& s, const auto& written) {
                                                refs = written;
                                                done(s);
                                              });
                })
                .ok());
    return refs.at(0);
  };
  const auto finish = [&] {
    REQUIRE(store
                .wait([&](Engine::Done done) {
                  store.engine->finish_checkpoint(kShard, {5, "s"}, done);
                })
                .ok());
    CHECK(!store.engine->wants_checkpoint(kShard));  // not at once
    store.reactor.run_for(1000);
  };
  std::string image(1'200'000, 'x');
  for (char& byte : image) byte = static_cast<char>(store.random.next());  // lz4 leaves it alone
  const RecordRef ref = write({{0, 1, "large"}, false, image});
  finish();
  CHECK(store.engine->out_of_space());
  CHECK(store.engine->wants_checkpoint(kShard));  // what is logged may be deletes
  REQUIRE(
      store.wait([&](Engine::Done done) { store.engine->release_prefix(kShard, 5, done); }).ok());
  finish();
  CHECK(!store.engine->wants_checkpoint(kShard));  // all is live
  write({{0, 1, "large", ref}, true, {}});
  finish();
  CHECK(store.engine->wants_checkpoint(kShard));  // the older superblock names the record still
  finish();
  CHECK(!store.engine->wants_checkpoint(kShard));
}

TEST_CASE("disk engine: verify finds every bit that turns in live bytes, and a whole store whole") {
  SimDisk disk(8);
  {
    Store store(disk);
    REQUIRE(store.append(1, 5).ok());
    REQUIRE(store.wait([&](Engine::Done d) {
                   store.engine->save_hard_state(kShard, {3, 1}, d);
                 })
                .ok());
    REQUIRE(store.checkpoint(3).ok());
    REQUIRE(store.append(6, 9).ok());
    REQUIRE(store.checkpoint(7).ok());
    LogGroup large = make_group(10, 10);
    large.bytes = make_entry(std::string(300'000, 'x'));
    REQUIRE(store.wait([&](Engine::Done d) { store.engine->append(kShard, large, d); }).ok());
    REQUIRE(store.append(11, 12).ok());
    store.engine->close();
  }
  disk.crash();
  SimReactor reactor;
  std::string text;
  const auto print = [&text](const std::string& line) { text += line + "\n"; };
  const Result<StoreReport> whole =
      inspect_store(reactor, disk, "store", {.log = true, .records = true}, print);
  REQUIRE(whole.ok());
  CHECK(whole.value().problems.empty());
  CHECK(whole.value().records == 2);
  CHECK(text.find("key 'key7'") != std::string::npos);
  CHECK(text.find("entries 10..10") != std::string::npos);
  const char* wanted = std::getenv("HOLDFAST_FLIPS");  // `make crash` turns more
  const int flips = wanted == nullptr ? 1500 : std::atoi(wanted);
  REQUIRE(flips > 0);
  SeededRandom random(9);
  const auto& live = whole.value().live;
  for (int i = 0; i < flips; ++i) {
    const LiveRange& range = live[random.below(live.size())];
    const auto copy = disk.fork(random.next());
    const uint64_t offset = range.offset + random.below(range.size);
    CAPTURE(range.file);
    CAPTURE(offset);
    copy->rot("store/" + range.file, offset, 1);
    const Result<StoreReport> report = inspect_store(reactor, *copy, "store", {}, print);
    CHECK((!report.ok() || !report.value().problems.empty()));
  }
}
