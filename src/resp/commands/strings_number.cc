// INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT: strings as numbers. The effect is the new value, with
// the expiry kept, so that applying it needs no arithmetic.
#include <cmath>
#include <limits>
#include <string>

#include "resp/commands/long_double.h"
#include "resp/commands/strings.h"
#include "resp/context.h"

namespace holdfast {
namespace {

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
