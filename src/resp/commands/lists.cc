// List commands: the family's rows, and those that push, look at, change and search elements. Those
// that take elements off an end are in lists_pop.cc.
#include "resp/commands/lists.h"

#include <algorithm>
#include <string>
#include <vector>

#include "resp/commands/families.h"

namespace holdfast {
namespace {

// --- pushing ---

void push(CommandContext& c, ListSide side, bool only_existing) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kList)) return;
  if (object == nullptr && only_existing) return c.reply.integer(0);
  const uint64_t size = object == nullptr ? 0 : list_size(object->collection());
  std::string& operands = c.operands();
  put_fixed(operands, side);
  for (const std::string_view element : c.args.subspan(2)) put_bytes(operands, element);
  c.edit(EffectType::kListPush, key, operands);
  c.reply.integer(static_cast<int64_t>(size + c.argc() - 2));
  c.notify(NotifyClass::kList, kPushEvents[static_cast<size_t>(side)], key);
}

void lpush_command(CommandContext& c) { push(c, ListSide::kFront, false); }
void rpush_command(CommandContext& c) { push(c, ListSide::kBack, false); }
void lpushx_command(CommandContext& c) { push(c, ListSide::kFront, true); }
void rpushx_command(CommandContext& c) { push(c, ListSide::kBack, true); }

// The index of the first equal element; the size when there is none.
uint64_t index_of(const Collection& list, std::string_view element) {
  uint64_t index = 0;
  for (ListCursor at(list, 0, true); at.valid() && !at.equals(element); at.step()) ++index;
  return index;
}

void linsert_command(CommandContext& c) {
  const bool before = c.is(2, "before");
  if (!before && !c.is(2, "after")) return c.fail();
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (object == nullptr) return c.reply.integer(0);
  if (!c.expect_type(object, ObjectType::kList)) return;
  const Collection list = object->collection();
  const uint64_t size = list_size(list);
  const uint64_t pivot = index_of(list, c.args[3]);
  if (pivot == size) return c.reply.integer(-1);
  std::string& operands = c.operands();
  put_list_element(operands, before ? pivot : pivot + 1, c.args[4]);
  c.edit(EffectType::kListInsert, key, operands);
  c.reply.integer(static_cast<int64_t>(size + 1));
  c.notify(NotifyClass::kList, "linsert", key);
}

void lset_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (object == nullptr) return c.fail(errors::kNoSuchKey);
  if (!c.expect_type(object, ObjectType::kList)) return;
  int64_t index;
  if (!c.integer(2, &index)) return;
  const auto size = static_cast<int64_t>(list_size(object->collection()));
  if (index < 0) index += size;
  if (index < 0 || index >= size) return c.fail(errors::kOutOfRange);
  std::string& operands = c.operands();
  put_list_element(operands, static_cast<uint64_t>(index), c.args[3]);
  c.edit(EffectType::kListSet, key, operands);
  c.reply.ok();
  c.notify(NotifyClass::kList, "lset", key);
}

// --- looking ---

void llen_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kList)) return;
  c.reply.integer(object == nullptr ? 0 : static_cast<int64_t>(list_size(object->collection())));
}

void lindex_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (object == nullptr) return c.reply.null();
  if (!c.expect_type(object, ObjectType::kList)) return;
  int64_t index;
  if (!c.integer(2, &index)) return;
  const ListCursor at(object->collection(), index, true);
  if (!at.valid()) return c.reply.null();
  reply_element(c.reply, at.get());
}

// What "start end" of Redis means for so many elements: from `first`, `count` of them.
struct Range {
  uint64_t first = 0;
  uint64_t count = 0;

  Range(int64_t start, int64_t end, uint64_t elements) {
    const auto size = static_cast<int64_t>(elements);
    if (start < 0) start = std::max<int64_t>(0, start + size);
    if (end < 0) end += size;
    if (start > end || start >= size) return;
    end = std::min(end, size - 1);
    first = static_cast<uint64_t>(start);
    count = static_cast<uint64_t>(end - start + 1);
  }
};

void lrange_command(CommandContext& c) {
  int64_t start, end;
  if (!c.integer(2, &start) || !c.integer(3, &end)) return;
  const Object* object = c.find_read(c.key(1));
  if (object == nullptr) return c.reply.array(0);
  if (!c.expect_type(object, ObjectType::kList)) return;
  const Collection list = object->collection();
  const Range range(start, end, list_size(list));
  reply_elements(c.reply, list, static_cast<int64_t>(range.first), range.count, true);
}

void ltrim_command(CommandContext& c) {
  int64_t start, end;
  if (!c.integer(2, &start) || !c.integer(3, &end)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (object == nullptr) return c.reply.ok();
  if (!c.expect_type(object, ObjectType::kList)) return;
  const uint64_t size = list_size(object->collection());
  const Range kept(start, end, size);
  const auto drop = [&](ListSide side, uint64_t count) {
    if (count == 0) return;
    std::string& operands = c.operands();
    put_list_pop(operands, side, count);
    c.edit(EffectType::kListPop, key, operands);
  };
  // Nothing is kept: all of it from the back.
  if (kept.count > 0) drop(ListSide::kFront, kept.first);
  drop(ListSide::kBack, kept.count > 0 ? size - kept.first - kept.count : size);
  c.reply.ok();
  c.notify(NotifyClass::kList, "ltrim", key);
  if (kept.count == 0) c.notify(NotifyClass::kGeneric, "del", key);
}

// --- searching ---

void lrem_command(CommandContext& c) {
  int64_t wanted;
  if (!c.integer(2, &wanted)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (object == nullptr) return c.reply.integer(0);
  if (!c.expect_type(object, ObjectType::kList)) return;
  const Collection list = object->collection();
  const uint64_t size = list_size(list);
  // An entry is written only if there is something to remove; how much shows afterwards.
  if (index_of(list, c.args[3]) == size) return c.reply.integer(0);
  const ListSide side = wanted < 0 ? ListSide::kBack : ListSide::kFront;
  const auto number = static_cast<uint64_t>(wanted);
  const uint64_t count = wanted == 0 ? size : wanted < 0 ? 0 - number : number;
  std::string& operands = c.operands();
  put_list_remove(operands, side, count, c.args[3]);
  c.edit(EffectType::kListRemove, key, operands);
  const Object* after = c.keyspace().find(c.db(), key);
  const uint64_t left = after == nullptr ? 0 : list_size(after->collection());
  c.reply.integer(static_cast<int64_t>(size - left));
  c.notify(NotifyClass::kList, "lrem", key);
  if (left == 0) c.notify(NotifyClass::kGeneric, "del", key);
}

struct Search {
  int64_t rank = 1;
  bool counted = false;  // an array is wanted
  uint64_t count = 1;    // 0: all
  uint64_t most = 0;     // elements to look at; 0: all
};

bool parse_search(CommandContext& c, Search* search) {
  for (size_t i = 3; i < c.argc(); i += 2) {
    if (i + 1 == c.argc()) {
      c.fail();
      return false;
    }
    if (c.is(i, "rank")) {
      if (!c.integer_between(i + 1, -INT64_MAX, INT64_MAX, &search->rank)) return false;
      if (search->rank == 0) {
        c.fail(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
            "or use negative to start from the end of the list");
        return false;
      }
    } else if (c.is(i, "count")) {
      if (!c.number_from(i + 1, 0, "ERR COUNT can't be negative", &search->count)) return false;
      search->counted = true;
    } else if (c.is(i, "maxlen")) {
      if (!c.number_from(i + 1, 0, "ERR MAXLEN can't be negative", &search->most)) return false;
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

// Indexes of the equal elements that were asked for.
std::vector<uint64_t> find_all(const Collection& list, const Search& search,
                               std::string_view element) {
  std::vector<uint64_t> found;
  const bool forward = search.rank > 0;
  const uint64_t size = list_size(list);
  const uint64_t most = search.most == 0 ? size : search.most;
  const uint64_t wanted = search.count == 0 ? size : search.count;
  int64_t skip = std::abs(search.rank) - 1;
  uint64_t seen = 0;
  for (ListCursor at(list, forward ? 0 : -1, forward); at.valid() && seen < most; at.step()) {
    ++seen;
    if (!at.equals(element) || skip-- > 0) continue;
    found.push_back(forward ? seen - 1 : size - seen);
    if (found.size() == wanted) break;
  }
  return found;
}

void lpos_command(CommandContext& c) {
  Search search;
  if (!parse_search(c, &search)) return;
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kList)) return;
  std::vector<uint64_t> found;
  if (object != nullptr) found = find_all(object->collection(), search, c.args[2]);
  if (search.counted) {
    c.reply.array(found.size());
    for (const uint64_t index : found) c.reply.integer(static_cast<int64_t>(index));
  } else if (found.empty()) {
    c.reply.null();
  } else {
    c.reply.integer(static_cast<int64_t>(found[0]));
  }
}

constexpr CommandSpec kCommands[] = {
    {"lpush",
     -3,
     kWrite | kDenyOom | kFast,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     lpush_command,
     "list",
     "1.0.0",
     "O(1) for each element added, so O(N) to add N elements when the command is called with "
     "multiple arguments.",
     "Prepend one or multiple elements to a list",
     "key element [element ...]"},
    {"rpush",
     -3,
     kWrite | kDenyOom | kFast,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     rpush_command,
     "list",
     "1.0.0",
     "O(1) for each element added, so O(N) to add N elements when the command is called with "
     "multiple arguments.",
     "Append one or multiple elements to a list",
     "key element [element ...]"},
    {"lpushx",
     -3,
     kWrite | kDenyOom | kFast,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     lpushx_command,
     "list",
     "2.2.0",
     "O(1) for each element added, so O(N) to add N elements when the command is called with "
     "multiple arguments.",
     "Prepend an element to a list, only if the list exists",
     "key element [element ...]"},
    {"rpushx",
     -3,
     kWrite | kDenyOom | kFast,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     rpushx_command,
     "list",
     "2.2.0",
     "O(1) for each element added, so O(N) to add N elements when the command is called with "
     "multiple arguments.",
     "Append an element to a list, only if the list exists",
     "key element [element ...]"},
    {"lpop",
     -2,
     kWrite | kFast,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1)},
     lpop_command,
     "list",
     "1.0.0",
     "O(N) where N is the number of elements returned",
     "Remove and get the first elements in a list",
     "key [count]"},
    {"rpop",
     -2,
     kWrite | kFast,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1)},
     rpop_command,
     "list",
     "1.0.0",
     "O(N) where N is the number of elements returned",
     "Remove and get the last elements in a list",
     "key [count]"},
    {"llen",
     2,
     kReadonly | kFast,
     kCatList,
     {KeySpec::range(kKeyRO, 1, 1)},
     llen_command,
     "list",
     "1.0.0",
     "O(1)",
     "Get the length of a list",
     "key"},
    {"lrange",
     4,
     kReadonly,
     kCatList,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     lrange_command,
     "list",
     "1.0.0",
     "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end "
     "(HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
     "Get a range of elements from a list",
     "key start stop"},
    {"lindex",
     3,
     kReadonly,
     kCatList,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     lindex_command,
     "list",
     "1.0.0",
     "O(N) where N is the number of elements to traverse to get to the element at index. This "
     "makes asking for the first or the last element of the list O(1).",
     "Get an element from a list by its index",
     "key index"},
    {"lset",
     4,
     kWrite | kDenyOom,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     lset_command,
     "list",
     "1.0.0",
     "O(N) where N is the length of the list. Setting either the first or the last element of the "
     "list is O(1).",
     "Set the value of an element in a list by its index",
     "key index element"},
    {"linsert",
     5,
     kWrite | kDenyOom,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyInsert, 1, 1)},
     linsert_command,
     "list",
     "2.2.0",
     "O(N) where N is the number of elements to traverse before seeing the value pivot. This means "
     "that inserting somewhere on the left end on the list (head) can be considered O(1) and "
     "inserting somewhere on the right end (tail) is O(N).",
     "Insert an element before or after another element in a list",
     "key <BEFORE | AFTER> pivot element"},
    {"lrem",
     4,
     kWrite,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     lrem_command,
     "list",
     "1.0.0",
     "O(N+M) where N is the length of the list and M is the number of elements removed.",
     "Remove elements from a list",
     "key count element"},
    {"ltrim",
     4,
     kWrite,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     ltrim_command,
     "list",
     "1.0.0",
     "O(N) where N is the number of elements to be removed by the operation.",
     "Trim a list to the specified range",
     "key start stop"},
    {"lpos",
     -3,
     kReadonly,
     kCatList,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     lpos_command,
     "list",
     "6.0.6",
     "O(N) where N is the number of elements in the list, for the average case. When searching for "
     "elements near the head or the tail of the list, or when the MAXLEN option is provided, the "
     "command may run in constant time.",
     "Return the index of matching elements on a list",
     "key element [RANK rank] [COUNT num-matches] [MAXLEN len]"},
    {"lmove",
     5,
     kWrite | kDenyOom,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1),
      KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     lmove_command,
     "list",
     "6.2.0",
     "O(1)",
     "Pop an element from a list, push it to another list and return it",
     "source destination <LEFT | RIGHT> <LEFT | RIGHT>"},
    {"rpoplpush",
     3,
     kWrite | kDenyOom,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1),
      KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     rpoplpush_command,
     "list",
     "1.2.0",
     "O(1)",
     "Remove the last element in a list, prepend it to another list and return it",
     "source destination"},
    {"lmpop",
     -4,
     kWrite | kMovableKeys,
     kCatList,
     {KeySpec::counted(kKeyRW | kKeyAccess | kKeyDelete, 1)},
     lmpop_command,
     "list",
     "7.0.0",
     "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
     "Pop elements from a list",
     "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]"},
    {"blpop",
     -3,
     kWrite | kNoScript | kBlocking,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, -2)},
     blpop_command,
     "list",
     "2.0.0",
     "O(N) where N is the number of provided keys.",
     "Remove and get the first element in a list, or block until one is available",
     "key [key ...] timeout"},
    {"brpop",
     -3,
     kWrite | kNoScript | kBlocking,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, -2)},
     brpop_command,
     "list",
     "2.0.0",
     "O(N) where N is the number of provided keys.",
     "Remove and get the last element in a list, or block until one is available",
     "key [key ...] timeout"},
    {"blmove",
     6,
     kWrite | kDenyOom | kNoScript | kBlocking,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1),
      KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     blmove_command,
     "list",
     "6.2.0",
     "O(1)",
     "Pop an element from a list, push it to another list and return it; or block until one is "
     "available",
     "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout"},
    {"brpoplpush",
     4,
     kWrite | kDenyOom | kNoScript | kBlocking,
     kCatList,
     {KeySpec::range(kKeyRW | kKeyAccess | kKeyDelete, 1, 1),
      KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     brpoplpush_command,
     "list",
     "2.2.0",
     "O(1)",
     "Pop an element from a list, push it to another list and return it; or block until one is "
     "available",
     "source destination timeout"},
    {"blmpop",
     -5,
     kWrite | kBlocking | kMovableKeys,
     kCatList,
     {KeySpec::counted(kKeyRW | kKeyAccess | kKeyDelete, 2)},
     blmpop_command,
     "list",
     "7.0.0",
     "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
     "Pop elements from a list, or block until one is available",
     "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]"},
};

}  // namespace

std::span<const CommandSpec> list_commands() { return kCommands; }

}  // namespace holdfast
