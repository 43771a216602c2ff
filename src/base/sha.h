// SHA-1 and SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104). SHA-1 is here for what Redis defines by
// it (DEBUG DIGEST, names of scripts), never to protect anything.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

using Sha1 = std::array<uint8_t, 20>;
using Sha256 = std::array<uint8_t, 32>;

Sha1 sha1(std::string_view message);
Sha256 sha256(std::string_view message);

// A message that comes in parts. A copy goes on from where its original was.
class Sha256Stream {
 public:
  void update(std::string_view bytes);
  Sha256 finish();  // the stream is used up

 private:
  static constexpr size_t kBlock = 64;

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t held_bytes_[kBlock] = {};  // the beginning of a block
  size_t held_ = 0;
  uint64_t size_ = 0;
};

// Under one key, which is prepared once.
class HmacSha256 {
 public:
  explicit HmacSha256(std::string_view key);
  // Of the parts back to back.
  Sha256 of(std::initializer_list<std::string_view> parts) const;

 private:
  Sha256Stream inner_, outer_;
};

// For secrets: takes as long wherever the first difference is. Lengths are no secret.
bool equal_in_constant_time(std::string_view a, std::string_view b);

// Lower-case hexadecimal digits.
std::string to_hex(std::span<const uint8_t> bytes);

}  // namespace holdfast
