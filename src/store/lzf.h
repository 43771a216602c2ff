// LZF, the compression of long strings in Redis's value format (Lehmann's liblzf).
//
// A block is a row of runs. Its first byte c says which kind:
//   c < 32      c + 1 literal bytes follow;
//   otherwise   a copy of earlier output. Length: (c >> 5) + 2, and when c >> 5 is 7, plus the next
//               byte. Distance: ((c & 31) << 8 | the byte that follows) + 1.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// A copy of 264 bytes takes three: no block grows by more than this.
inline constexpr uint64_t kLzfMaxExpansion = 88;

// Appends the block to `out` if it is at most `limit` bytes; else returns false, `out` unchanged.
bool lzf_compress(std::string_view in, size_t limit, std::string* out);

// Appends exactly `size` bytes to `out`. False, `out` unchanged: the block is damaged or gives
// another number of bytes. Never allocates more than kLzfMaxExpansion times the block.
bool lzf_decompress(std::string_view block, uint64_t size, std::string* out);

}  // namespace holdfast
