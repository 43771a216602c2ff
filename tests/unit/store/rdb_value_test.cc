// The serialized form of strings: payloads of redis-server 7.0.15, every border of every length
// form, and arbitrary bytes.
#include "store/rdb_value.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/codec.h"
#include "base/random.h"
#include "store/lzf.h"

using namespace holdfast;

namespace {

constexpr uint64_t kAnySize = UINT64_MAX;

// A payload with the right footer around `body` (type byte and value).
std::string sealed(std::string body, uint16_t version = kRdbVersionWritten) {
  put_fixed(body, version);
  put_fixed(body, crc64(body));
  return body;
}

std::string dump_of(std::string_view value) {
  Object* object = Object::create_string("k", value, 0);
  const std::string payload = dump_value(*object);
  Object::destroy(object);
  return payload;
}

// What the value in `body` is restored as; "<error>" if it is not.
std::string restored(const std::string& body, uint64_t max_size = kAnySize) {
  const std::string payload = sealed(body);
  CHECK(dump_is_intact(payload));
  RestoredValue value;
  return restore_value(payload, max_size, {}, &value) ? value.bytes : "<error>";
}

std::string from_hex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (const int b : list) out.push_back(static_cast<char>(b));
  return out;
}

void check_round_trip(const std::string& value) {
  const std::string payload = dump_of(value);
  REQUIRE(dump_is_intact(payload));
  RestoredValue back;
  REQUIRE(restore_value(payload, value.size() + 20, {}, &back));
  REQUIRE((back.bytes == value));
}

std::string random_text(Random& random, size_t size, uint64_t letters) {
  std::string text;
  for (size_t i = 0; i < size; ++i) text += static_cast<char>('a' + random.below(letters));
  return text;
}

}  // namespace

TEST_CASE("rdb value: CRC64 vector") {
  CHECK(crc64("123456789") == 0xe9c6d914c4b8d9caULL);
  CHECK(crc64("") == 0);
}

TEST_CASE("rdb value: payloads of redis-server 7.0.15") {
  struct Sample {
    std::string value;
    std::string_view hex;
    bool ours;  // we write the same bytes (a compressor may choose other copies)
  };
  const std::string repeating = "abcabcabcabcabcabcabcabcabcabc";
  for (const Sample& sample : {
           Sample{"5", "00c0050a00632f5f66832fb351", true},
           Sample{"-300", "00c1d4fe0a00c6c48623febede2e", true},
           Sample{"100000", "00c2a08601000a00f12403506f2fa674", true},
           Sample{"hello", "000568656c6c6f0a006372df766534200a", true},
           Sample{"2147483648", "000a323134373438333634380a00e7b129a34c1d76ee", true},
           Sample{std::string(100, 'x'), "00c3094064017878e057000178780a005db7f663bb08625f", false},
           Sample{repeating, "00c30b1e0361626361e00f020162630a008874be6d67e59d2a", false},
       }) {
    const std::string payload = from_hex(sample.hex);
    CHECK(dump_is_intact(payload));
    RestoredValue value;
    REQUIRE(restore_value(payload, kAnySize, {}, &value));
    CHECK(value.bytes == sample.value);
    CHECK((dump_of(sample.value) == payload) >= sample.ours);
    CHECK(dump_of(sample.value).size() <= payload.size());
  }
  // A value of a type that no server here has (a module's): intact, but nothing to restore.
  const std::string module = sealed("\x07 what a module wrote");
  CHECK(dump_is_intact(module));
  RestoredValue value;
  CHECK_FALSE(restore_value(module, kAnySize, {}, &value));
}

TEST_CASE("rdb value: first bytes of every form") {
  const auto head = [](const std::string& value, size_t n) { return dump_of(value).substr(0, n); };
  CHECK(head("0", 3) == bytes({0, 0xc0, 0}));
  CHECK(head("-128", 3) == bytes({0, 0xc0, 0x80}));
  CHECK(head("128", 4) == bytes({0, 0xc1, 0x80, 0}));
  CHECK(head("-32769", 6) == bytes({0, 0xc2, 0xff, 0x7f, 0xff, 0xff}));
  CHECK(head("2147483648", 2) == bytes({0, 10}));
  CHECK(head("", 2) == bytes({0, 0}));
  CHECK(head("007", 5) == bytes({0, 3, '0', '0', '7'}));
  SeededRandom random(1);
  const std::string noise = random_text(random, 20'000, 200);
  CHECK(head(noise.substr(0, 63), 2) == bytes({0, 63}));
  CHECK(head(noise.substr(0, 64), 3) == bytes({0, 0x40, 64}));
  CHECK(head(noise.substr(0, 16383), 3) == bytes({0, 0x7f, 0xff}));
  CHECK(head(noise.substr(0, 16384), 6) == bytes({0, 0x80, 0, 0, 0x40, 0}));
  CHECK(head(std::string(100, 'x'), 2) == bytes({0, 0xc3}));
}

TEST_CASE("rdb value: round trips around every border") {
  SeededRandom random(2);
  for (const int64_t n :
       {0LL, 1LL, -1LL, 127LL, 128LL, -128LL, -129LL, 32767LL, 32768LL, -32768LL, -32769LL,
        2147483647LL, 2147483648LL, -2147483648LL, -2147483649LL, 9223372036854775807LL}) {
    check_round_trip(std::to_string(n));
  }
  for (const size_t size : {0, 1, 10, 19, 20, 21, 22, 63, 64, 65, 500, 16383, 16384, 100'000}) {
    for (const uint64_t letters : {1, 2, 26, 256}) {
      check_round_trip(random_text(random, size, letters));
    }
  }
}

TEST_CASE("rdb value: all length forms are read") {
  CHECK(restored(bytes({0, 3, 'a', 'b', 'c'})) == "abc");
  CHECK(restored(bytes({0, 0x40, 3, 'a', 'b', 'c'})) == "abc");
  CHECK(restored(bytes({0, 0x80, 0, 0, 0, 3, 'a', 'b', 'c'})) == "abc");
  CHECK(restored(bytes({0, 0x81, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c'})) == "abc");
  CHECK(restored(bytes({0, 0xc3, 4, 3, 2, 'a', 'b', 'c'})) == "abc");
  // A run of one and a copy of ten that overlaps itself.
  CHECK(restored(bytes({0, 0xc3, 5, 12, 0, 'x', 0xe0, 2, 0})) == "xxxxxxxxxxxx");
  CHECK(restored(bytes({0, 3, 'a', 'b', 'c', 'd'})) == "abc");  // what follows does not matter
}

TEST_CASE("rdb value: bodies that are refused") {
  for (const std::string& body : {
           bytes({}),                              // nothing
           bytes({0}),                             // no length
           bytes({1, 1, 2, 'a'}),                  // a list with half an element
           bytes({2, 0}),                          // a set of nothing
           bytes({0x12, 1}),                       // a quicklist
           bytes({0xff}),                          // no type at all
           bytes({0, 4, 'a', 'b', 'c'}),           // short
           bytes({0, 0x40}),                       // half a length
           bytes({0, 0x80, 0, 0, 0}),              //
           bytes({0, 0x81, 0, 0, 0, 0, 0, 0, 0}),  //
           bytes({0, 0x81, 255, 255, 255, 255, 255, 255, 255, 255, 'a'}),
           bytes({0, 0x82, 0, 0, 0, 0}),                          // no such form
           bytes({0, 0xbf, 0}),                                   //
           bytes({0, 0xc4, 0}),                                   //
           bytes({0, 0xff}),                                      //
           bytes({0, 0xc1, 1}),                                   // half an integer
           bytes({0, 0xc2, 1, 2, 3}),                             //
           bytes({0, 0xc3}),                                      // LZF without lengths
           bytes({0, 0xc3, 4}),                                   //
           bytes({0, 0xc3, 0xc0, 4, 3, 2, 'a', 'b', 'c'}),        // an integer as a length
           bytes({0, 0xc3, 5, 3, 2, 'a', 'b', 'c'}),              // block too short
           bytes({0, 0xc3, 4, 4, 2, 'a', 'b', 'c'}),              // gives less
           bytes({0, 0xc3, 4, 2, 2, 'a', 'b', 'c'}),              // gives more
           bytes({0, 0xc3, 4, 3, 3, 'a', 'b', 'c'}),              // run beyond the block
           bytes({0, 0xc3, 2, 3, 0x20, 0}),                       // copy from before the start
           bytes({0, 0xc3, 4, 4, 0, 'x', 0x20, 1}),               //
           bytes({0, 0xc3, 3, 4, 0, 'x', 0x20}),                  // copy without a distance
           bytes({0, 0xc3, 3, 12, 0, 'x', 0xe0}),                 // long copy without a length
           bytes({0, 0xc3, 1, 0x80, 0xff, 0xff, 0xff, 0xff, 0}),  // cannot grow that much
       }) {
    CHECK(restored(body) == "<error>");
  }
}

TEST_CASE("rdb value: longer than allowed") {
  CHECK(restored(bytes({0, 3, 'a', 'b', 'c'}), 3) == "abc");
  CHECK(restored(bytes({0, 3, 'a', 'b', 'c'}), 2) == "<error>");
  CHECK(restored(bytes({0, 0xc3, 5, 12, 0, 'x', 0xe0, 2, 0}), 11) == "<error>");
}

TEST_CASE("rdb value: the footer") {
  const std::string body = bytes({0, 1, 'a'});
  CHECK(dump_is_intact(sealed(body, 1)));
  CHECK(dump_is_intact(sealed(body, 10)));
  CHECK(dump_is_intact(sealed(body, 11)));
  CHECK_FALSE(dump_is_intact(sealed(body, 12)));
  CHECK_FALSE(dump_is_intact(sealed(body, 0x100)));
  CHECK_FALSE(dump_is_intact(""));
  CHECK_FALSE(dump_is_intact("123456789"));
  const std::string payload = sealed(body);
  for (size_t bit = 0; bit < payload.size() * 8; ++bit) {
    std::string flipped = payload;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    CHECK_FALSE(dump_is_intact(flipped));
  }
}

TEST_CASE("rdb value: any bytes under a right footer are safe") {
  SeededRandom random(7);
  int restorable = 0;
  for (int i = 0; i < 300'000; ++i) {
    // Bytes that often are forms, lengths and copies.
    static constexpr int kLikely[] = {0, 1, 2, 3, 5, 9, 0x20, 0x40, 0x80, 0x81, 0xc0, 0xc3, 0xe0};
    std::string body(1, random.one_in(10) ? static_cast<char>(random.next()) : '\0');
    for (uint64_t n = random.below(14); n > 0; --n) {
      const int likely = kLikely[random.below(std::size(kLikely))];
      body.push_back(
          static_cast<char>(random.one_in(2) ? likely : static_cast<int>(random.next())));
    }
    RestoredValue value;
    if (!restore_value(sealed(body), 1 << 20, {}, &value)) continue;
    ++restorable;
    REQUIRE(value.bytes.size() <= body.size() * kLzfMaxExpansion);
  }
  CHECK(restorable > 1000);
}

TEST_CASE("rdb value: damaged blocks are safe") {
  SeededRandom random(8);
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = random_text(random, 30 + random.below(400), 1 + random.below(4));
    std::string block;
    if (!lzf_compress(text, text.size(), &block)) continue;
    block[random.below(block.size())] = static_cast<char>(random.next());
    std::string out = "before";
    const bool ok = lzf_decompress(block, text.size(), &out);
    CHECK(out.size() == 6 + (ok ? text.size() : 0));
  }
}

TEST_CASE("lzf: blocks are within the limit and give the text back") {
  SeededRandom random(9);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random_text(random, random.below(3000), 1 + random.below(12));
    std::string block = "head";
    const size_t limit = random.below(text.size() + 10);
    if (!lzf_compress(text, limit, &block)) {
      REQUIRE(block == "head");
      continue;
    }
    REQUIRE(block.size() <= limit + 4);
    std::string out;
    REQUIRE(lzf_decompress(std::string_view(block).substr(4), text.size(), &out));
    REQUIRE((out == text));
  }
}

TEST_CASE("lzf: copies reach as far back and as long as the format allows") {
  SeededRandom random(10);
  for (const size_t gap : {8190, 8191, 8192, 8193}) {
    const std::string noise = random_text(random, gap, 250);
    const std::string text = noise + noise + noise;
    std::string block;
    REQUIRE(lzf_compress(text, text.size() * 2, &block));
    CHECK((block.size() < gap * 2) == (gap <= 8192));
    std::string out;
    REQUIRE(lzf_decompress(block, text.size(), &out));
    CHECK((out == text));
  }
  const std::string same(100'000, 'x');
  std::string block;
  REQUIRE(lzf_compress(same, same.size(), &block));
  CHECK(block.size() * (kLzfMaxExpansion - 1) < same.size() + 1000);
}
