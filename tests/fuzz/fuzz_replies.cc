// libFuzzer target: the framer of replies. Each input is read whole and then again split at every
// byte: both must find the same ends and the same error. What the framer takes for a reply, the
// cursor must be able to walk through.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/merge.h"
#include "gateway/refusal.h"
#include "gateway/reply_framer.h"

namespace {

using holdfast::ReplyCursor;
using holdfast::ReplyElement;
using holdfast::ReplyFramer;

// Where replies end, then where reading stopped if there was an error.
std::string read_in_pieces(std::string_view input, size_t split) {
  ReplyFramer framer;
  std::string seen;
  size_t at = 0;
  for (const size_t end : {split, input.size()}) {
    while (at < end) {
      size_t used = 0;
      const auto outcome = framer.feed(input.substr(at, end - at), &used);
      if (outcome == ReplyFramer::Outcome::kError) return seen + "!";
      at += used;
      if (outcome == ReplyFramer::Outcome::kDone) seen.append(std::to_string(at)).append(" ");
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = read_in_pieces(input, input.size());
  const size_t step = input.size() > 512 ? input.size() / 512 : 1;
  for (size_t split = 0; split < input.size(); split += step) {
    if (read_in_pieces(input, split) != whole) std::abort();
  }
  ReplyCursor cursor(input);
  ReplyElement element;
  while (cursor.next(&element)) {
  }
  ReplyCursor again(input);
  while (!again.next_whole().empty()) {
  }
  holdfast::classify_refusal(input);
  holdfast::merge_scan(input, 1, 2);
  return 0;
}
