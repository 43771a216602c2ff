// Scrub: reads again, from the device, what a running engine never reads but its next start needs:
// live records, the pages that tell which are live, the root and the superblocks' copies. So a bit
// that turned is found while the value is still in memory, and not when it is gone.
//
// It changes nothing on the device. What it finds damaged is logged, counted, and written anew by
// the next checkpoints, elsewhere, from memory: pages, root and superblocks always, a record if its
// key can still be read (take_damaged). The place itself becomes free like any other.
//
// One segment of at most 1 MiB, or as much of a large record, is read in a step, which nobody waits
// for; to check it takes less than a millisecond.
//
// Invariants:
//   X1  only what was on the device when the last checkpoint ended is read; what is being built, or
//       vanishes before it is read, is passed over.
//   X2  pages, root and superblocks are not looked at while a checkpoint ends; if one ended while
//       they were read, what was read does not count.
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/reactor.h"
#include "engine/disk/data_store.h"
#include "engine/engine.h"

namespace holdfast::disk {

// Of the pass that runs, or the last one.
struct ScrubReport {
  bool running = false;
  uint64_t bytes_per_second = 0;
  uint64_t segments = 0;  // when it began
  uint64_t segments_checked = 0;
  uint64_t bytes = 0;
  uint64_t records = 0;              // checked
  uint64_t damaged_records = 0;      //
  uint64_t damaged_metadata = 0;     // pages, the root, copies of superblocks
  std::vector<std::string> damages;  // the first of them: place, reason and key
  uint64_t passes = 0;               // that came to their end, since the start
  int64_t finished_wall_ms = 0;      // 0: none did
};

class Scrub {
 public:
  static constexpr size_t kDamagesTold = 16;
  static constexpr size_t kDamagedKept = 65536;  // to be written anew; more: another pass

  struct Hooks {
    std::function<bool()> checkpoint_ends;  // X2
    // Root and superblocks, read again. kUnavailable: a checkpoint came between.
    std::function<void(Engine::Done)> check_anchors;
  };

  // `reactor` and `data` outlive the scrub.
  Scrub(Reactor& reactor, DataStore& data, Hooks hooks);
  ~Scrub();
  Scrub(const Scrub&) = delete;
  Scrub& operator=(const Scrub&) = delete;

  // Begins at the beginning. REQUIRES: none is running.
  void start(uint64_t bytes_per_second);
  void stop();
  const ScrubReport& report() const { return report_; }
  // take_damaged() has something, and no pass is running.
  bool found_damage() const { return !report_.running && !damaged_.empty(); }

  // Visits the damaged records of a shard whose keys could be read, each once, without images; the
  // keys are what the damaged bytes say. False when there are none.
  bool take_damaged(ShardId shard, const Engine::RecordVisitor& visit);

 private:
  enum class Phase : uint8_t { kRecords, kPages, kAnchors };
  struct Damaged {
    ShardId shard;
    DbId db;
    RecordRef ref;
    std::string key;
  };
  // A record that has a segment of its own, between two of its parts.
  struct Large {
    uint64_t segment;  // its id
    uint64_t blocks = 0;
    RecordHash hash;
    std::string key;
  };

  using Check = std::function<void(const Segment& segment, const Status& read, std::span<char>)>;

  void step();
  void go_on(uint64_t bytes);
  void read(const Segment& segment, const Extent& part, Check check);
  const Segment* next_segment() const;
  void check_records();
  void check_shared(const Segment& segment);
  void check_large(const Segment& segment);
  void add_part(const Segment& segment, const Status& read, std::span<char> blocks);
  void check_pages();
  void check_anchors();
  void finish();
  void segment_done(const Segment& segment);
  void unreadable(const Segment& segment, const Status& status);
  void record_damaged(const Segment& segment, uint64_t offset, const Status& status,
                      std::string_view key);
  void metadata_damaged(const Status& status);
  void tell(const std::string& damage);

  Reactor& reactor_;
  DataStore& data_;
  const Hooks hooks_;
  TimerId timer_ = 0;
  uint64_t pass_ = 0;  // one that ended does not look at what it still reads
  Phase phase_ = Phase::kRecords;
  uint64_t block_ = 0;  // segments that begin before it are done, in this phase
  std::optional<Large> large_;
  std::vector<Damaged> damaged_;
  ScrubReport report_;
};

}  // namespace holdfast::disk
