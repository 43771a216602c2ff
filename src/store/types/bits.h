// Bits of strings: counting, searching, combining, and integers of any width at any bit. Pure; bit
// 0 is the highest bit of the first byte, as in Redis.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

inline bool bit_at(std::string_view bytes, uint64_t bit) {
  const uint64_t byte = bit >> 3;
  return byte < bytes.size() && (static_cast<unsigned char>(bytes[byte]) >> (7 - (bit & 7)) & 1);
}

uint64_t count_ones(std::string_view bytes);
// Ones among bits from..to, both included. REQUIRES: to is within the bytes.
uint64_t count_ones(std::string_view bytes, uint64_t from, uint64_t to);
// The first bit of that value among from..to, both included; -1 when there is none. REQUIRES: to is
// within the bytes.
int64_t find_bit(std::string_view bytes, bool value, uint64_t from, uint64_t to);

enum class BitOp : uint8_t { kAnd, kOr, kXor, kNot };
// Shorter operands count as padded with zeros. REQUIRES: one operand for kNot, else at least one.
std::string combine_bits(BitOp op, std::span<const std::string_view> operands);

// An integer field of BITFIELD: 1 to 64 bits signed, 1 to 63 unsigned.
struct BitField {
  bool is_signed;
  unsigned bits;
};
enum class Overflow : uint8_t { kWrap, kSaturate, kFail };

// Bits behind the end are zeros.
int64_t read_field(std::string_view bytes, uint64_t offset, BitField field);

// The bytes that a field lies in.
struct FieldBytes {
  static constexpr size_t kMax = 9;  // 64 bits that begin inside a byte
  uint64_t offset;                   // of the first byte
  size_t size;
  char bytes[kMax];
  std::string_view view() const { return {bytes, size}; }
};
// As they are once the field holds `value`; the bits beside it stay.
FieldBytes with_field(std::string_view bytes, uint64_t offset, BitField field, int64_t value);

// value brought into the field's range; for an unsigned field it counts as unsigned, as in Redis.
// False: it overflows and the policy is kFail.
bool fit_field(int64_t value, BitField field, Overflow policy, int64_t* out);
// value + by brought into the field's range. False: it overflows and the policy is kFail.
bool add_to_field(int64_t value, int64_t by, BitField field, Overflow policy, int64_t* out);

}  // namespace holdfast
