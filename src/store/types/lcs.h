// The longest common subsequence of two strings, with the ranges that match, from the end to the
// start, as Redis reports them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// Pairs of positions that one call may look at: 4 bytes and about a nanosecond each.
inline constexpr uint64_t kMaxLcsCells = 1ULL << 29;

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
  uint64_t length = 0;
  std::vector<LcsMatch> matches;  // last first
};

// REQUIRES: (a.size() + 1) * (b.size() + 1) <= kMaxLcsCells.
Lcs longest_common_subsequence(std::string_view a, std::string_view b);

}  // namespace holdfast
