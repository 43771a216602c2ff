// Keys and values of a RocksEngine, as docs/ONDISK_ROCKS.md specifies them. Numbers in keys are big
// endian, so that RocksDB's order is theirs; numbers in values are little endian.
#pragma once

#include <bit>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "base/crc32c.h"
#include "engine/engine.h"

namespace holdfast::rocks_format {

inline constexpr uint32_t kVersion = 1;
inline constexpr std::string_view kVersionKey = "format";
inline constexpr size_t kCrcBytes = sizeof(uint32_t);

template <typename T>
inline void put_big_endian(std::string& out, T value) {
  for (int shift = static_cast<int>(sizeof(T)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
}

template <typename T>
inline T load_big_endian(std::string_view in) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(in[i]);
  return static_cast<T>(value);
}

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

inline std::string record_prefix(ShardId shard, DbId db, SlotId slot) {
  std::string key = record_prefix(shard, db);
  put_big_endian(key, slot);
  return key;
}

inline std::string record_key(ShardId shard, const RecordKey& record) {
  return record_prefix(shard, record.db, record.slot).append(record.key);
}

// "hard" or "ckpt", then the shard.
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

inline std::string seal(std::string_view key, std::string_view content) {
  std::string value;
  value.reserve(kCrcBytes + content.size());
  put_fixed(value, crc32c(content.data(), content.size(), crc32c(key.data(), key.size())));
  return value.append(content);
}

// The content, or false when the value is damaged or stands under another key.
inline bool unseal(std::string_view key, std::string_view value, std::string_view* content) {
  if (value.size() < kCrcBytes) return false;
  *content = value.substr(kCrcBytes);
  const uint32_t crc = crc32c(content->data(), content->size(), crc32c(key.data(), key.size()));
  return crc == load_fixed<uint32_t>(value.data());
}

}  // namespace holdfast::rocks_format
