// Commands on whole keys, whatever their value: DEL, UNLINK, EXISTS, TYPE, TOUCH, RENAME, COPY,
// MOVE and OBJECT.
//
// What must hold: a value is written to its new key before the old key is erased, in one entry, so
// that no crash loses it; a key that is renamed to itself is left alone.
#include <algorithm>
#include <limits>
#include <string_view>

#include "resp/commands/families.h"
#include "resp/commands/type_names.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr std::string_view kNotFrequencies =
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
    "when switching between policies at runtime LRU and LFU data will take some time to adjust.";

// Redis shares one object for each of the integers below, and says so in OBJECT REFCOUNT.
constexpr int64_t kSharedIntegers = 10000;
constexpr int64_t kSharedReferences = std::numeric_limits<int32_t>::max();

// Looks at a key as a read that is no use of it and of which nobody is told.
Object* find_unnoticed(CommandContext& c, const KeyRef& key) {
  Object* object = c.find_write(key);
  ServerStats& stats = c.server.stats();
  ++(object == nullptr ? stats.keyspace_misses : stats.keyspace_hits);
  return object;
}

// As a read that is no use of it.
Object* find_untouched(CommandContext& c, size_t i) {
  const KeyRef key = c.key(i);
  Object* object = find_unnoticed(c, key);
  if (object == nullptr) c.notify(NotifyClass::kKeyMiss, "keymiss", key);
  return object;
}

// The number of a logical database in argument `i`; replies with the error and returns false when
// it is none.
bool database_argument(CommandContext& c, size_t i, int* db) {
  int64_t number;
  if (!c.integer_between(i, INT32_MIN, INT32_MAX, &number)) return false;
  if (number < 0 || number >= kDbCount) {
    c.fail(errors::kDbIndex);
    return false;
  }
  *db = static_cast<int>(number);
  return true;
}

// Writes a copy of `source`, expiry included, to another key. REQUIRES: the keys differ.
// `replaces`: there is one, which counts as deleted, and the key as new.
void put_copy(CommandContext& c, const Object& source, DbId db, const KeyRef& key, bool replaces) {
  IntScratch scratch;
  std::string encoded;
  if (source.is_collection()) {
    collection_type(source.type()).encode(source.collection(), &encoded);
  }
  c.put_value(db, key, source.type(), source.is_collection() ? encoded : source.string(scratch),
              source.expire_at_ms());
  if (replaces) c.notify(NotifyClass::kNew, "new", db, key);
}

void del_command(CommandContext& c) {
  int64_t erased = 0;
  for (size_t i = 1; i < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    if (c.find_write(key) == nullptr) continue;
    c.erase(key);
    c.notify_generic("del", key);
    ++erased;
  }
  c.reply.integer(erased);
}

void exists_command(CommandContext& c) {
  int64_t found = 0;
  for (size_t i = 1; i < c.argc(); ++i) found += find_untouched(c, i) != nullptr ? 1 : 0;
  c.reply.integer(found);
}

void touch_command(CommandContext& c) {
  int64_t touched = 0;
  for (size_t i = 1; i < c.argc(); ++i) {
    Object* object = c.find_read(c.key(i));
    if (object == nullptr) continue;
    object->set_access(c.keyspace().access_clock());  // even under CLIENT NO-TOUCH
    ++touched;
  }
  c.reply.integer(touched);
}

void type_command(CommandContext& c) {
  const Object* object = find_untouched(c, 1);
  c.reply.simple(object == nullptr ? "none" : type_name(object->type()));
}

// True when the key was moved. Replies an error when there is none, nothing otherwise.
void rename(CommandContext& c, bool only_to_new) {
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(2);
  const Object* object = c.find_write(from);
  if (object == nullptr) {
    c.fail(errors::kNoSuchKey);
    return;
  }
  const bool same = from.bytes == to.bytes;
  const bool exists = same || c.find_write(to) != nullptr;
  const bool taken = only_to_new && exists;
  if (!same && !taken) {
    put_copy(c, *object, c.db(), to, exists);
    c.erase(from);
    c.notify_generic("rename_from", from);
    c.notify_generic("rename_to", to);
  }
  if (only_to_new) {
    c.reply.integer(taken ? 0 : 1);
  } else {
    c.reply.ok();
  }
}

void rename_command(CommandContext& c) { rename(c, false); }

void renamenx_command(CommandContext& c) { rename(c, true); }

void copy_command(CommandContext& c) {
  bool replace = false;
  int target = c.session.state.db;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "replace")) {
      replace = true;
    } else if (c.is(i, "db") && i + 1 < c.argc()) {
      if (!database_argument(c, ++i, &target)) return;
    } else {
      c.fail();
      return;
    }
  }
  if (target != 0 && c.server.shards().in_cluster()) {
    return c.fail("ERR Copying to another database is not allowed in cluster mode");
  }
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(2);
  const DbId db = c.keyspace().physical(target);
  if (db == c.db() && from.bytes == to.bytes) {
    c.fail(errors::kSameObject);
    return;
  }
  const Object* object = c.find_read(from);
  const bool exists = object != nullptr && c.find_write(db, to) != nullptr;
  const bool copies = object != nullptr && (!exists || replace);
  if (copies) {
    put_copy(c, *object, db, to, exists);
    c.notify(NotifyClass::kGeneric, "copy_to", db, to);
  }
  c.reply.integer(copies ? 1 : 0);
}

void move_command(CommandContext& c) {
  if (c.server.shards().in_cluster()) return c.fail("ERR MOVE is not allowed in cluster mode");
  int target;
  if (!database_argument(c, 2, &target)) return;
  const DbId db = c.keyspace().physical(target);
  if (db == c.db()) {
    c.fail(errors::kSameObject);
    return;
  }
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  const bool moves = object != nullptr && c.find_write(db, key) == nullptr;
  if (moves) {
    put_copy(c, *object, db, key, false);
    c.erase(key);
    c.notify_generic("move_from", key);
    c.notify(NotifyClass::kGeneric, "move_to", db, key);
  }
  c.reply.integer(moves ? 1 : 0);
}

// --- OBJECT ---

// The object of OBJECT's key; replies null when there is none.
const Object* inspected(CommandContext& c) {
  const Object* object = find_unnoticed(c, c.key(2));
  if (object == nullptr) c.reply.null();
  return object;
}

void object_encoding(CommandContext& c) {
  const Object* object = inspected(c);
  if (object == nullptr) return;
  // Of a string on the device its size tells enough.
  if (object->cold() && object->is_collection()) object = c.find_value(c.key(2));
  c.reply.bulk(object->encoding_name());
}

void object_refcount(CommandContext& c) {
  const Object* object = inspected(c);
  if (object == nullptr) return;
  int64_t value;
  const bool shared = object->encoding() == Encoding::kInt && object->integer(&value) &&
                      value >= 0 && value < kSharedIntegers;
  c.reply.integer(shared ? kSharedReferences : 1);
}

void object_idletime(CommandContext& c) {
  const Object* object = inspected(c);
  if (object == nullptr) return;
  c.reply.integer(std::max<int64_t>(0, c.now_ms / 1000 - object->access()));
}

void object_freq(CommandContext& c) {
  if (inspected(c) != nullptr) c.fail(kNotFrequencies);
}

void object_help(CommandContext& c) {
  reply_help(c, {"ENCODING <key>",
                 "    Return the kind of internal representation used in order to store the value",
                 "    associated with a <key>.", "FREQ <key>",
                 "    Return the access frequency index of the <key>. The returned integer is",
                 "    proportional to the logarithm of the recent access frequency of the key.",
                 "IDLETIME <key>",
                 "    Return the idle time of the <key>, that is the approximated number of",
                 "    seconds elapsed since the last access to the key.", "REFCOUNT <key>",
                 "    Return the number of references of the value associated with the specified",
                 "    <key>."});
}

constexpr KeySpec kObjectKey = KeySpec::range(kKeyRO, 2, 2);

constexpr CommandSpec kObjectSubcommands[] = {
    {"encoding",
     3,
     kReadonly,
     kCatKeyspace,
     {kObjectKey},
     object_encoding,
     "generic",
     "2.2.3",
     "O(1)",
     "Inspect the internal encoding of a Redis object",
     "key"},
    {"freq",
     3,
     kReadonly,
     kCatKeyspace,
     {kObjectKey},
     object_freq,
     "generic",
     "4.0.0",
     "O(1)",
     "Get the logarithmic access frequency counter of a Redis object",
     "key"},
    {"help",
     2,
     kLoading | kStale,
     kCatKeyspace,
     {},
     object_help,
     "generic",
     "6.2.0",
     "O(1)",
     "Show helpful text about the different subcommands"},
    {"idletime",
     3,
     kReadonly,
     kCatKeyspace,
     {kObjectKey},
     object_idletime,
     "generic",
     "2.2.3",
     "O(1)",
     "Get the time since a Redis object was last accessed",
     "key"},
    {"refcount",
     3,
     kReadonly,
     kCatKeyspace,
     {kObjectKey},
     object_refcount,
     "generic",
     "2.2.3",
     "O(1)",
     "Get the number of references to the value of the key",
     "key"},
};

constexpr int kRemoved = kKeyRM | kKeyDelete;
constexpr int kMovedAway = kKeyRW | kKeyAccess | kKeyDelete;

constexpr CommandSpec kCommands[] = {
    {"copy",
     -3,
     kWrite | kDenyOom,
     kCatKeyspace,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1), KeySpec::range(kKeyOW | kKeyUpdate, 2, 2)},
     copy_command,
     "generic",
     "6.2.0",
     "O(N) worst case for collections, where N is the number of nested items. O(1) for string "
     "values.",
     "Copy a key",
     "source destination [DB destination-db] [REPLACE]"},
    {"del",
     -2,
     kWrite,
     kCatKeyspace,
     {KeySpec::range(kRemoved, 1, -1)},
     del_command,
     "generic",
     "1.0.0",
     "O(N) where N is the number of keys that will be removed. When a key to remove holds a value "
     "other than a string, the individual complexity for this key is O(M) where M is the number "
     "of elements in the list, set, sorted set or hash. Removing a single key that holds a string "
     "value is O(1).",
     "Delete a key",
     "key [key ...]"},
    {"exists",
     -2,
     kReadonly | kFast,
     kCatKeyspace,
     {KeySpec::range(kKeyRO, 1, -1)},
     exists_command,
     "generic",
     "1.0.0",
     "O(N) where N is the number of keys to check.",
     "Determine if a key exists",
     "key [key ...]"},
    {"move",
     3,
     kWrite | kFast,
     kCatKeyspace,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyUpdate, 1, 1)},
     move_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Move a key to another database",
     "key db"},
    {.name = "object",
     .arity = -2,
     .handler = nullptr,
     .group = "generic",
     .since = "2.2.3",
     .complexity = "Depends on subcommand.",
     .summary = "A container for object introspection commands",
     .subcommands = kObjectSubcommands},
    {"rename",
     3,
     kWrite,
     kCatKeyspace,
     {KeySpec::range(kMovedAway, 1, 1), KeySpec::range(kKeyOW | kKeyUpdate, 2, 2)},
     rename_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Rename a key",
     "key newkey"},
    {"renamenx",
     3,
     kWrite | kFast,
     kCatKeyspace,
     {KeySpec::range(kMovedAway, 1, 1), KeySpec::range(kKeyOW | kKeyInsert, 2, 2)},
     renamenx_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Rename a key, only if the new key does not exist",
     "key newkey"},
    {"touch",
     -2,
     kReadonly | kFast,
     kCatKeyspace,
     {KeySpec::range(kKeyRO, 1, -1)},
     touch_command,
     "generic",
     "3.2.1",
     "O(N) where N is the number of keys that will be touched.",
     "Alters the last access time of a key(s). Returns the number of existing keys specified.",
     "key [key ...]"},
    {"type",
     2,
     kReadonly | kFast,
     kCatKeyspace,
     {KeySpec::range(kKeyRO, 1, 1)},
     type_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Determine the type stored at key",
     "key"},
    {"unlink",
     -2,
     kWrite | kFast,
     kCatKeyspace,
     {KeySpec::range(kRemoved, 1, -1)},
     del_command,
     "generic",
     "4.0.0",
     "O(1) for each key removed regardless of its size. Then the command does O(N) work in a "
     "different thread in order to reclaim memory, where N is the number of allocations the "
     "deleted objects where composed of.",
     "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non "
     "blocking.",
     "key [key ...]"},
};

}  // namespace

std::string_view type_name(ObjectType type) {
  switch (type) {
    case ObjectType::kString:
      return "string";
    case ObjectType::kList:
      return "list";
    case ObjectType::kSet:
      return "set";
    case ObjectType::kZset:
      return "zset";
    case ObjectType::kHash:
      return "hash";
    case ObjectType::kStream:
      return "stream";
  }
  HF_ASSERT(false);
}

std::span<const CommandSpec> key_commands() { return kCommands; }

}  // namespace holdfast
