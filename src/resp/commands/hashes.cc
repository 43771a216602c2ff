// Hash commands: the family's rows, and those that set, get and delete fields.
#include "resp/commands/hashes.h"

#include <cmath>
#include <string>

#include "resp/commands/families.h"
#include "resp/commands/long_double.h"
#include "resp/context.h"
#include "store/types/hash.h"

namespace holdfast {

namespace {

bool take_hash(CommandContext& c, const Object* object, std::optional<Collection>* hash) {
  if (!c.expect_type(object, ObjectType::kHash)) return false;
  if (object != nullptr) *hash = object->collection();
  return true;
}

}  // namespace

bool read_hash(CommandContext& c, const KeyRef& key, std::optional<Collection>* hash) {
  return take_hash(c, c.find_read(key), hash);
}

bool write_hash(CommandContext& c, const KeyRef& key, std::optional<Collection>* hash) {
  return take_hash(c, c.find_write(key), hash);
}

namespace {

uint64_t size_of(const std::optional<Collection>& hash) { return hash ? hash_size(*hash) : 0; }

// After an edit; 0 when the key is gone.
uint64_t size_now(CommandContext& c, const KeyRef& key) {
  const Object* object = c.keyspace().find(c.db(), key);
  return object == nullptr ? 0 : hash_size(object->collection());
}

// --- HSET, HMSET, HSETNX, HDEL ---

void set_fields(CommandContext& c, bool tell_count) {
  if (c.argc() % 2 != 0) {
    return c.fail("ERR wrong number of arguments for '" + c.command.full_name + "' command");
  }
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  if (!write_hash(c, key, &hash)) return;
  const uint64_t before = size_of(hash);
  std::string& operands = c.operands();
  for (size_t i = 2; i < c.argc(); ++i) put_bytes(operands, c.args[i]);
  c.edit(EffectType::kHashSet, key, operands);
  if (tell_count) {
    c.reply.integer(static_cast<int64_t>(size_now(c, key) - before));
  } else {
    c.reply.ok();
  }
  c.notify(NotifyClass::kHash, "hset", key);
}

void hset_command(CommandContext& c) { set_fields(c, true); }
void hmset_command(CommandContext& c) { set_fields(c, false); }

void put_field(CommandContext& c, EffectType type, const KeyRef& key, std::string_view value) {
  std::string& operands = c.operands();
  put_bytes(operands, c.args[2]);
  put_bytes(operands, value);
  c.edit(type, key, operands);
}

void hsetnx_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  if (!write_hash(c, key, &hash)) return;
  if (hash && hash_expiry(*hash, c.args[2])) return c.reply.integer(0);
  put_field(c, EffectType::kHashSet, key, c.args[3]);
  c.reply.integer(1);
  c.notify(NotifyClass::kHash, "hset", key);
}

void hdel_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  if (!write_hash(c, key, &hash)) return;
  if (!hash) return c.reply.integer(0);
  std::string& operands = c.operands();
  for (size_t i = 2; i < c.argc(); ++i) {
    if (hash_expiry(*hash, c.args[i])) put_bytes(operands, c.args[i]);
  }
  if (operands.empty()) return c.reply.integer(0);
  const uint64_t before = hash_size(*hash);
  c.edit(EffectType::kHashDelete, key, operands);
  const uint64_t after = size_now(c, key);
  c.reply.integer(static_cast<int64_t>(before - after));
  c.notify(NotifyClass::kHash, "hdel", key);
  if (after == 0) c.notify_generic("del", key);
}

// --- HINCRBY, HINCRBYFLOAT ---

void hincrby_command(CommandContext& c) {
  int64_t by;
  if (!c.integer(3, &by)) return;
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  if (!write_hash(c, key, &hash)) return;
  int64_t value = 0;
  IntScratch scratch;
  const auto old = hash ? hash_get(*hash, c.args[2], scratch) : std::nullopt;
  if (old && !parse_int64(*old, &value)) return c.fail("ERR hash value is not an integer");
  if (__builtin_add_overflow(value, by, &value)) return c.fail(errors::kOverflow);
  put_field(c, EffectType::kHashUpdate, key, format_int64(value, scratch.bytes));
  c.reply.integer(value);
  c.notify(NotifyClass::kHash, "hincrby", key);
}

void hincrbyfloat_command(CommandContext& c) {
  long double by = 0, value = 0;
  if (!parse_long_double(c.args[3], &by)) return c.fail(errors::kNotFloat);
  if (std::isinf(by)) return c.fail("ERR value is NaN or Infinity");
  const KeyRef key = c.key(1);
  std::optional<Collection> hash;
  if (!write_hash(c, key, &hash)) return;
  IntScratch scratch;
  const auto old = hash ? hash_get(*hash, c.args[2], scratch) : std::nullopt;
  if (old && !parse_long_double(*old, &value)) return c.fail("ERR hash value is not a float");
  value += by;
  if (std::isnan(value) || std::isinf(value)) {
    return c.fail("ERR increment would produce NaN or Infinity");
  }
  const std::string text = format_long_double(value);
  put_field(c, EffectType::kHashUpdate, key, text);
  c.reply.bulk(text);
  c.notify(NotifyClass::kHash, "hincrbyfloat", key);
}

// --- reading ---

void reply_value(CommandContext& c, const std::optional<Collection>& hash, std::string_view field) {
  IntScratch scratch;
  const auto value = hash ? hash_get(*hash, field, scratch) : std::nullopt;
  if (value) {
    c.reply.bulk(*value);
  } else {
    c.reply.null();
  }
}

void hget_command(CommandContext& c) {
  std::optional<Collection> hash;
  if (read_hash(c, c.key(1), &hash)) reply_value(c, hash, c.args[2]);
}

void hmget_command(CommandContext& c) {
  std::optional<Collection> hash;
  if (!read_hash(c, c.key(1), &hash)) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) reply_value(c, hash, c.args[i]);
}

void hlen_command(CommandContext& c) {
  std::optional<Collection> hash;
  if (read_hash(c, c.key(1), &hash)) c.reply.integer(static_cast<int64_t>(size_of(hash)));
}

void hstrlen_command(CommandContext& c) {
  std::optional<Collection> hash;
  if (!read_hash(c, c.key(1), &hash)) return;
  IntScratch scratch;
  const auto value = hash ? hash_get(*hash, c.args[2], scratch) : std::nullopt;
  c.reply.integer(value ? static_cast<int64_t>(value->size()) : 0);
}

void hexists_command(CommandContext& c) {
  std::optional<Collection> hash;
  if (!read_hash(c, c.key(1), &hash)) return;
  c.reply.integer(hash && hash_expiry(*hash, c.args[2]) ? 1 : 0);
}

void reply_all(CommandContext& c, bool fields, bool values) {
  std::optional<Collection> hash;
  if (!read_hash(c, c.key(1), &hash)) return;
  if (fields && values) {
    c.reply.map(size_of(hash));
  } else {
    c.reply.array(size_of(hash));
  }
  if (!hash) return;
  HashCursor cursor(*hash);
  while (cursor.next()) {
    if (fields) c.reply.bulk(cursor.field());
    if (values) c.reply.bulk(cursor.value());
  }
}

void hgetall_command(CommandContext& c) { reply_all(c, true, true); }
void hkeys_command(CommandContext& c) { reply_all(c, true, false); }
void hvals_command(CommandContext& c) { reply_all(c, false, true); }

// --- rows ---

constexpr auto kLook = KeySpec::range(kKeyRO, 1, 1);
constexpr auto kRead = KeySpec::range(kKeyRO | kKeyAccess, 1, 1);
constexpr auto kUpdate = KeySpec::range(kKeyRW | kKeyUpdate, 1, 1);
constexpr auto kChange = KeySpec::range(kKeyRW | kKeyAccess | kKeyUpdate, 1, 1);

constexpr CommandSpec kCommands[] = {
    {"hdel",
     -3,
     kWrite | kFast,
     kCatHash,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     hdel_command,
     "hash",
     "2.0.0",
     "O(N) where N is the number of fields to be removed.",
     "Deletes one or more fields and their values from a hash. Deletes the hash if no fields "
     "remain.",
     "key field [field ...]"},
    {"hexists",
     3,
     kReadonly | kFast,
     kCatHash,
     {kLook},
     hexists_command,
     "hash",
     "2.0.0",
     "O(1)",
     "Determines whether a field exists in a hash.",
     "key field"},
    {"hexpire",
     -6,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kUpdate},
     hexpire_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Set expiry for hash field using relative time to expire (seconds)",
     "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]"},
    {"hexpireat",
     -6,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kUpdate},
     hexpireat_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Set expiry for hash field using an absolute Unix timestamp (seconds)",
     "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]"},
    {"hexpiretime",
     -5,
     kReadonly | kFast,
     kCatHash,
     {kRead},
     hexpiretime_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Returns the expiration time of a hash field as a Unix timestamp, in seconds.",
     "key FIELDS numfields field [field ...]"},
    {"hget",
     3,
     kReadonly | kFast,
     kCatHash,
     {kRead},
     hget_command,
     "hash",
     "2.0.0",
     "O(1)",
     "Returns the value of a field in a hash.",
     "key field"},
    {"hgetall",
     2,
     kReadonly,
     kCatHash,
     {kRead},
     hgetall_command,
     "hash",
     "2.0.0",
     "O(N) where N is the size of the hash.",
     "Returns all fields and values in a hash.",
     "key"},
    {"hincrby",
     4,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kChange},
     hincrby_command,
     "hash",
     "2.0.0",
     "O(1)",
     "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if "
     "the field doesn't exist.",
     "key field increment"},
    {"hincrbyfloat",
     4,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kChange},
     hincrbyfloat_command,
     "hash",
     "2.6.0",
     "O(1)",
     "Increments the floating point value of a field by a number. Uses 0 as initial value if the "
     "field doesn't exist.",
     "key field increment:double"},
    {"hkeys",
     2,
     kReadonly,
     kCatHash,
     {kRead},
     hkeys_command,
     "hash",
     "2.0.0",
     "O(N) where N is the size of the hash.",
     "Returns all fields in a hash.",
     "key"},
    {"hlen",
     2,
     kReadonly | kFast,
     kCatHash,
     {kLook},
     hlen_command,
     "hash",
     "2.0.0",
     "O(1)",
     "Returns the number of fields in a hash.",
     "key"},
    {"hmget",
     -3,
     kReadonly | kFast,
     kCatHash,
     {kRead},
     hmget_command,
     "hash",
     "2.0.0",
     "O(N) where N is the number of fields being requested.",
     "Returns the values of all fields in a hash.",
     "key field [field ...]"},
    {"hmset",
     -4,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kUpdate},
     hmset_command,
     "hash",
     "2.0.0",
     "O(N) where N is the number of fields being set.",
     "Sets the values of multiple fields.",
     "key field value [field value ...]"},
    {"hpersist",
     -5,
     kWrite | kFast,
     kCatHash,
     {kUpdate},
     hpersist_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Removes the expiration time for each specified field",
     "key FIELDS numfields field [field ...]"},
    {"hpexpire",
     -6,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kUpdate},
     hpexpire_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Set expiry for hash field using relative time to expire (milliseconds)",
     "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]"},
    {"hpexpireat",
     -6,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kUpdate},
     hpexpireat_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Set expiry for hash field using an absolute Unix timestamp (milliseconds)",
     "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]"},
    {"hpexpiretime",
     -5,
     kReadonly | kFast,
     kCatHash,
     {kRead},
     hpexpiretime_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Returns the expiration time of a hash field as a Unix timestamp, in msec.",
     "key FIELDS numfields field [field ...]"},
    {"hpttl",
     -5,
     kReadonly | kFast,
     kCatHash,
     {kRead},
     hpttl_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Returns the TTL in milliseconds of a hash field.",
     "key FIELDS numfields field [field ...]"},
    {"hrandfield",
     -2,
     kReadonly,
     kCatHash,
     {kRead},
     hrandfield_command,
     "hash",
     "6.2.0",
     "O(N) where N is the number of fields returned",
     "Returns one or more random fields from a hash.",
     "key [count [WITHVALUES]]"},
    {"hscan",
     -3,
     kReadonly,
     kCatHash,
     {kRead},
     hscan_command,
     "hash",
     "2.8.0",
     "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
     "cursor to return back to 0. N is the number of elements inside the collection.",
     "Iterates over fields and values of a hash.",
     "key cursor [MATCH pattern] [COUNT count] [NOVALUES]"},
    {"hset",
     -4,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {kUpdate},
     hset_command,
     "hash",
     "2.0.0",
     "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is "
     "called with multiple field/value pairs.",
     "Creates or modifies the value of a field in a hash.",
     "key field value [field value ...]"},
    {"hsetnx",
     4,
     kWrite | kDenyOom | kFast,
     kCatHash,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     hsetnx_command,
     "hash",
     "2.0.0",
     "O(1)",
     "Sets the value of a field in a hash only when the field doesn't exist.",
     "key field value"},
    {"hstrlen",
     3,
     kReadonly | kFast,
     kCatHash,
     {kLook},
     hstrlen_command,
     "hash",
     "3.2.0",
     "O(1)",
     "Returns the length of the value of a field.",
     "key field"},
    {"httl",
     -5,
     kReadonly | kFast,
     kCatHash,
     {kRead},
     httl_command,
     "hash",
     "7.4.0",
     "O(N) where N is the number of specified fields",
     "Returns the TTL in seconds of a hash field.",
     "key FIELDS numfields field [field ...]"},
    {"hvals",
     2,
     kReadonly,
     kCatHash,
     {kRead},
     hvals_command,
     "hash",
     "2.0.0",
     "O(N) where N is the size of the hash.",
     "Returns all values in a hash.",
     "key"},
};

}  // namespace

std::span<const CommandSpec> hash_commands() { return kCommands; }

}  // namespace holdfast
