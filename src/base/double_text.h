// Floating point numbers as text, as Redis 7.2 reads and writes them in replies, sorted sets and
// arguments. Pure.
#pragma once

#include <string_view>

namespace holdfast {

inline constexpr int kMaxDoubleText = 40;

// The shortest decimal that reads back as `value`: an integer below 2^62 in full, else digits with
// a point, or with an exponent where that would need many zeros; "inf", "-inf", "nan", "-0".
// `out` holds kMaxDoubleText bytes; the view may be of it or of a constant.
std::string_view format_double(double value, char* out);

// What strtod takes, all of it: also hex and "inf", but neither leading space, nor NaN, nor a
// number that is too large for a double or so small that it would be 0.
bool parse_double(std::string_view text, double* out);

}  // namespace holdfast
