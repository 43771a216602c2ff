// Glob patterns: Redis's semantics to the odd corner, and no blow-up.
#include "store/glob.h"

#include <doctest/doctest.h>

#include <string>

#include "base/random.h"

using namespace holdfast;

TEST_CASE("glob: stars and question marks") {
  CHECK(glob_match("", ""));
  CHECK(glob_match("*", "a"));
  CHECK(glob_match("**", "abc"));
  CHECK(glob_match("a*", "a"));
  CHECK(glob_match("a***", "a"));
  CHECK(glob_match("*a*", "a"));
  CHECK(glob_match("h*llo", "heeeello"));
  CHECK(glob_match("*llo*", "hello world"));
  CHECK(glob_match("*ab*ab", "abxabab"));
  CHECK(glob_match("h?llo", "hallo"));
  CHECK(glob_match("???", "abc"));
  CHECK_FALSE(glob_match("", "a"));
  CHECK_FALSE(glob_match("a", ""));
  CHECK_FALSE(glob_match("h?llo", "hllo"));
  CHECK_FALSE(glob_match("???", "ab"));
  CHECK_FALSE(glob_match("*ab", "aba"));
  CHECK_FALSE(glob_match("a", "ab"));
  CHECK_FALSE(glob_match("*", ""));  // Redis's matcher never gets as far as the star
  CHECK_FALSE(glob_match("?*", ""));
}

TEST_CASE("glob: classes") {
  CHECK(glob_match("h[ae]llo", "hallo"));
  CHECK(glob_match("h[ae]llo", "hello"));
  CHECK(glob_match("h[^e]llo", "hallo"));
  CHECK(glob_match("h[a-c]llo", "hbllo"));
  CHECK(glob_match("[c-a]", "b"));  // ends of a range in any order
  CHECK(glob_match("[\\]]", "]"));
  CHECK(glob_match("[\\a-c]", "-"));  // an escaped byte begins no range
  CHECK(glob_match("[a-]", "]"));     // the range to ']', and the class stays open
  CHECK(glob_match("[abc", "b"));     // never closed
  CHECK(glob_match("x[a-z0-9]*", "x7y"));
  CHECK(glob_match("[^]", "a"));
  CHECK(glob_match("[^", "a"));
  CHECK_FALSE(glob_match("h[ae]llo", "hillo"));
  CHECK_FALSE(glob_match("h[^e]llo", "hello"));
  CHECK_FALSE(glob_match("h[a-c]llo", "hdllo"));
  CHECK_FALSE(glob_match("[]", "a"));
  CHECK_FALSE(glob_match("[]", "]"));
  CHECK_FALSE(glob_match("[", "["));
  CHECK_FALSE(glob_match("[^a-z]", "q"));
}

TEST_CASE("glob: escapes") {
  CHECK(glob_match("\\*", "*"));
  CHECK(glob_match("a\\?c", "a?c"));
  CHECK(glob_match("\\\\", "\\"));
  CHECK(glob_match("\\", "\\"));  // nothing behind it to escape
  CHECK(glob_match("*\\*", "ab*"));
  CHECK_FALSE(glob_match("\\*", "a"));
  CHECK_FALSE(glob_match("a\\?c", "abc"));
}

TEST_CASE("glob: case") {
  CHECK(glob_match("MAX*", "maxmemory", GlobCase::kIgnore));
  CHECK(glob_match("[A-Z]x", "bX", GlobCase::kIgnore));
  CHECK(glob_match("[ABC]", "b", GlobCase::kIgnore));
  CHECK(glob_match("\\A", "a", GlobCase::kIgnore));
  CHECK_FALSE(glob_match("MAX*", "maxmemory"));
  CHECK_FALSE(glob_match("[\\A]", "a", GlobCase::kIgnore));  // Redis compares this one as it is
  CHECK_FALSE(glob_match("\xc4", "\xe4", GlobCase::kIgnore));
}

TEST_CASE("glob: all byte values, zero included") {
  CHECK(glob_match(std::string_view("a\0?", 3), std::string_view("a\0b", 3)));
  CHECK_FALSE(glob_match("a", std::string_view("a\0", 2)));
  CHECK(glob_match("[\x80-\xff]", "\xc3"));
  // Bytes are signed in a range, as in Redis: this one runs over 0, not over 0x7f.
  CHECK(glob_match("[\x70-\x90]", "a"));
  CHECK_FALSE(glob_match("[\x70-\x90]", "\x7f"));
}

TEST_CASE("glob: many stars take neither time nor stack") {
  std::string pattern;
  for (int i = 0; i < 500; ++i) pattern += "a*";
  CHECK_FALSE(glob_match(pattern + "b", std::string(5000, 'a')));
  CHECK(glob_match(pattern, std::string(5000, 'a')));
  CHECK(glob_match(std::string(1'000'000, '*'), "a"));
  std::string wild;
  for (int i = 0; i < 200'000; ++i) wild += "*?";
  CHECK(glob_match(wild, std::string(200'000, 'x')));
  CHECK_FALSE(glob_match(wild, std::string(199'999, 'x')));
}

TEST_CASE("glob: any pattern on any text ends and stays within bounds") {
  SeededRandom random(3);
  constexpr std::string_view kBytes = "ab*?[]^-\\\x80";
  int matched = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string pattern;
    std::string text;
    for (uint64_t n = random.below(8); n > 0; --n) pattern += kBytes[random.below(kBytes.size())];
    for (uint64_t n = random.below(6); n > 0; --n) text += kBytes[random.below(kBytes.size())];
    matched +=
        glob_match(pattern, text, random.one_in(2) ? GlobCase::kIgnore : GlobCase::kExact) ? 1 : 0;
  }
  CHECK(matched > 1000);
}
