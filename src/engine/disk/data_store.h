// DataStore: the data file of a DiskEngine: records in segments, roots of checkpoints, and what is
// too large for the log: whole groups, and single values as records.
//
// Records are gathered in memory, a segment for each database of each shard, and written when a
// segment is full or a checkpoint ends. Nothing that is on the device is ever changed: what
// replaces it lies elsewhere, until two checkpoints later nothing names it (G2).
//
// The file grows ahead of what is needed, by `grow_bytes`, which stay in reserve when it cannot
// grow any more: out_of_space() then asks the owner to add nothing, while checkpoints go on and
// free what was deleted. If even the reserve ends, writes wait and are tried again each kRetryMs.
//
// Checkpoints of several shards may be under way at once. While one is being ended, from its root
// to its superblock, nothing else is written or dropped: that waits, in order.
//
// Threads: the reactor's. After the first failed write every completion says so.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/block_writer.h"
#include "base/disk.h"
#include "base/reactor.h"
#include "engine/disk/logged_record.h"
#include "engine/disk/segments.h"
#include "engine/disk/wal_format.h"
#include "engine/engine.h"

namespace holdfast::disk {

using ShardMetas = std::map<ShardId, CheckpointMeta>;

class DataStore {
 public:
  using Done = std::function<void(const Status&)>;
  using RootDone = std::function<void(const Status&, const CheckpointPointer&)>;

  static constexpr uint64_t kInFlightBytes = 8 << 20;
  static constexpr size_t kPagesPerTurn = 64;
  static constexpr int64_t kRetryMs = 500;
  static constexpr uint64_t kSparsePercent = 50;

  // `file` was opened direct, for reading and for its size; both outlive the store. `grow_bytes`:
  // by which the file grows at least, while there is room.
  DataStore(Reactor& reactor, File& file, const StoreUuid& uuid, uint64_t grow_bytes);
  ~DataStore();
  DataStore(const DataStore&) = delete;
  DataStore& operator=(const DataStore&) = delete;

  // --- at open, in this order ---
  // Loads the checkpoint `current`; what only `older` names stays taken until the next one ends.
  Status load(const CheckpointPointer& current, const CheckpointPointer& older, ShardMetas* metas);
  // Blocks that the log names.
  Status take(const Extent& extent) { return extents_.take(extent); }
  // The same of a record, which either checkpoint may hold too.
  Status take(const LoggedRecord& record);
  // From here on it may write. `writer` outlives the store; ids of segments begin with
  // `generation`.
  void start(BlockWriter& writer, uint64_t generation);

  // --- records ---
  // As Engine::write_records. `find` gives the record that a write takes from the log.
  using FindLogged = std::function<const LoggedRecord*(const RecordWrite& write)>;
  void write(ShardId shard, const std::vector<RecordWrite>& writes, const FindLogged& find,
             Engine::RecordsDone done);
  void drop_database(ShardId shard, DbId db);
  // Both read what is still in memory too, by writing it first: for start, tests and tools.
  // A damaged record with a proven key is told to `damaged`, if given; other damage ends it.
  Status visit(ShardId shard, const Engine::RecordVisitor& visit,
               const Engine::DamageVisitor& damaged = {});
  Result<std::string> read(ShardId shard, const RecordKey& key);
  // As Engine::fetch_record. REQUIRES: the record's segment is on the device.
  void fetch(ShardId shard, const RecordKey& key, Engine::RecordRead done);
  // As Engine::visit_sparse: the segment with the smallest share of live records, below kSparse.
  void visit_sparse(ShardId shard, Engine::RecordVisitor visit, Done done);
  // Decodes each live record of the segment, damaged ones too, of which only the key is told, as
  // they claim it; `check` returns false to stop. `blocks`: all that the segment has.
  using RecordCheck =
      std::function<bool(uint64_t offset, const Status& status, const Record& record)>;
  void check_records(const Segment& segment, std::span<char> blocks,
                     const RecordCheck& check) const;
  // The same, but waits for the segment to be read. `next`: what will be read after it, or none.
  Status check_segment(const Segment& segment, const Extent& next, const RecordCheck& check);
  // Reads a part of a segment's blocks, without waiting. `done` gets no segment if it is gone by
  // then: its blocks may hold anything. REQUIRES: the part is on the device.
  using BlocksRead =
      std::function<void(const Segment* segment, const Status& status, AlignedBuffer blocks)>;
  void read_blocks(const Segment& segment, const Extent& part, BlocksRead done);

  // Writes all that a checkpoint names, and then its root; `done` gives where that is, but for the
  // log's position. write() and drop_database() wait from here to became_current(). REQUIRES: no
  // other checkpoint is between the two.
  void write_root(uint64_t id, const ShardMetas& metas, RootDone done);
  // The superblock names the root now: what was dropped before the previous one is free.
  void became_current();

  // --- groups of the log (data_log.cc) ---
  void spill(std::shared_ptr<const std::string> bytes,
             std::function<void(const Status&, const SpilledGroup&)> done);
  Result<std::string> read_spilled(const SpilledGroup& spilled);
  // The same without waiting. REQUIRES: the log names it until `done` runs, or `done` looks.
  void fetch_spilled(const SpilledGroup& spilled, Engine::LogRead done);
  // Writes the large values of a group as records; `done` follows when all are on the device. None,
  // and no `done`, when there is no room for them.
  std::vector<LoggedRecord> log_records(ShardId shard, const LogGroup& group, const Done& done);
  // The bytes of such a group. `payload`: of its record in the log.
  Result<std::string> read_logged(std::string_view payload);
  // Likewise without waiting.
  void fetch_logged(std::string payload, Engine::LogRead done);
  // A checkpoint holds the record as well as the log.
  bool shared(const LoggedRecord& record) const { return shared_.contains(record.extent.block); }
  // The log, or the last checkpoint that did, names the extent no more.
  void give_back(const Extent& extent);

  // --- for the scrub ---
  // The segment is whole on the device: it was when the last checkpoint ended.
  bool on_device(const Segment& segment) const { return segment.id < on_device_below_; }
  uint64_t seed_of(const Segment& segment, uint64_t offset) const {
    return record_seed(uuid_, segment.id, offset);
  }
  // Reads the root again, without waiting.
  void check_root(const CheckpointPointer& pointer, Done done);
  // The next checkpoint writes the page of the segment that begins at `block`.
  void rewrite_page(uint64_t block) { segments_.all().at(block).changed = true; }

  const Segments& segments() const { return segments_; }
  // Segments that are to be cleaned, as found when the last checkpoint ended.
  size_t sparse_segments() const { return sparse_.size(); }
  // Blocks that only checkpoints before the one that is being made need.
  uint64_t waiting_blocks() const;
  uint64_t blocks() const { return extents_.blocks(); }
  uint64_t free_blocks() const { return extents_.free_blocks(); }
  bool waits_for_space() const { return !attempts_.empty() || (!writes_.empty() && !ending_); }
  // So much is logged that checkpoints have yet to write: the reserve has room for it too.
  void owes(uint64_t bytes);
  // The file cannot grow, and is down to its reserve.
  bool out_of_space() const { return out_of_space_; }
  // Out of space, and it is time to try whether a checkpoint gives room free: of what was deleted
  // since (`deleted`: something may have been), or of what only the previous superblock names.
  bool wants_checkpoint(bool deleted) const;

 private:
  using Owner = std::pair<ShardId, DbId>;
  // A segment that is being filled.
  struct Builder {
    uint64_t block = 0;  // its key in segments_
    AlignedBuffer buffer;
    size_t used = 0;
  };
  struct Slice;     // of a checkpoint, until all its records have a place
  struct RootWork;  // a checkpoint that ends

  Result<std::string> read_root(const CheckpointPointer& pointer);
  Status load_segments(std::vector<Segment> segments);
  void keep_older(const CheckpointPointer& older);

  void post(Task task);  // unless the store is gone by then
  // Tries until it succeeds, in the order of the calls.
  void when_space(std::function<bool()> attempt);
  // The same for what may not be done while a checkpoint is being ended.
  void when_open(std::function<bool()> attempt);
  void go_on();
  void retry_space();
  void retry_later();
  std::optional<Extent> allocate(uint64_t blocks);
  bool grow(uint64_t blocks);
  void keep_reserve();
  void find_sparse();
  const Segment* next_sparse(ShardId shard);
  bool place(Slice& slice);
  bool place_record(const Owner& owner, std::string_view encoded, RecordRef* ref);
  RecordRef take_record(const Owner& owner, const LoggedRecord& record);
  Segment& add_segment(const Owner& owner, uint64_t id, const Extent& extent, bool single);
  void seal(Builder builder);
  void seal_all();
  void write_blocks(const Extent& extent, AlignedBuffer data);
  void write_for_log(const Extent& extent, AlignedBuffer data, Done done);
  Status find_spilled(const SpilledGroup& spilled) const;
  Status find_logged(const LoggedRecord& record) const;
  Status open_logged(const LoggedRecord& record, std::span<char> blocks, std::string* out) const;
  void pace();
  Status flush_for_reading();
  struct RecordPlace;
  std::optional<RecordPlace> place_of(const RecordKey& key) const;
  Result<std::string> open_record(const RecordPlace& place, ShardId shard, const RecordKey& key,
                                  std::span<char> blocks) const;
  Status visit_segment(const Segment& segment, const Extent& next,
                       const Engine::RecordVisitor& visit, const Engine::DamageVisitor& damaged,
                       bool* more);
  bool write_pages();
  bool write_root_blocks();
  void written(const Status& status);

  Reactor& reactor_;
  File& file_;
  const StoreUuid uuid_;
  const uint64_t grow_blocks_;
  BlockWriter* writer_ = nullptr;
  uint64_t next_segment_ = 0;
  uint64_t on_device_below_ = 0;  // ids of segments
  Extents extents_{0};
  Segments segments_;
  Extent root_;
  std::map<Owner, Builder> builders_;

  std::vector<Extent> dropped_;   // by the checkpoint that is being written
  std::vector<Extent> waiting_;   // named by the older superblock's checkpoint only (G2)
  std::vector<uint64_t> sparse_;  // segments of the last checkpoint, by block, the sparsest last
  // First blocks of extents that both the log and a checkpoint hold: as long as one is here, the
  // first of the two to let go of it does not free it.
  std::set<uint64_t> shared_;
  uint64_t in_flight_ = 0;  // writes of the checkpoint
  uint64_t in_flight_bytes_ = 0;
  std::deque<Task> paced_;  // completions that wait for writes to arrive
  std::unique_ptr<RootWork> root_work_;
  std::deque<std::function<bool()>> attempts_;
  std::deque<std::function<bool()>> writes_;  // see when_open()
  bool ending_ = false;
  TimerId retry_timer_ = 0;
  uint64_t owed_blocks_ = 0;               // see owes()
  uint64_t too_many_blocks_ = UINT64_MAX;  // the file could not grow by so many lately
  bool out_of_space_ = false;
  bool try_checkpoint_ = false;  // out of space for kRetryMs since the last checkpoint
  Status failure_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast::disk
