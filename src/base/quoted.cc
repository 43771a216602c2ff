// See quoted.h.
#include "base/quoted.h"

#include <cstdio>

namespace holdfast {

void append_quoted(std::string_view arg, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (const char c : arg) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '\\':
      case '"':
        out->append({'\\', c});
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\a':
        out->append("\\a");
        break;
      case '\b':
        out->append("\\b");
        break;
      default:
        if (byte >= 0x20 && byte < 0x7f) {
          out->push_back(c);
        } else {
          out->append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
        }
    }
  }
  out->push_back('"');
}

std::string quoted(std::string_view bytes, size_t most) {
  std::string out;
  append_quoted(bytes.substr(0, most), &out);
  if (bytes.size() > most) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

std::string hex16(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace holdfast
