// SlotTable: the keys of one slot of one database. See linear_table.h; the seed is the keyspace's.
#pragma once

#include "store/key.h"
#include "store/linear_table.h"
#include "store/object.h"

namespace holdfast {

struct SlotTableTraits {
  using Key = KeyRef;
  static bool equal(const Object& object, const KeyRef& key) { return object.key() == key.bytes; }
  static uint64_t hash_of(const Object& object, uint64_t seed) {
    return holdfast::hash_of(object.key(), seed);
  }
};

extern template class LinearTable<Object, SlotTableTraits>;
using SlotTable = LinearTable<Object, SlotTableTraits>;

}  // namespace holdfast
