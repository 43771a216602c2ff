// See rdb_codec.h.
#include "store/rdb_codec.h"

#include "store/lzf.h"
#include "store/object.h"

namespace holdfast {
namespace {

constexpr unsigned char kLength32 = 0x80, kLength64 = 0x81;
constexpr unsigned char kInt8 = 0xc0, kInt16 = 0xc1, kInt32 = 0xc2, kLzf = 0xc3;

constexpr size_t kLongestInt32 = 11;    // "-2147483648"
constexpr size_t kCompressedFrom = 21;  // shorter strings are never compressed
constexpr size_t kCompressionGain = 4;  // bytes to win at least

}  // namespace

void put_rdb_length(uint64_t length, std::string* out) {
  if (length < 1 << 6) {
    out->push_back(static_cast<char>(length));
  } else if (length < 1 << 14) {
    out->push_back(static_cast<char>(0x40 | length >> 8));
    out->push_back(static_cast<char>(length & 0xff));
  } else if (length <= UINT32_MAX) {
    out->push_back(static_cast<char>(kLength32));
    put_fixed(*out, __builtin_bswap32(static_cast<uint32_t>(length)));
  } else {
    out->push_back(static_cast<char>(kLength64));
    put_fixed(*out, __builtin_bswap64(length));
  }
}

namespace {

// False for bytes that are not a length; the reader tells about missing ones.
bool read_length(Reader& reader, unsigned char first, uint64_t* length) {
  if (first < 0x40) {
    *length = first;
  } else if (first < 0x80) {
    *length = (first & 0x3fU) << 8 | reader.fixed<uint8_t>();
  } else if (first == kLength32) {
    *length = __builtin_bswap32(reader.fixed<uint32_t>());
  } else if (first == kLength64) {
    *length = __builtin_bswap64(reader.fixed<uint64_t>());
  } else {
    return false;
  }
  return reader.ok();
}

bool put_integer(std::string_view value, std::string* out) {
  int64_t number;
  if (value.size() > kLongestInt32 || !parse_int64(value, &number)) return false;
  if (number >= INT8_MIN && number <= INT8_MAX) {
    out->push_back(static_cast<char>(kInt8));
    put_fixed(*out, static_cast<int8_t>(number));
  } else if (number >= INT16_MIN && number <= INT16_MAX) {
    out->push_back(static_cast<char>(kInt16));
    put_fixed(*out, static_cast<int16_t>(number));
  } else if (number >= INT32_MIN && number <= INT32_MAX) {
    out->push_back(static_cast<char>(kInt32));
    put_fixed(*out, static_cast<int32_t>(number));
  } else {
    return false;
  }
  return true;
}

bool put_compressed(std::string_view value, std::string* out) {
  if (value.size() < kCompressedFrom) return false;
  std::string block;
  if (!lzf_compress(value, value.size() - kCompressionGain, &block)) return false;
  out->push_back(static_cast<char>(kLzf));
  put_rdb_length(block.size(), out);
  put_rdb_length(value.size(), out);
  out->append(block);
  return true;
}

bool take_integer(Reader& reader, unsigned char first, std::string* value) {
  int64_t number = 0;
  if (first == kInt8)
    number = int64_t{reader.fixed<int8_t>()};  // NOLINT(bugprone-signed-char-misuse)
  if (first == kInt16) number = reader.fixed<int16_t>();
  if (first == kInt32) number = reader.fixed<int32_t>();
  char digits[24];
  value->assign(format_int64(number, digits));
  return reader.ok();
}

bool take_compressed(Reader& reader, uint64_t max_size, std::string* value) {
  uint64_t block_size = 0;
  uint64_t size = 0;
  if (!read_length(reader, reader.fixed<uint8_t>(), &block_size)) return false;
  if (!read_length(reader, reader.fixed<uint8_t>(), &size)) return false;
  const std::string_view block = reader.bytes(block_size);
  value->clear();
  return reader.ok() && size <= max_size && lzf_decompress(block, size, value);
}

}  // namespace

bool take_rdb_string(Reader& reader, uint64_t max_size, std::string* value) {
  const unsigned char first = reader.fixed<uint8_t>();
  if (!reader.ok()) return false;
  if (first == kLzf) return take_compressed(reader, max_size, value);
  if (first >= kInt8 && first <= kInt32) return take_integer(reader, first, value);
  uint64_t length = 0;
  if (!read_length(reader, first, &length) || length > max_size) return false;
  value->assign(reader.bytes(length));
  return reader.ok();
}

void put_rdb_string(std::string_view value, std::string* out) {
  if (put_integer(value, out)) return;
  put_rdb_length(value.size(), out);
  out->append(value);
}

void put_rdb_compressed(std::string_view value, std::string* out) {
  if (put_integer(value, out) || put_compressed(value, out)) return;
  put_rdb_length(value.size(), out);
  out->append(value);
}

bool take_rdb_length(Reader& reader, uint64_t* length) {
  return read_length(reader, reader.fixed<uint8_t>(), length);
}

}  // namespace holdfast
