// Listpacks: every form and border against a model, the bytes of redis-server, and bytes that are
// none.
#include "store/types/listpack.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

// Frees the block at the end.
struct Owned {
  Listpack pack{Listpack::create()};
  ~Owned() { Listpack::destroy(pack.block()); }
};

std::vector<std::string> contents(const Listpack& pack) {
  std::vector<std::string> all;
  IntScratch scratch;
  for (auto at = pack.first(); at != pack.end(); at = pack.next(at)) {
    all.emplace_back(pack.text(at, scratch));
  }
  return all;
}

std::vector<std::string> backwards(const Listpack& pack) {
  std::vector<std::string> all;
  IntScratch scratch;
  for (auto at = pack.end(); at != pack.first();) {
    at = pack.prev(at);
    all.emplace(all.begin(), pack.text(at, scratch));
  }
  return all;
}

std::string random_element(Random& random) {
  switch (random.below(4)) {
    case 0:
      return std::to_string(static_cast<int64_t>(random.next()) >> random.below(64));
    case 1:
      return std::to_string(random.below(200));
    case 2:
      return std::string(random.below(70), 'x');
    default:
      return std::string(random.one_in(20) ? random.below(5000) : random.below(10), 'y');
  }
}

}  // namespace

TEST_CASE("listpack: every form reads back, and is as long as in Redis") {
  struct Form {
    std::string text;
    size_t bytes;  // with the length behind
  };
  for (const Form& form : {Form{"0", 2},
                           Form{"127", 2},
                           Form{"128", 3},
                           Form{"-1", 3},
                           Form{"-4096", 3},
                           Form{"4095", 3},
                           Form{"4096", 4},
                           Form{"-32768", 4},
                           Form{"32768", 5},
                           Form{"-8388608", 5},
                           Form{"8388607", 5},
                           Form{"8388608", 6},
                           Form{"2147483647", 6},
                           Form{"2147483648", 10},
                           Form{"-9223372036854775808", 10},
                           Form{"", 2},
                           Form{"01", 4},
                           Form{"-0", 4},
                           Form{std::string(63, 'a'), 65},
                           Form{std::string(64, 'a'), 67},
                           Form{std::string(125, 'a'), 128},
                           Form{std::string(126, 'a'), 130},
                           Form{std::string(4095, 'a'), 4099},
                           Form{std::string(4096, 'a'), 4103},
                           Form{std::string(20000, 'a'), 20008}}) {
    Owned owned;
    owned.pack.append(form.text);
    CAPTURE(form.text.substr(0, 30));
    CHECK(owned.pack.total() == Listpack::kHeaderBytes + 1 + form.bytes);
    CHECK(contents(owned.pack) == std::vector{form.text});
    CHECK(backwards(owned.pack) == std::vector{form.text});
    CHECK(owned.pack.equals(owned.pack.first(), form.text));
    CHECK(owned.pack.find(owned.pack.first(), form.text) == owned.pack.first());
    CHECK(owned.pack.find(owned.pack.first(), form.text + "z") == owned.pack.end());
    CHECK(Listpack::valid(owned.pack.bytes()));
  }
}

TEST_CASE("listpack: the bytes of redis-server") {
  Owned owned;  // RPUSH l a b
  owned.pack.append("a");
  owned.pack.append("b");
  CHECK(owned.pack.bytes() == std::string_view("\x0d\0\0\0\2\0\x81\x61\2\x81\x62\2\xff", 13));
}

TEST_CASE("listpack: random changes against a model") {
  SeededRandom random(3);
  Owned owned;
  std::vector<std::string> model;
  for (int i = 0; i < 20'000; ++i) {
    Listpack& pack = owned.pack;
    const std::string text = random_element(random);
    const size_t index = random.below(model.size() + 1);
    const auto offset = static_cast<std::ptrdiff_t>(index);
    const auto at = pack.seek(static_cast<int64_t>(index));
    switch (random.below(model.size() > 40 ? 5 : 3)) {
      case 0:
      case 1:
        CHECK(pack.insert(at, text) == at);
        model.insert(model.begin() + offset, text);
        break;
      case 2:
        if (index == model.size()) break;
        pack.replace(at, text);
        model[index] = text;
        break;
      default: {
        const size_t count = random.below(4);
        pack.erase(at, static_cast<uint32_t>(count));
        const size_t gone = std::min(count, model.size() - index);
        model.erase(model.begin() + offset, model.begin() + offset + static_cast<int>(gone));
      }
    }
    REQUIRE(pack.count() == model.size());
    REQUIRE(pack.empty() == model.empty());
    if (i % 50 != 0) continue;
    REQUIRE(contents(pack) == model);
    REQUIRE(backwards(pack) == model);
    REQUIRE(Listpack::valid(pack.bytes()));
    for (size_t k = 0; k < model.size(); ++k) {
      const auto back = static_cast<int64_t>(k) - static_cast<int64_t>(model.size());
      REQUIRE(pack.seek(back) == pack.seek(static_cast<int64_t>(k)));
    }
    CHECK(pack.seek(static_cast<int64_t>(model.size())) == pack.end());
    CHECK(pack.seek(-static_cast<int64_t>(model.size()) - 1) == pack.end());
  }
}

TEST_CASE("listpack: more elements than the header can count") {
  Owned owned;
  for (int i = 0; i < 65'600; ++i) owned.pack.append_integer(i % 100);
  CHECK(owned.pack.count() == 65'600);
  CHECK(owned.pack.seek(65'599) == owned.pack.last());
  CHECK(Listpack::valid(owned.pack.bytes()));
  owned.pack.erase(owned.pack.first(), 100);
  CHECK(owned.pack.count() == 65'500);
  owned.pack.append("x");
  CHECK(owned.pack.count() == 65'501);
}

TEST_CASE("listpack: find skips") {
  Owned owned;
  for (const char* text : {"f", "v", "v", "f", "7", "7"}) owned.pack.append(text);
  const auto first = owned.pack.first();
  CHECK(owned.pack.find(first, "v", 1) == owned.pack.seek(2));
  CHECK(owned.pack.find(owned.pack.next(first), "f", 1) == owned.pack.seek(3));
  CHECK(owned.pack.find(first, "7", 1) == owned.pack.seek(4));
  CHECK(owned.pack.find(first, "7", 2) == owned.pack.end());
}

TEST_CASE("listpack: bytes from outside are safe") {
  SeededRandom random(4);
  int valid = 0;
  for (int i = 0; i < 100'000; ++i) {
    Owned owned;
    for (uint64_t n = random.below(5); n > 0; --n) owned.pack.append(random_element(random));
    std::string bytes(owned.pack.bytes());
    for (uint64_t n = random.below(3); n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    }
    if (random.one_in(4)) bytes.resize(random.below(bytes.size() + 1));
    if (!Listpack::valid(bytes)) continue;
    ++valid;
    char* block = Listpack::copy(bytes);
    const Listpack pack(block);
    CHECK(contents(pack) == backwards(pack));
    Listpack::destroy(block);
  }
  CHECK(valid > 1000);
}

// An element in another form than ours would not be found, and then be there twice.
TEST_CASE("listpack: each element has one form") {
  using namespace std::string_literals;
  struct Row {
    std::string element;  // with the length behind it
    bool valid;
  };
  const Row rows[] = {
      {"\x05\x01"s, true},                           // 5
      {"\xc0\x05\x02"s, false},                      // in 13 bits
      {"\xf1\x05\x00\x03"s, false},                  // in 16 bits
      {"\x81\x35\x02"s, false},                      // as a string
      {"\x83\x2d\x31\x32\x04"s, false},              // "-12"
      {"\x82\x30\x31\x03"s, true},                   // "01" is no integer
      {"\x82\x61\x62\x03"s, true},                   // "ab"
      {"\xe0\x02\x61\x62\x04"s, false},              // with a length of 12 bits
      {"\xf0\x02\x00\x00\x00\x61\x62\x07"s, false},  // of 32
      {"\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09"s, true},
      {"\xf3\xff\xff\x00\x00\x05"s, false},  // 65535 in 32 bits
      {"\xf2\xff\xff\x00\x04"s, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.element);
    std::string bytes(4, '\0');
    bytes.append("\x01\x00"s).append(row.element).push_back('\xff');
    bytes[0] = static_cast<char>(bytes.size());
    CHECK(Listpack::valid(bytes) == row.valid);
  }
}
