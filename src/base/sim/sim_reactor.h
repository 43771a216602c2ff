// SimReactor: the reactor on virtual time. Nothing happens but the events in its queue; time jumps
// from one to the next. The same program, seed and inputs give the same events in the same order,
// which trace_hash() proves.
//
// SimNodeReactor is one node's share of a SimReactor: destroying it drops the node's timers, tasks
// and hooks, as the end of its process would. Each share has its own clock.
//
// Invariants:
//  - events run in the order of (time, order of being added);
//  - every event lies at least kMinStepNs after the one that added it, so a task that posts itself
//    for ever cannot stop time;
//  - hooks run after each turn; a turn is one event, and those that follow within the turn window.
//
// Faults: a node's wall clock may be stepped either way (SimClock::step_wall), its machine may
// appear to have slept (SimClock::sleep_through), which boot_ns() sees and mono_ns() does not, its
// boot clock may run fast or slow (SimClock::drift), and its process may stand still while its
// clocks go on (SimNodeReactor::pause_for; SimNet::pause for what it hears).
//
// Threads: one; post() too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/reactor.h"
#include "base/timer_queue.h"

namespace holdfast {

class SimClock final : public Clock {
 public:
  explicit SimClock(const int64_t& now_ns) : now_ns_(now_ns) {}
  int64_t mono_ns() override { return now_ns_; }
  int64_t boot_ns() override { return now_ns_ + asleep_ns_ + now_ns_ / 1'000'000 * drift_ppm_; }
  int64_t wall_us() override { return kEpochUs + now_ns_ / 1000 + wall_step_us_; }

  void step_wall(int64_t by_us) { wall_step_us_ += by_us; }
  void sleep_through(int64_t ns) { asleep_ns_ += ns; }
  // The boot clock runs fast by so many parts in a million. To be set before it is first read.
  void drift(int64_t ppm) { drift_ppm_ = ppm; }
  // What another clock of the same simulation runs on.
  const int64_t& shared_time() const { return now_ns_; }

 private:
  static constexpr int64_t kEpochUs = 1'767'225'600'000'000;  // 2026-01-01T00:00:00Z

  const int64_t& now_ns_;
  int64_t wall_step_us_ = 0;
  int64_t asleep_ns_ = 0;
  int64_t drift_ppm_ = 0;
};

class SimReactor final : public Reactor {
 public:
  static constexpr int64_t kMinStepNs = 1000;

  SimClock& clock() override { return clock_; }
  TimerId run_after(int64_t delay_ms, Task task) override;
  void cancel(TimerId timer) override { events_.cancel(timer); }
  void post(Task task) override { run_after_ns(0, std::move(task)); }
  void add_turn_end(Task hook) override { add_hook(std::move(hook)); }

  // Until stop(), or until no event is left.
  void run() override;
  void stop() override { stopping_ = true; }
  // All that happens in the next `ms` of virtual time; stop() ends it early.
  void run_for(int64_t ms);
  // Until `done` holds after an event (true), or for `limit_ms` (false).
  bool run_until(const std::function<bool()>& done, int64_t limit_ms);

  TimerId run_after_ns(int64_t delay_ns, Task task);
  TimerId next_timer_id() const { return events_.next_id(); }
  using HookId = uint64_t;
  HookId add_hook(Task hook);
  void remove_hook(HookId hook) { hooks_.erase(hook); }

  // Events within `ns` after the first of a turn belong to that turn. 0: one event, one turn.
  void set_turn_window(int64_t ns) { turn_window_ns_ = ns; }

  // Folds the present time and `what` into the hash. Each event folds itself in.
  void trace(std::string_view what);
  uint64_t trace_hash() const { return trace_hash_; }
  uint64_t turns() const { return turns_; }

  // Whose code runs now, as far as that is known; empty: the simulation's own.
  const std::string& running() const { return running_; }
  void set_running(const std::string& who) { running_ = who; }

 private:
  void turn();
  void run_hooks();
  void fold(uint64_t word);

  int64_t now_ns_ = kMinStepNs;  // not 0: code may use 0 for "never"
  SimClock clock_{now_ns_};
  TimerQueue events_;
  std::map<HookId, std::shared_ptr<Task>> hooks_;
  HookId next_hook_ = 1;
  int64_t turn_window_ns_ = 0;
  bool stopping_ = false;
  uint64_t turns_ = 0;
  uint64_t trace_hash_ = 0x243f6a8885a308d3;
  std::string running_;
};

class SimNodeReactor final : public Reactor {
 public:
  // `name`: of the node, for SimReactor::running().
  explicit SimNodeReactor(SimReactor& shared, std::string name = {});
  ~SimNodeReactor() override;
  SimNodeReactor(const SimNodeReactor&) = delete;
  SimNodeReactor& operator=(const SimNodeReactor&) = delete;

  SimClock& clock() override { return clock_; }
  TimerId run_after(int64_t delay_ms, Task task) override;
  void cancel(TimerId timer) override;
  void post(Task task) override { run_after(0, std::move(task)); }
  void add_turn_end(Task hook) override;
  // The nodes of a simulation are run together, by the SimReactor.
  void run() override;
  void stop() override { stopped_ = true; }
  bool stopped() const { return stopped_; }
  // Nothing of the node runs for so long; what falls due meanwhile runs then, in its order.
  void pause_for(int64_t ns);
  bool paused() const { return clock_.shared_time() < paused_until_ns_; }

 private:
  void run_task(TimerId id, const Task& task);

  SimReactor& shared_;
  const std::string name_;
  SimClock clock_;
  std::map<TimerId, TimerId> timers_;  // as the node knows it -> the event that stands for it now
  int64_t paused_until_ns_ = 0;
  std::set<SimReactor::HookId> hooks_;
  bool stopped_ = false;
};

}  // namespace holdfast
