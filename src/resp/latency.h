// LatencyMonitor: spikes by event, as LATENCY LATEST and HISTORY show them ("command",
// "fast-command", "expire-cycle"). Only events at or over latency.threshold_ms are kept.
// Bounds: 160 samples an event (as in Redis); one sample a second keeps the worst.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

namespace holdfast {

struct LatencySample {
  int64_t wall_seconds;
  int64_t milliseconds;
};

class LatencyMonitor {
 public:
  void record(std::string_view event, int64_t wall_seconds, int64_t milliseconds,
              int64_t threshold_ms);
  // Removes one event's samples, or all; returns how many events went.
  size_t reset(std::string_view event);
  size_t reset_all();

  struct Event {
    std::deque<LatencySample> samples;  // oldest first
    int64_t max_ms = 0;
  };
  const std::map<std::string, Event, std::less<>>& events() const { return events_; }

 private:
  static constexpr size_t kMaxSamples = 160;
  std::map<std::string, Event, std::less<>> events_;
};

}  // namespace holdfast
