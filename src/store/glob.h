// Glob patterns as KEYS, SCAN MATCH, PSUBSCRIBE and CONFIG GET take them.
//
//   *       any bytes, also none      [abc]  one of these      [^abc]  none of these
//   ?       any one byte              [a-z]  one in the range  \x      x itself
//
// Bytes are compared as they are; ignoring case means ASCII letters. A class that is not closed
// ends with the pattern. An empty text matches the empty pattern only, not even "*".
//
// Time is bounded by the product of the two lengths and there is no recursion: a mismatch only ever
// falls back to the last star, since an earlier one could not do better.
#pragma once

#include <string_view>

namespace holdfast {

enum class GlobCase : bool { kExact, kIgnore };

bool glob_match(std::string_view pattern, std::string_view text,
                GlobCase letters = GlobCase::kExact);

}  // namespace holdfast
