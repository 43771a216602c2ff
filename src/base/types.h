// Strong integers for the numbers that must not be mixed up.
//
// seq: an entry's position in a shard's oplog, starting at 1; 0 means "none".
// epoch: a view's number; only grows. slot: 0..16383, as Redis Cluster computes it.
#pragma once

#include <cstdint>

namespace holdfast {

using Seq = uint64_t;
using Epoch = uint64_t;
using ShardId = uint32_t;
using SlotId = uint16_t;
using DbId = uint8_t;
// Where an engine keeps an object's record, at most 48 bits; 0: nowhere, or it finds it by key.
using RecordRef = uint64_t;

inline constexpr int kSlotCount = 16384;
inline constexpr int kDbCount = 16;

}  // namespace holdfast
