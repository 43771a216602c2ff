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

// out[i] = op(out[i], operand[i]), 8 bytes a step.
template <typename Op>
void combine_into(std::string* out, std::string_view operand, Op op) {
  size_t i = 0;
  for (; i + 8 <= operand.size(); i += 8) {
    const uint64_t word = op(word_at(out->data() + i), word_at(operand.data() + i));
    std::memcpy(out->data() + i, &word, sizeof word);
  }
  for (; i < operand.size(); ++i) {
    (*out)[i] = static_cast<char>(op(byte_at(*out, i), byte_at(operand, i)));
  }
}

using Wide = __int128;
using UWide = unsigned __int128;

// The bytes under a field as one number, those behind the end of the string being zeros.
struct Window {
  Window(std::string_view bytes, uint64_t offset, unsigned width)
      : first(offset >> 3),
        size(((offset & 7) + width + 7) >> 3),
        below(static_cast<unsigned>(size * 8 - (offset & 7) - width)) {
    for (uint64_t i = first; i < first + size; ++i) {
      bits = bits << 8 | (i < bytes.size() ? byte_at(bytes, i) : uint8_t{0});
    }
  }
  uint64_t first;
  size_t size;
  unsigned below;  // bits behind the field
  UWide bits = 0;
};

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
  const uint64_t last = to >> 3;
  HF_ASSERT(from <= to && last < bytes.size());
  const uint8_t without = value ? 0 : 0xff;  // a byte that does not have the bit
  const uint64_t word_without = value ? 0 : ~uint64_t{0};
  uint64_t byte = from >> 3;
  uint8_t mask = mask_of(byte, from, to);
  while (((byte_at(bytes, byte) ^ without) & mask) == 0) {
    if (++byte > last) return -1;
    while (byte + 8 <= last && word_at(bytes.data() + byte) == word_without) byte += 8;
    mask = mask_of(byte, from, to);
  }
  const auto found = static_cast<uint8_t>((byte_at(bytes, byte) ^ without) & mask);
  return static_cast<int64_t>(byte * 8) + std::countl_zero(found);
}

std::string combine_bits(BitOp op, std::span<const std::string_view> operands) {
  std::string out(operands[0]);
  if (op == BitOp::kNot) {
    HF_ASSERT(operands.size() == 1);
    combine_into(&out, operands[0], [](uint64_t a, uint64_t) { return ~a; });
    return out;
  }
  for (const std::string_view operand : operands.subspan(1)) {
    if (operand.size() > out.size()) out.resize(operand.size(), '\0');
    switch (op) {
      case BitOp::kAnd:
        combine_into(&out, operand, [](uint64_t a, uint64_t b) { return a & b; });
        // The rest meets zeros; to OR and XOR those change nothing.
        std::fill(out.begin() + static_cast<ptrdiff_t>(operand.size()), out.end(), '\0');
        break;
      case BitOp::kOr:
        combine_into(&out, operand, [](uint64_t a, uint64_t b) { return a | b; });
        break;
      default:
        combine_into(&out, operand, [](uint64_t a, uint64_t b) { return a ^ b; });
        break;
    }
  }
  return out;
}

int64_t read_field(std::string_view bytes, uint64_t offset, BitField field) {
  const Window window(bytes, offset, field.bits);
  auto value = static_cast<uint64_t>(window.bits >> window.below);
  if (field.bits == 64) return static_cast<int64_t>(value);
  value &= ~(~uint64_t{0} << field.bits);
  if (field.is_signed && (value >> (field.bits - 1)) != 0) value |= ~uint64_t{0} << field.bits;
  return static_cast<int64_t>(value);
}

FieldBytes with_field(std::string_view bytes, uint64_t offset, BitField field, int64_t value) {
  Window window(bytes, offset, field.bits);
  const UWide mask = ((UWide{1} << field.bits) - 1) << window.below;
  const UWide wanted = UWide{static_cast<uint64_t>(value)} << window.below;
  window.bits = (window.bits & ~mask) | (wanted & mask);
  FieldBytes out{window.first, window.size, {}};
  for (size_t i = out.size; i-- > 0; window.bits >>= 8) {
    out.bytes[i] = static_cast<char>(window.bits & 0xff);
  }
  return out;
}

bool fit_field(int64_t value, BitField field, Overflow policy, int64_t* out) {
  const Wide wide = field.is_signed ? Wide{value} : Wide{static_cast<uint64_t>(value)};
  return fit(wide, field, policy, out);
}

bool add_to_field(int64_t value, int64_t by, BitField field, Overflow policy, int64_t* out) {
  return fit(Wide{value} + by, field, policy, out);
}

}  // namespace holdfast
