// World: one seed's simulation: a server on simulated time and network, an engine whose commits
// take random time, clients, and faults. Everything that happens follows from the seed.
//
// Faults: connections reset, links cut and healed, clients that stop reading, commits delayed, the
// log failing, the process crashing (what was not committed is gone) and starting again, wall clock
// steps.
//
// Oracles. Each key has one writer, which writes increasing numbers, so that:
//   O1  a read gives at least the newest value that any client was shown, or had acknowledged,
//       before the read was sent (no acknowledged write is lost; nothing shown is taken back);
//   O2  a read gives a value that was sent;
//   O3  both halves of an MSET are always equal;
//   O4  after the faults end every client gets an answer again, within 10 s of virtual time.
// A broken oracle throws Violation with what was seen.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/random.h"
#include "base/sim/sim_net.h"
#include "base/sim/sim_reactor.h"
#include "replica/shard.h"
#include "resp/server.h"
#include "tests/sim/sim_client.h"
#include "tests/support/scripted_engine.h"

namespace holdfast {

// How often something happened; each must happen in a campaign ("sometimes" marks).
struct Marks {
  uint64_t acknowledged = 0;
  uint64_t reads = 0;
  uint64_t held_replies = 0;
  uint64_t crashes = 0;
  uint64_t lost_groups = 0;  // crashes that took uncommitted groups with them
  uint64_t log_failures = 0;
  uint64_t resets = 0;
  uint64_t cuts = 0;
  uint64_t clock_steps = 0;
  uint64_t checkpoints = 0;
  uint64_t virtual_ms = 0;

  void add(const Marks& other);
  std::vector<std::pair<std::string, uint64_t>> named() const;
};

class World {
 public:
  explicit World(uint64_t seed);
  ~World();

  // Chaos, then calm. Throws Violation.
  void run();
  uint64_t trace_hash() const { return reactor_.trace_hash(); }
  const Marks& marks() const { return marks_; }

 private:
  static constexpr int64_t kChaosMs = 20'000;
  static constexpr int64_t kCalmMs = 10'000;

  // One life of the server's process.
  struct Process;

  void start_process();
  void crash_process();
  void schedule_fault();
  void one_fault();
  void schedule_commits();

  SimReactor reactor_;
  SeededRandom random_;
  SimNet net_;
  Options options_;
  std::unique_ptr<ScriptedEngine> engine_;
  std::unique_ptr<Process> process_;
  KeyHistory history_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  Marks marks_;
  bool calm_ = false;
  int64_t commit_ms_ = 1;  // how long commits take at most, drawn by the seed
};

}  // namespace holdfast
