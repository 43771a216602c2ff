// The search of tests/support/history/linearizable.h against brute force, on histories small enough
// for it, and on histories of a correct store; corrupted ones are in corruption_test.cc.
#include "tests/support/history/linearizable.h"

#include <doctest/doctest.h>

#include <chrono>

#include "tests/unit/history/generator.h"
#include "tests/unit/history/plain_object.h"

using namespace holdfast;
using namespace holdfast::history;

namespace {

std::string all_of(const History& history) {
  std::string text;
  for (OpId op = 0; op < history.size(); ++op) text += history.describe(op) + "\n";
  return text;
}

// One reply becomes another one, which may or may not be possible too.
void alter_one_reply(History& history, Random& random) {
  const auto id = static_cast<OpId>(random.below(history.size()));
  Operation& op = history.operation(id);
  if (op.outcome != Outcome::kOk || op.kind == OpKind::kMset) return;
  const auto seen = history.values(op);
  if (seen.empty()) {
    op.result = random.one_in(4) ? kNil : static_cast<Value>(random.below(4));
    return;
  }
  std::vector<Value> told(seen.begin(), seen.end());
  switch (random.below(3)) {
    case 0:
      told.pop_back();
      break;
    case 1:
      std::swap(told[random.below(told.size())], told[random.below(told.size())]);
      break;
    default:
      told[random.below(told.size())] = static_cast<Value>(1 + random.below(4));
  }
  history.set_values(id, told);
}

}  // namespace

TEST_CASE("history: the search and brute force agree on tiny histories") {
  SeededRandom random(20261121);
  uint64_t correct = 0;
  uint64_t wrong = 0;
  for (int round = 0; round < 3'000; ++round) {
    for (Profile profile : profiles()) {
      profile.lost_one_in = 1 + random.below(6);
      profile.values = random.below(4);
      profile.resolved = random.one_in(3);
      const Extent extent{.operations = 3 + random.below(5), .clients = 3, .objects = 1};
      History history = generate(random, profile, extent);
      for (uint64_t i = random.below(4); i > 0; --i) alter_one_reply(history, random);
      const bool possible = brute_force(history);
      const Judgement judgement = check_linearizable(history);
      ++(possible ? correct : wrong);
      if (judgement.verdict != (possible ? Verdict::kCorrect : Verdict::kWrong)) {
        FAIL(profile.name, ": brute force says ", possible, "\n", all_of(history), judgement.why);
      }
    }
  }
  MESSAGE(correct, " correct, ", wrong, " wrong");
  CHECK(correct > 10'000);
  CHECK(wrong > 10'000);
}

TEST_CASE("history: what a correct store does is accepted") {
  SeededRandom random(7);
  uint64_t steps = 0;
  uint64_t unknown = 0;
  uint64_t histories = 0;
  for (int round = 0; round < 120; ++round) {
    for (Profile profile : profiles()) {
      profile.resolved = round % 3 == 0;
      const Extent extent{.operations = 100,
                          .clients = 2 + static_cast<uint32_t>(random.below(7)),
                          .objects = 1 + static_cast<uint32_t>(random.below(3)),
                          .read_at_end = round % 2 == 0};
      const History history = generate(random, profile, extent);
      const Judgement judgement = check_linearizable(history);
      ++histories;
      steps = std::max(steps, judgement.steps);
      unknown += judgement.verdict == Verdict::kUnknown;
      if (judgement.verdict == Verdict::kWrong) FAIL(profile.name, ": ", judgement.why);
    }
  }
  MESSAGE(histories, " histories, at most ", steps, " steps");
  CHECK(unknown == 0);
  CHECK(histories >= 1'000);
}
