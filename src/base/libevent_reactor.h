// LibeventReactor: the reactor of a running server, on one libevent base (epoll).
//
// A turn is one pass of the base plus the turn-end hooks. Two descriptors of our own wake it:
// a timerfd set to the earliest timer (libevent's timers read a coarse clock, which can fire a few
// milliseconds early, and do not keep the order of equal times) and an eventfd for tasks from other
// threads. The base itself is touched by one thread only and therefore runs without locks.
//
// Invariants:
//  - a task or timer added during a turn runs in a later one, so a turn always ends;
//  - a task that was never run is destroyed with the reactor, not run.
//
// Threads: post() any; everything else the one thread that calls run().
// The reactor outlives every Conn and Listener made on it.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/reactor.h"
#include "base/timer_queue.h"

struct event;
struct event_base;

namespace holdfast {

class LibeventReactor final : public Reactor {
 public:
  LibeventReactor();
  ~LibeventReactor() override;
  LibeventReactor(const LibeventReactor&) = delete;
  LibeventReactor& operator=(const LibeventReactor&) = delete;

  Clock& clock() override { return clock_; }
  TimerId run_after(int64_t delay_ms, Task task) override;
  void cancel(TimerId timer) override { timers_.cancel(timer); }
  void post(Task task) override;
  void add_turn_end(Task hook) override { turn_end_.push_back(std::move(hook)); }
  void run() override;
  // Called before run(): run() then returns at once.
  void stop() override { stopping_ = true; }
  // One turn, which waits until there is something to do.
  void run_turn();

  // Runs `handler` in the loop (not in the signal's context) each time `signo` arrives. REQUIRES:
  // all other threads that run already block it.
  void add_signal(int signo, Task handler);

  event_base* base() { return base_; }

  // After a turn with work, looks for more for so long before it sleeps: the next request of a busy
  // client is near, and to be woken for it costs more than to wait. 0, or a single processor: off.
  void set_poll(int64_t microseconds);
  // A watcher on base() calls this first when its event arrives.
  void note_event() { worked_ = true; }

 private:
  struct Signal;

  event* watch(int fd, void (*callback)(int, short, void*));
  void arm_timer();
  void wait_for_events();
  bool look_for_events();
  void run_timers();
  void run_remote_tasks();

  RealClock clock_;
  event_base* base_;
  int timer_fd_;
  int wake_fd_;
  event* timer_event_;
  event* wake_event_;
  std::vector<std::unique_ptr<Signal>> signals_;

  TimerQueue timers_;
  int64_t armed_ns_ = TimerQueue::kNever;  // what timer_fd_ is set to
  std::vector<Task> own_tasks_;            // posted by the reactor's thread
  std::deque<Task> turn_end_;              // a deque: hooks may add hooks while they run
  bool stopping_ = false;
  int64_t poll_ns_ = 0;
  int64_t no_poll_before_ns_ = 0;
  bool worked_ = false;  // since the last wait: an event or a task

  std::atomic<std::thread::id> thread_;  // that runs turns
  std::mutex remote_mutex_;
  std::vector<Task> remote_tasks_;  // posted by other threads; under remote_mutex_
};

}  // namespace holdfast
