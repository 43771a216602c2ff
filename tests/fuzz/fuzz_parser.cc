// libFuzzer target: the RESP request parser. Each input is parsed whole and then again split at
// every byte (from the start to a point, then the rest): both must give the same commands and the
// same error.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "resp/parser.h"

namespace {

using holdfast::ParserLimits;
using holdfast::RequestParser;

// Commands as text, then the error if there was one.
std::string parse_in_pieces(std::string_view input, size_t split, const ParserLimits& limits) {
  RequestParser parser;
  std::string seen;
  size_t offset = 0;
  for (const size_t end : {split, input.size()}) {
    while (true) {
      std::vector<std::string_view> args;
      const auto outcome = parser.parse(input.substr(0, end), &offset, &args, limits);
      if (outcome == RequestParser::Outcome::kError) return seen + "!" + parser.error();
      if (outcome == RequestParser::Outcome::kIncomplete) break;
      for (const std::string_view arg : args) {
        seen.append(std::to_string(arg.size())).append(":").append(arg).append(" ");
      }
      seen.push_back('\n');
      parser.forget_inline();
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  ParserLimits limits;
  limits.authenticated = (data[0] & 1) != 0;
  limits.max_bulk_bytes = 1 << 20;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = parse_in_pieces(input, input.size(), limits);
  const size_t step = input.size() > 512 ? input.size() / 512 : 1;
  for (size_t split = 0; split < input.size(); split += step) {
    if (parse_in_pieces(input, split, limits) != whole) std::abort();
  }
  return 0;
}
