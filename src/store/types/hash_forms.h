// What hash.cc and hash_rdb.cc share: how small hashes are laid out.
#pragma once

#include <cstdint>
#include <string>

#include "base/codec.h"
#include "store/collection.h"
#include "store/types/listpack.h"

namespace holdfast {

// A small hash with an expiry for each field. The size of a field's triple is three elements.
struct ExpiringListpack {
  char* block;
  int64_t next_ms = INT64_MAX;
  uint32_t place_in_keyspace = UINT32_MAX;
};

// Elements of the listpack for each field. REQUIRES: not a table.
uint32_t hash_pack_step(const Collection& hash);
Listpack hash_pack(const Collection& hash);
// With room for `fields`. A table stays as it is.
void hash_into_table(Collection* hash, uint64_t fields, uint64_t seed);

// Values of RDB's type byte. The last one is Redis 7.4's: the time of the first expiry, then
// (expiry relative to it + 1, or 0; field; value)...
inline constexpr char kRdbHash = 4, kRdbHashZipmap = 9, kRdbHashZiplist = 13, kRdbHashListpack = 16,
                      kRdbHashExpiring = 24;
void encode_hash(const Collection& hash, std::string* out);
bool decode_hash(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out);

}  // namespace holdfast
