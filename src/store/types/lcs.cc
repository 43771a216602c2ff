// See lcs.h. Dynamic programming (Wagner and Fischer 1974): cell (i, j) is the length for the first
// i and j characters; the walk back from the corner finds the characters and joins neighbours into
// ranges.
#include "store/types/lcs.h"

#include <algorithm>

#include "base/assert.h"

namespace holdfast {
namespace {

class Table {
 public:
  Table(std::string_view a, std::string_view b)
      : width_(b.size() + 1), cells_((a.size() + 1) * width_) {
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        at(i, j) =
            a[i - 1] == b[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
      }
    }
  }
  uint32_t& at(size_t i, size_t j) { return cells_[i * width_ + j]; }

 private:
  size_t width_;
  std::vector<uint32_t> cells_;
};

}  // namespace

Lcs longest_common_subsequence(std::string_view a, std::string_view b) {
  HF_ASSERT((a.size() + 1) * (b.size() + 1) <= kMaxLcsCells);
  Table table(a, b);
  Lcs lcs;
  lcs.length = table.at(a.size(), b.size());
  lcs.text.resize(lcs.length);
  size_t i = a.size(), j = b.size(), left = lcs.length;
  bool joined = false;  // the last match may still grow to the left
  while (i > 0 && j > 0) {
    if (a[i - 1] == b[j - 1]) {
      --i, --j;
      lcs.text[--left] = a[i];
      if (joined) {
        lcs.matches.back().a.start = i;
        lcs.matches.back().b.start = j;
      } else {
        lcs.matches.push_back({{i, i}, {j, j}});
      }
      joined = true;
    } else {
      joined = false;
      if (table.at(i - 1, j) > table.at(i, j - 1)) {
        --i;
      } else {
        --j;
      }
    }
  }
  return lcs;
}

}  // namespace holdfast
