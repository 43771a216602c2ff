// Runs seeds of the simulation: each twice, with the same trace, and every mark at least once.
//
//   sim [--seeds N] [--seed S]
// A failing seed prints itself and the command that repeats it; put it into tests/sim/seeds.txt,
// whose seeds run first in every campaign.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "base/log.h"
#include "tests/sim/world.h"

namespace {

using holdfast::Marks;
using holdfast::World;

// False when an oracle was broken or two runs differ.
bool run_seed(uint64_t seed, Marks* marks) {
  uint64_t hashes[2];
  for (uint64_t& hash : hashes) {
    World world(seed);
    try {
      world.run();
    } catch (const holdfast::Violation& violation) {
      std::printf("seed %llu: %s\n  repeat: make sim SEED=%llu\n",
                  static_cast<unsigned long long>(seed), violation.what(),
                  static_cast<unsigned long long>(seed));
      return false;
    }
    hash = world.trace_hash();
    if (&hash == &hashes[0]) marks->add(world.marks());
  }
  if (hashes[0] == hashes[1]) return true;
  std::printf("seed %llu: two runs differ: %016llx and %016llx\n",
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(hashes[0]),
              static_cast<unsigned long long>(hashes[1]));
  return false;
}

std::vector<uint64_t> remembered_seeds() {
  std::vector<uint64_t> seeds;
  std::ifstream file("tests/sim/seeds.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') seeds.push_back(std::strtoull(line.c_str(), nullptr, 10));
  }
  return seeds;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t count = 200;
  std::vector<uint64_t> seeds = remembered_seeds();
  bool single = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--seeds") == 0) count = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seed") == 0) {
      seeds = {std::strtoull(argv[i + 1], nullptr, 10)};
      single = true;
    }
  }
  for (uint64_t seed = 1; !single && seed <= count; ++seed) seeds.push_back(seed);
  holdfast::set_log_level(single ? holdfast::LogLevel::kInfo : holdfast::LogLevel::kOff);

  Marks marks;
  size_t failed = 0;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!run_seed(seeds[i], &marks)) ++failed;
    if ((i + 1) % 100 == 0) std::printf("%zu seeds\n", i + 1);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  for (const auto& [name, value] : marks.named()) {
    std::printf("%12llu %s\n", static_cast<unsigned long long>(value), name.c_str());
    if (value == 0 && seeds.size() >= 50) {
      std::printf("mark never reached: %s\n", name.c_str());
      ++failed;
    }
  }
  std::printf("%.1f seeds/s (each run twice)\n%zu passed, %zu failed\n",
              double(seeds.size()) / seconds, seeds.size() - std::min(failed, seeds.size()),
              failed);
  return failed == 0 ? 0 : 1;
}
