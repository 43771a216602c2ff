// Records in the data file: one object's immutable image each, checked against its place. Field by
// field in docs/ONDISK_DISK.md.
//
// The hash is seeded with the store, the segment and the place, so a record that a write put
// elsewhere, that an earlier segment left behind, or that belongs to another store is not taken
// for the one a ref names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/disk/layout.h"

namespace holdfast::disk {

inline constexpr size_t kRecordHeader = 32;
inline constexpr size_t kRecordUnit = 32;  // records begin at multiples of it

struct RecordHeader {
  ShardId shard = 0;
  DbId db = 0;
  SlotId slot = 0;
};

struct Record {
  RecordHeader header;
  std::string_view key;
  std::string_view image;  // into the bytes given, or into the scratch
  size_t size = 0;         // in the data file, without padding
  bool proven = false;     // of a damaged one: header and key are whole
};

// The seed for a record at byte `offset` of the data file.
uint64_t record_seed(const StoreUuid& uuid, uint64_t segment, uint64_t offset);

// The bytes of a record but for its hash. The image is compressed if lz4 makes it, and the first
// kLz4Sample bytes of it, at least an eighth smaller.
inline constexpr size_t kLz4Sample = 16 * 1024;
void encode_record_at(const RecordHeader& header, std::string_view key, std::string_view image,
                      std::string* out);
// The same in two steps, of an image in two parts: compressed, or false and nothing appended; then
// as it is, to `out`, which has room for plain_record_size().
bool encode_compressed_record(const RecordHeader& header, std::string_view key,
                              std::string_view head, std::string_view tail, std::string* out);
size_t plain_record_size(std::string_view key, size_t image_size);
void encode_plain_record(const RecordHeader& header, std::string_view key, std::string_view head,
                         std::string_view tail, char* out);
// Writes the hashes into an encoded record.
void seal_record(std::span<char> record, uint64_t seed);

// kCorrupt when the bytes do not begin with a whole record of that seed.
Status decode_record_at(std::span<const char> bytes, uint64_t seed, Record* record,
                        std::string* scratch);

// Whether header and key of a record, which may be damaged behind them, are whole; gives them then.
// Records that earlier versions wrote do not tell.
bool prove_key(std::span<const char> bytes, uint64_t seed, Record* record);

// The key that the bytes of a record name, though the record may be damaged: a hint only. Empty
// when it cannot be told.
std::string_view claimed_key(std::span<const char> bytes);

// Whether a record that is read in pieces has the right hash. The image is not decompressed.
class RecordHash {
 public:
  explicit RecordHash(uint64_t seed) : stream_(seed) {}
  // From the record's beginning on; the first piece holds the header at least.
  void add(std::span<const char> bytes);
  // REQUIRES: all pieces were added.
  bool right() const { return begun_ && left_ == 0 && stream_.digest() == hash_; }

 private:
  HashStream stream_;
  bool begun_ = false;
  uint64_t hash_ = 0;
  size_t left_ = 0;  // bytes that the hash is still to cover
};

}  // namespace holdfast::disk
