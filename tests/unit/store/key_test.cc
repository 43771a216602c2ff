// Slots as Redis Cluster computes them, hash tags included; the sliced CRC16 against the bitwise
// one.
#include "store/key.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "base/random.h"

using namespace holdfast;

namespace {

// The definition: XMODEM, polynomial 0x1021, nothing reflected, starting at 0.
uint16_t crc16_by_bits(std::string_view bytes) {
  uint16_t crc = 0;
  for (const char c : bytes) {
    crc = static_cast<uint16_t>(crc ^ static_cast<unsigned char>(c) << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc & 0x8000) != 0 ? crc << 1 ^ 0x1021 : crc << 1);
    }
  }
  return crc;
}

}  // namespace

TEST_CASE("key: CRC16 vectors of the Redis Cluster specification") {
  CHECK(crc16("123456789") == 0x31C3);
  CHECK(crc16("") == 0);
  // CLUSTER KEYSLOT of redis-server 7.0.15.
  CHECK(slot_of("foo") == 12182);
  CHECK(slot_of("bar") == 5061);
  CHECK(slot_of("hello") == 866);
  CHECK(slot_of("somekey") == 11058);
  CHECK(slot_of("") == 0);
}

TEST_CASE("key: CRC16 of random bytes of every length") {
  SeededRandom random(5);
  for (size_t size = 0; size < 200; ++size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(random.next()));
    CHECK(crc16(bytes) == crc16_by_bits(bytes));
  }
}

TEST_CASE("key: the hash tag is what lies between the first brace and the next closing one") {
  CHECK(slot_of("{user1000}.following") == slot_of("user1000"));
  CHECK(slot_of("{user1000}.following") == slot_of("{user1000}.followers"));
  CHECK(slot_of("foo{bar}{zap}") == slot_of("bar"));
  CHECK(slot_of("foo{{bar}}zap") == slot_of("{bar"));
  CHECK(slot_of("a}b{c}") == slot_of("c"));
  // Whole keys: an empty tag, an open one, none.
  CHECK(slot_of("foo{}{bar}") == crc16("foo{}{bar}") % 16384);
  CHECK(slot_of("foo{bar") == crc16("foo{bar") % 16384);
  CHECK(slot_of("foo}bar") == crc16("foo}bar") % 16384);
  CHECK(slot_of("{}") == crc16("{}") % 16384);
}

TEST_CASE("key: hash and slot do not hang together, and the seed matters") {
  std::set<uint64_t> low_bits;
  for (int i = 0; i < 1000; ++i) {
    const KeyRef key = make_key("{t}" + std::to_string(i), 1);
    CHECK(key.slot == slot_of("t"));
    low_bits.insert(key.hash & 1023);
  }
  CHECK(low_bits.size() > 550);  // 1000 balls in 1024 bins fill 638 on average
  CHECK(make_key("k", 1).hash != make_key("k", 2).hash);
  CHECK(make_key("k", 1).hash == make_key("k", 1).hash);
}
