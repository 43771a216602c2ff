// See ziplist.h.
#include "store/types/ziplist.h"

#include "base/codec.h"
#include "store/object.h"

namespace holdfast {
namespace {

constexpr uint8_t kEnd = 0xff;
constexpr uint8_t kLongLength = 254;
constexpr uint16_t kCountUnknown = UINT16_MAX;

bool read_integer(Reader& in, uint8_t first, int64_t* value) {
  switch (first) {
    case 0xc0:
      *value = in.fixed<int16_t>();
      return true;
    case 0xd0:
      *value = in.fixed<int32_t>();
      return true;
    case 0xe0:
      *value = in.fixed<int64_t>();
      return true;
    case 0xf0: {
      const uint32_t low = in.fixed<uint16_t>();
      *value = static_cast<int64_t>(in.fixed<int8_t>()) * (1 << 16) + low;
      return true;
    }
    case 0xfe:
      *value = int64_t{in.fixed<int8_t>()};  // NOLINT(bugprone-signed-char-misuse)
      return true;
    default:
      *value = (first & 0xf) - 1;
      return first >= 0xf1 && first <= 0xfd;
  }
}

bool read_element(Reader& in, std::string* element) {
  const auto first = in.fixed<uint8_t>();
  if (first >= 0xc0) {
    int64_t value;
    IntScratch scratch;
    if (!read_integer(in, first, &value)) return false;
    element->assign(format_int64(value, scratch.bytes));
    return in.ok();
  }
  uint64_t length = first & 0x3f;
  if ((first & 0xc0) == 0x40) {
    length = length << 8 | in.fixed<uint8_t>();
  } else if (first >= 0x80) {
    if (first != 0x80) return false;
    length = __builtin_bswap32(in.fixed<uint32_t>());
  }
  element->assign(in.bytes(length));
  return in.ok();
}

}  // namespace

bool read_ziplist(std::string_view bytes, std::vector<std::string>* elements) {
  Reader in(bytes);
  const auto total = in.fixed<uint32_t>();
  in.fixed<uint32_t>();
  const auto count = in.fixed<uint16_t>();
  if (!in.ok() || total != bytes.size()) return false;
  while (true) {
    const auto before = in.fixed<uint8_t>();
    if (!in.ok()) return false;
    if (before == kEnd) break;
    if (before == kLongLength) in.fixed<uint32_t>();
    elements->emplace_back();
    if (!read_element(in, &elements->back())) return false;
  }
  return in.at_end() && (count == kCountUnknown || count == elements->size());
}

}  // namespace holdfast
