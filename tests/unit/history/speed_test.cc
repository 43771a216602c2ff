// What checking costs. Bounded in steps, which are the same on every machine; times are printed.
#include <doctest/doctest.h>

#include <chrono>
#include <functional>

#include "tests/support/history/linearizable.h"
#include "tests/unit/history/generator.h"
#include "tests/unit/history/transaction_generator.h"

using namespace holdfast;
using namespace holdfast::history;

namespace {

double ms_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

TEST_CASE("history: 2,000 operations of 8 clients on 20 keys are cheap to check") {
  SeededRandom random(3);
  for (const Profile& base : profiles()) {
    Profile profile = base;
    profile.lost_one_in = 50;
    uint64_t steps = 0;
    double worst = 0;
    for (int round = 0; round < 10; ++round) {
      const Extent extent{.operations = 2'000, .clients = 8, .objects = 20, .read_at_end = true};
      const History history = generate(random, profile, extent);
      Judgement judgement;
      worst = std::max(worst, ms_of([&] { judgement = check_linearizable(history); }));
      steps = std::max(steps, judgement.steps);
      CHECK(judgement.verdict == Verdict::kCorrect);
    }
    MESSAGE(profile.name, ": at most ", worst, " ms, ", steps, " steps");
  }
}

TEST_CASE("transactions: 20,000 of 8 clients on 200 keys are checked at once") {
  SeededRandom random(4);
  const TransactionHistory history = generate_transactions(
      random, {.transactions = 20'000, .clients = 8, .keys = 200, .lost_one_in = 50});
  Judgement judgement;
  const double ms = ms_of([&] { judgement = check_transactions(history); });
  CHECK(judgement.verdict == Verdict::kCorrect);
  MESSAGE(history.size(), " transactions: ", ms, " ms");
}
