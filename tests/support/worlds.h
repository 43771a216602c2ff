// A reactor and a network to test on: real or simulated, with the same two calls, so that one test
// body runs on both.
#pragma once

#include <functional>
#include <string>

#include "base/libevent_net.h"
#include "base/libevent_reactor.h"
#include "base/random.h"
#include "base/sim/sim_net.h"
#include "base/sim/sim_reactor.h"

namespace holdfast {

struct RealWorld {
  static constexpr bool kSimulated = false;

  // False when `condition` did not come true in time.
  bool run_until(const std::function<bool()>& condition, int64_t limit_ms = 10'000) {
    const int64_t limit_ns = reactor.clock().mono_ns() + limit_ms * 1'000'000;
    while (!condition()) {
      if (reactor.clock().mono_ns() >= limit_ns) return false;
      // Looked at between turns, and at least each millisecond.
      const TimerId tick = reactor.run_after(1, [] {});
      reactor.run_turn();
      reactor.cancel(tick);
    }
    return true;
  }

  void run_for(int64_t ms) {
    run_until([] { return false; }, ms);
  }

  LibeventReactor reactor;
  LibeventNet net{reactor};
};

struct SimWorld {
  static constexpr bool kSimulated = true;

  explicit SimWorld(uint64_t seed = 1, SimNetOptions options = {})
      : random(seed), net(reactor, random, options) {}

  bool run_until(const std::function<bool()>& condition, int64_t limit_ms = 10'000) {
    return reactor.run_until(condition, limit_ms);
  }
  void run_for(int64_t ms) { reactor.run_for(ms); }

  SimReactor reactor;
  SeededRandom random;
  SimNet net;
};

}  // namespace holdfast
