// Clock: the only way to the time. RealClock asks the kernel at each call; SimClock (base/sim) is
// moved by the simulator.
//
// Never cached per turn: a lease check against a stale "now" would be wrong after a pause, so each
// call is a fresh reading. Code that wants one instant for a whole command reads once and passes
// the number on.
#pragma once

#include <cstdint>

namespace holdfast {

class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since an arbitrary start, never backwards, not running while suspended.
  virtual int64_t mono_ns() = 0;
  // Like mono_ns but running on while the machine sleeps (CLOCK_BOOTTIME): for leases.
  virtual int64_t boot_ns() = 0;
  // Microseconds since 1970-01-01 UTC. May jump either way. For expiry and for showing to people.
  virtual int64_t wall_us() = 0;

  int64_t wall_ms() { return wall_us() / 1000; }
};

class RealClock final : public Clock {
 public:
  int64_t mono_ns() override;
  int64_t boot_ns() override;
  int64_t wall_us() override;
};

}  // namespace holdfast
