// RecordLoader: puts a checkpoint's records into the keyspace, at start.
//
// Records come in the order in which they were written, so each key's place in the tables is in
// another line of memory: the lines of a batch are asked for together, as Checkpoint and Session
// do.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "store/keyspace.h"

namespace holdfast {

class RecordLoader {
 public:
  // `covered`: the checkpoint's seq. The keyspace outlives the loader. `memory_is_short` (may be
  // empty) is asked now and then: from the first yes on, values stay on the device.
  RecordLoader(Keyspace& keyspace, Seq covered, std::function<bool()> memory_is_short)
      : keyspace_(keyspace), covered_(covered), memory_is_short_(std::move(memory_is_short)) {}

  // Takes a copy.
  Status add(const RecordKey& record, std::string_view image);
  // Loads what is left. Nothing else may be called afterwards but the following.
  Status finish() { return load_batch(); }
  uint64_t count() const { return count_; }
  // Gives the records that are newer than the checkpoint back to it: their seq is needed until the
  // log is replayed, so they wait here. REQUIRES: changes are tracked.
  void replace_newer();

 private:
  static constexpr size_t kBatch = 64;
  static constexpr uint64_t kAskEvery = 16384;  // records

  struct Record {
    DbId db;
    RecordRef ref;
    KeyRef key;                    // without the bytes
    size_t key_at, image_at, end;  // in bytes_
  };
  struct Newer {
    DbId db;
    std::string key;
    RecordRef ref;
  };

  Status load_batch();
  Result<Object*> load(const Record& record, const KeyRef& key, std::string_view image);

  Keyspace& keyspace_;
  const Seq covered_;
  std::vector<Record> batch_;
  std::string bytes_;
  std::function<bool()> memory_is_short_;
  bool values_stay_ = false;
  std::vector<Newer> newer_;
  uint64_t count_ = 0;
};

}  // namespace holdfast
