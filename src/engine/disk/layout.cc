// See layout.h.
#include "engine/disk/layout.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdio>

#include "base/codec.h"

// As in xxh_x86dispatch.h, which cannot be included beside an inlined xxhash.h.
extern "C" uint64_t XXH3_64bits_withSeed_dispatch(const void* bytes, size_t size,  // NOLINT
                                                  uint64_t seed);

namespace holdfast::disk {
namespace {

constexpr ShardId kDistrusted = ShardId{1} << 31;  // with a shard's number, in hard states
constexpr std::string_view kSuperblockMagic = "HOLDFAST";
constexpr std::string_view kHardStateMagic = "HFHSTATE";
constexpr size_t kHashAt = kBlock - sizeof(Hash128);

void put_pointer(std::string& out, const CheckpointPointer& pointer) {
  put_fixed(out, pointer.id);
  put_fixed(out, pointer.root.block);
  put_fixed(out, pointer.root.count);
  put_fixed(out, pointer.root_bytes);
  put_fixed(out, pointer.root_hash.low);
  put_fixed(out, pointer.root_hash.high);
  put_fixed(out, pointer.wal.block);
  put_fixed(out, pointer.wal.generation);
  put_fixed(out, pointer.wal.chain);
}

CheckpointPointer take_pointer(Reader& in) {
  CheckpointPointer pointer;
  pointer.id = in.fixed<uint64_t>();
  pointer.root.block = in.fixed<uint64_t>();
  pointer.root.count = in.fixed<uint64_t>();
  pointer.root_bytes = in.fixed<uint64_t>();
  pointer.root_hash.low = in.fixed<uint64_t>();
  pointer.root_hash.high = in.fixed<uint64_t>();
  pointer.wal.block = in.fixed<uint64_t>();
  pointer.wal.generation = in.fixed<uint64_t>();
  pointer.wal.chain = in.fixed<uint64_t>();
  return pointer;
}

// Puts `content` into the block, with the hash of all before it in the last 16 bytes.
void seal_block(const std::string& content, std::span<char> block) {
  HF_ASSERT(block.size() == kBlock && content.size() <= kHashAt);
  std::memset(block.data(), 0, block.size());
  std::memcpy(block.data(), content.data(), content.size());
  const Hash128 hash = hash128(block.first(kHashAt));
  store_fixed(block.data() + kHashAt, hash.low);
  store_fixed(block.data() + kHashAt + 8, hash.high);
}

bool sealed(std::span<const char> block) {
  HF_ASSERT(block.size() == kBlock);
  const Hash128 hash = hash128(block.first(kHashAt));
  return hash.low == load_fixed<uint64_t>(block.data() + kHashAt) &&
         hash.high == load_fixed<uint64_t>(block.data() + kHashAt + 8);
}

}  // namespace

std::string StoreUuid::to_string() const {
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(high),
                static_cast<unsigned long long>(low));
  return text;
}

Hash128 hash128(std::span<const char> bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

uint64_t hash64(std::span<const char> bytes, uint64_t seed) {
  // Inlined where it is short; with the widest registers this processor has where it is long.
  if (bytes.size() <= 1024) return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
  return XXH3_64bits_withSeed_dispatch(bytes.data(), bytes.size(), seed);
}

// Zeroed: a reset keeps the secret that it finds there if the seed beside it is the wanted one, and
// memory that an earlier stream of that seed left behind may hold the seed and half of the secret.
struct HashStream::State {
  XXH3_state_t xxh3{};
};

HashStream::HashStream(uint64_t seed) : state_(new State, [](State* state) { delete state; }) {
  XXH3_64bits_reset_withSeed(&state_->xxh3, seed);
}

void HashStream::add(std::span<const char> bytes) {
  XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

uint64_t HashStream::digest() const { return XXH3_64bits_digest(&state_->xxh3); }

void encode_superblock(const Superblock& superblock, int copy, std::span<char> block) {
  std::string out(kSuperblockMagic);
  put_fixed(out, superblock.format);
  put_fixed(out, static_cast<uint32_t>(kBlock));
  put_fixed(out, static_cast<uint32_t>(superblock.slot()));
  put_fixed(out, static_cast<uint32_t>(copy));
  put_fixed(out, superblock.uuid.high);
  put_fixed(out, superblock.uuid.low);
  put_fixed(out, superblock.sequence);
  put_fixed(out, superblock.wal_blocks);
  put_fixed(out, superblock.durable_block);
  put_pointer(out, superblock.checkpoint);
  seal_block(out, block);
}

Result<std::optional<Superblock>> decode_superblock(std::span<const char> block, int slot,
                                                    int copy) {
  const std::string_view bytes(block.data(), block.size());
  if (!bytes.starts_with(kSuperblockMagic) || !sealed(block)) return std::optional<Superblock>();
  Reader in(bytes.substr(kSuperblockMagic.size()));
  const auto format = in.fixed<uint32_t>();
  if (format < kOldestFormat || format > kFormat) {
    return Status::invalid("the store has format " + std::to_string(format) +
                           "; this version reads formats " + std::to_string(kOldestFormat) +
                           " to " + std::to_string(kFormat));
  }
  const auto block_size = in.fixed<uint32_t>();
  const auto own_slot = in.fixed<uint32_t>();
  const auto own_copy = in.fixed<uint32_t>();
  Superblock superblock;
  superblock.format = format;
  superblock.uuid.high = in.fixed<uint64_t>();
  superblock.uuid.low = in.fixed<uint64_t>();
  superblock.sequence = in.fixed<uint64_t>();
  superblock.wal_blocks = in.fixed<uint64_t>();
  superblock.durable_block = in.fixed<uint64_t>();
  superblock.checkpoint = take_pointer(in);
  const bool here = own_slot == static_cast<uint32_t>(slot) &&
                    own_copy == static_cast<uint32_t>(copy) && superblock.slot() == slot &&
                    block_size == kBlock && in.ok();
  return here ? std::optional(superblock) : std::nullopt;
}

void encode_hard_states(const HardStates& states, const StoreUuid& uuid, uint64_t slot,
                        std::span<char> block) {
  HF_ASSERT(states.shards.size() <= kMaxHardStates);
  std::string out(kHardStateMagic);
  put_fixed(out, uuid.high);
  put_fixed(out, uuid.low);
  put_fixed(out, slot);
  put_fixed(out, states.sequence);
  put_fixed(out, states.generation);
  put_fixed(out, static_cast<uint32_t>(states.shards.size()));
  for (const auto& [shard, state] : states.shards) {
    put_fixed(out, shard | (state.distrusted ? kDistrusted : 0));
    put_fixed(out, state.promised_epoch);
    put_fixed(out, state.voted_for);
  }
  seal_block(out, block);
}

std::optional<HardStates> decode_hard_states(std::span<const char> block, const StoreUuid& uuid,
                                             uint64_t slot) {
  const std::string_view bytes(block.data(), block.size());
  if (!bytes.starts_with(kHardStateMagic) || !sealed(block)) return std::nullopt;
  Reader in(bytes.substr(kHardStateMagic.size()));
  StoreUuid own;
  own.high = in.fixed<uint64_t>();
  own.low = in.fixed<uint64_t>();
  const auto own_slot = in.fixed<uint64_t>();
  HardStates states;
  states.sequence = in.fixed<uint64_t>();
  states.generation = in.fixed<uint64_t>();
  const auto count = in.fixed<uint32_t>();
  if (own != uuid || own_slot != slot || count > kMaxHardStates) return std::nullopt;
  for (uint32_t i = 0; i < count; ++i) {
    const auto shard = in.fixed<ShardId>();
    HardState& state = states.shards[shard & ~kDistrusted];
    state.distrusted = (shard & kDistrusted) != 0;
    state.promised_epoch = in.fixed<Epoch>();
    state.voted_for = in.fixed<uint64_t>();
  }
  if (!in.ok()) return std::nullopt;
  return states;
}

}  // namespace holdfast::disk
