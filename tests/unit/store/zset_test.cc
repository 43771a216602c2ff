// Sorted sets against a simple model, small and large; their RDB forms, also those that Redis has
// written and bytes that nobody has.
#include "store/types/zset.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

using Order = std::vector<std::pair<double, std::string>>;

// A sorted set and what should be in it.
class Model {
 public:
  explicit Model(uint64_t max_entries) : value(kZsetType.create()) {
    limits.zset_max_listpack_entries = max_entries;
    limits.hash_seed = 7;
  }
  ~Model() { destroy_collection(ObjectType::kZset, value); }

  void add(const std::string& member, double score) {
    std::string operands;
    put_zset_add(member, score, &operands);
    apply(EffectType::kZsetAdd, operands);
    scores[member] = score;
  }
  void remove(const std::string& member) {
    std::string operands;
    put_bytes(operands, member);
    apply(EffectType::kZsetRemove, operands);
    scores.erase(member);
  }
  void apply(EffectType type, const std::string& operands) {
    Reader in(operands);
    kZsetType.apply(type, in, limits, &value);
    REQUIRE(in.ok());
    REQUIRE(in.at_end());
  }
  Order order() const {
    Order sorted;
    for (const auto& [member, score] : scores) sorted.emplace_back(score, member);
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

  CollectionLimits limits;
  Collection value;
  std::map<std::string, double> scores;
};

Order contents(const Collection& value) {
  Order order;
  for (Zset::Cursor c = Zset(value).at(0); c.valid(); c.next()) {
    const ZsetItem item = c.item();
    order.emplace_back(item.score, item.member);
  }
  return order;
}

// What decoding gives, and the encoding; nothing when the bytes are no sorted set.
Order decoded(std::string_view bytes, Encoding* encoding = nullptr) {
  ObjectType type;
  Collection value;
  if (!decode_collection(bytes, {}, &type, &value)) return {};
  REQUIRE(type == ObjectType::kZset);
  if (encoding != nullptr) *encoding = value.encoding;
  Order order = contents(value);
  destroy_collection(type, value);
  return order;
}

void check_reads(const Model& model, SeededRandom& random) {
  const Zset zset(model.value);
  const Order order = model.order();
  REQUIRE(contents(model.value) == order);
  REQUIRE(zset.size() == order.size());
  for (size_t i = 0; i < order.size(); i += 1 + random.below(5)) {
    uint64_t rank = 0;
    double score = 0;
    REQUIRE(zset.score(order[i].second, &score));
    REQUIRE(score == order[i].first);
    REQUIRE(zset.rank(order[i].second, &rank, &score));
    REQUIRE(rank == i);
    Zset::Cursor cursor = zset.at(i);
    REQUIRE(cursor.item().member == order[i].second);
    cursor.prev();
    REQUIRE(cursor.valid() == (i > 0));
  }
  double score;
  uint64_t rank;
  REQUIRE(!zset.score("absent", &score));
  REQUIRE(!zset.rank("absent", &rank, &score));
  REQUIRE(!zset.at(order.size()).valid());

  const double low = static_cast<double>(random.below(12)) - 1;
  const ScoreRange range{low, low + static_cast<double>(random.below(5)) - 1, random.one_in(2),
                         random.one_in(2)};
  const RankRange ranks = zset.within(range);
  for (size_t i = 0; i < order.size(); ++i) {
    const bool inside = !range.before(order[i].first) && !range.behind(order[i].first);
    REQUIRE(inside == (i >= ranks.first && i < ranks.end));
  }
}

}  // namespace

TEST_CASE("zset: random changes agree with a model, small and large") {
  for (const uint64_t max_entries : {uint64_t{100000}, uint64_t{0}, uint64_t{20}}) {
    CAPTURE(max_entries);
    SeededRandom random(max_entries + 1);
    Model model(max_entries);
    for (int step = 0; step < 3000; ++step) {
      const uint64_t number = random.below(60);
      const std::string member =
          number % 2 == 0 ? std::to_string(number) : "m" + std::to_string(number);
      if (random.below(5) < 3) {
        const auto score = static_cast<double>(random.below(10));
        model.add(member, random.one_in(3) ? score + 0.1 : score);
      } else {
        model.remove(member);
      }
      if (step % 10 == 0) check_reads(model, random);
    }
    CHECK(model.value.encoding ==
          (max_entries == 100000 ? Encoding::kListpack : Encoding::kSkiplist));
    std::string bytes;
    kZsetType.encode(model.value, &bytes);
    CHECK(decoded(bytes) == model.order());
  }
}

TEST_CASE("zset: scores are kept exactly in both forms") {
  const std::vector<double> scores = {0.1,     -0.0,     1e300, 5e-324, HUGE_VAL, -HUGE_VAL,
                                      1 << 20, -4503.25, 1e18,  9.3e18, 1.0 / 3};
  for (const uint64_t max_entries : {0, 128}) {
    Model model(max_entries);
    for (const double score : scores) {
      const std::string member = std::to_string(score);
      model.add(member, score);
      double read = 1;
      REQUIRE(Zset(model.value).score(member, &read));
      CHECK(read == score);
      CHECK(std::signbit(read) == (std::signbit(score) && (score != 0 || max_entries == 0)));
    }
  }
}

TEST_CASE("zset: when it becomes large") {
  Model many(3);
  for (int i = 0; i < 3; ++i) many.add(std::to_string(i), i);
  many.add("1", 9);
  CHECK(many.value.encoding == Encoding::kListpack);
  many.add("x", 1);
  CHECK(many.value.encoding == Encoding::kSkiplist);
  Model wide(128);
  wide.add(std::string(64, 'a'), 1);
  CHECK(wide.value.encoding == Encoding::kListpack);
  wide.add(std::string(65, 'a'), 1);
  CHECK(wide.value.encoding == Encoding::kSkiplist);
  CHECK(contents(wide.value) == wide.order());
}

TEST_CASE("zset: ranges of members") {
  for (const uint64_t max_entries : {0, 128}) {
    Model model(max_entries);
    for (const char* member : {"a", "b", "c", "d", "5"}) model.add(member, 0);
    const auto ranks = [&model](LexBound min, LexBound max) {
      const RankRange range = Zset(model.value).within(LexRange{min, max});
      return std::make_pair(range.first, range.end);
    };
    using Pair = std::pair<uint64_t, uint64_t>;
    const LexBound lowest{LexBound::kLowest, false, {}};
    const LexBound highest{LexBound::kHighest, false, {}};
    CHECK(ranks(lowest, highest) == Pair{0, 5});
    CHECK(ranks({LexBound::kMember, false, "b"}, {LexBound::kMember, false, "c"}) == Pair{2, 4});
    CHECK(ranks({LexBound::kMember, true, "b"}, {LexBound::kMember, true, "d"}) == Pair{3, 4});
    CHECK(ranks(lowest, {LexBound::kMember, true, "5"}) == Pair{0, 0});
    CHECK(Zset(model.value).within(LexRange{highest, lowest}).size() == 0);
  }
}

TEST_CASE("zset: what Redis has written") {
  const Order expected = {{-HUGE_VAL, "c"}, {1, "a"}, {2.5, "b"}, {1e20, "12"}};
  Encoding encoding;
  // Redis 7: a listpack, and its large form.
  using namespace std::literals;
  CHECK(decoded("\x11\x26\x26\0\0\0\x08\0\x81\x63\x02\x84-inf\x05\x81\x61\x02\x01\x01\x81\x62\x02"
                "\x83"
                "2.5\x04\x0c\x01\x85"
                "1e+20\x06\xff"sv,
                &encoding) == expected);
  CHECK(encoding == Encoding::kListpack);
  const std::string one = "\0\0\0\0\0\0\xf0\x3f"s;
  CHECK(decoded("\x05\x02\xc0\x0c\0\0\0\0\0\0\0\x40\x01\x61"s + one) == Order{{1, "a"}, {2, "12"}});
  // Redis before 4: scores as text.
  CHECK(decoded("\x03\x03\x01\x61\x03"
                "1.5\x01\x62\xfe\x01\x63\xff"sv) ==
        Order{{-HUGE_VAL, "c"}, {1.5, "a"}, {HUGE_VAL, "b"}});
  // Redis before 7: a ziplist of "a", 1, "b", 2.5.
  CHECK(decoded("\x0c\x18\x18\0\0\0\x12\0\0\0\x04\0\0\x01\x61\x03\xf2\x02\x01\x62\x03\x03"
                "2.5\xff"sv) == Order{{1, "a"}, {2.5, "b"}});
}

TEST_CASE("zset: bytes that are no sorted set") {
  using namespace std::literals;
  const auto packed = [](const std::vector<std::string>& elements) {
    Listpack pack(Listpack::create());
    for (const std::string& element : elements) pack.append(element);
    const std::string bytes(pack.bytes());
    Listpack::destroy(pack.block());
    return "\x11"s + static_cast<char>(bytes.size()) + bytes;
  };
  CHECK(decoded(packed({"a", "1", "b", "2"})).size() == 2);
  CHECK(decoded(packed({})).empty());
  CHECK(decoded(packed({"a", "1", "b"})).empty());
  CHECK(decoded(packed({"a", "1", "a", "2"})).empty());
  CHECK(decoded(packed({"a", "2", "b", "1"})).empty());
  CHECK(decoded(packed({"b", "1", "a", "1"})).empty());
  CHECK(decoded(packed({"a", "x"})).empty());
  CHECK(decoded(packed({"a", "nan"})).empty());
  const std::string one = "\0\0\0\0\0\0\xf0\x3f"s;
  CHECK(decoded("\x05\0"sv).empty());
  CHECK(decoded("\x05\x02\x01\x61"s + one + "\x01\x61" + one).empty());  // twice
  CHECK(decoded("\x05\x01\x01\x61\0\0\0\0\0\0\xf8\x7f"s).empty());       // NaN
  CHECK(decoded("\x03\x01\x01\x61\xfd"sv).empty());

  // Damaged ones are refused or are something; they are never read beyond their end.
  Model model(4);
  for (int i = 0; i < 12; ++i) {
    model.add("member" + std::to_string(i), i * 0.5);
    std::string bytes;
    kZsetType.encode(model.value, &bytes);
    SeededRandom random(static_cast<uint64_t>(i));
    for (int round = 0; round < 500; ++round) {
      std::string damaged = bytes.substr(0, 1 + random.below(bytes.size()));
      if (damaged.size() > 1) {
        damaged[1 + random.below(damaged.size() - 1)] = static_cast<char>(random.next());
      }
      decoded(damaged);
    }
  }
}
