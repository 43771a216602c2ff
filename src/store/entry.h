// Entry: one place in a shard's log: a header, and what happened. An entry is atomic; its bytes are
// the redo record on the device and the message to a backup alike.
//
// Entries form a chain: each header names the checksum of the entry before, and its own checksum
// covers that. So (epoch, seq, crc) of one entry stands for the whole log up to it.
//
// Bytes: docs/ONDISK.md, "Oplog entries"; pinned by tests/unit/store/effect_test.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"

namespace holdfast {

inline constexpr size_t kEntryHeaderBytes = 44;
inline constexpr uint8_t kEntryVersion = 2;
// The same with effects of type kRemember, which older versions do not know.
inline constexpr uint8_t kEntryVersionRemembers = 3;

enum class EntryKind : uint8_t {
  kEffects,     // on the keyspace: store/effect.h
  kEpochStart,  // a primary's first entry: with it, all before it are committed or not at all
  kMembers,     // of an elected group, from here on
  kCommand,     // of another state machine than the keyspace
};

struct EntryHeader {
  uint32_t length = 0;  // of the whole entry
  uint32_t crc = 0;     // CRC32C of everything after this field
  uint8_t version = kEntryVersion;
  EntryKind kind = EntryKind::kEffects;
  uint32_t effects = 0;  // how many; 0 in other kinds
  Epoch epoch = 0;
  Seq seq = 0;
  int64_t log_clock_ms = 0;   // max(previous entry's, wall clock)
  uint32_t previous_crc = 0;  // 0 in the first entry of all
};

// Checks the first entry of `bytes`: length, version, CRC. kCorrupt tells what is wrong.
Result<EntryHeader> read_entry_header(std::string_view bytes);
// The same without the checksum, for bytes that were checked before. REQUIRES: a whole entry.
EntryHeader peek_entry_header(std::string_view bytes);

// Appends an entry of this kind with that payload; length and crc are found here, the latter is
// given back.
uint32_t append_entry(EntryHeader header, std::string_view payload, std::string* out);

// Fills in the header of the entry that begins at `start` of `out`, with a payload behind the room
// for the header, and gives its crc.
uint32_t seal_entry(const EntryHeader& header, size_t start, std::string* out);

}  // namespace holdfast
