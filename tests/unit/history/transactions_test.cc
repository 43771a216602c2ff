// The checker of transactions against brute force and on histories of a correct store; corrupted
// ones are in transaction_corruption_test.cc. And what it says of the anomalies that have names.
#include "tests/support/history/transactions.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/history/transaction_generator.h"

using namespace holdfast;
using namespace holdfast::history;

namespace {

std::string all_of(const TransactionHistory& history) {
  std::string text;
  for (TransactionId id = 0; id < history.size(); ++id) text += history.describe(id) + "\n";
  return text;
}

// One read shows something else, which may or may not be possible too.
void alter_one_read(TransactionHistory& history, Random& random) {
  const auto id = static_cast<TransactionId>(random.below(history.size()));
  if (history.transaction(id).outcome != Outcome::kOk) return;
  auto steps = history.steps(id);
  Step& step = steps[random.below(steps.size())];
  if (step.is_append) return;
  const auto seen = history.values(step);
  std::vector<Value> told(seen.begin(), seen.end());
  const uint64_t how = random.below(4);
  if (how == 0 || told.empty()) {
    told.push_back(static_cast<Value>(1 + random.below(8)));
  } else if (how == 1) {
    std::swap(told[random.below(told.size())], told.back());
  } else {
    told.pop_back();
  }
  history.set_values(step, told);
}

}  // namespace

TEST_CASE("transactions: the cycles and brute force agree on tiny histories") {
  SeededRandom random(20201121);
  uint64_t correct = 0;
  uint64_t wrong = 0;
  for (int round = 0; round < 25'000; ++round) {
    const TransactionProfile profile{.transactions = 2 + random.below(5),
                                     .clients = 3,
                                     .keys = 1 + static_cast<uint32_t>(random.below(2)),
                                     .steps = 3,
                                     .lost_one_in = 2 + random.below(8),
                                     .resolved = random.one_in(3),
                                     .read_at_end = random.one_in(2)};
    TransactionHistory history = generate_transactions(random, profile);
    for (uint64_t i = random.below(4); i > 0; --i) alter_one_read(history, random);
    const bool possible = brute_force(history);
    const Judgement judgement = check_transactions(history);
    ++(possible ? correct : wrong);
    if (judgement.verdict != (possible ? Verdict::kCorrect : Verdict::kWrong)) {
      FAIL("brute force says ", possible, "\n", all_of(history), judgement.why);
    }
  }
  MESSAGE(correct, " correct, ", wrong, " wrong");
  CHECK(correct > 5'000);
  CHECK(wrong > 5'000);
}

TEST_CASE("transactions: what a correct store does is accepted") {
  SeededRandom random(8);
  for (int round = 0; round < 1'000; ++round) {
    const TransactionProfile profile{.transactions = 20 + random.below(200),
                                     .clients = 2 + static_cast<uint32_t>(random.below(8)),
                                     .keys = 1 + static_cast<uint32_t>(random.below(6)),
                                     .lost_one_in = random.below(20),
                                     .resolved = random.one_in(3),
                                     .read_at_end = random.one_in(2)};
    const TransactionHistory history = generate_transactions(random, profile);
    const Judgement judgement = check_transactions(history);
    if (judgement.verdict != Verdict::kCorrect) FAIL(judgement.why);
  }
}
