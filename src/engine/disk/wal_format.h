// The bytes of the WAL: self-checking blocks, and records that run through them. Field by field in
// docs/ONDISK_DISK.md.
//
// A batch is what one flush makes durable: whole blocks, the first of which begins with a record.
// A block is written once and never again before the ring comes round (D10). Its number, its
// generation (one for each opening of the store) and the stamps in its eight sectors tell apart:
//
//   kGood   every byte is as it was written
//   kOld    nothing of the expected block is there: its write never reached the medium
//   kTorn   some sectors are of the expected block, others are not
//   kRot    all sectors are of the expected block, but the checksum is wrong
//   kError  the device could not read it
//
// The difference decides whether a block ends the log or is damage (wal_scan.h).
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/disk/layout.h"

namespace holdfast::disk {

inline constexpr size_t kWalBlockHeader = 64;
inline constexpr size_t kWalPayload = kBlock - kWalBlockHeader;
inline constexpr size_t kWalRecordHeader = 48;

// What every block of a log has in common.
struct WalIdentity {
  StoreUuid uuid;
  uint64_t ring_blocks = 0;

  uint64_t offset(uint64_t block) const { return kRegionOffset + block % ring_blocks * kBlock; }
  // In the last two bytes of each sector. Differs from what the place held before, because a
  // place is written again only with a higher generation or after another round of the ring; and
  // from zero, which a new ring holds. The number of its set bits is even, so that one bit that
  // turns makes no other stamp of it.
  uint16_t stamp(uint64_t block, uint64_t generation) const {
    const auto value = static_cast<uint16_t>(1 + (generation + block / ring_blocks) % 0x7fff);
    return std::popcount(value) % 2 == 0 ? value : static_cast<uint16_t>(value | 0x8000);
  }
};

enum class WalBlockState : uint8_t { kGood, kOld, kTorn, kRot, kError };
std::string_view name_of(WalBlockState state);

struct WalBlock {
  uint64_t number = 0;
  uint64_t generation = 0;
  uint64_t durable_block = 0;  // blocks below this were durable when this one was issued
  uint16_t used = 0;           // bytes of payload; less than all only in a batch's last block
  bool begins_generation = false;
  bool begins_batch = false;
};

// `block` holds the payload behind the header already, zeros after `used`.
void seal_wal_block(const WalBlock& header, const WalIdentity& identity, std::span<char> block);

// Checks the block that lies in the place of `number`. kGood: `header` is filled and the payload
// in `block` is as it was before sealing. `generation`, `newest`: the expected one, and the newest
// that may have written here.
WalBlockState open_wal_block(std::span<char> block, const WalIdentity& identity, uint64_t number,
                             uint64_t generation, uint64_t newest, WalBlock* header);

// Where a record lies, and what it takes to read it alone.
struct WalPlace {
  WalPosition batch;    // it is part of
  uint64_t offset = 0;  // of its header, in the batch's payload
  uint64_t size = 0;    // header included
  uint64_t chain = 0;   // hash of the record before it

  uint64_t first_block() const { return batch.block + offset / kWalPayload; }
  uint64_t end_block() const { return batch.block + (offset + size - 1) / kWalPayload + 1; }
};

enum class WalRecordType : uint8_t {
  kGroup = 1,     // entries first..last of a shard, as its owner encoded them
  kSpilled = 2,   // the same, too large for the ring: where the bytes are in the data file
  kTruncate = 3,  // the shard's entries above `last` are no more
  kOpened = 4,    // a generation begins: first is its number, last the block it begins in
  kLarge = 5,     // as kGroup, but for large values: which records of the data file hold them
};

struct WalRecord {
  WalRecordType type = WalRecordType::kGroup;
  ShardId shard = 0;
  Seq first = 0;
  Seq last = 0;
  std::string_view payload;
};

// The payload of kSpilled.
struct SpilledGroup {
  Extent extent;
  uint64_t bytes = 0;
  Hash128 hash;
};
std::string encode_spilled(const SpilledGroup& spilled);
bool decode_spilled(std::string_view payload, SpilledGroup* spilled);

// Writes the record's header, which the payload follows, and gives its hash: the next one's chain.
uint64_t encode_wal_record(const WalRecord& record, uint64_t chain,
                           std::span<char, kWalRecordHeader> header);

// A batch in the making: bytes that run through the payloads of consecutive blocks, each of which
// is sealed when it is full, while it is still near.
class WalStream {
 public:
  // `first`: of the first block, but for `used`. 0 bytes: an empty block that only bears witness.
  WalStream(uint64_t bytes, const WalBlock& first, const WalIdentity& identity);
  void append(std::string_view bytes);
  // REQUIRES: all bytes were appended.
  AlignedBuffer finish();

 private:
  void seal();

  const WalIdentity& identity_;
  WalBlock header_;  // of the block that is being filled
  uint64_t left_;    // bytes still to come
  AlignedBuffer buffer_;
  size_t at_ = 0;  // of that block, in the buffer
};

enum class WalRecordState : uint8_t { kWhole, kUnfinished, kBroken };
// Takes a record from the front of `stream`. kWhole: `size` bytes of it were used, and the views
// of `record` are into it. kUnfinished: the stream ends before the record does.
WalRecordState decode_wal_record(std::string_view stream, uint64_t chain, WalRecord* record,
                                 size_t* size, uint64_t* hash);

}  // namespace holdfast::disk
