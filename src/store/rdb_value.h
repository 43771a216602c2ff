// Values in Redis's own serialized form, as DUMP gives and RESTORE takes it, so that keys can move
// between Redis and Holdfast in both directions.
//
//   type       1 byte; 0 is a string
//   string     length, then the bytes; or an integer; or an LZF block (below)
//   version    2 bytes, little-endian: the RDB version of the writer
//   checksum   8 bytes, little-endian: CRC64 (Jones, reflected, starting at 0) of all before
//
// First byte of a string:
//   00xxxxxx             length in 6 bits
//   01xxxxxx             length in 14 bits, the upper six here, the rest in the next byte
//   10000000, 10000001   length in the next 4, 8 bytes, big-endian
//   11000000 .. 00000010 an integer in the next 1, 2, 4 bytes, little-endian, signed
//   11000011             length of the block, length of the string, LZF block
//
// Payloads come from clients: any bytes are safe to read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

inline constexpr uint16_t kRdbVersionWritten = 10;   // Redis 7.0
inline constexpr uint16_t kRdbVersionAccepted = 11;  // up to Redis 7.2

uint64_t crc64(std::string_view bytes);

// The payload for a string: what DUMP replies.
std::string dump_string(std::string_view value);

// Whether version and checksum of a payload are right.
bool dump_is_intact(std::string_view payload);

// Reads the string out of a payload. False when it holds something else, cannot be decoded or is
// longer than `max_size`. REQUIRES: dump_is_intact(payload).
bool restore_string(std::string_view payload, uint64_t max_size, std::string* value);

// All libraries of functions: what FUNCTION DUMP replies. A type byte 0xf5 and a string for each.
std::string dump_functions(const std::vector<std::string_view>& codes);
// False when it holds something else or cannot be decoded. REQUIRES: dump_is_intact(payload).
bool restore_functions(std::string_view payload, uint64_t max_size,
                       std::vector<std::string>* codes);

}  // namespace holdfast
