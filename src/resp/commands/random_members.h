// Random members of a collection, each equally likely: for HRANDFIELD, SRANDMEMBER, SPOP and
// ZRANDMEMBER with a count.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "base/random.h"

namespace holdfast {

// Draws with repetition that one command may ask for: the reply is built in memory.
inline constexpr uint64_t kMaxDraws = uint64_t{1} << 24;

// Calls visit() for `count` different ones of the `size` members that `cursor` goes through, every
// choice of them being equally likely. O(size). (Knuth 3.4.2, algorithm S.)
template <typename Cursor, typename Visit>
void sample_by_cursor(Cursor& cursor, uint64_t size, uint64_t count, Random& random,
                      Visit&& visit) {
  for (uint64_t left = size; count > 0 && cursor.next(); --left) {
    if (random.below(left) >= count) continue;
    visit(cursor);
    --count;
  }
}

// Whether drawing one by one, and drawing again what came before, is the better way.
inline bool few_of_many(uint64_t size, uint64_t count) { return count * 3 < size; }

// `count` different entries of a LinearTable. O(count). REQUIRES: few_of_many().
template <typename Table, typename Visit>
void sample_few(const Table& table, uint64_t count, Random& random, Visit&& visit) {
  std::unordered_set<const void*> drawn;
  drawn.reserve(count);
  while (drawn.size() < count) {
    const auto* entry = table.random_entry([&](uint64_t below) { return random.below(below); });
    if (drawn.insert(entry).second) visit(*entry);
  }
}

}  // namespace holdfast
