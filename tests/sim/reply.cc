// See reply.h.
#include "tests/sim/reply.h"

#include <cstdlib>

#include "base/assert.h"

namespace holdfast {

size_t parse_reply(std::string_view bytes, Reply* reply) {
  const size_t line = bytes.find("\r\n");
  if (line == std::string_view::npos) return 0;
  *reply = {};
  reply->type = bytes[0];
  reply->text = bytes.substr(1, line - 1);
  if (reply->type == '+' || reply->type == '-') return line + 2;
  reply->number = std::atoll(reply->text.c_str());
  size_t at = line + 2;
  if (reply->type == ':') return at;
  HF_ASSERT(reply->type == '$' || reply->type == '*');
  reply->nil = reply->number < 0;
  if (reply->nil) return at;
  const auto count = static_cast<size_t>(reply->number);
  if (reply->type == '$') {
    if (bytes.size() < at + count + 2) return 0;
    reply->text = bytes.substr(at, count);
    return at + count + 2;
  }
  reply->elements.resize(count);
  for (Reply& element : reply->elements) {
    const size_t length = parse_reply(bytes.substr(at), &element);
    if (length == 0) return 0;
    at += length;
  }
  return at;
}

std::string request_bytes(const std::vector<std::string>& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

}  // namespace holdfast
