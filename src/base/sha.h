// SHA-1 and SHA-256 (FIPS 180-4) of whole messages. SHA-1 is here for what Redis defines by it
// (DEBUG DIGEST, names of scripts), never to protect anything.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

using Sha1 = std::array<uint8_t, 20>;
using Sha256 = std::array<uint8_t, 32>;

Sha1 sha1(std::string_view message);
Sha256 sha256(std::string_view message);

// Lower-case hexadecimal digits.
std::string to_hex(std::span<const uint8_t> bytes);

}  // namespace holdfast
