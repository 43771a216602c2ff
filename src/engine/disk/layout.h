// What lies where in a DiskEngine's two files, and the blocks that find everything else: the
// superblocks and the hard-state ring. Field by field in docs/ONDISK_DISK.md.
//
//   DIR/wal    superblock A.1 | B.1 | hard-state ring | ... | at 1 MiB: the WAL ring
//   DIR/data   superblock A.2 | B.2 | ...                   | at 1 MiB: the data blocks
//
// Two files, because a growing file makes the file system write its own journal on a flush, which
// the log must never wait for; and so the two copies of a superblock lie far apart.
//
// Invariants: superblocks are written alternately, each in two copies one after the other; the
// newest valid one is the store. Every block tells its place and its store, so that a block that
// lies at the wrong place, or is of another store, is not taken for one of ours (D9).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/aligned_buffer.h"
#include "base/status.h"
#include "base/types.h"
#include "engine/engine.h"

namespace holdfast::disk {

inline constexpr uint32_t kFormat = 2;
inline constexpr uint32_t kOldestFormat = 1;        // that is read; without kLarge in the log
inline constexpr uint64_t kRegionOffset = 1 << 20;  // of the WAL ring and of the data blocks
inline constexpr uint64_t kHardStateOffset = 2 * kBlock;
inline constexpr uint64_t kHardStateSlots = 16;

struct StoreUuid {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const StoreUuid&) const = default;
  std::string to_string() const;
};

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
Hash128 hash128(std::span<const char> bytes);
// Seeded, so that the same bytes elsewhere have another hash.
uint64_t hash64(std::span<const char> bytes, uint64_t seed);
// hash64() of bytes that come in pieces.
class HashStream {
 public:
  explicit HashStream(uint64_t seed);
  void add(std::span<const char> bytes);
  uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State, void (*)(State*)> state_;
};

// A run of whole blocks in the data file; block 0 is at kRegionOffset. count 0: none.
struct Extent {
  uint64_t block = 0;
  uint64_t count = 0;
  uint64_t end() const { return block + count; }
  uint64_t offset() const { return kRegionOffset + block * kBlock; }
  uint64_t bytes() const { return count * kBlock; }
  bool operator==(const Extent&) const = default;
};

constexpr uint64_t blocks_for(uint64_t bytes) { return (bytes + kBlock - 1) / kBlock; }

// The next place of the WAL: block numbers only grow, the ring's place is the number modulo its
// size. `chain` is the hash of the record before, `generation` the one that wrote it.
struct WalPosition {
  uint64_t block = 0;
  uint64_t generation = 0;
  uint64_t chain = 0;
  bool operator==(const WalPosition&) const = default;
};

// A finished checkpoint: its root, and where the log that must be replayed over it begins.
struct CheckpointPointer {
  uint64_t id = 0;
  Extent root;
  uint64_t root_bytes = 0;
  Hash128 root_hash;
  WalPosition wal;
  bool operator==(const CheckpointPointer&) const = default;
};

struct Superblock {
  uint32_t format = kFormat;
  StoreUuid uuid;
  uint64_t sequence = 0;         // of superblocks; odd ones are in slot A
  uint64_t wal_blocks = 0;       // size of the ring
  uint64_t durable_block = 0;    // WAL blocks below this were durable when it was written
  CheckpointPointer checkpoint;  // id 0: none yet

  int slot() const { return sequence % 2 == 1 ? 0 : 1; }
};

// Offset of a slot's copy in its file: copy 0 is in the WAL file, copy 1 in the data file.
inline uint64_t superblock_offset(int slot) { return static_cast<uint64_t>(slot) * kBlock; }
void encode_superblock(const Superblock& superblock, int copy, std::span<char> block);
// Nothing when the block is not a whole superblock at this place; kInvalid for another format.
Result<std::optional<Superblock>> decode_superblock(std::span<const char> block, int slot,
                                                    int copy);

// All hard states of a device, and the number of its newest opening. Slot: sequence % 8, and eight
// further its copy.
struct HardStates {
  uint64_t sequence = 0;
  uint64_t generation = 0;
  std::map<ShardId, HardState> shards;
};
inline constexpr size_t kMaxHardStates = 160;
void encode_hard_states(const HardStates& states, const StoreUuid& uuid, uint64_t slot,
                        std::span<char> block);
std::optional<HardStates> decode_hard_states(std::span<const char> block, const StoreUuid& uuid,
                                             uint64_t slot);

}  // namespace holdfast::disk
