// Sets in all their forms against std::set: random changes, RDB forms in and out, any bytes; and
// the intset by itself.
#include "store/types/set.h"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "store/types/intset.h"

using namespace holdfast;

namespace {

using Model = std::set<std::string>;

Model contents(const Collection& set) {
  Model found;
  SetCursor cursor(set);
  while (cursor.next()) CHECK(found.insert(std::string(cursor.member())).second);
  return found;
}

void apply(EffectType type, const std::vector<std::string>& members, const CollectionLimits& limits,
           Collection* set) {
  std::string operands;
  for (const std::string& member : members) put_bytes(operands, member);
  Reader in(operands);
  kSetType.apply(type, in, limits, set);
  REQUIRE(in.ok());
  REQUIRE(in.at_end());
}

std::string random_member(Random& random, uint64_t range) {
  switch (random.below(12)) {
    case 0:
      return "m" + std::to_string(random.below(range));
    case 1:
      return std::to_string(static_cast<int64_t>(random.next()) >> random.below(64));
    default:
      return std::to_string(random.below(range));
  }
}

}  // namespace

TEST_CASE("set: random changes in every form") {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    SeededRandom random(seed);
    CollectionLimits limits;
    limits.hash_seed = 99;
    limits.set_max_intset_entries = seed < 4 ? 30 : 512;
    limits.set_max_listpack_entries = seed < 4 ? 20 : 128;
    const uint64_t range = seed % 2 == 0 ? 25 : 900;
    const bool numbers_only = seed % 3 == 0;
    Collection set = kSetType.create();
    Model model;
    for (int i = 0; i < 8000; ++i) {
      const std::string member =
          numbers_only ? std::to_string(random.below(range)) : random_member(random, range);
      if (random.below(100) < (i / 2000 % 2 == 0 ? 70U : 30U)) {
        apply(EffectType::kSetAdd, {member}, limits, &set);
        model.insert(member);
      } else {
        apply(EffectType::kSetRemove, {member}, limits, &set);
        model.erase(member);
      }
      const std::string other = random_member(random, range);
      REQUIRE(set_contains(set, other) == model.contains(other));
      REQUIRE(set_size(set) == model.size());
      if (i % 200 == 0) REQUIRE(contents(set) == model);
    }
    REQUIRE(contents(set) == model);
    std::string bytes;
    kSetType.encode(set, &bytes);
    for (const uint64_t entries : {0, 5000}) {
      CollectionLimits other = limits;
      other.set_max_intset_entries = other.set_max_listpack_entries = entries;
      ObjectType type;
      Collection copy;
      REQUIRE(decode_collection(bytes, other, &type, &copy));
      CHECK(type == ObjectType::kSet);
      CHECK(contents(copy) == model);
      destroy_collection(type, copy);
    }
    destroy_collection(ObjectType::kSet, set);
  }
}

TEST_CASE("set: forms and when they change") {
  struct Case {
    std::vector<std::vector<std::string>> adds;
    Encoding wanted;
  };
  const auto numbers = [](int from, int to) {
    std::vector<std::string> out;
    for (int i = from; i < to; ++i) out.push_back(std::to_string(i));
    return out;
  };
  const std::string longest(64, 'x'), too_long(65, 'x');
  const Case cases[] = {
      {{{"1", "2"}}, Encoding::kIntset},
      {{{"a"}}, Encoding::kListpack},
      {{{"1", "a"}}, Encoding::kListpack},
      {{{"a", "1"}}, Encoding::kListpack},
      {{{longest}}, Encoding::kListpack},
      {{{too_long}}, Encoding::kHashtable},
      {{{"1"}, {too_long}}, Encoding::kHashtable},
      {{numbers(0, 512)}, Encoding::kIntset},
      {{numbers(0, 513)}, Encoding::kHashtable},
      {{numbers(0, 512), {"512"}}, Encoding::kHashtable},
      {{numbers(0, 512), {"511"}}, Encoding::kIntset},
      {{{"a"}, numbers(0, 127)}, Encoding::kListpack},
      {{{"a"}, numbers(0, 128)}, Encoding::kHashtable},
      {{numbers(0, 127), {"a"}}, Encoding::kListpack},
      {{numbers(0, 128), {"a"}}, Encoding::kHashtable},
  };
  for (const Case& each : cases) {
    Collection set = kSetType.create();
    for (const auto& members : each.adds) {
      apply(EffectType::kSetAdd, members, CollectionLimits(), &set);
    }
    CHECK(set.encoding == each.wanted);
    CHECK(kSetType.memory(set) > 0);
    destroy_collection(ObjectType::kSet, set);
  }
}

TEST_CASE("set: each member is about equally likely to be drawn") {
  const CollectionLimits limits;
  for (const int members : {3, 100, 2000}) {
    SetBuilder builder(limits);
    for (int i = 0; i < members; ++i) builder.add("m" + std::to_string(i));
    SeededRandom random(7);
    std::map<std::string, int> drawn;
    IntScratch scratch;
    for (int i = 0; i < members * 200; ++i) {
      ++drawn[std::string(set_random(builder.set(), random, scratch))];
    }
    CHECK(drawn.size() == static_cast<size_t>(members));
    for (const auto& [member, times] : drawn) {
      CHECK(times > 120);
      CHECK(times < 300);
    }
  }
}

TEST_CASE("set: any bytes are safe to decode") {
  SeededRandom random(6);
  for (const int type : {2, 11, 20}) {
    for (int i = 0; i < 30000; ++i) {
      std::string bytes(1, static_cast<char>(type));
      const uint64_t size = random.below(30);
      for (uint64_t b = 0; b < size; ++b) {
        bytes.push_back(static_cast<char>(random.one_in(2) ? random.below(6) : random.below(256)));
      }
      ObjectType object_type;
      Collection set;
      if (!decode_collection(bytes, CollectionLimits(), &object_type, &set)) continue;
      CHECK(set_size(set) > 0);
      destroy_collection(object_type, set);
    }
  }
}

TEST_CASE("intset: Redis's bytes, against std::set") {
  char* made = Intset::create();
  Intset small(made);
  CHECK(small.add(5));
  CHECK(!small.add(5));
  CHECK(small.add(-1));
  CHECK(small.bytes() == std::string_view("\x02\0\0\0\x02\0\0\0\xff\xff\x05\0", 12));
  CHECK(small.add(70000));  // every element gets wider
  CHECK(small.bytes() == std::string_view("\x04\0\0\0\x03\0\0\0"
                                          "\xff\xff\xff\xff\x05\0\0\0\x70\x11\x01\0",
                                          20));
  Intset::destroy(small.block());

  SeededRandom random(3);
  Intset ints(Intset::create());
  std::set<int64_t> model;
  for (int i = 0; i < 5000; ++i) {
    const int64_t value = static_cast<int64_t>(random.next()) >> (i < 2000 ? 54 : random.below(64));
    if (random.one_in(3)) {
      REQUIRE(ints.remove(value) == (model.erase(value) > 0));
    } else {
      REQUIRE(ints.add(value) == model.insert(value).second);
    }
    REQUIRE(ints.contains(value) == model.contains(value));
    REQUIRE(ints.count() == model.size());
  }
  uint32_t index = 0;
  for (const int64_t value : model) REQUIRE(ints.at(index++) == value);
  CHECK(Intset::valid(ints.bytes()));
  std::string swapped(ints.bytes());
  std::swap(swapped[8], swapped[16]);
  CHECK(!Intset::valid(swapped.substr(0, swapped.size() - 1)));
  Intset::destroy(ints.block());
}

TEST_CASE("set: the bytes of its effects and forms, as docs/ONDISK.md has them") {
  static_assert(static_cast<int>(EffectType::kSetAdd) == 64);
  static_assert(static_cast<int>(EffectType::kSetRemove) == 65);
  Collection set = kSetType.create();
  const auto apply_bytes = [&](EffectType type, std::string_view operands) {
    Reader in(operands);
    kSetType.apply(type, in, CollectionLimits(), &set);
    CHECK(in.at_end());
  };
  apply_bytes(EffectType::kSetAdd,
              "\x01"
              "3\x01"
              "1");
  std::string bytes;
  kSetType.encode(set, &bytes);
  CHECK(bytes == std::string("\x0b\x0c\x02\0\0\0\x02\0\0\0\x01\0\x03\0", 14));
  apply_bytes(EffectType::kSetAdd, std::string_view("\x02xy\0", 4));
  apply_bytes(EffectType::kSetRemove,
              "\x01"
              "3\x01z");
  CHECK(contents(set) == Model{"1", "xy", ""});
  bytes.clear();
  kSetType.encode(set, &bytes);
  CHECK(bytes == std::string("\x02\x03\xc0\x01\x02xy\0", 8));
  destroy_collection(ObjectType::kSet, set);
}
