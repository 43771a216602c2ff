// Lengths and strings as RDB has them, the parts of every value in DUMP payloads and in records.
//
// First byte of a string:
//   00xxxxxx             length in 6 bits
//   01xxxxxx             length in 14 bits, the upper six here, the rest in the next byte
//   10000000, 10000001   length in the next 4, 8 bytes, big-endian
//   11000000 .. 00000010 an integer in the next 1, 2, 4 bytes, little-endian, signed
//   11000011             length of the block, length of the string, LZF block
//
// Readers take any bytes; false means that they are not what was asked for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/codec.h"

namespace holdfast {

void put_rdb_length(uint64_t length, std::string* out);
// As an integer if it is a short one, else as it is.
void put_rdb_string(std::string_view value, std::string* out);
// Compressed when that makes it smaller.
void put_rdb_compressed(std::string_view value, std::string* out);

bool take_rdb_length(Reader& reader, uint64_t* length);
// At most `max_size` bytes long.
bool take_rdb_string(Reader& reader, uint64_t max_size, std::string* value);

}  // namespace holdfast
