// What names an entry of a table of members: its bytes with their hash, computed once.
#pragma once

#include <cstdint>
#include <string_view>

#include "store/key.h"

namespace holdfast {

struct MemberRef {
  MemberRef(std::string_view name, uint64_t seed) : bytes(name), hash(hash_of(name, seed)) {}
  std::string_view bytes;  // not owned
  uint64_t hash;           // under the seed of CollectionLimits
};

}  // namespace holdfast
