// Set commands: the family's rows, and those that add, remove and ask for members.
#include "resp/commands/sets.h"

#include <string>

#include "resp/commands/collection_scan.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "store/types/set.h"

namespace holdfast {

namespace {

bool take_set(CommandContext& c, const Object* object, std::optional<Collection>* set) {
  if (!c.expect_type(object, ObjectType::kSet)) return false;
  if (object != nullptr) *set = object->collection();
  return true;
}

}  // namespace

bool read_set(CommandContext& c, const KeyRef& key, std::optional<Collection>* set) {
  return take_set(c, c.find_read(key), set);
}

bool write_set(CommandContext& c, const KeyRef& key, std::optional<Collection>* set) {
  return take_set(c, c.find_write(key), set);
}

namespace {

uint64_t size_of(const std::optional<Collection>& set) { return set ? set_size(*set) : 0; }

bool has(const std::optional<Collection>& set, std::string_view member) {
  return set && set_contains(*set, member);
}

// After an edit; 0 when the key is gone.
uint64_t size_now(CommandContext& c, const KeyRef& key) {
  const Object* object = c.keyspace().find(c.db(), key);
  return object == nullptr ? 0 : set_size(object->collection());
}

// --- SADD, SREM, SMOVE ---

// Members that are there already are left out: what changes nothing is not logged.
void sadd_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  std::optional<Collection> set;
  if (!write_set(c, key, &set)) return;
  std::string& operands = c.operands();
  for (size_t i = 2; i < c.argc(); ++i) {
    if (!has(set, c.args[i])) put_bytes(operands, c.args[i]);
  }
  if (operands.empty()) return c.reply.integer(0);
  const uint64_t before = size_of(set);
  c.edit(EffectType::kSetAdd, key, operands);
  c.reply.integer(c.argc() == 3 ? 1 : static_cast<int64_t>(size_now(c, key) - before));
  c.notify(NotifyClass::kSet, "sadd", key);
}

void srem_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  std::optional<Collection> set;
  if (!write_set(c, key, &set)) return;
  std::string& operands = c.operands();
  for (size_t i = 2; i < c.argc(); ++i) {
    if (has(set, c.args[i])) put_bytes(operands, c.args[i]);
  }
  if (operands.empty()) return c.reply.integer(0);
  const uint64_t before = set_size(*set);
  c.edit(EffectType::kSetRemove, key, operands);
  const uint64_t after = size_now(c, key);
  c.reply.integer(static_cast<int64_t>(before - after));
  c.notify(NotifyClass::kSet, "srem", key);
  if (after == 0) c.notify_generic("del", key);
}

void smove_command(CommandContext& c) {
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(2);
  const Object* source = c.find_write(from);
  const Object* target = c.find_write(to);
  if (source == nullptr) return c.reply.integer(0);
  std::optional<Collection> source_set, target_set;
  if (!take_set(c, source, &source_set) || !take_set(c, target, &target_set)) return;
  const std::string_view member = c.args[3];
  if (!has(source_set, member)) return c.reply.integer(0);
  if (source == target) return c.reply.integer(1);
  const bool last = set_size(*source_set) == 1;
  const bool there = has(target_set, member);
  std::string& operands = c.operands();
  put_bytes(operands, member);
  c.edit(EffectType::kSetRemove, from, operands);
  c.notify(NotifyClass::kSet, "srem", from);
  if (last) c.notify_generic("del", from);
  if (!there) {
    c.edit(EffectType::kSetAdd, to, operands);
    c.notify(NotifyClass::kSet, "sadd", to);
  }
  c.reply.integer(1);
}

// --- reading ---

void sismember_command(CommandContext& c) {
  std::optional<Collection> set;
  if (read_set(c, c.key(1), &set)) c.reply.integer(has(set, c.args[2]) ? 1 : 0);
}

void smismember_command(CommandContext& c) {
  std::optional<Collection> set;
  if (!read_set(c, c.key(1), &set)) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) c.reply.integer(has(set, c.args[i]) ? 1 : 0);
}

void scard_command(CommandContext& c) {
  std::optional<Collection> set;
  if (read_set(c, c.key(1), &set)) c.reply.integer(static_cast<int64_t>(size_of(set)));
}

void smembers_command(CommandContext& c) {
  std::optional<Collection> set;
  if (!read_set(c, c.key(1), &set)) return;
  c.reply.set(size_of(set));
  if (!set) return;
  SetCursor cursor(*set);
  while (cursor.next()) c.reply.bulk(cursor.member());
}

void sscan_command(CommandContext& c) {
  ScanArguments scan;
  std::optional<Collection> set;
  if (!parse_scan_cursor(c, &scan) || !read_set(c, c.key(1), &set)) return;
  if (!set) return reply_scan(c, 0, 0, {});
  if (!parse_scan_options(c, false, &scan)) return;
  std::string& found = c.operands();
  uint64_t count = 0;
  const auto visit = [&](const auto& each) {
    if (!scan.wants(each.member())) return;
    put_bytes(found, each.member());
    ++count;
  };
  uint64_t cursor = 0;
  if (const SetTable* table = set_table(*set); table != nullptr) {
    cursor = scan_table(table->table(), scan, visit);
  } else {
    SetCursor members(*set);
    while (members.next()) visit(members);
  }
  reply_scan(c, cursor, count, found);
}

// --- rows ---

constexpr auto kLook = KeySpec::range(kKeyRO, 1, 1);
constexpr auto kRead = KeySpec::range(kKeyRO | kKeyAccess, 1, 1);
constexpr auto kReadAll = KeySpec::range(kKeyRO | kKeyAccess, 1, -1);
constexpr auto kReadRest = KeySpec::range(kKeyRO | kKeyAccess, 2, -1);
constexpr auto kStored = KeySpec::range(kKeyOW | kKeyUpdate, 1, 1);

constexpr CommandSpec kCommands[] = {
    {"sadd",
     -3,
     kWrite | kDenyOom | kFast,
     kCatSet,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     sadd_command,
     "set",
     "1.0.0",
     "O(1) for each element added, so O(N) to add N elements when the command is called with "
     "multiple arguments.",
     "Adds one or more members to a set. Creates the key if it doesn't exist.",
     "key member [member ...]"},
    {"scard",
     2,
     kReadonly | kFast,
     kCatSet,
     {kLook},
     scard_command,
     "set",
     "1.0.0",
     "O(1)",
     "Returns the number of members in a set.",
     "key"},
    {"sdiff",
     -2,
     kReadonly,
     kCatSet,
     {kReadAll},
     sdiff_command,
     "set",
     "1.0.0",
     "O(N) where N is the total number of elements in all given sets.",
     "Returns the difference of multiple sets.",
     "key [key ...]"},
    {"sdiffstore",
     -3,
     kWrite | kDenyOom,
     kCatSet,
     {kStored, kReadRest},
     sdiffstore_command,
     "set",
     "1.0.0",
     "O(N) where N is the total number of elements in all given sets.",
     "Stores the difference of multiple sets in a key.",
     "destination:key key [key ...]"},
    {"sinter",
     -2,
     kReadonly,
     kCatSet,
     {kReadAll},
     sinter_command,
     "set",
     "1.0.0",
     "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of "
     "sets.",
     "Returns the intersect of multiple sets.",
     "key [key ...]"},
    {"sintercard",
     -3,
     kReadonly | kMovableKeys,
     kCatSet,
     {KeySpec::counted(kKeyRO | kKeyAccess, 1)},
     sintercard_command,
     "set",
     "7.0.0",
     "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of "
     "sets.",
     "Returns the number of members of the intersect of multiple sets.",
     "numkeys key [key ...] [LIMIT limit:integer]"},
    {"sinterstore",
     -3,
     kWrite | kDenyOom,
     kCatSet,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1), kReadRest},
     sinterstore_command,
     "set",
     "1.0.0",
     "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of "
     "sets.",
     "Stores the intersect of multiple sets in a key.",
     "destination:key key [key ...]"},
    {"sismember",
     3,
     kReadonly | kFast,
     kCatSet,
     {kLook},
     sismember_command,
     "set",
     "1.0.0",
     "O(1)",
     "Determines whether a member belongs to a set.",
     "key member"},
    {"smembers",
     2,
     kReadonly,
     kCatSet,
     {kRead},
     smembers_command,
     "set",
     "1.0.0",
     "O(N) where N is the set cardinality.",
     "Returns all members of a set.",
     "key"},
    {"smismember",
     -3,
     kReadonly | kFast,
     kCatSet,
     {kRead},
     smismember_command,
     "set",
     "6.2.0",
     "O(N) where N is the number of elements being checked for membership",
     "Determines whether multiple members belong to a set.",
     "key member [member ...]"},
    {"smove",
     4,
     kWrite | kFast,
     kCatSet,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1),
      KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     smove_command,
     "set",
     "1.0.0",
     "O(1)",
     "Moves a member from one set to another.",
     "source:key destination:key member"},
    {"spop",
     -2,
     kWrite | kFast,
     kCatSet,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1)},
     spop_command,
     "set",
     "1.0.0",
     "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
     "Returns one or more random members from a set after removing them. Deletes the set if the "
     "last member was popped.",
     "key [count]"},
    {"srandmember",
     -2,
     kReadonly,
     kCatSet,
     {kRead},
     srandmember_command,
     "set",
     "1.0.0",
     "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed "
     "count.",
     "Get one or multiple random members from a set",
     "key [count]"},
    {"srem",
     -3,
     kWrite | kFast,
     kCatSet,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     srem_command,
     "set",
     "1.0.0",
     "O(N) where N is the number of members to be removed.",
     "Removes one or more members from a set. Deletes the set if the last member was removed.",
     "key member [member ...]"},
    {"sscan",
     -3,
     kReadonly,
     kCatSet,
     {kRead},
     sscan_command,
     "set",
     "2.8.0",
     "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
     "cursor to return back to 0. N is the number of elements inside the collection.",
     "Iterates over members of a set.",
     "key cursor [MATCH pattern] [COUNT count]"},
    {"sunion",
     -2,
     kReadonly,
     kCatSet,
     {kReadAll},
     sunion_command,
     "set",
     "1.0.0",
     "O(N) where N is the total number of elements in all given sets.",
     "Returns the union of multiple sets.",
     "key [key ...]"},
    {"sunionstore",
     -3,
     kWrite | kDenyOom,
     kCatSet,
     {kStored, kReadRest},
     sunionstore_command,
     "set",
     "1.0.0",
     "O(N) where N is the total number of elements in all given sets.",
     "Stores the union of multiple sets in a key.",
     "destination:key key [key ...]"},
};

}  // namespace

std::span<const CommandSpec> set_commands() { return kCommands; }

}  // namespace holdfast
