// DirtyKeys: first in, first out, at chunk borders, with keys of every size.
#include "store/dirty_keys.h"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <utility>

#include "base/random.h"

using namespace holdfast;

TEST_CASE("dirty keys: random adds and takes agree with a queue") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SeededRandom random(seed);
    DirtyKeys keys;
    std::deque<std::pair<DbId, std::string>> model;
    for (int i = 0; i < 20000; ++i) {
      // Phases of mostly adding and mostly taking; it runs empty often.
      const bool add = random.below(100) < (i / 1000 % 2 == 0 ? 70U : 30U);
      if (add) {
        const size_t size = random.one_in(500) ? random.below(200'000) : random.below(40);
        std::string key(size, static_cast<char>('a' + random.below(26)));
        const auto db = static_cast<DbId>(random.below(16));
        keys.add(db, key, key.size() * 7);
        model.emplace_back(db, std::move(key));
      } else if (!model.empty()) {
        DbId db = 99;
        RecordRef ref = 0;
        const std::string_view key = keys.take(&db, &ref);
        REQUIRE(db == model.front().first);
        REQUIRE((key == model.front().second));
        REQUIRE(ref == key.size() * 7);
        model.pop_front();
      }
      REQUIRE(keys.size() == model.size());
      REQUIRE(keys.empty() == model.empty());
    }
  }
}

TEST_CASE("dirty keys: memory is what the keys need, and is given back") {
  DirtyKeys keys;
  CHECK(keys.memory() == 0);
  const std::string key(20, 'k');
  for (int i = 0; i < 100'000; ++i) keys.add(3, key, 0);
  CHECK(keys.memory() < 100'000 * 25);
  DbId db;
  RecordRef ref;
  while (!keys.empty()) CHECK(keys.take(&db, &ref) == key);
  CHECK(keys.memory() <= 65 * 1024);
}

TEST_CASE("dirty keys: moving leaves an empty list behind once it is assigned anew") {
  DirtyKeys tracked;
  tracked.add(1, "a", 0);
  DirtyKeys writing = std::move(tracked);
  tracked = DirtyKeys();
  tracked.add(2, "b", 0);
  DbId db;
  RecordRef ref;
  CHECK(writing.take(&db, &ref) == "a");
  CHECK(db == 1);
  CHECK(tracked.take(&db, &ref) == "b");
  CHECK(db == 2);
  CHECK(writing.empty());
  CHECK(tracked.empty());
}

TEST_CASE("dirty keys: dropped databases are noted apart from keys") {
  DirtyKeys keys;
  CHECK(keys.flushed().none());
  CHECK(keys.flushed_at() == 0);
  keys.add_flush(3, 10);
  keys.add_flush(15, 12);
  keys.add_flush(3, 14);
  CHECK(keys.empty());
  CHECK(keys.flushed().count() == 2);
  CHECK(keys.flushed().test(3));
  CHECK(keys.flushed().test(15));
  CHECK(keys.flushed_at() == 14);
  keys = DirtyKeys();
  CHECK(keys.flushed().none());
}
