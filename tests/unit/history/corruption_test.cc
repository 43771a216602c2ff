// The checker's own test: of corrupted histories, every one must be rejected.
#include <doctest/doctest.h>

#include "tests/support/history/linearizable.h"
#include "tests/unit/history/corruptions.h"
#include "tests/unit/history/generator.h"

using namespace holdfast;
using namespace holdfast::history;

TEST_CASE("history: corrupted histories are rejected") {
  constexpr int kWanted = 40;  // of each corruption and each kind of history
  SeededRandom random(1990);
  uint64_t rejected = 0;
  uint64_t steps = 0;
  for (const Corruption& corruption : corruptions()) {
    for (const std::string& name : corruption.profiles) {
      CAPTURE(corruption.name);
      CAPTURE(name);
      int found = 0;
      for (int round = 0; round < kWanted * 30 && found < kWanted; ++round) {
        const Extent extent{.operations = 20 + random.below(50),
                            .clients = 2 + static_cast<uint32_t>(random.below(5)),
                            .objects = 1 + static_cast<uint32_t>(random.below(2)),
                            .read_at_end = corruption.read_at_end};
        History history = generate(random, profile(name), extent);
        if (!corruption.apply(history, random)) continue;
        ++found;
        const Judgement judgement = check_linearizable(history);
        steps = std::max(steps, judgement.steps);
        if (judgement.verdict == Verdict::kCorrect) {
          std::string all;
          for (OpId op = 0; op < history.size(); ++op) all += history.describe(op) + "\n";
          FAIL("accepted:\n", all);
        }
        CHECK(judgement.verdict == Verdict::kWrong);
        CHECK(!judgement.why.empty());
        ++rejected;
      }
      CHECK(found == kWanted);
    }
  }
  MESSAGE(rejected, " rejected, at most ", steps, " steps");
  CHECK(rejected >= 1'000);
}
