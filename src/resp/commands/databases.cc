// Commands on whole databases: counting, listing, swapping and emptying them. Of a cluster's node
// that is what it serves.
//
// What must hold: a reply that shows (or depends on) a whole database waits for its newest change;
// a key that has expired is in no listing, though DBSIZE counts it until it is erased, as Redis's
// does; emptying a database that is empty changes nothing.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "resp/commands/collection_scan.h"
#include "resp/commands/families.h"
#include "resp/commands/type_names.h"
#include "resp/context.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/glob.h"

namespace holdfast {
namespace {

// One SCAN call looks at no more than this many buckets for each key that it was asked for.
constexpr uint64_t kScanEffort = 10;
constexpr uint64_t kScanDefaultCount = 10;
// Expired keys that RANDOMKEY draws before it looks for a live one in order.
constexpr int kRandomTries = 100;

bool expired(const CommandContext& c, const Object& object) {
  return object.expire_at_ms() != 0 && object.expire_at_ms() <= c.now_ms;
}

void reply_keys(CommandContext& c, const std::vector<std::string_view>& keys) {
  c.reply.array(keys.size());
  for (const std::string_view key : keys) c.reply.bulk(key);
}

void dbsize_command(CommandContext& c) {
  c.observe_database(c.db());
  c.reply.integer(static_cast<int64_t>(c.server.shards().size(c.db())));
}

void keys_command(CommandContext& c) {
  c.observe_database(c.db());
  const std::string_view pattern = c.args[1];
  const bool all = pattern == "*";
  std::vector<std::string_view> keys;
  uint64_t cursor = 0;
  do {
    cursor = c.server.shards().scan(c.db(), cursor, [&](Object* object) {
      if (expired(c, *object) || !(all || glob_match(pattern, object->key()))) return;
      keys.push_back(object->key());
    });
  } while (cursor != 0);
  reply_keys(c, keys);
}

// --- SCAN ---

struct ScanOptions {
  uint64_t cursor = 0;
  uint64_t count = kScanDefaultCount;
  std::string_view pattern;
  bool match = false;
  uint32_t types = ~uint32_t{0};  // a bit for each ObjectType that is wanted
};

constexpr uint32_t type_bit(ObjectType type) { return uint32_t{1} << static_cast<int>(type); }

bool parse_scan(CommandContext& c, ScanOptions* options) {
  if (!parse_cursor(c.args[1], &options->cursor)) {
    c.fail(errors::kInvalidCursor);
    return false;
  }
  for (size_t i = 2; i < c.argc(); i += 2) {
    if (i + 1 == c.argc()) {
      c.fail();
      return false;
    }
    if (c.is(i, "count")) {
      int64_t count;
      if (!c.integer(i + 1, &count)) return false;
      if (count < 1) {
        c.fail();
        return false;
      }
      options->count = static_cast<uint64_t>(count);
    } else if (c.is(i, "match")) {
      options->pattern = c.args[i + 1];
      options->match = options->pattern != "*";
    } else if (c.is(i, "type")) {
      options->types = 0;  // an unknown type has no keys
      for (const ObjectType type : kObjectTypes) {
        if (c.is(i + 1, type_name(type))) options->types = type_bit(type);
      }
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

void scan_command(CommandContext& c) {
  ScanOptions options;
  if (!parse_scan(c, &options)) return;
  c.observe_database(c.db());
  std::vector<std::string_view> keys;
  uint64_t seen = 0;
  uint64_t cursor = options.cursor;
  const uint64_t most_calls = std::min(options.count, UINT64_MAX / kScanEffort) * kScanEffort;
  for (uint64_t calls = 0; calls <= most_calls; ++calls) {
    cursor = c.server.shards().scan(c.db(), cursor, [&](Object* object) {
      ++seen;
      if ((options.types & type_bit(object->type())) == 0 || expired(c, *object)) return;
      if (options.match && !glob_match(options.pattern, object->key())) return;
      keys.push_back(object->key());
    });
    if (cursor == 0 || seen >= options.count) break;
  }
  c.reply.array(2);
  c.reply.bulk(std::to_string(cursor));
  reply_keys(c, keys);
}

// --- RANDOMKEY ---

// The first live key from the beginning of the database; null if all have expired.
const Object* first_live(const CommandContext& c) {
  const Object* found = nullptr;
  uint64_t cursor = 0;
  do {
    cursor = c.server.shards().scan(c.db(), cursor, [&](Object* object) {
      if (found == nullptr && !expired(c, *object)) found = object;
    });
  } while (cursor != 0 && found == nullptr);
  return found;
}

void randomkey_command(CommandContext& c) {
  c.observe_database(c.db());
  const Object* object = c.server.shards().random_object(c.db(), c.server.random());
  for (int i = 0; i < kRandomTries && object != nullptr && expired(c, *object); ++i) {
    object = c.server.shards().random_object(c.db(), c.server.random());
  }
  if (object != nullptr && expired(c, *object)) object = first_live(c);
  if (object == nullptr) {
    c.reply.null();
  } else {
    c.reply.bulk(object->key());
  }
}

// --- SWAPDB, FLUSHDB, FLUSHALL ---

bool index_argument(CommandContext& c, size_t i, std::string_view error, int64_t* index) {
  if (!c.integer(i, index, error)) return false;
  if (*index >= std::numeric_limits<int>::min() && *index <= std::numeric_limits<int>::max()) {
    return true;
  }
  c.fail(error);
  return false;
}

bool is_database(int64_t index) { return index >= 0 && index < kDbCount; }

void swapdb_command(CommandContext& c) {
  if (c.server.shards().in_cluster()) return c.fail("ERR SWAPDB is not allowed in cluster mode");
  int64_t first;
  int64_t second;
  if (!index_argument(c, 1, "ERR invalid first DB index", &first)) return;
  if (!index_argument(c, 2, "ERR invalid second DB index", &second)) return;
  if (!is_database(first) || !is_database(second)) {
    c.fail(errors::kDbIndex);
    return;
  }
  if (first != second) {
    DbMap map = c.keyspace().db_map();
    std::swap(map[static_cast<size_t>(first)], map[static_cast<size_t>(second)]);
    static_assert(sizeof map == kDbCount);
    c.emit(Effect::map_databases({reinterpret_cast<const char*>(map.data()), map.size()}));
    c.server.tracking().flushed();  // the names mean other keys now
  }
  c.reply.ok();
}

// The mode is of no consequence: tables are handed away at once and freed bit by bit either way.
bool check_flush_mode(CommandContext& c) {
  if (c.argc() == 1) return true;
  if (c.argc() == 2 && (c.is(1, "async") || c.is(1, "sync"))) return true;
  c.fail();
  return false;
}

void flush(CommandContext& c, DbId db) {
  c.observe_database(db);  // "it is empty now" must hold even if it was empty before
  for (Shard* shard : c.server.shards().served()) {
    if (shard->keyspace().size(db) != 0) CommandContext::emit_on(*shard, Effect::flush_db(db));
  }
}

void flushdb_command(CommandContext& c) {
  if (!check_flush_mode(c)) return;
  flush(c, c.db());
  c.server.tracking().flushed();
  c.reply.ok();
}

void flushall_command(CommandContext& c) {
  if (!check_flush_mode(c)) return;
  for (int db = 0; db < kDbCount; ++db) flush(c, static_cast<DbId>(db));
  c.server.tracking().flushed();
  c.reply.ok();
}

constexpr CommandSpec kCommands[] = {
    {"dbsize",
     1,
     kReadonly | kFast,
     kCatKeyspace,
     {},
     dbsize_command,
     "server",
     "1.0.0",
     "O(1)",
     "Return the number of keys in the selected database"},
    {"flushall",
     -1,
     kWrite,
     kCatKeyspace | kCatDangerous,
     {},
     flushall_command,
     "server",
     "1.0.0",
     "O(N) where N is the total number of keys in all databases",
     "Remove all keys from all databases",
     "[ASYNC | SYNC]"},
    {"flushdb",
     -1,
     kWrite,
     kCatKeyspace | kCatDangerous,
     {},
     flushdb_command,
     "server",
     "1.0.0",
     "O(N) where N is the number of keys in the selected database",
     "Remove all keys from the current database",
     "[ASYNC | SYNC]"},
    {"keys",
     2,
     kReadonly,
     kCatKeyspace | kCatDangerous,
     {},
     keys_command,
     "generic",
     "1.0.0",
     "O(N) with N being the number of keys in the database, under the assumption that the key "
     "names in the database and the given pattern have limited length.",
     "Find all keys matching the given pattern",
     "pattern"},
    {"randomkey",
     1,
     kReadonly,
     kCatKeyspace,
     {},
     randomkey_command,
     "generic",
     "1.0.0",
     "O(1)",
     "Return a random key from the keyspace"},
    {"scan",
     -2,
     kReadonly,
     kCatKeyspace,
     {},
     scan_command,
     "generic",
     "2.8.0",
     "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
     "cursor to return back to 0. N is the number of elements inside the collection.",
     "Incrementally iterate the keys space",
     "cursor [MATCH pattern] [COUNT count] [TYPE type]"},
    {"swapdb",
     3,
     kWrite | kFast,
     kCatKeyspace | kCatDangerous,
     {},
     swapdb_command,
     "server",
     "4.0.0",
     "O(N) where N is the count of clients watching or blocking on keys from both "
     "databases.",
     "Swaps two Redis databases",
     "index1 index2"},
};

}  // namespace

std::span<const CommandSpec> database_commands() { return kCommands; }

}  // namespace holdfast
