// How a DiskEngine opens; see disk_engine.h. The order: what was promised, what the checkpoint
// holds, what the log adds; then a new generation of the log, on stable media before anything is
// served, so that what this recovery cut can never come back (D11).
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "engine/disk/disk_engine.h"

namespace holdfast {

using namespace disk;

Result<std::vector<RecoveredShard>> DiskEngine::open() {
  HF_ASSERT(wal_ == nullptr);
  const Status status = load();
  if (!status.ok()) {
    close();
    data_.reset();
    reader_.reset();
    store_ = DiskStore();
    logs_.clear();
    metas_.clear();
    gaps_.clear();
    spills_.clear();
    return status;
  }
  std::map<ShardId, RecoveredShard> shards;
  for (const auto& [shard, state] : store_.hard_states.shards) shards[shard].hard_state = state;
  for (const auto& [shard, meta] : metas_) shards[shard].checkpoint = meta;
  for (auto& [shard, log] : logs_) {
    log.release(metas_.contains(shard) ? metas_[shard].seq : 0);
    shards[shard].first_seq = log.first();
    shards[shard].last_seq = log.last();
  }
  for (const auto& [block, segment] : data_->segments().all()) {
    shards[segment.shard].records[segment.db] += segment.live;
  }
  std::vector<RecoveredShard> found;
  for (auto& [shard, one] : shards) {
    one.shard = shard;
    found.push_back(std::move(one));
  }
  return found;
}

Status DiskEngine::load() {
  const uint64_t wal_blocks = std::max(options_.wal_bytes, kMinWalBytes) / kBlock;
  Result<DiskStore> store = open_disk_store(disk_, directory_, wal_blocks, random_);
  if (!store.ok()) return store.status();
  store_ = std::move(store.value());
  for (const std::string& where : store_.damaged) {
    log_warning("a copy of a superblock is not whole", {{"where", where}});
  }
  const CheckpointPointer older = store_.older ? store_.older->checkpoint : CheckpointPointer{};
  data_ = std::make_unique<DataStore>(reactor_, *store_.data, store_.superblock.uuid,
                                      options_.grow_bytes);
  if (salvage_ && salvage_->second == Salvage::kEmpty) return with_place(load_empty());
  Status status = data_->load(store_.superblock.checkpoint, older, &metas_);
  if (status.ok()) status = load_log();
  return with_place(status);
}

Status DiskEngine::load_log() {
  const WalIdentity identity{store_.superblock.uuid, store_.superblock.wal_blocks};
  const WalPosition& from = store_.superblock.checkpoint.wal;
  reader_ = std::make_unique<WalReader>(*store_.wal, identity);
  const uint64_t newest = store_.hard_states.generation;
  // What only the older checkpoint would replay is needed for nothing but to keep its large groups.
  if (older_wal().block < from.block) {
    const auto keep = [this](const WalRecord& record, const WalPlace& at) {
      LoggedGroup group;
      (void)take_extents(record, at, &group);
      return Status();
    };
    const Result<WalScan> scan =
        scan_wal(*reader_, {older_wal(), 0, newest, from.block, false}, keep);
    if (!scan.ok()) {
      log_warning("the log before the last checkpoint is damaged; it is not needed",
                  {{"reason", scan.status().message()}});
    }
  }
  const Result<WalScan> scan = scan_wal(
      *reader_,
      {from, store_.superblock.durable_block, newest, UINT64_MAX, options_.accept_uncertain_tail,
       salvage_.has_value()},
      [this](const WalRecord& record, const WalPlace& at) { return recovered(record, at); });
  if (mutant(Mutant::kRepairByDeleting) && !scan.ok()) (void)disk_.remove(store_.wal_path());
  if (!scan.ok()) return scan.status();
  if (!gaps_.empty()) return gaps_.begin()->second.second;
  if (scan.value().unfinished_bytes > 0 || scan.value().ended_by != WalBlockState::kOld) {
    log_info("the log ends in what was being written when it was cut off",
             {{"block", scan.value().next.block},
              {"state", name_of(scan.value().ended_by)},
              {"unacknowledged_bytes", scan.value().unfinished_bytes}});
  }
  if (salvage_) distrust_all();
  Status status = complete_superblock();
  if (status.ok()) status = begin_generation();
  if (status.ok() && salvage_) status = lower_durable(scan.value().next.block);
  if (!status.ok()) return status;
  return start_writing(scan.value());
}

// --- what a member of a group gives up ---

Result<std::vector<RecoveredShard>> DiskEngine::salvage(ShardId shard, Salvage how) {
  close();
  salvage_ = {shard, how};
  auto opened = open();
  salvage_.reset();
  return opened;
}

// With the generation that the next opening begins, so before anything of it is written: no crash
// leaves a shorter log that is trusted.
void DiskEngine::distrust_all() {
  auto& shards = store_.hard_states.shards;
  shards[salvage_->first].distrusted = true;
  for (auto& [shard, state] : shards) state.distrusted = true;
}

// The superblock vouches for what was cut: an end of the log that is torn there would be taken for
// damage.
Status DiskEngine::lower_durable(uint64_t block) {
  Superblock next = store_.superblock;
  if (next.durable_block <= block) return {};
  ++next.sequence;
  next.durable_block = block;
  return replace_superblock(next);
}

Status DiskEngine::replace_superblock(const Superblock& superblock) {
  const OpenMode mode{.direct = true, .write_through = true};
  AlignedBuffer block(kBlock);
  for (const int copy : {0, 1}) {
    Result<std::unique_ptr<File>> file =
        disk_.open(copy == 0 ? store_.wal_path() : store_.data_path(), mode);
    if (!file.ok()) return file.status();
    encode_superblock(superblock, copy, block.span());
    const Status status =
        file.value()->write_at(superblock_offset(superblock.slot()), block.span());
    if (!status.ok()) return status;
  }
  store_.superblock = superblock;
  return {};
}

// The store that it was when it was made, but for its identity and what it promised. The log goes
// on a ring further, so that no block of the old one is taken for one of the new; both superblocks
// are replaced, so that nothing names the old records.
Status DiskEngine::load_empty() {
  Status status = data_->load({}, {}, &metas_);
  if (!status.ok()) return status;
  const WalIdentity identity{store_.superblock.uuid, store_.superblock.wal_blocks};
  reader_ = std::make_unique<WalReader>(*store_.wal, identity);
  distrust_all();
  const uint64_t before = store_.hard_states.generation;
  status = begin_generation();
  const WalPosition& wal = store_.superblock.checkpoint.wal;
  const WalPosition begin{
      std::max(wal.block, store_.superblock.durable_block) + store_.superblock.wal_blocks, before,
      wal.chain};
  store_.older.reset();
  for (int i = 0; i < 2 && status.ok(); ++i) {
    Superblock next = store_.superblock;
    ++next.sequence;
    next.durable_block = begin.block;
    next.checkpoint = {};
    next.checkpoint.wal = begin;
    status = replace_superblock(next);
  }
  if (!status.ok()) return status;
  WalScan scan;
  scan.next = begin;
  return start_writing(scan);
}

Status DiskEngine::cut_log(ShardId shard, Seq last_kept) {
  HardState state = store_.hard_states.shards[shard];
  state.distrusted = true;
  Status result;
  const Done done = [&result](const Status& status) {
    if (result.ok()) result = status;
  };
  save_hard_state(shard, state, done);
  wal_writer_->drain();
  if (!result.ok()) return result;
  truncate_suffix(shard, last_kept, done);
  if (!finish_writes()) return Status::io("the log's device completes no writes");
  return failure_.ok() ? result : failure_;
}

Status DiskEngine::recovered(const WalRecord& record, const WalPlace& at) {
  if (record.type == WalRecordType::kOpened) return {};
  ShardLog& log = logs_[record.shard];
  if (record.type == WalRecordType::kTruncate) {
    log.truncate(record.last);
    std::erase_if(gaps_, [&](const auto& gap) {
      return gap.first == record.shard && record.last < gap.second.first;
    });
    return {};
  }
  const std::string name = "log of shard " + std::to_string(record.shard) + ", entries " +
                           std::to_string(record.first) + ".." + std::to_string(record.last);
  const auto meta = metas_.find(record.shard);
  const Seq covered = meta == metas_.end() ? 0 : meta->second.seq;
  // A checkpoint may be further than the log was: then that ended there, and another one, which
  // began behind it, goes on (a snapshot, and what followed it).
  const bool ended = log.last() <= covered && record.first <= covered + 1;
  if (ended && record.first > log.last() + 1) log.release(log.last());
  const Seq next = log.last() != 0               ? log.last() + 1
                   : record.first <= covered + 1 ? record.first
                                                 : covered + 1;
  // The batch that the replay begins in may hold groups whose predecessors it does not: then they
  // were truncated, and the record of that is still to come.
  const bool gap = record.first != next || gaps_.contains(record.shard);
  if (gap) {
    gaps_.try_emplace(
        record.shard, record.first,
        Status::corrupt(name + ": entry " + std::to_string(next) + " should come first"));
  }
  LoggedGroup group;
  group.first = record.first;
  group.last = group.written_last = record.last;
  group.bytes = record.payload.size();
  group.at = at;
  if (Status status = take_extents(record, at, &group); !status.ok()) {
    return Status::corrupt(name + ": " + status.message());
  }
  if (!gap) log.append(std::move(group));
  return {};
}

// What the record of a group names in the data file is not free as long as the log is kept.
Status DiskEngine::take_extents(const WalRecord& record, const WalPlace& at, LoggedGroup* group) {
  if (record.type == WalRecordType::kSpilled) {
    SpilledGroup where;
    if (!decode_spilled(record.payload, &where)) {
      return Status::corrupt("their place cannot be decoded");
    }
    if (Status status = data_->take(where.extent); !status.ok()) return status;
    spills_.push_back({where.extent, at.batch.block});
    group->bytes = where.bytes;
  }
  if (record.type != WalRecordType::kLarge) return {};
  std::string_view rest;
  if (!decode_logged(record.payload, &group->records, &rest)) {
    return Status::corrupt("the places of their large values cannot be decoded");
  }
  group->bytes = rest.size();
  for (const LoggedRecord& one : group->records) {
    if (Status status = data_->take(one); !status.ok()) return status;
    spills_.push_back({one.extent, at.batch.block});
    group->bytes += one.size;
  }
  return {};
}

// A superblock that was being written when power failed, or lost a copy since, has one copy, and
// the place of the other may hold the superblock before the last: lost, the one would bring that
// back, when what it names is used for other things (power cut seed 6).
Status DiskEngine::complete_superblock() {
  AlignedBuffer block(kBlock), expected(kBlock);
  const OpenMode mode{.direct = true, .write_through = true};
  for (const int copy : {0, 1}) {
    const uint64_t offset = superblock_offset(store_.superblock.slot());
    File& read = copy == 0 ? *store_.wal : *store_.data;
    encode_superblock(store_.superblock, copy, expected.span());
    const bool whole = read.read_at(offset, block.span()).ok() &&
                       std::memcmp(block.data(), expected.data(), kBlock) == 0;
    if (whole) continue;
    const std::string path = copy == 0 ? store_.wal_path() : store_.data_path();
    log_warning("a copy of the superblock is missing: writing it again", {{"file", path}});
    Result<std::unique_ptr<File>> file = disk_.open(path, mode);
    if (!file.ok()) return file.status();
    const Status status = file.value()->write_at(offset, expected.span());
    if (!status.ok()) return status;
  }
  return {};
}

// Durable before the log is written: a generation is never used twice, not even by an opening that
// a crash ends.
Status DiskEngine::begin_generation() {
  HardStates& states = store_.hard_states;
  ++states.generation;
  ++states.sequence;
  const OpenMode mode{.direct = true, .write_through = true};
  Result<std::unique_ptr<File>> file = disk_.open(store_.wal_path(), mode);
  if (!file.ok()) return file.status();
  for (const uint64_t copy : {0, 1}) {
    const uint64_t slot = states.sequence % (kHardStateSlots / 2) + copy * (kHardStateSlots / 2);
    AlignedBuffer block(kBlock);
    encode_hard_states(states, store_.superblock.uuid, slot, block.span());
    if (mutant(Mutant::kReuseGeneration)) continue;
    const Status status = file.value()->write_at(kHardStateOffset + slot * kBlock, block.span());
    if (!status.ok()) return status;
  }
  // What the scan read may be in the device's cache only.
  return file.value()->sync();
}

Status DiskEngine::start_writing(const WalScan& scan) {
  Result<std::unique_ptr<BlockWriter>> wal = disk_.open_writer(store_.wal_path(), reactor_);
  if (!wal.ok()) return wal.status();
  Result<std::unique_ptr<BlockWriter>> data = disk_.open_writer(store_.data_path(), reactor_);
  if (!data.ok()) return data.status();
  wal_writer_ = std::move(wal.value());
  data_writer_ = std::move(data.value());
  const uint64_t generation = store_.hard_states.generation;
  data_->start(*data_writer_, generation);
  data_->owes(log_bytes());
  wal_ = std::make_unique<Wal>(reactor_, *wal_writer_, reader_->identity(), scan.next, generation,
                               older_wal().block);
  scrub_ = std::make_unique<Scrub>(reactor_, *data_,
                                   Scrub::Hooks{[this] { return finishing_; },
                                                [this](const Done& done) { check_anchors(done); }});
  return {};
}

}  // namespace holdfast
