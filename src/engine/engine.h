// Engine: the storage interface. Everything above sees one interface; MemEngine, RocksEngine and
// (issue B) DiskEngine stand behind it and pass one contract test suite (tests/unit/engine).
//
// An engine keeps, for each shard: a log of entries (the oplog, which is also the redo log), a
// hard state, records (one checksummed image per object) and the metadata of the last checkpoint.
// It knows nothing of the network, of views or of Redis commands: entries and images are bytes.
//
// Order and durability:
//   E1  append completions arrive in the order of the appends, and only after the group and
//       everything appended before it are on stable media (engines with durable() == true).
//   E2  a group is atomic: after a crash either all of its entries are read back or none.
//   E3  after the first error every later append, hard state and checkpoint call completes with
//       kPoisoned: the caller stops the node, nothing is retried.
//   E4  a crash before finish_checkpoint is done leaves either the old image or the new one of
//       each object, both of which are states the log can be replayed over (an image carries its
//       mod_seq).
//   E5  release_prefix never frees an entry above the finished checkpoint's seq.
//   E6  everything read back was checked; damage is kCorrupt, never a shorter log.
//
// Threads: every call is made on the reactor's thread and every completion runs on it, never
// inside the call that asked for it, except where the engine's info says `inline_completion`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "base/types.h"

namespace holdfast {

// One turn's entries, back to back as store/effect.h encodes them. first..last without a gap.
//
// `large` names parts of the bytes that are so large that they should be written once only: an
// engine may put each into a record right away, have the log refer to it, and let a checkpoint take
// that record for the object's (RecordWrite::logged). What is read back is the same bytes. In the
// order of their places.
struct LogGroup {
  static constexpr uint64_t kLarge = 64 << 10;  // bytes of a part, at least

  struct Large {
    uint64_t at = 0;  // in `bytes`
    uint64_t size = 0;
    Seq seq = 0;  // of the entry
    DbId db = 0;
    SlotId slot = 0;
    std::string key;
    std::string image_head;  // before the part, it makes an image of the key's object
    bool final = true;       // that image is what the entry leaves of the key
  };

  Seq first = 0;
  Seq last = 0;
  std::string bytes;
  std::vector<Large> large = {};
};

// What a replica must never forget: flushed before any message that depends on it.
struct HardState {
  Epoch promised_epoch = 0;
  uint64_t voted_for = 0;
  // The log may have lost entries at its end that were acknowledged.
  bool distrusted = false;
  bool operator==(const HardState&) const = default;
};

// `ref` is kept by the owner, with the object, so that an engine needs no index of its own.
struct RecordKey {
  DbId db = 0;
  SlotId slot = 0;
  std::string_view key;
  RecordRef ref = 0;
  uint64_t most_bytes = 0;  // of the image, to be read; 0: not known
};

// One object's image for a checkpoint, or its absence.
struct RecordWrite {
  RecordKey key;  // `ref`: of the record that this one replaces or erases
  bool erase = false;
  std::string_view image;  // as store/effect.h encodes it
  // Not 0: instead of the image, the record that the entry of this number made of the key.
  // REQUIRES: has_logged_record() said so of it, and the entry is durable.
  Seq logged = 0;
};

// What a finished checkpoint says of itself. `state` is the owner's own (database map, epochs).
struct CheckpointMeta {
  Seq seq = 0;  // every entry up to here is contained in the records
  std::string state;
};

// What open() found of one shard.
struct RecoveredShard {
  ShardId shard = 0;
  HardState hard_state;
  CheckpointMeta checkpoint;
  Seq first_seq = 0;  // of the log that is kept; 0 and 0 when it is empty
  Seq last_seq = 0;
  std::map<DbId, uint64_t> records = {};  // of each database; empty if it is not known
};

// That one of them; a shard that was not found is new and empty.
inline RecoveredShard recovered_shard(const std::vector<RecoveredShard>& found, ShardId id) {
  for (const RecoveredShard& one : found) {
    if (one.shard == id) return one;
  }
  RecoveredShard fresh;
  fresh.shard = id;
  return fresh;
}

struct EngineInfo {
  std::string_view name;           // "mem", "rocks", "disk"
  bool durable = false;            // completions mean stable media
  bool wants_checkpoints = false;  // false: records are never read back, don't write them
  bool inline_completion = false;  // completions may run inside the call
  bool refs = false;               // records are found by ref, so values can stay on the device
};

struct EngineStats {
  uint64_t appended_groups = 0;
  uint64_t appended_bytes = 0;
  uint64_t flushes = 0;        // groups joined by one flush count once
  uint64_t flush_ns_last = 0;  //
  uint64_t flush_ns_max = 0;
  uint64_t log_bytes = 0;        // kept now
  uint64_t record_bytes = 0;     // kept now, estimated
  uint64_t damaged_records = 0;  // on the device, as far as the newest scrub came
};

// What an engine tells an operator about itself, a part at a time, in the order to show it.
enum class EnginePart : uint8_t { kFiles, kSuperblock, kLog, kSegments, kScrub };
struct EngineFact {
  std::string name;
  std::variant<uint64_t, std::string> value;
};

// What a store may give up that others have, where open() refused it for damage.
enum class Salvage : uint8_t {
  kCutLog,  // the log from the damage on
  kEmpty,   // everything but its identity and its hard states
};

class Engine {
 public:
  using Done = std::function<void(Status)>;
  using RecordsDone = std::function<void(Status, const std::vector<RecordRef>& refs)>;
  // Return false to stop early. The views die when the visitor returns.
  using EntryVisitor = std::function<bool(Seq seq, std::string_view entry)>;
  using RecordVisitor = std::function<bool(const RecordKey& key, std::string_view image)>;

  virtual ~Engine() = default;

  virtual EngineInfo info() const = 0;

  // Opens or creates the store; called once, before anything else.
  virtual Result<std::vector<RecoveredShard>> open() = 0;
  // Drawn when the store was made, never 0; 0: what is in it does not outlive the process.
  // REQUIRES: open.
  virtual uint64_t identity() const { return 0; }
  // In place of open(), after it failed, or of all that was read since: of a member of a group,
  // which gets from the others what is given up. What is given up never comes back, and the shard's
  // hard state says `distrusted`, durably before anything else. kInvalid: this engine cannot.
  virtual Result<std::vector<RecoveredShard>> salvage(ShardId shard, Salvage how);
  // At start: entries above `last_kept` cannot be read. As Salvage::kCutLog; waits.
  virtual Status cut_log(ShardId shard, Seq last_kept);
  // Waits for what is in flight, completes it, and closes. Nothing may be called afterwards.
  virtual void close() = 0;

  // REQUIRES: group.first is one above the shard's last entry, or the log is empty.
  virtual void append(ShardId shard, LogGroup group, Done done) = 0;
  // Visits entries from..to (both included). kNotFound when the range is not kept.
  virtual Status read_log(ShardId shard, Seq from, Seq to, const EntryVisitor& visit) = 0;
  // The same without waiting, whole groups as they were appended, but for what lies outside of
  // from..to: at least one, and no more once there are `max_bytes`. `done` gets the entries back to
  // back, on the reactor, maybe inside the call; kNotFound if they were removed meanwhile.
  using LogRead = std::function<void(Result<std::string> entries)>;
  virtual void fetch_log(ShardId shard, Seq from, Seq to, uint64_t max_bytes, const LogRead& done);
  // The oldest entry that is kept; 0: none is.
  virtual Seq first_logged(ShardId) const { return 0; }
  // Removes every entry above `last_kept`; done when the removal itself is durable.
  virtual void truncate_suffix(ShardId shard, Seq last_kept, Done done) = 0;
  // Entries up to `seq` are no longer needed. REQUIRES: a finished checkpoint covers them (E5).
  virtual void release_prefix(ShardId shard, Seq seq, Done done) = 0;

  virtual void save_hard_state(ShardId shard, const HardState& state, Done done) = 0;

  // One slice of a running checkpoint. The bytes are copied before the call returns. `done` gives
  // the new refs, one a write (0 for an erase), or none when the engine finds records by key. A
  // full device is waited for. Checkpoints of several shards may be under way at once: a slice
  // waits while another shard's is being finished. REQUIRES: none of this shard is.
  virtual void write_records(ShardId shard, const std::vector<RecordWrite>& writes,
                             RecordsDone done) = 0;
  // The log holds a record of the key as the entry `seq` left it: a checkpoint can take that one as
  // soon as the entry is durable. True until the entry is released or truncated.
  virtual bool has_logged_record(ShardId, const RecordKey&, Seq) const { return false; }
  // Drops all records of a database (FLUSHDB), in order with write_records. REQUIRES: no ref of one
  // is given back later: others may have its place by then.
  virtual void erase_database(ShardId shard, DbId db, Done done) = 0;
  // Everything written by write_records so far, and `meta`, durable as one step. What other shards
  // have written becomes durable too, which changes nothing for them (E4). One after the other.
  virtual void finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) = 0;

  // kNotFound, or the verified image.
  virtual Result<std::string> read_record(ShardId shard, const RecordKey& key) = 0;
  // The same without waiting; `done` runs on the reactor. Records are found by ref.
  using RecordRead = std::function<void(Result<std::string> image)>;
  virtual void fetch_record(ShardId shard, const RecordKey& key, const RecordRead& done);
  // The record is on stable media and named by a finished checkpoint: its owner may forget what it
  // holds. Cheap. Engines that find records by key say no.
  virtual bool on_device(RecordRef) const { return false; }
  // Every record of a shard, in any order: how a store is loaded at start.
  virtual Status visit_records(ShardId shard, const RecordVisitor& visit) = 0;

  // The same, but a record that is damaged does not end it if its key is proven: `damaged` is told.
  using DamageVisitor = std::function<void(const RecordKey& key, const Status& reason)>;
  virtual Status visit_records_of(ShardId shard, const RecordVisitor& visit, const DamageVisitor&) {
    return visit_records(shard, visit);
  }

  // Visits the live records of a place that is mostly dead, of the last finished checkpoint, so
  // that the owner writes them anew and the place becomes free. Damaged ones, there or found by a
  // scrub, are visited likewise, without their images. Does not wait: `visit` is called when they
  // are read, just before `done`. kNotFound when there is none left; after another error there may
  // be. One call at a time for each shard. `done` may run inside the call.
  virtual void visit_sparse(ShardId shard, const RecordVisitor& visit, const Done& done);

  // Bytes of log kept now, all shards: cheap, asked every turn. stats() may take microseconds.
  virtual uint64_t log_bytes() const = 0;
  // The same of one shard.
  virtual uint64_t log_bytes_of(ShardId) const { return log_bytes(); }
  // The room for the log is short, and a checkpoint of this shard would make some: one should
  // start; nothing more should be accepted. Cheap, asked every turn.
  virtual bool wants_checkpoint(ShardId) const { return false; }
  virtual bool wants_pause() const { return false; }
  // The device is full: nothing should be added, while deleting goes on.
  virtual bool out_of_space() const { return false; }
  virtual EngineStats stats() const = 0;
  // Empty: this engine has no such part. May take milliseconds.
  virtual std::vector<EngineFact> describe(EnginePart) const { return {}; }

  // Reads all that is on the device and nothing else would read, at that pace, beside everything
  // else, and reports what is damaged; describe(kScrub) tells how far it is. kNotFound: this engine
  // has no scrub. kUnavailable: one is running.
  virtual Status start_scrub(uint64_t bytes_per_second);
  virtual void stop_scrub() {}
  // One has found damaged records, of which visit_sparse() has not told yet. Cheap.
  virtual bool found_damage() const { return false; }
};

inline Result<std::vector<RecoveredShard>> Engine::salvage(ShardId, Salvage) {
  return Status::invalid("this engine does not start without what is damaged");
}

inline Status Engine::cut_log(ShardId, Seq) {
  return Status::invalid("this engine does not start without what is damaged");
}

inline void Engine::fetch_log(ShardId shard, Seq from, Seq to, uint64_t max_bytes,
                              const LogRead& done) {
  std::string entries;
  const Status status = read_log(shard, from, to, [&](Seq, std::string_view entry) {
    entries.append(entry);
    return entries.size() < max_bytes;
  });
  done(status.ok() ? Result<std::string>(std::move(entries)) : Result<std::string>(status));
}

inline void Engine::fetch_record(ShardId shard, const RecordKey& key, const RecordRead& done) {
  done(read_record(shard, key));
}

inline void Engine::visit_sparse(ShardId, const RecordVisitor&, const Done& done) {
  done(Status::not_found("this engine cleans by itself"));
}

inline Status Engine::start_scrub(uint64_t) {
  return Status::not_found("this engine has no scrub");
}

}  // namespace holdfast
