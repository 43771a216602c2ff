// Ziplists: what listpacks were before Redis 7. They come in payloads of older servers and are
// turned into listpacks; none is ever written.
//
//   total      4 bytes: of the whole
//   tail       4 bytes: where the last element begins
//   count      2 bytes: elements; 65535 when there are as many or more
//   elements   each: the length of the one before it (1 byte, or 0xfe and 4 bytes), then
//              00xxxxxx             a string of 0..63 bytes
//              01xxxxxx y           a string; its length in 14 bits, big-endian
//              10______             a string; its length in the next 4 bytes, big-endian
//              11000000 11010000 11100000 11110000 11111110
//                                   an integer in the next 2, 4, 8, 3, 1 bytes
//              1111xxxx             the integer xxxx - 1, 0..12
//   end        0xff
#pragma once

#include <string_view>

namespace holdfast {

// The same elements as a new listpack; null when the bytes are no ziplist. Any bytes are safe.
char* listpack_of_ziplist(std::string_view bytes);

}  // namespace holdfast
