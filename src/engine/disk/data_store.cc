// See data_store.h.
#include "engine/disk/data_store.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"

namespace holdfast::disk {
namespace {

constexpr uint32_t kRootVersion = 1;
constexpr uint64_t kReadBlocks = kSegmentBlocks;
constexpr uint64_t kSmallestSegment = 32;  // blocks, when there is no run for a whole one

Status decode_root(std::string_view root, ShardMetas* metas, std::vector<Segment>* segments) {
  Reader in(root);
  if (in.fixed<uint32_t>() != kRootVersion) return Status::corrupt("a root of another version");
  const auto shards = in.fixed<uint32_t>();
  for (uint32_t i = 0; i < shards && in.ok(); ++i) {
    CheckpointMeta& meta = (*metas)[in.fixed<ShardId>()];
    meta.seq = in.fixed<Seq>();
    meta.state = in.bytes(in.fixed<uint32_t>());
  }
  Result<std::vector<Segment>> decoded = Segments::decode(in);
  if (!decoded.ok()) return decoded.status();
  if (!in.at_end()) return Status::corrupt("unknown bytes follow the list of segments");
  *segments = std::move(decoded.value());
  return {};
}

std::string root_name(const CheckpointPointer& pointer) {
  return "the root of checkpoint " + std::to_string(pointer.id);
}

Status whole_root(const CheckpointPointer& pointer, const AlignedBuffer& bytes) {
  if (hash128(bytes.span().first(pointer.root_bytes)) == pointer.root_hash) return {};
  return Status::corrupt(root_name(pointer) + " is damaged");
}

}  // namespace

struct DataStore::Slice {
  struct Write {
    Owner owner;
    RecordRef old;
    bool erase;
    size_t at, size;                     // of the encoded record, in `bytes`
    std::optional<LoggedRecord> logged;  // instead of that
  };
  std::vector<Write> writes;
  std::string bytes;
  size_t placed = 0;
  std::vector<RecordRef> refs;
  Engine::RecordsDone done;
};

struct DataStore::RootWork {
  CheckpointPointer pointer;
  ShardMetas metas;
  RootDone done;
  std::vector<uint64_t> changed;  // segments, by block, whose pages are still to be written
  bool issued = false;
};

DataStore::DataStore(Reactor& reactor, File& file, const StoreUuid& uuid, uint64_t grow_bytes)
    : reactor_(reactor), file_(file), uuid_(uuid), grow_blocks_(blocks_for(grow_bytes)) {}

DataStore::~DataStore() { reactor_.cancel(retry_timer_); }

// --- opening ---

Result<std::string> DataStore::read_root(const CheckpointPointer& pointer) {
  if (pointer.root_bytes > pointer.root.bytes() || pointer.root.end() > extents_.blocks()) {
    return Status::corrupt(root_name(pointer) + " lies outside of the data file");
  }
  AlignedBuffer bytes(pointer.root.bytes());
  Status status = file_.read_at(pointer.root.offset(), bytes.span());
  if (status.ok()) status = whole_root(pointer, bytes);
  if (!status.ok()) return status;
  return std::string(bytes.data(), pointer.root_bytes);
}

void DataStore::check_root(const CheckpointPointer& pointer, Done done) {
  writer_->read(pointer.root.offset(), pointer.root.bytes(),
                [pointer, done = std::move(done)](const Status& read, const AlignedBuffer& bytes) {
                  done(read.ok() ? whole_root(pointer, bytes) : read);
                });
}

Status DataStore::load(const CheckpointPointer& current, const CheckpointPointer& older,
                       ShardMetas* metas) {
  const Result<uint64_t> size = file_.size();
  if (!size.ok()) return size.status();
  if (size.value() < kRegionOffset) return Status::corrupt("the data file is cut short");
  extents_ = Extents((size.value() - kRegionOffset) / kBlock);
  if (current.id == 0) return {};
  Result<std::string> root = read_root(current);
  if (!root.ok()) return root.status();
  std::vector<Segment> segments;
  if (Status status = decode_root(root.value(), metas, &segments); !status.ok()) return status;
  root_ = current.root;
  if (Status status = extents_.take(root_); !status.ok()) return status;
  if (Status status = load_segments(std::move(segments)); !status.ok()) return status;
  if (older.id != 0) keep_older(older);
  return {};
}

// Pages lie next to each other, so they are read in runs.
Status DataStore::load_segments(std::vector<Segment> segments) {
  std::sort(segments.begin(), segments.end(),
            [](const Segment& a, const Segment& b) { return a.page.block < b.page.block; });
  AlignedBuffer pages(kReadBlocks * kBlock);
  uint64_t from = 0, to = 0;  // blocks in `pages`
  for (Segment& segment : segments) {
    Status taken = extents_.take(segment.extent);
    if (taken.ok()) taken = extents_.take(segment.page);
    if (!taken.ok()) {
      return Status::corrupt("segment " + std::to_string(segment.id) + ": " + taken.message());
    }
    if (segment.single) {
      segments_.add(std::move(segment));
      continue;
    }
    if (segment.page.block >= to) {
      from = segment.page.block;
      to = std::min(from + kReadBlocks, extents_.blocks());
      const Status status =
          file_.read_at(segment.page.offset(), pages.span().first((to - from) * kBlock));
      if (!status.ok()) return status;
    }
    const auto page = pages.span().subspan((segment.page.block - from) * kBlock, kBlock);
    if (hash64(page, page_seed(segment.id)) != segment.page_hash) {
      return Status::corrupt("the page of segment " + std::to_string(segment.id) + " is damaged");
    }
    segment.bits.resize(kPageWords);
    std::memcpy(segment.bits.data(), page.data(), kBlock);
    segments_.add(std::move(segment));
  }
  return {};
}

// If the newest superblock is lost before the next one is written, the older one must still find
// everything (D6). Should its root be damaged, it could not be used anyway.
void DataStore::keep_older(const CheckpointPointer& older) {
  Result<std::string> root = read_root(older);
  std::vector<Extent> named = {older.root};
  ShardMetas metas;
  std::vector<Segment> segments;
  const Status whole = root.ok() ? decode_root(root.value(), &metas, &segments) : root.status();
  if (!whole.ok()) {
    log_warning("the checkpoint before the last one is damaged; the last one is whole",
                {{"reason", whole.message()}});
  }
  for (const Segment& segment : segments) {
    named.push_back(segment.extent);
    named.push_back(segment.page);
  }
  for (const Extent& extent : named) {
    if (extent.count > 0 && extents_.take(extent).ok()) waiting_.push_back(extent);
  }
}

void DataStore::start(BlockWriter& writer, uint64_t generation) {
  writer_ = &writer;
  next_segment_ = generation << 32;
  on_device_below_ = next_segment_;
  keep_reserve();
}

void DataStore::post(Task task) {
  reactor_.post([alive = std::weak_ptr(alive_), task = std::move(task)] {
    if (alive.lock() != nullptr) task();
  });
}

// --- space ---

void DataStore::when_space(std::function<bool()> attempt) {
  if (attempts_.empty() && attempt()) return;
  attempts_.push_back(std::move(attempt));
  retry_later();
}

void DataStore::when_open(std::function<bool()> attempt) {
  writes_.push_back(std::move(attempt));
  if (writes_.size() == 1) go_on();
}

void DataStore::go_on() {
  while (!writes_.empty() && (!ending_ || !failure_.ok())) {
    if (!writes_.front()()) return retry_later();
    writes_.pop_front();
  }
}

void DataStore::retry_later() {
  if (retry_timer_ == 0) retry_timer_ = reactor_.run_after(kRetryMs, [this] { retry_space(); });
}

void DataStore::retry_space() {
  retry_timer_ = 0;
  too_many_blocks_ = UINT64_MAX;
  while (!attempts_.empty() && attempts_.front()()) attempts_.pop_front();
  if (!attempts_.empty()) retry_later();
  go_on();
  keep_reserve();
  try_checkpoint_ = out_of_space_;
}

// Every checkpoint leaves the root before it behind; more than that is room to be had.
bool DataStore::wants_checkpoint(bool deleted) const {
  return try_checkpoint_ && out_of_space_ && (deleted || waiting_.size() > 1);
}

std::optional<Extent> DataStore::allocate(uint64_t blocks) {
  std::optional<Extent> extent = extents_.allocate(blocks);
  if (!extent && grow(blocks)) extent = extents_.allocate(blocks);
  keep_reserve();
  return extent;
}

// The larger the file, the larger the steps; but any step that suffices, when space is short. What
// was refused is not asked for again for a while: a full file system takes milliseconds to refuse.
bool DataStore::grow(uint64_t blocks) {
  uint64_t step = std::max({blocks, grow_blocks_, extents_.blocks() / 16});
  while (true) {
    const uint64_t grown = extents_.blocks() + step;
    if (step < too_many_blocks_ && file_.reserve(kRegionOffset + grown * kBlock).ok()) {
      extents_.grow(grown);
      return true;
    }
    too_many_blocks_ = std::min(too_many_blocks_, step);
    retry_later();
    if (step == blocks) return false;
    step = std::max(blocks, step / 2);
  }
}

void DataStore::owes(uint64_t bytes) {
  owed_blocks_ = blocks_for(bytes);
  if (!out_of_space_) keep_reserve();
}

// Some room is always kept, for the checkpoints that make deleted keys' room free again. They must
// first write what was accepted before the device was full.
void DataStore::keep_reserve() {
  const bool was = out_of_space_;
  const uint64_t wanted = grow_blocks_ + owed_blocks_, free = extents_.free_blocks();
  out_of_space_ = free < wanted && !grow(std::max(grow_blocks_, wanted - free));
  if (out_of_space_ && !was) {
    log_warning("the device is full: commands that add data are refused until there is room",
                {{"free_mb", extents_.free_blocks() * kBlock >> 20}});
  }
  if (!out_of_space_ && was) log_info("the device has room again", {});
  if (out_of_space_) retry_later();
}

// --- writing records ---

void DataStore::write(ShardId shard, const std::vector<RecordWrite>& writes, const FindLogged& find,
                      Engine::RecordsDone done) {
  auto slice = std::make_shared<Slice>();
  slice->done = std::move(done);
  slice->writes.reserve(writes.size());
  slice->refs.reserve(writes.size());
  for (const RecordWrite& write : writes) {
    if (write.key.ref != 0) segments_.prefetch(write.key.ref);
    const size_t at = slice->bytes.size();
    const LoggedRecord* logged = write.logged == 0 ? nullptr : find(write);
    if (logged != nullptr) {
      const bool fresh = shared_.insert(logged->extent.block).second;
      HF_ASSERT(fresh);
    } else if (!write.erase) {
      encode_record_at({shard, write.key.db, write.key.slot}, write.key.key, write.image,
                       &slice->bytes);
    }
    slice->writes.push_back({{shard, write.key.db},
                             write.key.ref,
                             write.erase,
                             at,
                             slice->bytes.size() - at,
                             logged == nullptr ? std::nullopt : std::optional(*logged)});
  }
  when_open([this, slice] {
    if (failure_.ok() && !place(*slice)) return false;
    paced_.push_back([this, slice] { slice->done(failure_, slice->refs); });
    pace();
    return true;
  });
}

bool DataStore::place(Slice& slice) {
  for (; slice.placed < slice.writes.size(); ++slice.placed) {
    const Slice::Write& write = slice.writes[slice.placed];
    RecordRef ref = 0;
    const auto encoded = std::string_view(slice.bytes).substr(write.at, write.size);
    if (write.logged) {
      ref = take_record(write.owner, *write.logged);
    } else if (!write.erase && !place_record(write.owner, encoded, &ref)) {
      return false;
    }
    if (write.old != 0) segments_.kill(write.old);
    slice.refs.push_back(ref);
  }
  return true;
}

Segment& DataStore::add_segment(const Owner& owner, uint64_t id, const Extent& extent,
                                bool single) {
  Segment segment;
  segment.id = id;
  segment.extent = extent;
  segment.shard = owner.first;
  segment.db = owner.second;
  segment.single = single;
  return segments_.add(std::move(segment));
}

bool DataStore::place_record(const Owner& owner, std::string_view encoded, RecordRef* ref) {
  const auto put = [&](Segment& segment, Builder& builder) {
    const uint64_t offset = segment.extent.offset() + builder.used;
    char* out = builder.buffer.data() + builder.used;
    std::memcpy(out, encoded.data(), encoded.size());
    seal_record({out, encoded.size()}, record_seed(uuid_, segment.id, offset));
    *ref = make_ref(offset);
    segments_.set_live(segment, *ref);
    builder.used = round_up(builder.used + encoded.size(), kRecordUnit);
  };
  if (encoded.size() > kMaxSmall) {
    const auto extent = allocate(blocks_for(encoded.size()));
    if (!extent) return false;
    Builder builder{extent->block, AlignedBuffer::uninitialized(extent->bytes()), 0};
    put(add_segment(owner, next_segment_++, *extent, true), builder);
    std::memset(builder.buffer.data() + encoded.size(), 0, builder.buffer.size() - encoded.size());
    write_blocks(*extent, std::move(builder.buffer));
    return true;
  }
  auto at = builders_.find(owner);
  if (at != builders_.end() && at->second.used + encoded.size() > at->second.buffer.size()) {
    seal(std::move(at->second));
    builders_.erase(at);
    at = builders_.end();
  }
  if (at == builders_.end()) {
    auto extent = allocate(kSegmentBlocks);
    if (!extent) extent = allocate(kSmallestSegment);
    if (!extent) return false;
    add_segment(owner, next_segment_++, *extent, false);
    at = builders_.emplace(owner, Builder{extent->block, AlignedBuffer(extent->bytes()), 0}).first;
  }
  put(segments_.all().at(at->second.block), at->second);
  return true;
}

// The blocks that a segment does not fill were never written: they are free at once.
void DataStore::seal(Builder builder) {
  Segment& segment = segments_.all().at(builder.block);
  Extent& extent = segment.extent;
  const uint64_t used = blocks_for(builder.used);
  if (used < extent.count) {
    HF_ASSERT(used > 0);
    extents_.release({extent.block + used, extent.count - used});
    segments_.shrink(segment, used);
    AlignedBuffer part(used * kBlock);
    std::memcpy(part.data(), builder.buffer.data(), part.size());
    builder.buffer = std::move(part);
  }
  write_blocks(extent, std::move(builder.buffer));
}

void DataStore::seal_all() {
  std::map<Owner, Builder> builders = std::exchange(builders_, {});
  for (auto& [owner, builder] : builders) seal(std::move(builder));
}

void DataStore::drop_database(ShardId shard, DbId db) {
  when_open([this, shard, db] {
    builders_.erase({shard, db});
    segments_.drop_database(shard, db);
    return true;
  });
}

void DataStore::write_blocks(const Extent& extent, AlignedBuffer data) {
  const uint64_t bytes = data.size();
  ++in_flight_;
  in_flight_bytes_ += bytes;
  writer_->write(extent.offset(), std::move(data), [this, bytes](const Status& status) {
    --in_flight_;
    in_flight_bytes_ -= bytes;
    written(status);
  });
}

// A checkpoint neither waits for what is logged beside it nor is slowed by it.
void DataStore::write_for_log(const Extent& extent, AlignedBuffer data, Done done) {
  writer_->write(extent.offset(), std::move(data),
                 [this, done = std::move(done)](const Status& status) {
                   if (!status.ok()) written(status);
                   done(status);
                 });
}

void DataStore::written(const Status& status) {
  if (!status.ok() && failure_.ok()) {
    failure_ = status;
    post([this] { retry_space(); });  // what waits is told
  }
  pace();
  if (root_work_ == nullptr) return;
  if (failure_.ok() && (!root_work_->issued || in_flight_ > 0)) return;
  const std::unique_ptr<RootWork> work = std::move(root_work_);
  work->done(failure_, work->pointer);
}

// A checkpoint goes on as fast as the device takes what it writes.
void DataStore::pace() {
  while (!paced_.empty() && (in_flight_bytes_ <= kInFlightBytes || !failure_.ok())) {
    post(std::move(paced_.front()));
    paced_.pop_front();
  }
}

// --- ending a checkpoint ---

void DataStore::write_root(uint64_t id, const ShardMetas& metas, RootDone done) {
  HF_ASSERT(!ending_);
  ending_ = true;
  seal_all();
  root_work_ = std::make_unique<RootWork>();
  root_work_->pointer.id = id;
  root_work_->metas = metas;
  root_work_->done = std::move(done);
  dropped_ = segments_.take_dropped();
  for (auto& [block, segment] : segments_.all()) {
    if (segment.changed && !segment.single) root_work_->changed.push_back(block);
    if (segment.single) segment.changed = false;  // it has no page
  }
  when_space([this] { return write_pages(); });
}

// A turn's share of the pages, then another turn.
bool DataStore::write_pages() {
  if (root_work_ == nullptr) return true;  // it failed meanwhile
  if (root_work_->changed.empty()) {
    when_space([this] { return write_root_blocks(); });
    return true;
  }
  auto& changed = root_work_->changed;
  const size_t count = std::min(changed.size(), kPagesPerTurn);
  const auto extent = allocate(count);
  if (!extent) return false;
  AlignedBuffer pages(extent->bytes());
  for (size_t i = 0; i < count; ++i) {
    Segment& segment = segments_.all().at(changed[changed.size() - 1 - i]);
    segment.changed = false;
    const auto page = pages.span().subspan(i * kBlock, kBlock);
    std::memcpy(page.data(), segment.bits.data(), kBlock);
    if (segment.page.count > 0) dropped_.push_back(segment.page);
    segment.page = {extent->block + i, 1};
    segment.page_hash = hash64(page, page_seed(segment.id));
  }
  changed.resize(changed.size() - count);
  write_blocks(*extent, std::move(pages));
  post([this] { when_space([this] { return write_pages(); }); });
  return true;
}

bool DataStore::write_root_blocks() {
  if (root_work_ == nullptr) return true;
  std::string root;
  put_fixed(root, kRootVersion);
  put_fixed(root, static_cast<uint32_t>(root_work_->metas.size()));
  for (const auto& [shard, meta] : root_work_->metas) {
    put_fixed(root, shard);
    put_fixed(root, meta.seq);
    put_fixed(root, static_cast<uint32_t>(meta.state.size()));
    root.append(meta.state);
  }
  segments_.encode(&root);
  const auto extent = allocate(blocks_for(root.size()));
  if (!extent) return false;
  AlignedBuffer blocks(extent->bytes());
  std::memcpy(blocks.data(), root.data(), root.size());
  CheckpointPointer& pointer = root_work_->pointer;
  pointer.root = *extent;
  pointer.root_bytes = root.size();
  pointer.root_hash = hash128({root.data(), root.size()});
  if (root_.count > 0) dropped_.push_back(root_);
  root_ = *extent;
  root_work_->issued = true;
  write_blocks(*extent, std::move(blocks));
  return true;
}

void DataStore::became_current() {
  try_checkpoint_ = false;
  on_device_below_ = next_segment_;
  for (const Extent& extent : waiting_) give_back(extent);
  waiting_ = std::exchange(dropped_, {});
  if (mutant(Mutant::kReuseOlderExtents)) {
    for (const Extent& extent : std::exchange(waiting_, {})) give_back(extent);
  }
  std::erase_if(waiting_, [](const Extent& extent) { return extent.count == 0; });
  keep_reserve();
  find_sparse();
  ending_ = false;
  go_on();
}

// Only segments that the checkpoint names: what it wrote later is not whole on the device yet.
void DataStore::find_sparse() {
  const auto percent = [](const Segment& segment) {
    return uint64_t{segment.live} * 100 / segment.records;
  };
  std::vector<std::pair<uint64_t, uint64_t>> found;
  for (const auto& [block, segment] : segments_.all()) {
    if (segment.single || segment.page.count == 0 || segment.live == 0) continue;
    if (percent(segment) < kSparsePercent) found.emplace_back(percent(segment), block);
  }
  std::sort(found.rbegin(), found.rend());
  sparse_.clear();
  for (const auto& [share, block] : found) sparse_.push_back(block);
}

uint64_t DataStore::waiting_blocks() const {
  uint64_t blocks = 0;
  for (const Extent& extent : dropped_) blocks += extent.count;
  for (const Extent& extent : waiting_) blocks += extent.count;
  return blocks;
}

}  // namespace holdfast::disk
