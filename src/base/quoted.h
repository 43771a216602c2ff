// Any bytes as text that a person can read and a shell can take: "a\n\x00".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

// In quotes, as MONITOR shows arguments: what is not printable as an escape.
void append_quoted(std::string_view bytes, std::string* out);
// Of more than `most` bytes only the first, and how many there are.
std::string quoted(std::string_view bytes, size_t most);
// 16 hexadecimal digits, as identities are shown and given.
std::string hex16(uint64_t value);

}  // namespace holdfast
