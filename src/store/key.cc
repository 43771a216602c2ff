// See key.h. The CRC goes eight bytes a step (slicing, Kounavis and Berry 2005): one table lookup
// per byte as in the textbook form, but independent of each other.
#define XXH_INLINE_ALL
#include "store/key.h"

#include <xxhash.h>

#include <array>

namespace holdfast {
namespace {

constexpr int kSlices = 8;
using CrcTables = std::array<std::array<uint16_t, 256>, kSlices>;

constexpr CrcTables make_tables() {
  CrcTables tables{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<uint16_t>((crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0));
    }
    tables[0][byte] = crc;
  }
  for (int s = 1; s < kSlices; ++s) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      const uint16_t crc = tables[s - 1][byte];
      tables[s][byte] = static_cast<uint16_t>((crc << 8) ^ tables[0][crc >> 8]);
    }
  }
  return tables;
}

constexpr CrcTables kTables = make_tables();

}  // namespace

uint16_t crc16(std::string_view bytes) {
  uint16_t crc = 0;
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kSlices; left -= kSlices, at += kSlices) {
    crc = kTables[7][at[0] ^ (crc >> 8)] ^ kTables[6][at[1] ^ (crc & 0xff)] ^ kTables[5][at[2]] ^
          kTables[4][at[3]] ^ kTables[3][at[4]] ^ kTables[2][at[5]] ^ kTables[1][at[6]] ^
          kTables[0][at[7]];
  }
  for (; left > 0; --left, ++at) {
    crc = static_cast<uint16_t>((crc << 8) ^ kTables[0][((crc >> 8) ^ *at) & 0xff]);
  }
  return crc;
}

SlotId slot_of(std::string_view key) {
  const size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close != open + 1) {
      key = key.substr(open + 1, close - open - 1);
    }
  }
  return crc16(key) & (kSlotCount - 1);
}

uint64_t hash_of(std::string_view key, uint64_t seed) {
  return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

}  // namespace holdfast
