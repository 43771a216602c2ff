// RocksEngine beyond the contract: crashes, damage, gaps, poison, group commit, durabilities.
#include "engine/rocks_engine.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>

#include "base/random.h"
#include "tests/unit/engine/engine_fixtures.h"
#include "tests/unit/engine/rocks_test_tools.h"

using namespace holdfast;
using namespace holdfast::rocks_format;

namespace {

// What open() says of a directory.
Result<std::vector<RecoveredShard>> try_open(const std::string& directory) {
  ManualReactor reactor;
  RocksEngine engine(reactor, directory, {});
  return engine.open();
}

// Files may not grow beyond `bytes` while it lives: writes fail as on a full device.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_;
};

}  // namespace

TEST_CASE("rocks engine: what was completed is in a copy of the live directory") {
  RocksFixture f;
  const std::string copy = f.scratch().file("copy");
  Seq last = 0;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i, last += 3) REQUIRE(f.append(make_group(last + 1, last + 3)).ok());
    REQUIRE(f.save({static_cast<Epoch>(round), 5}).ok());
    copy_directory(f.directory(), copy);
    const auto found = try_open(copy);
    REQUIRE_MESSAGE(found.ok(), found.status().message());
    CHECK(found.value().at(0).last_seq == last);
    CHECK(found.value().at(0).hard_state.promised_epoch == static_cast<Epoch>(round));
  }
}

TEST_CASE("rocks engine: a torn last write takes whole groups with it (E2)") {
  RocksFixture f;
  for (Seq last = 4; last <= 40; last += 4) REQUIRE(f.append(make_group(last - 3, last)).ok());
  const std::string wal = std::filesystem::path(newest_wal(f.directory())).filename();
  const std::string copy = f.scratch().file("copy");
  copy_directory(f.directory(), copy);
  const std::string whole = read_whole(copy + "/" + wal);
  Seq before = 40;
  for (size_t cut = 1; cut < whole.size(); cut += 13) {
    CAPTURE(cut);
    copy_directory(f.directory(), copy);
    write_whole(copy + "/" + wal, whole.substr(0, whole.size() - cut));
    const auto found = try_open(copy);
    if (!found.ok()) continue;  // not even the format is left
    const Seq last = found.value().empty() ? 0 : found.value().at(0).last_seq;
    CHECK(last % 4 == 0);
    CHECK(last <= before);
    before = last;
  }
  CHECK(before == 0);
}

TEST_CASE("rocks engine: damage in the middle of RocksDB's own log stops the start (E6)") {
  RocksFixture f;
  for (Seq seq = 1; seq <= 50; ++seq) REQUIRE(f.append(make_group(seq, seq)).ok());
  const std::string copy = f.scratch().file("copy");
  copy_directory(f.directory(), copy);
  const std::string wal = newest_wal(copy);
  std::string content = read_whole(wal);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 4);
  write_whole(wal, content);
  const auto found = try_open(copy);
  REQUIRE(!found.ok());
  CHECK(found.status().code() == Code::kCorrupt);
}

TEST_CASE("rocks engine: a changed bit in any value is found (E6)") {
  RocksFixture f;
  REQUIRE(f.append(make_group(1, 5)).ok());
  REQUIRE(f.append(make_group(6, 9)).ok());
  REQUIRE(f.save({1, 2}).ok());
  REQUIRE(f.write({{{0, 5, "k"}, false, "image"}, {{0, 5, "l"}, false, "image"}}).ok());
  REQUIRE(f.finish({3, "s"}).ok());
  f.close();
  const std::string copy = f.scratch().file("copy");
  const auto damage = [&](auto change) {
    copy_directory(f.directory(), copy);
    RawStore raw(copy);
    change(raw);
  };
  const auto code_of_open = [&] { return try_open(copy).status().code(); };

  damage([](RawStore& raw) { raw.flip_bit(raw.log(), log_key(kShard, 9), 20); });
  CHECK(code_of_open() == Code::kCorrupt);
  damage([](RawStore& raw) { raw.put(raw.log(), log_key(kShard, 9), ""); });
  CHECK(code_of_open() == Code::kCorrupt);
  damage([](RawStore& raw) { raw.put(raw.log(), "stray", "value"); });
  CHECK(code_of_open() == Code::kCorrupt);
  damage([](RawStore& raw) {  // a value under another key
    raw.put(raw.log(), log_key(kShard, 10), raw.get(raw.log(), log_key(kShard, 9)));
  });
  CHECK(code_of_open() == Code::kCorrupt);
  for (const std::string_view kind : {kHardStateKind, kCheckpointKind}) {
    damage([&](RawStore& raw) { raw.flip_bit(raw.state(), state_key(kind, kShard), 6); });
    CHECK(code_of_open() == Code::kCorrupt);
  }
  damage([](RawStore& raw) { raw.put(raw.state(), "what is this", "value"); });
  CHECK(code_of_open() == Code::kCorrupt);
  damage([](RawStore&) {});
  CHECK(code_of_open() == Code::kOk);

  damage([](RawStore& raw) { raw.flip_bit(raw.records(), record_key(kShard, {0, 5, "k"}), 7); });
  ManualReactor reactor;
  RocksEngine engine(reactor, copy, {});
  REQUIRE(engine.open().ok());
  CHECK(engine.read_record(kShard, {0, 5, "k"}).status().code() == Code::kCorrupt);
  CHECK(engine.read_record(kShard, {0, 5, "l"}).ok());
  const auto any = [](auto...) { return true; };
  CHECK(engine.visit_records(kShard, any).code() == Code::kCorrupt);
  CHECK(engine.visit_records(kShard + 1, any).ok());
}

TEST_CASE("rocks engine: a missing group above the checkpoint is never a shorter log") {
  RocksFixture f;
  for (Seq last = 5; last <= 30; last += 5) REQUIRE(f.append(make_group(last - 4, last)).ok());
  REQUIRE(f.finish({12, ""}).ok());
  f.close();
  const std::string copy = f.scratch().file("copy");
  const auto open_without = [&](std::vector<Seq> groups) {
    copy_directory(f.directory(), copy);
    {
      RawStore raw(copy);
      for (const Seq last : groups) raw.erase(raw.log(), log_key(kShard, last));
    }
    return try_open(copy);
  };
  for (const Seq last : {15, 20, 25}) {
    const auto found = open_without({last});
    REQUIRE(!found.ok());
    CHECK(found.status().code() == Code::kCorrupt);
    const Seq from = std::max<Seq>(last - 4, 13);
    CHECK(found.status().message() == "data directory " + copy + ": shard 3: log entries " +
                                          std::to_string(from) + " to " + std::to_string(last) +
                                          " are missing");
  }
  CHECK(!open_without({5, 10, 15}).ok());
  CHECK(open_without({5, 10}).value().at(0).first_seq == 11);
  CHECK(open_without({10}).value().at(0).first_seq == 11);  // a release cut short
  CHECK(open_without({15, 20, 25, 30}).value().at(0).last_seq == 0);
}

TEST_CASE("rocks engine: entries in flight are read and cut like those on the device") {
  RocksFixture f;
  const auto ignore = [](const Status& status) { CHECK(status.ok()); };
  for (int round = 0; round < 20; ++round) {
    const auto base = static_cast<Seq>(round * 6);
    f.engine().append(kShard, make_group(base + 1, base + 4), ignore);
    f.engine().append(kShard, make_group(base + 5, base + 8), ignore);
    CHECK(f.read(1, base + 8).size() == base + 8);
    f.engine().truncate_suffix(kShard, base + 6, ignore);
    const Entries entries = f.read(1, base + 6);
    CHECK(entries.size() == base + 6);
    CHECK(entries.at(base + 6) == entry_of(base + 6));
    f.reactor().run_posted();
  }
  REQUIRE(f.append(make_group(121, 121)).ok());
  f.reopen();
  CHECK(f.read(1, 121).size() == 121);
}

TEST_CASE("rocks engine: groups that wait are joined in one flush") {
  RocksFixture f;
  constexpr int kGroups = 5000;
  int done = 0;
  for (int i = 1; i <= kGroups; ++i) {
    f.engine().append(kShard, make_group(static_cast<Seq>(i), static_cast<Seq>(i)),
                      [&done](const Status& status) { done += status.ok(); });
  }
  REQUIRE(f.reactor().wait_for([&done] { return done == kGroups; }));
  const EngineStats stats = f.engine().stats();
  CHECK(stats.appended_groups == kGroups);
  CHECK(stats.flushes >= 1);
  CHECK(stats.flushes < kGroups / 2);
  CHECK(stats.flush_ns_max >= stats.flush_ns_last);
  CHECK(stats.flush_ns_last > 0);
}

TEST_CASE("rocks engine: batches are bounded, and large groups pass") {
  RocksFixture f(Durability::kNone);
  std::vector<Seq> order;
  for (Seq seq = 1; seq <= 12; ++seq) {
    f.engine().append(kShard, {seq, seq, make_entry(std::string(5 << 20, 'x'))},
                      [&order, seq](const Status& status) {
                        CHECK(status.ok());
                        order.push_back(seq);
                      });
  }
  REQUIRE(f.reactor().wait_for([&order] { return order.size() == 12; }));
  CHECK(std::is_sorted(order.begin(), order.end()));
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 12);
}

TEST_CASE("rocks engine: interval flushes within about a second, none never, hard state at once") {
  RocksFixture interval(Durability::kInterval);
  CHECK(!interval.engine().info().durable);
  REQUIRE(interval.append(make_group(1, 1)).ok());
  CHECK(interval.engine().stats().flushes == 0);
  const auto start = std::chrono::steady_clock::now();
  while (interval.engine().stats().flushes == 0 &&
         std::chrono::steady_clock::now() - start < std::chrono::seconds(15)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(interval.engine().stats().flushes == 1);
  REQUIRE(interval.save({1, 1}).ok());
  CHECK(interval.engine().stats().flushes == 2);

  RocksFixture none(Durability::kNone);
  REQUIRE(none.append(make_group(1, 1)).ok());
  REQUIRE(none.save({1, 1}).ok());
  REQUIRE(none.finish({1, ""}).ok());
  CHECK(none.engine().stats().flushes == 0);
  none.reopen();
  CHECK(none.recovered(kShard).last_seq == 1);
}

TEST_CASE("rocks engine: close() completes what is in flight; without it completions never run") {
  RocksFixture f;
  int done = 0;
  const auto count = [&done](const Status& status) { done += status.ok(); };
  for (Seq seq = 1; seq <= 100; ++seq) f.engine().append(kShard, make_group(seq, seq), count);
  f.close();
  CHECK(done == 100);
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 100);
  for (Seq seq = 101; seq <= 200; ++seq) f.engine().append(kShard, make_group(seq, seq), count);
  f.destroy();
  f.reactor().run_posted();
  CHECK(done == 100);
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 200);
}

TEST_CASE(
    "rocks engine: after a failed write everything is poisoned, what completed is kept (E3)") {
  RocksFixture f;
  REQUIRE(f.append(make_group(1, 1)).ok());
  Seq last = 1;
  {
    FileSizeLimit limit(1 << 20);
    Status status;
    while (status.ok() && last < 100) {
      const Seq next = last + 1;
      status = f.append({next, next, make_entry(std::string(100'000, 'x'))});
      if (status.ok()) last = next;
    }
    CHECK(status.code() == Code::kPoisoned);
    CHECK(!status.message().empty());
  }
  CHECK(last < 100);
  // The device is well again; the engine stays poisoned.
  CHECK(f.append(make_group(last + 2, last + 2)).code() == Code::kPoisoned);
  CHECK(f.truncate(last).code() == Code::kPoisoned);
  CHECK(f.save({1, 1}).code() == Code::kPoisoned);
  CHECK(f.write({}).code() == Code::kPoisoned);
  CHECK(f.finish({1, ""}).code() == Code::kPoisoned);
  CHECK(f.erase_database(0).code() == Code::kPoisoned);
  f.reopen();
  CHECK(f.recovered(kShard).last_seq >= last);
  CHECK(f.recovered(kShard).last_seq <= last + 1);
  CHECK(f.recovered(kShard).hard_state.promised_epoch == 0);
  CHECK(f.read(1, last).size() == last);
}

TEST_CASE("rocks engine: a group that cannot be cut fails the truncation, and then all") {
  RocksFixture f;
  REQUIRE(f.append(make_group(1, 1)).ok());
  REQUIRE(f.append({2, 4, "these are no entries"}).ok());
  bool done = false;
  Status status;
  f.engine().truncate_suffix(kShard, 3, [&](const Status& result) {
    status = result;
    done = true;
  });
  CHECK(!done);
  REQUIRE(f.reactor().wait_for([&done] { return done; }));
  CHECK(status.code() == Code::kCorrupt);
  CHECK(f.save({1, 1}).code() == Code::kPoisoned);
  CHECK(f.engine().read_log(kShard, 1, 3, [](auto...) { return true; }).code() == Code::kCorrupt);
}

TEST_CASE("rocks engine: a released log gives its files back") {
  RocksFixture f(Durability::kNone);
  constexpr Seq kLast = 90;
  for (Seq seq = 1; seq <= kLast; ++seq) {
    REQUIRE(f.append({seq, seq, make_entry(std::string(1 << 20, 'x'))}).ok());
  }
  f.close();
  {
    RawStore raw(f.directory());
    REQUIRE(raw.db().CompactRange({}, raw.log(), nullptr, nullptr).ok());
  }
  f.reopen();
  const uintmax_t before = bytes_of_tables(f.directory());
  REQUIRE(f.finish({kLast, ""}).ok());
  REQUIRE(f.append(make_group(kLast + 1, kLast + 5)).ok());
  REQUIRE(f.release(kLast).ok());
  f.reopen();
  CHECK(f.recovered(kShard).first_seq == kLast + 1);
  CHECK(f.recovered(kShard).last_seq == kLast + 5);
  CHECK(bytes_of_tables(f.directory()) < before / 2);
}
