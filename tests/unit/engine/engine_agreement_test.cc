// Whatever is done to both, a durable engine and the engine in memory say the same.
#include <doctest/doctest.h>

#include <algorithm>

#include "base/random.h"
#include "tests/unit/engine/engine_fixtures.h"

using namespace holdfast;

TEST_CASE_TEMPLATE("engine: random operations agree with the engine in memory", F, RocksFixture,
                   DiskFixture) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    SeededRandom random(seed);
    F f;
    MemEngine mem(true);
    REQUIRE(mem.open().ok());
    Seq first = 1, last = 0, checkpoint = 0;
    const auto ignore = [](const Status& status) { CHECK(status.ok()); };
    const auto both = [&](auto call) {
      call(f.engine());
      call(static_cast<Engine&>(mem));
    };
    for (int step = 0; step < 400; ++step) {
      switch (random.below(12)) {
        case 0: {
          if (last <= checkpoint) break;
          last = checkpoint + random.below(last - checkpoint + 1);
          both([&](Engine& e) { e.truncate_suffix(kShard, last, ignore); });
          if (last < first) first = last + 1;
          break;
        }
        case 1: {
          checkpoint =
              std::max(checkpoint, last == 0 ? 0 : last - random.below(last - checkpoint + 1));
          // A checkpoint is taken of what is committed.
          REQUIRE(f.finish({checkpoint, std::to_string(step)}).ok());
          mem.finish_checkpoint(kShard, {checkpoint, std::to_string(step)}, ignore);
          both([&](Engine& e) { e.release_prefix(kShard, checkpoint, ignore); });
          first = checkpoint + 1;
          break;
        }
        case 2:
          if (!random.one_in(4)) break;
          REQUIRE(f.erase_database(1).ok());
          mem.erase_database(kShard, 1, ignore);
          break;
        case 3:
          if (!random.one_in(5)) break;
          // What no checkpoint finished may or may not be there afterwards.
          REQUIRE(f.finish({checkpoint, std::to_string(step)}).ok());
          f.reopen();
          break;
        case 4:
        case 5:
        case 6: {
          const std::string key(random.below(3), '\xff');
          const std::string image(random.one_in(9) ? random.below(200'000) : random.below(300),
                                  static_cast<char>('a' + step % 26));
          const RecordWrite write{
              {static_cast<DbId>(random.below(2)), static_cast<SlotId>(random.below(4)), key},
              random.one_in(3),
              image};
          REQUIRE(f.write({write}).ok());
          mem.write_records(kShard, {write}, [](const auto&, const auto&) {});
          break;
        }
        default: {
          const Seq next = last + 1;
          last += 1 + random.below(5);
          const LogGroup group = make_group(next, last, "s" + std::to_string(step) + "-");
          both([&](Engine& e) { e.append(kShard, group, ignore); });
        }
      }
      if (last >= first) {
        const Seq from = first + random.below(last - first + 1);
        Entries expected;
        REQUIRE(mem.read_log(kShard, from, last,
                             [&](Seq seq, std::string_view entry) {
                               expected[seq] = entry;
                               return true;
                             })
                    .ok());
        REQUIRE(f.read(from, last) == expected);
      }
      if (!random.one_in(20)) continue;
      for (const DbId db : std::initializer_list<DbId>{0, 1}) {
        Records expected;
        REQUIRE(mem.visit_records(kShard,
                                  [&](const RecordKey& key, std::string_view image) {
                                    if (key.db == db) expected.emplace_back(name_of(key), image);
                                    return true;
                                  })
                    .ok());
        std::sort(expected.begin(), expected.end());
        REQUIRE(f.records(db) == expected);
      }
    }
  }
}
