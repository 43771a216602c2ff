// SlotTable against std::unordered_map; the scan guarantee T2 while the table changes; how much one
// operation may touch at 300,000 keys in one slot.
#include "store/slot_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

constexpr uint64_t kSeed = 0x5eed;

// A table that owns its objects, and what it should contain.
class Table {
 public:
  ~Table() {
    table.drain(UINT32_MAX, [](Object* object) { Object::destroy(object); });
  }

  bool has(const std::string& key) const { return model.contains(key); }

  void insert(const std::string& key) {
    Object* object = Object::create_string(key, "v", 0);
    table.insert(make_key(key, kSeed), object, kSeed);
    model[key] = object;
  }

  void erase(const std::string& key) {
    const KeyRef ref = make_key(key, kSeed);
    Object** place = table.find(ref);
    REQUIRE(place != nullptr);
    Object* object = *place;
    table.erase(ref, place);
    Object::destroy(object);
    model.erase(key);
  }

  bool agrees_on(const std::string& key) {
    Object** place = table.find(make_key(key, kSeed));
    const auto expected = model.find(key);
    if (expected == model.end()) return place == nullptr;
    return place != nullptr && *place == expected->second;
  }

  SlotTable table;
  std::unordered_map<std::string, Object*> model;
};

// All keys by a scan from start to end, with how often each was returned.
std::map<std::string, int> scan_all(const SlotTable& table) {
  std::map<std::string, int> seen;
  uint64_t position = 0;
  do {
    position = table.scan(position, [&](Object* object) { ++seen[std::string(object->key())]; });
  } while (position != 0);
  return seen;
}

// The longest chain, in objects: a scan step visits one bucket's chain.
size_t longest_chain(const SlotTable& table) {
  size_t longest = 0;
  uint64_t position = 0;
  do {
    size_t here = 0;
    position = table.scan(position, [&](Object*) { ++here; });
    longest = std::max(longest, here);
  } while (position != 0);
  return longest;
}

std::string numbered(const char* prefix, uint64_t n) { return prefix + std::to_string(n); }

}  // namespace

TEST_CASE("slot table: an empty one") {
  SlotTable table;
  const KeyRef key = make_key("k", kSeed);
  CHECK(table.size() == 0);
  CHECK(table.find(key) == nullptr);
  CHECK(table.memory() == 0);
  CHECK(table.scan(0, [](Object*) { FAIL("nothing to visit"); }) == 0);
  CHECK(table.drain(10, [](Object*) { FAIL("nothing to take"); }) == 0);
  table.prefetch_bucket(key.hash);
  table.prefetch_entry(key.hash);
}

TEST_CASE("slot table: random operations agree with unordered_map") {
  for (const uint64_t seed : {1, 2, 3}) {
    SeededRandom random(seed);
    Table t;
    constexpr uint64_t kKeys = 12000;
    // Phases that fill, hover and empty, so that every bucket count is passed in both directions.
    for (const uint64_t insert_percent : {80, 50, 20, 60, 5, 90, 0}) {
      for (int i = 0; i < 30000; ++i) {
        const std::string key = numbered("key:", random.below(kKeys));
        if (random.below(100) < insert_percent) {
          if (!t.has(key)) t.insert(key);
        } else if (t.has(key)) {
          t.erase(key);
        }
        if (!t.agrees_on(key)) FAIL("disagreement about " << key);
        const std::string other = numbered("key:", random.below(kKeys));
        if (!t.agrees_on(other)) FAIL("disagreement about " << other);
      }
      REQUIRE(t.table.size() == t.model.size());
      const auto seen = scan_all(t.table);
      REQUIRE(seen.size() == t.model.size());
      for (const auto& [key, times] : seen) {
        if (times != 1 || !t.has(key)) FAIL(key << " scanned " << times << " times");
      }
    }
  }
}

TEST_CASE("slot table: the memory of a table that became empty is given back") {
  Table t;
  for (int round = 0; round < 3; ++round) {
    for (uint64_t i = 0; i < 3000; ++i) t.insert(numbered("k", i));
    CHECK(t.table.memory() >= 3000 / 7 * 64);
    for (uint64_t i = 0; i < 3000; ++i) t.erase(numbered("k", i));
    CHECK(t.table.size() == 0);
    CHECK(t.table.memory() == 0);
  }
}

TEST_CASE("slot table: memory follows the number of keys down as well") {
  Table t;
  constexpr uint64_t kKeys = 20'000;
  for (uint64_t i = 0; i < kKeys; ++i) t.insert(numbered("k", i));
  for (uint64_t left = kKeys; left > 100; --left) {
    t.erase(numbered("k", left - 1));
    // A bucket a key at most, and some slack of segments.
    if (t.table.memory() > left * 80 + 10'000) FAIL("too much for " << left << " keys");
  }
}

TEST_CASE("slot table T2: a scan returns all that stays while the rest comes and goes") {
  // Growing, shrinking, swinging, and churning at the same size.
  enum Change { kGrow, kShrink, kSwing, kChurn };
  for (const Change change : {kGrow, kShrink, kSwing, kChurn}) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      SeededRandom random(seed * 7919);
      Table t;
      constexpr uint64_t kStay = 300;
      constexpr uint64_t kOthers = 6000;
      for (uint64_t i = 0; i < kStay; ++i) t.insert(numbered("stay", i));
      const bool starts_full = change == kShrink || change == kChurn;
      for (uint64_t i = 0; i < (starts_full ? kOthers : 0); ++i) t.insert(numbered("go", i));

      std::set<std::string> seen;
      uint64_t position = 0;
      uint64_t steps = 0;
      do {
        position = t.table.scan(position,
                                [&](Object* object) { seen.insert(std::string(object->key())); });
        const bool filling = change == kGrow || (change == kSwing && steps / 40 % 2 == 0);
        for (uint64_t i = 0, n = random.below(120); i < n; ++i) {
          const std::string key = numbered("go", random.below(kOthers));
          const bool insert = change == kChurn ? random.one_in(2) : filling;
          if (insert && !t.has(key)) t.insert(key);
          if (!insert && t.has(key)) t.erase(key);
        }
        REQUIRE(++steps < 100000);
      } while (position != 0);
      for (uint64_t i = 0; i < kStay; ++i) {
        if (!seen.contains(numbered("stay", i))) FAIL("change " << change << " lost stay" << i);
      }
    }
  }
}

TEST_CASE("slot table T2: a cursor outlives the table's becoming empty and full again") {
  Table t;
  for (uint64_t i = 0; i < 1000; ++i) t.insert(numbered("a", i));
  uint64_t position = 0;
  for (int i = 0; i < 20; ++i) position = t.table.scan(position, [](Object*) {});
  REQUIRE(position != 0);
  for (uint64_t i = 0; i < 1000; ++i) t.erase(numbered("a", i));
  CHECK(t.table.scan(position, [](Object*) {}) == 0);
  for (uint64_t i = 0; i < 500; ++i) t.insert(numbered("b", i));
  int steps = 0;
  while (position != 0) {
    position = t.table.scan(position, [](Object*) {});
    REQUIRE(++steps < 1000);
  }
}

TEST_CASE("slot table: any position can be scanned from and the scan ends") {
  SeededRandom random(11);
  Table t;
  for (uint64_t i = 0; i < 777; ++i) t.insert(numbered("k", i));
  for (int i = 0; i < 200; ++i) {
    uint64_t position = random.next() >> (64 - SlotTable::kScanBits);
    int steps = 0;
    do {
      const uint64_t next = t.table.scan(position, [](Object*) {});
      CHECK((next == 0 || next > position));
      CHECK((next >> SlotTable::kScanBits) == 0);
      position = next;
      REQUIRE(++steps < 1000);
    } while (position != 0);
  }
}

TEST_CASE("slot table: 300,000 keys in one slot, and no operation touches much") {
  Table t;
  constexpr uint64_t kKeys = 300'000;
  // Two chains at most are walked by an operation, and it allocates a bucket, a segment, or at a
  // few sizes a longer directory.
  constexpr size_t kLongestChain = 45;
  constexpr size_t kMostChange = 4096 + 8192 * sizeof(void*);
  // A split may also free linked buckets, so memory can move either way.
  size_t most_change = 0;
  const auto note_change = [&](size_t before) {
    const size_t after = t.table.memory();
    most_change = std::max(most_change, after > before ? after - before : before - after);
  };
  for (uint64_t i = 0; i < kKeys; ++i) {
    const std::string key = numbered("{tag}", i);
    REQUIRE(slot_of(key) == slot_of("tag"));
    const size_t before = t.table.memory();
    t.insert(key);
    note_change(before);
    if (i % 37'000 == 0) CHECK(longest_chain(t.table) <= kLongestChain);
  }
  CHECK(t.table.size() == kKeys);
  CHECK(longest_chain(t.table) <= kLongestChain);
  CHECK(most_change <= kMostChange);
  CHECK(t.table.memory() / kKeys <= 20);  // bytes a key

  for (uint64_t i = 0; i < kKeys; ++i) {
    const size_t before = t.table.memory();
    t.erase(numbered("{tag}", i * 7919 % kKeys));
    // The last key takes all of the rest with it.
    if (t.table.size() > 0) note_change(before);
    if (i % 37'000 == 0) CHECK(longest_chain(t.table) <= kLongestChain);
  }
  CHECK(t.table.size() == 0);
  CHECK(most_change <= kMostChange);
  CHECK(t.table.memory() == 0);
}

TEST_CASE("slot table: every object is about equally likely to be drawn") {
  for (const uint64_t keys : {1, 5, 29, 200, 1000}) {
    SeededRandom random(keys);
    Table t;
    for (uint64_t i = 0; i < keys; ++i) t.insert(numbered("k", i));
    constexpr uint64_t kDrawsPerKey = 400;
    std::unordered_map<Object*, uint64_t> drawn;
    for (uint64_t i = 0; i < keys * kDrawsPerKey; ++i) {
      ++drawn[t.table.random_entry([&](uint64_t below) { return random.below(below); })];
    }
    CHECK(drawn.size() == keys);
    for (const auto& [object, times] : drawn) {
      CHECK(times > kDrawsPerKey * 7 / 10);
      CHECK((keys == 1 || times < kDrawsPerKey * 13 / 10));
    }
  }
}

TEST_CASE("slot table: drain takes each object once, never more than asked for") {
  Table t;
  constexpr uint64_t kKeys = 5000;
  for (uint64_t i = 0; i < kKeys; ++i) t.insert(numbered("k", i));
  std::set<std::string> taken;
  while (true) {
    uint32_t calls = 0;
    const uint32_t n = t.table.drain(97, [&](Object* object) {
      ++calls;
      CHECK(taken.insert(std::string(object->key())).second);
      Object::destroy(object);
    });
    CHECK(n == calls);
    CHECK(n <= 97);
    CHECK(t.table.size() == kKeys - taken.size());
    if (n < 97) break;
  }
  CHECK(taken.size() == kKeys);
  CHECK(t.table.size() == 0);
  CHECK(t.table.memory() == 0);
  t.model.clear();
  t.insert("again");
  CHECK(t.agrees_on("again"));
}

TEST_CASE("slot table: keys of one tag or one bucket stay apart") {
  // Few tags and few buckets: every place of the chain code is passed.
  Table t;
  std::vector<std::string> same_tag;
  for (uint64_t i = 0; same_tag.size() < 60; ++i) {
    std::string key = numbered("k", i);
    if (make_key(key, kSeed).hash >> 56 == 0x42) same_tag.push_back(std::move(key));
  }
  for (const std::string& key : same_tag) t.insert(key);
  for (const std::string& key : same_tag) CHECK(t.agrees_on(key));
  for (size_t i = 0; i < same_tag.size(); i += 2) t.erase(same_tag[i]);
  for (const std::string& key : same_tag) CHECK(t.agrees_on(key));
  for (const std::string& key : same_tag) t.table.prefetch_entry(make_key(key, kSeed).hash);
}

TEST_CASE("slot table: an iterator passes every object once, in tables of any size") {
  Table t;
  for (uint64_t keys = 0; keys < 700; ++keys) {
    if (keys % 50 < 3 || keys < 40) {
      std::set<std::string> seen;
      SlotTable::Iterator objects = t.table.begin();
      while (const Object* object = objects.next()) {
        CHECK(seen.insert(std::string(object->key())).second);
      }
      CHECK(seen.size() == keys);
    }
    t.insert(numbered("k", keys));
  }
  CHECK(SlotTable::Iterator().next() == nullptr);
}
