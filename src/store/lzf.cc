// See lzf.h.
#include "store/lzf.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace holdfast {
namespace {

constexpr size_t kMaxLiterals = 32;
constexpr size_t kMinCopy = 3;
constexpr size_t kMaxCopy = 264;
constexpr size_t kMaxDistance = 8192;
constexpr size_t kLongCopy = 7;  // in the upper bits: another length byte follows
constexpr int kHashBits = 13;

unsigned char byte_at(std::string_view bytes, size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

// Where three bytes were seen last, by their hash.
class SeenTable {
 public:
  explicit SeenTable(std::string_view in) : in_(in) {}

  // Takes note of the three bytes at `at`, if there are three.
  void add(size_t at) {
    if (at + kMinCopy <= in_.size()) places_[hash(at)] = static_cast<uint32_t>(at + 1);
  }

  // The length of a copy that can stand at `at`, 0 if none. REQUIRES: three bytes are there.
  size_t find(size_t at, size_t* distance) const {
    const size_t seen = places_[hash(at)];
    if (seen == 0 || at - (seen - 1) > kMaxDistance) return 0;
    *distance = at - (seen - 1);
    const size_t longest = std::min(in_.size() - at, kMaxCopy);
    size_t length = 0;
    while (length < longest && in_[at + length] == in_[seen - 1 + length]) ++length;
    return length >= kMinCopy ? length : 0;
  }

 private:
  size_t hash(size_t at) const {
    const uint32_t three = byte_at(in_, at) | static_cast<uint32_t>(byte_at(in_, at + 1)) << 8 |
                           static_cast<uint32_t>(byte_at(in_, at + 2)) << 16;
    return three * 2654435761U >> (32 - kHashBits);
  }

  std::string_view in_;
  std::array<uint32_t, 1 << kHashBits> places_{};  // place + 1
};

void put_literals(std::string_view bytes, std::string* out) {
  while (!bytes.empty()) {
    const std::string_view run = bytes.substr(0, kMaxLiterals);
    out->push_back(static_cast<char>(run.size() - 1));
    out->append(run);
    bytes.remove_prefix(run.size());
  }
}

void put_copy(size_t length, size_t distance, std::string* out) {
  const size_t coded = length - 2;
  const size_t back = distance - 1;
  out->push_back(static_cast<char>(std::min(coded, kLongCopy) << 5 | back >> 8));
  if (coded >= kLongCopy) out->push_back(static_cast<char>(coded - kLongCopy));
  out->push_back(static_cast<char>(back & 0xff));
}

}  // namespace

bool lzf_compress(std::string_view in, size_t limit, std::string* out) {
  const size_t start = out->size();
  SeenTable seen(in);
  size_t literals = 0;  // where those that wait begin
  size_t at = 0;
  while (at + kMinCopy <= in.size()) {
    size_t distance = 0;
    const size_t length = seen.find(at, &distance);
    if (length == 0) {
      seen.add(at++);
      continue;
    }
    put_literals(in.substr(literals, at - literals), out);
    put_copy(length, distance, out);
    for (const size_t end = at + length; at < end; ++at) seen.add(at);
    literals = at;
    if (out->size() - start > limit) break;
  }
  put_literals(in.substr(literals), out);
  if (out->size() - start <= limit) return true;
  out->resize(start);
  return false;
}

bool lzf_decompress(std::string_view block, uint64_t size, std::string* out) {
  if (size > block.size() * kLzfMaxExpansion) return false;
  const size_t start = out->size();
  out->reserve(start + size);
  const auto damaged = [&] {
    out->resize(start);
    return false;
  };
  for (size_t at = 0; at < block.size();) {
    const unsigned control = byte_at(block, at++);
    const uint64_t room = start + size - out->size();
    if (control < kMaxLiterals) {
      const size_t run = control + 1;
      if (run > block.size() - at || run > room) return damaged();
      out->append(block.substr(at, run));
      at += run;
      continue;
    }
    size_t length = (control >> 5) + 2;
    if (control >> 5 == kLongCopy) {
      if (at == block.size()) return damaged();
      length += byte_at(block, at++);
    }
    if (at == block.size()) return damaged();
    const size_t distance = (control & 31) << 8 | byte_at(block, at++);
    if (length > room || distance >= out->size() - start) return damaged();
    // Byte by byte: the copy may overlap what it writes.
    for (size_t i = 0; i < length; ++i) out->push_back((*out)[out->size() - 1 - distance]);
  }
  return out->size() - start == size || damaged();
}

}  // namespace holdfast
