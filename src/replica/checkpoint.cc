// See checkpoint.h.
#include "replica/checkpoint.h"

#include <algorithm>
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "store/effect.h"

namespace holdfast {
namespace {

constexpr char kStateVersion = 1;

}  // namespace

std::string encode_checkpoint_state(const Keyspace& keyspace) {
  std::string state(1, kStateVersion);
  state.append(reinterpret_cast<const char*>(keyspace.db_map().data()), keyspace.db_map().size());
  return state;
}

Status load_checkpoint_state(std::string_view state, Keyspace& keyspace) {
  if (state.empty()) return {};  // the store is new
  DbMap map;
  if (state[0] != kStateVersion || !parse_db_map(state.substr(1), &map)) {
    return Status::corrupt("the checkpoint's state cannot be decoded");
  }
  keyspace.map_databases(map, 0);
  return {};
}

Checkpoint::Checkpoint(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardId shard,
                       const Seq& commit_seq)
    : reactor_(reactor),
      engine_(engine),
      keyspace_(keyspace),
      shard_(shard),
      commit_seq_(commit_seq) {}

void Checkpoint::begin_tracking(Seq seq) {
  finished_seq_ = seq;
  finished_wall_ms_ = reactor_.clock().wall_ms();
  if (engine_.info().wants_checkpoints) keyspace_.track_dirty(&tracked_);
}

void Checkpoint::start(Done done) {
  if (done) waiters_.push_back(std::move(done));
  if (running_) return;
  running_ = true;
  if (!engine_.info().wants_checkpoints) {
    finished_seq_ = commit_seq_;
    reactor_.post([this] { ended({}); });
    return;
  }
  // Everything up to here will be in the records; the map is taken at the same instant. It and the
  // drops of databases may be newer: then nothing is written before they are committed (S3).
  start_seq_ = commit_seq_;
  start_state_ = encode_checkpoint_state(keyspace_);
  writing_ = std::move(tracked_);
  tracked_ = DirtyKeys(!writing_.odd());
  slice_newest_ = std::max(writing_.flushed_at(), keyspace_.mapped_at());
  begun_ = false;
  to_clean_ = kCleanedPlaces;
  reactor_.post([this] { next_slice(); });
}

bool Checkpoint::must_wait() {
  waits_for_commit_ = slice_newest_ > commit_seq_ && !mutant(Mutant::kCheckpointUncommitted);
  return waits_for_commit_;
}

void Checkpoint::erase_flushed() {
  for (int db = 0; db < kDbCount; ++db) {
    if (!writing_.flushed().test(static_cast<size_t>(db))) continue;
    engine_.erase_database(shard_, static_cast<DbId>(db), [](const Status&) {});
  }
}

void Checkpoint::next_slice() {
  if (!begun_) {
    if (must_wait()) return;
    begun_ = true;
    erase_flushed();
  }
  if (writing_.empty()) {
    if (clean_some()) {
      reactor_.post([this] { next_slice(); });
    } else {
      finish();
    }
    return;
  }
  gather_slice();
  if (!must_wait()) write_slice();  // S3
}

// Lists the keys of a place of the device that is mostly dead: written anew, they leave it free. An
// object without this very ref is in a list already, or gone. False when there is nothing to clean.
bool Checkpoint::clean_some() {
  if (to_clean_ == 0) return false;
  --to_clean_;
  const Status status =
      engine_.visit_sparse(shard_, [this](const RecordKey& record, std::string_view) {
        keyspace_.move_record(record.db, keyspace_.key(record.key), record.ref, &writing_);
        return true;
      });
  if (status.ok()) return true;
  to_clean_ = 0;
  if (status.code() != Code::kNotFound) {
    log_error("a record is damaged; it is in memory, and left where it is",
              {{"reason", status.message()}});
  }
  return !writing_.empty();
}

void Checkpoint::committed() {
  if (!waits_for_commit_ || slice_newest_ > commit_seq_) return;
  waits_for_commit_ = false;
  if (begun_) {
    write_slice();
  } else {
    next_slice();
  }
}

// Images are taken between commands, so they never show half an entry. An absent key waits for
// whatever erased it, like an image waits for its newest change.
void Checkpoint::gather_slice() {
  size_t keys = 0, bytes = 0;
  slice_.clear();
  slice_newest_ = 0;
  for (; !writing_.empty() && keys < kSliceKeys && bytes < kSliceBytes; ++keys) {
    DbId db;
    RecordRef ref;
    const std::string_view bytes_of_key = writing_.take(&db, &ref);
    // A database dropped since the start is the next checkpoint's, which drops its records and has
    // all its keys in its list. This one must not end before the drop is committed.
    if (tracked_.flushed().test(db)) {
      slice_newest_ = std::max(slice_newest_, tracked_.flushed_at());
      continue;
    }
    const KeyRef key = keyspace_.key(bytes_of_key);
    Object* object = keyspace_.find(db, key);
    // A key can be listed more than once, and changed again since: a checkpoint holds one image of
    // it, and of a key that was made anew since the start none. Then only the ref is given back,
    // when what took the record's place is committed.
    if (object != nullptr && !object->dirty_in(writing_.odd())) {
      slice_newest_ = std::max(slice_newest_, keyspace_.erased_at(db, key));
      if (ref != 0) slice_.push_back({db, key.slot, true, 0, ref, std::string(bytes_of_key), {}});
      continue;
    }
    Image& image = slice_.emplace_back(
        Image{db, key.slot, object == nullptr, 0, ref, std::string(bytes_of_key), {}});
    if (object != nullptr) {
      object->set_clean();
      image.mod_seq = object->mod_seq();
      encode_record(*object, &image.bytes);
      slice_newest_ = std::max(slice_newest_, object->mod_seq());
    } else {
      slice_newest_ = std::max(slice_newest_, keyspace_.erased_at(db, key));
    }
    bytes += image.bytes.size() + image.key.size();
  }
}

void Checkpoint::write_slice() {
  std::vector<RecordWrite> writes;
  writes.reserve(slice_.size());
  for (const Image& image : slice_) {
    writes.push_back({{image.db, image.slot, image.key, image.ref}, image.erase, image.bytes});
  }
  engine_.write_records(shard_, writes,
                        [this](const Status& status, const std::vector<RecordRef>& refs) {
                          if (!status.ok()) {
                            ended(status);
                            return;
                          }
                          keep_refs(refs);
                          reactor_.post([this] { next_slice(); });
                        });
}

// An object that is still as its image has the record from now on; a record that was overtaken
// while the slice was on its way is given back by the next checkpoint.
void Checkpoint::keep_refs(const std::vector<RecordRef>& refs) {
  if (refs.empty()) return;
  HF_ASSERT(refs.size() == slice_.size());
  for (size_t i = 0; i < refs.size(); ++i) {
    const Image& image = slice_[i];
    if (image.erase) continue;
    const KeyRef key = keyspace_.key(image.key);
    Object* object = keyspace_.find(image.db, key);
    const bool same = object != nullptr && !object->dirty() && !object->has_ref() &&
                      object->mod_seq() == image.mod_seq;
    if (same) {
      object->set_ref(refs[i]);
    } else {
      keyspace_.replace_record(image.db, key, refs[i]);
    }
  }
}

void Checkpoint::finish() {
  engine_.finish_checkpoint(shard_, {start_seq_, start_state_}, [this](const Status& status) {
    if (status.ok()) {
      finished_seq_ = start_seq_;
      engine_.release_prefix(shard_, start_seq_, [](const Status&) {});
    }
    ended(status);
  });
}

void Checkpoint::ended(const Status& status) {
  running_ = false;
  slice_.clear();
  if (status.ok()) {
    ++finished_count_;
    finished_wall_ms_ = reactor_.clock().wall_ms();
    log_info("checkpoint finished", {{"seq", finished_seq_}});
  } else {
    log_error("checkpoint failed", {{"reason", status.message()}});
    if (on_failure_) on_failure_(status);
  }
  std::vector<Done> waiters = std::move(waiters_);
  waiters_.clear();
  for (Done& done : waiters) done(status);
}

}  // namespace holdfast
