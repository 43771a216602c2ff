// Sets: a small one of integers only is an intset, another small one a listpack, a large one a
// SetTable.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/random.h"
#include "store/collection.h"
#include "store/types/listpack.h"
#include "store/types/set_table.h"

namespace holdfast {

extern const CollectionType kSetType;

uint64_t set_size(const Collection& set);
bool set_contains(const Collection& set, std::string_view member);

// Goes through all members. The set must not change meanwhile; a view lives until next().
class SetCursor {
 public:
  explicit SetCursor(const Collection& set);
  // At the next member, first at the first one; false behind the last.
  bool next();
  std::string_view member() const { return member_; }

 private:
  const Collection set_;
  uint64_t at_ = 0;  // index or position
  SetTable::Table::Iterator entries_;
  IntScratch scratch_;
  std::string_view member_;
};

// A member drawn with equal chances; an integer is printed into `scratch`. REQUIRES: not empty.
std::string_view set_random(const Collection& set, Random& random, IntScratch& scratch);

// The table of a large set; null of a small one.
const SetTable* set_table(const Collection& set);

// A set that is being made, outside of any key: of members that come one by one.
class SetBuilder {
 public:
  explicit SetBuilder(const CollectionLimits& limits);  // which outlive it
  explicit SetBuilder(CollectionLimits&& limits) = delete;
  ~SetBuilder();
  SetBuilder(const SetBuilder&) = delete;
  SetBuilder& operator=(const SetBuilder&) = delete;

  // Room for so many, if that is more than a small one has.
  void expect(uint64_t members);
  bool add(std::string_view member);     // false when it is there already
  bool remove(std::string_view member);  // false when it is not there
  const Collection& set() const { return set_; }
  Collection take();

 private:
  const CollectionLimits& limits_;
  Collection set_;
};

}  // namespace holdfast
