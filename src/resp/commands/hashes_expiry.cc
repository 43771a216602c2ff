// Fields that expire: HEXPIRE and its like, as Redis 7.4 has them.
//
// As with keys, effects carry points in time, and a point that has passed deletes at once.
#include <string>
#include <unordered_set>

#include "resp/commands/hashes.h"
#include "resp/context.h"
#include "store/types/hash.h"

namespace holdfast {
namespace {

constexpr int64_t kMsPerSecond = 1000;
// What Redis keeps of a point in time.
constexpr int64_t kMaxTimeMs = (int64_t{1} << 46) - 1;

// Replies for each field.
constexpr int64_t kNoField = -2;
constexpr int64_t kNoExpiry = -1;
constexpr int64_t kNotMet = 0;
constexpr int64_t kDone = 1;
constexpr int64_t kDeleted = 2;

enum class Condition : uint8_t { kNone, kIfNone, kIfAny, kIfLater, kIfEarlier };

// `current` 0: no expiry.
bool allows(Condition condition, int64_t current, int64_t at_ms) {
  switch (condition) {
    case Condition::kNone:
      return true;
    case Condition::kIfNone:
      return current == 0;
    case Condition::kIfAny:
      return current != 0;
    case Condition::kIfLater:
      return current != 0 && at_ms > current;
    case Condition::kIfEarlier:
      return current == 0 || at_ms < current;
  }
  return true;
}

// FIELDS numfields field [field ...] from argument `at` to the end. False when an error was
// replied; `count_error` is about the number.
bool parse_fields(CommandContext& c, size_t at, std::string_view count_error) {
  if (!c.is(at, "fields")) {
    c.fail("ERR Mandatory argument FIELDS is missing or not at the right position");
    return false;
  }
  int64_t count = 0;
  if (at + 1 >= c.argc() || !parse_int64(c.args[at + 1], &count) || count < 1) {
    c.fail(count_error);
    return false;
  }
  if (static_cast<uint64_t>(count) == c.argc() - at - 2) return true;
  c.fail("ERR The `numfields` parameter must match the number of arguments");
  return false;
}

constexpr std::string_view kCountError = "ERR Number of fields must be a positive integer";

void reply_no_fields(CommandContext& c, size_t first) {
  c.reply.array(c.argc() - first);
  for (size_t i = first; i < c.argc(); ++i) c.reply.integer(kNoField);
}

// The point in time that argument 2 means.
bool parse_time(CommandContext& c, int64_t base_ms, int64_t unit_ms, int64_t* at_ms) {
  if (!c.integer(2, at_ms)) return false;
  if (*at_ms < 0) {
    c.fail("ERR invalid expire time, must be >= 0");
    return false;
  }
  if (*at_ms > kMaxTimeMs / unit_ms || *at_ms * unit_ms > kMaxTimeMs - base_ms) {
    c.fail("ERR invalid expire time in '" + c.command.full_name + "' command");
    return false;
  }
  *at_ms = *at_ms * unit_ms + base_ms;
  return true;
}

Condition parse_condition(CommandContext& c) {
  if (c.is(3, "nx")) return Condition::kIfNone;
  if (c.is(3, "xx")) return Condition::kIfAny;
  if (c.is(3, "gt")) return Condition::kIfLater;
  return c.is(3, "lt") ? Condition::kIfEarlier : Condition::kNone;
}

// Emits what was put together for the fields that the condition allows.
void expire_or_delete(CommandContext& c, const KeyRef& key, bool passed, bool emptied,
                      std::string_view operands) {
  if (operands.empty()) return;
  c.edit(passed ? EffectType::kHashDelete : EffectType::kHashExpire, key, operands);
  c.notify(NotifyClass::kHash, passed ? "hdel" : "hexpire", key);
  if (emptied) c.notify_generic("del", key);
}

void expire(CommandContext& c, int64_t base_ms, int64_t unit_ms) {
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  int64_t at_ms;
  if (!write_hash(c, key, &hash) || !parse_time(c, base_ms, unit_ms, &at_ms)) return;
  const Condition condition = parse_condition(c);
  const size_t fields_at = condition == Condition::kNone ? 3 : 4;
  if (!parse_fields(c, fields_at, "ERR Parameter `numFields` should be greater than 0")) return;
  const size_t first = fields_at + 2;
  if (!hash) return reply_no_fields(c, first);

  const bool passed = at_ms <= c.now_ms;
  const uint64_t size = hash_size(*hash);
  uint64_t deleted = 0;
  std::string& operands = c.operands();
  std::unordered_set<std::string_view> seen;  // a field that is named again is gone already
  c.reply.array(c.argc() - first);
  for (size_t i = first; i < c.argc(); ++i) {
    const std::string_view field = c.args[i];
    const auto current = hash_expiry(*hash, field);
    const bool gone = passed && seen.contains(field);
    if (!current || gone) {
      c.reply.integer(kNoField);
    } else if (!allows(condition, *current, at_ms)) {
      c.reply.integer(kNotMet);
    } else {
      if (!passed) put_varint(operands, static_cast<uint64_t>(at_ms));
      put_bytes(operands, field);
      if (passed) {
        ++deleted;
        if (c.argc() - first > 1) seen.insert(field);
      }
      c.reply.integer(passed ? kDeleted : kDone);
    }
  }
  expire_or_delete(c, key, passed, deleted == size, operands);
}

void tell(CommandContext& c, int64_t base_ms, int64_t unit_ms) {
  std::optional<Collection> hash;
  if (!read_hash(c, c.key(1), &hash) || !parse_fields(c, 2, kCountError)) return;
  constexpr size_t kFirst = 4;
  if (!hash) return reply_no_fields(c, kFirst);
  c.reply.array(c.argc() - kFirst);
  for (size_t i = kFirst; i < c.argc(); ++i) {
    const auto at_ms = hash_expiry(*hash, c.args[i]);
    if (!at_ms) {
      c.reply.integer(kNoField);
    } else {
      c.reply.integer(*at_ms == 0 ? kNoExpiry : (*at_ms - base_ms + unit_ms - 1) / unit_ms);
    }
  }
}

}  // namespace

void hexpire_command(CommandContext& c) { expire(c, c.now_ms, kMsPerSecond); }
void hpexpire_command(CommandContext& c) { expire(c, c.now_ms, 1); }
void hexpireat_command(CommandContext& c) { expire(c, 0, kMsPerSecond); }
void hpexpireat_command(CommandContext& c) { expire(c, 0, 1); }

void httl_command(CommandContext& c) { tell(c, c.now_ms, kMsPerSecond); }
void hpttl_command(CommandContext& c) { tell(c, c.now_ms, 1); }
void hexpiretime_command(CommandContext& c) { tell(c, 0, kMsPerSecond); }
void hpexpiretime_command(CommandContext& c) { tell(c, 0, 1); }

void hpersist_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  if (!write_hash(c, key, &hash) || !parse_fields(c, 2, kCountError)) return;
  constexpr size_t kFirst = 4;
  if (!hash) return reply_no_fields(c, kFirst);
  std::string& operands = c.operands();
  c.reply.array(c.argc() - kFirst);
  for (size_t i = kFirst; i < c.argc(); ++i) {
    const auto at_ms = hash_expiry(*hash, c.args[i]);
    if (!at_ms || *at_ms == 0) {
      c.reply.integer(at_ms ? kNoExpiry : kNoField);
      continue;
    }
    put_varint(operands, 0);
    put_bytes(operands, c.args[i]);
    c.reply.integer(kDone);
  }
  if (operands.empty()) return;
  c.edit(EffectType::kHashExpire, key, operands);
  c.notify(NotifyClass::kHash, "hpersist", key);
}

}  // namespace holdfast
