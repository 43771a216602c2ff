// Values in Redis's own serialized form, as DUMP gives and RESTORE takes it, so that keys can move
// between Redis and Holdfast in both directions.
//
//   type       1 byte; 0 is a string
//   value      a string (rdb_codec.h), or as the type's encode() writes it (collection.h)
//   version    2 bytes, little-endian: the RDB version of the writer
//   checksum   8 bytes, little-endian: CRC64 (Jones, reflected, starting at 0) of all before
//
// Payloads come from clients: any bytes are safe to read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/collection_limits.h"
#include "store/object.h"

namespace holdfast {

inline constexpr uint16_t kRdbVersionWritten = 10;   // Redis 7.0
inline constexpr uint16_t kRdbVersionAccepted = 11;  // up to Redis 7.2

uint64_t crc64(std::string_view bytes);

// The payload of an object's value: what DUMP replies. REQUIRES: !object.cold().
std::string dump_value(const Object& object);

// Whether version and checksum of a payload are right.
bool dump_is_intact(std::string_view payload);

struct RestoredValue {
  ObjectType type = ObjectType::kString;
  std::string bytes;  // of a string; of a collection as its encode() gives it
};

// Reads the value out of a payload. False when it cannot be decoded, or is a string longer than
// `max_size`. REQUIRES: dump_is_intact(payload).
bool restore_value(std::string_view payload, uint64_t max_size, const CollectionLimits& limits,
                   RestoredValue* value);

// All libraries of functions: what FUNCTION DUMP replies. A type byte 0xf5 and a string for each.
std::string dump_functions(const std::vector<std::string_view>& codes);
// False when it holds something else or cannot be decoded. REQUIRES: dump_is_intact(payload).
bool restore_functions(std::string_view payload, uint64_t max_size,
                       std::vector<std::string>* codes);

}  // namespace holdfast
