// Hashes: fields with values. A small one is a listpack of field, value, field, value ...; one
// whose fields (may) expire a listpack of field, value, expires at (0: never); a large one a
// HashTable. A field that has expired is there until an effect deletes it: who reads a hash
// deletes what is due before (CommandContext::find).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/random.h"
#include "store/collection.h"
#include "store/types/hash_table.h"
#include "store/types/listpack.h"

namespace holdfast {

extern const CollectionType kHashType;

uint64_t hash_size(const Collection& hash);
// The value; an integer is printed into `scratch`. Nothing when there is no such field.
std::optional<std::string_view> hash_get(const Collection& hash, std::string_view field,
                                         IntScratch& scratch);
// Nothing when there is no such field; 0: it never expires.
std::optional<int64_t> hash_expiry(const Collection& hash, std::string_view field);

// Goes through all fields. The hash must not change meanwhile; views live until next().
class HashCursor {
 public:
  explicit HashCursor(const Collection& hash);
  // At the next field, first at the first one; false behind the last.
  bool next();
  std::string_view field() const { return field_; }
  std::string_view value() const { return value_; }
  int64_t expire_at_ms() const { return expire_at_ms_; }

 private:
  Listpack pack_{nullptr};
  Listpack::Pos at_ = 0;
  uint32_t step_ = 0;  // 0: a table
  HashTable::Table::Iterator entries_;
  IntScratch field_scratch_, value_scratch_;
  std::string_view field_, value_;
  int64_t expire_at_ms_ = 0;
};

// A field drawn with equal chances. REQUIRES: it is not empty. Views live in the hash or scratches.
struct HashField {
  std::string_view field, value;
};
HashField hash_random(const Collection& hash, Random& random, IntScratch& field_scratch,
                      IntScratch& value_scratch);

// The table of a large hash; null of a small one.
const HashTable* hash_table(const Collection& hash);

// --- fields that expire ---

inline constexpr int64_t kNoFieldExpires = INT64_MAX;
// When the first field expires. O(1).
int64_t hash_next_expiry_ms(const Collection& hash);
// Appends up to `limit` of the fields that are due to `operands`, as kHashDelete takes them. Gives
// how many.
uint32_t hash_take_due(const Collection& hash, int64_t now_ms, uint32_t limit,
                       std::string* operands);
// Where the keyspace keeps this hash among those whose fields expire; UINT32_MAX: it does not.
uint32_t hash_place_in_keyspace(const Collection& hash);
// REQUIRES: hash_next_expiry_ms() was not kNoFieldExpires since it came into being.
void set_hash_place_in_keyspace(const Collection& hash, uint32_t place);

}  // namespace holdfast
