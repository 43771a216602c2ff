// Sorted sets. Small: a listpack of members and scores in order, a score being an integer element
// when it is integral and the shortest text that reads back otherwise. Large: a ZsetIndex.
//
// The order is by score, then by the members' bytes. No score is NaN.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/double_text.h"
#include "store/collection.h"
#include "store/types/listpack.h"
#include "store/types/zset_index.h"

namespace holdfast {

extern const CollectionType kZsetType;

struct ScoreRange {
  double min = 0;
  double max = 0;
  bool min_open = false;  // min itself is not in it
  bool max_open = false;

  bool before(double score) const { return min_open ? score <= min : score < min; }
  bool behind(double score) const { return max_open ? score >= max : score > max; }
};

// A bound of a range of members.
struct LexBound {
  enum Kind : uint8_t { kLowest, kMember, kHighest };
  Kind kind = kMember;
  bool open = false;
  std::string_view member;
};

struct LexRange {
  LexBound min;
  LexBound max;

  bool before(std::string_view member) const;
  bool behind(std::string_view member) const;
};

// Ranks from `first` on, `end` not included.
struct RankRange {
  uint64_t first = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - first; }
};

struct ZsetItem {
  std::string_view member;
  double score;
};

// Read access. The collection outlives it and does not change meanwhile.
class Zset {
 public:
  explicit Zset(const Collection& value) : compact_(value.encoding == Encoding::kListpack) {
    data_ = value.data;
  }

  uint64_t size() const { return compact_ ? pack().count() / 2 : large().size(); }
  // False when there is no such member.
  bool score(std::string_view member, double* score) const;
  bool rank(std::string_view member, uint64_t* rank, double* score) const;

  // The ranks of what is in the range: for a LexRange all scores have to be the same.
  RankRange within(const ScoreRange& range) const;
  RankRange within(const LexRange& range) const;

  // A place in the order, or none.
  class Cursor {
   public:
    bool valid() const { return compact_ ? at_ != 0 : place_.valid(); }
    // Valid until the cursor is asked again.
    ZsetItem item();
    void next();
    void prev();

   private:
    friend class Zset;
    Cursor(const Zset& owner, uint64_t rank);
    bool compact_;
    Listpack pack_;
    Listpack::Pos at_ = 0;  // of the member; 0: none
    RankTree::Cursor place_;
    IntScratch scratch_;
  };
  Cursor at(uint64_t rank) const { return Cursor(*this, rank); }

  // Of a large one; null of a small one.
  const ZsetIndex* index() const { return compact_ ? nullptr : &large(); }

 private:
  Listpack pack() const { return Listpack(data_); }
  const ZsetIndex& large() const { return *static_cast<const ZsetIndex*>(data_); }
  template <typename Range, typename Of>
  RankRange within_pack(const Range& range, Of of) const;

  bool compact_;
  void* data_;
};

// A sorted set in the making, to be written as a whole: members in any order, the last score of
// each counts.
class ZsetBuilder {
 public:
  explicit ZsetBuilder(uint64_t hash_seed) : index_(hash_seed) {}
  uint64_t size() const { return index_.size(); }
  const ScoredMember* find(std::string_view member) const { return index_.find(member); }
  void set(std::string_view member, double score) { index_.set(member, score); }
  void erase(std::string_view member) { index_.erase(member); }
  const ZsetIndex& index() const { return index_; }
  // As CollectionType::encode gives it, compact where the limits allow. REQUIRES: size() > 0.
  void encode(const CollectionLimits& limits, std::string* out) const;

 private:
  ZsetIndex index_;
};

// Operands of the effects.
inline void put_zset_add(std::string_view member, double score, std::string* operands) {
  put_fixed(*operands, score);
  put_bytes(*operands, member);
}

}  // namespace holdfast
