// Hashes in all their forms against a map: random changes, expiry of fields, RDB forms in and out,
// payloads of redis-server, any bytes.
#include "store/types/hash.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "store/types/hash_forms.h"

using namespace holdfast;

namespace {

struct Field {
  std::string value;
  int64_t expire_at_ms = 0;
  bool operator==(const Field&) const = default;
};
using Model = std::map<std::string, Field>;

// A hash that is changed as a keyspace changes it, and what it should contain.
class TestHash {
 public:
  TestHash() { limits.hash_seed = 77; }
  ~TestHash() { destroy_collection(ObjectType::kHash, hash); }

  void apply(EffectType type, const std::string& operands) {
    Reader in(operands);
    kHashType.apply(type, in, limits, &hash);
    REQUIRE(in.ok());
    REQUIRE(in.at_end());
  }
  void set(const std::string& field, const std::string& value, bool keep = false) {
    std::string operands;
    put_bytes(operands, field);
    put_bytes(operands, value);
    apply(keep ? EffectType::kHashUpdate : EffectType::kHashSet, operands);
    const int64_t expires = keep && model.contains(field) ? model[field].expire_at_ms : 0;
    model[field] = {value, expires};
  }
  void erase(const std::string& field) {
    std::string operands;
    put_bytes(operands, field);
    apply(EffectType::kHashDelete, operands);
    model.erase(field);
  }
  void expire(const std::string& field, int64_t at_ms) {
    std::string operands;
    put_varint(operands, static_cast<uint64_t>(at_ms));
    put_bytes(operands, field);
    apply(EffectType::kHashExpire, operands);
    if (model.contains(field)) model[field].expire_at_ms = at_ms;
  }

  CollectionLimits limits;
  Collection hash = kHashType.create();
  Model model;
};

Model contents(const Collection& hash) {
  Model found;
  HashCursor cursor(hash);
  while (cursor.next()) {
    const bool fresh = found
                           .emplace(std::string(cursor.field()),
                                    Field{std::string(cursor.value()), cursor.expire_at_ms()})
                           .second;
    CHECK(fresh);
  }
  return found;
}

int64_t soonest(const Model& model) {
  int64_t first = kNoFieldExpires;
  for (const auto& [name, field] : model) {
    if (field.expire_at_ms != 0) first = std::min(first, field.expire_at_ms);
  }
  return first;
}

void check_same(const TestHash& t) {
  REQUIRE(contents(t.hash) == t.model);
  REQUIRE(hash_size(t.hash) == t.model.size());
  REQUIRE(hash_next_expiry_ms(t.hash) == soonest(t.model));
}

std::string encoded(const Collection& hash) {
  std::string bytes;
  kHashType.encode(hash, &bytes);
  return bytes;
}

std::string bytes_of(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

}  // namespace

TEST_CASE("hash: random changes in every form") {
  for (const uint64_t entries : {4, 128}) {
    for (const uint64_t seed : {1, 2, 3, 4}) {
      SeededRandom random(seed);
      TestHash t;
      t.limits.hash_max_listpack_entries = entries;
      const bool expiring = seed > 2;
      const uint64_t fields = seed % 2 == 0 ? 30 : 600;
      t.set("first", "v");  // it is what makes a hash
      for (int i = 0; i < 6000; ++i) {
        const std::string field = "f" + std::to_string(random.below(fields));
        const uint64_t kind = random.below(10);
        if (kind < 5) {
          std::string value = random.one_in(3) ? std::to_string(random.below(100000)) : "text";
          if (random.one_in(200)) value.assign(random.below(300), 'v');
          t.set(field, value, random.one_in(2));
        } else if (kind < 7) {
          t.erase(field);
        } else if (expiring) {
          t.expire(field, random.one_in(4) ? 0 : static_cast<int64_t>(1 + random.below(5000)));
        }
        if (i % 100 == 0) check_same(t);
        IntScratch scratch;
        const std::string other = "f" + std::to_string(random.below(fields));
        const auto found = hash_get(t.hash, other, scratch);
        REQUIRE(found.has_value() == t.model.contains(other));
        if (found) REQUIRE(*found == t.model[other].value);
        REQUIRE(hash_expiry(t.hash, other).value_or(-1) ==
                (found ? t.model[other].expire_at_ms : -1));
      }
      check_same(t);
      if (t.model.empty()) continue;
      // What is due is found, however it is kept.
      std::string due;
      uint32_t expected = 0;
      for (const auto& [name, field] : t.model) {
        expected += field.expire_at_ms != 0 && field.expire_at_ms <= 2500 ? 1 : 0;
      }
      CHECK(hash_take_due(t.hash, 2500, UINT32_MAX, &due) == expected);
      // The RDB form brings it back, under any limits.
      const std::string bytes = encoded(t.hash);
      for (const uint64_t other_limit : {0, 1000}) {
        CollectionLimits limits = t.limits;
        limits.hash_max_listpack_entries = other_limit;
        ObjectType type;
        Collection copy;
        REQUIRE(decode_collection(bytes, limits, &type, &copy));
        CHECK(type == ObjectType::kHash);
        CHECK(contents(copy) == t.model);
        destroy_collection(type, copy);
      }
      for (const auto& [name, field] : Model(t.model)) t.erase(name);
      check_same(t);
    }
  }
}

TEST_CASE("hash: forms and when they change") {
  TestHash t;
  t.set("f", "v");
  CHECK(t.hash.encoding == Encoding::kListpack);
  t.expire("f", 0);
  t.expire("absent", 5);
  CHECK(t.hash.encoding == Encoding::kListpack);
  t.expire("f", 5);
  CHECK(t.hash.encoding == Encoding::kListpackEx);
  t.set("f", std::string(64, 'x'), true);
  CHECK(t.hash.encoding == Encoding::kListpackEx);
  t.set("g", std::string(65, 'x'));
  CHECK(t.hash.encoding == Encoding::kHashtable);
  check_same(t);
  t.set("f", "v");  // without its expiry
  check_same(t);

  TestHash many;
  for (int i = 0; i < 128; ++i) many.set(std::to_string(i), "v");
  CHECK(many.hash.encoding == Encoding::kListpack);
  many.set("127", "w");
  CHECK(many.hash.encoding == Encoding::kListpack);
  many.set("128", "v");
  CHECK(many.hash.encoding == Encoding::kHashtable);
  CHECK(hash_table(many.hash)->memory() < 129 * 64);
}

TEST_CASE("hash: a large one goes in slices") {
  TestHash t;
  for (int i = 0; i < 1000; ++i) t.set(std::to_string(i), "v");
  t.expire("7", 100);
  uint64_t budget = 300;
  CHECK(!kHashType.destroy_some(t.hash, &budget));
  CHECK(budget == 0);
  budget = 10000;
  CHECK(kHashType.destroy_some(t.hash, &budget));
  CHECK(budget == 9300);
  CHECK(t.hash.data == nullptr);
}

TEST_CASE("hash: what Redis writes is read") {
  const auto decode = [](std::string bytes, Model* out) {
    ObjectType type;
    Collection hash;
    if (!decode_collection(bytes, CollectionLimits(), &type, &hash)) return false;
    *out = contents(hash);
    destroy_collection(type, hash);
    return true;
  };
  const Model wanted = {{"f", {"v", 0}}, {"n", {"12", 0}}};
  Model found;
  // The plain form, a ziplist, a zipmap; the listpack is Redis 7's.
  CHECK(decode(bytes_of("0402"
                        "0166"
                        "0176"
                        "016e"
                        "c00c"),
               &found));
  CHECK(found == wanted);
  CHECK(decode(bytes_of("0d171700000013000000040000016603017603016e03fe0cff"), &found));
  CHECK(found == wanted);
  CHECK(decode(bytes_of("090d020166010076016e02003132ff"), &found));
  CHECK(found == wanted);
  CHECK(decode(bytes_of("1012120000000400816602817602816e020c01ff"), &found));
  CHECK(found == wanted);
  // A field twice, an odd number of elements, none at all.
  CHECK(!decode(bytes_of("04020166017601660176"), &found));
  CHECK(!decode(bytes_of("100d"
                         "0d000000"
                         "0200"
                         "816602"
                         "ff"),
                &found));
  CHECK(!decode(bytes_of("0400"), &found));
  CHECK(!decode(bytes_of("1007"
                         "07000000"
                         "0000"
                         "ff"),
                &found));
}

TEST_CASE("hash: any bytes are safe to decode") {
  SeededRandom random(5);
  for (const int type : {4, 9, 13, 16, 24}) {
    for (int i = 0; i < 20000; ++i) {
      std::string bytes(1, static_cast<char>(type));
      const uint64_t size = random.below(40);
      for (uint64_t b = 0; b < size; ++b) {
        bytes.push_back(static_cast<char>(random.one_in(2) ? random.below(6) : random.below(256)));
      }
      ObjectType object_type;
      Collection hash;
      if (!decode_collection(bytes, CollectionLimits(), &object_type, &hash)) continue;
      CHECK(hash_size(hash) > 0);
      destroy_collection(object_type, hash);
    }
  }
}

TEST_CASE("hash: the bytes of its effects, as docs/ONDISK.md has them") {
  static_assert(static_cast<int>(EffectType::kHashSet) == 32);
  static_assert(static_cast<int>(EffectType::kHashDelete) == 33);
  static_assert(static_cast<int>(EffectType::kHashUpdate) == 34);
  static_assert(static_cast<int>(EffectType::kHashExpire) == 35);
  TestHash t;
  t.apply(EffectType::kHashSet, std::string("\x01"
                                            "f\x02vw\x01g\x00",
                                            8));
  t.apply(EffectType::kHashExpire,
          "\x96\x01\x01"
          "f");  // 150 as a varint
  t.apply(EffectType::kHashUpdate,
          "\x01"
          "f\x01x");
  CHECK(contents(t.hash) == Model{{"f", {"x", 150}}, {"g", {"", 0}}});
  CHECK(encoded(t.hash) == std::string("\x18\x96\0\0\0\0\0\0\0\x02\x01\x01"
                                       "f\x01x\0\x01g\0",
                                       19));
  t.apply(EffectType::kHashExpire, std::string("\0\x01"
                                               "f",
                                               3));
  t.apply(EffectType::kHashDelete, "\x01g\x01z");
  CHECK(contents(t.hash) == Model{{"f", {"x", 0}}});
}
