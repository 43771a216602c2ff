// What a DiskEngine tells of itself, and its scrub; see disk_engine.h.
#include <algorithm>
#include <array>

#include "engine/disk/disk_engine.h"

namespace holdfast {

using namespace disk;

namespace {

using Facts = std::vector<EngineFact>;

void add_superblock(const std::string& prefix, const Superblock& superblock, Facts* facts) {
  const CheckpointPointer& checkpoint = superblock.checkpoint;
  facts->push_back({prefix + "sequence", superblock.sequence});
  facts->push_back({prefix + "durable_block", superblock.durable_block});
  facts->push_back({prefix + "checkpoint_id", checkpoint.id});
  facts->push_back({prefix + "root_block", checkpoint.root.block});
  facts->push_back({prefix + "root_bytes", checkpoint.root_bytes});
  facts->push_back({prefix + "wal_block", checkpoint.wal.block});
  facts->push_back({prefix + "wal_generation", checkpoint.wal.generation});
}

Facts describe_superblock(const DiskStore& store) {
  Facts facts = {{"uuid", store.superblock.uuid.to_string()}};
  add_superblock("", store.superblock, &facts);
  if (store.older) add_superblock("older_", *store.older, &facts);
  return facts;
}

Facts describe_log(const Wal& wal, uint64_t ring_blocks) {
  return {{"ring_blocks", ring_blocks},
          {"ring_bytes", ring_blocks * kBlock},
          {"used_blocks", ring_blocks - wal.free_blocks()},
          {"free_blocks", wal.free_blocks()},
          {"end_block", wal.end().block},
          {"durable_block", wal.durable_block()},
          {"generation", wal.end().generation},
          {"pending_records", wal.pending_records()},
          {"pending_bytes", wal.pending_bytes()},
          {"batches_in_flight", wal.batches_in_flight()},
          {"witnesses", wal.stats().witnesses}};
}

struct Liveness {
  uint64_t records = 0;
  uint64_t single = 0;
  std::array<uint64_t, 10> tenths = {};  // segments
};

Liveness liveness_of(const Segments& segments) {
  Liveness found;
  for (const auto& [block, segment] : segments.all()) {
    found.records += segment.records;
    found.single += segment.single ? 1 : 0;
    const uint64_t tenth = segment.records == 0 ? 0 : segment.live * 10ULL / segment.records;
    ++found.tenths[std::min<uint64_t>(tenth, 9)];
  }
  return found;
}

Facts describe_segments(const DataStore& data) {
  const Segments& segments = data.segments();
  const Liveness found = liveness_of(segments);
  const uint64_t live = segments.live_records();
  Facts facts = {{"segments", segments.all().size()},
                 {"single_record_segments", found.single},
                 {"bytes", segments.bytes()},
                 {"records", found.records},
                 {"live_records", live},
                 {"live_percent", found.records == 0 ? 0 : live * 100 / found.records},
                 {"sparse_segments", data.sparse_segments()},
                 {"waiting_to_be_freed_bytes", data.waiting_blocks() * kBlock}};
  for (uint64_t tenth = 0; tenth < found.tenths.size(); ++tenth) {
    const std::string name = "live_" + std::to_string(tenth * 10) + "_to_" +
                             std::to_string(tenth * 10 + 10) + "_percent";
    facts.push_back({name, found.tenths[tenth]});
  }
  return facts;
}

Facts describe_scrub(const ScrubReport& report) {
  Facts facts = {{"running", uint64_t{report.running}},
                 {"bytes_per_second", report.bytes_per_second},
                 {"segments", report.segments},
                 {"segments_checked", report.segments_checked},
                 {"bytes_checked", report.bytes},
                 {"records_checked", report.records},
                 {"damaged_records", report.damaged_records},
                 {"damaged_metadata", report.damaged_metadata},
                 {"full_passes", report.passes},
                 {"last_full_pass_time", static_cast<uint64_t>(report.finished_wall_ms / 1000)}};
  for (size_t i = 0; i < report.damages.size(); ++i) {
    facts.push_back({"damage_" + std::to_string(i + 1), report.damages[i]});
  }
  return facts;
}

Facts describe_files(const DiskStore& store, const DataStore& data) {
  return {{"wal_file_bytes", kRegionOffset + store.superblock.wal_blocks * kBlock},
          {"data_file_bytes", kRegionOffset + data.blocks() * kBlock},
          {"data_free_bytes", data.free_blocks() * kBlock}};
}

}  // namespace

Facts DiskEngine::describe(EnginePart part) const {
  if (wal_ == nullptr) return {};
  switch (part) {
    case EnginePart::kFiles:
      return describe_files(store_, *data_);
    case EnginePart::kSuperblock:
      return describe_superblock(store_);
    case EnginePart::kLog:
      return describe_log(*wal_, store_.superblock.wal_blocks);
    case EnginePart::kSegments:
      return describe_segments(*data_);
    case EnginePart::kScrub:
      return describe_scrub(scrub_->report());
  }
  return {};
}

EngineStats DiskEngine::stats() const {
  EngineStats stats = stats_;
  stats.log_bytes = log_bytes();
  stats.record_bytes = data_ == nullptr ? 0 : data_->segments().bytes();
  if (wal_ == nullptr) return stats;
  stats.flushes = wal_->stats().flushes;
  stats.flush_ns_last = wal_->stats().flush_ns_last;
  stats.flush_ns_max = wal_->stats().flush_ns_max;
  stats.damaged_records = scrub_->report().damaged_records;
  return stats;
}

// --- scrub ---

Status DiskEngine::start_scrub(uint64_t bytes_per_second) {
  if (scrub_->report().running) return Status::unavailable("a scrub is running");
  scrub_->start(bytes_per_second);
  return {};
}

void DiskEngine::stop_scrub() { scrub_->stop(); }

// What the next start begins with, read again. Once a checkpoint is being ended, what was read of
// the one before it may differ (X2 of the scrub).
void DiskEngine::check_anchors(const Done& done) {
  const Superblock newest = store_.superblock;
  const auto ended = [this, newest, done](const Status& status) {
    const bool changed = finishing_ || store_.superblock.sequence != newest.sequence;
    done(changed ? Status::unavailable("a checkpoint came between") : with_place(status));
  };
  const auto root = [this, newest, ended](const Status& status) {
    if (!status.ok() || newest.checkpoint.id == 0) return ended(status);
    data_->check_root(newest.checkpoint, ended);
  };
  compare_copies(newest, 0, [this, root](const Status& status) {
    if (!status.ok() || !store_.older) return root(status);
    compare_copies(*store_.older, 0, root);
  });
}

}  // namespace holdfast
