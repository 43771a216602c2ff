// See zset_index.h.
#include "store/types/zset_index.h"

namespace holdfast {

ZsetIndex::~ZsetIndex() {
  uint32_t freed;
  drain(UINT32_MAX, &freed);
}

bool ZsetIndex::set(std::string_view member, double score) {
  const MemberRef key(member, seed_);
  ScoredMember** place = table_.find(key);
  if (place != nullptr) {
    if ((*place)->score != score) order_.move(*place, score);
    return false;
  }
  ScoredMember* entry = ScoredMember::create(member, score);
  entry_bytes_ += entry->memory();
  table_.insert(key, entry, seed_);
  order_.insert(entry);
  return true;
}

bool ZsetIndex::erase(std::string_view member) {
  const MemberRef key(member, seed_);
  ScoredMember** place = table_.find(key);
  if (place == nullptr) return false;
  ScoredMember* entry = *place;
  table_.erase(key, place);
  order_.erase(entry);
  entry_bytes_ -= entry->memory();
  ScoredMember::destroy(entry);
  return true;
}

bool ZsetIndex::drain(uint32_t limit, uint32_t* freed) {
  *freed = table_.drain(limit, [](ScoredMember* entry) { ScoredMember::destroy(entry); });
  const bool emptied = *freed < limit;
  // Leaves hold more than this on average: hardly any are left with the last members.
  constexpr uint32_t kMembersPerLeaf = 8;
  uint64_t leaves = emptied ? UINT64_MAX : *freed / kMembersPerLeaf + 1;
  while (leaves > 0 && order_.drop_leaf()) --leaves;
  return emptied;
}

size_t ZsetIndex::memory() const {
  return sizeof(ZsetIndex) + table_.memory() + order_.memory() + entry_bytes_;
}

}  // namespace holdfast
