// See escape.h.
#include "base/escape.h"

#include <fmt/format.h>

#include <cstddef>

namespace holdfast {
namespace {

// Length of the valid UTF-8 sequence at the start of `text`, or 0 (RFC 3629: no overlong forms, no
// surrogates, nothing above U+10FFFF).
size_t utf8_length(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;
  if (lead == 0xed && byte(1) > 0x9f) return 0;
  if (lead == 0xf0 && byte(1) < 0x90) return 0;
  if (lead == 0xf4 && byte(1) > 0x8f) return 0;
  return length;
}

// Escapes that text and JSON share; false when `c` needs none.
bool append_escape(std::string& out, char c, std::string_view control_format) {
  switch (c) {
    case '"':
      out += "\\\"";
      return true;
    case '\\':
      out += "\\\\";
      return true;
    case '\n':
      out += "\\n";
      return true;
    case '\r':
      out += "\\r";
      return true;
    case '\t':
      out += "\\t";
      return true;
    default:
      break;
  }
  const auto code = static_cast<unsigned char>(c);
  if (code >= 0x20 && code != 0x7f) return false;
  out += fmt::format(fmt::runtime(control_format), code);
  return true;
}

}  // namespace

void append_escaped(std::string& out, std::string_view text, bool json) {
  while (!text.empty()) {
    if (append_escape(out, text[0], json ? "\\u{:04x}" : "\\x{:02x}")) {
      text.remove_prefix(1);
      continue;
    }
    const size_t length = utf8_length(text);
    if (length == 0) {
      const auto code = static_cast<unsigned char>(text[0]);
      out += json ? "\\ufffd" : fmt::format("\\x{:02x}", code);
      text.remove_prefix(1);
      continue;
    }
    out += text.substr(0, length);
    text.remove_prefix(length);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text, true);
  out += '"';
}

}  // namespace holdfast
