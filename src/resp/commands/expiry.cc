// Commands that set, tell and remove the expiry of a key.
//
// What must hold: effects carry a point in time, never a duration; a point that has passed erases
// the key at once; times that do not fit into 64 bits of milliseconds are refused.
#include <string>

#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kTtlNoKey = -2;
constexpr int64_t kTtlNone = -1;

// When the expiry may be set: conditions on the one that the key has.
struct Condition {
  bool if_none = false;     // NX
  bool if_any = false;      // XX
  bool if_later = false;    // GT
  bool if_earlier = false;  // LT

  // `current` 0: no expiry, which counts as one infinitely late.
  bool allows(int64_t current, int64_t at_ms) const {
    if (if_none && current != 0) return false;
    if (if_any && current == 0) return false;
    if (if_later && (current == 0 || at_ms <= current)) return false;
    return !if_earlier || current == 0 || at_ms < current;
  }
};

bool parse_condition(CommandContext& c, Condition* condition) {
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "nx")) {
      condition->if_none = true;
    } else if (c.is(i, "xx")) {
      condition->if_any = true;
    } else if (c.is(i, "gt")) {
      condition->if_later = true;
    } else if (c.is(i, "lt")) {
      condition->if_earlier = true;
    } else {
      const std::string_view shown = c.args[i].substr(0, c.args[i].find('\0'));
      c.fail("ERR Unsupported option " + std::string(shown));
      return false;
    }
  }
  if (condition->if_none && (condition->if_any || condition->if_later || condition->if_earlier)) {
    c.fail("ERR NX and XX, GT or LT options at the same time are not compatible");
    return false;
  }
  if (condition->if_later && condition->if_earlier) {
    c.fail("ERR GT and LT options at the same time are not compatible");
    return false;
  }
  return true;
}

// The point in time that argument 2 means, counted from `base_ms` in units of `unit_ms`.
bool parse_time(CommandContext& c, int64_t base_ms, int64_t unit_ms, int64_t* at_ms) {
  int64_t amount;
  if (!c.integer(2, &amount)) return false;
  int64_t offset_ms;
  if (__builtin_mul_overflow(amount, unit_ms, &offset_ms) ||
      __builtin_add_overflow(offset_ms, base_ms, at_ms)) {
    c.fail("ERR invalid expire time in '" + c.command.full_name + "' command");
    return false;
  }
  return true;
}

void touch(CommandContext& c, Object* object) {
  if (!c.session.state.no_touch) object->set_access(c.keyspace().access_clock());
}

void expire(CommandContext& c, int64_t base_ms, int64_t unit_ms) {
  Condition condition;
  int64_t at_ms;
  if (!parse_condition(c, &condition) || !parse_time(c, base_ms, unit_ms, &at_ms)) return;
  const KeyRef key = c.key(1);
  Object* object = c.find_write(key);
  if (object == nullptr) {
    c.reply.integer(0);
    return;
  }
  touch(c, object);
  const int64_t current = object->expire_at_ms();
  if (!condition.allows(current, at_ms)) {
    c.reply.integer(0);
    return;
  }
  if (at_ms <= c.now_ms) {
    c.erase(key);
    c.notify_generic("del", key);
  } else {
    if (at_ms != current) c.set_expiry(key, at_ms);
    c.notify_generic("expire", key);
  }
  c.reply.integer(1);
}

void expire_command(CommandContext& c) { expire(c, c.now_ms, kMsPerSecond); }
void pexpire_command(CommandContext& c) { expire(c, c.now_ms, 1); }
void expireat_command(CommandContext& c) { expire(c, 0, kMsPerSecond); }
void pexpireat_command(CommandContext& c) { expire(c, 0, 1); }

void persist_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  Object* object = c.find_write(key);
  if (object == nullptr || object->expire_at_ms() == 0) {
    if (object != nullptr) touch(c, object);
    c.reply.integer(0);
    return;
  }
  touch(c, object);
  c.set_expiry(key, 0);
  c.notify_generic("persist", key);
  c.reply.integer(1);
}

// Replies the key's expiry less `base_ms`, in units of `unit_ms`, rounded to the nearest.
void tell_expiry(CommandContext& c, int64_t base_ms, int64_t unit_ms) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);  // asking is not a use of the key
  ServerStats& stats = c.server.stats();
  ++(object == nullptr ? stats.keyspace_misses : stats.keyspace_hits);
  if (object == nullptr) c.notify(NotifyClass::kKeyMiss, "keymiss", key);
  if (object == nullptr || object->expire_at_ms() == 0) {
    c.reply.integer(object == nullptr ? kTtlNoKey : kTtlNone);
    return;
  }
  const int64_t ms = object->expire_at_ms() - base_ms;
  const bool up = unit_ms > 1 && ms % unit_ms >= unit_ms / 2;
  c.reply.integer(ms / unit_ms + (up ? 1 : 0));
}

void ttl_command(CommandContext& c) { tell_expiry(c, c.now_ms, kMsPerSecond); }
void pttl_command(CommandContext& c) { tell_expiry(c, c.now_ms, 1); }
void expiretime_command(CommandContext& c) { tell_expiry(c, 0, kMsPerSecond); }
void pexpiretime_command(CommandContext& c) { tell_expiry(c, 0, 1); }

constexpr KeySpec kWritten = KeySpec::range(kKeyRW | kKeyUpdate, 1, 1);
constexpr KeySpec kRead = KeySpec::range(kKeyRO | kKeyAccess, 1, 1);

constexpr CommandSpec kCommands[] = {
    {"expire",
     -3,
     kWrite | kFast,
     kCatKeyspace,
     {kWritten},
     expire_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Set a key's time to live in seconds",
     "key seconds [NX | XX | GT | LT]"},
    {"expireat",
     -3,
     kWrite | kFast,
     kCatKeyspace,
     {kWritten},
     expireat_command,
     "generic",
     "1.2.0",
     "O(1)",
     "Set the expiration for a key as a UNIX timestamp",
     "key unix-time-seconds [NX | XX | GT | LT]"},
    {"expiretime",
     2,
     kReadonly | kFast,
     kCatKeyspace,
     {kRead},
     expiretime_command,
     "generic",
     "7.0.0",
     "O(1)",
     "Get the expiration Unix timestamp for a key",
     "key"},
    {"persist",
     2,
     kWrite | kFast,
     kCatKeyspace,
     {kWritten},
     persist_command,
     "generic",
     "2.2.0",
     "O(1)",
     "Remove the expiration from a key",
     "key"},
    {"pexpire",
     -3,
     kWrite | kFast,
     kCatKeyspace,
     {kWritten},
     pexpire_command,
     "generic",
     "2.6.0",
     "O(1)",
     "Set a key's time to live in milliseconds",
     "key milliseconds [NX | XX | GT | LT]"},
    {"pexpireat",
     -3,
     kWrite | kFast,
     kCatKeyspace,
     {kWritten},
     pexpireat_command,
     "generic",
     "2.6.0",
     "O(1)",
     "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
     "key unix-time-milliseconds [NX | XX | GT | LT]"},
    {"pexpiretime",
     2,
     kReadonly | kFast,
     kCatKeyspace,
     {kRead},
     pexpiretime_command,
     "generic",
     "7.0.0",
     "O(1)",
     "Get the expiration Unix timestamp for a key in milliseconds",
     "key"},
    {"pttl",
     2,
     kReadonly | kFast,
     kCatKeyspace,
     {kRead},
     pttl_command,
     "generic",
     "2.6.0",
     "O(1)",
     "Get the time to live for a key in milliseconds",
     "key"},
    {"ttl",
     2,
     kReadonly | kFast,
     kCatKeyspace,
     {kRead},
     ttl_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Get the time to live for a key in seconds",
     "key"},
};

}  // namespace

std::span<const CommandSpec> expiry_commands() { return kCommands; }

}  // namespace holdfast
