// SPOP and SRANDMEMBER. What was drawn is what the effect of SPOP names.
#include <cstdint>
#include <string>

#include "resp/commands/random_members.h"
#include "resp/commands/sets.h"
#include "resp/context.h"
#include "resp/server.h"
#include "store/types/set.h"

namespace holdfast {
namespace {

// Calls visit(member) for `count` different members. REQUIRES: count <= size.
template <typename Visit>
void sample(const Collection& set, uint64_t count, Random& random, Visit&& visit) {
  const uint64_t size = set_size(set);
  const SetTable* table = set_table(set);
  if (table != nullptr && few_of_many(size, count)) {
    sample_few(table->table(), count, random,
               [&](const SetEntry& entry) { visit(entry.member()); });
    return;
  }
  SetCursor cursor(set);
  sample_by_cursor(cursor, size, count, random, [&](const SetCursor& at) { visit(at.member()); });
}

void tell_popped(CommandContext& c, const KeyRef& key, bool emptied) {
  c.notify(NotifyClass::kSet, "spop", key);
  if (emptied) c.notify_generic("del", key);
}

void pop_one(CommandContext& c, const KeyRef& key) {
  std::optional<Collection> set;
  if (!write_set(c, key, &set)) return;
  if (!set) return c.reply.null();
  const bool last = set_size(*set) == 1;
  IntScratch scratch;
  const std::string_view member = set_random(*set, c.server.random(), scratch);
  std::string& operands = c.operands();
  put_bytes(operands, member);
  c.reply.bulk(member);
  c.edit(EffectType::kSetRemove, key, operands);
  tell_popped(c, key, last);
}

void reply_members(CommandContext& c, std::string_view operands) {
  Reader in(operands);
  while (!in.at_end()) c.reply.bulk(in.sized_bytes());
}

void pop_all(CommandContext& c, const KeyRef& key, const Collection& set) {
  c.reply.set(set_size(set));
  SetCursor cursor(set);
  while (cursor.next()) c.reply.bulk(cursor.member());
  c.erase(key);
  tell_popped(c, key, true);
}

}  // namespace

void spop_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  if (c.argc() > 3) return c.fail();
  if (c.argc() == 2) return pop_one(c, key);
  uint64_t count;
  if (!c.number_from(2, 0, errors::kNotPositive, &count)) return;
  std::optional<Collection> set;
  if (!write_set(c, key, &set)) return;
  if (!set || count == 0) return c.reply.set(0);
  if (count >= set_size(*set)) return pop_all(c, key, *set);
  std::string& operands = c.operands();
  sample(*set, count, c.server.random(),
         [&](std::string_view member) { put_bytes(operands, member); });
  c.reply.set(count);
  reply_members(c, operands);
  c.edit(EffectType::kSetRemove, key, operands);
  tell_popped(c, key, false);
}

void srandmember_command(CommandContext& c) {
  if (c.argc() > 3) return c.fail();
  std::optional<Collection> set;
  Random& random = c.server.random();
  IntScratch scratch;
  if (c.argc() == 2) {
    if (!read_set(c, c.key(1), &set)) return;
    return set ? c.reply.bulk(set_random(*set, random, scratch)) : c.reply.null();
  }
  int64_t count;
  if (!c.integer_between(2, -INT64_MAX, INT64_MAX, &count)) return;
  if (!read_set(c, c.key(1), &set)) return;
  if (!set || count == 0) return c.reply.array(0);
  if (count > 0) {
    const uint64_t wanted = std::min(static_cast<uint64_t>(count), set_size(*set));
    c.reply.array(wanted);
    sample(*set, wanted, random, [&](std::string_view member) { c.reply.bulk(member); });
    return;
  }
  const auto draws = static_cast<uint64_t>(-count);
  if (draws > kMaxDraws) return c.fail("ERR value is out of range");
  c.reply.array(draws);
  for (uint64_t i = 0; i < draws; ++i) c.reply.bulk(set_random(*set, random, scratch));
}

}  // namespace holdfast
