// ZsetIndex: a large sorted set: a hash table finds a member, a counted tree knows the order. Both
// point to the same entries, one allocation for each member.
#pragma once

#include <cstdint>
#include <string_view>

#include "store/linear_table.h"
#include "store/types/member.h"
#include "store/types/rank_tree.h"

namespace holdfast {

struct ScoredMemberTraits {
  using Key = MemberRef;
  static bool equal(const ScoredMember& entry, const MemberRef& key) {
    return entry.member() == key.bytes;
  }
  static uint64_t hash_of(const ScoredMember& entry, uint64_t seed) {
    return holdfast::hash_of(entry.member(), seed);
  }
};

class ZsetIndex {
 public:
  using Table = LinearTable<ScoredMember, ScoredMemberTraits>;

  explicit ZsetIndex(uint64_t seed) : seed_(seed) {}
  ~ZsetIndex();
  ZsetIndex(const ZsetIndex&) = delete;
  ZsetIndex& operator=(const ZsetIndex&) = delete;

  uint64_t size() const { return table_.size(); }
  const Table& table() const { return table_; }
  const RankTree& order() const { return order_; }
  const ScoredMember* find(std::string_view member) const {
    return table_.find(MemberRef(member, seed_));
  }

  // True when the member is new. REQUIRES: the score is no NaN.
  bool set(std::string_view member, double score);
  bool erase(std::string_view member);

  // Frees up to `limit` members; true when none are left. REQUIRES: nothing but this and the
  // destructor is called from now on.
  bool drain(uint32_t limit, uint32_t* freed);
  size_t memory() const;

 private:
  Table table_;
  RankTree order_;
  const uint64_t seed_;
  uint64_t entry_bytes_ = 0;  // of all entries
};

}  // namespace holdfast
