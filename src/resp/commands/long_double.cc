// See long_double.h.
#include "resp/commands/long_double.h"

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace holdfast {
namespace {

constexpr size_t kMaxFloatText = 5 * 1024;  // longest text that Redis takes for a number here

}  // namespace

bool parse_long_double(std::string_view text, long double* out) {
  if (text.empty() || text.size() >= kMaxFloatText ||
      std::isspace(static_cast<unsigned char>(text[0])) != 0) {
    return false;
  }
  const std::string terminated(text);
  char* end = nullptr;
  errno = 0;
  *out = std::strtold(terminated.c_str(), &end);
  const bool out_of_range = errno == ERANGE && (*out == HUGE_VALL || *out == -HUGE_VALL ||
                                                std::fpclassify(*out) == FP_ZERO);
  return end == terminated.c_str() + terminated.size() && !out_of_range && !std::isnan(*out);
}

std::string format_long_double(long double value) {
  char text[kMaxFloatText + 32];
  int size = std::snprintf(text, sizeof text, "%.17Lf", value);
  while (text[size - 1] == '0') --size;
  if (text[size - 1] == '.') --size;
  const std::string_view trimmed(text, static_cast<size_t>(size));
  return std::string(trimmed == "-0" ? "0" : trimmed);
}

}  // namespace holdfast
