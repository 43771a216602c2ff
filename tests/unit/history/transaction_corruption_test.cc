// The checker's own test: of corrupted histories of transactions, every one must be rejected. Each
// corruption says why no store can have done that.
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "tests/unit/history/transaction_generator.h"

using namespace holdfast;
using namespace holdfast::history;

namespace {

constexpr Value kNobodys = 1'000'000;

struct Read {
  TransactionId id;
  size_t step;
};

// A transactional history, and what the corruptions ask about it.
struct Corrupted {
  TransactionHistory& history;
  Random& random;

  Step& step(const Read& read) const { return history.steps(read.id)[read.step]; }
  std::vector<Value> values(const Read& read) const {
    const auto values = history.values(step(read));
    return {values.begin(), values.end()};
  }
  void set(const Read& read, const std::vector<Value>& values) const {
    history.set_values(step(read), values);
  }

  std::vector<Read> reads() const {
    std::vector<Read> found;
    for (TransactionId id = 0; id < history.size(); ++id) {
      if (history.transaction(id).outcome != Outcome::kOk) continue;
      const auto steps = history.steps(id);
      for (size_t i = 0; i < steps.size(); ++i) {
        if (!steps[i].is_append) found.push_back({id, i});
      }
    }
    return found;
  }

  template <typename Condition>
  std::optional<Read> any_read(Condition condition) const {
    auto found = reads();
    std::erase_if(found, [&](const Read& read) { return !condition(read); });
    if (found.empty()) return std::nullopt;
    return found[random.below(found.size())];
  }
  std::optional<Read> any_read_of(size_t at_least) const {
    return any_read([&](const Read& read) { return step(read).values_count >= at_least; });
  }

  std::optional<TransactionId> writer(KeyId key, Value element) const {
    for (TransactionId id = 0; id < history.size(); ++id) {
      for (const Step& one : history.steps(id)) {
        if (one.is_append && one.key == key && one.element == element) return id;
      }
    }
    return std::nullopt;
  }
  int64_t end() const {
    int64_t last = 0;
    for (TransactionId id = 0; id < history.size(); ++id) {
      const Transaction& one = history.transaction(id);
      last = std::max({last, one.invoked, one.returned == kForever ? 0 : one.returned});
    }
    return last;
  }
  // What the transaction at the end read of a key.
  std::vector<Value> at_end(KeyId key) const {
    return values({static_cast<TransactionId>(history.size() - 1), key});
  }
};

bool from_nowhere(const Corrupted& c) {
  const auto read = c.any_read_of(0);
  auto values = c.values(*read);
  values.insert(values.begin() + static_cast<ptrdiff_t>(c.random.below(values.size() + 1)),
                kNobodys);
  c.set(*read, values);
  return true;
}

bool read_of_failed(const Corrupted& c) {
  for (TransactionId id = 0; id < c.history.size(); ++id) {
    if (c.history.transaction(id).outcome != Outcome::kFailed) continue;
    for (const Step& step : c.history.steps(id)) {
      if (!step.is_append) continue;
      const auto read = c.any_read([&](const Read& r) { return c.step(r).key == step.key; });
      if (!read) continue;
      auto values = c.values(*read);
      values.push_back(step.element);
      c.set(*read, values);
      return true;
    }
  }
  return false;
}

bool element_twice(const Corrupted& c) {
  const auto read = c.any_read_of(1);
  if (!read) return false;
  auto values = c.values(*read);
  values.push_back(values[c.random.below(values.size())]);
  c.set(*read, values);
  return true;
}

// Two reads of one list with the same two elements in different orders.
bool two_orders(const Corrupted& c) {
  const auto one = c.any_read_of(2);
  if (!one) return false;
  const auto other = c.any_read([&](const Read& read) {
    return c.step(read).key == c.step(*one).key && c.step(read).values_count >= 2 &&
           read.id != one->id;
  });
  if (!other) return false;
  auto values = c.values(*one);
  const size_t common = std::min(values.size(), c.values(*other).size());
  const size_t at = c.random.below(common - 1);
  std::swap(values[at], values[at + 1]);
  c.set(*one, values);
  return true;
}

// A read lacks the last element it had, which had been acknowledged before it was sent.
bool stale_read(const Corrupted& c) {
  const auto read = c.any_read([&](const Read& r) {
    const auto values = c.values(r);
    if (values.empty()) return false;
    const auto writer = c.writer(c.step(r).key, values.back());
    return c.history.transaction(*writer).returned < c.history.transaction(r.id).invoked;
  });
  if (!read) return false;
  auto values = c.values(*read);
  values.pop_back();
  c.set(*read, values);
  return true;
}

// An acknowledged element is missing from the middle of the read at the end.
bool lost_append(const Corrupted& c) {
  const auto read = c.any_read(
      [&](const Read& r) { return r.id + 1 == c.history.size() && c.step(r).values_count >= 2; });
  if (!read) return false;
  auto values = c.values(*read);
  const size_t at = c.random.below(values.size());
  const auto writer = c.writer(c.step(*read).key, values[at]);
  if (c.history.transaction(*writer).outcome != Outcome::kOk) return false;
  values.erase(values.begin() + static_cast<ptrdiff_t>(at));
  c.set(*read, values);
  return true;
}

// One transaction appends to two lists; a later one sees it in one of them only.
bool torn_transaction(const Corrupted& c) {
  const auto whole = c.any_read([&](const Read& read) {
    if (read.id + 1 != c.history.size() || c.step(read).values_count == 0) return false;
    const auto writer = c.writer(c.step(read).key, c.values(read).back());
    const auto steps = c.history.steps(*writer);
    return std::ranges::any_of(
        steps, [&](const Step& step) { return step.is_append && step.key != c.step(read).key; });
  });
  if (!whole) return false;
  auto values = c.values(*whole);
  const auto writer = c.writer(c.step(*whole).key, values.back());
  while (!values.empty() && c.writer(c.step(*whole).key, values.back()) == writer) {
    values.pop_back();
  }
  c.set(*whole, values);
  return true;
}

// A transaction does not see what it appended itself.
bool blind_to_itself(const Corrupted& c) {
  const auto read = c.any_read([&](const Read& r) {
    const auto steps = c.history.steps(r.id);
    return std::any_of(steps.begin(), steps.begin() + static_cast<ptrdiff_t>(r.step),
                       [&](const Step& s) { return s.is_append && s.key == c.step(r).key; });
  });
  if (!read) return false;
  auto values = c.values(*read);
  std::erase_if(values, [&](Value v) { return c.writer(c.step(*read).key, v) == read->id; });
  c.set(*read, values);
  return true;
}

// The second of two reads of one list in a transaction lost something.
bool unrepeatable(const Corrupted& c) {
  const auto second = c.any_read([&](const Read& r) {
    if (c.step(r).values_count == 0) return false;
    const auto steps = c.history.steps(r.id);
    return r.step > 0 && !steps[r.step - 1].is_append && steps[r.step - 1].key == c.step(r).key;
  });
  if (!second) return false;
  auto values = c.values(*second);
  values.pop_back();
  c.set(*second, values);
  return true;
}

// Two transactions at once at the end of a history, and a read of all that they did.
struct Pair {
  Pair(const Corrupted& c, std::initializer_list<Step> first, std::initializer_list<Step> second)
      : history(c.history), now(c.end() + 1) {
    one = history.invoke(101, now, first);
    two = history.invoke(102, now + 1, second);
  }
  void answer(const std::vector<std::vector<Value>>& first,
              const std::vector<std::vector<Value>>& second) {
    history.ok(one, now + 2, first);
    history.ok(two, now + 3, second);
  }
  void read_all(const std::vector<std::vector<Value>>& lists) {
    std::vector<Step> steps;
    for (KeyId key = 0; key < lists.size(); ++key) steps.push_back(Step::read(key));
    const TransactionId id = history.invoke(103, now + 4, steps);
    history.ok(id, now + 5, lists);
  }

  TransactionHistory& history;
  int64_t now;
  TransactionId one = 0, two = 0;
};

std::vector<std::vector<Value>> all_at_end(const Corrupted& c) {
  std::vector<std::vector<Value>> lists;
  for (KeyId key = 0; key < c.history.keys(); ++key) lists.push_back(c.at_end(key));
  return lists;
}

// Each reads a list and appends to that of the other, and neither sees the other's element.
bool write_skew(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::read(0), Step::append(1, 900'001)},
            {Step::read(1), Step::append(0, 900'002)});
  pair.answer({lists[0]}, {lists[1]});
  lists[1].push_back(900'001);
  lists[0].push_back(900'002);
  pair.read_all(lists);
  return true;
}

// Each sees the other's element.
bool circular_reads(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::append(0, 900'001), Step::read(1)},
            {Step::append(1, 900'002), Step::read(0)});
  lists[0].push_back(900'001);
  lists[1].push_back(900'002);
  pair.answer({lists[1]}, {lists[0]});
  return true;
}

// Each appends to two lists; the lists have them in different orders.
bool interleaved(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::append(0, 900'001), Step::append(1, 900'001)},
            {Step::append(0, 900'002), Step::append(1, 900'002)});
  pair.answer({}, {});
  lists[0].insert(lists[0].end(), {900'001, 900'002});
  lists[1].insert(lists[1].end(), {900'002, 900'001});
  pair.read_all(lists);
  return true;
}

// Both append after having seen the same list, so one did not see the other.
bool lost_update(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::read(0), Step::append(0, 900'001)},
            {Step::read(0), Step::append(0, 900'002)});
  pair.answer({lists[0]}, {lists[0]});
  lists[0].insert(lists[0].end(), {900'001, 900'002});
  pair.read_all(lists);
  return true;
}

// The second sees the first one's first element, but not the second one.
bool intermediate_read(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::append(0, 900'001), Step::append(0, 900'002)}, {Step::read(0)});
  lists[0].push_back(900'001);
  pair.answer({}, {lists[0]});
  return true;
}

// What one transaction appended is there the other way round.
bool own_order(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::append(0, 900'001), Step::append(0, 900'002)}, {Step::read(1)});
  pair.answer({}, {lists[1]});
  lists[0].insert(lists[0].end(), {900'002, 900'001});
  pair.read_all(lists);
  return true;
}

// What it reads has its own element, which it appends later.
bool own_future(const Corrupted& c) {
  auto lists = all_at_end(c);
  Pair pair(c, {Step::read(0), Step::append(0, 900'001)}, {Step::read(1)});
  lists[0].push_back(900'001);
  pair.answer({lists[0]}, {lists[1]});
  return true;
}

struct Corruption {
  const char* name;
  bool (*apply)(const Corrupted&);
  const char* said;  // a part of the explanation, or null where several are right
};

constexpr Corruption kCorruptions[] = {
    {"from nowhere", from_nowhere, "nobody appended"},
    {"read of failed", read_of_failed, "failed"},
    {"element twice", element_twice, nullptr},
    {"two orders", two_orders, nullptr},
    {"stale read", stale_read, nullptr},
    {"lost append", lost_append, nullptr},
    {"torn transaction", torn_transaction, nullptr},
    {"blind to itself", blind_to_itself, nullptr},
    {"unrepeatable", unrepeatable, nullptr},
    {"write skew", write_skew, "G2"},
    {"circular reads", circular_reads, "G1c"},
    {"interleaved writes", interleaved, "G0"},
    {"lost update", lost_update, "G-single"},
    {"intermediate read", intermediate_read, "G-single"},
    {"own order", own_order, "another order"},
    {"own future", own_future, "yet to append"},
};

}  // namespace

TEST_CASE("transactions: corrupted histories are rejected") {
  constexpr int kWanted = 80;  // of each corruption
  SeededRandom random(1999);
  uint64_t rejected = 0;
  for (const Corruption& corruption : kCorruptions) {
    CAPTURE(corruption.name);
    int found = 0;
    for (int round = 0; round < kWanted * 30 && found < kWanted; ++round) {
      const TransactionProfile profile{.transactions = 10 + random.below(60),
                                       .clients = 2 + static_cast<uint32_t>(random.below(5)),
                                       .keys = 2 + static_cast<uint32_t>(random.below(3)),
                                       .resolved = random.one_in(3)};
      TransactionHistory history = generate_transactions(random, profile);
      if (!corruption.apply({history, random})) continue;
      ++found;
      const Judgement judgement = check_transactions(history);
      if (judgement.verdict != Verdict::kWrong) {
        std::string all;
        for (TransactionId id = 0; id < history.size(); ++id) all += history.describe(id) + "\n";
        FAIL("accepted:\n", all);
      }
      if (corruption.said != nullptr) {
        CHECK_MESSAGE(judgement.why.find(corruption.said) != std::string::npos, judgement.why);
      }
      ++rejected;
    }
    CHECK(found == kWanted);
  }
  MESSAGE(rejected, " rejected");
  CHECK(rejected >= 1'000);
}
