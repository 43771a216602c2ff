// See bits.h.
#include "store/types/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"

namespace holdfast {
namespace {

uint64_t word_at(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

uint8_t byte_at(std::string_view bytes, uint64_t i) { return static_cast<uint8_t>(bytes[i]); }

// Bits of byte `byte` that lie in from..to.
uint8_t mask_of(uint64_t byte, uint64_t from, uint64_t to) {
  auto mask = static_cast<uint8_t>(0xff);
  if (byte == from >> 3) mask &= static_cast<uint8_t>(0xff >> (from & 7));
  if (byte == to >> 3) mask &= static_cast<uint8_t>(0xff << (7 - (to & 7)));
  return mask;
}

uint64_t combine_words(BitOp op, uint64_t a, uint64_t b) {
  switch (op) {
    case BitOp::kAnd:
      return a & b;
    case BitOp::kOr:
      return a | b;
    default:
      return a ^ b;
  }
}

using Wide = __int128;

bool fit(Wide value, BitField field, Overflow policy, int64_t* out) {
  const Wide max =
      field.is_signed ? (Wide{1} << (field.bits - 1)) - 1 : (Wide{1} << field.bits) - 1;
  const Wide min = field.is_signed ? -(Wide{1} << (field.bits - 1)) : Wide{0};
  if (value >= min && value <= max) {
    *out = static_cast<int64_t>(value);
    return true;
  }
  if (policy == Overflow::kFail) return false;
  if (policy == Overflow::kSaturate) {
    *out = static_cast<int64_t>(value > max ? max : min);
    return true;
  }
  const Wide range = Wide{1} << field.bits;
  Wide wrapped = value & (range - 1);
  if (field.is_signed && wrapped > max) wrapped -= range;
  *out = static_cast<int64_t>(wrapped);
  return true;
}

}  // namespace

uint64_t count_ones(std::string_view bytes) {
  uint64_t ones = 0;
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    ones += static_cast<uint64_t>(std::popcount(word_at(bytes.data() + i)));
  }
  for (; i < bytes.size(); ++i) ones += static_cast<uint64_t>(std::popcount(byte_at(bytes, i)));
  return ones;
}

uint64_t count_ones(std::string_view bytes, uint64_t from, uint64_t to) {
  const uint64_t first = from >> 3, last = to >> 3;
  HF_ASSERT(from <= to && last < bytes.size());
  const auto masked = [&](uint64_t byte) {
    return static_cast<uint64_t>(
        std::popcount(static_cast<uint8_t>(byte_at(bytes, byte) & mask_of(byte, from, to))));
  };
  if (first == last) return masked(first);
  return masked(first) + count_ones(bytes.substr(first + 1, last - first - 1)) + masked(last);
}

int64_t find_bit(std::string_view bytes, bool value, uint64_t from, uint64_t to) {
  const uint64_t skip = value ? 0 : ~uint64_t{0};  // words without the bit
  for (uint64_t byte = from >> 3; byte <= to >> 3;) {
    if (byte + 8 <= to >> 3 && byte > from >> 3 && word_at(bytes.data() + byte) == skip) {
      byte += 8;
      continue;
    }
    const auto wanted = static_cast<uint8_t>(
        (value ? byte_at(bytes, byte) : ~byte_at(bytes, byte)) & mask_of(byte, from, to));
    if (wanted != 0) return static_cast<int64_t>(byte * 8) + std::countl_zero(wanted);
    ++byte;
  }
  return -1;
}

std::string combine_bits(BitOp op, std::span<const std::string_view> operands) {
  size_t size = 0;
  for (const std::string_view operand : operands) size = std::max(size, operand.size());
  std::string out(operands[0]);
  if (op == BitOp::kNot) {
    for (char& c : out) c = static_cast<char>(~c);
    return out;
  }
  out.resize(size, '\0');
  for (const std::string_view operand : operands.subspan(1)) {
    size_t i = 0;
    for (; i + 8 <= operand.size(); i += 8) {
      const uint64_t word = combine_words(op, word_at(out.data() + i), word_at(operand.data() + i));
      std::memcpy(out.data() + i, &word, sizeof word);
    }
    for (; i < operand.size(); ++i) {
      out[i] = static_cast<char>(combine_words(op, byte_at(out, i), byte_at(operand, i)));
    }
    // The rest is combined with zeros, which changes something for AND only.
    if (op == BitOp::kAnd) std::memset(out.data() + i, 0, size - i);
  }
  return out;
}

int64_t read_field(std::string_view bytes, uint64_t offset, BitField field) {
  uint64_t value = 0;
  for (unsigned i = 0; i < field.bits; ++i) {
    value = value << 1 | static_cast<uint64_t>(bit_at(bytes, offset + i));
  }
  if (field.is_signed && field.bits < 64 && (value >> (field.bits - 1) & 1) != 0) {
    value |= ~uint64_t{0} << field.bits;
  }
  return static_cast<int64_t>(value);
}

void write_field(std::string* bytes, uint64_t offset, BitField field, int64_t value) {
  for (unsigned i = 0; i < field.bits; ++i) {
    const uint64_t bit = offset + i;
    HF_ASSERT(bit >> 3 < bytes->size());
    const auto mask = static_cast<char>(1 << (7 - (bit & 7)));
    const bool on = (static_cast<uint64_t>(value) >> (field.bits - 1 - i) & 1) != 0;
    char& byte = (*bytes)[bit >> 3];
    byte = static_cast<char>(on ? byte | mask : byte & ~mask);
  }
}

bool fit_field(int64_t value, BitField field, Overflow policy, int64_t* out) {
  return fit(field.is_signed ? Wide{value} : Wide{static_cast<uint64_t>(value)}, field, policy,
             out);
}

bool add_to_field(int64_t value, int64_t by, BitField field, Overflow policy, int64_t* out) {
  return fit(Wide{value} + by, field, policy, out);
}

}  // namespace holdfast
