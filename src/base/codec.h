// Little-endian and varint coding with bounds checks, for every format that leaves the process.
//
// Writers append to a std::string. Reader consumes a view; after the first read past the end it
// stays in the failed state and gives zeros, so that a decoder checks ok() once at its end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace holdfast {

static_assert(std::endian::native == std::endian::little, "formats are written as they lie");

template <typename T>
inline void put_fixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
inline void store_fixed(char* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <typename T>
inline T load_fixed(const char* in) {
  T value;
  std::memcpy(&value, in, sizeof value);
  return value;
}

inline constexpr size_t kMaxVarintBytes = 10;

// LEB128. Returns the byte after the last one written; `out` has kMaxVarintBytes of room.
inline char* store_varint(char* out, uint64_t value) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

inline void put_varint(std::string& out, uint64_t value) {
  char scratch[kMaxVarintBytes];
  out.append(scratch, static_cast<size_t>(store_varint(scratch, value) - scratch));
}

// The length as a varint, then the bytes.
inline void put_bytes(std::string& out, std::string_view bytes) {
  put_varint(out, bytes.size());
  out.append(bytes);
}

class Reader {
 public:
  explicit Reader(std::string_view in) : at_(in.data()), end_(in.data() + in.size()) {}

  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  template <typename T>
  T fixed() {
    if (!take(sizeof(T))) return T{};
    return load_fixed<T>(at_ - sizeof(T));
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (!take(1)) return 0;
      const auto byte = static_cast<unsigned char>(at_[-1]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  // What put_bytes() wrote.
  std::string_view sized_bytes() { return bytes(varint()); }

  std::string_view bytes(uint64_t size) {
    if (size > left() || !take(static_cast<size_t>(size))) {
      ok_ = false;
      return {};
    }
    return {at_ - size, static_cast<size_t>(size)};
  }

 private:
  bool take(size_t size) {
    if (!ok_ || left() < size) {
      ok_ = false;
      return false;
    }
    at_ += size;
    return true;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace holdfast
