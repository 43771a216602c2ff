// See sim_reactor.h.
#include "base/sim/sim_reactor.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace holdfast {

TimerId SimReactor::run_after(int64_t delay_ms, Task task) {
  return run_after_ns(timer_due_ns(now_ns_, delay_ms) - now_ns_, std::move(task));
}

TimerId SimReactor::run_after_ns(int64_t delay_ns, Task task) {
  return events_.add(now_ns_ + std::max(delay_ns, kMinStepNs), std::move(task));
}

SimReactor::HookId SimReactor::add_hook(Task hook) {
  hooks_.emplace(next_hook_, std::make_shared<Task>(std::move(hook)));
  return next_hook_++;
}

void SimReactor::run() {
  while (!stopping_ && !events_.empty()) turn();
  stopping_ = false;
}

void SimReactor::run_for(int64_t ms) {
  const int64_t end_ns = timer_due_ns(now_ns_, ms);
  while (!stopping_ && events_.next_due() <= end_ns) turn();
  if (!std::exchange(stopping_, false)) now_ns_ = std::max(now_ns_, end_ns);
}

bool SimReactor::run_until(const std::function<bool()>& done, int64_t limit_ms) {
  const int64_t end_ns = timer_due_ns(now_ns_, limit_ms);
  while (!done()) {
    if (stopping_ || events_.next_due() > end_ns) {
      if (!std::exchange(stopping_, false)) now_ns_ = std::max(now_ns_, end_ns);
      return false;
    }
    turn();
  }
  return true;
}

void SimReactor::turn() {
  const int64_t last_ns = events_.next_due() + turn_window_ns_;
  while (events_.next_due() <= last_ns) {
    now_ns_ = std::max(now_ns_, events_.next_due());
    // Without a limit: kMinStepNs keeps what is added now out of this instant.
    auto task = events_.take_due(now_ns_, events_.next_id());
    HF_ASSERT(task.has_value());
    running_.clear();
    trace("event");
    (*task)();
    if (turn_window_ns_ == 0) break;
  }
  ++turns_;
  run_hooks();
}

// A hook may add and remove hooks, itself included.
void SimReactor::run_hooks() {
  HookId last = 0;
  for (auto next = hooks_.begin(); next != hooks_.end(); next = hooks_.upper_bound(last)) {
    last = next->first;
    const auto hook = next->second;
    (*hook)();
  }
}

// One round in the manner of MurmurHash3's finalizer: cheap, and every bit reaches every other.
void SimReactor::fold(uint64_t word) {
  uint64_t x = std::rotl(trace_hash_, 23) ^ (word * 0x9e3779b97f4a7c15);
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccd;
  trace_hash_ = x ^ (x >> 29);
}

void SimReactor::trace(std::string_view what) {
  fold(static_cast<uint64_t>(now_ns_));
  fold(what.size());
  for (; !what.empty(); what.remove_prefix(std::min(what.size(), sizeof(uint64_t)))) {
    uint64_t word = 0;
    std::memcpy(&word, what.data(), std::min(what.size(), sizeof word));
    fold(word);
  }
}

SimNodeReactor::SimNodeReactor(SimReactor& shared, std::string name)
    : shared_(shared), name_(std::move(name)), clock_(shared.clock().shared_time()) {}

SimNodeReactor::~SimNodeReactor() {
  for (const auto hook : hooks_) shared_.remove_hook(hook);
  // A destroyed task may cancel another of the node's timers.
  while (!timers_.empty()) cancel(timers_.begin()->first);
}

TimerId SimNodeReactor::run_after(int64_t delay_ms, Task task) {
  const TimerId id = shared_.next_timer_id();
  timers_.emplace(id, id);
  shared_.run_after(delay_ms, [this, id, run = std::move(task)] { run_task(id, run); });
  return id;
}

void SimNodeReactor::run_task(TimerId id, const Task& task) {
  if (paused()) {
    timers_[id] = shared_.next_timer_id();
    shared_.run_after_ns(paused_until_ns_ - clock_.mono_ns(),
                         [this, id, task] { run_task(id, task); });
    return;
  }
  timers_.erase(id);
  shared_.set_running(name_);
  task();
}

void SimNodeReactor::cancel(TimerId timer) {
  const auto found = timers_.find(timer);
  if (found == timers_.end()) return;
  const TimerId event = found->second;
  timers_.erase(found);
  shared_.cancel(event);
}

void SimNodeReactor::pause_for(int64_t ns) {
  paused_until_ns_ = std::max(paused_until_ns_, clock_.mono_ns() + ns);
}

void SimNodeReactor::add_turn_end(Task hook) {
  hooks_.insert(shared_.add_hook([this, run = std::move(hook)] {
    if (paused()) return;
    shared_.set_running(name_);
    run();
  }));
}

void SimNodeReactor::run() {
  assert_failed("a node's share of a simulation is not run by itself", __FILE__, __LINE__);
}

}  // namespace holdfast
