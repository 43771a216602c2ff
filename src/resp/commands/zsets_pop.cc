// ZPOPMIN, ZPOPMAX, ZMPOP: members are taken from one end. BZPOPMIN, BZPOPMAX and BZMPOP wait for
// some.
#include <algorithm>
#include <span>
#include <string_view>

#include "resp/blocked_keys.h"
#include "resp/commands/zsets.h"
#include "resp/help.h"

namespace holdfast {
namespace {

// Replies the members from the end, each with its score, and takes them out.
void pop(CommandContext& c, const KeyRef& key, const Object& object, bool max, uint64_t count,
         bool nested) {
  const Zset zset(object.collection());
  const uint64_t size = zset.size();
  Zset::Cursor cursor = zset.at(max ? size - 1 : 0);
  for (uint64_t left = count; left > 0; --left) {
    if (nested) c.reply.array(2);
    const ZsetItem item = cursor.item();
    c.reply.bulk(item.member);
    c.reply.real(item.score);
    if (max) {
      cursor.prev();
    } else {
      cursor.next();
    }
  }
  const RankRange ranks = max ? RankRange{size - count, size} : RankRange{0, count};
  remove_ranks(c, key, object, ranks, max ? "zpopmax" : "zpopmin");
}

void pop_command(CommandContext& c, bool max) {
  if (c.argc() > 3) {
    c.fail();
    return;
  }
  uint64_t count = 1;
  if (c.argc() == 3 && !c.number_from(2, 0, errors::kNotPositive, &count)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kZset)) return;
  if (object == nullptr || count == 0) {
    c.reply.array(0);
    return;
  }
  const uint64_t taken = std::min(count, Zset(object->collection()).size());
  const bool nested = c.reply.resp3() && c.argc() == 3;
  c.reply.array(nested ? taken : taken * 2);
  pop(c, key, *object, max, taken, nested);
}

struct MultiPop {
  size_t first_key = 0;
  size_t keys = 0;
  bool max = false;
  uint64_t count = 1;
};

// numkeys key [key ...] <MIN | MAX> [COUNT count], from argument `at` on.
bool take_multi_pop(CommandContext& c, size_t at, MultiPop* call) {
  if (!c.number_from(at, 1, "ERR numkeys should be greater than 0", &call->keys)) return false;
  call->first_key = at + 1;
  const size_t rest = c.argc() - call->first_key;
  if (call->keys >= rest) {
    c.fail();
    return false;
  }
  size_t i = call->first_key + call->keys;
  call->max = c.is(i, "max");
  if (!call->max && !c.is(i, "min")) {
    c.fail();
    return false;
  }
  bool counted = false;
  for (++i; i < c.argc(); i += 2) {
    if (counted || !c.is(i, "count") || i + 1 == c.argc()) {
      c.fail();
      return false;
    }
    counted = true;
    if (!c.number_from(i + 1, 1, "ERR count should be greater than 0", &call->count)) return false;
  }
  return true;
}

// From the first key that has something. False when none has; an error counts as something.
bool multi_pop(CommandContext& c, const MultiPop& call) {
  for (size_t i = 0; i < call.keys; ++i) {
    const KeyRef key = c.key(call.first_key + i);
    const Object* object = c.find_write(key);
    if (object == nullptr) continue;
    if (!c.expect_type(object, ObjectType::kZset)) return true;
    const uint64_t taken = std::min(call.count, Zset(object->collection()).size());
    c.reply.array(2);
    c.reply.bulk(key.bytes);
    c.reply.array(taken);
    pop(c, key, *object, call.max, taken, true);
    return true;
  }
  return false;
}

// Nothing was found: waits for the keys, or replies at once where that can't be.
void wait_for(CommandContext& c, std::span<const std::string_view> keys, int64_t timeout_ms) {
  if (!c.may_block()) {
    c.reply.null_array();
    return;
  }
  c.block_on(keys, timeout_ms, {ObjectType::kZset, [](ReplyWriter& reply) { reply.null_array(); }});
}

void blocking_pop(CommandContext& c, bool max) {
  const size_t timeout_at = c.argc() - 1;
  int64_t timeout_ms;
  if (!timeout_in_seconds(c, timeout_at, &timeout_ms)) return;
  for (size_t i = 1; i < timeout_at; ++i) {
    const KeyRef key = c.key(i);
    const Object* object = c.find_write(key);
    if (object == nullptr) continue;
    if (!c.expect_type(object, ObjectType::kZset)) return;
    c.reply.array(3);
    c.reply.bulk(key.bytes);
    pop(c, key, *object, max, 1, false);
    return;
  }
  wait_for(c, c.args.subspan(1, timeout_at - 1), timeout_ms);
}

}  // namespace

void zpopmin_command(CommandContext& c) { pop_command(c, false); }
void zpopmax_command(CommandContext& c) { pop_command(c, true); }

void zmpop_command(CommandContext& c) {
  MultiPop call;
  if (take_multi_pop(c, 1, &call) && !multi_pop(c, call)) c.reply.null_array();
}

void bzpopmin_command(CommandContext& c) { blocking_pop(c, false); }
void bzpopmax_command(CommandContext& c) { blocking_pop(c, true); }

void bzmpop_command(CommandContext& c) {
  MultiPop call;
  int64_t timeout_ms;
  if (!take_multi_pop(c, 2, &call) || !timeout_in_seconds(c, 1, &timeout_ms)) return;
  if (!multi_pop(c, call)) wait_for(c, c.args.subspan(call.first_key, call.keys), timeout_ms);
}

}  // namespace holdfast
