// See beacon.h.
#include "base/beacon.h"

#include <pthread.h>

#include <chrono>
#include <utility>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

int64_t read_ns(clockid_t clock) {
  timespec now{};
  HF_ASSERT(clock_gettime(clock, &now) == 0);
  return now.tv_sec * 1000 * kNsPerMs + now.tv_nsec;
}

}  // namespace

bool BusyWatch::look(int64_t now_ns, uint64_t turns, int64_t processor_ns) {
  const int64_t passed_ns = now_ns - std::exchange(seen_ns_, now_ns);
  const int64_t given_ns = processor_ns - std::exchange(processor_ns_, processor_ns);
  const bool same_turn = std::exchange(turns_, turns) == turns;
  if (!same_turn || given_ns * kLeastShare < passed_ns) {
    since_ns_ = 0;
    return false;
  }
  if (since_ns_ == 0) since_ns_ = now_ns - passed_ns;
  return now_ns - since_ns_ <= limit_ns_;
}

Beacon::Beacon(Reactor& reactor, int64_t limit_ms, std::function<void()> say)
    : say_(std::move(say)),
      turns_(std::make_shared<std::atomic<uint64_t>>(0)),
      watch_(limit_ms * kNsPerMs) {
  HF_ASSERT(pthread_getcpuclockid(pthread_self(), &processor_time_) == 0);
  reactor.add_turn_end([turns = turns_] { turns->fetch_add(1, std::memory_order_relaxed); });
  thread_ = std::thread([this] { run(); });
}

Beacon::~Beacon() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Beacon::run() {
  pthread_setname_np(pthread_self(), "beacon");
  RealClock clock;
  std::unique_lock lock(mutex_);
  while (
      !wake_.wait_for(lock, std::chrono::milliseconds(kPeriodMs), [this] { return stopping_; })) {
    const uint64_t turns = turns_->load(std::memory_order_relaxed);
    if (watch_.look(clock.mono_ns(), turns, read_ns(processor_time_))) say_();
  }
}

}  // namespace holdfast
