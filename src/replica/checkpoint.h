// Checkpoint: writes the images of all objects changed since the last one to the engine, in slices
// between the turns, without fork or pause, and then releases the log they cover.
//
// A checkpoint of seq C holds, for each object, an image at C or later, each image committed when
// it was written. Recovery replays the log from C+1; an image tells by its mod_seq which entries
// it already contains.
//
// Bounds: a slice is at most kSliceKeys keys or kSliceBytes bytes, one slice in flight.
// Threads: the reactor's only.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/reactor.h"
#include "engine/engine.h"
#include "replica/view.h"
#include "store/dirty_keys.h"
#include "store/key.h"
#include "store/keyspace.h"
#include "store/log_position.h"

namespace holdfast {

class Checkpoint {
 public:
  using Done = std::function<void(const Status&)>;

  // `committed`, the log as far as it is committed, is read when needed. All references outlive the
  // checkpoint.
  Checkpoint(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardId shard,
             const LogSummary& committed);

  // Recovery is over: the records hold `seq`, changed keys are listed from now on.
  // Called before the log is replayed, so that replayed keys are dirty.
  void begin_tracking(Seq seq);

  bool running() const { return running_; }
  Seq finished_seq() const { return finished_seq_; }
  int64_t finished_wall_ms() const { return finished_wall_ms_; }
  uint64_t finished_count() const { return finished_count_; }
  // Keys still to be written by the running one.
  uint64_t keys_left() const { return writing_.size(); }

  // What a checkpoint of now would keep beside the records. Must be set.
  void on_state(std::function<std::string()> hook) { state_ = std::move(hook); }
  // In a group something may be committed before it is durable here; a checkpoint is of what is
  // both. Not set: all that is committed is durable.
  void on_durable(std::function<Seq()> hook) { durable_ = std::move(hook); }
  // Called when one is finished: the log up to its seq is not needed for recovery any more.
  void on_finished(std::function<void()> hook) { on_finished_ = std::move(hook); }
  // Called when one fails: nothing may be written any more.
  void on_failure(Done hook) { on_failure_ = std::move(hook); }

  // Starts one unless one runs; `done` is called when the checkpoint that then runs has ended.
  void start(Done done = {});

  // None begins any more: who asks for one is told kUnavailable. `done` is called when none runs;
  // one that waits for commits is given up.
  void stop(const std::function<void()>& done);

  // Called for a record that cannot be read, of an object whose value is nowhere else.
  using Damaged = std::function<void(DbId db, const KeyRef& key, RecordRef ref)>;
  void on_damaged(Damaged hook) { damaged_ = std::move(hook); }
  // The object of that record is written anew by the next one.
  void rewrite(DbId db, const KeyRef& key, RecordRef ref) {
    keyspace_.move_record(db, key, ref, {}, &tracked_);
  }

  // More is committed or durable, perhaps: a waiting slice may go on.
  void committed();

 private:
  static constexpr size_t kSliceKeys = 512;
  static constexpr size_t kSliceBytes = 1 << 20;
  static constexpr size_t kBatchKeys = 32;
  static constexpr int kCleanedPlaces = 64;  // a checkpoint

  struct Image {
    DbId db = 0;
    bool erase = false;
    SlotId slot = 0;
    uint64_t hash = 0;                         // of the key
    Seq mod_seq = 0;                           // of the image
    RecordRef ref = 0;                         // of the record that goes
    bool logged = false;                       // the log has the record already
    size_t key_at = 0, image_at = 0, end = 0;  // in bytes_: the key, then the image
  };

  void next_slice();
  void clean_some();
  bool list_anew(const RecordKey& record, std::string_view image);
  bool must_wait();
  void abandon();
  void erase_flushed();
  void gather_slice();
  void gather_batch();
  void gather(Image image, std::string_view key);
  void write_slice();
  void keep_refs(const std::vector<RecordRef>& refs);
  void finish();
  void ended(const Status& status);

  Reactor& reactor_;
  Engine& engine_;
  Keyspace& keyspace_;
  const ShardId shard_;
  const LogSummary& committed_;

  DirtyKeys tracked_;  // changed since the running (or last) checkpoint began
  DirtyKeys writing_;  // what the running one has still to write

  bool running_ = false;
  bool stopped_ = false;
  bool waits_for_commit_ = false;
  bool begun_ = false;  // the first slice is under way, all that the start saw being committed
  int to_clean_ = 0;    // places that may still be cleaned in this one
  // Databases whose records it dropped: what was listed before has no record any more.
  std::bitset<kDbCount> dropped_;
  Seq start_seq_ = 0;
  std::string start_state_;
  std::vector<Done> waiters_;
  Done on_failure_;
  std::function<std::string()> state_;
  std::function<Seq()> durable_;
  std::function<void()> on_finished_;
  Damaged damaged_;

  KeyRef key_of(const Image& image) const;

  std::vector<Image> slice_;
  std::string bytes_;     // of the slice's keys and images
  std::string keys_;      // of a batch that is being gathered
  Seq slice_newest_ = 0;  // of the slice's images; before the first, of what the start saw
  Seq slice_logged_ = 0;  // of those that are records of the log, which must be durable

  Seq finished_seq_ = 0;
  int64_t finished_wall_ms_ = 0;
  uint64_t finished_count_ = 0;
};

// What a checkpoint keeps beside the records: the log up to it, the map of databases, libraries,
// and the members of a group that elects its leader.
std::string encode_checkpoint_state(const LogSummary& log, const Membership& members,
                                    const Keyspace& keyspace);
// What stands there instead while a snapshot takes the place of the records: they are of no use.
std::string encode_unfinished_state(const Membership& members);
// Nothing: the store is new. False in *whole: only the members are known.
Status load_checkpoint_state(std::string_view state, LogSummary* log, Membership* members,
                             Keyspace& keyspace, bool* whole);

}  // namespace holdfast
