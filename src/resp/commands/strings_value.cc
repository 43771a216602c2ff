// SET, GET and their kin: string values as a whole.
//
// Expiry options (EX, PX, EXAT, PXAT, PERSIST, KEEPTTL) become one absolute time in milliseconds
// before an effect is emitted, so that replicas and recovery need no clock. SET without options and
// GET are the hot path: they allocate nothing and copy no value.
#include <limits>
#include <string>

#include "resp/commands/strings.h"
#include "resp/context.h"

namespace holdfast {
namespace {

enum Option : unsigned {
  kNx = 1 << 0,
  kXx = 1 << 1,
  kGet = 1 << 2,
  kKeepTtl = 1 << 3,
  kPersist = 1 << 4,
  kEx = 1 << 5,
  kPx = 1 << 6,
  kExAt = 1 << 7,
  kPxAt = 1 << 8,
};
constexpr unsigned kTakesTime = kEx | kPx | kExAt | kPxAt;
constexpr unsigned kLifetime = kTakesTime | kKeepTtl | kPersist;
constexpr unsigned kForSet = kNx | kXx | kGet | kKeepTtl | kTakesTime;
constexpr unsigned kForGetEx = kPersist | kTakesTime;

// An option may be repeated, but not stand beside another that contradicts it.
struct OptionWord {
  std::string_view word;
  unsigned option;
  unsigned against;
};
constexpr OptionWord kOptionWords[] = {
    {"EX", kEx, kLifetime & ~kEx},
    {"PX", kPx, kLifetime & ~kPx},
    {"NX", kNx, kXx},
    {"XX", kXx, kNx},
    {"GET", kGet, 0},
    {"KEEPTTL", kKeepTtl, kLifetime & ~kKeepTtl},
    {"PERSIST", kPersist, kLifetime & ~kPersist},
    {"EXAT", kExAt, kLifetime & ~kExAt},
    {"PXAT", kPxAt, kLifetime & ~kPxAt},
};

struct SetOptions {
  unsigned given = 0;
  size_t time_at = 0;  // the argument of kTakesTime

  bool has(unsigned options) const { return (given & options) != 0; }
};

const OptionWord* option_word(CommandContext& c, size_t i) {
  for (const OptionWord& word : kOptionWords) {
    if (c.is(i, word.word)) return &word;
  }
  return nullptr;
}

// The options from argument `from` on; false when an error was replied.
bool read_options(CommandContext& c, size_t from, unsigned allowed, SetOptions* options) {
  for (size_t i = from; i < c.argc(); ++i) {
    const OptionWord* word = option_word(c, i);
    const bool ok = word != nullptr && (word->option & allowed) != 0 &&
                    !options->has(word->against) &&
                    ((word->option & kTakesTime) == 0 || i + 1 < c.argc());
    if (!ok) {
      c.fail();
      return false;
    }
    options->given |= word->option;
    if ((word->option & kTakesTime) != 0) options->time_at = ++i;
  }
  return true;
}

// Argument i, whose meaning `option` tells, as an absolute time in milliseconds; false when an
// error was replied.
bool read_time(CommandContext& c, size_t i, unsigned option, int64_t* at_ms) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const bool seconds = (option & (kEx | kExAt)) != 0, absolute = (option & (kExAt | kPxAt)) != 0;
  int64_t value;
  if (!c.integer(i, &value)) return false;
  if (value > 0 && (!seconds || value <= kMax / 1000)) {
    if (seconds) value *= 1000;
    if (absolute || value <= kMax - c.now_ms) {
      *at_ms = absolute ? value : value + c.now_ms;
      return true;
    }
  }
  c.fail("ERR invalid expire time in '" + c.command.full_name + "' command");
  return false;
}

// The time that the options ask for, 0 if none.
bool read_time(CommandContext& c, const SetOptions& options, int64_t* at_ms) {
  *at_ms = 0;
  return !options.has(kTakesTime) || read_time(c, options.time_at, options.given, at_ms);
}

void reply_value(CommandContext& c, const Object* object) {
  if (object == nullptr) {
    c.reply.null();
    return;
  }
  IntScratch scratch;
  c.reply.bulk(object->string(scratch));
}

void put(CommandContext& c, const KeyRef& key, std::string_view value) {
  if (c.notifies()) c.find_write(key);
  c.put_string(key, value, 0);
  c.notify_string("set", key);
}

// Stores a value whose expiry may lie in the past already: then the key is simply gone.
void store(CommandContext& c, const KeyRef& key, std::string_view value, int64_t expire_at_ms,
           const SetOptions& options, bool exists) {
  const bool gone = expire_at_ms != 0 && expire_at_ms <= c.now_ms;
  if (!gone) {
    c.put_string(key, value, expire_at_ms);
  } else if (exists) {
    c.erase(key);
  }
  c.notify_string("set", key);
  if (options.has(kTakesTime)) c.notify_generic("expire", key);
  if (gone) c.notify(NotifyClass::kExpired, "expired", key);
}

void set_with_options(CommandContext& c, const KeyRef& key) {
  SetOptions options;
  int64_t expire_at_ms;
  if (!read_options(c, 3, kForSet, &options) || !read_time(c, options, &expire_at_ms)) return;
  const bool shows_old = options.has(kGet);
  if (shows_old) c.find_value(key);
  const Object* old = shows_old ? c.find_read(key) : c.find_write(key);
  if (shows_old) {
    if (!c.expect_type(old, ObjectType::kString)) return;
    reply_value(c, old);
  }
  const bool exists = old != nullptr;
  if (options.has(exists ? kNx : kXx)) {
    if (!shows_old) c.reply.null();
    return;
  }
  if (options.has(kKeepTtl) && exists) expire_at_ms = old->expire_at_ms();
  store(c, key, c.args[2], expire_at_ms, options, exists);
  if (!shows_old) c.reply.ok();
}

void set_with_time(CommandContext& c, unsigned option) {
  int64_t at_ms;
  if (!read_time(c, 2, option, &at_ms)) return;
  const KeyRef key = c.key(1);
  if (c.notifies()) c.find_write(key);
  c.put_string(key, c.args[3], at_ms);
  c.notify_string("set", key);
  c.notify_generic("expire", key);
  c.reply.ok();
}

// False when a key has no value (replied).
bool check_pairs(CommandContext& c) {
  if (c.argc() % 2 == 1) return true;
  c.fail("ERR wrong number of arguments for '" + c.command.full_name + "' command");
  return false;
}

void put_pairs(CommandContext& c) {
  for (size_t i = 1; i < c.argc(); i += 2) put(c, c.key(i), c.args[i + 1]);
}

}  // namespace

void set_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  if (c.argc() > 3) {
    set_with_options(c, key);
    return;
  }
  put(c, key, c.args[2]);
  c.reply.ok();
}

void setnx_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const bool absent = c.find_write(key) == nullptr;
  if (absent) put(c, key, c.args[2]);
  c.reply.integer(absent ? 1 : 0);
}

void setex_command(CommandContext& c) { set_with_time(c, kEx); }
void psetex_command(CommandContext& c) { set_with_time(c, kPx); }

void get_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (c.expect_type(object, ObjectType::kString)) reply_value(c, object);
}

void getset_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* old = c.find_read(key);
  if (!c.expect_type(old, ObjectType::kString)) return;
  reply_value(c, old);
  put(c, key, c.args[2]);
}

void getdel_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* old = c.find_read(key);
  if (!c.expect_type(old, ObjectType::kString)) return;
  reply_value(c, old);
  if (old == nullptr) return;
  c.erase(key);
  c.notify_generic("del", key);
}

void getex_command(CommandContext& c) {
  SetOptions options;
  if (!read_options(c, 2, kForGetEx, &options)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_read(key);
  if (!c.expect_type(object, ObjectType::kString)) return;
  if (object == nullptr) {  // before the time is looked at, as in Redis
    c.reply.null();
    return;
  }
  int64_t expire_at_ms;
  if (!read_time(c, options, &expire_at_ms)) return;
  reply_value(c, object);
  if (options.has(kTakesTime)) {
    if (expire_at_ms <= c.now_ms) {
      c.erase(key);
      c.notify_generic("del", key);
    } else {
      c.set_expiry(key, expire_at_ms);
      c.notify_generic("expire", key);
    }
  } else if (options.has(kPersist) && object->expire_at_ms() != 0) {
    c.set_expiry(key, 0);
    c.notify_generic("persist", key);
  }
}

void mget_command(CommandContext& c) {
  c.reply.array(c.argc() - 1);
  for (size_t i = 1; i < c.argc(); ++i) {
    const Object* object = c.find_read(c.key(i));
    reply_value(c, object != nullptr && object->type() == ObjectType::kString ? object : nullptr);
  }
}

void mset_command(CommandContext& c) {
  if (!check_pairs(c)) return;
  put_pairs(c);
  c.reply.ok();
}

void msetnx_command(CommandContext& c) {
  if (!check_pairs(c)) return;
  for (size_t i = 1; i < c.argc(); i += 2) {
    if (c.find_write(c.key(i)) != nullptr) {
      c.reply.integer(0);
      return;
    }
  }
  put_pairs(c);
  c.reply.integer(1);
}

}  // namespace holdfast
