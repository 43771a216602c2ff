// See corruptions.h.
#include "tests/unit/history/corruptions.h"

#include <algorithm>
#include <functional>
#include <optional>

namespace holdfast::history {

namespace {

using enum OpKind;

constexpr Value kNobodys = 1'000'000;  // nobody writes it, counts so far or pushes so many

using Condition = std::function<bool(const Operation&)>;

// A random answered operation that meets `condition`.
std::optional<OpId> find(const History& history, Random& random, const Condition& condition) {
  std::vector<OpId> found;
  for (OpId op = 0; op < history.size(); ++op) {
    const Operation& one = history.operation(op);
    if (one.outcome == Outcome::kOk && condition(one)) found.push_back(op);
  }
  if (found.empty()) return std::nullopt;
  return found[random.below(found.size())];
}

std::vector<Value> copy_of_values(const History& history, const Operation& op) {
  const auto values = history.values(op);
  return {values.begin(), values.end()};
}

bool contains(const History& history, const Operation& op, Value value) {
  const auto values = history.values(op);
  return std::ranges::find(values, value) != values.end();
}

bool before(const Operation& a, const Operation& b) {
  return a.object == b.object && a.returned < b.invoked;
}

bool one_of(OpKind kind, std::initializer_list<OpKind> kinds) {
  return std::ranges::find(kinds, kind) != kinds.end();
}

// A reply shows a value that nobody ever wrote.
bool from_nowhere(History& history, Random& random) {
  const auto id = find(history, random, [](const Operation& op) {
    return one_of(op.kind, {kGet, kGetSet, kIncr, kSmembers, kRpush, kLpop, kLrange, kMget});
  });
  if (!id) return false;
  Operation& op = history.operation(*id);
  if (!one_of(op.kind, {kSmembers, kLrange, kMget})) {
    op.result = kNobodys;
    return true;
  }
  auto values = copy_of_values(history, op);
  if (values.empty()) values.push_back(0);
  values[random.below(values.size())] = kNobodys;
  history.set_values(*id, values);
  return true;
}

// A member that nobody ever added is there.
bool unheard_member(History& history, Random& random) {
  const auto id = find(history, random, [](auto& op) { return op.kind == kSismember; });
  if (!id) return false;
  history.operation(*id).argument = kNobodys;
  history.operation(*id).result = 1;
  return true;
}

// GET of v2, then GET of v1, though SET v1 had returned before SET v2 was sent: values are written
// once, so v1 was gone for good when v2 was read.
bool stale_read(History& history, Random& random) {
  const auto second = find(history, random, [](auto& op) { return op.kind == kSet; });
  if (!second) return false;
  const Operation& set2 = history.operation(*second);
  const auto first = find(history, random,
                          [&](const Operation& op) { return op.kind == kSet && before(op, set2); });
  const auto read2 = find(history, random, [&](const Operation& op) {
    return op.kind == kGet && op.object == set2.object && op.result == set2.argument;
  });
  if (!first || !read2) return false;
  const auto later = find(history, random, [&](const Operation& op) {
    return op.kind == kGet && before(history.operation(*read2), op);
  });
  if (!later) return false;
  history.operation(*later).result = history.operation(*first).argument;
  return true;
}

// The same for a group: an MGET shows what an MSET wrote before another one that was complete.
bool stale_group(History& history, Random& random) {
  const auto second = find(history, random, [](auto& op) { return op.kind == kMset; });
  if (!second) return false;
  const auto first = find(history, random, [&](const Operation& op) {
    return op.kind == kMset && before(op, history.operation(*second));
  });
  const auto later = find(history, random, [&](const Operation& op) {
    return op.kind == kMget && before(history.operation(*second), op);
  });
  if (!first || !later) return false;
  history.set_values(*later, copy_of_values(history, history.operation(*first)));
  return true;
}

// Every MSET writes one value to all members, but an MGET shows two.
bool torn_write(History& history, Random& random) {
  const auto write = find(history, random, [](auto& op) { return op.kind == kMset; });
  if (!write) return false;
  const Value value = history.values(history.operation(*write))[0];
  const auto read = find(history, random, [&](const Operation& op) {
    return op.kind == kMget && history.values(op)[0] != value;
  });
  if (!read) return false;
  auto values = copy_of_values(history, history.operation(*read));
  values[random.below(values.size())] = value;
  history.set_values(*read, values);
  return true;
}

// Nothing is ever removed, and a reply from after an acknowledged write does not have it.
bool lost_write(History& history, Random& random) {
  const auto write = find(history, random, [](const Operation& op) {
    return one_of(op.kind, {kSadd, kRpush, kIncr});
  });
  if (!write) return false;
  const Operation written = history.operation(*write);
  const auto read = find(history, random, [&](const Operation& op) {
    return one_of(op.kind, {kGet, kSmembers, kLrange, kSismember}) && before(written, op);
  });
  if (!read) return false;
  Operation& op = history.operation(*read);
  if (op.kind == kGet) {  // counters only go up
    op.result = written.result - 1;
  } else if (op.kind == kSismember) {
    op.argument = written.argument;
    op.result = 0;
  } else {
    auto values = copy_of_values(history, op);
    std::erase(values, written.argument);
    history.set_values(*read, values);
  }
  return true;
}

// Of two operations at most one can have been told so: both adding one member where none is
// removed, one SETNX too many where nothing is deleted, both taking the place of the same value,
// both popping the same element, both counting to the same number.
bool told_twice(History& history, Random& random) {
  const auto winner = find(history, random, [](const Operation& op) {
    if (one_of(op.kind, {kSadd, kSetNx, kCas})) return op.result == 1;
    return op.kind == kIncr || (one_of(op.kind, {kGetSet, kLpop}) && op.result != kNil);
  });
  if (!winner) return false;
  const Operation first = history.operation(*winner);
  const auto other = find(history, random, [&](const Operation& op) {
    if (&op == &history.operation(*winner) || op.kind != first.kind) return false;
    if (op.object != first.object) return false;
    return op.kind != kSadd || op.argument == first.argument;
  });
  if (!other) return false;
  if (first.kind == kCas) {
    if (first.expected == kNil) return false;
    history.operation(*other).expected = first.expected;
  }
  history.operation(*other).result = first.result;
  return true;
}

// A list shows an element twice that was pushed once, or a counter more than everyone added.
bool effect_twice(History& history, Random& random) {
  const auto id = find(history, random, [&](const Operation& op) {
    return (op.kind == kLrange && op.values_count > 0) || (op.kind == kGet && op.result != kNil);
  });
  if (!id) return false;
  Operation& op = history.operation(*id);
  if (op.kind == kLrange) {
    auto values = copy_of_values(history, op);
    values.push_back(values[random.below(values.size())]);
    history.set_values(*id, values);
    return true;
  }
  op.result = 1;
  for (OpId i = 0; i < history.size(); ++i) {
    const Operation& other = history.operation(i);
    if (other.object == op.object && other.kind == kIncr) op.result += other.argument;
  }
  return true;
}

// Two readers see the same two elements of a list that only grows in different orders.
bool swapped_order(History& history, Random& random) {
  const auto one = find(history, random, [](const Operation& op) {
    return op.kind == kLrange && op.values_count >= 2;
  });
  if (!one) return false;
  const Operation first = history.operation(*one);
  const auto other = find(history, random, [&](const Operation& op) {
    return op.kind == kLrange && op.object == first.object && op.values_count >= 2 &&
           &op != &history.operation(*one);
  });
  if (!other) return false;
  auto values = copy_of_values(history, first);
  const size_t common =
      std::min<size_t>(first.values_count, history.operation(*other).values_count);
  const size_t at = random.below(common - 1);
  std::swap(values[at], values[at + 1]);
  history.set_values(*one, values);
  return true;
}

// Of a queue, a was pushed before b was, and b is popped before a is.
bool out_of_turn(History& history, Random& random) {
  const auto popped = find(
      history, random, [](const Operation& op) { return op.kind == kLpop && op.result != kNil; });
  if (!popped) return false;
  const Operation pop_a = history.operation(*popped);
  const auto later = find(history, random, [&](const Operation& op) {
    return op.kind == kLpop && op.result != kNil && before(pop_a, op);
  });
  if (!later) return false;
  const auto push_of = [&](Value value) {
    return find(history, random, [&](const Operation& op) {
      return op.kind == kRpush && op.object == pop_a.object && op.argument == value;
    });
  };
  const auto push_a = push_of(pop_a.result);
  const auto push_b = push_of(history.operation(*later).result);
  if (!push_a || !push_b) return false;
  if (!before(history.operation(*push_a), history.operation(*push_b))) return false;
  std::swap(history.operation(*popped).result, history.operation(*later).result);
  return true;
}

// Read where it was removed: an element that a pop had taken before.
bool popped_but_there(History& history, Random& random) {
  const auto popped = find(
      history, random, [](const Operation& op) { return op.kind == kLpop && op.result != kNil; });
  if (!popped) return false;
  const Operation pop = history.operation(*popped);
  const auto read = find(
      history, random, [&](const Operation& op) { return op.kind == kLrange && before(pop, op); });
  if (!read || contains(history, history.operation(*read), pop.result)) return false;
  auto values = copy_of_values(history, history.operation(*read));
  values.insert(values.begin(), pop.result);
  history.set_values(*read, values);
  return true;
}

// A write that is certain to have failed is read.
bool read_of_failed(History& history, Random& random) {
  for (OpId id = 0; id < history.size(); ++id) {
    const Operation failed = history.operation(id);
    if (failed.outcome != Outcome::kFailed || !one_of(failed.kind, {kSet, kGetSet, kRpush})) {
      continue;
    }
    const auto read = find(history, random, [&](const Operation& op) {
      return one_of(op.kind, {kGet, kLrange}) && op.object == failed.object;
    });
    if (!read) continue;
    history.operation(*read).result = failed.argument;
    auto values = copy_of_values(history, history.operation(*read));
    values.push_back(failed.argument);
    history.set_values(*read, values);
    return true;
  }
  return false;
}

// Two requests in a row after all else, while nothing is open, and both delete.
bool deleted_twice(History& history, Random& /*random*/) {
  int64_t now = 0;
  for (OpId op = 0; op < history.size(); ++op) {
    if (history.operation(op).outcome == Outcome::kOpen) history.resolve(op, false);
    if (history.operation(op).outcome == Outcome::kHappened) return false;
    const Operation& one = history.operation(op);
    now = std::max(now, one.outcome == Outcome::kFailed ? one.invoked : one.returned);
  }
  const OpId first = history.invoke(1, 0, kDel, now + 1);
  history.ok(first, now + 2, 1);
  const OpId second = history.invoke(1, 0, kDel, now + 3);
  history.ok(second, now + 4, 1);
  return true;
}

}  // namespace

std::vector<Corruption> corruptions() {
  const std::vector<std::string> unique_registers = {"register", "get and set", "getset", "setnx",
                                                     "cas"};
  std::vector<std::string> all = unique_registers;
  all.insert(all.end(), {"group", "partial group", "counter", "rising counter", "set",
                         "growing set", "list", "growing list", "queue"});
  return {
      {"from nowhere", all, false, from_nowhere},
      {"unheard-of member", {"set", "growing set"}, false, unheard_member},
      {"stale read", {"register", "get and set", "cas"}, true, stale_read},
      {"stale group", {"group"}, true, stale_group},
      {"torn write", {"group"}, false, torn_write},
      {"lost write", {"growing set", "growing list", "rising counter"}, true, lost_write},
      {"told twice",
       {"growing set", "setnx", "getset", "queue", "list", "rising counter", "cas"},
       false,
       told_twice},
      {"effect twice", {"growing list", "queue", "list", "rising counter"}, false, effect_twice},
      {"swapped order", {"growing list"}, true, swapped_order},
      {"out of turn", {"queue", "list"}, false, out_of_turn},
      {"popped but there", {"queue", "list"}, true, popped_but_there},
      {"read of failed", {"get and set", "getset", "growing list", "queue"}, true, read_of_failed},
      {"deleted twice", {"register", "counter", "set", "list"}, false, deleted_twice},
  };
}

}  // namespace holdfast::history
