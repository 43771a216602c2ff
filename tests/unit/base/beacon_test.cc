// That others are told of a thread that computes, and of none that stands still or waits.
#include "base/beacon.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "base/libevent_reactor.h"

namespace holdfast {
namespace {

constexpr int64_t kMs = 1'000'000;

// Looks each 50 ms at a thread that is given a share of the processor, in percent.
struct Watched {
  BusyWatch watch{1000 * kMs};
  int64_t now_ns = 7000 * kMs;
  int64_t processor_ns = 900 * kMs;
  uint64_t turns = 5;

  bool after_50_ms(int64_t percent) {
    now_ns += 50 * kMs;
    processor_ns += percent * kMs / 2;
    return watch.look(now_ns, turns, processor_ns);
  }
};

}  // namespace

TEST_CASE("beacon: a thread is busy that gets the processor and ends no turn") {
  Watched idle;
  for (int i = 0; i < 10; ++i) CHECK_FALSE(idle.after_50_ms(0));

  Watched quick;
  for (int i = 0; i < 10; ++i) {
    ++quick.turns;
    CHECK_FALSE(quick.after_50_ms(100));
  }

  Watched busy;
  ++busy.turns;
  CHECK_FALSE(busy.after_50_ms(100));
  for (int i = 0; i < 5; ++i) CHECK(busy.after_50_ms(100));
  CHECK(busy.after_50_ms(15));       // it shares the processor
  CHECK_FALSE(busy.after_50_ms(2));  // it waits for something
  CHECK(busy.after_50_ms(100));
  ++busy.turns;
  CHECK_FALSE(busy.after_50_ms(100));
}

TEST_CASE("beacon: a task is believed to go on for so long, and the next one again") {
  Watched thread;
  ++thread.turns;
  CHECK_FALSE(thread.after_50_ms(100));
  for (int i = 0; i < 20; ++i) CHECK(thread.after_50_ms(100));
  for (int i = 0; i < 5; ++i) CHECK_FALSE(thread.after_50_ms(100));
  ++thread.turns;
  CHECK_FALSE(thread.after_50_ms(100));
  CHECK(thread.after_50_ms(100));
}

TEST_CASE("beacon: it speaks while the reactor's thread computes, not while that sleeps") {
  using std::chrono::steady_clock;
  LibeventReactor reactor;
  std::atomic<int> said{0};
  const Beacon beacon(reactor, 60'000, [&] { ++said; });
  int while_asleep = -1;
  reactor.post([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * Beacon::kPeriodMs));
    while_asleep = said;
  });
  reactor.run_turn();
  CHECK(while_asleep == 0);
  reactor.post([&] {
    const auto patience = steady_clock::now() + std::chrono::seconds(20);
    while (said < 2 && steady_clock::now() < patience) continue;
  });
  reactor.run_turn();
  CHECK(said >= 2);
}

}  // namespace holdfast
