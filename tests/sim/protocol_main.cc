// Runs seeds of the protocol's simulation: each twice, with the same trace, and every mark at least
// once.
//
//   sim_protocol [--seeds N] [--seed S] [--first S] [--jobs N]
// A failing seed prints itself, what was broken, its timeline and the command that repeats it.
#include <cstdio>

#include "base/assert.h"
#include "tests/sim/campaign.h"
#include "tests/sim/protocol_world.h"

namespace {

const std::vector<std::string> kMarks = {"changes of members",
                                         "clogs",
                                         "crashes",
                                         "crashes of all",
                                         "crashes of the coordinator",
                                         "disks replaced",
                                         "entries committed",
                                         "false suspicions",
                                         "half connected voters",
                                         "handovers",
                                         "leaders cut off",
                                         "logs of who was left out cut",
                                         "logs released",
                                         "members exchanged",
                                         "messages lost",
                                         "partitions",
                                         "pauses",
                                         "primaries",
                                         "reads confirmed",
                                         "reads under a lease",
                                         "slow links",
                                         "snapshots installed",
                                         "stalled leaders",
                                         "suffixes truncated",
                                         "unproven ends of logs"};

[[noreturn]] void broken(const char* expression, const char* file, int line) {
  throw holdfast::ProtocolViolation("broken invariant: " + std::string(expression) + " at " + file +
                                    ":" + std::to_string(line));
}

holdfast::SeedResult run_seed(uint64_t seed) {
  holdfast::SeedResult result;
  holdfast::ProtocolWorld world(seed);
  try {
    world.run();
  } catch (const holdfast::ProtocolViolation& violation) {
    result.failure = violation.what();
    result.timeline = {world.timeline().begin(), world.timeline().end()};
  }
  result.hash = world.trace_hash();
  result.marks = world.marks();
  result.faults = world.faults();
  result.virtual_ms = world.now() / holdfast::ProtocolWorld::kMs;
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  holdfast::set_assert_handler(broken);
  return holdfast::run_campaign(
      argc, argv, {"sim-protocol", "tests/sim/protocol_seeds.txt", kMarks, 1000}, run_seed);
}
