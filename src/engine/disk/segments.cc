// See segments.h.
#include "engine/disk/segments.h"

#include <bit>
#include <iterator>
#include <utility>

#include "base/assert.h"

namespace holdfast::disk {
namespace {

uint64_t unit_in(const Segment& segment, RecordRef ref) {
  return ref - make_ref(segment.extent.offset());
}

}  // namespace

Segment& Segments::add(Segment segment) {
  live_records_ += segment.live;
  bytes_ += segment.extent.bytes();
  const auto [at, fresh] = segments_.emplace(segment.extent.block, std::move(segment));
  HF_ASSERT(fresh);
  return at->second;
}

Segment* Segments::find(RecordRef ref) {
  const uint64_t offset = offset_of(ref);
  if (offset < kRegionOffset) return nullptr;
  const uint64_t block = (offset - kRegionOffset) / kBlock;
  auto at = segments_.upper_bound(block);
  if (at == segments_.begin()) return nullptr;
  --at;
  return block < at->second.extent.end() ? &at->second : nullptr;
}

void Segments::set_live(Segment& segment, RecordRef ref) {
  const uint64_t unit = unit_in(segment, ref);
  if (!segment.single) {
    if (segment.bits.empty()) segment.bits.resize(kPageWords);
    segment.bits[unit / 64] |= uint64_t{1} << (unit % 64);
  }
  ++segment.records;
  ++segment.live;
  ++live_records_;
  segment.changed = true;
}

void Segments::kill(RecordRef ref) {
  Segment* segment = find(ref);
  HF_ASSERT(segment != nullptr);
  if (!segment->single) {
    const uint64_t unit = unit_in(*segment, ref);
    const uint64_t bit = uint64_t{1} << (unit % 64);
    HF_ASSERT((segment->bits[unit / 64] & bit) != 0);  // G1
    segment->bits[unit / 64] &= ~bit;
  }
  HF_ASSERT(segment->live > 0);
  --segment->live;
  --live_records_;
  segment->changed = true;
}

void Segments::prefetch(RecordRef ref) const {
  const Segment* segment = find(ref);
  if (segment == nullptr || segment->single) return;
  __builtin_prefetch(&segment->bits[unit_in(*segment, ref) / 64]);
}

void Segments::drop_database(ShardId shard, DbId db) {
  for (auto at = segments_.begin(); at != segments_.end();) {
    const Segment& segment = at->second;
    if (segment.shard != shard || segment.db != db) {
      ++at;
      continue;
    }
    dropped_.push_back(segment.extent);
    dropped_.push_back(segment.page);
    live_records_ -= segment.live;
    bytes_ -= segment.extent.bytes();
    at = segments_.erase(at);
  }
}

void Segments::shrink(Segment& segment, uint64_t blocks) {
  bytes_ -= (segment.extent.count - blocks) * kBlock;
  segment.extent.count = blocks;
}

std::vector<Extent> Segments::take_dropped() {
  for (auto at = segments_.begin(); at != segments_.end();) {
    const Segment& segment = at->second;
    if (segment.live > 0) {
      ++at;
      continue;
    }
    dropped_.push_back(segment.extent);
    dropped_.push_back(segment.page);
    bytes_ -= segment.extent.bytes();
    at = segments_.erase(at);
  }
  return std::exchange(dropped_, {});
}

bool Segments::visit_live(const Segment& segment, const std::function<bool(uint64_t)>& visit) {
  const uint64_t offset = segment.extent.offset();
  if (segment.single) return segment.live == 0 || visit(offset);
  for (size_t word = 0; word < segment.bits.size(); ++word) {
    for (uint64_t left = segment.bits[word]; left != 0; left &= left - 1) {
      const auto unit = word * 64 + static_cast<size_t>(std::countr_zero(left));
      if (!visit(offset + unit * kRecordUnit)) return false;
    }
  }
  return true;
}

void Segments::encode(std::string* out) const {
  put_fixed(*out, static_cast<uint64_t>(segments_.size()));
  for (const auto& [block, segment] : segments_) {
    put_fixed(*out, segment.id);
    put_fixed(*out, segment.extent.block);
    put_fixed(*out, segment.extent.count);
    put_fixed(*out, segment.shard);
    put_fixed(*out, segment.db);
    put_fixed(*out, static_cast<uint8_t>(segment.single));
    put_fixed(*out, uint16_t{0});
    put_fixed(*out, segment.records);
    put_fixed(*out, segment.live);
    put_fixed(*out, segment.page.block);
    put_fixed(*out, segment.page_hash);
  }
}

Result<std::vector<Segment>> Segments::decode(Reader& in) {
  std::vector<Segment> all;
  const auto count = in.fixed<uint64_t>();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    Segment segment;
    segment.id = in.fixed<uint64_t>();
    segment.extent.block = in.fixed<uint64_t>();
    segment.extent.count = in.fixed<uint64_t>();
    segment.shard = in.fixed<ShardId>();
    segment.db = in.fixed<DbId>();
    segment.single = in.fixed<uint8_t>() != 0;
    in.fixed<uint16_t>();
    segment.records = in.fixed<uint32_t>();
    segment.live = in.fixed<uint32_t>();
    segment.page.block = in.fixed<uint64_t>();
    segment.page_hash = in.fixed<uint64_t>();
    segment.page.count = segment.single ? 0 : 1;
    all.push_back(std::move(segment));
  }
  if (!in.ok()) return Status::corrupt("the checkpoint's list of segments is cut short");
  return all;
}

}  // namespace holdfast::disk
