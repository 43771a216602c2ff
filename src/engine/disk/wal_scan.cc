// See wal_scan.h.
#include "engine/disk/wal_scan.h"

#include <algorithm>

#include "base/mutant.h"
#include "engine/disk/wal.h"

namespace holdfast::disk {
namespace {

// Where writes in flight may lie behind the first one that did not arrive: kDepth batches, each
// with one record more than kBatchBytes.
uint64_t window_blocks(const WalIdentity& identity) {
  const uint64_t batch = (Wal::kBatchBytes + Wal::kRecordBytes) / kWalPayload + 2;
  return std::min(identity.ring_blocks, Wal::kDepth * batch);
}

class Scanner {
 public:
  Scanner(WalReader& reader, const WalScanRange& range, const WalVisitor& visit)
      : reader_(reader), range_(range), visit_(visit), at_(range.start), place_{range.start} {
    scan_.durable_block = std::max(range.durable_block, range.start.block);
  }

  Result<WalScan> run() {
    const uint64_t limit =
        std::min(range_.end_block, range_.start.block + reader_.identity().ring_blocks);
    while (at_.block < limit) {
      WalBlock header;
      scan_.ended_by = reader_.open(at_.block, at_.generation, range_.newest_generation, &header);
      if (scan_.ended_by != WalBlockState::kGood) break;
      if (Status status = take(header); !status.ok()) return status;
      ++at_.block;
    }
    if (scan_.ended_by != WalBlockState::kGood) {
      scan_.damage = judge(limit);
      if (!scan_.damage.ok() && !range_.cut_damage) return scan_.damage;
    }
    scan_.unfinished_bytes = stream_.size();
    scan_.next = at_;
    if (mutant(Mutant::kRewriteDurableBlock) && at_.block > range_.start.block) --scan_.next.block;
    return scan_;
  }

 private:
  Status take(const WalBlock& header) {
    if (header.begins_generation) stream_.clear();  // an earlier recovery cut it
    // A batch goes on in the next block if it filled this one, be it to the end of a record.
    if (!header.begins_batch && !full_) return broken("begins no batch");
    if (header.begins_batch && !stream_.empty()) return broken("begins inside of a record");
    at_.generation = header.generation;
    full_ = header.used == kWalPayload;
    if (header.begins_batch) place_ = {at_};
    scan_.durable_block = std::max(scan_.durable_block, header.durable_block);
    stream_.append(reader_.payload(header));
    return records();
  }

  Status records() {
    size_t parsed = 0;
    while (parsed < stream_.size()) {
      WalRecord record;
      size_t size = 0;
      uint64_t hash = 0;
      const WalRecordState state = decode_wal_record(std::string_view(stream_).substr(parsed),
                                                     at_.chain, &record, &size, &hash);
      if (state == WalRecordState::kBroken) return broken("holds a record that is damaged");
      if (state == WalRecordState::kUnfinished) break;
      ++scan_.records;
      place_.size = size;
      place_.chain = at_.chain;
      if (Status status = visit_(record, place_); !status.ok()) return status;
      place_.offset += size;
      at_.chain = hash;
      parsed += size;
    }
    stream_.erase(0, parsed);
    return {};
  }

  // The block at at_ is not good: is that the end of the log?
  Status judge(uint64_t limit) {
    const uint64_t end = std::min(limit, at_.block + window_blocks(reader_.identity()));
    for (uint64_t number = at_.block + 1; number < end; ++number) {
      WalBlock header;
      const WalBlockState state =
          reader_.open(number, at_.generation, range_.newest_generation, &header);
      if (state != WalBlockState::kGood) continue;
      scan_.durable_block = std::max(scan_.durable_block, header.durable_block);
    }
    if (mutant(Mutant::kReadErrorEndsLog) && scan_.ended_by == WalBlockState::kError) return {};
    const std::string what =
        "WAL block " + std::to_string(at_.block) + " is " + std::string(name_of(scan_.ended_by));
    if (at_.block < scan_.durable_block && !mutant(Mutant::kCutBelowDurable)) {  // D1
      return Status::corrupt(what + ", but everything below block " +
                             std::to_string(scan_.durable_block) +
                             " was durable: acknowledged writes are damaged. Restore this store "
                             "from a copy; `holdfast verify` lists what is whole");
    }
    const bool uncertain =
        !mutant(Mutant::kTrustUncertainHead) &&
        (scan_.ended_by == WalBlockState::kRot || scan_.ended_by == WalBlockState::kError);
    if (uncertain && !range_.accept_uncertain) {  // D2
      return Status::corrupt(what +
                             " and nothing tells whether it was acknowledged. To start without "
                             "it and what follows, set engine.accept_uncertain_tail: true once");
    }
    return {};
  }

  Status broken(std::string_view how) const {
    return Status::corrupt("WAL block " + std::to_string(at_.block) + " " + std::string(how) +
                           " although its checksum is right");
  }

  WalReader& reader_;
  const WalScanRange& range_;
  const WalVisitor& visit_;
  WalPosition at_;
  WalPlace place_;
  std::string stream_;
  bool full_ = false;  // the block before
  WalScan scan_;
};

}  // namespace

Result<WalScan> scan_wal(WalReader& reader, const WalScanRange& range, const WalVisitor& visit) {
  return Scanner(reader, range, visit).run();
}

}  // namespace holdfast::disk
