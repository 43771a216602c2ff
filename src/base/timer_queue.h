// TimerQueue: tasks by due time; those due at the same instant in the order they were added. Both
// reactors keep their timers here, so that timers behave alike in both.
//
// Invariant: by_time_ and due_of_ hold the same timers. Ids grow and are never reused.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/reactor.h"

namespace holdfast {

class TimerQueue {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  TimerId add(int64_t due_ns, Task task) {
    const TimerId id = next_id_++;
    by_time_.emplace(std::pair(due_ns, id), std::move(task));
    due_of_.emplace(id, due_ns);
    return id;
  }

  // A timer that is not there is ignored.
  void cancel(TimerId id) {
    const auto found = due_of_.find(id);
    if (found == due_of_.end()) return;
    // The task dies last: its destructor may call back into this queue.
    auto timer = by_time_.extract(std::pair(found->second, id));
    due_of_.erase(found);
  }

  bool empty() const { return by_time_.empty(); }
  int64_t next_due() const { return empty() ? kNever : by_time_.begin()->first.first; }
  // Every timer added from now on has an id of at least this.
  TimerId next_id() const { return next_id_; }

  // Takes out the first task that is due at `now_ns` and has an id below `limit`.
  std::optional<Task> take_due(int64_t now_ns, TimerId limit) {
    if (empty()) return std::nullopt;
    const auto first = by_time_.begin();
    const auto [due_ns, id] = first->first;
    if (due_ns > now_ns || id >= limit) return std::nullopt;
    Task task = std::move(first->second);
    by_time_.erase(first);
    due_of_.erase(id);
    return task;
  }

 private:
  std::map<std::pair<int64_t, TimerId>, Task> by_time_;
  std::unordered_map<TimerId, int64_t> due_of_;
  TimerId next_id_ = 1;
};

// When a timer set at `now_ns` is due. Clamps: negative delays are none, endless ones stay endless.
inline int64_t timer_due_ns(int64_t now_ns, int64_t delay_ms) {
  constexpr int64_t kNsPerMs = 1'000'000;
  constexpr int64_t kLongestMs = TimerQueue::kNever / 4 / kNsPerMs;
  if (delay_ms <= 0) return now_ns;
  return now_ns + (delay_ms < kLongestMs ? delay_ms : kLongestMs) * kNsPerMs;
}

}  // namespace holdfast
