// Numbers as INCRBYFLOAT and HINCRBYFLOAT take and give them: long double, in Redis's notation.
#pragma once

#include <string>
#include <string_view>

namespace holdfast {

// False for what Redis does not take for a number here; an infinite one is.
bool parse_long_double(std::string_view text, long double* out);
// 17 digits behind the point, without trailing zeros: what people see as the number they meant.
std::string format_long_double(long double value);

}  // namespace holdfast
