// See libevent_reactor.h.
#include "base/libevent_reactor.h"

#include <event2/event.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int64_t kLongTurnNs = 1'000'000;  // of another thread
constexpr int64_t kNoPollNs = 100'000'000;

event_base* make_base() {
  event_config* config = event_config_new();
  HF_ASSERT(config != nullptr);
  const int flags =
      EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME | EVENT_BASE_FLAG_IGNORE_ENV;
  event_config_set_flag(config, flags);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  HF_ASSERT(base != nullptr);
  return base;
}

// An eventfd or timerfd is readable until its counter is taken.
void drain(int fd) {
  uint64_t counter = 0;
  const ssize_t got = ::read(fd, &counter, sizeof counter);
  HF_ASSERT(got == sizeof counter || (got < 0 && (errno == EAGAIN || errno == EINTR)));
}

}  // namespace

struct LibeventReactor::Signal {
  ~Signal() {
    const int fd = event_get_fd(watcher);
    event_free(watcher);
    ::close(fd);
  }
  Task handler;
  event* watcher = nullptr;
};

LibeventReactor::LibeventReactor()
    : base_(make_base()),
      timer_fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  HF_ASSERT(timer_fd_ >= 0 && wake_fd_ >= 0);
  timer_event_ = watch(
      timer_fd_, [](int, short, void* self) { static_cast<LibeventReactor*>(self)->run_timers(); });
  wake_event_ = watch(wake_fd_, [](int, short, void* self) {
    static_cast<LibeventReactor*>(self)->run_remote_tasks();
  });
}

LibeventReactor::~LibeventReactor() {
  signals_.clear();
  event_free(timer_event_);
  event_free(wake_event_);
  event_base_free(base_);
  ::close(timer_fd_);
  ::close(wake_fd_);
}

event* LibeventReactor::watch(int fd, void (*callback)(int, short, void*)) {
  event* made = event_new(base_, fd, EV_READ | EV_PERSIST, callback, this);
  HF_ASSERT(made != nullptr && event_add(made, nullptr) == 0);
  return made;
}

TimerId LibeventReactor::run_after(int64_t delay_ms, Task task) {
  return timers_.add(timer_due_ns(clock_.mono_ns(), delay_ms), std::move(task));
}

void LibeventReactor::post(Task task) {
  // The own thread needs neither the lock nor the wake-up: its turn looks at own_tasks_.
  if (std::this_thread::get_id() == thread_.load(std::memory_order_relaxed)) {
    own_tasks_.push_back(std::move(task));
    return;
  }
  bool wake = false;
  {
    std::lock_guard lock(remote_mutex_);
    wake = remote_tasks_.empty();
    remote_tasks_.push_back(std::move(task));
  }
  if (!wake) return;
  const uint64_t one = 1;
  ssize_t wrote = 0;
  do {
    wrote = ::write(wake_fd_, &one, sizeof one);
  } while (wrote < 0 && errno == EINTR);
  HF_ASSERT(wrote == sizeof one);
}

// The signal stays blocked, in threads that are begun from now on too: one that comes after this
// reactor's last turn is for the next reactor, not for nobody.
void LibeventReactor::add_signal(int signo, Task handler) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signo);
  HF_ASSERT(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  HF_ASSERT(fd >= 0);
  auto signal = std::make_unique<Signal>();
  signal->handler = std::move(handler);
  signal->watcher = event_new(
      base_, fd, EV_READ | EV_PERSIST,
      [](int from, short, void* self) {
        signalfd_siginfo info;
        if (::read(from, &info, sizeof info) != sizeof info) return;
        static_cast<Signal*>(self)->handler();
      },
      signal.get());
  HF_ASSERT(signal->watcher != nullptr && event_add(signal->watcher, nullptr) == 0);
  signals_.push_back(std::move(signal));
}

void LibeventReactor::run() {
  while (!stopping_) run_turn();
  stopping_ = false;
}

void LibeventReactor::run_turn() {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  std::vector<Task> tasks = std::exchange(own_tasks_, {});
  arm_timer();
  if (tasks.empty()) {
    wait_for_events();
  } else {
    HF_ASSERT(event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    worked_ = true;
  }
  for (Task& task : tasks) task();
  for (size_t i = 0; i < turn_end_.size(); ++i) turn_end_[i]();
}

void LibeventReactor::set_poll(int64_t microseconds) {
  poll_ns_ = std::thread::hardware_concurrency() > 1 ? microseconds * 1000 : 0;
}

void LibeventReactor::wait_for_events() {
  const bool worked = std::exchange(worked_, false);
  if (worked && poll_ns_ > 0 && look_for_events()) return;
  HF_ASSERT(event_base_loop(base_, EVLOOP_ONCE) >= 0);
}

// For poll_ns_; true when there were any. Another thread that wants the processor gets it: nothing
// is lost by that, unless it keeps it for long. Then it is better to sleep, as who is woken goes
// before such a thread.
bool LibeventReactor::look_for_events() {
  const int64_t start_ns = clock_.mono_ns();
  if (start_ns < no_poll_before_ns_) return false;
  int64_t now_ns = start_ns;
  do {
    HF_ASSERT(event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    if (worked_) return true;
    sched_yield();
    const int64_t before_ns = std::exchange(now_ns, clock_.mono_ns());
    if (now_ns - before_ns > kLongTurnNs) no_poll_before_ns_ = now_ns + kNoPollNs;
  } while (now_ns - start_ns < poll_ns_);
  return false;
}

// Sets timer_fd_ when the earliest timer is another one than it is set to. A cancelled timer may
// leave it set: the wake-up then finds nothing due.
void LibeventReactor::arm_timer() {
  const int64_t due_ns = timers_.next_due();
  if (due_ns == armed_ns_ || due_ns == TimerQueue::kNever) return;
  itimerspec when{};
  when.it_value.tv_sec = due_ns / kNsPerSecond;
  when.it_value.tv_nsec = due_ns % kNsPerSecond;
  HF_ASSERT(timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  armed_ns_ = due_ns;
}

void LibeventReactor::run_timers() {
  note_event();
  drain(timer_fd_);
  armed_ns_ = TimerQueue::kNever;
  const int64_t now_ns = clock_.mono_ns();
  const TimerId limit = timers_.next_id();
  while (auto task = timers_.take_due(now_ns, limit)) (*task)();
}

void LibeventReactor::run_remote_tasks() {
  note_event();
  drain(wake_fd_);
  std::vector<Task> tasks;
  {
    std::lock_guard lock(remote_mutex_);
    tasks.swap(remote_tasks_);
  }
  for (Task& task : tasks) task();
}

}  // namespace holdfast
