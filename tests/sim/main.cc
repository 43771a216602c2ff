// Runs seeds of the simulation of whole nodes: each twice, with the same trace, and every mark at
// least once.
//
//   sim [--seeds N] [--seed S] [--first S] [--jobs N] [--until-failure]
// A failing seed prints itself, what was broken, its timeline and the command that repeats it; put
// it into tests/sim/seeds.txt, whose seeds run first in every campaign.
#include <cstdio>
#include <memory>

#include "base/assert.h"
#include "base/log_hook.h"
#include "tests/sim/campaign.h"
#include "tests/sim/cluster_world.h"

namespace {

using holdfast::ClusterWorld;

const std::vector<std::string> kMarks = {
    "NODE CAN-STOP",
    "NODE DRAIN",
    "SHARD FAILOVER",
    "VIEW LIST",
    "acknowledged through a gateway",
    "SHARD ADDMEMBER",
    "SHARD HANDOVER",
    "SHARD REMOVEMEMBER",
    "caught up by the log",
    "checkpoints",
    "clients cut off",
    "clients sent elsewhere",
    "clients that do not read",
    "clients that waited in vain",
    "clocks that drift",
    "clogs",
    "contents compared",
    "deposed with uncommitted effects",
    "disks replaced",
    "elections with slow disks",
    "failed logs",
    "failovers",
    "full devices",
    "handed over as was wished",
    "late answers to a primary",
    "long tasks",
    "members taken out",
    "other weather",
    "partitions",
    "pauses",
    "pauses of a primary that is cut off",
    "power lost",
    "power lost after a vote",
    "power lost everywhere",
    "power lost in a write",
    "power lost within recovery",
    "primaries cut off from members",
    "processes killed",
    "reads that waited for a lease",
    "refused: the device is full",
    "replies held for a commit",
    "resets",
    "resets of clients",
    "slow disks",
    "snapshots installed",
    "stalled disks",
    "stopped in order",
    "suffixes truncated",
    "unknown outcomes",
    "views",
    "wall clock steps",
    "writes failed",
};

ClusterWorld* running_world = nullptr;

void logged(holdfast::LogLevel, std::string_view message,
            std::initializer_list<holdfast::LogField> fields) {
  if (running_world != nullptr) running_world->logged(message, fields);
}

// Said at once too: what is thrown within a destructor ends the process.
[[noreturn]] void broken(const char* expression, const char* file, int line) {
  const std::string what = "C5: broken invariant: " + std::string(expression) + " at " + file +
                           ":" + std::to_string(line);
  std::fprintf(stderr, "%s\n", what.c_str());
  throw holdfast::Violation(what);
}

holdfast::SeedResult run_seed(uint64_t seed) {
  holdfast::SeedResult result;
  auto world = std::make_unique<ClusterWorld>(seed);
  running_world = world.get();
  try {
    world->run();
  } catch (const holdfast::Violation& violation) {
    result.failure = violation.what();
    world->describe();
    result.timeline = {world->timeline().begin(), world->timeline().end()};
  }
  result.hash = world->trace_hash();
  result.marks = world->marks();
  result.faults = world->faults();
  result.virtual_ms = world->now_ms();
  running_world = nullptr;
  if (!result.failure.empty()) (void)world.release();  // its state is broken: not to be destroyed
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  holdfast::set_assert_handler(broken);
  holdfast::set_log_level(holdfast::LogLevel::kOff);
  holdfast::set_log_hook(logged);
  return holdfast::run_campaign(
      argc, argv, {"sim", "tests/sim/seeds.txt", kMarks, 300, ClusterWorld::kClusters}, run_seed);
}
