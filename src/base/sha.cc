// See sha.h. Names of variables are those of FIPS 180-4.
#include "base/sha.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/sha256_blocks.h"

namespace holdfast {
namespace {

constexpr size_t kBlock = 64;

uint32_t load_big(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) << 24 | static_cast<uint32_t>(p[1]) << 16 |
         static_cast<uint32_t>(p[2]) << 8 | p[3];
}

// Before `end`: the length of a message of so many bytes, as its padding has it.
void store_bits(uint8_t* end, uint64_t bytes) {
  for (size_t i = 0; i < 8; ++i)
    end[-1 - static_cast<int>(i)] = static_cast<uint8_t>(bytes * 8 >> (8 * i));
}

// Feeds the message, padded as both functions have it, block by block.
template <typename Compress>
void for_each_block(std::string_view message, Compress compress) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(message.data());
  size_t at = 0;
  for (; at + kBlock <= message.size(); at += kBlock) compress(bytes + at);

  uint8_t tail[2 * kBlock] = {};
  const size_t rest = message.size() - at;
  if (rest > 0) std::memcpy(tail, bytes + at, rest);
  tail[rest] = 0x80;
  const size_t padded = rest + 9 <= kBlock ? kBlock : 2 * kBlock;
  store_bits(tail + padded, message.size());
  for (size_t i = 0; i < padded; i += kBlock) compress(tail + i);
}

template <size_t kWords>
std::array<uint8_t, kWords * 4> store_big(const std::array<uint32_t, kWords>& words) {
  std::array<uint8_t, kWords * 4> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(words[i / 4] >> (24 - 8 * (i % 4)));
  }
  return bytes;
}

void compress_sha1(std::array<uint32_t, 5>& h, const uint8_t* block) {
  uint32_t w[80];
  for (size_t t = 0; t < 16; ++t) w[t] = load_big(block + 4 * t);
  for (size_t t = 16; t < 80; ++t) w[t] = std::rotl(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
  for (size_t t = 0; t < 80; ++t) {
    uint32_t f, k;
    if (t < 20) {
      f = (b & c) | (~b & d);
      k = 0x5a827999;
    } else if (t < 40) {
      f = b ^ c ^ d;
      k = 0x6ed9eba1;
    } else if (t < 60) {
      f = (b & c) | (b & d) | (c & d);
      k = 0x8f1bbcdc;
    } else {
      f = b ^ c ^ d;
      k = 0xca62c1d6;
    }
    const uint32_t next = std::rotl(a, 5) + f + e + k + w[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

}  // namespace

Sha1 sha1(std::string_view message) {
  std::array<uint32_t, 5> h = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  for_each_block(message, [&h](const uint8_t* block) { compress_sha1(h, block); });
  return store_big(h);
}

Sha256 sha256(std::string_view message) {
  Sha256Stream stream;
  stream.update(message);
  return stream.finish();
}

void Sha256Stream::update(std::string_view bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  size_ += left;
  if (held_ > 0) {
    const size_t take = std::min(left, kBlock - held_);
    if (take > 0) std::memcpy(held_bytes_ + held_, at, take);
    held_ += take;
    at += take;
    left -= take;
    if (held_ < kBlock) return;
    sha256_blocks(state_, held_bytes_, 1);
    held_ = 0;
  }
  sha256_blocks(state_, at, left / kBlock);
  at += left / kBlock * kBlock;
  held_ = left % kBlock;
  if (held_ > 0) std::memcpy(held_bytes_, at, held_);
}

Sha256 Sha256Stream::finish() {
  uint8_t tail[2 * kBlock] = {};
  std::memcpy(tail, held_bytes_, held_);
  tail[held_] = 0x80;
  const size_t padded = held_ + 9 <= kBlock ? kBlock : 2 * kBlock;
  store_bits(tail + padded, size_);
  sha256_blocks(state_, tail, padded / kBlock);
  return store_big(state_);
}

HmacSha256::HmacSha256(std::string_view key) {
  uint8_t block[kBlock] = {};
  if (key.size() > kBlock) {
    const Sha256 shorter = sha256(key);
    std::memcpy(block, shorter.data(), shorter.size());
  } else if (!key.empty()) {
    std::memcpy(block, key.data(), key.size());
  }
  const std::string_view view(reinterpret_cast<const char*>(block), kBlock);
  for (uint8_t& byte : block) byte ^= 0x36;
  inner_.update(view);
  for (uint8_t& byte : block) byte ^= 0x36 ^ 0x5c;
  outer_.update(view);
}

Sha256 HmacSha256::of(std::initializer_list<std::string_view> parts) const {
  Sha256Stream inner = inner_;
  for (const std::string_view part : parts) inner.update(part);
  const Sha256 digest = inner.finish();
  Sha256Stream outer = outer_;
  outer.update({reinterpret_cast<const char*>(digest.data()), digest.size()});
  return outer.finish();
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

std::string to_hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace holdfast
