// Ziplist: the compact form that Redis wrote before 7.0 (before listpacks), for reading only:
// values that come in DUMP payloads of older servers.
//
//   total 4 bytes, offset of the last element 4, count 2 (65535: unknown), elements, 0xff
//
// An element: the length of the one before (a byte below 254, or 254 and 4 bytes), the encoding,
// the content. First byte of the encoding:
//   00xxxxxx             a string, length in 6 bits
//   01xxxxxx y           a string, length in 14 bits
//   10000000             a string, length in the next 4 bytes, big-endian
//   1100/1101/1110 0000  an integer in the next 2, 4, 8 bytes, signed, little-endian
//   11110000, 11111110   an integer in the next 3, 1 bytes
//   1111xxxx             the integer xxxx - 1, for xxxx from 1 to 13
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// All elements as strings. Any bytes are safe; false when they are no ziplist.
bool read_ziplist(std::string_view bytes, std::vector<std::string>* elements);

}  // namespace holdfast
