// See double_text.h.
#include "base/double_text.h"

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace holdfast {
namespace {

constexpr double kMaxIntegral = 4611686018427387903.0;  // beyond it digits and exponent are shown
constexpr int kMaxZeros = 7;  // so many zeros are written rather than an exponent

// The digits of a finite value that is not 0, without sign and point: value = digits * 10^exponent.
struct Decimal {
  char digits[20];
  int count = 0;
  int exponent = 0;
};

Decimal decimal_of(double value) {
  char text[kMaxDoubleText];
  const auto end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
  Decimal d;
  const char* p = text;
  for (; *p != 'e'; ++p) {
    if (*p != '.') d.digits[d.count++] = *p;
  }
  ++p;
  if (*p == '+') ++p;
  std::from_chars(p, end.ptr, d.exponent);
  d.exponent -= d.count - 1;
  return d;
}

char* put(char* out, const char* bytes, int count) {
  std::memcpy(out, bytes, static_cast<size_t>(count));
  return out + count;
}

char* put_zeros(char* out, int count) {
  std::memset(out, '0', static_cast<size_t>(count));
  return out + count;
}

char* put_decimal(char* out, const Decimal& d) {
  const int magnitude = d.count - 1 + d.exponent;  // exponent of the first digit
  if (d.exponent >= 0 && magnitude < d.count + kMaxZeros) {
    return put_zeros(put(out, d.digits, d.count), d.exponent);
  }
  if (d.exponent < 0 && (d.exponent > -kMaxZeros || std::abs(magnitude) < 4)) {
    const int before_point = d.count + d.exponent;
    if (before_point <= 0) {
      out = put_zeros(put(out, "0.", 2), -before_point);
      return put(out, d.digits, d.count);
    }
    *(out = put(out, d.digits, before_point)) = '.';
    return put(out + 1, d.digits + before_point, d.count - before_point);
  }
  *out++ = d.digits[0];
  if (d.count > 1) {
    *out++ = '.';
    out = put(out, d.digits + 1, d.count - 1);
  }
  *out++ = 'e';
  *out++ = magnitude < 0 ? '-' : '+';
  return std::to_chars(out, out + 4, std::abs(magnitude)).ptr;
}

}  // namespace

std::string_view format_double(double value, char* out) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  char* end = out;
  if (std::abs(value) <= kMaxIntegral && std::trunc(value) == value) {
    end = std::to_chars(out, out + kMaxDoubleText, static_cast<int64_t>(value)).ptr;
  } else {
    if (value < 0) *end++ = '-';
    end = put_decimal(end, decimal_of(std::abs(value)));
  }
  return {out, static_cast<size_t>(end - out)};
}

bool parse_double(std::string_view text, double* out) {
  if (text.empty() || std::isspace(static_cast<unsigned char>(text[0])) != 0) return false;
  // The common case needs no terminator behind the text and no locale.
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (error == std::errc() && end == text.data() + text.size()) return !std::isnan(*out);
  const std::string terminated(text);
  char* stop = nullptr;
  errno = 0;
  *out = std::strtod(terminated.c_str(), &stop);
  if (errno == ERANGE && (std::isinf(*out) || *out == 0)) return false;
  return stop == terminated.c_str() + terminated.size() && !std::isnan(*out);
}

}  // namespace holdfast
