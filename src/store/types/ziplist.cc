// See ziplist.h.
#include "store/types/ziplist.h"

#include "base/codec.h"
#include "store/types/listpack.h"

namespace holdfast {
namespace {

constexpr uint8_t kEnd = 0xff, kLongPrevious = 0xfe;
constexpr uint8_t kString32 = 0x80;
constexpr uint8_t kInt16 = 0xc0, kInt32 = 0xd0, kInt64 = 0xe0, kInt24 = 0xf0, kInt8 = 0xfe;
constexpr size_t kHeaderBytes = 10;
constexpr uint16_t kCountUnknown = UINT16_MAX;

// The length of the element before this one, which must be `previous`.
bool skip_previous(Reader& in, size_t previous) {
  const auto first = in.fixed<uint8_t>();
  if (first == kEnd) return false;
  return (first < kLongPrevious ? first : in.fixed<uint32_t>()) == previous && in.ok();
}

bool take_string(Reader& in, uint8_t first, Listpack* out) {
  uint64_t size = first & 0x3f;
  if ((first & 0xc0) == 0x40) size = size << 8 | in.fixed<uint8_t>();
  if ((first & 0xc0) == kString32) size = __builtin_bswap32(in.fixed<uint32_t>());
  const std::string_view text = in.bytes(size);
  if (in.ok()) out->append(text);
  return in.ok();
}

bool take_integer(Reader& in, uint8_t first, Listpack* out) {
  int64_t value;
  switch (first) {
    case kInt16:
      value = in.fixed<int16_t>();
      break;
    case kInt32:
      value = in.fixed<int32_t>();
      break;
    case kInt64:
      value = in.fixed<int64_t>();
      break;
    case kInt8:
      value = int64_t{in.fixed<int8_t>()};  // NOLINT(bugprone-signed-char-misuse)
      break;
    case kInt24: {
      const uint32_t low = in.fixed<uint16_t>();
      const uint32_t high = in.fixed<uint8_t>();
      value = static_cast<int32_t>((low | high << 16) << 8) >> 8;
      break;
    }
    default:
      if (first <= 0xf0 || first > 0xfd) return false;
      value = (first & 0x0f) - 1;
  }
  if (in.ok()) out->append_integer(value);
  return in.ok();
}

bool convert(std::string_view bytes, Listpack* out) {
  if (bytes.size() < kHeaderBytes + 1 || bytes.size() > Listpack::kMaxBytes / 2) return false;
  if (static_cast<uint8_t>(bytes.back()) != kEnd) return false;
  Reader header(bytes);
  const auto total = header.fixed<uint32_t>();
  const auto tail = header.fixed<uint32_t>();
  const auto told = header.fixed<uint16_t>();
  if (total != bytes.size()) return false;
  const std::string_view elements = bytes.substr(kHeaderBytes, bytes.size() - kHeaderBytes - 1);
  Reader in(elements);
  size_t previous = 0;
  size_t last = kHeaderBytes;
  uint32_t count = 0;
  for (; !in.at_end(); ++count) {
    const size_t left = in.left();
    last = kHeaderBytes + elements.size() - left;
    if (!skip_previous(in, previous)) return false;
    const auto first = in.fixed<uint8_t>();
    if (!in.ok()) return false;
    const bool ok = first < kInt16 ? take_string(in, first, out) : take_integer(in, first, out);
    if (!ok) return false;
    previous = left - in.left();
  }
  return last == tail && (told == kCountUnknown || told == count);
}

}  // namespace

char* listpack_of_ziplist(std::string_view bytes) {
  Listpack pack(Listpack::create(bytes.size()));
  if (convert(bytes, &pack)) return pack.block();
  Listpack::destroy(pack.block());
  return nullptr;
}

}  // namespace holdfast
