// See lcs.h. Dynamic programming (Wagner and Fischer 1974): cell (i, j) is the length for the first
// i and j characters; the walk back from the corner finds the characters and joins neighbours into
// ranges.
#include "store/types/lcs.h"

#include <algorithm>
#include <memory>

#include "base/assert.h"

namespace holdfast {
namespace {

// The row of one more character of `a`, from the row above it.
void fill_row(char character, std::string_view b, const uint32_t* above, uint32_t* row) {
  row[0] = 0;
  for (size_t j = 1; j <= b.size(); ++j) {
    row[j] = character == b[j - 1] ? above[j - 1] + 1 : std::max(above[j], row[j - 1]);
  }
}

class Table {
 public:
  Table(std::string_view a, std::string_view b)
      : width_(b.size() + 1),
        cells_(std::make_unique_for_overwrite<uint32_t[]>((a.size() + 1) * width_)) {
    std::fill_n(cells_.get(), width_, 0u);
    for (size_t i = 1; i <= a.size(); ++i) fill_row(a[i - 1], b, row(i - 1), row(i));
  }
  uint32_t at(size_t i, size_t j) { return row(i)[j]; }

 private:
  uint32_t* row(size_t i) { return cells_.get() + i * width_; }

  size_t width_;
  std::unique_ptr<uint32_t[]> cells_;
};

}  // namespace

uint64_t lcs_cells(uint64_t a_size, uint64_t b_size) {
  uint64_t cells;
  return __builtin_mul_overflow(a_size + 1, b_size + 1, &cells) ? UINT64_MAX : cells;
}

uint64_t lcs_length(std::string_view a, std::string_view b) {
  HF_ASSERT(lcs_cells(a.size(), b.size()) <= kMaxLcsCells);
  if (a.size() < b.size()) std::swap(a, b);
  std::vector<uint32_t> above(b.size() + 1), row(b.size() + 1);
  for (const char character : a) {
    fill_row(character, b, above.data(), row.data());
    std::swap(above, row);
  }
  return above.back();
}

Lcs longest_common_subsequence(std::string_view a, std::string_view b) {
  HF_ASSERT(lcs_cells(a.size(), b.size()) <= kMaxLcsCells);
  Table table(a, b);
  Lcs lcs;
  size_t i = a.size(), j = b.size(), left = table.at(i, j);
  lcs.text.resize(left);
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
