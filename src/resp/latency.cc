// See latency.h.
#include "resp/latency.h"

#include <algorithm>

namespace holdfast {

void LatencyMonitor::record(std::string_view event, int64_t wall_seconds, int64_t milliseconds,
                            int64_t threshold_ms) {
  if (threshold_ms <= 0 || milliseconds < threshold_ms) return;
  Event& e = events_[std::string(event)];
  e.max_ms = std::max(e.max_ms, milliseconds);
  if (!e.samples.empty() && e.samples.back().wall_seconds == wall_seconds) {
    e.samples.back().milliseconds = std::max(e.samples.back().milliseconds, milliseconds);
    return;
  }
  e.samples.push_back({wall_seconds, milliseconds});
  if (e.samples.size() > kMaxSamples) e.samples.pop_front();
}

size_t LatencyMonitor::reset(std::string_view event) {
  const auto found = events_.find(event);
  if (found == events_.end()) return 0;
  events_.erase(found);
  return 1;
}

size_t LatencyMonitor::reset_all() {
  const size_t count = events_.size();
  events_.clear();
  return count;
}

}  // namespace holdfast
