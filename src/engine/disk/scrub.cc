// See scrub.h.
#include "engine/disk/scrub.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace holdfast::disk {
namespace {

constexpr size_t kKeyShown = 128;

Extent part_of(const Extent& extent, uint64_t from) {
  return {extent.block + from, std::min(kSegmentBlocks, extent.count - from)};
}

}  // namespace

Scrub::Scrub(Reactor& reactor, DataStore& data, Hooks hooks)
    : reactor_(reactor), data_(data), hooks_(std::move(hooks)) {}

Scrub::~Scrub() { reactor_.cancel(timer_); }

void Scrub::start(uint64_t bytes_per_second) {
  HF_ASSERT(!report_.running && bytes_per_second > 0);
  const ScrubReport before = std::exchange(report_, {});
  report_.passes = before.passes;
  report_.finished_wall_ms = before.finished_wall_ms;
  report_.running = true;
  report_.bytes_per_second = bytes_per_second;
  report_.segments = data_.segments().all().size();
  phase_ = Phase::kRecords;
  block_ = 0;
  large_.reset();
  damaged_.clear();
  log_info("scrub started", {{"segments", report_.segments}});
  timer_ = reactor_.run_after(1, [this] { step(); });
}

void Scrub::stop() {
  if (!report_.running) return;
  reactor_.cancel(std::exchange(timer_, 0));
  report_.running = false;
  log_info("scrub stopped", {{"segments_checked", report_.segments_checked}});
}

void Scrub::step() {
  timer_ = 0;
  uint64_t bytes = 0;
  switch (phase_) {
    case Phase::kRecords:
      bytes = check_records();
      break;
    case Phase::kPages:
      bytes = check_pages();
      break;
    case Phase::kAnchors:
      check_anchors();
      break;
  }
  report_.bytes += bytes;
  if (!report_.running) return;
  const auto pause_ms = static_cast<int64_t>(bytes * 1000 / report_.bytes_per_second);
  timer_ = reactor_.run_after(std::max<int64_t>(1, pause_ms), [this] { step(); });
}

void Scrub::finish() {
  report_.running = false;
  ++report_.passes;
  report_.finished_wall_ms = reactor_.clock().wall_ms();
  log_info("scrub finished", {{"records", report_.records},
                              {"damaged_records", report_.damaged_records},
                              {"damaged_metadata", report_.damaged_metadata}});
}

// --- records ---

// X1. The first at or behind block_.
const Segment* Scrub::next_segment() const {
  const Segments::Map& all = data_.segments().all();
  for (auto at = all.lower_bound(block_); at != all.end(); ++at) {
    if (at->second.live > 0 && data_.on_device(at->second)) return &at->second;
  }
  return nullptr;
}

// What will be read next, as far as can be told now: `from` blocks into the next segment.
Extent Scrub::next_part(uint64_t from) const {
  const Segment* segment = next_segment();
  return segment == nullptr ? Extent{} : part_of(segment->extent, from);
}

uint64_t Scrub::check_records() {
  const Segment* segment = next_segment();
  if (segment != nullptr) return segment->single ? check_large(*segment) : check_shared(*segment);
  phase_ = Phase::kPages;
  block_ = 0;
  return 0;
}

void Scrub::segment_done(const Segment& segment) {
  ++report_.segments_checked;
  block_ = segment.extent.end();
  large_.reset();
}

uint64_t Scrub::check_shared(const Segment& segment) {
  segment_done(segment);
  const Status read = data_.check_segment(
      segment, next_part(0), [&](uint64_t offset, const Status& status, const Record& record) {
        ++report_.records;
        if (!status.ok()) record_damaged(segment, offset, status, record.key);
        return true;
      });
  if (!read.ok()) unreadable(segment, read);
  return segment.extent.bytes();
}

uint64_t Scrub::check_large(const Segment& segment) {
  const uint64_t offset = segment.extent.offset();
  if (!large_ || large_->segment != segment.id) {
    large_ = Large{segment.id, 0, RecordHash(data_.seed_of(segment, offset)), {}};
  }
  Large& large = *large_;
  const Extent part = part_of(segment.extent, large.blocks);
  large.blocks += part.count;
  const bool last = large.blocks == segment.extent.count;
  if (last) block_ = segment.extent.end();
  AlignedBuffer bytes;
  const Status read = data_.read_blocks(part, next_part(last ? 0 : large.blocks), &bytes);
  if (!read.ok()) {
    unreadable(segment, read);
    segment_done(segment);
    return part.bytes();
  }
  if (part.block == segment.extent.block) large.key = claimed_key(bytes.span());
  large.hash.add(bytes.span());
  if (!last) return part.bytes();
  ++report_.records;
  if (!large.hash.right()) {
    record_damaged(segment, offset,
                   Status::corrupt("data file at " + std::to_string(offset) + ", segment " +
                                   std::to_string(segment.id) + ": a record's hash is wrong"),
                   large.key);
  }
  segment_done(segment);
  return part.bytes();
}

// --- what finds the records ---

uint64_t Scrub::check_pages() {
  if (hooks_.checkpoint_ends()) return 0;
  const Segments::Map& all = data_.segments().all();
  uint64_t bytes = 0;
  auto at = all.lower_bound(block_);
  for (; at != all.end() && bytes < kPagesPerStep * kBlock; ++at) {
    const auto& [block, segment] = *at;
    block_ = block + 1;
    if (segment.page.count == 0) continue;
    bytes += kBlock;
    const Status status = data_.check_page(segment);
    if (status.ok()) continue;
    metadata_damaged(status);
    data_.rewrite_page(block);
  }
  if (at == all.end()) phase_ = Phase::kAnchors;
  return bytes;
}

void Scrub::check_anchors() {
  if (hooks_.checkpoint_ends()) return;
  const Status status = hooks_.check_anchors();
  if (!status.ok()) metadata_damaged(status);
  finish();
}

// --- damage ---

void Scrub::unreadable(const Segment& segment, const Status& status) {
  report_.damaged_records += segment.live;
  log_error("scrub: records cannot be read from the device; they are in memory",
            {{"reason", status.message()}, {"segment", segment.id}, {"records", segment.live}});
  tell(status.message() + ", segment " + std::to_string(segment.id) + ", " +
       std::to_string(segment.live) + " records");
}

void Scrub::record_damaged(const Segment& segment, uint64_t offset, const Status& status,
                           std::string_view key) {
  ++report_.damaged_records;
  const std::string shown(key.substr(0, kKeyShown));
  log_error("scrub: a record is damaged on the device; it is whole in memory",
            {{"reason", status.message()}, {"database", segment.db}, {"key", shown}});
  tell(status.message() + "; database " + std::to_string(segment.db) + ", key '" + shown + "'");
  if (key.empty() || damaged_.size() >= kDamagedKept) return;
  damaged_.push_back({segment.shard, segment.db, make_ref(offset), std::string(key)});
}

void Scrub::metadata_damaged(const Status& status) {
  ++report_.damaged_metadata;
  log_error("scrub: damage on the device; the next checkpoints write this anew",
            {{"reason", status.message()}});
  tell(status.message());
}

void Scrub::tell(const std::string& damage) {
  if (report_.damages.size() < kDamagesTold) report_.damages.push_back(damage);
}

bool Scrub::take_damaged(ShardId shard, const Engine::RecordVisitor& visit) {
  std::vector<Damaged> all = std::exchange(damaged_, {});
  bool any = false;
  for (Damaged& one : all) {
    if (one.shard != shard) {
      damaged_.push_back(std::move(one));
      continue;
    }
    any = true;
    visit({one.db, 0, one.key, one.ref}, {});
  }
  return any;
}

}  // namespace holdfast::disk
