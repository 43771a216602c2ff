// String commands: the family's rows, and those that look at or change a part of a value. Whole
// values, numbers and LCS are in strings_value.cc, strings_number.cc and lcs.cc.
//
// A part is changed by an effect with the changed bytes only, however long the value is.
#include "resp/commands/strings.h"

#include <algorithm>

#include "resp/commands/families.h"
#include "resp/context.h"

namespace holdfast {
namespace {

// False when an error was replied.
bool check_size(CommandContext& c, uint64_t size) {
  if (size <= c.options().resp_max_bulk_bytes) return true;
  c.fail(errors::kStringTooLong);
  return false;
}

void append_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kString)) return;
  const uint64_t size = object == nullptr ? 0 : object->string_size();
  if (!check_size(c, size + c.args[2].size())) return;
  if (object == nullptr) {
    c.put_string(key, c.args[2], 0);
  } else if (!c.args[2].empty()) {
    c.write_range(key, size, c.args[2]);
  }
  c.notify_string("append", key);
  c.reply.integer(static_cast<int64_t>(size + c.args[2].size()));
}

void strlen_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kString)) return;
  c.reply.integer(object == nullptr ? 0 : static_cast<int64_t>(object->string_size()));
}

void setrange_command(CommandContext& c) {
  int64_t offset;
  if (!c.integer(2, &offset)) return;
  if (offset < 0) {
    c.fail("ERR offset is out of range");
    return;
  }
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kString)) return;
  const uint64_t size = object == nullptr ? 0 : object->string_size();
  if (c.args[3].empty()) {
    c.reply.integer(static_cast<int64_t>(size));
    return;
  }
  const uint64_t end = static_cast<uint64_t>(offset) + c.args[3].size();
  if (!check_size(c, end)) return;
  c.write_range(key, static_cast<uint64_t>(offset), c.args[3]);
  c.notify_string("setrange", key);
  c.reply.integer(static_cast<int64_t>(std::max(size, end)));
}

void getrange_command(CommandContext& c) {
  int64_t start, end;
  if (!c.integer(2, &start) || !c.integer(3, &end)) return;
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kString)) return;
  IntScratch scratch;
  const std::string_view value = object == nullptr ? std::string_view() : object->string(scratch);
  const auto size = static_cast<int64_t>(value.size());
  if (start < 0 && end < 0 && start > end) {
    c.reply.bulk("");
    return;
  }
  if (start < 0) start = std::max<int64_t>(0, start + size);
  if (end < 0) end = std::max<int64_t>(0, end + size);
  end = std::min(end, size - 1);
  c.reply.bulk(
      start > end ? std::string_view()
                  : value.substr(static_cast<size_t>(start), static_cast<size_t>(end - start + 1)));
}

constexpr auto kRead = KeySpec::range(kKeyRO | kKeyAccess, 1, 1);
constexpr auto kOverwrite = KeySpec::range(kKeyOW | kKeyUpdate, 1, 1);
constexpr auto kInsertOnly = KeySpec::range(kKeyOW | kKeyInsert, 1, 1);
constexpr auto kReplace = KeySpec::range(kKeyRW | kKeyAccess | kKeyUpdate, 1, 1);

constexpr CommandSpec kCommands[] = {
    {"append",
     3,
     kWrite | kDenyOom | kFast,
     kCatString,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     append_command,
     "string",
     "2.0.0",
     "O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
     "already present value is of any size.",
     "Appends a string to the value of a key. Creates the key if it doesn't exist.",
     "key value"},
    {"get",
     2,
     kReadonly | kFast,
     kCatString,
     {kRead},
     get_command,
     "string",
     "1.0.0",
     "O(1)",
     "Returns the string value of a key.",
     "key"},
    {"getdel",
     2,
     kWrite | kFast,
     kCatString,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1)},
     getdel_command,
     "string",
     "6.2.0",
     "O(1)",
     "Returns the string value of a key after deleting the key.",
     "key"},
    {"getex",
     -2,
     kWrite | kFast,
     kCatString,
     {kReplace},
     getex_command,
     "string",
     "6.2.0",
     "O(1)",
     "Returns the string value of a key after setting its expiration time.",
     "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | "
     "PERSIST]"},
    {"getrange",
     4,
     kReadonly,
     kCatString,
     {kRead},
     getrange_command,
     "string",
     "2.4.0",
     "O(N) where N is the length of the returned string.",
     "Returns a substring of the string stored at a key.",
     "key start end"},
    {"getset",
     3,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kReplace},
     getset_command,
     "string",
     "1.0.0",
     "O(1)",
     "Returns the previous string value of a key after setting it to a new value.",
     "key value"},
    {"mget",
     -2,
     kReadonly | kFast,
     kCatString,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, -1)},
     mget_command,
     "string",
     "1.0.0",
     "O(N) where N is the number of keys to retrieve.",
     "Atomically returns the string values of one or more keys.",
     "key [key ...]"},
    {"mset",
     -3,
     kWrite | kDenyOom,
     kCatString,
     {KeySpec::range(kKeyOW | kKeyUpdate, 1, -1, 2)},
     mset_command,
     "string",
     "1.0.1",
     "O(N) where N is the number of keys to set.",
     "Atomically creates or modifies the string values of one or more keys.",
     "key value [key value ...]"},
    {"msetnx",
     -3,
     kWrite | kDenyOom,
     kCatString,
     {KeySpec::range(kKeyOW | kKeyInsert, 1, -1, 2)},
     msetnx_command,
     "string",
     "1.0.1",
     "O(N) where N is the number of keys to set.",
     "Atomically modifies the string values of one or more keys only when all keys don't exist.",
     "key value [key value ...]"},
    {"psetex",
     4,
     kWrite | kDenyOom,
     kCatString,
     {kOverwrite},
     psetex_command,
     "string",
     "2.6.0",
     "O(1)",
     "Sets both string value and expiration time in milliseconds of a key. The key is "
     "created if it doesn't exist.",
     "key milliseconds value"},
    {"set",
     -3,
     kWrite | kDenyOom,
     kCatString,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyUpdate | kKeyVariableFlags, 1, 1)},
     set_command,
     "string",
     "1.0.0",
     "O(1)",
     "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
     "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT "
     "unix-time-milliseconds | KEEPTTL]"},
    {"setex",
     4,
     kWrite | kDenyOom,
     kCatString,
     {kOverwrite},
     setex_command,
     "string",
     "2.0.0",
     "O(1)",
     "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
     "key seconds value"},
    {"setnx",
     3,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kInsertOnly},
     setnx_command,
     "string",
     "1.0.0",
     "O(1)",
     "Set the string value of a key only when the key doesn't exist.",
     "key value"},
    {"setrange",
     4,
     kWrite | kDenyOom,
     kCatString,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     setrange_command,
     "string",
     "2.2.0",
     "O(1), not counting the time taken to copy the new string in place. Usually, this string is "
     "very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being "
     "the length of the value argument.",
     "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't "
     "exist.",
     "key offset value"},
    {"strlen",
     2,
     kReadonly | kFast,
     kCatString,
     {KeySpec::range(kKeyRO, 1, 1)},
     strlen_command,
     "string",
     "2.2.0",
     "O(1)",
     "Returns the length of a string value.",
     "key"},
    {"substr",
     4,
     kReadonly,
     kCatString,
     {kRead},
     getrange_command,
     "string",
     "1.0.0",
     "O(N) where N is the length of the returned string.",
     "Returns a substring from a string value.",
     "key start end"},
    {"decr",
     2,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kReplace},
     decr_command,
     "string",
     "1.0.0",
     "O(1)",
     "Decrements the integer value of a key by one. Uses 0 as initial value if the key "
     "doesn't exist.",
     "key"},
    {"decrby",
     3,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kReplace},
     decrby_command,
     "string",
     "1.0.0",
     "O(1)",
     "Decrements a number from the integer value of a key. Uses 0 as initial "
     "value if the key doesn't exist.",
     "key decrement"},
    {"incr",
     2,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kReplace},
     incr_command,
     "string",
     "1.0.0",
     "O(1)",
     "Increments the integer value of a key by one. Uses 0 as initial value if the key "
     "doesn't exist.",
     "key"},
    {"incrby",
     3,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kReplace},
     incrby_command,
     "string",
     "1.0.0",
     "O(1)",
     "Increments the integer value of a key by a number. Uses 0 as initial value "
     "if the key doesn't exist.",
     "key increment"},
    {"incrbyfloat",
     3,
     kWrite | kDenyOom | kFast,
     kCatString,
     {kReplace},
     incrbyfloat_command,
     "string",
     "2.6.0",
     "O(1)",
     "Increment the floating point value of a key by a number. Uses 0 "
     "as initial value if the key doesn't exist.",
     "key increment:double"},
    {"lcs",
     -3,
     kReadonly,
     kCatString,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 2)},
     lcs_command,
     "string",
     "7.0.0",
     "O(N*M) where N and M are the lengths of s1 and s2, respectively",
     "Finds the longest common substring.",
     "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]"},
};

}  // namespace

std::span<const CommandSpec> string_commands() { return kCommands; }

}  // namespace holdfast
