// RealClock: the kernel's clocks, read anew at each call (through the vDSO, no system call).
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

namespace holdfast {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

int64_t read_ns(clockid_t clock) {
  timespec now{};
  HF_ASSERT(clock_gettime(clock, &now) == 0);
  return int64_t{now.tv_sec} * kNsPerSecond + now.tv_nsec;
}

}  // namespace

int64_t RealClock::mono_ns() { return read_ns(CLOCK_MONOTONIC); }
int64_t RealClock::boot_ns() { return read_ns(CLOCK_BOOTTIME); }
int64_t RealClock::wall_us() { return read_ns(CLOCK_REALTIME) / 1000; }

}  // namespace holdfast
