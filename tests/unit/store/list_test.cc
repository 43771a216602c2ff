// Lists in both encodings against a deque, under random changes; their form in RDB, with payloads
// of redis-server and with arbitrary bytes.
#include "store/types/list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

using Model = std::deque<std::string>;

std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// Owns a list and changes it as effects do.
struct TestList {
  explicit TestList(int64_t limit) { limits.list_max_listpack_size = limit; }
  ~TestList() { destroy_collection(ObjectType::kList, value); }
  TestList(const TestList&) = delete;

  void apply(EffectType type, const std::string& operands) {
    Reader in(operands);
    kListType.apply(type, in, limits, &value);
    REQUIRE(in.ok());
    REQUIRE(in.at_end());
  }
  void push(ListSide side, const std::vector<std::string>& elements) {
    std::string operands;
    put_fixed(operands, side);
    for (const std::string& element : elements) put_bytes(operands, element);
    apply(EffectType::kListPush, operands);
  }

  std::vector<std::string> contents(bool forward = true) const {
    std::vector<std::string> all;
    IntScratch scratch;
    for (ListCursor at(value, forward ? 0 : -1, forward); at.valid(); at.step()) {
      all.emplace_back(element_text(at.get(), scratch));
      REQUIRE(at.equals(all.back()));
    }
    return all;
  }

  CollectionLimits limits;
  Collection value = kListType.create();
};

void check_equal(const TestList& list, const Model& model) {
  REQUIRE(list_size(list.value) == model.size());
  const std::vector<std::string> want(model.begin(), model.end());
  REQUIRE(list.contents() == want);
  REQUIRE(list.contents(false) == std::vector<std::string>(model.rbegin(), model.rend()));
  for (size_t i = 0; i < model.size(); i += 1 + model.size() / 7) {
    const ListCursor at(list.value, static_cast<int64_t>(i), true);
    REQUIRE(at.equals(model[i]));
    REQUIRE(
        ListCursor(list.value, static_cast<int64_t>(i) - static_cast<int64_t>(model.size()), false)
            .equals(model[i]));
  }
  const auto size = static_cast<int64_t>(model.size());
  REQUIRE_FALSE(ListCursor(list.value, size, true).valid());
  REQUIRE_FALSE(ListCursor(list.value, -size - 1, true).valid());
}

std::string random_element(Random& random) {
  switch (random.below(8)) {
    case 0:
      return std::to_string(static_cast<int64_t>(random.next()) >> random.below(60));
    case 1:
      return std::string(random.below(300), 'x');
    case 2:
      return random.below(40) == 0 ? std::string(5000 + random.below(9000), 'L') : "";
    default:
      return std::string(1, static_cast<char>('a' + random.below(4)));
  }
}

void random_change(Random& random, TestList& list, Model& model) {
  const std::string element = random_element(random);
  const auto side = random.below(2) == 0 ? ListSide::kFront : ListSide::kBack;
  const bool front = side == ListSide::kFront;
  const uint64_t index = random.below(model.size() + 2);
  std::string operands;
  switch (random.below(12)) {
    default: {
      std::vector<std::string> elements{element};
      while (random.below(3) != 0) elements.push_back(random_element(random));
      list.push(side, elements);
      for (const std::string& e : elements) {
        front ? model.push_front(e) : model.push_back(e);
      }
      return;
    }
    case 0:
    case 1:
    case 2: {
      const uint64_t count = random.below(random.below(30) == 0 ? 3000 : 12);
      put_list_pop(operands, side, count);
      list.apply(EffectType::kListPop, operands);
      for (uint64_t i = 0; i < count && !model.empty(); ++i) {
        front ? model.pop_front() : model.pop_back();
      }
      return;
    }
    case 3:
    case 4:
      put_list_element(operands, index, element);
      list.apply(EffectType::kListSet, operands);
      if (index < model.size()) model[index] = element;
      return;
    case 5:
    case 6:
    case 7:
      put_list_element(operands, index, element);
      list.apply(EffectType::kListInsert, operands);
      if (!model.empty() && index <= model.size()) {
        model.insert(model.begin() + static_cast<ptrdiff_t>(index), element);
      }
      return;
    case 8: {
      uint64_t count = random.below(4);
      put_list_remove(operands, side, count, element);
      list.apply(EffectType::kListRemove, operands);
      if (!front) std::reverse(model.begin(), model.end());
      for (auto at = model.begin(); at != model.end() && count > 0;) {
        if (*at == element) {
          at = model.erase(at);
          --count;
        } else {
          ++at;
        }
      }
      if (!front) std::reverse(model.begin(), model.end());
      return;
    }
  }
}

std::vector<std::string> decoded(std::string_view bytes, Encoding* encoding = nullptr) {
  ObjectType type;
  Collection value;
  if (!decode_collection(bytes, {}, &type, &value)) return {"<error>"};
  CHECK(type == ObjectType::kList);
  if (encoding != nullptr) *encoding = value.encoding;
  std::vector<std::string> all;
  IntScratch scratch;
  for (ListCursor at(value, 0, true); at.valid(); at.step()) {
    all.emplace_back(element_text(at.get(), scratch));
  }
  CHECK(all.size() == list_size(value));
  destroy_collection(type, value);
  return all;
}

}  // namespace

TEST_CASE("list: random changes in every form agree with a model") {
  for (const int64_t limit : {-2, -1, -5, 1, 3, 128, 0}) {
    CAPTURE(limit);
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed * 100 + static_cast<uint64_t>(limit + 10));
      TestList list(limit);
      Model model;
      bool was_pack = false;
      bool was_chain = false;
      for (int step = 0; step < 1500; ++step) {
        random_change(random, list, model);
        (list.value.encoding == Encoding::kListpack ? was_pack : was_chain) = true;
        REQUIRE(list_size(list.value) == model.size());
        if (step % 29 == 0) check_equal(list, model);
        if (step % 311 == 0 && !model.empty()) {
          std::string bytes;
          kListType.encode(list.value, &bytes);
          REQUIRE(decoded(bytes) == list.contents());
        }
      }
      check_equal(list, model);
      CHECK((was_pack || limit == 0));
      CHECK((was_chain || limit == -5));
    }
  }
}

TEST_CASE("list: the compact form ends where Redis's does, and comes back at half of it") {
  TestList list(-2);
  // 7 bytes of a listpack, 102 for each element; 100 bytes more must not make it more than 8192.
  const std::string element(100, 'e');
  int count = 0;
  while (list.value.encoding == Encoding::kListpack) {
    list.push(ListSide::kBack, {element});
    ++count;
  }
  CHECK(count == 1 + (8192 - 100 - 7) / 103 + 1);
  std::string pop;
  put_list_pop(pop, ListSide::kBack, 1);
  while (list.value.encoding == Encoding::kQuicklist) {
    list.apply(EffectType::kListPop, pop);
    --count;
  }
  CHECK(count == (4096 - 7) / 103);
  TestList few(3);
  few.push(ListSide::kBack, {"a", "b", "c"});
  CHECK(few.value.encoding == Encoding::kListpack);
  few.push(ListSide::kBack, {"d"});
  CHECK(few.value.encoding == Encoding::kQuicklist);
}

TEST_CASE("list: a place inside is inserted into without leaving crumbs") {
  TestList list(-2);
  SeededRandom random(5);
  list.push(ListSide::kBack, {"first"});
  for (uint64_t i = 1; i < 60000; ++i) {
    std::string operands;
    put_list_element(operands, random.below(i + 1), "element " + std::to_string(i));
    list.apply(EffectType::kListInsert, operands);
  }
  CHECK(list_size(list.value) == 60000);
  const auto* chain = static_cast<const Quicklist*>(list.value.data);
  size_t bytes = 0;
  for (const auto* chunk = chain->first(); chunk != nullptr; chunk = chunk->next) {
    bytes += chunk->bytes();
    CHECK(chunk->bytes() <= 8192);
  }
  CHECK(bytes / chain->chunks() > 4096);  // two thirds full is what halving gives
}

TEST_CASE("list: a large one is freed in slices") {
  TestList list(-1);
  for (int i = 0; i < 50; ++i) list.push(ListSide::kBack, {std::string(4096, 'x')});
  list.push(ListSide::kBack, {std::string(100000, 'y')});
  uint64_t budget = 20;
  CHECK_FALSE(kListType.destroy_some(list.value, &budget));
  CHECK(budget == 0);
  CHECK(list_size(list.value) < 51);
  budget = 1000;
  CHECK(kListType.destroy_some(list.value, &budget));
  CHECK(list.value.data == nullptr);
  list.value = kListType.create();
}

TEST_CASE("list: values of redis-server, of all forms") {
  const std::vector<std::string> small{"a",   "b",     "1",        "-5",         "hello world",
                                       "300", "70000", "-8000000", "5000000000", ""};
  Encoding encoding;
  CHECK(decoded(from_hex("12010238380000000a008161028162020101dffb028b68656c6c6f20776f726c640cc12c"
                         "02f270110104f200ee8504f400f2052a01000000098001ff"),
                &encoding) == small);
  CHECK(encoding == Encoding::kListpack);
  CHECK(decoded(from_hex("1204020a0a0000000100817802ff01c3091e016161e01100016161020a0a000000010081"
                         "7902ff01c30919016262e00c00016262")) ==
        std::vector<std::string>{"x", std::string(30, 'a'), "y", std::string(25, 'b')});

  std::vector<std::string> old{"abc",       "0",          "12", "-128", "-300", "-8000000",
                               "-70000000", "5000000000", "",   "zz",   "qqq"};
  old[8] = std::string(300, 'q');
  const std::string head =
      "417070010000660100000b00000361626305f102fd02fe8003c0d4fe04f000ee8505d080e2d3fb06e000f2052a01"
      "0000000a412c";
  const std::string ziplist =
      from_hex(head) + old[8] + from_hex("fe2f010000027a7a088000000003717171ff");
  CHECK(decoded("\x0a" + ziplist) == old);
  std::vector<std::string> two = old;
  two.insert(two.end(), {"abc", "0", "12"});
  CHECK(decoded("\x0e\x02" + ziplist + from_hex("1414000000110000000300000361626305f102fdff")) ==
        two);
  CHECK(decoded(from_hex("01030161c005026263")) == std::vector<std::string>{"a", "5", "bc"});

  for (const char* none : {"01", "0100", "1200", "120103016100", "12010207070000000000ff",
                           "12010208070000000000ff", "0a0b0b0000000a0000000000ff", "0e00"}) {
    CAPTURE(none);
    CHECK(decoded(from_hex(none)) == std::vector<std::string>{"<error>"});
  }
}

TEST_CASE("list: arbitrary bytes are refused or read, never more") {
  TestList list(-2);
  list.push(ListSide::kBack, {"a", "1234", std::string(70, 'b'), "-1", std::string(5000, 'c')});
  std::string good;
  kListType.encode(list.value, &good);
  const std::string old =
      from_hex("0a2525000000220000000500000361626305f102fd02fe8003c0d4fe04f000ee8505d080e2d3fbff");
  SeededRandom random(9);
  for (int i = 0; i < 60000; ++i) {
    std::string bytes = i % 2 == 0 ? good : old;
    for (uint64_t change = random.below(4) + 1; change > 0; --change) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    }
    if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
    if (bytes.empty()) continue;
    ObjectType type;
    Collection value;
    if (!decode_collection(bytes, {}, &type, &value)) continue;
    REQUIRE(type == ObjectType::kList);
    REQUIRE(list_size(value) > 0);
    destroy_collection(type, value);
  }
}

TEST_CASE("list: the operands of effects, as docs/ONDISK.md has them") {
  std::string out;
  put_list_pop(out, ListSide::kBack, 300);
  CHECK(out == from_hex("01ac02"));
  out.clear();
  put_list_element(out, 2, "ab");
  CHECK(out == from_hex("02026162"));
  out.clear();
  put_list_remove(out, ListSide::kFront, 1, "ab");
  CHECK(out == from_hex("0001026162"));
  CHECK(static_cast<int>(EffectType::kListPush) == 48);
  CHECK(static_cast<int>(EffectType::kListPop) == 49);
  CHECK(static_cast<int>(EffectType::kListSet) == 50);
  CHECK(static_cast<int>(EffectType::kListInsert) == 51);
  CHECK(static_cast<int>(EffectType::kListRemove) == 52);
  TestList list(-2);
  list.apply(EffectType::kListPush, from_hex("0001610162"));
  CHECK(list.contents() == std::vector<std::string>{"b", "a"});
  std::string value;
  kListType.encode(list.value, &value);
  CHECK(value == from_hex("1201020d0d00000002008162028161"
                          "02ff"));
}
