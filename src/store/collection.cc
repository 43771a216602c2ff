// See collection.h.
#include "store/collection.h"

#include "base/assert.h"
#include "store/types/hash.h"
#include "store/types/list.h"
#include "store/types/set.h"
#include "store/types/stream.h"
#include "store/types/zset.h"

namespace holdfast {
namespace {

constexpr ObjectType kTypes[] = {ObjectType::kList, ObjectType::kSet, ObjectType::kZset,
                                 ObjectType::kHash, ObjectType::kStream};

const CollectionType* find_type(ObjectType type) {
  switch (type) {
    case ObjectType::kZset:
      return &kZsetType;
    case ObjectType::kHash:
      return &kHashType;
    case ObjectType::kSet:
      return &kSetType;
    case ObjectType::kList:
      return &kListType;
    case ObjectType::kString:
      return nullptr;
    case ObjectType::kStream:
      return &kStreamType;
  }
  return nullptr;
}

}  // namespace

const CollectionType& collection_type(ObjectType type) {
  const CollectionType* found = find_type(type);
  HF_ASSERT(found != nullptr);
  return *found;
}

bool type_of_rdb(uint8_t rdb_type, ObjectType* type) {
  for (const ObjectType candidate : kTypes) {
    const CollectionType* found = find_type(candidate);
    if (found == nullptr) continue;
    if (found->rdb_types.find(static_cast<char>(rdb_type)) == std::string_view::npos) continue;
    *type = candidate;
    return true;
  }
  return false;
}

void destroy_collection(ObjectType type, Collection value) {
  uint64_t budget = UINT64_MAX;
  const bool done = collection_type(type).destroy_some(value, &budget);
  HF_ASSERT(done);
}

bool decode_collection(std::string_view bytes, const CollectionLimits& limits, ObjectType* type,
                       Collection* out) {
  Reader in(bytes);
  const auto rdb_type = in.fixed<uint8_t>();
  if (!in.ok() || !type_of_rdb(rdb_type, type)) return false;
  if (!collection_type(*type).decode(rdb_type, in, limits, out)) return false;
  if (in.ok() && in.at_end()) return true;
  destroy_collection(*type, *out);
  return false;
}

}  // namespace holdfast
