// Clocks: real ones move and agree with the kernel; simulated ones move only when told.
#include "base/clock.h"

#include <doctest/doctest.h>
#include <time.h>

#include "base/sim/sim_reactor.h"

namespace holdfast {

TEST_CASE("clock: the real one is fresh at each call and never goes back") {
  RealClock clock;
  const int64_t before = clock.mono_ns();
  int64_t last = before;
  while (last < before + 1'000'000) {
    const int64_t now = clock.mono_ns();
    REQUIRE(now >= last);
    last = now;
  }
  CHECK(clock.boot_ns() >= clock.mono_ns() - 1'000'000'000);
  CHECK(std::abs(clock.wall_us() / 1'000'000 - time(nullptr)) <= 1);
  CHECK(std::abs(clock.wall_ms() - clock.wall_us() / 1000) <= 100);
}

TEST_CASE("clock: the simulated one moves with virtual time, and apart when told") {
  SimReactor reactor;
  SimClock& clock = reactor.clock();
  const int64_t mono = clock.mono_ns();
  const int64_t wall = clock.wall_us();
  const int64_t boot = clock.boot_ns();
  CHECK(clock.mono_ns() == mono);
  reactor.run_for(1500);
  CHECK(clock.mono_ns() - mono == 1'500'000'000);
  CHECK(clock.wall_us() - wall == 1'500'000);
  CHECK(clock.boot_ns() - boot == 1'500'000'000);
  clock.step_wall(-5'000'000);
  clock.sleep_through(2'000'000'000);
  CHECK(clock.mono_ns() - mono == 1'500'000'000);
  CHECK(clock.wall_us() - wall == -3'500'000);
  CHECK(clock.boot_ns() - boot == 3'500'000'000);
}

}  // namespace holdfast
