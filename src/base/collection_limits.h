// The settings that decide how collections are kept; see store/collection.h.
#pragma once

#include <cstdint>

namespace holdfast {

// Up to where a collection stays in its compact form. Redis's names, in conf/reference.yaml.
struct CollectionLimits {
  uint64_t hash_max_listpack_entries = 128;
  uint64_t hash_max_listpack_value = 64;
  int64_t list_max_listpack_size = -2;  // positive: elements; -1..-5: 4, 8, 16, 32, 64 KiB
  uint64_t set_max_intset_entries = 512;
  uint64_t set_max_listpack_entries = 128;
  uint64_t set_max_listpack_value = 64;
  uint64_t zset_max_listpack_entries = 128;
  uint64_t zset_max_listpack_value = 64;
  uint64_t stream_node_max_bytes = 4096;
  uint64_t stream_node_max_entries = 100;

  // Of the hash tables of large collections: drawn when the server starts, no option.
  uint64_t hash_seed = 0;
};

}  // namespace holdfast
