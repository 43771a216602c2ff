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
  ++pass_;
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
  ++pass_;
  reactor_.cancel(std::exchange(timer_, 0));
  report_.running = false;
  log_info("scrub stopped", {{"segments_checked", report_.segments_checked}});
}

void Scrub::step() {
  timer_ = 0;
  switch (phase_) {
    case Phase::kRecords:
      return check_records();
    case Phase::kPages:
      return check_pages();
    case Phase::kAnchors:
      return check_anchors();
  }
}

// With the next step, when so many bytes may be behind the last one.
void Scrub::go_on(uint64_t bytes) {
  report_.bytes += bytes;
  const auto pause_ms = static_cast<int64_t>(bytes * 1000 / report_.bytes_per_second);
  timer_ = reactor_.run_after(std::max<int64_t>(1, pause_ms), [this] { step(); });
}

// What it reads is checked if the segment is there then; after that the next step follows.
void Scrub::read(const Segment& segment, const Extent& part, Check check) {
  data_.read_blocks(segment, part,
                    [this, part, pass = pass_, check = std::move(check)](
                        const Segment* there, const Status& status, AlignedBuffer blocks) {
                      if (pass != pass_) return;
                      if (there != nullptr) check(*there, status, blocks.span());
                      go_on(part.bytes());
                    });
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

void Scrub::check_records() {
  const Segment* segment = next_segment();
  if (segment != nullptr) return segment->single ? check_large(*segment) : check_shared(*segment);
  phase_ = Phase::kPages;
  block_ = 0;
  go_on(0);
}

void Scrub::segment_done(const Segment& segment) {
  ++report_.segments_checked;
  block_ = segment.extent.end();
  large_.reset();
}

void Scrub::check_shared(const Segment& segment) {
  block_ = segment.extent.end();
  read(segment, segment.extent,
       [this](const Segment& found, const Status& read, std::span<char> blocks) {
         segment_done(found);
         if (!read.ok()) return unreadable(found, read);
         data_.check_records(found, blocks,
                             [&](uint64_t offset, const Status& status, const Record& record) {
                               ++report_.records;
                               if (!status.ok()) record_damaged(found, offset, status, record.key);
                               return true;
                             });
       });
}

void Scrub::check_large(const Segment& segment) {
  if (!large_ || large_->segment != segment.id) {
    const uint64_t seed = data_.seed_of(segment, segment.extent.offset());
    large_ = Large{segment.id, 0, RecordHash(seed), {}};
  }
  read(segment, part_of(segment.extent, large_->blocks),
       [this](const Segment& found, const Status& read, std::span<char> blocks) {
         add_part(found, read, blocks);
       });
}

void Scrub::add_part(const Segment& segment, const Status& read, std::span<char> blocks) {
  if (!read.ok()) {
    unreadable(segment, read);
    return segment_done(segment);
  }
  Large& large = *large_;
  if (large.blocks == 0) large.key = claimed_key(blocks);
  large.hash.add(blocks);
  large.blocks += blocks.size() / kBlock;
  if (large.blocks < segment.extent.count) return;
  ++report_.records;
  if (!large.hash.right()) {
    const uint64_t offset = segment.extent.offset();
    record_damaged(segment, offset,
                   Status::corrupt("data file at " + std::to_string(offset) + ", segment " +
                                   std::to_string(segment.id) + ": a record's hash is wrong"),
                   large.key);
  }
  segment_done(segment);
}

// --- what finds the records ---

void Scrub::check_pages() {
  if (hooks_.checkpoint_ends()) return go_on(0);
  const Segments::Map& all = data_.segments().all();
  auto at = all.lower_bound(block_);
  while (at != all.end() && at->second.page.count == 0) ++at;
  if (at == all.end()) {
    phase_ = Phase::kAnchors;
    return go_on(0);
  }
  block_ = at->first + 1;
  read(
      at->second, at->second.page,
      [this, page = at->second.page](const Segment& segment, Status status, std::span<char> bytes) {
        if (segment.page != page) return;  // X2
        if (status.ok() && hash64(bytes, page_seed(segment.id)) != segment.page_hash) {
          status = Status::corrupt("data file at " + std::to_string(page.offset()) +
                                   ": the page of segment " + std::to_string(segment.id) +
                                   " is damaged");
        }
        if (status.ok()) return;
        metadata_damaged(status);
        data_.rewrite_page(segment.extent.block);
      });
}

void Scrub::check_anchors() {
  if (hooks_.checkpoint_ends()) return go_on(0);
  hooks_.check_anchors([this, pass = pass_](const Status& status) {
    if (pass != pass_) return;
    if (status.code() == Code::kUnavailable) return go_on(0);
    if (!status.ok()) metadata_damaged(status);
    finish();
  });
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
