// Segments: what is live in the data file. A segment is a run of records of one database of one
// shard, written once; a record larger than kMaxSmall has a segment of its own. A checkpoint's root
// names all segments, and a page for each tells which of its records are live, so recovery reads
// live records only and needs no order between segments and no tombstones.
//
// Invariants:
//   G1  a record is live from write_records on until its ref is given back, once.
//   G2  a segment without live records, a replaced page and a replaced root are named by the older
//       superblock's checkpoint: their blocks are free only after the next checkpoint but one
//       became current (D6). See take_dropped().
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/codec.h"
#include "engine/disk/extents.h"
#include "engine/disk/record.h"

namespace holdfast::disk {

inline constexpr uint64_t kSegmentBlocks = 256;
inline constexpr size_t kMaxSmall = 64 * 1024;  // bytes of a record in a shared segment
inline constexpr size_t kSegmentUnits = kSegmentBlocks * kBlock / kRecordUnit;
inline constexpr size_t kPageWords = kSegmentUnits / 64;  // a page is one block
static_assert(kPageWords * 8 == kBlock);

struct Segment {
  uint64_t id = 0;
  Extent extent;
  ShardId shard = 0;
  DbId db = 0;
  bool single = false;  // one record, and no page
  uint32_t records = 0;
  uint32_t live = 0;
  std::vector<uint64_t> bits;  // a bit for each unit: a live record begins there
  Extent page;                 // count 0: never written
  uint64_t page_hash = 0;
  bool changed = false;  // since its page was written
};

// The seed for the hash of a segment's page.
inline uint64_t page_seed(uint64_t segment) { return segment ^ 0x70616765; }

inline RecordRef make_ref(uint64_t offset) { return offset / kRecordUnit; }
inline uint64_t offset_of(RecordRef ref) { return ref * kRecordUnit; }

class Segments {
 public:
  using Map = std::map<uint64_t, Segment>;  // by first block

  const Map& all() const { return segments_; }
  Map& all() { return segments_; }
  Segment& add(Segment segment);
  // The segment that holds the ref, or null.
  Segment* find(RecordRef ref);
  const Segment* find(RecordRef ref) const { return const_cast<Segments*>(this)->find(ref); }
  void set_live(Segment& segment, RecordRef ref);
  // The record is no more.
  void kill(RecordRef ref);
  // kill() will be asked for it soon: it needs a line that is rarely in the processor's cache.
  void prefetch(RecordRef ref) const;
  void drop_database(ShardId shard, DbId db);
  // The segment fills only the first `blocks` of its extent.
  void shrink(Segment& segment, uint64_t blocks);
  // Blocks that the next checkpoint names no more, since the last call; see G2. Forgets segments
  // without live records. REQUIRES: none is still being filled.
  std::vector<Extent> take_dropped();

  // Calls `visit` with the offset in the data file of each live record of the segment.
  static bool visit_live(const Segment& segment, const std::function<bool(uint64_t)>& visit);

  // The segment table in a root.
  void encode(std::string* out) const;
  static Result<std::vector<Segment>> decode(Reader& in);
  uint64_t live_records() const { return live_records_; }
  uint64_t bytes() const { return bytes_; }

 private:
  Map segments_;
  std::vector<Extent> dropped_;
  uint64_t live_records_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace holdfast::disk
