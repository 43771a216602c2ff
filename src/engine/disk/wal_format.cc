// See wal_format.h.
#include "engine/disk/wal_format.h"

#include <bit>

#include "base/codec.h"
#include "base/crc32c.h"
#include "base/mutant.h"

namespace holdfast::disk {
namespace {

constexpr uint32_t kMagic = 0x42574648;  // "HFWB"
constexpr size_t kSector = 512;
constexpr size_t kSectors = kBlock / kSector;

// Places in a block's header.
constexpr size_t kMagicAt = 0, kCrcAt = 4, kNumberAt = 8, kGenerationAt = 16, kDurableAt = 24,
                 kStoreAt = 32, kUsedAt = 40, kFlagsAt = 42, kSavedAt = 48;
constexpr uint16_t kBeginsGeneration = 1, kBeginsBatch = 2;

// Places in a record's header.
constexpr size_t kSizeAt = 0, kNotSizeAt = 4, kTypeAt = 8, kShardAt = 12, kFirstAt = 16,
                 kLastAt = 24, kReservedAt = 32, kHashAt = 40;

char* sector_end(std::span<char> block, size_t sector) {
  return block.data() + (sector + 1) * kSector - sizeof(uint16_t);
}

uint32_t crc_of(std::span<char> block) {
  const uint32_t head = crc32c(block.data(), kCrcAt);
  return crc32c(block.data() + kNumberAt, block.size() - kNumberAt, head);
}

uint64_t store_hash(const StoreUuid& uuid) { return uuid.high * 31 + uuid.low; }

// How many sectors bear the stamp.
size_t stamped(std::span<char> block, uint16_t stamp) {
  size_t count = 0;
  for (size_t i = 0; i < kSectors; ++i) {
    if (load_fixed<uint16_t>(sector_end(block, i)) == stamp) ++count;
  }
  return count;
}

// A tear leaves only stamps that were written; a turned bit makes one that never was.
bool stamps_are_even(std::span<char> block) {
  for (size_t i = 0; i < kSectors; ++i) {
    if (std::popcount(load_fixed<uint16_t>(sector_end(block, i))) % 2 != 0) return false;
  }
  return true;
}

}  // namespace

std::string_view name_of(WalBlockState state) {
  switch (state) {
    case WalBlockState::kGood:
      return "good";
    case WalBlockState::kOld:
      return "never written";
    case WalBlockState::kTorn:
      return "torn";
    case WalBlockState::kRot:
      return "damaged";
    case WalBlockState::kError:
      return "unreadable";
  }
  return "?";
}

void seal_wal_block(const WalBlock& header, const WalIdentity& identity, std::span<char> block) {
  char* out = block.data();
  const auto flags = static_cast<uint16_t>((header.begins_generation ? kBeginsGeneration : 0) |
                                           (header.begins_batch ? kBeginsBatch : 0));
  store_fixed(out + kMagicAt, kMagic);
  store_fixed(out + kNumberAt, header.number);
  store_fixed(out + kGenerationAt, header.generation);
  store_fixed(out + kDurableAt, header.durable_block);
  store_fixed(out + kStoreAt, store_hash(identity.uuid));
  store_fixed(out + kUsedAt, header.used);
  store_fixed(out + kFlagsAt, flags);
  store_fixed(out + kFlagsAt + 2, uint32_t{0});
  const uint16_t stamp = identity.stamp(header.number, header.generation);
  for (size_t i = 0; i < kSectors; ++i) {
    std::memcpy(out + kSavedAt + 2 * i, sector_end(block, i), sizeof stamp);
    store_fixed(sector_end(block, i), stamp);
  }
  store_fixed(out + kCrcAt, crc_of(block));
}

WalBlockState open_wal_block(std::span<char> block, const WalIdentity& identity, uint64_t number,
                             uint64_t generation, uint64_t newest, WalBlock* header) {
  const char* in = block.data();
  const bool whole = load_fixed<uint32_t>(in + kMagicAt) == kMagic &&
                     load_fixed<uint32_t>(in + kCrcAt) == crc_of(block) &&
                     (load_fixed<uint64_t>(in + kStoreAt) == store_hash(identity.uuid) ||
                      mutant(Mutant::kForeignBlocks));
  header->number = load_fixed<uint64_t>(in + kNumberAt);
  header->generation = load_fixed<uint64_t>(in + kGenerationAt);
  if (!whole) {
    const uint16_t expected = identity.stamp(number, generation);
    const uint16_t later = identity.stamp(number, newest);
    const size_t count = stamped(block, expected);
    const size_t count_later = later == expected ? 0 : stamped(block, later);
    if (count == kSectors || count_later == kSectors) return WalBlockState::kRot;
    if (!stamps_are_even(block)) return WalBlockState::kRot;
    return count + count_later == 0 ? WalBlockState::kOld : WalBlockState::kTorn;
  }
  // A whole block of an earlier round or generation was not overwritten; one of a later round, or
  // of another place, says that a write went astray.
  if (header->number != number) {
    const bool earlier = header->number < number &&
                         header->number % identity.ring_blocks == number % identity.ring_blocks;
    return earlier ? WalBlockState::kOld : WalBlockState::kRot;
  }
  header->durable_block = load_fixed<uint64_t>(in + kDurableAt);
  header->used = load_fixed<uint16_t>(in + kUsedAt);
  const auto flags = load_fixed<uint16_t>(in + kFlagsAt);
  header->begins_generation = (flags & kBeginsGeneration) != 0;
  header->begins_batch = (flags & kBeginsBatch) != 0;
  if (header->generation < generation && !mutant(Mutant::kResurrectCut)) {
    return WalBlockState::kOld;
  }
  if (header->generation > newest || header->used > kWalPayload) return WalBlockState::kRot;
  if (header->generation > generation && !header->begins_generation) return WalBlockState::kRot;
  for (size_t i = 0; i < kSectors; ++i) {
    std::memcpy(sector_end(block, i), in + kSavedAt + 2 * i, sizeof(uint16_t));
  }
  return WalBlockState::kGood;
}

std::string encode_spilled(const SpilledGroup& spilled) {
  std::string out;
  put_fixed(out, spilled.extent.block);
  put_fixed(out, spilled.extent.count);
  put_fixed(out, spilled.bytes);
  put_fixed(out, spilled.hash.low);
  put_fixed(out, spilled.hash.high);
  return out;
}

bool decode_spilled(std::string_view payload, SpilledGroup* spilled) {
  Reader in(payload);
  spilled->extent.block = in.fixed<uint64_t>();
  spilled->extent.count = in.fixed<uint64_t>();
  spilled->bytes = in.fixed<uint64_t>();
  spilled->hash.low = in.fixed<uint64_t>();
  spilled->hash.high = in.fixed<uint64_t>();
  return in.ok() && in.at_end() && spilled->bytes <= spilled->extent.bytes();
}

uint64_t encode_wal_record(const WalRecord& record, uint64_t chain,
                           std::span<char, kWalRecordHeader> header) {
  const auto size = static_cast<uint32_t>(record.payload.size());
  char* out = header.data();
  store_fixed(out + kSizeAt, size);
  store_fixed(out + kNotSizeAt, ~size);
  store_fixed(out + kTypeAt, static_cast<uint32_t>(record.type));
  store_fixed(out + kShardAt, record.shard);
  store_fixed(out + kFirstAt, record.first);
  store_fixed(out + kLastAt, record.last);
  store_fixed(out + kReservedAt, uint64_t{0});
  const uint64_t head = hash64(header.first(kHashAt), chain);
  const uint64_t hash = hash64({record.payload.data(), record.payload.size()}, head);
  store_fixed(out + kHashAt, hash);
  return hash;
}

WalStream::WalStream(uint64_t bytes, const WalBlock& first, const WalIdentity& identity)
    : identity_(identity),
      header_(first),
      left_(bytes),
      buffer_(AlignedBuffer::uninitialized(
          std::max(round_up(bytes, kWalPayload) / kWalPayload, uint64_t{1}) * kBlock)) {
  header_.used = 0;
}

void WalStream::append(std::string_view bytes) {
  HF_ASSERT(bytes.size() <= left_);
  left_ -= bytes.size();
  while (!bytes.empty()) {
    if (header_.used == kWalPayload) seal();
    const size_t count = std::min<size_t>(bytes.size(), kWalPayload - header_.used);
    std::memcpy(buffer_.data() + at_ + kWalBlockHeader + header_.used, bytes.data(), count);
    bytes.remove_prefix(count);
    header_.used = static_cast<uint16_t>(header_.used + count);
  }
}

void WalStream::seal() {
  const std::span<char> block = buffer_.span().subspan(at_, kBlock);
  std::memset(block.data() + kWalBlockHeader + header_.used, 0, kWalPayload - header_.used);
  seal_wal_block(header_, identity_, block);
  at_ += kBlock;
  ++header_.number;
  header_.used = 0;
  header_.begins_generation = header_.begins_batch = false;
}

AlignedBuffer WalStream::finish() {
  HF_ASSERT(left_ == 0);
  seal();
  HF_ASSERT(at_ == buffer_.size());
  return std::move(buffer_);
}

WalRecordState decode_wal_record(std::string_view stream, uint64_t chain, WalRecord* record,
                                 size_t* size, uint64_t* hash) {
  if (stream.size() < kWalRecordHeader) return WalRecordState::kUnfinished;
  const char* in = stream.data();
  const auto bytes = load_fixed<uint32_t>(in + kSizeAt);
  if (bytes != ~load_fixed<uint32_t>(in + kNotSizeAt)) return WalRecordState::kBroken;
  if (stream.size() - kWalRecordHeader < bytes) return WalRecordState::kUnfinished;
  record->payload = stream.substr(kWalRecordHeader, bytes);
  uint64_t expected = hash64({in, kHashAt}, chain);
  expected = hash64({record->payload.data(), record->payload.size()}, expected);
  if (expected != load_fixed<uint64_t>(in + kHashAt)) return WalRecordState::kBroken;
  const auto type = load_fixed<uint32_t>(in + kTypeAt);
  if (type < 1 || type > static_cast<uint32_t>(WalRecordType::kLarge) ||
      load_fixed<uint64_t>(in + kReservedAt) != 0) {
    return WalRecordState::kBroken;
  }
  record->type = static_cast<WalRecordType>(type);
  record->shard = load_fixed<ShardId>(in + kShardAt);
  record->first = load_fixed<uint64_t>(in + kFirstAt);
  record->last = load_fixed<uint64_t>(in + kLastAt);
  *size = kWalRecordHeader + bytes;
  *hash = expected;
  return WalRecordState::kWhole;
}

}  // namespace holdfast::disk
