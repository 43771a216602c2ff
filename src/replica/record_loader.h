// RecordLoader: puts a checkpoint's records into the keyspace, at start.
//
// Records come in the order in which they were written, so each key's place in the tables is in
// another line of memory: the lines of a batch are asked for together, as Checkpoint and Session
// do.
//
// Once memory is short, values stay on the device, and what was loaded with its value makes room
// for the keys that follow.
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
  static constexpr uint64_t kAskBytes = 1 << 20;

  // `covered`: the checkpoint's seq. The keyspace outlives the loader. `memory_is_short` (may be
  // empty) is asked after each kAskBytes of records.
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
  void make_room();
  Result<Object*> load(const Record& record, const KeyRef& key, std::string_view image);

  Keyspace& keyspace_;
  const Seq covered_;
  std::vector<Record> batch_;
  std::string bytes_;
  std::function<bool()> memory_is_short_;
  uint64_t bytes_since_asked_ = kAskBytes;  // the first one is asked for
  bool values_stay_ = false;
  bool none_left_ = false;  // a round found no value to forget, and none has come since
  std::vector<Newer> newer_;
  uint64_t count_ = 0;
};

}  // namespace holdfast
