// See inspect.h.
#include "engine/disk/inspect.h"

#include "engine/disk/data_store.h"
#include "engine/disk/disk_store.h"
#include "engine/disk/wal_scan.h"
#include "engine/log_group.h"

namespace holdfast {

using namespace disk;

namespace {

std::string number(uint64_t value) { return std::to_string(value); }

class Inspector {
 public:
  Inspector(Reactor& reactor, DiskStore& store, const InspectOptions& options,
            const std::function<void(const std::string&)>& print)
      : store_(store),
        options_(options),
        print_(print),
        data_(reactor, *store.data, store.superblock.uuid, 0) {}

  StoreReport run() {
    superblocks();
    hard_states();
    const CheckpointPointer older = store_.older ? store_.older->checkpoint : CheckpointPointer{};
    const CheckpointPointer& checkpoint = store_.superblock.checkpoint;
    const Status loaded = data_.load(checkpoint, older, &metas_);
    if (loaded.ok()) {
      live("data", checkpoint.root.offset(), checkpoint.root_bytes);
      segments();
    } else {
      problem(loaded.message());
    }
    log();
    print_(number(report_.segments) + " segments, " + number(report_.records) + " live records, " +
           number(report_.record_bytes) + " bytes; log: " + number(report_.log_blocks) +
           " blocks, " + number(report_.log_groups) + " groups");
    return std::move(report_);
  }

 private:
  void problem(const std::string& what) {
    report_.problems.push_back(what);
    print_("PROBLEM: " + what);
  }
  void live(const char* file, uint64_t offset, uint64_t size) {
    if (size > 0) report_.live.push_back({file, offset, size});
  }

  void superblocks() {
    const Superblock& newest = store_.superblock;
    print_("store " + newest.uuid.to_string() + ", format " + number(newest.format) + ", log of " +
           number(newest.wal_blocks) + " blocks");
    for (const int slot : {0, 1}) {
      for (const int copy : {0, 1}) superblock(slot, copy);
    }
    const CheckpointPointer& at = newest.checkpoint;
    print_("checkpoint " + number(at.id) + ": root at data block " + number(at.root.block) + ", " +
           number(at.root_bytes) + " bytes; replay from log block " + number(at.wal.block));
  }

  // A store that never ended a checkpoint has one slot only.
  void superblock(int slot, int copy) {
    const std::string name = std::string("superblock ") + (slot == 0 ? "A" : "B") + ", copy " +
                             number(static_cast<uint64_t>(copy));
    AlignedBuffer block(kBlock);
    File& file = copy == 0 ? *store_.wal : *store_.data;
    const Status read = file.read_at(superblock_offset(slot), block.span());
    const auto found = read.ok() ? decode_superblock(block.span(), slot, copy) : read;
    const bool whole = found.ok() && found.value().has_value();
    if (!whole && slot == 1 && store_.superblock.sequence == 1) return;
    if (!whole) {
      problem(name + " is damaged");
      return;
    }
    live(copy == 0 ? "wal" : "data", superblock_offset(slot), kBlock);
    print_(name + ": number " + number(found.value()->sequence) + ", checkpoint " +
           number(found.value()->checkpoint.id));
  }

  void hard_states() {
    const HardStates& newest = store_.hard_states;
    if (newest.sequence == 0) return;  // never opened
    print_("hard states " + number(newest.sequence) + ": generation " + number(newest.generation));
    for (const auto& [shard, state] : newest.shards) {
      print_("  shard " + number(shard) + ": promised epoch " + number(state.promised_epoch) +
             ", voted for " + number(state.voted_for));
    }
    for (const uint64_t copy : {0, 1}) {
      const uint64_t slot = newest.sequence % (kHardStateSlots / 2) + copy * (kHardStateSlots / 2);
      AlignedBuffer block(kBlock);
      const uint64_t offset = kHardStateOffset + slot * kBlock;
      const bool whole = store_.wal->read_at(offset, block.span()).ok() &&
                         decode_hard_states(block.span(), store_.superblock.uuid, slot);
      if (whole) {
        live("wal", offset, kBlock);
      } else {
        problem("copy " + number(copy) + " of the newest hard states is damaged");
      }
    }
  }

  void segments() {
    for (const auto& [shard, meta] : metas_) {
      print_("shard " + number(shard) + ": checkpoint up to entry " + number(meta.seq));
    }
    for (const auto& [block, segment] : data_.segments().all()) {
      ++report_.segments;
      if (segment.page.count > 0) live("data", segment.page.offset(), kBlock);
      print_("segment " + number(segment.id) + ": data blocks " + number(block) + ".." +
             number(segment.extent.end()) + ", shard " + number(segment.shard) + ", database " +
             number(segment.db) + ", " + number(segment.live) + " of " + number(segment.records) +
             " records live");
      const Status read = data_.check_segment(
          segment, {}, [&](uint64_t offset, const Status& status, const Record& record) {
            one_record(offset, status, record);
            return true;
          });
      if (!read.ok()) problem(read.message());
    }
  }

  void one_record(uint64_t offset, const Status& status, const Record& record) {
    if (!status.ok()) {
      problem(status.message());
      return;
    }
    ++report_.records;
    report_.record_bytes += record.size;
    live("data", offset, record.size);
    if (!options_.records) return;
    print_("  record at " + number(offset) + ": database " + number(record.header.db) + ", slot " +
           number(record.header.slot) + ", key '" + std::string(record.key) + "', " +
           number(record.image.size()) + " bytes");
  }

  void log() {
    const WalIdentity identity{store_.superblock.uuid, store_.superblock.wal_blocks};
    const WalPosition& from = store_.superblock.checkpoint.wal;
    WalReader reader(*store_.wal, identity);
    const Result<WalScan> scan = scan_wal(
        reader,
        {from, store_.superblock.durable_block, store_.hard_states.generation, UINT64_MAX, false},
        [this](const WalRecord& record, const WalPlace& place) {
          one_group(record, place);
          return Status();
        });
    if (!scan.ok()) {
      problem(scan.status().message());
      return;
    }
    const uint64_t end = scan.value().next.block;
    report_.log_blocks = end - from.block;
    print_("log: blocks " + number(from.block) + ".." + number(end) + ", known durable below " +
           number(scan.value().durable_block) + "; the next block is " +
           std::string(name_of(scan.value().ended_by)));
    for (uint64_t block = from.block; block < std::min(end, scan.value().durable_block); ++block) {
      live("wal", identity.offset(block), kBlock);
    }
  }

  void one_group(const WalRecord& record, const WalPlace& place) {
    const std::string name = "log block " + number(place.batch.block) + ", shard " +
                             number(record.shard) + ", entries " + number(record.first) + ".." +
                             number(record.last);
    if (options_.log) print_("  " + name + ", " + number(record.payload.size()) + " bytes");
    const bool large = record.type == WalRecordType::kLarge;
    const bool group =
        large || record.type == WalRecordType::kGroup || record.type == WalRecordType::kSpilled;
    if (!group) return;
    ++report_.log_groups;
    std::string bytes(record.payload);
    if (large) {
      const Result<std::string> read = data_.read_logged(record.payload);
      if (!read.ok()) {
        problem(name + ": " + read.status().message());
        return;
      }
      large_values(record.payload);
      bytes = read.value();
    }
    if (record.type == WalRecordType::kSpilled) {
      SpilledGroup where;
      const Result<std::string> read = decode_spilled(record.payload, &where)
                                           ? data_.read_spilled(where)
                                           : Status::corrupt("its place cannot be decoded");
      if (!read.ok()) {
        problem(name + ": " + read.status().message());
        return;
      }
      live("data", where.extent.offset(), where.bytes);
      bytes = read.value();
    }
    const Status whole =
        split_group(record.first, record.last, bytes, [this](Seq, std::string_view entry) {
          one_entry(entry);
          return true;
        });
    if (!whole.ok()) problem(name + ": " + whole.message());
  }

  void one_entry(std::string_view entry) {
    if (!options_.log || !options_.entry_lines) return;
    for (const std::string& line : options_.entry_lines(entry)) print_("    " + line);
  }

  void large_values(std::string_view payload) {
    std::vector<LoggedRecord> records;
    std::string_view rest;
    if (!decode_logged(payload, &records, &rest)) return;  // told already
    for (const LoggedRecord& record : records) {
      live("data", record.extent.offset(), record.bytes);
      if (!options_.log) continue;
      print_("    large value in data blocks " + number(record.extent.block) + ".." +
             number(record.extent.end()) + ": database " + number(record.db) + ", key '" +
             record.key + "', " + number(record.size) + " bytes");
    }
  }

  DiskStore& store_;
  const InspectOptions& options_;
  const std::function<void(const std::string&)>& print_;
  DataStore data_;
  ShardMetas metas_;
  StoreReport report_;
};

}  // namespace

Result<StoreReport> inspect_store(Reactor& reactor, Disk& disk, const std::string& directory,
                                  const InspectOptions& options,
                                  const std::function<void(const std::string&)>& print) {
  Result<DiskStore> store = inspect_disk_store(disk, directory);
  if (!store.ok()) return store.status();
  return Inspector(reactor, store.value(), options, print).run();
}

}  // namespace holdfast
