// SlowLog: the last commands that took longer than a threshold, newest first (SLOWLOG).
// Passwords are left out. Bounds: slowlog.max_len entries; 32 arguments of 128 bytes are kept of
// each, as in Redis.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

struct SlowLogEntry {
  uint64_t id;
  int64_t wall_seconds;
  int64_t microseconds;
  std::vector<std::string> args;
  std::string client_address;
  std::string client_name;
};

class SlowLog {
 public:
  // `threshold_us` < 0: nothing is logged.
  void record(std::span<const std::string_view> args, int64_t wall_seconds, int64_t microseconds,
              int64_t threshold_us, uint64_t max_len, std::string_view address,
              std::string_view name);
  void trim(uint64_t max_len);
  void clear() { entries_.clear(); }
  const std::deque<SlowLogEntry>& entries() const { return entries_; }

 private:
  static constexpr size_t kMaxArgs = 32;
  static constexpr size_t kMaxArgBytes = 128;

  std::deque<SlowLogEntry> entries_;  // newest first
  uint64_t next_id_ = 0;
};

}  // namespace holdfast
