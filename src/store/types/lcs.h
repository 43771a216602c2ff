// The longest common subsequence of two strings, with the ranges that match, from the end to the
// start, as Redis reports them. Pure.
//
// Time is in proportion to a.size() * b.size(); the caller bounds it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// Pairs of positions that one call may look at, about a nanosecond each.
inline constexpr uint64_t kMaxLcsCells = 1ULL << 29;
// Memory that longest_common_subsequence() takes for each.
inline constexpr uint64_t kLcsCellBytes = 4;

// (a_size + 1) * (b_size + 1), or UINT64_MAX when that is more.
uint64_t lcs_cells(uint64_t a_size, uint64_t b_size);

struct LcsRange {
  uint64_t start;
  uint64_t end;  // included
};
struct LcsMatch {
  LcsRange a;
  LcsRange b;
  uint64_t length() const { return a.end - a.start + 1; }
};
struct Lcs {
  std::string text;
  std::vector<LcsMatch> matches;  // last first
};

// REQUIRES, both: lcs_cells() <= kMaxLcsCells.
Lcs longest_common_subsequence(std::string_view a, std::string_view b);
// Its length alone, in memory for two rows of cells.
uint64_t lcs_length(std::string_view a, std::string_view b);

}  // namespace holdfast
