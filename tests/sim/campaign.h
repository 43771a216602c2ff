// Campaign: runs many seeds of a simulation on all cores, each seed twice, and says what happened.
//
//   PROGRAM [--seeds N] [--first S] [--seed S] [--jobs N] [--until-failure] [--second-kind]
//
// --second-kind: only seeds of that (CampaignOptions).
// --until-failure stops at the first seed that fails, runs each once, and no remembered ones.
//
// A seed fails when an oracle is broken, when two runs of it differ, or when it ends its process.
// A campaign of 50 seeds or more fails when a mark was never reached. Seeds that failed once, one a
// line in the campaign's file, run first.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace holdfast {

// How often something happened, by name.
using MarkCounts = std::map<std::string, uint64_t>;

struct SeedResult {
  std::string failure;  // empty: none
  std::vector<std::string> timeline;
  uint64_t hash = 0;
  MarkCounts marks;
  uint64_t faults = 0;
  int64_t virtual_ms = 0;
};

struct CampaignOptions {
  std::string name;                // of the make target
  std::string seeds_file;          // remembered seeds
  std::vector<std::string> marks;  // that must be reached
  uint64_t seeds = 200;
  // Not 0: every third seed counts from here.
  uint64_t second_kind = 0;
};

using RunSeed = std::function<SeedResult(uint64_t seed)>;

// The process's exit code.
int run_campaign(int argc, char** argv, CampaignOptions options, const RunSeed& run);

}  // namespace holdfast
