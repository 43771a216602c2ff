// ManualReactor: a reactor that does nothing by itself. For tests of code that posts from threads
// of its own: real time, and the test decides when posted tasks run, on its own thread. Timers
// never fire.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/assert.h"
#include "base/reactor.h"

namespace holdfast {

class ManualReactor final : public Reactor {
 public:
  Clock& clock() override { return clock_; }
  TimerId run_after(int64_t, Task) override { return 0; }  // never due
  void cancel(TimerId) override {}
  void add_turn_end(Task) override { HF_ASSERT(false); }
  void run() override { HF_ASSERT(false); }
  void stop() override {}

  void post(Task task) override {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
    wake_.notify_one();
  }

  size_t posted() {
    std::lock_guard lock(mutex_);
    return posted_.size();
  }

  // Runs what was posted before the call; gives how many tasks that were.
  size_t run_posted() {
    std::vector<Task> tasks;
    {
      std::lock_guard lock(mutex_);
      tasks.swap(posted_);
    }
    for (Task& task : tasks) task();
    return tasks.size();
  }

  // Runs posted tasks until `done()`; false when it is not after 20 s.
  template <typename Predicate>
  bool wait_for(Predicate done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      std::unique_lock lock(mutex_);
      if (!wake_.wait_until(lock, deadline, [this] { return !posted_.empty(); })) return false;
      lock.unlock();
      run_posted();
    }
    return true;
  }

 private:
  RealClock clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Task> posted_;
};

}  // namespace holdfast
