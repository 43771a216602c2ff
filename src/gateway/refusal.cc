// See refusal.h.
#include "gateway/refusal.h"

#include <charconv>

namespace holdfast {
namespace {

std::string_view take_word(std::string_view* line) {
  const size_t end = line->find(' ');
  const std::string_view word = line->substr(0, end);
  line->remove_prefix(end == std::string_view::npos ? line->size() : end + 1);
  return word;
}

}  // namespace

NodeRefusal classify_refusal(std::string_view line) {
  if (!line.empty() && line[0] == '-') line.remove_prefix(1);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  NodeRefusal refusal;
  const std::string_view code = take_word(&line);
  if (code == "MOVED" || code == "ASK") {
    const std::string_view slot = take_word(&line);
    uint32_t number = kSlotCount;
    std::from_chars(slot.data(), slot.data() + slot.size(), number);
    if (number >= kSlotCount) return refusal;
    refusal.kind = code == "MOVED" ? RefusalKind::kMoved : RefusalKind::kAsk;
    refusal.slot = static_cast<SlotId>(number);
    const std::string_view address = take_word(&line);
    const size_t colon = address.rfind(':');
    const bool whole =
        colon != std::string_view::npos && colon > 0 && address.substr(colon) != ":0";
    if (whole) refusal.address = address;
  } else if (code == "TRYAGAIN" || code == "CLUSTERDOWN" || code == "NOREPLICAS" ||
             code == "LOADING" || code == "READONLY" || code == "MASTERDOWN" ||
             (code == "UNBLOCKED" &&
              line.starts_with("force"))) {  // it waited, and nothing happened
    refusal.kind = RefusalKind::kLater;
  }
  return refusal;
}

bool refused_this_time(std::string_view line) {
  const std::string_view code = take_word(&line);
  return code == "OOM" || code == "MISCONF" || code == "NOPERM" || code == "NOAUTH" ||
         code == "EXECABORT";
}

}  // namespace holdfast
