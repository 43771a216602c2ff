// The numbers of effects. They are on disk and on the wire: never reused, never given another
// meaning. Operands of each are specified in docs/ONDISK.md, "Oplog entries".
#pragma once

#include <cstdint>

#include "store/object.h"

namespace holdfast {

enum class EffectType : uint8_t {
  kPutString = 1,     // the whole value and expiry of a string key
  kWriteRange = 2,    // bytes at an offset of a string, zero-padded; creates the key
  kErase = 3,         //
  kSetExpiry = 4,     // 0 removes it
  kFlushDb = 5,       //
  kMapDatabases = 6,  // the whole map from logical to physical database numbers
  kPutValue = 7,      // the whole value and expiry of a key of any other type
  kPutLibrary = 8,    // a library of functions, in place of one of its name
  kEraseLibrary = 9,
  kRemember = 10,  // what became of a write that a gateway numbered

  // Changes of a part of a collection. Sixteen numbers for each type.
  kHashSet = 32,          // (field, value)...; creates the key; a field's expiry is removed
  kHashDelete,            // field...
  kHashUpdate,            // (field, value)...; creates the key; a field's expiry stays
  kHashExpire,            // (expires at, field)...; 0: never
  kListPush = 48,         // side, element...: pushed one after the other; creates the key
  kListPop,               // side, count
  kListSet,               // index, element
  kListInsert,            // index, element: before that index
  kListRemove,            // side, count, element: as many that are equal, from that side
  kSetAdd = 64,           // member...; creates the key
  kSetRemove,             // member...
  kZsetAdd = 80,          // (score, member)...; creates the key
  kZsetRemove,            // member...
  kStreamAdd = 96,        // id, (field, value)...; creates the key
  kStreamRemove,          // id...
  kStreamTrim,            // the last id that goes
  kStreamSetIds,          // last id, entries added, highest id removed
  kStreamGroupCreate,     // group, last id, entries read; creates the key
  kStreamGroupSet,        // the same of a group that is there
  kStreamGroupDrop,       // group
  kStreamConsumerCreate,  // group, consumer, time
  kStreamConsumerDrop,    // group, consumer
  kStreamRead,            // group, last id, entries read, consumer, time, id...: handed out anew
  kStreamClaim,           // group, consumer, times, (id, deliveries)...: pending with this consumer
  kStreamAck,             // group, id...
  kCollectionsEnd = 112,
};

// Whether the effect changes a part of a collection, and of which type.
inline bool edits_collection(EffectType type) {
  return type >= EffectType::kHashSet && type < EffectType::kCollectionsEnd;
}
// Whether it changes what is there, and so can only be applied where the value is in memory.
inline bool needs_value(EffectType type) {
  return type == EffectType::kWriteRange || type == EffectType::kSetExpiry ||
         edits_collection(type);
}
inline ObjectType edited_type(EffectType type) {
  constexpr ObjectType kTypes[] = {ObjectType::kHash, ObjectType::kList, ObjectType::kSet,
                                   ObjectType::kZset, ObjectType::kStream};
  return kTypes[(static_cast<uint8_t>(type) - 32) / 16];
}

}  // namespace holdfast
