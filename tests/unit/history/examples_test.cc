// Histories that a person can follow: what counts as correct, and what is said of a wrong one.
#include <doctest/doctest.h>

#include <stdexcept>

#include "tests/support/history/linearizable.h"
#include "tests/support/history/transactions.h"

using namespace holdfast;
using namespace holdfast::history;

namespace {

struct One {  // one object
  explicit One(ObjectKind kind, uint32_t members = 1) {
    x = history.add_object("x", kind, members);
  }

  OpId done(uint32_t client, OpKind kind, int64_t from, int64_t to, Value argument, Value result) {
    const OpId op = history.invoke(client, x, kind, from, argument);
    history.ok(op, to, result);
    return op;
  }
  OpId read(uint32_t client, OpKind kind, int64_t from, int64_t to, std::vector<Value> values) {
    const OpId op = history.invoke(client, x, kind, from);
    history.ok(op, to, values);
    return op;
  }
  Verdict verdict() { return check_linearizable(history).verdict; }

  History history;
  ObjectId x;
};

}  // namespace

TEST_CASE("history: an empty one is correct") {
  CHECK(check_linearizable(History()).verdict == Verdict::kCorrect);
  CHECK(check_transactions(TransactionHistory()).verdict == Verdict::kCorrect);
}

TEST_CASE("history: a read during a write may see either value, but never the old one again") {
  One h(ObjectKind::kRegister);
  h.done(1, OpKind::kSet, 0, 10, 1, 0);
  h.done(1, OpKind::kSet, 20, 50, 2, 0);
  h.done(2, OpKind::kGet, 22, 25, 0, 1);
  h.done(2, OpKind::kGet, 30, 35, 0, 2);
  CHECK(h.verdict() == Verdict::kCorrect);
  h.done(3, OpKind::kGet, 36, 40, 0, 1);
  const Judgement judgement = check_linearizable(h.history);
  CHECK(judgement.verdict == Verdict::kWrong);
  CHECK(judgement.why ==
        "x: no order of its operations explains this reply, number 4 of 5:\n"
        "  #4 client 3 [36, 40] GET x -> 1\n"
        "x can have been, just before:\n"
        "  2\n"
        "around it:\n"
        "  #0 client 1 [0, 10] SET x 1 -> ok\n"
        "  #1 client 1 [20, 50] SET x 2 -> ok\n"
        "  #2 client 2 [22, 25] GET x -> 1\n"
        "  #3 client 2 [30, 35] GET x -> 2\n");
}

TEST_CASE("history: a reply and a request at the same time are concurrent") {
  One h(ObjectKind::kRegister);
  h.done(1, OpKind::kSet, 0, 10, 1, 0);
  SUBCASE("at once") {
    h.done(2, OpKind::kGet, 10, 12, 0, kNil);
    CHECK(h.verdict() == Verdict::kCorrect);
  }
  SUBCASE("after it") {
    h.done(2, OpKind::kGet, 11, 12, 0, kNil);
    CHECK(h.verdict() == Verdict::kWrong);
  }
}

TEST_CASE("history: an open write may happen late, or never, until it is resolved") {
  One h(ObjectKind::kRegister);
  const OpId lost = h.history.invoke(1, h.x, OpKind::kSet, 0, 1);
  h.done(2, OpKind::kGet, 10, 12, 0, kNil);
  SUBCASE("late") {
    h.done(2, OpKind::kGet, 20, 22, 0, 1);
    CHECK(h.verdict() == Verdict::kCorrect);
    SUBCASE("but not twice") {
      h.done(2, OpKind::kDel, 30, 32, 0, 1);
      h.done(2, OpKind::kGet, 40, 42, 0, 1);
      CHECK(h.verdict() == Verdict::kWrong);
    }
    SUBCASE("the log says by 50") {
      h.history.resolve(lost, true, 50);
      CHECK(h.verdict() == Verdict::kCorrect);
    }
    SUBCASE("the log says before") {
      h.history.resolve(lost, true, 5);
      CHECK(h.verdict() == Verdict::kWrong);
    }
    SUBCASE("the log does not have it") {
      h.history.resolve(lost, false);
      CHECK(h.verdict() == Verdict::kWrong);
    }
  }
  SUBCASE("never") { CHECK(h.verdict() == Verdict::kCorrect); }
}

TEST_CASE("history: two clients cannot both hold a lock") {
  One h(ObjectKind::kRegister);
  h.done(1, OpKind::kSetNx, 0, 10, 1, 1);
  h.done(2, OpKind::kSetNx, 5, 15, 2, 1);
  CHECK(h.verdict() == Verdict::kWrong);
}

TEST_CASE("history: MGET shows all of an MSET or nothing of it") {
  One h(ObjectKind::kRegister, 2);
  const std::vector<Value> values = {1, 2};
  h.history.ok(h.history.invoke_mset(1, h.x, 0, values), 10);
  h.read(2, OpKind::kMget, 2, 4, {kNil, kNil});
  h.read(2, OpKind::kMget, 5, 6, {1, 2});
  CHECK(h.verdict() == Verdict::kCorrect);
  h.read(3, OpKind::kMget, 2, 9, {1, kNil});
  CHECK(h.verdict() == Verdict::kWrong);
}

TEST_CASE("history: sets, lists and counters") {
  SUBCASE("a member is added once") {
    One h(ObjectKind::kSet);
    h.done(1, OpKind::kSadd, 0, 10, 7, 1);
    h.done(2, OpKind::kSadd, 0, 10, 7, 0);
    h.read(1, OpKind::kSmembers, 11, 12, {7});
    CHECK(h.verdict() == Verdict::kCorrect);
    h.done(3, OpKind::kSadd, 0, 10, 7, 1);
    CHECK(h.verdict() == Verdict::kWrong);
  }
  SUBCASE("a list has an order") {
    One h(ObjectKind::kList);
    h.done(1, OpKind::kRpush, 0, 10, 1, 2);
    h.done(2, OpKind::kRpush, 0, 10, 2, 1);
    h.read(1, OpKind::kLrange, 11, 12, {2, 1});
    CHECK(h.verdict() == Verdict::kCorrect);
    h.done(1, OpKind::kLpop, 13, 14, 0, 1);
    CHECK(h.verdict() == Verdict::kWrong);
  }
  SUBCASE("an increment that nobody was told of counts once") {
    One h(ObjectKind::kCounter);
    h.history.invoke(1, h.x, OpKind::kIncr, 0, 1);
    h.done(2, OpKind::kIncr, 5, 6, 1, 2);
    CHECK(h.verdict() == Verdict::kCorrect);
    h.done(2, OpKind::kGet, 7, 8, 0, 3);
    CHECK(h.verdict() == Verdict::kWrong);
  }
}

TEST_CASE("history: a search that takes too long says so") {
  One h(ObjectKind::kRegister);
  for (int i = 0; i < 50; ++i) h.done(1, OpKind::kSet, 0, 100, i, 0);
  h.done(2, OpKind::kGet, 101, 102, 0, 99);
  const Judgement judgement = check_linearizable(h.history, {.steps_per_object = 1'000});
  CHECK(judgement.verdict == Verdict::kUnknown);
  CHECK(judgement.why == "x: no verdict after 1001 steps\n");
}

TEST_CASE("transactions: a lost append is named") {
  TransactionHistory h;
  const KeyId x = h.add_key("x");
  h.ok(h.invoke(1, 0, {Step::append(x, 1)}), 10, {});
  h.ok(h.invoke(2, 20, {Step::read(x)}), 30, {{}});
  const Judgement judgement = check_transactions(h);
  CHECK(judgement.verdict == Verdict::kWrong);
  CHECK(judgement.why ==
        "not strictly serializable: each of these 2 came before the next, and the last before the "
        "first (G-single, as a stale or torn read, in real time): an acknowledged append is "
        "missing\n"
        "  T0 client 1 [0, 10] RPUSH x 1\n"
        "    rt: T0 had returned before T1 was sent\n"
        "  T1 client 2 [20, 30] LRANGE x -> []\n"
        "    rw: T1 read x before T0 appended 1\n");
}

TEST_CASE("transactions: what is open may happen late, all of it, or never") {
  TransactionHistory h;
  const KeyId x = h.add_key("x");
  const KeyId y = h.add_key("y");
  const TransactionId lost = h.invoke(1, 0, {Step::append(x, 1), Step::append(y, 1)});
  h.ok(h.invoke(2, 20, {Step::read(x)}), 30, {{}});
  CHECK(check_transactions(h).verdict == Verdict::kCorrect);
  SUBCASE("late") {
    h.ok(h.invoke(2, 40, {Step::read(x)}), 50, {{1}});
    CHECK(check_transactions(h).verdict == Verdict::kCorrect);
    h.ok(h.invoke(2, 60, {Step::read(y)}), 70, {{}});  // but half of it
    CHECK(check_transactions(h).verdict == Verdict::kWrong);
  }
  SUBCASE("resolved: it did, by 10") {
    h.resolve(lost, true, 10);
    CHECK(check_transactions(h).verdict == Verdict::kWrong);
  }
}

TEST_CASE("transactions: an element that two steps append is the test's own mistake") {
  TransactionHistory h;
  const KeyId x = h.add_key("x");
  h.invoke(1, 0, {Step::append(x, 1)});
  h.invoke(2, 0, {Step::append(x, 1)});
  CHECK_THROWS_AS(check_transactions(h), std::logic_error);
}
