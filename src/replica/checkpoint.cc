// See checkpoint.h.
#include "replica/checkpoint.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/assert.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mutant.h"
#include "replica/elected_core.h"
#include "store/effect.h"

namespace holdfast {
namespace {

constexpr char kStateVersion = 4;
constexpr char kStateWithoutOutcomes = 3;  // as versions before wrote it
constexpr char kUnfinished = 0x55;         // in place of a version

bool read_log_summary(Reader& reader, LogSummary* log) {
  log->last.epoch = reader.varint();
  log->last.seq = reader.varint();
  log->last.crc = reader.fixed<uint32_t>();
  const uint64_t ended = reader.varint();
  if (ended > LogSummary::kMaxEpochs) return false;
  for (uint64_t i = 0; i < ended; ++i) {
    const Epoch epoch = reader.varint();
    log->ended.push_back({epoch, reader.varint()});
  }
  return reader.ok();
}

bool read_outcomes(std::string_view bytes, Keyspace& keyspace) {
  Reader reader(bytes);
  while (!reader.at_end()) {
    Remembered remembered;
    const std::string_view one = reader.sized_bytes();
    if (!reader.ok() || !Remembered::decode(one, &remembered)) return false;
    keyspace.remember(remembered, 0);
  }
  return true;
}

}  // namespace

std::string encode_checkpoint_state(const LogSummary& log, const Membership& members,
                                    const Keyspace& keyspace) {
  std::string state(1, kStateVersion);
  state.append(reinterpret_cast<const char*>(keyspace.db_map().data()), keyspace.db_map().size());
  put_varint(state, log.last.epoch);
  put_varint(state, log.last.seq);
  put_fixed(state, log.last.crc);
  put_varint(state, log.ended.size());
  for (const EpochEnd& end : log.ended) {
    put_varint(state, end.epoch);
    put_varint(state, end.last);
  }
  put_bytes(state, members.voters.empty() ? std::string() : encode_membership(members));
  std::string outcomes;
  keyspace.outcomes().visit(
      [&outcomes](const Remembered& remembered) { put_bytes(outcomes, remembered.encode()); });
  put_bytes(state, outcomes);
  for (const auto& [name, code] : keyspace.libraries()) {
    const std::string image = library_image(name, code);
    put_varint(state, image.size());
    state.append(image);
  }
  return state;
}

std::string encode_unfinished_state(const Membership& members) {
  return std::string(1, kUnfinished) + encode_membership(members);
}

Status load_checkpoint_state(std::string_view state, LogSummary* log, Membership* members,
                             Keyspace& keyspace, bool* whole) {
  *whole = true;
  if (state.empty()) return {};
  if (state.front() == kUnfinished) {
    *whole = false;
    Result<Membership> decoded = decode_membership(state.substr(1));
    if (decoded.ok()) *members = std::move(decoded.value());
    return decoded.status();
  }
  const Status corrupt = Status::corrupt("the checkpoint's state cannot be decoded");
  Reader reader(state);
  const char version = reader.fixed<char>();
  DbMap map;
  const bool known = version == kStateVersion || version == kStateWithoutOutcomes;
  if (!known || !parse_db_map(reader.bytes(map.size()), &map)) return corrupt;
  keyspace.map_databases(map, 0);
  if (!read_log_summary(reader, log)) return corrupt;
  if (const std::string_view bytes = reader.bytes(reader.varint()); !bytes.empty()) {
    Result<Membership> decoded = decode_membership(bytes);
    if (!decoded.ok()) return decoded.status();
    *members = std::move(decoded.value());
  }
  if (version == kStateVersion) {
    const std::string_view bytes = reader.sized_bytes();
    if (!reader.ok() || !read_outcomes(bytes, keyspace)) return corrupt;
  }
  while (!reader.at_end()) {
    std::string_view name, code;
    const std::string_view image = reader.bytes(reader.varint());
    if (!reader.ok() || !parse_library_image(image, &name, &code)) return corrupt;
    keyspace.put_library(name, code, 0);
  }
  return {};
}

Checkpoint::Checkpoint(Reactor& reactor, Engine& engine, Keyspace& keyspace, ShardId shard,
                       const LogSummary& committed)
    : reactor_(reactor),
      engine_(engine),
      keyspace_(keyspace),
      shard_(shard),
      committed_(committed) {}

void Checkpoint::begin_tracking(Seq seq) {
  finished_seq_ = seq;
  finished_wall_ms_ = reactor_.clock().wall_ms();
  tracked_ = DirtyKeys();
  if (engine_.info().wants_checkpoints) keyspace_.track_dirty(&tracked_);
}

void Checkpoint::stop(const std::function<void()>& done) {
  stopped_ = true;
  if (!running_) {
    reactor_.post(done);
    return;
  }
  waiters_.emplace_back([done](const Status&) { done(); });
  if (waits_for_commit_) abandon();
}

// One that waits for commits may wait for ever: a member that is behind has images of entries that
// only a snapshot can bring it to.
void Checkpoint::abandon() {
  waits_for_commit_ = false;
  running_ = false;
  slice_.clear();
  reactor_.post([waiters = std::move(waiters_)] {
    for (const Done& done : waiters) done(Status::unavailable("a snapshot is being installed"));
  });
  waiters_.clear();
}

void Checkpoint::start(Done done) {
  if (stopped_ && !running_) {
    if (done) {
      reactor_.post([done] { done(Status::unavailable("a snapshot is being installed")); });
    }
    return;
  }
  if (done) waiters_.push_back(std::move(done));
  if (running_) return;
  running_ = true;
  if (!engine_.info().wants_checkpoints) {
    finished_seq_ = committed_.last.seq;
    reactor_.post([this] { ended({}); });
    return;
  }
  // Everything up to here will be in the records; the map is taken at the same instant. It and the
  // drops of databases may be newer: then nothing is written before they are committed (S3).
  start_seq_ = committed_.last.seq;
  start_state_ = state_();
  writing_ = std::move(tracked_);
  tracked_ = DirtyKeys(!writing_.odd());
  slice_newest_ = std::max({writing_.flushed_at(), keyspace_.mapped_at(), keyspace_.libraries_at(),
                            keyspace_.outcomes().newest()});
  slice_logged_ = 0;
  begun_ = false;
  to_clean_ = kCleanedPlaces;
  reactor_.post([this] { next_slice(); });
}

bool Checkpoint::must_wait() {
  const bool uncommitted =
      slice_newest_ > committed_.last.seq && !mutant(Mutant::kCheckpointUncommitted);
  waits_for_commit_ = uncommitted || (durable_ && std::max(start_seq_, slice_logged_) > durable_());
  return waits_for_commit_;
}

void Checkpoint::erase_flushed() {
  dropped_ = writing_.flushed();
  for (int db = 0; db < kDbCount; ++db) {
    if (!dropped_.test(static_cast<size_t>(db))) continue;
    engine_.erase_database(shard_, static_cast<DbId>(db), [](const Status&) {});
  }
}

void Checkpoint::next_slice() {
  if (!begun_) {
    if (must_wait()) {
      if (stopped_) abandon();
      return;
    }
    begun_ = true;
    erase_flushed();
  }
  if (writing_.empty()) {
    if (to_clean_ > 0) {
      clean_some();
    } else {
      finish();
    }
    return;
  }
  gather_slice();
  if (!must_wait()) {  // S3
    write_slice();
  } else if (stopped_) {
    abandon();
  }
}

// Lists the keys of a place of the device that is mostly dead: written anew, they leave it free.
void Checkpoint::clean_some() {
  --to_clean_;
  dropped_.reset();  // what is listed from now on has one
  engine_.visit_sparse(
      shard_,
      [this](const RecordKey& record, std::string_view image) { return list_anew(record, image); },
      [this](const Status& status) {
        if (status.code() == Code::kNotFound) {
          to_clean_ = 0;
        } else if (!status.ok()) {
          log_error("records cannot be read, and are left where they are",
                    {{"reason", status.message()}});
        }
        reactor_.post([this] { next_slice(); });
      });
}

// An object without this very ref is in a list already, or gone.
bool Checkpoint::list_anew(const RecordKey& record, std::string_view image) {
  const Result<RecordImage> decoded = decode_record(record.key, image);
  std::optional<std::string_view> value;  // none in a record that is damaged
  if (decoded.ok()) value = decoded.value().value;
  const KeyRef key = keyspace_.key(record.key);
  keyspace_.move_record(record.db, key, record.ref, value, &writing_);
  const Object* object = value || !damaged_ ? nullptr : keyspace_.find(record.db, key);
  const bool lost = object != nullptr && object->cold() && object->ref() == record.ref;
  if (lost) damaged_(record.db, key, record.ref);
  return true;
}

void Checkpoint::committed() {
  if (!waits_for_commit_ || must_wait()) return;
  if (begun_) {
    write_slice();
  } else {
    next_slice();
  }
}

// Images are taken between commands, so they never show half an entry. An absent key waits for
// whatever erased it, like an image waits for its newest change.
void Checkpoint::gather_slice() {
  slice_.clear();
  bytes_.clear();
  slice_newest_ = slice_logged_ = 0;
  while (!writing_.empty() && slice_.size() < kSliceKeys && bytes_.size() < kSliceBytes) {
    gather_batch();
  }
}

// Keys are listed in the order of their changes, so each lies elsewhere in memory: what is needed
// of a batch is asked for together (as LinkSession::prefetch_batch).
void Checkpoint::gather_batch() {
  Image batch[kBatchKeys];
  size_t count = 0;
  keys_.clear();
  for (; count < kBatchKeys && !writing_.empty(); ++count) {
    Image& image = batch[count];
    const KeyRef key = keyspace_.key(writing_.take(&image.db, &image.ref));
    if (dropped_.test(image.db)) image.ref = 0;
    image.slot = key.slot;
    image.hash = key.hash;
    image.key_at = keys_.size();
    keys_.append(key.bytes);
    image.end = keys_.size();
    keyspace_.prefetch_slot(image.db, key.slot);
  }
  const auto key_at = [&](const Image& image) {
    return std::string_view(keys_).substr(image.key_at, image.end - image.key_at);
  };
  const std::span images(batch, count);
  for (const Image& image : images)
    keyspace_.prefetch_bucket(image.db, {{}, image.hash, image.slot});
  for (const Image& image : images)
    keyspace_.prefetch_object(image.db, {{}, image.hash, image.slot});
  for (const Image& image : images) gather(image, key_at(image));
}

void Checkpoint::gather(Image image, std::string_view bytes) {
  // A database dropped since the start is the next checkpoint's, which drops its records and has
  // all its keys in its list. This one must not end before the drop is committed.
  if (tracked_.flushed().test(image.db)) {
    slice_newest_ = std::max(slice_newest_, tracked_.flushed_at());
    return;
  }
  const KeyRef key{bytes, image.hash, image.slot};
  Object* object = keyspace_.find(image.db, key);
  // A key can be listed more than once, and changed again since: a checkpoint holds one image of
  // it, and of a key that was made anew since the start none. Then only the ref is given back,
  // when what took the record's place is committed. Where records are found by key there is no ref
  // to give back, and the record of what was erased before the start must not stay: the log that
  // is replayed over it has no erase. The image of what is there now takes its place.
  const bool by_ref = engine_.info().refs;
  const bool listed_elsewhere = object != nullptr && !object->dirty_in(writing_.odd());
  image.erase = object == nullptr || (listed_elsewhere && by_ref);
  slice_newest_ =
      std::max(slice_newest_, image.erase ? keyspace_.erased_at(image.db, key) : object->mod_seq());
  if (listed_elsewhere && image.ref == 0 && (by_ref || !object->dirty())) return;
  image.key_at = bytes_.size();
  bytes_.append(bytes);
  image.image_at = bytes_.size();
  if (!image.erase) {
    if (!listed_elsewhere) object->set_clean();
    image.mod_seq = object->mod_seq();
    image.logged = object->encoding() == Encoding::kRaw &&
                   object->string_size() >= LogGroup::kLarge &&
                   engine_.has_logged_record(shard_, {image.db, key.slot, bytes}, image.mod_seq);
    if (image.logged) {
      slice_logged_ = std::max(slice_logged_, image.mod_seq);
    } else {
      encode_record(*object, &bytes_);
    }
  }
  image.end = bytes_.size();
  slice_.push_back(image);
}

KeyRef Checkpoint::key_of(const Image& image) const {
  const std::string_view bytes(bytes_);
  return {bytes.substr(image.key_at, image.image_at - image.key_at), image.hash, image.slot};
}

void Checkpoint::write_slice() {
  std::vector<RecordWrite> writes;
  writes.reserve(slice_.size());
  for (const Image& image : slice_) {
    const std::string_view bytes(bytes_);
    writes.push_back({{image.db, image.slot, key_of(image).bytes, image.ref},
                      image.erase,
                      bytes.substr(image.image_at, image.end - image.image_at),
                      image.logged ? image.mod_seq : 0});
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
    const KeyRef key = key_of(image);
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
      if (on_finished_) on_finished_();
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
  } else if (on_failure_) {
    on_failure_(status);
  }
  std::vector<Done> waiters = std::move(waiters_);
  waiters_.clear();
  for (Done& done : waiters) done(status);
}

}  // namespace holdfast
