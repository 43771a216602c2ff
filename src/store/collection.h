// Collection: the value of a list, set, hash, sorted set or stream, however it is kept.
//
// A small one is a single block of bytes, a listpack or an intset in Redis's own format: it costs
// what it costs there and travels in DUMP payloads and records as it lies. A larger one is a
// structure of the type's own. What each type can do is in store/types/<type>.h; here is what all
// have in common.
//
// What must hold:
//   - a collection is changed only by apply(), that is by effects, and the same effects in the same
//     order give the same contents everywhere (the encoding may differ with the limits);
//   - an effect that names what is not there (replay over a newer image, see effect.h) does nothing
//     for it; it never fails;
//   - no operation takes time in proportion to the collection's size where Redis's does not.
//
// Threads: the keyspace's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "base/collection_limits.h"
#include "store/effect_type.h"
#include "store/object.h"

namespace holdfast {

// The functions of one type. None keeps the pointers that it is given.
struct CollectionType {
  // Empty and compact.
  Collection (*create)();
  // Frees about `*budget` elements and takes them off the budget; true when nothing is left, not
  // even the structure itself. A block of bytes counts as one element.
  bool (*destroy_some)(Collection& value, uint64_t* budget);
  // Elements: fields of a hash, entries of a stream.
  uint64_t (*size)(const Collection& value);
  size_t (*memory)(const Collection& value);  // bytes allocated; may be estimated from a sample
  // Appends the value as RDB has it: the byte of the type, then the payload. Decoding gives the
  // same contents; equal contents need not give equal bytes.
  void (*encode)(const Collection& value, std::string* out);
  // Reads the payload behind the byte `rdb_type`; any bytes are safe. False when they are not a
  // value of this type; nothing is left allocated then. A value without elements is none (but a
  // stream).
  bool (*decode)(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out);
  // Whether the effect makes the key when it is absent.
  bool (*creates)(EffectType type);
  // Applies the effect. REQUIRES: operands as docs/ONDISK.md says; asserted.
  void (*apply)(EffectType type, Reader& operands, const CollectionLimits& limits,
                Collection* value);
  // The values of RDB's type byte that decode() knows.
  std::string_view rdb_types;
  // encode() for DUMP, where that has to differ so that Redis 7.0 can read it; null: as encode().
  void (*dump)(const Collection& value, std::string* out) = nullptr;
};

// REQUIRES: not kString.
const CollectionType& collection_type(ObjectType type);

// Which type an RDB value is of, by its first byte; false for strings, modules and what is unknown.
bool type_of_rdb(uint8_t rdb_type, ObjectType* type);

// At once, however large.
void destroy_collection(ObjectType type, Collection value);

// A value as encode() gives it. False when it is none; bytes behind it are wrong too.
bool decode_collection(std::string_view bytes, const CollectionLimits& limits, ObjectType* type,
                       Collection* out);

}  // namespace holdfast
