// Power cuts on the simulated disk: shards on a DiskEngine work at random, and at every moment at
// which the device was touched, copies of the disk lose power in several ways, are recovered and
// compared with what was acknowledged. Everything follows from the seed.
//
// A state is one such copy. What is checked of each:
//   - it opens, and the last entry of each shard is at least the last acknowledged one;
//   - it holds exactly what the history says for its last entry: no half of an entry, nothing of
//     an entry that was cut, nothing of an earlier life;
//   - opened once more it is the same (recovery is idempotent), also after a power cut within
//     recovery, and after going on from there and losing power again.
// With a second fault (a rotten bit, an unreadable block, a lost superblock copy or slot) it may
// refuse to open, but never hold anything else. A lost copy must not even do that, nor a lost slot
// while the other one is whole; and an unreadable block has done no harm once it can be read again.
//
// Usage: power_cut [--states N] [--seed S] [--seeds FIRST]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "engine/disk/disk_store.h"
#include "tests/support/random_replica.h"

namespace holdfast {
namespace {

constexpr const char* kDirectory = "store";
constexpr DiskEngineOptions kOptions{.wal_bytes = 256 << 10, .grow_bytes = 1 << 20};

// What a shard's keyspace held after each entry.
struct History {
  std::vector<size_t> digests;  // by seq

  static size_t digest(const RandomReplica& replica) {
    std::string all(reinterpret_cast<const char*>(replica.keyspace.db_map().data()), kDbCount);
    for (const auto& [key, value] : contents(replica.keyspace)) {
      all += std::to_string(key.first) + key.second + "=" + value + ";";
    }
    return std::hash<std::string>()(all);
  }
  void note(const RandomReplica& replica) {
    digests.resize(replica.shard.last_seq() + 1);
    digests.back() = digest(replica);
  }
  // Nothing is known of what comes behind.
  void forget_behind(const RandomReplica& replica) { digests.resize(replica.shard.last_seq() + 1); }
};
using Histories = std::vector<History>;  // of each shard
using Seqs = std::vector<Seq>;

// What all lives of a campaign have in common.
struct Kind {
  bool cold;   // values stay on the device whenever they may
  bool noise;  // large values that span many blocks
  int shards = 1;
};

// A process on a disk. Its end is a kill: nothing is completed.
struct Life {
  Life(SimDisk& disk, uint64_t seed, Kind kind)
      : random(seed), engine(reactor, disk, random, kDirectory, kOptions) {
    const Result<std::vector<RecoveredShard>> found = engine.open();
    opened = found.status();
    for (int i = 0; i < kind.shards; ++i) {
      const auto id = static_cast<ShardId>(i);
      replicas.emplace_back(reactor, engine, 1 << 30, kind.cold, id);
      replicas.back().large_values = true;
      replicas.back().noise = kind.noise;
      if (!opened.ok()) continue;
      opened = replicas.back().shard.recover(recovered_shard(found.value(), id)).status();
    }
  }

  // Some commands, submits and checkpoints, and a little time.
  void step(Random& chance, Histories* histories) {
    for (size_t n = 0; n < replicas.size(); ++n) {
      RandomReplica& replica = replicas[n];
      if (n > 0 && chance.one_in(2)) continue;  // seldom used, it keeps old entries in the log
      const uint64_t commands = 1 + chance.below(3);
      for (uint64_t i = 0; i < commands && !replica.shard.failed(); ++i) {
        replica.random_command(chance);
        (*histories)[n].note(replica);
      }
      replica.shard.submit();
      if (chance.one_in(12)) replica.shard.checkpoint().start();
    }
    shared.run_for(static_cast<int64_t>(chance.below(3)));
    if (chance.one_in(30)) shared.run_for(60);  // idle: everything completes, the log is witnessed
  }

  SimReactor shared;
  SimNodeReactor reactor{shared};
  SeededRandom random;
  bool failed() const { return replicas.front().shard.failed(); }
  Seqs acknowledged() const {
    Seqs all;
    for (const RandomReplica& replica : replicas) all.push_back(replica.shard.commit_seq());
    return all;
  }

  DiskEngine engine;
  std::deque<RandomReplica> replicas;
  Status opened;
};

enum class Fault : uint8_t { kNone, kLostCopy, kLostSlot, kRot, kUnreadable };
constexpr const char* kFaultNames[] = {"none", "lost superblock copy", "lost superblock slot",
                                       "rotten bit", "unreadable block"};

class Campaign {
 public:
  explicit Campaign(uint64_t seed)
      : seed_(seed), chance_(seed), kind_{seed % 3 == 2, seed % 4 == 1, seed % 5 == 3 ? 3 : 1} {}

  // Gives the number of states; throws std::string with what is wrong.
  uint64_t run() {
    SimDisk disk(chance_.next());
    Histories history(static_cast<size_t>(kind_.shards));
    auto life = std::make_unique<Life>(disk, chance_.next(), kind_);
    if (!life->opened.ok()) throw "a new store: " + life->opened.message();
    for (size_t n = 0; n < history.size(); ++n) history[n].note(life->replicas[n]);
    uint64_t seen = disk.changes();
    for (step_ = 0; step_ < kSteps; ++step_) {
      life->step(chance_, &history);
      if (life->failed()) throw life->replicas.front().shard.failure().message();
      if (disk.changes() == seen) continue;
      seen = disk.changes();
      const Seqs acked = life->acknowledged();
      for (int i = 0; i < kVariants; ++i) cut(disk, history, acked);
      if (!chance_.one_in(50)) continue;
      // The main line dies too, or ends in order, and goes on.
      if (chance_.one_in(2)) {
        disk.crash();
      } else {
        life->engine.close();
      }
      life = std::make_unique<Life>(disk, chance_.next(), kind_);
      expect(*life, history, acked);
      for (size_t n = 0; n < history.size(); ++n) history[n].forget_behind(life->replicas[n]);
    }
    return states_;
  }

  std::string where() const {
    return "seed " + std::to_string(seed_) + ", step " + std::to_string(step_) + ", state " +
           std::to_string(states_) + ", fault: " + kFaultNames[static_cast<int>(fault_)];
  }

 private:
  static constexpr int kSteps = 120;
  static constexpr int kVariants = 4;

  void cut(const SimDisk& disk, const Histories& history, const Seqs& acked) {
    ++states_;
    const std::unique_ptr<SimDisk> copy = disk.fork(chance_.next());
    copy->crash();
    fault_ = chance_.one_in(2) ? Fault::kNone : static_cast<Fault>(1 + chance_.below(4));
    const Result<disk::DiskStore> whole = disk::inspect_disk_store(*copy, kDirectory);
    // With both slots whole before the fault, either of them alone is the store.
    must_open_ = fault_ == Fault::kNone || fault_ == Fault::kLostCopy ||
                 (fault_ == Fault::kLostSlot && whole.ok() && whole.value().older.has_value());
    inflict(*copy);
    if (chance_.one_in(3)) {  // power fails again, within recovery
      copy->power_off_after(1 + chance_.below(8));
      {
        Life broken(*copy, chance_.next(), kind_);
        if (broken.opened.ok()) broken.shared.run_for(5);
      }
      copy->crash();
    }
    Life life(*copy, chance_.next(), kind_);
    if (!life.opened.ok() && fault_ == Fault::kUnreadable) {
      for (const char* file : {"store/wal", "store/data"}) copy->restore_reads(file);
      Life again(*copy, chance_.next(), kind_);
      expect(again, history, acked);
      return;
    }
    if (!life.opened.ok() && !must_open_) return;
    expect(life, history, acked);
    if (chance_.one_in(4)) go_on(*copy, life, history);
  }

  // After a recovery work goes on, and power fails again: nothing that was cut may come back.
  void go_on(SimDisk& disk, Life& life, const Histories& history) {
    Histories later = history;
    for (size_t n = 0; n < later.size(); ++n) later[n].forget_behind(life.replicas[n]);
    for (uint64_t i = chance_.below(4); i > 0; --i) life.step(chance_, &later);
    if (life.failed()) return;  // of the second fault, and said so
    const Seqs acked = life.acknowledged();
    disk.crash();
    Life again(disk, chance_.next(), kind_);
    if (!again.opened.ok() && !must_open_) return;
    expect(again, later, acked);
  }

  void inflict(SimDisk& disk) {
    const bool data = chance_.one_in(3);
    const std::string file = data ? "store/data" : "store/wal";
    const uint64_t size = disk.open(file, {}).value()->size().value();
    const uint64_t block = chance_.below(size / kBlock) * kBlock;
    switch (fault_) {
      case Fault::kNone:
        return;
      case Fault::kRot:
        disk.rot(file, block, kBlock);
        return;
      case Fault::kUnreadable:
        disk.fail_reads(file, block, kBlock);
        return;
      case Fault::kLostCopy:
        zero(disk, file, chance_.below(2) * kBlock);
        return;
      case Fault::kLostSlot: {
        const uint64_t slot = chance_.below(2) * kBlock;
        zero(disk, "store/wal", slot);
        zero(disk, "store/data", slot);
      }
    }
  }

  static void zero(SimDisk& disk, const std::string& path, uint64_t offset) {
    const AlignedBuffer zeros(kBlock);
    auto file = disk.open(path, {.write_through = true});
    if (!file.ok() || !file.value()->write_at(offset, zeros.span()).ok()) std::abort();
  }

  static void expect(Life& life, const Histories& history, const Seqs& acked) {
    if (!life.opened.ok()) throw "does not open: " + life.opened.message();
    for (size_t n = 0; n < history.size(); ++n) expect(life.replicas[n], history[n], acked[n]);
  }

  static void expect(RandomReplica& replica, const History& history, Seq acked) {
    const Seq last = replica.shard.last_seq();
    if (last < acked) {
      throw "entry " + std::to_string(acked) + " was acknowledged, the log ends at " +
          std::to_string(last);
    }
    if (last >= history.digests.size())
      throw "an entry that was never written: " + std::to_string(last);
    if (History::digest(replica) != history.digests[last]) {
      throw "the keys are not as entry " + std::to_string(last) + " left them";
    }
    const std::string wrong = unsound(replica.keyspace);
    if (!wrong.empty()) throw "the keyspace is not sound: " + wrong;
  }

  const uint64_t seed_;
  SeededRandom chance_;
  const Kind kind_;
  int step_ = 0;
  uint64_t states_ = 0;
  Fault fault_ = Fault::kNone;
  bool must_open_ = true;
};

// Seeds that failed once are run for ever.
std::vector<uint64_t> remembered_seeds() {
  std::vector<uint64_t> seeds;
  std::ifstream file("tests/crash/seeds.txt");
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') seeds.push_back(std::strtoull(line.c_str(), nullptr, 10));
  }
  return seeds;
}

int run(uint64_t states, uint64_t first_seed, bool single) {
  uint64_t done = 0, next_report = 10'000;
  std::vector<uint64_t> remembered = single ? std::vector<uint64_t>() : remembered_seeds();
  for (uint64_t next = first_seed; done < states || !remembered.empty();) {
    const uint64_t seed = remembered.empty() ? next++ : remembered.back();
    if (!remembered.empty()) remembered.pop_back();
    Campaign campaign(seed);
    try {
      done += campaign.run();
    } catch (const std::string& wrong) {
      std::printf("%s: %s\n  repeat: power_cut --seed %llu\n0 passed, 1 failed\n",
                  campaign.where().c_str(), wrong.c_str(), static_cast<unsigned long long>(seed));
      return 1;
    }
    if (single) break;
    if (done < next_report) continue;
    std::printf("power_cut: %llu states\n", static_cast<unsigned long long>(done));
    std::fflush(stdout);
    next_report = done + 10'000;
  }
  std::printf("power_cut: %llu states from seed %llu\n%llu passed, 0 failed\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(first_seed),
              static_cast<unsigned long long>(done));
  return 0;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  uint64_t states = 100'000, first = 1;
  bool single = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t number = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--states") == 0) states = number;
    if (std::strcmp(argv[i], "--seeds") == 0) first = number;
    if (std::strcmp(argv[i], "--seed") == 0) first = number, single = true;
  }
  holdfast::LogOptions quiet;
  quiet.level = holdfast::LogLevel::kOff;
  if (!holdfast::configure_log(quiet).ok()) return 2;
  return holdfast::run(states, first, single);
}
