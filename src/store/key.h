// A key with what is computed from it once: its slot and its hash.
//
// Slots are Redis Cluster's: CRC16 (XMODEM) of the key, or of the part between the first '{' and
// the next '}' when that part is not empty, modulo 16384.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/types.h"

namespace holdfast {

struct KeyRef {
  std::string_view bytes;  // not owned
  uint64_t hash = 0;       // XXH3 under the keyspace's seed: decides the place in a slot's table
  SlotId slot = 0;
};

uint16_t crc16(std::string_view bytes);
SlotId slot_of(std::string_view key);
uint64_t hash_of(std::string_view key, uint64_t seed);

inline KeyRef make_key(std::string_view key, uint64_t seed) {
  return {key, hash_of(key, seed), slot_of(key)};
}

}  // namespace holdfast
