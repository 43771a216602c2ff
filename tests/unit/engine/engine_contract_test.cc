// What every engine must do (src/engine/engine.h), asked of each of them.
#include <doctest/doctest.h>

#include <numeric>

#include "tests/unit/engine/engine_fixtures.h"

using namespace holdfast;

#define ENGINES MemFixture, ScriptedFixture, RocksFixture, DiskFixture

namespace {

Entries expected(Seq from, Seq to, std::string_view flavor = "e") {
  Entries entries;
  for (Seq seq = from; seq <= to; ++seq) entries[seq] = entry_of(seq, flavor);
  return entries;
}

}  // namespace

TEST_CASE_TEMPLATE("engine: a new store is empty", F, ENGINES) {
  F f;
  CHECK(f.recovered().empty());
  CHECK(f.engine().log_bytes() == 0);
  CHECK(f.records(0).empty());
  CHECK(f.read_record({0, 0, "k"}).status().code() == Code::kNotFound);
  CHECK(f.engine().read_log(kShard, 1, 1, [](Seq, std::string_view) { return true; }).code() ==
        Code::kNotFound);
}

TEST_CASE_TEMPLATE("engine: appends complete in order, inside the call only if info says so", F,
                   ENGINES) {
  F f;
  std::vector<int> order;
  int others = 0;
  const auto other = [&others](const Status& status) { others += status.ok() ? 1 : 0; };
  for (int i = 0; i < 100; ++i) {
    const auto seq = static_cast<Seq>(i + 1);
    const size_t before = order.size();
    const auto done = [&order, i](const Status& status) {
      CHECK(status.ok());
      order.push_back(i);
    };
    if (i % 10 == 8) f.engine().save_hard_state(kShard, {seq, 0}, other);
    if (i % 10 == 9) {
      f.engine().write_records(
          kShard, {{{0, 1, "k" + std::to_string(i)}, false, "v"}},
          [&other](const Status& status, const std::vector<RecordRef>&) { other(status); });
    }
    f.engine().append(kShard, make_group(seq, seq), done);
    if (!f.engine().info().inline_completion) CHECK(order.size() == before);
  }
  REQUIRE(f.reactor().wait_for([&] { return order.size() == 100 && others == 20; }));
  std::vector<int> sorted(100);
  std::iota(sorted.begin(), sorted.end(), 0);
  CHECK(order == sorted);
}

TEST_CASE_TEMPLATE("engine: the log is read back byte for byte, in any range", F, ENGINES) {
  F f;
  Seq next = 1;
  for (const Seq size : {1, 5, 1, 100, 3}) {
    REQUIRE(f.append(make_group(next, next + size - 1)).ok());
    next += size;
  }
  for (int again = 0; again < 2; ++again) {
    CHECK(f.read(1, 110) == expected(1, 110));
    CHECK(f.read(1, 1) == expected(1, 1));
    CHECK(f.read(4, 9) == expected(4, 9));
    CHECK(f.read(110, 110) == expected(110, 110));
    const auto any = [](Seq, std::string_view) { return true; };
    CHECK(f.engine().read_log(kShard, 0, 5, any).code() == Code::kNotFound);
    CHECK(f.engine().read_log(kShard, 100, 111, any).code() == Code::kNotFound);
    CHECK(f.engine().read_log(kShard + 1, 1, 1, any).code() == Code::kNotFound);
    int seen = 0;
    CHECK(f.engine()
              .read_log(kShard, 3, 110, [&](Seq, std::string_view) { return ++seen < 4; })
              .ok());
    CHECK(seen == 4);
    f.reopen();
    CHECK(f.recovered(kShard).first_seq == 1);
    CHECK(f.recovered(kShard).last_seq == 110);
  }
}

TEST_CASE_TEMPLATE("engine: the log is fetched in pieces, the same entries", F, ENGINES) {
  F f;
  std::vector<std::string> all;
  const auto append = [&](std::vector<std::string> group) {
    const Seq first = all.size() + 1;
    std::string bytes;
    for (const std::string& entry : group) bytes += all.emplace_back(entry);
    REQUIRE(f.append({first, all.size(), bytes}).ok());
  };
  for (Seq i = 0; i < 40; ++i)
    append({entry_of(i), entry_of(i + 1), make_entry(std::string(i * 300, 'x'))});
  append({entry_of(1), make_entry(std::string(3 << 20, 'y')), entry_of(2)});
  append({entry_of(3)});
  for (int again = 0; again < 2; ++again) {
    for (const uint64_t most : {1, 5000, 100'000, 8 << 20}) {
      for (const Seq to : {Seq{1}, Seq{50}, Seq{122}, Seq{all.size()}}) {
        for (Seq next = 1; next <= to;) {
          CAPTURE(next);
          const auto piece = f.fetch(next, to, most);
          REQUIRE_MESSAGE(piece.ok(), piece.status().message());
          size_t size = 0;
          for (; size < piece.value().size() && next <= to; ++next) {
            REQUIRE(piece.value().substr(size, all[next - 1].size()) == all[next - 1]);
            size += all[next - 1].size();
          }
          REQUIRE(size > 0);
          CHECK(size == piece.value().size());
          CHECK((most > 1 || next > 122 || size < 13'000));
        }
      }
    }
    CHECK(f.fetch(0, 5, 100).status().code() == Code::kNotFound);
    CHECK(f.fetch(100, all.size() + 1, 100).status().code() == Code::kNotFound);
    CHECK(f.fetch(1, 1, 100, kShard + 1).status().code() == Code::kNotFound);
    f.reopen();
  }
}

TEST_CASE_TEMPLATE("engine: entries may be empty, large, and of any bytes", F, ENGINES) {
  F f;
  std::string all_bytes(256, '\0');
  std::iota(all_bytes.begin(), all_bytes.end(), '\0');
  const std::string large(3 << 20, '\xff');
  const std::string bytes = make_entry("") + make_entry(all_bytes) + make_entry(large);
  REQUIRE(f.append({1, 3, bytes}).ok());
  f.reopen();
  const Entries entries = f.read(1, 3);
  CHECK(entries.at(1) == make_entry(""));
  CHECK(entries.at(2) == make_entry(all_bytes));
  CHECK(entries.at(3) == make_entry(large));
}

TEST_CASE_TEMPLATE("engine: truncate_suffix keeps what is asked, wherever groups end", F, ENGINES) {
  for (const Seq kept : {12, 11, 10, 7, 5, 1, 0}) {
    CAPTURE(kept);
    F f;
    REQUIRE(f.append(make_group(1, 5)).ok());
    REQUIRE(f.append(make_group(6, 10)).ok());
    REQUIRE(f.append(make_group(11, 11)).ok());
    const uint64_t bytes = f.engine().log_bytes();
    REQUIRE(f.truncate(kept).ok());
    const Seq last = std::min<Seq>(kept, 11);
    if (last > 0) CHECK(f.read(1, last) == expected(1, last));
    CHECK(!f.engine().read_log(kShard, last + 1, last + 1, [](auto...) { return true; }).ok());
    CHECK((f.engine().log_bytes() < bytes) == (last < 11));
    REQUIRE(f.append(make_group(last + 1, last + 3, "new")).ok());
    for (int again = 0; again < 2; ++again) {
      Entries both = expected(1, last);
      both.merge(expected(last + 1, last + 3, "new"));
      CHECK(f.read(1, last + 3) == both);
      f.reopen();
      CHECK(f.recovered(kShard).last_seq == last + 3);
    }
  }
}

TEST_CASE_TEMPLATE("engine: what is truncated and appended without waiting comes out in order", F,
                   ENGINES) {
  F f;
  const auto ignore = [](const Status& status) { CHECK(status.ok()); };
  f.engine().append(kShard, make_group(1, 10, "a"), ignore);
  f.engine().truncate_suffix(kShard, 6, ignore);
  f.engine().append(kShard, make_group(7, 9, "b"), ignore);
  f.engine().truncate_suffix(kShard, 7, ignore);
  f.engine().append(kShard, make_group(8, 8, "c"), ignore);
  f.engine().truncate_suffix(kShard, 3, ignore);
  Entries both = expected(1, 3, "a");
  both.merge(expected(4, 5, "d"));
  REQUIRE(f.append(make_group(4, 5, "d")).ok());
  CHECK(f.read(1, 5) == both);
  f.reopen();
  CHECK(f.read(1, 5) == both);
  CHECK(f.recovered(kShard).last_seq == 5);
}

TEST_CASE_TEMPLATE("engine: release_prefix keeps everything above the seq", F, ENGINES) {
  F f;
  REQUIRE(f.append(make_group(1, 10)).ok());
  REQUIRE(f.append(make_group(11, 20)).ok());
  REQUIRE(f.append(make_group(21, 25)).ok());
  const uint64_t bytes = f.engine().log_bytes();
  REQUIRE(f.finish({14, "state"}).ok());
  CHECK(f.read(1, 25) == expected(1, 25));  // a checkpoint alone releases nothing
  CHECK(f.engine().first_logged(kShard) == 1);
  REQUIRE(f.release(14).ok());
  const Seq first = f.engine().first_logged(kShard);  // a group may be kept whole
  CHECK(first > 10);
  CHECK(first <= 15);
  CHECK(f.read(first, 25) == expected(first, 25));
  CHECK(f.engine().log_bytes() < bytes);
  CHECK(f.read(15, 25) == expected(15, 25));
  f.reopen();
  CHECK(f.read(15, 25) == expected(15, 25));
  CHECK(f.recovered(kShard).first_seq > 10);
  CHECK(f.recovered(kShard).first_seq <= 15);
  CHECK(f.recovered(kShard).last_seq == 25);
  REQUIRE(f.append(make_group(26, 26)).ok());
  REQUIRE(f.finish({26, "state"}).ok());
  REQUIRE(f.release(26).ok());
  CHECK(f.engine().first_logged(kShard) == 0);
  CHECK(f.engine().first_logged(99) == 0);  // of no such shard
  CHECK(f.engine().log_bytes() == 0);
  f.reopen();
  CHECK(f.recovered(kShard).last_seq == 0);
  CHECK(f.recovered(kShard).checkpoint.seq == 26);
  REQUIRE(f.append(make_group(27, 28)).ok());
  f.reopen();
  CHECK(f.read(27, 28) == expected(27, 28));
}

TEST_CASE_TEMPLATE("engine: the hard state survives, the newest one", F, ENGINES) {
  F f;
  REQUIRE(f.save({7, 1}).ok());
  REQUIRE(f.save({UINT64_MAX, 0xfedcba9876543210}).ok());
  REQUIRE(f.save({1, 2}, kShard + 1).ok());
  f.reopen();
  CHECK(f.recovered(kShard).hard_state.promised_epoch == UINT64_MAX);
  CHECK(f.recovered(kShard).hard_state.voted_for == 0xfedcba9876543210);
  CHECK(f.recovered(kShard + 1).hard_state.promised_epoch == 1);
  CHECK(f.recovered(kShard + 1).hard_state.voted_for == 2);
}

TEST_CASE_TEMPLATE("engine: a checkpoint's slices, its meta and iteration", F, ENGINES) {
  F f;
  REQUIRE(f.append(make_group(1, 9)).ok());
  REQUIRE(f.write({{{0, 9, "b"}, false, "one"}, {{0, 2, "z"}, false, "two"}}).ok());
  REQUIRE(f.write({{{0, 9, "a"}, false, ""}, {{1, 9, "a"}, false, "other"}}).ok());
  REQUIRE(f.finish({9, std::string("sta\0te", 6)}).ok());
  for (int again = 0; again < 2; ++again) {
    CHECK(f.records(0) == Records{{"0/2/z", "two"}, {"0/9/a", ""}, {"0/9/b", "one"}});
    CHECK(f.records(1) == Records{{"1/9/a", "other"}});
    CHECK(f.records(2).empty());
    CHECK(f.read_record({0, 2, "z"}).value() == "two");
    int seen = 0;
    CHECK(f.engine().visit_records(kShard, [&](auto...) { return ++seen < 2; }).ok());
    CHECK(seen == 2);
    f.reopen();
    CHECK(f.recovered(kShard).checkpoint.seq == 9);
    CHECK(f.recovered(kShard).checkpoint.state == std::string("sta\0te", 6));
  }
}

TEST_CASE_TEMPLATE("engine: write_records copies its bytes before it returns", F, ENGINES) {
  F f;
  std::string key = "key", image = "image";
  bool done = false;
  f.engine().write_records(kShard, {{{0, 1, key}, false, image}},
                           [&done](const Status&, const auto&) { done = true; });
  key.assign("xxx");
  image.assign("yyyyy");
  REQUIRE(f.reactor().wait_for([&done] { return done; }));
  CHECK(f.records(0) == Records{{"0/1/key", "image"}});
}

TEST_CASE_TEMPLATE("engine: records are replaced and erased one by one", F, ENGINES) {
  F f;
  REQUIRE(f.write({{{0, 1, "k"}, false, "old"}, {{0, 1, "gone"}, false, "x"}}).ok());
  REQUIRE(f.write({{{0, 1, "k"}, false, "new"}, {{0, 1, "gone"}, true, {}}}).ok());
  REQUIRE(f.write({{{0, 1, "never"}, true, {}}}).ok());
  REQUIRE(f.finish({1, ""}).ok());
  CHECK(f.records(0) == Records{{"0/1/k", "new"}});
  CHECK(f.read_record({0, 1, "gone"}).status().code() == Code::kNotFound);
  f.reopen();
  CHECK(f.records(0) == Records{{"0/1/k", "new"}});
}

TEST_CASE_TEMPLATE("engine: erase_database takes just its own", F, ENGINES) {
  F f;
  for (const ShardId shard : {kShard, kShard + 1}) {
    for (const DbId db : {DbId{0}, DbId{1}, DbId{15}}) {
      REQUIRE(f.write({{{db, 0, "a"}, false, "v"},
                       {{db, 255, "a"}, false, "v"},
                       {{db, 256, "a"}, false, "v"},
                       {{db, kSlotCount - 1, "\xff\xff"}, false, "v"}},
                      shard)
                  .ok());
    }
  }
  REQUIRE(f.erase_database(1).ok());
  REQUIRE(f.write({{{1, 0, "after"}, false, "v"}}).ok());
  REQUIRE(f.finish({1, ""}).ok());
  for (int again = 0; again < 2; ++again) {
    CHECK(f.records(0).size() == 4);
    CHECK(f.records(1) == Records{{"1/0/after", "v"}});
    CHECK(f.records(15).size() == 4);
    CHECK(f.records(1, kShard + 1).size() == 4);
    CHECK(f.records(15, kShard + 1).size() == 4);
    f.reopen();
  }
}

TEST_CASE_TEMPLATE("engine: checkpoints of two shards, one's slices while the other's is ended", F,
                   ENGINES) {
  F f;
  constexpr ShardId kOther = kShard + 1;
  for (const ShardId shard : {kShard, kOther}) {
    REQUIRE(f.append(make_group(1, 9), shard).ok());
    REQUIRE(f.write({{{0, 1, "old"}, false, "v"}, {{1, 1, "gone"}, false, "v"}}, shard).ok());
  }
  int left = 6;
  const auto done = [&left](const Status& status) {
    CHECK(status.ok());
    --left;
  };
  std::vector<RecordRef> refs;
  const auto written = [&](const Status& status, const std::vector<RecordRef>& given) {
    refs = given;
    done(status);
  };
  f.engine().finish_checkpoint(kShard, {5, "first"}, done);
  f.engine().write_records(kOther, {{{0, 2, "new"}, false, std::string(3000, 'n')}}, written);
  f.engine().erase_database(kOther, 1, done);
  f.engine().finish_checkpoint(kOther, {7, "other"}, done);
  f.engine().finish_checkpoint(kShard, {6, "second"}, done);
  f.engine().append(kOther, make_group(10, 12), done);
  REQUIRE(f.reactor().wait_for([&left] { return left == 0; }));
  if (!refs.empty()) f.ref_of(kOther, {0, 2, "new"}) = refs.at(0);
  for (int again = 0; again < 2; ++again) {
    CHECK(f.records(0) == Records{{"0/1/old", "v"}});
    CHECK(f.records(1) == Records{{"1/1/gone", "v"}});
    CHECK(f.records(0, kOther) == Records{{"0/1/old", "v"}, {"0/2/new", std::string(3000, 'n')}});
    CHECK(f.records(1, kOther).empty());
    CHECK(f.read_record({0, 2, "new"}, kOther).value() == std::string(3000, 'n'));
    CHECK(f.engine().log_bytes_of(kShard) > 0);
    CHECK(f.engine().first_logged(kOther) == 1);  // nothing was released
    CHECK(f.engine().first_logged(99) == 0);
    CHECK(f.engine().log_bytes_of(kOther) > f.engine().log_bytes_of(kShard));
    CHECK(f.engine().log_bytes() ==
          f.engine().log_bytes_of(kShard) + f.engine().log_bytes_of(kOther));
    f.reopen();
    CHECK(f.recovered(kShard).checkpoint.state == "second");
    CHECK(f.recovered(kOther).checkpoint.state == "other");
  }
}

TEST_CASE_TEMPLATE("engine: a checkpoint beyond the log's end, whose log goes on behind it", F,
                   ENGINES) {
  for (const auto& [released, held] : std::vector<std::pair<bool, bool>>{
           {true, false}, {false, false}, {true, true}, {false, true}}) {
    CAPTURE(released);
    CAPTURE(held);  // another shard needs the device's log from its beginning on
    F f;
    if (held) REQUIRE(f.append(make_group(1, 1), kShard + 1).ok());
    REQUIRE(f.append(make_group(1, 10)).ok());
    REQUIRE(f.write({{{0, 1, "old"}, false, "v"}, {{3, 2, "k"}, false, "old"}}).ok());
    REQUIRE(f.finish({5, "old"}).ok());
    REQUIRE(f.release(5).ok());
    REQUIRE(f.erase_database(0).ok());
    REQUIRE(f.erase_database(3).ok());
    REQUIRE(f.write({{{3, 2, "k"}, false, "new"}, {{4, 2, "l"}, false, "new"}}).ok());
    REQUIRE(f.finish({100, "snapshot"}).ok());
    if (released) {
      REQUIRE(f.release(100).ok());
    } else {
      f.reopen();
      CHECK(f.recovered(kShard).last_seq <= 10);
      if (f.recovered(kShard).last_seq != 0) REQUIRE(f.release(100).ok());
    }
    CHECK(f.engine().log_bytes_of(kShard) == 0);
    REQUIRE(f.append(make_group(101, 103)).ok());
    for (int again = 0; again < 2; ++again) {
      CHECK(f.read(101, 103) == expected(101, 103));
      CHECK(!f.engine().read_log(kShard, 100, 101, [](auto...) { return true; }).ok());
      CHECK(f.records(0).empty());
      CHECK(f.records(3) == Records{{"3/2/k", "new"}});
      CHECK(f.records(4) == Records{{"4/2/l", "new"}});
      f.reopen();
      CHECK(f.recovered(kShard).checkpoint.seq == 100);
      CHECK(f.recovered(kShard).checkpoint.state == "snapshot");
      CHECK(f.recovered(kShard).first_seq == 101);
      CHECK(f.recovered(kShard).last_seq == 103);
    }
    REQUIRE(f.finish({102, "next"}).ok());
    REQUIRE(f.release(102).ok());
    REQUIRE(f.append(make_group(104, 105)).ok());
    f.reopen();
    CHECK(f.read(103, 105) == expected(103, 105));
  }
}

TEST_CASE_TEMPLATE("engine: a store is emptied, and its log begins anew at its first entry", F,
                   ENGINES) {
  F f;
  REQUIRE(f.append(make_group(1, 10)).ok());
  REQUIRE(f.write({{{0, 1, "old"}, false, "v"}}).ok());
  REQUIRE(f.finish({8, "old"}).ok());
  REQUIRE(f.release(8).ok());
  REQUIRE(f.finish({8, "empty"}).ok());
  REQUIRE(f.erase_database(0).ok());
  REQUIRE(f.truncate(0).ok());
  REQUIRE(f.finish({0, "empty"}).ok());
  f.reopen();
  CHECK(f.recovered(kShard).checkpoint.seq == 0);
  CHECK(f.recovered(kShard).last_seq == 0);
  REQUIRE(f.append(make_group(1, 3, "new")).ok());
  for (int again = 0; again < 2; ++again) {
    CHECK(f.read(1, 3) == expected(1, 3, "new"));
    CHECK(f.records(0).empty());
    f.reopen();
    CHECK(f.recovered(kShard).checkpoint.state == "empty");
    CHECK(f.recovered(kShard).last_seq == 3);
  }
}

TEST_CASE_TEMPLATE("engine: keys of any bytes and length stay apart", F, ENGINES) {
  F f;
  const std::string zero(1, '\0'), ff(1, '\xff');
  std::vector<std::string> keys = {"",
                                   zero,
                                   zero + zero,
                                   zero + "a",
                                   "a",
                                   "a" + zero,
                                   "a" + ff,
                                   "ab",
                                   ff,
                                   ff + ff,
                                   ff + zero,
                                   std::string(65536, 'k'),
                                   std::string(65537, 'k')};
  for (const std::string& key : keys) {
    REQUIRE(f.write({{{0, 77, key}, false, "image of " + key}}).ok());
  }
  REQUIRE(f.write({{{0, 76, ff + ff + ff}, false, "left"}, {{0, 78, ""}, false, "right"}}).ok());
  REQUIRE(f.finish({1, ""}).ok());
  f.reopen();
  std::sort(keys.begin(), keys.end());
  Records all;
  for (const std::string& key : keys) {
    all.emplace_back(name_of({0, 77, key}), "image of " + key);
    CHECK(f.read_record({0, 77, key}).value() == "image of " + key);
  }
  std::sort(all.begin(), all.end());
  Records found = f.records(0);
  std::erase_if(found, [](const auto& record) { return !record.first.starts_with("0/77/"); });
  CHECK(found == all);
  REQUIRE(f.write({{{0, 77, "a"}, true, {}}, {{0, 77, ""}, true, {}}}).ok());
  CHECK(f.records(0).size() == keys.size());
}

TEST_CASE_TEMPLATE("engine: shards do not see each other", F, ENGINES) {
  F f;
  for (const ShardId shard : {0U, 1U, 255U, 256U, UINT32_MAX}) {
    const std::string flavor = "s" + std::to_string(shard);
    REQUIRE(f.append(make_group(1, 5, flavor), shard).ok());
    REQUIRE(f.write({{{0, 1, "k"}, false, flavor}}, shard).ok());
    REQUIRE(f.finish({2, flavor}, shard).ok());
  }
  f.reopen();
  CHECK(f.recovered().size() == 5);
  for (const ShardId shard : {0U, 1U, 255U, 256U, UINT32_MAX}) {
    const std::string flavor = "s" + std::to_string(shard);
    CHECK(f.read(1, 5, shard) == expected(1, 5, flavor));
    CHECK(f.records(0, shard) == Records{{"0/1/k", flavor}});
    CHECK(f.recovered(shard).checkpoint.state == flavor);
    CHECK(f.recovered(shard).last_seq == 5);
  }
}

TEST_CASE_TEMPLATE("engine: statistics count what was appended and what is kept", F, ENGINES) {
  F f;
  const LogGroup group = make_group(1, 10);
  const uint64_t bytes = group.bytes.size();
  REQUIRE(f.append(group).ok());
  REQUIRE(f.append(make_group(11, 20)).ok());
  const EngineStats stats = f.engine().stats();
  CHECK(stats.appended_groups == 2);
  CHECK(stats.appended_bytes > bytes);
  CHECK(stats.log_bytes >= stats.appended_bytes);
  CHECK(stats.log_bytes == f.engine().log_bytes());
  f.reopen();
  CHECK(f.engine().log_bytes() == stats.log_bytes);
}
