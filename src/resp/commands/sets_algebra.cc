// SINTER, SUNION, SDIFF and their forms that store or count.
#include <algorithm>
#include <string>
#include <vector>

#include "resp/commands/sets.h"
#include "resp/context.h"
#include "store/types/set.h"

namespace holdfast {
namespace {

using Sets = std::vector<std::optional<Collection>>;

uint64_t size_of(const std::optional<Collection>& set) { return set ? set_size(*set) : 0; }

bool has(const std::optional<Collection>& set, std::string_view member) {
  return set && set_contains(*set, member);
}

// The sets of arguments first..last-1; a missing one is empty. False when an error was replied.
bool read_sets(CommandContext& c, size_t first, size_t last, Sets* sets) {
  for (size_t i = first; i < last; ++i) {
    sets->emplace_back();
    if (!read_set(c, c.key(i), &sets->back())) return false;
  }
  return true;
}

// Stores the set at argument 1 and replies its size; an empty one erases the key.
void store(CommandContext& c, const Collection& result, std::string_view event) {
  const KeyRef key = c.key(1);
  const uint64_t size = set_size(result);
  if (size == 0) {
    const bool was_there = c.find_write(key) != nullptr;
    if (was_there) {
      c.erase(key);
      c.notify_generic("del", key);
    }
    return c.reply.integer(0);
  }
  std::string& bytes = c.operands();
  kSetType.encode(result, &bytes);
  if (c.notifies()) c.find_write(key);  // that it has expired is told before
  c.put_value(c.db(), key, ObjectType::kSet, bytes, 0);
  c.reply.integer(static_cast<int64_t>(size));
  c.notify(NotifyClass::kSet, event, key);
}

void reply_set(CommandContext& c, const Collection& set) {
  c.reply.set(set_size(set));
  SetCursor cursor(set);
  while (cursor.next()) c.reply.bulk(cursor.member());
}

// Calls visit(member) for each that is in all sets, until it returns false. The smallest set is
// gone through and asked for in the others, smaller ones first.
template <typename Visit>
void intersect(Sets& sets, Visit&& visit) {
  std::sort(sets.begin(), sets.end(),
            [](const auto& a, const auto& b) { return size_of(a) < size_of(b); });
  if (size_of(sets[0]) == 0) return;
  SetCursor cursor(*sets[0]);
  while (cursor.next()) {
    const std::string_view member = cursor.member();
    const bool in_all = std::all_of(sets.begin() + 1, sets.end(),
                                    [&](const auto& set) { return has(set, member); });
    if (in_all && !visit(member)) return;
  }
}

void unite(const Sets& sets, SetBuilder* result) {
  for (const auto& set : sets) {
    if (!set) continue;
    SetCursor cursor(*set);
    while (cursor.next()) result->add(cursor.member());
  }
}

// Whichever is cheaper: to ask for each member of the first set in the others, or to take the
// members of the others out of the first.
void subtract(Sets& sets, SetBuilder* result) {
  if (size_of(sets[0]) == 0) return;
  uint64_t all = 0;
  for (const auto& set : sets) all += size_of(set);
  const bool ask = size_of(sets[0]) * sets.size() / 2 <= all;
  // The largest others are likeliest to have a member.
  std::sort(sets.begin() + 1, sets.end(),
            [](const auto& a, const auto& b) { return size_of(a) > size_of(b); });
  SetCursor cursor(*sets[0]);
  while (cursor.next()) {
    const std::string_view member = cursor.member();
    const bool elsewhere = ask && std::any_of(sets.begin() + 1, sets.end(),
                                              [&](const auto& set) { return has(set, member); });
    if (!elsewhere) result->add(member);
  }
  if (ask) return;
  for (size_t i = 1; i < sets.size(); ++i) {
    if (!sets[i]) continue;
    SetCursor other(*sets[i]);
    while (other.next()) result->remove(other.member());
  }
}

void combine(CommandContext& c, size_t first, bool difference, SetBuilder* result, bool* ok) {
  Sets sets;
  *ok = read_sets(c, first, c.argc(), &sets);
  if (!*ok) return;
  if (difference) {
    subtract(sets, result);
  } else {
    unite(sets, result);
  }
}

void reply_combined(CommandContext& c, bool difference) {
  SetBuilder result(c.keyspace().limits());
  bool ok;
  combine(c, 1, difference, &result, &ok);
  if (ok) reply_set(c, result.set());
}

void store_combined(CommandContext& c, bool difference, std::string_view event) {
  SetBuilder result(c.keyspace().limits());
  bool ok;
  combine(c, 2, difference, &result, &ok);
  if (ok) store(c, result.set(), event);
}

}  // namespace

void sinter_command(CommandContext& c) {
  Sets sets;
  if (!read_sets(c, 1, c.argc(), &sets)) return;
  std::string& members = c.operands();
  uint64_t count = 0;
  intersect(sets, [&](std::string_view member) {
    put_bytes(members, member);
    ++count;
    return true;
  });
  c.reply.set(count);
  Reader in(members);
  while (!in.at_end()) c.reply.bulk(in.sized_bytes());
}

void sintercard_command(CommandContext& c) {
  uint64_t keys;
  if (!c.number_from(1, 1, "ERR numkeys should be greater than 0", &keys)) return;
  if (keys > c.argc() - 2) {
    return c.fail("ERR Number of keys can't be greater than number of args");
  }
  const size_t end = 2 + keys;
  uint64_t limit = 0;  // none
  for (size_t i = end; i < c.argc(); i += 2) {
    if (!c.is(i, "limit") || i + 1 == c.argc()) return c.fail();
    if (!c.number_from(i + 1, 0, "ERR LIMIT can't be negative", &limit)) return;
  }
  Sets sets;
  if (!read_sets(c, 2, end, &sets)) return;
  uint64_t count = 0;
  intersect(sets, [&](std::string_view) { return ++count != limit; });
  c.reply.integer(static_cast<int64_t>(count));
}

void sinterstore_command(CommandContext& c) {
  Sets sets;
  if (!read_sets(c, 2, c.argc(), &sets)) return;
  SetBuilder result(c.keyspace().limits());
  intersect(sets, [&](std::string_view member) {
    result.add(member);
    return true;
  });
  store(c, result.set(), "sinterstore");
}

void sunion_command(CommandContext& c) { reply_combined(c, false); }
void sunionstore_command(CommandContext& c) { store_combined(c, false, "sunionstore"); }
void sdiff_command(CommandContext& c) { reply_combined(c, true); }
void sdiffstore_command(CommandContext& c) { store_combined(c, true, "sdiffstore"); }

}  // namespace holdfast
