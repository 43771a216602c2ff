// See frame.h.
#include "replica/frame.h"

#include <cstring>

#include "base/codec.h"
#include "base/crc32c.h"

namespace holdfast {
namespace {

constexpr uint8_t kMagic = 0x48;
// Where the fields are.
constexpr size_t kVersionAt = 1, kTypeAt = 2, kFlagsAt = 3, kLengthAt = 4, kClusterAt = 8,
                 kEpochAt = 16, kShardAt = 24, kCrcAt = 28;
static_assert(kCrcAt + sizeof(uint32_t) == kFrameHeaderBytes);

}  // namespace

std::array<char, kFrameHeaderBytes> seal_header(const FrameHeader& header, std::string_view first,
                                                std::string_view second) {
  std::array<char, kFrameHeaderBytes> bytes;
  store_fixed(bytes.data(), kMagic);
  store_fixed(bytes.data() + kVersionAt, header.version);
  store_fixed(bytes.data() + kTypeAt, header.type);
  store_fixed(bytes.data() + kFlagsAt, header.flags);
  store_fixed(bytes.data() + kLengthAt, header.length);
  store_fixed(bytes.data() + kClusterAt, header.cluster);
  store_fixed(bytes.data() + kEpochAt, header.epoch);
  store_fixed(bytes.data() + kShardAt, header.shard);
  uint32_t crc = crc32c(bytes.data(), kCrcAt);
  crc = crc32c(first.data(), first.size(), crc);
  crc = crc32c(second.data(), second.size(), crc);
  store_fixed(bytes.data() + kCrcAt, crc);
  return bytes;
}

Result<FrameHeader> parse_header(std::string_view bytes, size_t max_payload) {
  HF_ASSERT(bytes.size() == kFrameHeaderBytes);
  const char* at = bytes.data();
  if (load_fixed<uint8_t>(at) != kMagic) return Status::corrupt("not a frame");
  FrameHeader header;
  header.version = load_fixed<uint8_t>(at + kVersionAt);
  header.type = load_fixed<FrameType>(at + kTypeAt);
  header.flags = load_fixed<uint8_t>(at + kFlagsAt);
  header.length = load_fixed<uint32_t>(at + kLengthAt);
  header.cluster = load_fixed<uint64_t>(at + kClusterAt);
  header.epoch = load_fixed<Epoch>(at + kEpochAt);
  header.shard = load_fixed<ShardId>(at + kShardAt);
  if (header.length > max_payload) {
    return Status::corrupt("a frame of " + std::to_string(header.length) + " bytes, " +
                           std::to_string(max_payload) + " are allowed");
  }
  return header;
}

bool frame_intact(std::string_view header, std::string_view payload) {
  HF_ASSERT(header.size() == kFrameHeaderBytes);
  const uint32_t crc = crc32c(header.data(), kCrcAt);
  return crc32c(payload.data(), payload.size(), crc) ==
         load_fixed<uint32_t>(header.data() + kCrcAt);
}

Mac frame_mac(const HmacSha256& key, uint64_t count, std::string_view header,
              std::string_view first, std::string_view second) {
  char number[sizeof count];
  store_fixed(number, count);
  const Sha256 whole = key.of({std::string_view(number, sizeof number), header, first, second});
  Mac mac;
  std::memcpy(mac.data(), whole.data(), mac.size());
  return mac;
}

}  // namespace holdfast
