// See glob.h.
#include "store/glob.h"

#include <algorithm>

namespace holdfast {
namespace {

// Signed, as ranges over bytes above 127 depend on it.
signed char lower(char c) { return static_cast<signed char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c); }

bool same(char a, char b, bool ignore_case) { return ignore_case ? lower(a) == lower(b) : a == b; }

bool in_range(char from, char to, char c, bool ignore_case) {
  auto low = static_cast<signed char>(from);
  auto high = static_cast<signed char>(to);
  auto byte = static_cast<signed char>(c);
  if (low > high) std::swap(low, high);
  if (ignore_case) {
    low = lower(static_cast<char>(low));
    high = lower(static_cast<char>(high));
    byte = lower(c);
  }
  return low <= byte && byte <= high;
}

// Matches the class behind a '[' and moves `pattern` behind its end.
bool match_class(std::string_view* pattern, char c, bool ignore_case) {
  std::string_view& p = *pattern;
  const bool negated = !p.empty() && p[0] == '^';
  if (negated) p.remove_prefix(1);
  bool found = false;
  while (!p.empty() && p[0] != ']') {
    if (p.size() >= 2 && p[0] == '\\') {
      found |= p[1] == c;
      p.remove_prefix(2);
    } else if (p.size() >= 3 && p[1] == '-') {
      found |= in_range(p[0], p[2], c, ignore_case);
      p.remove_prefix(3);
    } else {
      found |= same(p[0], c, ignore_case);
      p.remove_prefix(1);
    }
  }
  if (!p.empty()) p.remove_prefix(1);
  return found != negated;
}

// Matches one byte and moves `pattern` behind what stands for it. REQUIRES: *pattern does not start
// with a star.
bool match_one(std::string_view* pattern, char c, bool ignore_case) {
  std::string_view& p = *pattern;
  if (p.empty()) return false;
  const char first = p[0];
  p.remove_prefix(1);
  if (first == '?') return true;
  if (first == '[') return match_class(pattern, c, ignore_case);
  if (first == '\\' && !p.empty()) {
    const char escaped = p[0];
    p.remove_prefix(1);
    return same(escaped, c, ignore_case);
  }
  return same(first, c, ignore_case);
}

bool starts_with_star(std::string_view pattern) { return !pattern.empty() && pattern[0] == '*'; }

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, GlobCase letters) {
  if (text.empty()) return pattern.empty();
  const bool ignore_case = letters == GlobCase::kIgnore;
  std::string_view after_star;
  size_t star_ends = 0;  // the last star stands for the text before this place
  bool star = false;
  for (size_t at = 0; at < text.size();) {
    if (starts_with_star(pattern)) {
      pattern.remove_prefix(1);
      if (pattern.empty()) return true;
      star = true;
      after_star = pattern;
      star_ends = at;
    } else if (match_one(&pattern, text[at], ignore_case)) {
      ++at;
    } else if (star) {
      pattern = after_star;
      at = ++star_ends;
    } else {
      return false;
    }
  }
  while (starts_with_star(pattern)) pattern.remove_prefix(1);
  return pattern.empty();
}

}  // namespace holdfast
