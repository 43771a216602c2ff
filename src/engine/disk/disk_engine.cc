// See disk_engine.h. Opening is in disk_recovery.cc, reading the log in disk_log.cc.
#include "engine/disk/disk_engine.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/mutant.h"
#include "engine/log_group.h"

namespace holdfast {

using namespace disk;

DiskEngine::DiskEngine(Reactor& reactor, Disk& disk, Random& random, std::string directory,
                       DiskEngineOptions options)
    : reactor_(reactor),
      disk_(disk),
      random_(random),
      directory_(std::move(directory)),
      options_(options) {}

DiskEngine::~DiskEngine() = default;

// Until all that was asked for is done, or the device does nothing any more: what is done asks for
// more, a few times.
bool DiskEngine::finish_writes() {
  constexpr int kMostRounds = 1000;
  const auto busy = [this] {
    if (!failure_.ok() || data_->waits_for_space())
      return false;  // what waits was not acknowledged
    return !(wal_->idle() && queue_.empty());
  };
  for (int i = 0; i < kMostRounds && wal_ != nullptr && busy(); ++i) {
    data_writer_->drain();
    wal_writer_->drain();
  }
  return wal_ == nullptr || !busy();
}

void DiskEngine::close() {
  finish_writes();
  if (wal_ == nullptr) return;
  wal_->bear_witness();  // to all that was acknowledged
  data_writer_->drain();
  wal_writer_->drain();
  scrub_.reset();
  wal_.reset();
  data_.reset();
  reader_.reset();
  wal_writer_.reset();
  data_writer_.reset();
  store_ = DiskStore();
  logs_.clear();
  metas_.clear();
  spills_.clear();
  queue_.clear();
  to_finish_.clear();
}

bool DiskEngine::refused(const Done& done) {
  if (mutant(Mutant::kRetryFailedFlush)) failure_ = {};
  if (failure_.ok()) return false;
  reactor_.post([done, reason = failure_.message()] {
    done({Code::kPoisoned, "an earlier write failed: " + reason});
  });
  return true;
}

void DiskEngine::fail(const Status& status) {
  if (failure_.ok()) failure_ = status;
}

// --- the log ---

void DiskEngine::append(ShardId shard, LogGroup group, Done done) {
  if (refused(done)) return;
  ++stats_.appended_groups;
  stats_.appended_bytes += group.bytes.size();
  auto append = std::make_unique<Append>();
  LoggedGroup logged;
  logged.first = group.first;
  logged.last = logged.written_last = group.last;
  logged.bytes = group.bytes.size();
  logged.at.batch.block = LoggedGroup::kUnplaced;
  const bool large = !group.large.empty() && append_large(shard, group, &logged, append.get());
  append->bytes = std::make_shared<const std::string>(std::move(group.bytes));
  logged.in_memory = append->bytes;
  logs_[shard].append(std::move(logged));
  data_->owes(log_bytes());

  WalAppend& record = append->record;
  record.shard = shard;
  record.first = group.first;
  record.last = group.last;
  const bool wait = options_.wait_for_media;
  if (!wait) reactor_.post([done] { done({}); });
  record.done = [this, shard, first = group.first, bytes = append->bytes, wait,
                 done = std::move(done)](const Status& status, const WalPlace& at) {
    if (status.ok()) {
      logs_[shard].placed(first, bytes.get(), at);
    } else {
      fail(status);
    }
    if (wait) done(status);
  };
  Append* waiting = append.get();
  const bool spill = !large && append->bytes->size() > wal_->max_payload();
  append->ready = !large && !spill;
  queue_.push_back(std::move(append));
  if (spill) {
    data_->spill(waiting->bytes, [this, waiting](const Status& status, const SpilledGroup& where) {
      in_data(status, waiting, WalRecordType::kSpilled, encode_spilled(where), {where.extent});
    });
  }
  forward();
}

// Large values are written as records. False: not this group's, it goes as a whole.
bool DiskEngine::append_large(ShardId shard, const LogGroup& group, LoggedGroup* logged,
                              Append* append) {
  if (store_.superblock.format < kFormat || encoded_logged_size(group) > wal_->max_payload()) {
    return false;
  }
  auto payload = std::make_shared<std::string>();
  auto extents = std::make_shared<std::vector<Extent>>();
  logged->records =
      data_->log_records(shard, group, [this, append, payload, extents](const Status& status) {
        in_data(status, append, WalRecordType::kLarge, *payload, *extents);
      });
  *payload = encode_logged(logged->records, group.bytes);
  for (const LoggedRecord& record : logged->records) extents->push_back(record.extent);
  return !logged->records.empty();
}

// What the append's record in the log will name is on stable media: the record may follow.
void DiskEngine::in_data(const Status& status, Append* append, WalRecordType type,
                         const std::string& payload, const std::vector<Extent>& extents) {
  if (!status.ok()) {
    fail(status);
    for (const auto& waiting : std::exchange(queue_, {})) {
      if (waiting->record.done) waiting->record.done(status, {});
    }
    return;
  }
  append->record.type = type;
  append->record.payload = std::make_shared<const std::string>(payload);
  append->record.done = [this, extents, done = std::move(append->record.done)](const Status& logged,
                                                                               const WalPlace& at) {
    for (const Extent& extent : extents) {
      if (logged.ok()) spills_.push_back({extent, at.batch.block});
    }
    done(logged, at);
  };
  append->bytes.reset();
  append->ready = true;
  forward();
}

// Hands to the log what is ready and has room, each shard's in order. A truncation takes a block at
// most, to make others free.
void DiskEngine::forward() {
  std::vector<ShardId> waiting;
  for (size_t i = 0; i < queue_.size();) {
    const ShardId shard = queue_[i]->record.shard;
    const bool behind_another = std::ranges::find(waiting, shard) != waiting.end();
    const bool fits = queue_[i]->record.type == WalRecordType::kTruncate || has_room(shard);
    if (behind_another || !queue_[i]->ready || !fits) {
      if (!behind_another) waiting.push_back(shard);
      ++i;
      continue;
    }
    const std::unique_ptr<Append> append = std::move(queue_[i]);
    queue_.erase(queue_.begin() + static_cast<ptrdiff_t>(i));
    if (append->bytes != nullptr) append->record.payload = append->bytes;
    wal_->append(std::move(append->record));
  }
}

// An eighth of the ring is for the shard whose entries are the oldest. They may have to be
// committed before they can go, and that takes an entry more: if others had filled the ring,
// nothing would ever make it free.
bool DiskEngine::has_room(ShardId shard) const {
  const uint64_t taken = wal_->pending_bytes() / kWalPayload + 1;
  if (wal_->free_blocks() > store_.superblock.wal_blocks / 8 + taken) return true;
  std::optional<ShardId> oldest;
  uint64_t block = UINT64_MAX;
  for (const auto& [id, log] : logs_) {
    if (log.groups().empty() || log.groups().front().at.batch.block >= block) continue;
    oldest = id;
    block = log.groups().front().at.batch.block;
  }
  return !oldest || *oldest == shard;
}

void DiskEngine::truncate_suffix(ShardId shard, Seq last_kept, Done done) {
  if (refused(done)) return;
  logs_[shard].truncate(last_kept);
  auto append = std::make_unique<Append>();
  append->record = {WalRecordType::kTruncate,
                    shard,
                    0,
                    last_kept,
                    {},
                    [this, done = std::move(done)](const Status& status, const WalPlace&) {
                      if (!status.ok()) fail(status);
                      done(status);
                    }};
  queue_.push_back(std::move(append));
  forward();
}

void DiskEngine::release_prefix(ShardId shard, Seq seq, Done done) {
  if (refused(done)) return;
  const auto meta = metas_.find(shard);
  HF_ASSERT(meta != metas_.end() && seq <= meta->second.seq);  // E5
  logs_[shard].release(seq);
  data_->owes(log_bytes());
  trim();
  reactor_.post([done = std::move(done)] { done({}); });
}

// --- hard states ---

void DiskEngine::save_hard_state(ShardId shard, const HardState& state, Done done) {
  if (refused(done)) return;
  auto& shards = store_.hard_states.shards;
  if (shards.size() >= kMaxHardStates && !shards.contains(shard)) {
    reactor_.post([done] {
      done(Status::invalid("a device holds at most " + std::to_string(kMaxHardStates) + " shards"));
    });
    return;
  }
  shards[shard] = state;
  next_save_waiters_.push_back(std::move(done));
  if (!saving_) write_hard_states();
}

// Both copies; what is saved meanwhile shares the next write.
void DiskEngine::write_hard_states() {
  saving_ = true;
  save_waiters_ = std::exchange(next_save_waiters_, {});
  ++store_.hard_states.sequence;
  auto left = std::make_shared<int>(2);
  for (const uint64_t copy : {0, 1}) {
    const uint64_t slot =
        store_.hard_states.sequence % (kHardStateSlots / 2) + copy * (kHardStateSlots / 2);
    AlignedBuffer block(kBlock);
    encode_hard_states(store_.hard_states, store_.superblock.uuid, slot, block.span());
    wal_writer_->write(kHardStateOffset + slot * kBlock, std::move(block),
                       [this, left](const Status& status) {
                         if (!status.ok()) fail(status);
                         if (--*left > 0) return;
                         for (const Done& done : std::exchange(save_waiters_, {})) done(failure_);
                         saving_ = false;
                         if (!next_save_waiters_.empty()) write_hard_states();
                       });
  }
}

// --- records and checkpoints ---

void DiskEngine::write_records(ShardId shard, const std::vector<RecordWrite>& writes,
                               RecordsDone done) {
  if (refused([done](const Status& status) { done(status, {}); })) return;
  data_->write(
      shard, writes,
      [this, shard](const RecordWrite& write) {
        const LoggedRecord* record = logged_record(shard, write.key, write.logged, true);
        HF_ASSERT(record != nullptr && !data_->shared(*record));
        return record;
      },
      [this, done = std::move(done)](const Status& status, const std::vector<RecordRef>& refs) {
        if (!status.ok()) fail(status);
        done(status, refs);
      });
}

const LoggedRecord* DiskEngine::logged_record(ShardId shard, const RecordKey& key, Seq seq,
                                              bool on_device) const {
  const auto log = logs_.find(shard);
  return log == logs_.end() ? nullptr : log->second.record_of(key, seq, on_device);
}

// One that a checkpoint took already, before a restart, stays the record it is. Where completions
// do not wait for media, nobody could tell when one that is on its way is durable.
bool DiskEngine::has_logged_record(ShardId shard, const RecordKey& key, Seq seq) const {
  const LoggedRecord* record = logged_record(shard, key, seq, !options_.wait_for_media);
  return record != nullptr && !data_->shared(*record);
}

void DiskEngine::erase_database(ShardId shard, DbId db, Done done) {
  if (refused(done)) return;
  data_->drop_database(shard, db);
  reactor_.post([done = std::move(done)] { done({}); });
}

void DiskEngine::finish_checkpoint(ShardId shard, const CheckpointMeta& meta, Done done) {
  if (refused(done)) return;
  if (finishing_) {
    to_finish_.emplace_back([this, shard, meta, done] { finish_checkpoint(shard, meta, done); });
    return;
  }
  finishing_ = true;
  ShardMetas metas = metas_;
  metas[shard] = meta;
  const Done ended = [this, done = std::move(done)](const Status& status) {
    done(status);
    finish_next();
  };
  data_->write_root(store_.superblock.checkpoint.id + 1, metas,
                    [this, metas, ended](const Status& status, CheckpointPointer pointer) {
                      if (!status.ok()) {
                        fail(status);
                        ended(status);
                        return;
                      }
                      metas_ = metas;
                      pointer.wal = replay_from();
                      write_superblock(pointer, ended);
                    });
}

// After a failure all of them are refused.
void DiskEngine::finish_next() {
  while (!to_finish_.empty() && (!finishing_ || !failure_.ok())) {
    const Task next = std::move(to_finish_.front());
    to_finish_.pop_front();
    next();
  }
}

// The first batch with an entry that no checkpoint covers. Entries that have no place yet will get
// one at the end of the log.
WalPosition DiskEngine::replay_from() const {
  WalPosition from = wal_->first_in_flight();
  for (const auto& [shard, log] : logs_) {
    const auto meta = metas_.find(shard);
    const LoggedGroup* group = log.first_above(meta == metas_.end() ? 0 : meta->second.seq);
    if (group != nullptr && group->placed() && group->at.batch.block < from.block)
      from = group->at.batch;
  }
  return from;
}

void DiskEngine::write_superblock(const CheckpointPointer& pointer, Done done) {
  auto next = std::make_shared<Superblock>(store_.superblock);
  ++next->sequence;
  next->format = kFormat;
  next->durable_block = wal_->durable_block();
  next->checkpoint = pointer;
  write_copy(*next, 0, [this, next, done = std::move(done)](const Status& first) {
    if (!first.ok()) {
      done(first);
      return;
    }
    write_copy(*next, 1, [this, next, done](const Status& second) {
      if (!second.ok()) {
        done(second);
        return;
      }
      // A device that put the blocks elsewhere is found out before anything is given up for them.
      compare_copies(*next, 0, [this, next, done](const Status& status) {
        if (status.ok()) {
          checkpoint_current(*next);
        } else {
          fail(status);
        }
        done(with_place(status));
      });
    });
  });
}

void DiskEngine::write_copy(const Superblock& superblock, int copy, Done done) {
  AlignedBuffer block(kBlock);
  encode_superblock(superblock, copy, block.span());
  BlockWriter& writer = copy == 0 ? *wal_writer_ : *data_writer_;
  writer.write(superblock_offset(superblock.slot()), std::move(block),
               [this, done = std::move(done)](const Status& status) {
                 if (!status.ok()) fail(status);
                 done(status);
               });
}

namespace {

Status check_copy(const Superblock& superblock, int copy, const AlignedBuffer& found) {
  AlignedBuffer expected(kBlock);
  encode_superblock(superblock, copy, expected.span());
  if (std::memcmp(found.data(), expected.data(), kBlock) == 0) return {};
  return Status::corrupt("a superblock reads back other than it was written");
}

}  // namespace

// With what the device has, from copy `first` on.
void DiskEngine::compare_copies(const Superblock& superblock, int first, Done done) {
  BlockWriter& device = first == 0 ? *wal_writer_ : *data_writer_;
  device.read(
      superblock_offset(superblock.slot()), kBlock,
      [this, superblock, first, done = std::move(done)](Status status, const AlignedBuffer& block) {
        if (status.ok()) status = check_copy(superblock, first, block);
        if (!status.ok() || first == 1) return done(status);
        compare_copies(superblock, 1, done);
      });
}

void DiskEngine::checkpoint_current(const Superblock& superblock) {
  store_.older = store_.superblock;
  store_.superblock = superblock;
  finishing_ = false;
  data_->became_current();
  trim();
}

// Where the older superblock's checkpoint begins to replay.
WalPosition DiskEngine::older_wal() const {
  const bool older = store_.older && !mutant(Mutant::kTrimOlderLog);
  return older ? store_.older->checkpoint.wal : store_.superblock.checkpoint.wal;
}

// The log is kept from the older superblock's checkpoint on (D5), and as far back as its owners
// want it.
void DiskEngine::trim() {
  uint64_t block = older_wal().block;
  for (const auto& [shard, log] : logs_) {
    if (!log.groups().empty() && log.groups().front().placed()) {
      block = std::min(block, log.groups().front().at.batch.block);
    }
  }
  while (!spills_.empty() && spills_.front().block < block) {
    data_->give_back(spills_.front().extent);
    spills_.pop_front();
  }
  wal_->trim(block);
  forward();
}

Result<std::string> DiskEngine::read_record(ShardId shard, const RecordKey& key) {
  return data_->read(shard, key);
}

void DiskEngine::fetch_record(ShardId shard, const RecordKey& key, const RecordRead& done) {
  data_->fetch(shard, key, done);
}

bool DiskEngine::on_device(RecordRef ref) const {
  const Segment* segment = data_->segments().find(ref);
  return segment != nullptr && data_->on_device(*segment);
}

Status DiskEngine::visit_records(ShardId shard, const RecordVisitor& visit) {
  return with_place(data_->visit(shard, visit));
}

Status DiskEngine::visit_records_of(ShardId shard, const RecordVisitor& visit,
                                    const DamageVisitor& damaged) {
  return with_place(data_->visit(shard, visit, damaged));
}

void DiskEngine::visit_sparse(ShardId shard, const RecordVisitor& visit, const Done& done) {
  if (scrub_->take_damaged(shard, visit)) return done({});
  data_->visit_sparse(shard, visit,
                      [this, done](const Status& status) { done(with_place(status)); });
}

// --- what it tells ---

Status DiskEngine::with_place(Status status) const {
  if (status.ok()) return status;
  return {status.code(), "store " + directory_ + ": " + status.message()};
}

uint64_t DiskEngine::log_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [shard, log] : logs_) bytes += log.bytes();
  return bytes;
}

uint64_t DiskEngine::log_bytes_of(ShardId shard) const {
  const auto found = logs_.find(shard);
  return found == logs_.end() ? 0 : found->second.bytes();
}

Seq DiskEngine::first_logged(ShardId shard) const {
  const auto found = logs_.find(shard);
  return found == logs_.end() ? 0 : found->second.first();
}

// A quarter of the ring for the log of each of: the older checkpoint, the newest one, the one that
// should be on its way, and what arrives meanwhile. A checkpoint gives free what the one before it
// kept, so when room is short another one helps even if little was logged since the last. On a full
// device that is so for the data file too.
//
// Of several shards, those are asked whose entries lie in the old part of the ring, however little
// they log: a checkpoint of another one would not make it free. If there is none, any will do.
bool DiskEngine::wants_checkpoint(ShardId shard) const {
  if (wal_ == nullptr) return false;
  if (data_->wants_checkpoint(log_bytes() > 0)) return true;
  const uint64_t ring = store_.superblock.wal_blocks;
  const uint64_t since = wal_->end().block - store_.superblock.checkpoint.wal.block;
  if (since <= ring / 4 && wal_->free_blocks() >= ring / 8 * 3) return false;
  bool held = false;
  for (const auto& [id, log] : logs_) {
    const bool old = !log.groups().empty() && log.groups().front().placed() &&
                     log.groups().front().at.batch.block + ring / 4 < wal_->end().block;
    if (old && id == shard) return true;
    held = held || old;
  }
  return !held;
}

bool DiskEngine::wants_pause() const {
  return wal_ != nullptr && wal_->free_blocks() < store_.superblock.wal_blocks / 4;
}

bool DiskEngine::out_of_space() const { return data_ != nullptr && data_->out_of_space(); }

}  // namespace holdfast
