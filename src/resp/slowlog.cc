// See slowlog.h.
#include "resp/slowlog.h"

#include <algorithm>

#include "resp/redact.h"

namespace holdfast {

void SlowLog::record(std::span<const std::string_view> args, int64_t wall_seconds,
                     int64_t microseconds, int64_t threshold_us, uint64_t max_len,
                     std::string_view address, std::string_view name) {
  if (threshold_us < 0 || microseconds < threshold_us || max_len == 0) return;
  SlowLogEntry entry{next_id_++, wall_seconds,         microseconds,
                     {},         std::string(address), std::string(name)};
  const std::vector<std::string_view> shown = redact(args);
  for (size_t i = 0; i < std::min(shown.size(), kMaxArgs); ++i) {
    if (i == kMaxArgs - 1 && shown.size() > kMaxArgs) {
      entry.args.push_back("... (" + std::to_string(shown.size() - kMaxArgs + 1) +
                           " more arguments)");
    } else if (shown[i].size() > kMaxArgBytes) {
      entry.args.push_back(std::string(shown[i].substr(0, kMaxArgBytes)) + "... (" +
                           std::to_string(shown[i].size() - kMaxArgBytes) + " more bytes)");
    } else {
      entry.args.emplace_back(shown[i]);
    }
  }
  entries_.push_front(std::move(entry));
  trim(max_len);
}

void SlowLog::trim(uint64_t max_len) {
  while (entries_.size() > max_len) entries_.pop_back();
}

}  // namespace holdfast
