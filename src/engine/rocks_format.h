// Keys and values of a RocksEngine, as docs/ONDISK_ROCKS.md specifies them. Numbers in keys are big
// endian, so that RocksDB's order is theirs; numbers in values are little endian.
//
// Invariant (E6): every value begins with a CRC32C over its key and all that follows it, so that a
// changed bit and a value that stands under another key are both seen.
#pragma once

#include <rocksdb/write_batch.h>

#include <array>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "base/codec.h"
#include "base/crc32c.h"
#include "engine/engine.h"

namespace holdfast::rocks_format {

inline constexpr uint32_t kVersion = 1;
inline constexpr std::string_view kFormatKey = "format";
inline constexpr std::string_view kHardStateKind = "hard";
inline constexpr std::string_view kCheckpointKind = "ckpt";
inline constexpr std::string_view kLogFamily = "log";
inline constexpr std::string_view kRecordFamily = "records";

inline constexpr size_t kCrcBytes = sizeof(uint32_t);
inline constexpr size_t kStateKeyBytes = 4 + sizeof(ShardId);
inline constexpr size_t kLogKeyBytes = sizeof(ShardId) + sizeof(Seq);
inline constexpr size_t kRecordHeadBytes = sizeof(ShardId) + sizeof(DbId) + sizeof(SlotId);
// What a group occupies beside its entries.
inline constexpr size_t kGroupHeadBytes = kLogKeyBytes + kCrcBytes + sizeof(Seq);

template <typename T>
inline void put_big_endian(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
}

// REQUIRES: `in` has sizeof(T) bytes.
template <typename T>
inline T load_big_endian(std::string_view in) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  return static_cast<T>(value);
}

// A group stands under its last entry, so that the first key at or after log_key(shard, s) is the
// group that holds s.
inline std::string log_key(ShardId shard, Seq last) {
  std::string key;
  put_big_endian(key, shard);
  put_big_endian(key, last);
  return key;
}

inline std::string record_prefix(ShardId shard, DbId db) {
  std::string key;
  put_big_endian(key, shard);
  put_big_endian(key, db);
  return key;
}

inline std::string record_key(ShardId shard, const RecordKey& record) {
  std::string key = record_prefix(shard, record.db);
  put_big_endian(key, record.slot);
  return key.append(record.key);
}

inline std::string state_key(std::string_view kind, ShardId shard) {
  std::string key(kind);
  put_big_endian(key, shard);
  return key;
}

// The smallest key that does not begin with `prefix`. REQUIRES: a byte of it is not 0xff.
inline std::string after_prefix(std::string prefix) {
  while (static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

inline uint32_t checksum(std::string_view key, std::string_view head, std::string_view body) {
  const uint32_t crc = crc32c(head.data(), head.size(), crc32c(key.data(), key.size()));
  return crc32c(body.data(), body.size(), crc);
}

// Adds key -> (crc, head, body), without joining them in memory first.
inline void put_sealed(rocksdb::WriteBatch* batch, rocksdb::ColumnFamilyHandle* family,
                       std::string_view key, std::string_view head, std::string_view body) {
  std::array<char, kCrcBytes> crc;
  store_fixed(crc.data(), checksum(key, head, body));
  const rocksdb::Slice key_slice(key.data(), key.size());
  const std::array<rocksdb::Slice, 3> parts = {rocksdb::Slice(crc.data(), crc.size()),
                                               rocksdb::Slice(head.data(), head.size()),
                                               rocksdb::Slice(body.data(), body.size())};
  const rocksdb::Status status =
      batch->Put(family, rocksdb::SliceParts(&key_slice, 1),
                 rocksdb::SliceParts(parts.data(), static_cast<int>(parts.size())));
  HF_ASSERT(status.ok());  // it refuses only what is longer than 4 GiB
}

inline void put_group(rocksdb::WriteBatch* batch, rocksdb::ColumnFamilyHandle* family,
                      ShardId shard, const LogGroup& group) {
  std::array<char, sizeof(Seq)> first;
  store_fixed(first.data(), group.first);
  put_sealed(batch, family, log_key(shard, group.last), {first.data(), first.size()}, group.bytes);
}

// The content, or false when the value is damaged or stands under another key.
inline bool unseal(std::string_view key, std::string_view value, std::string_view* content) {
  if (value.size() < kCrcBytes) return false;
  *content = value.substr(kCrcBytes);
  return checksum(key, {}, *content) == load_fixed<uint32_t>(value.data());
}

}  // namespace holdfast::rocks_format
