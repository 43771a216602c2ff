// INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT: strings as numbers. The effect is the new value, with
// the expiry kept, so that applying it needs no arithmetic.
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "resp/commands/strings.h"
#include "resp/context.h"

namespace holdfast {
namespace {

constexpr size_t kMaxFloatText = 5 * 1024;  // longest text that Redis takes for a number here

void increment(CommandContext& c, int64_t by) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kString)) return;
  int64_t value = 0;
  if (object != nullptr && !object->integer(&value)) {
    c.fail(errors::kNotInteger);
    return;
  }
  if (__builtin_add_overflow(value, by, &value)) {
    c.fail(errors::kOverflow);
    return;
  }
  char text[24];
  c.put_string(key, format_int64(value, text), object == nullptr ? 0 : object->expire_at_ms());
  c.notify_string("incrby", key);
  c.reply.integer(value);
}

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

// 17 digits behind the point, without trailing zeros: what people see as the number they meant.
std::string format_long_double(long double value) {
  char text[kMaxFloatText + 32];
  int size = std::snprintf(text, sizeof text, "%.17Lf", value);
  while (text[size - 1] == '0') --size;
  if (text[size - 1] == '.') --size;
  const std::string_view trimmed(text, static_cast<size_t>(size));
  return std::string(trimmed == "-0" ? "0" : trimmed);
}

}  // namespace

void incr_command(CommandContext& c) { increment(c, 1); }
void decr_command(CommandContext& c) { increment(c, -1); }

void incrby_command(CommandContext& c) {
  int64_t by;
  if (c.integer(2, &by)) increment(c, by);
}

void decrby_command(CommandContext& c) {
  int64_t by;
  if (!c.integer(2, &by)) return;
  if (by == std::numeric_limits<int64_t>::min()) {
    c.fail("ERR decrement would overflow");
    return;
  }
  increment(c, -by);
}

void incrbyfloat_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kString)) return;
  long double value = 0, by = 0;
  IntScratch scratch;
  if ((object != nullptr && !parse_long_double(object->string(scratch), &value)) ||
      !parse_long_double(c.args[2], &by)) {
    c.fail(errors::kNotFloat);
    return;
  }
  value += by;
  if (std::isnan(value) || std::isinf(value)) {
    c.fail("ERR increment would produce NaN or Infinity");
    return;
  }
  const std::string text = format_long_double(value);
  c.put_string(key, text, object == nullptr ? 0 : object->expire_at_ms());
  c.notify_string("incrbyfloat", key);
  c.reply.bulk(text);
}

}  // namespace holdfast
