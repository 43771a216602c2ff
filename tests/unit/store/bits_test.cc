// Bits of strings, each fast algorithm against one that goes bit by bit.
#include "store/types/bits.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/random.h"

using namespace holdfast;

namespace {

std::string random_bytes(SeededRandom& random, size_t size) {
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random.next());
  return out;
}

// Mostly the byte that a search for the other bit has to skip.
std::string sparse_bytes(SeededRandom& random, size_t size, char filler) {
  std::string out(size, filler);
  if (size > 0 && random.next() % 4 != 0) {
    out[random.next() % size] = static_cast<char>(random.next());
  }
  return out;
}

uint64_t slow_count(const std::string& bytes, uint64_t from, uint64_t to) {
  uint64_t ones = 0;
  for (uint64_t bit = from; bit <= to; ++bit) ones += bit_at(bytes, bit);
  return ones;
}

int64_t slow_find(const std::string& bytes, bool value, uint64_t from, uint64_t to) {
  for (uint64_t bit = from; bit <= to; ++bit) {
    if (bit_at(bytes, bit) == value) return static_cast<int64_t>(bit);
  }
  return -1;
}

std::string slow_combine(BitOp op, const std::vector<std::string>& operands) {
  std::string out = operands[0];
  for (const std::string& operand : operands) out.resize(std::max(out.size(), operand.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    if (op == BitOp::kNot) out[i] = static_cast<char>(~out[i]);
    for (size_t k = 1; k < operands.size(); ++k) {
      const char other = i < operands[k].size() ? operands[k][i] : '\0';
      if (op == BitOp::kAnd) out[i] = static_cast<char>(out[i] & other);
      if (op == BitOp::kOr) out[i] = static_cast<char>(out[i] | other);
      if (op == BitOp::kXor) out[i] = static_cast<char>(out[i] ^ other);
    }
  }
  return out;
}

void write(std::string* bytes, uint64_t offset, BitField field, int64_t value) {
  const FieldBytes changed = with_field(*bytes, offset, field, value);
  if (bytes->size() < changed.offset + changed.size) {
    bytes->resize(changed.offset + changed.size, '\0');
  }
  bytes->replace(changed.offset, changed.size, changed.view());
}

}  // namespace

TEST_CASE("bits: the highest bit of the first byte is bit 0, and zeros follow the end") {
  const std::string bytes = "\x80\x01";
  CHECK(bit_at(bytes, 0));
  CHECK_FALSE(bit_at(bytes, 1));
  CHECK(bit_at(bytes, 15));
  CHECK_FALSE(bit_at(bytes, 16));
  CHECK_FALSE(bit_at("", 0));
  CHECK_FALSE(bit_at(bytes, UINT64_MAX));
}

TEST_CASE("bits: counting, over all lengths around a word") {
  SeededRandom random(1);
  CHECK(count_ones("") == 0);
  for (size_t size = 1; size < 40; ++size) {
    const std::string bytes = random_bytes(random, size);
    CHECK(count_ones(bytes) == slow_count(bytes, 0, size * 8 - 1));
    for (int i = 0; i < 100; ++i) {
      const uint64_t from = random.next() % (size * 8);
      const uint64_t to = from + random.next() % (size * 8 - from);
      CAPTURE(from);
      CAPTURE(to);
      REQUIRE(count_ones(bytes, from, to) == slow_count(bytes, from, to));
    }
  }
}

TEST_CASE("bits: finding, in random strings and in long runs") {
  SeededRandom random(2);
  for (size_t size = 1; size < 60; ++size) {
    for (int i = 0; i < 200; ++i) {
      const bool value = random.next() % 2 == 0;
      const std::string bytes = i % 2 == 0 ? random_bytes(random, size)
                                           : sparse_bytes(random, size, value ? '\0' : '\xff');
      const uint64_t from = random.next() % (size * 8);
      const uint64_t to = from + random.next() % (size * 8 - from);
      CAPTURE(from);
      CAPTURE(to);
      REQUIRE(find_bit(bytes, value, from, to) == slow_find(bytes, value, from, to));
    }
  }
}

TEST_CASE("bits: combining operands of different lengths") {
  SeededRandom random(3);
  for (int i = 0; i < 2000; ++i) {
    const auto op = static_cast<BitOp>(random.next() % 4);
    std::vector<std::string> operands(op == BitOp::kNot ? 1 : 1 + random.next() % 4);
    for (std::string& operand : operands) operand = random_bytes(random, random.next() % 30);
    const std::vector<std::string_view> views(operands.begin(), operands.end());
    REQUIRE(combine_bits(op, views) == slow_combine(op, operands));
  }
}

TEST_CASE("bits: a field reads back as written, and its neighbours stay") {
  SeededRandom random(4);
  for (int i = 0; i < 5000; ++i) {
    const bool is_signed = random.next() % 2 == 0;
    const BitField field{is_signed,
                         static_cast<unsigned>(1 + random.next() % (is_signed ? 64 : 63))};
    std::string bytes = random_bytes(random, random.next() % 24);
    const std::string before = bytes;
    const uint64_t offset = random.next() % 160;
    int64_t value;
    REQUIRE(fit_field(static_cast<int64_t>(random.next()), field, Overflow::kWrap, &value));
    write(&bytes, offset, field, value);
    CAPTURE(offset);
    CAPTURE(field.bits);
    REQUIRE(read_field(bytes, offset, field) == value);
    bool neighbours_stay = true;
    for (uint64_t bit = 0; bit < bytes.size() * 8; ++bit) {
      const bool inside = bit >= offset && bit < offset + field.bits;
      neighbours_stay &= inside || bit_at(bytes, bit) == bit_at(before, bit);
    }
    REQUIRE(neighbours_stay);
  }
}

TEST_CASE("bits: fields lie in as few bytes as they need, and read zeros behind the end") {
  CHECK(with_field("", 0, {false, 8}, 1).size == 1);
  CHECK(with_field("", 4, {false, 8}, 1).size == 2);
  CHECK(with_field("", 1, {true, 64}, 1).size == FieldBytes::kMax);
  CHECK(with_field("", 15, {false, 1}, 1).offset == 1);
  CHECK(read_field("", 100, {true, 64}) == 0);
  CHECK(read_field("\xff", 4, {false, 8}) == 0xf0);
  CHECK(read_field("\xff", 4, {true, 8}) == -16);
  CHECK(read_field("\x80", 0, {true, 1}) == -1);
}

TEST_CASE("bits: overflow of signed fields") {
  const BitField i8{true, 8};
  int64_t out = 0;
  CHECK(add_to_field(100, 27, i8, Overflow::kFail, &out));
  CHECK(out == 127);
  CHECK_FALSE(add_to_field(100, 28, i8, Overflow::kFail, &out));
  CHECK(out == 127);  // untouched
  CHECK(add_to_field(100, 28, i8, Overflow::kWrap, &out));
  CHECK(out == -128);
  CHECK(add_to_field(100, 28, i8, Overflow::kSaturate, &out));
  CHECK(out == 127);
  CHECK(add_to_field(-100, -29, i8, Overflow::kWrap, &out));
  CHECK(out == 127);
  CHECK(add_to_field(-100, -29, i8, Overflow::kSaturate, &out));
  CHECK(out == -128);

  const BitField i64{true, 64};
  CHECK(add_to_field(INT64_MAX, 1, i64, Overflow::kWrap, &out));
  CHECK(out == INT64_MIN);
  CHECK(add_to_field(INT64_MAX, INT64_MAX, i64, Overflow::kSaturate, &out));
  CHECK(out == INT64_MAX);
  CHECK(add_to_field(INT64_MIN, INT64_MIN, i64, Overflow::kSaturate, &out));
  CHECK(out == INT64_MIN);
}

TEST_CASE("bits: overflow of unsigned fields; a negative value set counts as a large one") {
  const BitField u8{false, 8}, u63{false, 63};
  int64_t out = 0;
  CHECK(add_to_field(250, 10, u8, Overflow::kWrap, &out));
  CHECK(out == 4);
  CHECK(add_to_field(250, 10, u8, Overflow::kSaturate, &out));
  CHECK(out == 255);
  CHECK(add_to_field(3, -5, u8, Overflow::kWrap, &out));
  CHECK(out == 254);
  CHECK(add_to_field(3, -5, u8, Overflow::kSaturate, &out));
  CHECK(out == 0);
  CHECK_FALSE(add_to_field(3, -5, u8, Overflow::kFail, &out));
  CHECK(add_to_field(INT64_MAX, 1, u63, Overflow::kWrap, &out));
  CHECK(out == 0);

  CHECK(fit_field(-1, u8, Overflow::kSaturate, &out));
  CHECK(out == 255);
  CHECK(fit_field(-1, u8, Overflow::kWrap, &out));
  CHECK(out == 255);
  CHECK_FALSE(fit_field(-1, u8, Overflow::kFail, &out));
  CHECK(fit_field(-200, {true, 8}, Overflow::kSaturate, &out));
  CHECK(out == -128);
}
