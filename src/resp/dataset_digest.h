// Digests of values and of whole data sets, bit for bit those of Redis's DEBUG DIGEST-VALUE and
// DEBUG DIGEST: two servers hold the same data exactly when their digests are equal, whatever the
// order of keys and however values are laid out.
#pragma once

#include <span>

#include "base/sha.h"
#include "store/keyspace.h"

namespace holdfast {

// Of the value and of whether it expires (not when). All zeros for null.
Sha1 value_digest(const Object* object);

// Of all databases, by their logical numbers. An expired key counts until it is erased. Takes time
// in proportion to the data.
// `keyspaces`: of all shards, or of the only one.
Sha1 dataset_digest(std::span<const Keyspace* const> keyspaces);

}  // namespace holdfast
