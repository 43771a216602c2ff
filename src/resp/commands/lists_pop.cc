// LPOP, LMPOP, LMOVE and their kin, and those that wait until there is an element: BLPOP, BLMPOP,
// BLMOVE.
//
// A command that waits is written as if it did not: it runs from its beginning each time that one
// of its lists may have come into being (resp/blocked_keys.h).
#include <algorithm>
#include <string>

#include "resp/commands/lists.h"
#include "resp/help.h"

namespace holdfast {
namespace {

constexpr std::string_view kPopEvents[] = {"lpop", "rpop"};  // by ListSide
constexpr uint64_t kNoCount = UINT64_MAX;

size_t number_of(ListSide side) { return static_cast<size_t>(side); }

void no_array(ReplyWriter& reply) { reply.null_array(); }

constexpr AwaitedKeys kAwaitedList{.type = ObjectType::kList, .on_timeout = no_array};

bool parse_side(CommandContext& c, size_t i, ListSide* side) {
  const bool left = c.is(i, "left");
  *side = left ? ListSide::kFront : ListSide::kBack;
  if (left || c.is(i, "right")) return true;
  c.fail();
  return false;
}

// After the reply: takes `count` elements off a list of `size`.
void take(CommandContext& c, const KeyRef& key, ListSide side, uint64_t count, uint64_t size) {
  std::string& operands = c.operands();
  put_list_pop(operands, side, count);
  c.edit(EffectType::kListPop, key, operands);
  c.notify(NotifyClass::kList, kPopEvents[number_of(side)], key);
  if (count == size) c.notify(NotifyClass::kGeneric, "del", key);
}

void reply_end(CommandContext& c, const Collection& list, ListSide side) {
  const ListCursor end(list, side == ListSide::kFront ? 0 : -1, true);
  reply_element(c.reply, end.get());
}

// The elements from that end, in the order in which they are taken; gives how many.
uint64_t reply_from_end(CommandContext& c, const Collection& list, ListSide side, uint64_t count) {
  const uint64_t taken = std::min(count, list_size(list));
  const bool front = side == ListSide::kFront;
  reply_elements(c.reply, list, front ? 0 : -1, taken, front);
  return taken;
}

void pop(CommandContext& c, ListSide side) {
  if (c.argc() > 3) {
    c.fail("ERR wrong number of arguments for '" + c.command.full_name + "' command");
    return;
  }
  const bool many = c.argc() == 3;
  uint64_t count = 1;
  if (many && !c.number_from(2, 0, errors::kNotPositive, &count)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (object == nullptr) return many ? c.reply.null_array() : c.reply.null();
  if (!c.expect_type(object, ObjectType::kList)) return;
  if (count == 0) return c.reply.array(0);
  const Collection list = object->collection();
  const uint64_t size = list_size(list);
  if (many) {
    count = reply_from_end(c, list, side, count);
  } else {
    reply_end(c, list, side);
  }
  take(c, key, side, count, size);
}

// --- from the first of several lists that is there ---

// With kNoCount one element beside its key, else an array of them. False when no list is there;
// true too when an error was replied.
bool pop_first(CommandContext& c, std::span<const std::string_view> names, ListSide side,
               uint64_t count) {
  for (const std::string_view name : names) {
    const KeyRef key = c.keyspace().key(name);
    const Object* object = c.find_write(key);
    if (object == nullptr) continue;
    if (!c.expect_type(object, ObjectType::kList)) return true;
    const Collection list = object->collection();
    const uint64_t size = list_size(list);
    c.reply.array(2);
    c.reply.bulk(name);
    uint64_t taken = 1;
    if (count == kNoCount) {
      reply_end(c, list, side);
    } else {
      taken = reply_from_end(c, list, side, count);
    }
    take(c, key, side, taken, size);
    return true;
  }
  return false;
}

void wait_for_any(CommandContext& c, std::span<const std::string_view> names, int64_t timeout_ms) {
  if (c.may_block()) {
    c.block_on(names, timeout_ms, kAwaitedList);
  } else {
    c.reply.null_array();
  }
}

void pop_or_wait(CommandContext& c, ListSide side) {
  int64_t timeout_ms;
  if (!timeout_in_seconds(c, c.argc() - 1, &timeout_ms)) return;
  const auto names = c.args.subspan(1, c.argc() - 2);
  if (!pop_first(c, names, side, kNoCount)) wait_for_any(c, names, timeout_ms);
}

struct PopMany {
  std::span<const std::string_view> names;
  ListSide side = ListSide::kFront;
  uint64_t count = 1;
};

// numkeys key... <LEFT | RIGHT> [COUNT count], the number of keys being argument `at`.
bool parse_pop_many(CommandContext& c, size_t at, PopMany* what) {
  uint64_t keys;
  if (!c.number_from(at, 1, "ERR numkeys should be greater than 0", &keys)) return false;
  if (keys >= c.argc() - at - 1) {
    c.fail();
    return false;
  }
  what->names = c.args.subspan(at + 1, keys);
  const size_t side_at = at + 1 + keys;
  if (!parse_side(c, side_at, &what->side)) return false;
  bool counted = false;
  for (size_t i = side_at + 1; i < c.argc(); ++i) {
    if (counted || !c.is(i, "count") || i + 1 == c.argc()) {
      c.fail();
      return false;
    }
    counted = true;
    if (!c.number_from(++i, 1, "ERR count should be greater than 0", &what->count)) return false;
  }
  return true;
}

// --- from one list to another ---

void move(CommandContext& c, const Object* source, ListSide from, ListSide to) {
  const KeyRef from_key = c.key(1);
  const KeyRef to_key = c.keyspace().key(c.args[2]);
  if (!c.expect_type(source, ObjectType::kList)) return;
  if (!c.expect_type(c.find_write(to_key), ObjectType::kList)) return;
  const Collection list = source->collection();
  const uint64_t size = list_size(list);
  reply_end(c, list, from);
  IntScratch scratch;
  const ListCursor end(list, from == ListSide::kFront ? 0 : -1, true);
  std::string& operands = c.operands();
  put_fixed(operands, to);
  put_bytes(operands, element_text(end.get(), scratch));
  // Put first: within one list the key must not go, and its expiry with it.
  const bool same = from_key.bytes == to_key.bytes;
  c.edit(EffectType::kListPush, to_key, operands);
  c.notify(NotifyClass::kList, kPushEvents[number_of(to)], to_key);
  take(c, from_key, from, 1, same ? size + 1 : size);
}

void move_now(CommandContext& c, ListSide from, ListSide to) {
  const Object* source = c.find_write(c.key(1));
  if (source == nullptr) return c.reply.null();
  move(c, source, from, to);
}

void move_or_wait(CommandContext& c, ListSide from, ListSide to, size_t timeout_at) {
  int64_t timeout_ms;
  if (!timeout_in_seconds(c, timeout_at, &timeout_ms)) return;
  const Object* source = c.find_write(c.key(1));
  if (source != nullptr) return move(c, source, from, to);
  if (!c.may_block()) return c.reply.null();
  c.block_on(c.args.subspan(1, 1), timeout_ms, kAwaitedList);
}

}  // namespace

void reply_elements(ReplyWriter& reply, const Collection& list, int64_t index, uint64_t count,
                    bool forward) {
  reply.array(count);
  if (count == 0) return;
  for (ListCursor at(list, index, forward); count > 0; --count, at.step()) {
    reply_element(reply, at.get());
  }
}

void lpop_command(CommandContext& c) { pop(c, ListSide::kFront); }
void rpop_command(CommandContext& c) { pop(c, ListSide::kBack); }

void lmpop_command(CommandContext& c) {
  PopMany what;
  if (!parse_pop_many(c, 1, &what)) return;
  if (!pop_first(c, what.names, what.side, what.count)) c.reply.null_array();
}

void blpop_command(CommandContext& c) { pop_or_wait(c, ListSide::kFront); }
void brpop_command(CommandContext& c) { pop_or_wait(c, ListSide::kBack); }

void blmpop_command(CommandContext& c) {
  PopMany what;
  int64_t timeout_ms;
  if (!parse_pop_many(c, 2, &what) || !timeout_in_seconds(c, 1, &timeout_ms)) return;
  if (!pop_first(c, what.names, what.side, what.count)) wait_for_any(c, what.names, timeout_ms);
}

void lmove_command(CommandContext& c) {
  ListSide from, to;
  if (parse_side(c, 3, &from) && parse_side(c, 4, &to)) move_now(c, from, to);
}

void rpoplpush_command(CommandContext& c) { move_now(c, ListSide::kBack, ListSide::kFront); }

void blmove_command(CommandContext& c) {
  ListSide from, to;
  if (parse_side(c, 3, &from) && parse_side(c, 4, &to)) move_or_wait(c, from, to, 5);
}

void brpoplpush_command(CommandContext& c) {
  move_or_wait(c, ListSide::kBack, ListSide::kFront, 3);
}

}  // namespace holdfast
