// See record.h.
#include "engine/disk/record.h"

#include <lz4.h>

#include <algorithm>
#include <cstring>

#include "base/codec.h"

namespace holdfast::disk {
namespace {

enum class Codec : uint8_t { kRaw = 0, kLz4 = 1 };

// Places in the header.
constexpr size_t kHashAt = 0, kSizeAt = 8, kImageSizeAt = 12, kKeySizeAt = 16, kSlotAt = 20,
                 kDbAt = 22, kCodecAt = 23, kShardAt = 24, kKeyHashAt = 28;

constexpr size_t kMinCompressed = 256;  // below, a block's unit is lost anyway

// Appends the bytes compressed, or nothing.
bool compress(std::string_view bytes, std::string* out) {
  const size_t at = out->size();
  const size_t limit = bytes.size() - bytes.size() / 8;
  out->resize(at + limit);
  const int size = LZ4_compress_default(bytes.data(), out->data() + at,
                                        static_cast<int>(bytes.size()), static_cast<int>(limit));
  out->resize(at + static_cast<size_t>(size));
  return size > 0;
}

// Cheap, where to try all of a large image would not be.
bool sample_compresses(std::string_view bytes) {
  std::string scratch;
  return compress(bytes.substr(0, kLz4Sample), &scratch);
}

void put_header(const RecordHeader& header, size_t record_size, size_t image_size, size_t key_size,
                Codec codec, char* out) {
  std::memset(out, 0, kRecordHeader);
  store_fixed(out + kSizeAt, static_cast<uint32_t>(record_size));
  store_fixed(out + kImageSizeAt, static_cast<uint32_t>(image_size));
  store_fixed(out + kKeySizeAt, static_cast<uint32_t>(key_size));
  store_fixed(out + kSlotAt, header.slot);
  store_fixed(out + kDbAt, header.db);
  store_fixed(out + kCodecAt, codec);
  store_fixed(out + kShardAt, header.shard);
}

// Of the header, but for the hashes, and the key; never 0, which says nothing.
uint32_t key_hash(std::span<const char> record, uint32_t key_size, uint64_t seed) {
  const uint64_t header = hash64(record.subspan(kSizeAt, kKeyHashAt - kSizeAt), seed);
  const auto hash = static_cast<uint32_t>(hash64(record.subspan(kRecordHeader, key_size), header));
  return hash != 0 ? hash : 1;
}

}  // namespace

uint64_t record_seed(const StoreUuid& uuid, uint64_t segment, uint64_t offset) {
  uint64_t words[] = {uuid.high, uuid.low, segment, offset};
  return hash64({reinterpret_cast<const char*>(words), sizeof words}, 0);
}

bool encode_compressed_record(const RecordHeader& header, std::string_view key,
                              std::string_view head, std::string_view tail, std::string* out) {
  const size_t size = head.size() + tail.size();
  if (size < kMinCompressed || size > LZ4_MAX_INPUT_SIZE) return false;
  if (tail.size() > kLz4Sample && !sample_compresses(tail)) return false;
  std::string joined;
  if (!head.empty()) joined.append(head).append(tail);
  const size_t at = out->size();
  out->append(kRecordHeader, '\0');
  out->append(key);
  if (!compress(head.empty() ? tail : joined, out)) {
    out->resize(at);
    return false;
  }
  put_header(header, out->size() - at, size, key.size(), Codec::kLz4, out->data() + at);
  return true;
}

void encode_record_at(const RecordHeader& header, std::string_view key, std::string_view image,
                      std::string* out) {
  if (encode_compressed_record(header, key, {}, image, out)) return;
  const size_t at = out->size();
  out->append(kRecordHeader, '\0');
  out->append(key);
  out->append(image);
  put_header(header, out->size() - at, image.size(), key.size(), Codec::kRaw, out->data() + at);
}

size_t plain_record_size(std::string_view key, size_t image_size) {
  return kRecordHeader + key.size() + image_size;
}

void encode_plain_record(const RecordHeader& header, std::string_view key, std::string_view head,
                         std::string_view tail, char* out) {
  const size_t image_size = head.size() + tail.size();
  put_header(header, plain_record_size(key, image_size), image_size, key.size(), Codec::kRaw, out);
  out += kRecordHeader;
  for (const std::string_view part : {key, head, tail}) {
    std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
}

void seal_record(std::span<char> record, uint64_t seed) {
  const auto key_size = load_fixed<uint32_t>(record.data() + kKeySizeAt);
  store_fixed(record.data() + kKeyHashAt, key_hash(record, key_size, seed));
  store_fixed(record.data() + kHashAt, hash64(record.subspan(kSizeAt), seed));
}

bool prove_key(std::span<const char> bytes, uint64_t seed, Record* record) {
  const char* in = bytes.data();
  if (bytes.size() < kRecordHeader) return false;
  const auto key_size = load_fixed<uint32_t>(in + kKeySizeAt);
  if (key_size > bytes.size() - kRecordHeader) return false;
  if (load_fixed<uint32_t>(in + kKeyHashAt) != key_hash(bytes, key_size, seed)) return false;
  record->header = {load_fixed<ShardId>(in + kShardAt), load_fixed<DbId>(in + kDbAt),
                    load_fixed<SlotId>(in + kSlotAt)};
  record->key = {in + kRecordHeader, key_size};
  return true;
}

Status decode_record_at(std::span<const char> bytes, uint64_t seed, Record* record,
                        std::string* scratch) {
  const char* in = bytes.data();
  if (bytes.size() < kRecordHeader) return Status::corrupt("a record is cut short");
  const auto size = load_fixed<uint32_t>(in + kSizeAt);
  const auto image_size = load_fixed<uint32_t>(in + kImageSizeAt);
  const auto key_size = load_fixed<uint32_t>(in + kKeySizeAt);
  const bool fits =
      size >= kRecordHeader && size <= bytes.size() && key_size <= size - kRecordHeader;
  if (!fits ||
      load_fixed<uint64_t>(in + kHashAt) != hash64(bytes.subspan(kSizeAt, size - kSizeAt), seed)) {
    return Status::corrupt("a record's hash is wrong");
  }
  record->size = size;
  record->header = {load_fixed<ShardId>(in + kShardAt), load_fixed<DbId>(in + kDbAt),
                    load_fixed<SlotId>(in + kSlotAt)};
  record->key = {in + kRecordHeader, key_size};
  const size_t head = kRecordHeader + key_size;
  record->image = {in + head, size - head};
  const auto codec = static_cast<Codec>(in[kCodecAt]);
  if (codec == Codec::kRaw && record->image.size() == image_size) return {};
  if (codec != Codec::kLz4) return Status::corrupt("a record's codec is not known");
  scratch->resize(image_size);
  const int made =
      LZ4_decompress_safe(record->image.data(), scratch->data(),
                          static_cast<int>(record->image.size()), static_cast<int>(image_size));
  if (made < 0 || static_cast<uint32_t>(made) != image_size) {
    return Status::corrupt("a record cannot be decompressed");
  }
  record->image = *scratch;
  return {};
}

std::string_view claimed_key(std::span<const char> bytes) {
  if (bytes.size() < kRecordHeader) return {};
  const auto size = load_fixed<uint32_t>(bytes.data() + kKeySizeAt);
  if (size > bytes.size() - kRecordHeader) return {};
  return {bytes.data() + kRecordHeader, size};
}

void RecordHash::add(std::span<const char> bytes) {
  if (!begun_) {
    begun_ = true;
    hash_ = load_fixed<uint64_t>(bytes.data() + kHashAt);
    const auto size = load_fixed<uint32_t>(bytes.data() + kSizeAt);
    left_ = size < kRecordHeader ? SIZE_MAX : size - kSizeAt;  // a damaged size never ends
    bytes = bytes.subspan(kSizeAt);
  }
  const auto covered = bytes.first(std::min(left_, bytes.size()));
  stream_.add(covered);
  left_ -= covered.size();
}

}  // namespace holdfast::disk
