// The longest common subsequence: known examples, and properties of random pairs.
#include "store/types/lcs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/random.h"

using namespace holdfast;

namespace {

std::string text_of(const Lcs& lcs, std::string_view a) {
  std::string out;
  for (const LcsMatch& match : lcs.matches) {
    out.insert(0, a.substr(match.a.start, match.length()));
  }
  return out;
}

// By definition, without a table.
uint64_t slow_length(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return 0;
  if (a.back() == b.back()) {
    return slow_length(a.substr(0, a.size() - 1), b.substr(0, b.size() - 1)) + 1;
  }
  return std::max(slow_length(a.substr(0, a.size() - 1), b),
                  slow_length(a, b.substr(0, b.size() - 1)));
}

std::string random_text(SeededRandom& random, size_t most) {
  std::string out(random.next() % (most + 1), '\0');
  for (char& c : out) c = static_cast<char>('a' + random.next() % 3);
  return out;
}

}  // namespace

TEST_CASE("lcs: the example of Redis's documentation") {
  const Lcs lcs = longest_common_subsequence("ohmytext", "mynewtext");
  CHECK(lcs.text == "mytext");
  REQUIRE(lcs.matches.size() == 2);
  CHECK(lcs.matches[0].a.start == 4);
  CHECK(lcs.matches[0].a.end == 7);
  CHECK(lcs.matches[0].b.start == 5);
  CHECK(lcs.matches[0].b.end == 8);
  CHECK(lcs.matches[0].length() == 4);
  CHECK(lcs.matches[1].a.start == 2);
  CHECK(lcs.matches[1].a.end == 3);
  CHECK(lcs.matches[1].b.start == 0);
  CHECK(lcs.matches[1].b.end == 1);
}

TEST_CASE("lcs: nothing in common, and one within the other") {
  for (const auto& [a, b] : {std::pair("", ""), {"abc", ""}, {"", "abc"}, {"abc", "xyz"}}) {
    CHECK(longest_common_subsequence(a, b).text.empty());
    CHECK(longest_common_subsequence(a, b).matches.empty());
    CHECK(lcs_length(a, b) == 0);
  }
  const Lcs lcs = longest_common_subsequence("bcd", "abcde");
  CHECK(lcs.text == "bcd");
  REQUIRE(lcs.matches.size() == 1);
  CHECK(lcs.matches[0].b.start == 1);
  CHECK(longest_common_subsequence("same", "same").text == "same");
}

TEST_CASE("lcs: random pairs against the definition") {
  SeededRandom random(5);
  for (int i = 0; i < 2000; ++i) {
    const std::string a = random_text(random, 9), b = random_text(random, 9);
    CAPTURE(a);
    CAPTURE(b);
    const uint64_t length = slow_length(a, b);
    const Lcs lcs = longest_common_subsequence(a, b);
    REQUIRE(lcs.text.size() == length);
    REQUIRE(lcs_length(a, b) == length);
    REQUIRE(text_of(lcs, a) == lcs.text);
    for (size_t k = 0; k < lcs.matches.size(); ++k) {
      const LcsMatch& match = lcs.matches[k];
      REQUIRE(a.substr(match.a.start, match.length()) == b.substr(match.b.start, match.length()));
      if (k == 0) continue;  // each lies before the one that was found before it
      REQUIRE(match.a.end < lcs.matches[k - 1].a.start);
      REQUIRE(match.b.end < lcs.matches[k - 1].b.start);
    }
  }
}

TEST_CASE("lcs: the two ways to a length agree on longer texts") {
  SeededRandom random(6);
  for (int i = 0; i < 50; ++i) {
    const std::string a = random_text(random, 300), b = random_text(random, 300);
    REQUIRE(lcs_length(a, b) == longest_common_subsequence(a, b).text.size());
  }
}

TEST_CASE("lcs: the number of cells does not wrap around") {
  CHECK(lcs_cells(0, 0) == 1);
  CHECK(lcs_cells(2, 3) == 12);
  CHECK(lcs_cells(1ULL << 40, 1ULL << 40) == UINT64_MAX);
}
