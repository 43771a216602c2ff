// Keyspace against a simple model under random effects: values, expiries, counts, scans, what is
// due, and K1 (no read can observe a change that last_change or erased_at hide).
#include "store/keyspace.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "store/effect.h"

using namespace holdfast;

namespace {

constexpr uint64_t kSeed = 42;

struct Value {
  std::string bytes;
  int64_t expire_at_ms = 0;
  Seq changed = 0;
};

// What a keyspace is supposed to be, by physical database.
struct Model {
  std::array<std::map<std::string, Value>, kDbCount> databases;
  std::array<Seq, kDbCount> changed{};
  std::map<std::pair<DbId, std::string>, Seq> erased;  // newest erase, flushes included
};

std::string value_of(const Object& object) {
  IntScratch scratch;
  return std::string(object.string(scratch));
}

class Pair {
 public:
  explicit Pair(uint64_t seed) : random_(seed), keyspace_(kSeed) {}

  void step() {
    ++seq_;
    keyspace_.set_access_clock(static_cast<uint32_t>(seq_));
    const auto db = static_cast<DbId>(random_.below(3));
    const std::string key = random_key();
    const uint64_t choice = random_.below(1000);
    if (choice < 350) {
      put(db, key, random_value(), random_.one_in(2) ? random_time() : 0);
    } else if (choice < 500) {
      write_range(db, key, random_.below(60), std::string(random_.below(30), 'w'));
    } else if (choice < 650) {
      set_expiry(db, key, random_.one_in(4) ? 0 : random_time());
    } else if (choice < 850) {
      erase(db, key);
    } else if (choice < 990) {
      expire_one(db);
    } else if (choice < 995) {
      flush(db);
    } else {
      swap(static_cast<DbId>(random_.below(3)), db);
    }
    if (random_.one_in(20)) keyspace_.collect_garbage(static_cast<uint32_t>(random_.below(50)));
    check_key(db, key);
  }

  void check_all() {
    for (DbId db = 0; db < kDbCount; ++db) {
      const auto& expected = model_.databases[db];
      REQUIRE(keyspace_.size(db) == expected.size());
      const auto with_expiry = std::count_if(expected.begin(), expected.end(), [](const auto& v) {
        return v.second.expire_at_ms != 0;
      });
      REQUIRE(keyspace_.size_with_expiry(db) == static_cast<uint64_t>(with_expiry));
      REQUIRE(keyspace_.last_change(db) >= model_.changed[db]);
      check_scan(db);
      std::map<SlotId, uint64_t> in_slot;
      for (const auto& [key, value] : expected) {
        check_key(db, key);
        ++in_slot[slot_of(key)];
      }
      for (const auto& [slot, count] : in_slot) {
        REQUIRE(keyspace_.size_of_slot(db, slot) == count);
      }
      if (!expected.empty()) CHECK(keyspace_.table_memory(db) > 0);
    }
    for (const auto& [place, seq] : model_.erased) {
      const auto& [db, key] = place;
      REQUIRE(keyspace_.erased_at(db, keyspace_.key(key)) >= seq);
    }
  }

  Keyspace& keyspace() { return keyspace_; }
  Random& random() { return random_; }

 private:
  // Some keys share a slot, most do not.
  std::string random_key() {
    const std::string number = std::to_string(random_.below(400));
    return random_.one_in(2) ? "{same}" + number : "key" + number;
  }
  std::string random_value() {
    switch (random_.below(4)) {
      case 0:
        return std::to_string(random_.below(100'000));
      case 1:
        return std::string(random_.below(3000), 'r');
      default:
        return std::string(random_.below(60), 'e');
    }
  }
  int64_t random_time() { return 1000 + static_cast<int64_t>(random_.below(5000)); }

  void emit(const Effect& effect) { apply(effect, seq_, keyspace_); }
  KeyRef ref(const std::string& key) const { return keyspace_.key(key); }
  void changed(DbId db, Value& value) { value.changed = model_.changed[db] = seq_; }

  void put(DbId db, const std::string& key, const std::string& bytes, int64_t at) {
    emit(Effect::put_string(db, ref(key), bytes, at));
    Value& value = model_.databases[db][key];
    value = {bytes, at, 0};
    changed(db, value);
  }
  void write_range(DbId db, const std::string& key, uint64_t offset, const std::string& bytes) {
    emit(Effect::write_range(db, ref(key), offset, bytes));
    Value& value = model_.databases[db][key];
    if (value.bytes.size() < offset + bytes.size()) value.bytes.resize(offset + bytes.size());
    value.bytes.replace(offset, bytes.size(), bytes);
    changed(db, value);
  }
  void set_expiry(DbId db, const std::string& key, int64_t at) {
    emit(Effect::set_expiry(db, ref(key), at));
    const auto found = model_.databases[db].find(key);
    if (found == model_.databases[db].end()) return;
    found->second.expire_at_ms = at;
    changed(db, found->second);
  }
  void erase(DbId db, const std::string& key) {
    emit(Effect::erase(db, ref(key)));
    model_.databases[db].erase(key);
    model_.erased[{db, key}] = model_.changed[db] = seq_;
  }
  void flush(DbId db) {
    emit(Effect::flush_db(db));
    for (const auto& [key, value] : model_.databases[db]) model_.erased[{db, key}] = seq_;
    model_.databases[db].clear();
    model_.changed[db] = seq_;
  }
  void swap(DbId a, DbId b) {
    DbMap map = keyspace_.db_map();
    std::swap(map[a], map[b]);
    emit(Effect::map_databases({reinterpret_cast<const char*>(map.data()), map.size()}));
    REQUIRE(keyspace_.db_map() == map);
    REQUIRE(keyspace_.physical(a) == map[a]);
    // All that an answer about either database could rest on has changed.
    if (a != b) model_.changed[map[a]] = model_.changed[map[b]] = seq_;
  }
  // Asks for a due object at a random time, and erases it.
  void expire_one(DbId db) {
    const int64_t now = random_time();
    int64_t soonest = INT64_MAX;
    for (const auto& [key, value] : model_.databases[db]) {
      if (value.expire_at_ms != 0) soonest = std::min(soonest, value.expire_at_ms);
    }
    Object* due = keyspace_.next_due(db, now);
    REQUIRE((due != nullptr) == (soonest <= now));
    if (due == nullptr) return;
    REQUIRE(due->expire_at_ms() <= now);
    // The key is given as it lies in the object that dies: that must be safe.
    const std::string key(due->key());
    emit(Effect::erase(db, keyspace_.key(due->key())));
    model_.databases[db].erase(key);
    model_.erased[{db, key}] = model_.changed[db] = seq_;
  }

  void check_key(DbId db, const std::string& key) {
    const Object* object = keyspace_.find(db, ref(key));
    const auto found = model_.databases[db].find(key);
    REQUIRE((object != nullptr) == (found != model_.databases[db].end()));
    if (object == nullptr) return;
    REQUIRE(object->key() == key);
    REQUIRE((value_of(*object) == found->second.bytes));
    REQUIRE(object->expire_at_ms() == found->second.expire_at_ms);
    REQUIRE(object->mod_seq() == found->second.changed);  // K1
    REQUIRE(object->access() <= seq_);
  }

  void check_scan(DbId db) {
    std::set<std::string> seen;
    uint64_t cursor = 0;
    do {
      cursor = keyspace_.scan(db, cursor, [&](Object* object) {
        REQUIRE(seen.insert(std::string(object->key())).second);
      });
    } while (cursor != 0);
    REQUIRE(seen.size() == model_.databases[db].size());
    for (const auto& [key, value] : model_.databases[db]) REQUIRE(seen.contains(key));
  }

  SeededRandom random_;
  Keyspace keyspace_;
  Model model_;
  Seq seq_ = 0;
};

void put(Keyspace& keyspace, const std::string& key, Seq seq, int64_t at = 0) {
  apply(Effect::put_string(0, keyspace.key(key), "v", at), seq, keyspace);
}

}  // namespace

TEST_CASE("keyspace: random effects agree with a model") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Pair pair(seed);
    for (int round = 0; round < 8; ++round) {
      for (int i = 0; i < 5000; ++i) pair.step();
      pair.check_all();
    }
  }
}

TEST_CASE("keyspace: dirty keys are listed once a round, and none is forgotten") {
  for (uint64_t seed = 11; seed <= 13; ++seed) {
    Pair pair(seed);
    DirtyKeys dirty;
    for (int i = 0; i < 2000; ++i) pair.step();
    pair.keyspace().track_dirty(&dirty);
    for (int round = 0; round < 20; ++round) {
      std::map<std::pair<DbId, std::string>, Seq> before;
      for (DbId db = 0; db < 3; ++db) {
        uint64_t cursor = 0;
        do {
          cursor = pair.keyspace().scan(db, cursor, [&](Object* object) {
            REQUIRE_FALSE(object->dirty());
            before[{db, std::string(object->key())}] = object->mod_seq();
          });
        } while (cursor != 0);
      }
      for (int i = 0; i < 300; ++i) pair.step();
      // Every key that is new or changed is in the list.
      std::set<std::pair<DbId, std::string>> listed;
      while (!dirty.empty()) {
        DbId db;
        RecordRef ref = 0;
        const std::string key(dirty.take(&db, &ref));
        listed.emplace(db, key);
        Object* object = pair.keyspace().find(db, pair.keyspace().key(key));
        if (object != nullptr) object->set_clean();
      }
      for (DbId db = 0; db < 3; ++db) {
        uint64_t cursor = 0;
        do {
          cursor = pair.keyspace().scan(db, cursor, [&](Object* object) {
            const std::pair<DbId, std::string> place{db, std::string(object->key())};
            const auto was = before.find(place);
            const bool same = was != before.end() && was->second == object->mod_seq();
            REQUIRE((same || listed.contains(place)));
          });
        } while (cursor != 0);
      }
    }
    pair.keyspace().track_dirty(nullptr);
  }
}

TEST_CASE("keyspace: a key that is changed often is listed once") {
  Keyspace keyspace(kSeed);
  DirtyKeys dirty;
  keyspace.track_dirty(&dirty);
  for (Seq seq = 1; seq <= 100; ++seq) put(keyspace, "k", seq, seq % 3 == 0 ? 5000 : 0);
  CHECK(dirty.size() == 1);
  apply(Effect::erase(0, keyspace.key("k")), 101, keyspace);
  CHECK(dirty.size() == 1);  // found absent when it is looked at
}

TEST_CASE("keyspace: scan goes on over slots that come and go (T2)") {
  SeededRandom random(77);
  Keyspace keyspace(kSeed);
  Seq seq = 0;
  for (int i = 0; i < 500; ++i) put(keyspace, "stay" + std::to_string(i), ++seq);
  std::set<std::string> seen;
  uint64_t cursor = 0;
  do {
    cursor = keyspace.scan(0, cursor, [&](Object* o) { seen.emplace(o->key()); });
    CHECK((cursor >> 62) == 0);
    for (int i = 0; i < 50; ++i) {
      const std::string key = "go" + std::to_string(random.below(20'000));
      if (random.one_in(3)) {
        apply(Effect::erase(0, keyspace.key(key)), ++seq, keyspace);
      } else {
        put(keyspace, key, ++seq);
      }
    }
  } while (cursor != 0);
  for (int i = 0; i < 500; ++i) CHECK(seen.contains("stay" + std::to_string(i)));
}

TEST_CASE("keyspace: any cursor is safe") {
  SeededRandom random(78);
  Keyspace keyspace(kSeed);
  CHECK(keyspace.scan(0, random.next(), [](Object*) {}) == 0);
  for (int i = 0; i < 100; ++i) put(keyspace, "k" + std::to_string(i), 1);
  for (int i = 0; i < 1000; ++i) keyspace.scan(0, random.next(), [](Object*) {});
  keyspace.scan(0, UINT64_MAX, [](Object*) {});
}

TEST_CASE("keyspace: random keys are spread evenly over slots and within them") {
  SeededRandom random(79);
  Keyspace keyspace(kSeed);
  CHECK(keyspace.random_object(0, random) == nullptr);
  for (int i = 0; i < 100; ++i) put(keyspace, "{one}" + std::to_string(i), 1);
  for (int i = 0; i < 100; ++i) put(keyspace, "k" + std::to_string(i), 1);
  std::map<std::string, int> drawn;
  constexpr int kDraws = 60'000;
  for (int i = 0; i < kDraws; ++i) ++drawn[std::string(keyspace.random_object(0, random)->key())];
  CHECK(drawn.size() == 200);
  for (const auto& [key, times] : drawn) {
    CHECK(times > kDraws / 200 * 6 / 10);
    CHECK(times < kDraws / 200 * 14 / 10);
  }
}

TEST_CASE("keyspace: 300,000 keys that expire in one slot") {
  Keyspace keyspace(kSeed);
  constexpr int64_t kKeys = 300'000;
  for (int64_t i = 0; i < kKeys; ++i) {
    put(keyspace, "{tag}" + std::to_string(i), static_cast<Seq>(i + 1), 1 + i * 7919 % kKeys);
  }
  CHECK(keyspace.size_of_slot(0, slot_of("tag")) == kKeys);
  CHECK(keyspace.size_with_expiry(0) == kKeys);
  CHECK(keyspace.next_due(0, 0) == nullptr);
  int64_t last = 0;
  for (int64_t i = 0; i < kKeys; ++i) {
    Object* due = keyspace.next_due(0, kKeys);
    REQUIRE(due != nullptr);
    REQUIRE(due->expire_at_ms() > last);
    last = due->expire_at_ms();
    apply(Effect::erase(0, keyspace.key(due->key())), kKeys + 1, keyspace);
  }
  CHECK(keyspace.size(0) == 0);
  CHECK(keyspace.size_with_expiry(0) == 0);
}

TEST_CASE("keyspace: a dropped database is gone at once and freed bit by bit") {
  Keyspace keyspace(kSeed);
  for (int i = 0; i < 10'000; ++i) put(keyspace, "k" + std::to_string(i), 1, i % 2 == 0 ? 99 : 0);
  apply(Effect::flush_db(0), 2, keyspace);
  CHECK(keyspace.size(0) == 0);
  CHECK(keyspace.size_with_expiry(0) == 0);
  CHECK(keyspace.find(0, keyspace.key("k1")) == nullptr);
  CHECK(keyspace.erased_at(0, keyspace.key("never there")) == 2);
  CHECK(keyspace.next_due(0, 1000) == nullptr);
  CHECK(keyspace.garbage_count() == 10'000);
  put(keyspace, "k1", 3);
  apply(Effect::flush_db(0), 4, keyspace);
  CHECK(keyspace.garbage_count() == 10'001);
  int calls = 0;
  uint64_t left = keyspace.garbage_count();
  while (keyspace.collect_garbage(100)) {
    REQUIRE(left - keyspace.garbage_count() <= 100);
    left = keyspace.garbage_count();
    REQUIRE(++calls < 1000);
  }
  CHECK(calls >= 99);
  CHECK(keyspace.garbage_count() == 0);
}

TEST_CASE("keyspace: what a read of a dropped or newly mapped database rests on") {
  Keyspace keyspace(kSeed);
  DirtyKeys dirty;
  keyspace.track_dirty(&dirty);
  CHECK(keyspace.mapped_at() == 0);
  put(keyspace, "k", 1);
  DbMap map = keyspace.db_map();
  std::swap(map[0], map[4]);
  apply(Effect::map_databases({reinterpret_cast<const char*>(map.data()), map.size()}), 2,
        keyspace);
  CHECK(keyspace.mapped_at() == 2);
  // Physical numbers: both that changed places, no other.
  CHECK(keyspace.replaced_at(0) == 2);
  CHECK(keyspace.replaced_at(4) == 2);
  CHECK(keyspace.replaced_at(1) == 0);
  CHECK(keyspace.find(0, keyspace.key("k"))->mod_seq() == 1);
  CHECK(dirty.flushed().none());
  apply(Effect::flush_db(0), 3, keyspace);
  CHECK(keyspace.replaced_at(0) == 3);
  CHECK(dirty.flushed().test(0));
  CHECK(dirty.flushed_at() == 3);
}

TEST_CASE("keyspace: prefetching anything is harmless") {
  Keyspace keyspace(kSeed);
  const KeyRef key = keyspace.key("k");
  const auto prefetch = [&] {
    keyspace.prefetch_slot(0, key.slot);
    keyspace.prefetch_bucket(0, key);
    keyspace.prefetch_object(0, key);
  };
  prefetch();
  put(keyspace, "other", 1);
  prefetch();
  put(keyspace, "k", 2);
  prefetch();
  CHECK(keyspace.find(0, key) != nullptr);
}
