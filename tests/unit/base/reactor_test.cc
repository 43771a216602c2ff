// The reactor contract, on the real and on the simulated one; then what only one of them has.
#include "base/reactor.h"

#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/worlds.h"

namespace holdfast {

namespace {

struct PollingWorld : RealWorld {
  PollingWorld() { reactor.set_poll(50); }
};

}  // namespace

TEST_CASE_TEMPLATE("reactor: timers run in the order of their times, equals as added", World,
                   RealWorld, PollingWorld, SimWorld) {
  World world;
  std::string order;
  world.reactor.run_after(20, [&] { order += 'c'; });
  world.reactor.run_after(5, [&] { order += 'a'; });
  world.reactor.run_after(20, [&] { order += 'd'; });
  world.reactor.run_after(10, [&] { order += 'b'; });
  CHECK(order.empty());
  CHECK(world.run_until([&] { return order.size() == 4; }));
  CHECK(order == "abcd");
}

TEST_CASE_TEMPLATE("reactor: a timer never runs early, nor inside run_after", World, RealWorld,
                   PollingWorld, SimWorld) {
  World world;
  int ran = 0;
  for (const int64_t delay_ms : {0, 1, 2, 3, 5, 8, 13}) {
    const int64_t due_ns = world.reactor.clock().mono_ns() + delay_ms * 1'000'000;
    world.reactor.run_after(delay_ms, [&world, &ran, due_ns] {
      ++ran;
      CHECK(world.reactor.clock().mono_ns() >= due_ns);
    });
    CHECK(ran == 0);
  }
  CHECK(world.run_until([&] { return ran == 7; }));
}

TEST_CASE_TEMPLATE("reactor: cancel", World, RealWorld, PollingWorld, SimWorld) {
  World world;
  bool wrong = false;
  bool done = false;
  const TimerId first = world.reactor.run_after(5, [&] { wrong = true; });
  const TimerId second = world.reactor.run_after(6, [&] { wrong = true; });
  CHECK(first != 0);
  CHECK(first != second);
  world.reactor.cancel(first);
  world.reactor.cancel(first);
  world.reactor.cancel(0);
  world.reactor.run_after(3, [&] { world.reactor.cancel(second); });
  const TimerId last = world.reactor.run_after(15, [&] { done = true; });
  CHECK(world.run_until([&] { return done; }));
  world.reactor.cancel(last);
  CHECK(!wrong);
}

TEST_CASE_TEMPLATE("reactor: hooks end every turn, in the order they were added", World, RealWorld,
                   PollingWorld, SimWorld) {
  World world;
  std::string order;
  world.reactor.add_turn_end([&] {
    if (!order.empty() && order.back() == 't') order += '1';
  });
  world.reactor.add_turn_end([&] {
    if (!order.empty() && order.back() == '1') order += '2';
  });
  world.reactor.run_after(1, [&] { order += 't'; });
  world.reactor.run_after(8, [&] { order += 't'; });
  CHECK(world.run_until([&] { return order.size() >= 6; }));
  CHECK(order == "t12t12");
}

TEST_CASE_TEMPLATE("reactor: a posted task runs in a later turn, in order", World, RealWorld,
                   PollingWorld, SimWorld) {
  World world;
  std::string order;
  world.reactor.add_turn_end([&] {
    if (!order.empty() && order.back() != '|') order += '|';
  });
  world.reactor.post([&] {
    order += 'a';
    world.reactor.post([&] { order += 'b'; });
  });
  CHECK(order.empty());
  CHECK(world.run_until([&] { return order.find("b|") != std::string::npos; }));
  CHECK(order == "a|b|");
}

TEST_CASE_TEMPLATE("reactor: stop lets the turn end with its hooks", World, RealWorld, PollingWorld,
                   SimWorld) {
  World world;
  int hooks = 0;
  int tasks = 0;
  world.reactor.add_turn_end([&] { ++hooks; });
  world.reactor.run_after(1, [&] {
    ++tasks;
    hooks = 0;
    world.reactor.stop();
  });
  world.reactor.run_after(30, [&] { ++tasks; });
  world.reactor.run();
  CHECK(hooks == 1);
  CHECK(tasks == 1);
  CHECK(world.run_until([&] { return tasks == 2; }));  // it can run again
}

TEST_CASE_TEMPLATE("reactor: tasks that add tasks do not keep a turn from ending", World, RealWorld,
                   PollingWorld, SimWorld) {
  World world;
  int rounds = 0;
  std::function<void()> again = [&] {
    ++rounds;
    world.reactor.post(again);
    world.reactor.run_after(0, [] {});
  };
  world.reactor.post(again);
  CHECK(world.run_until([&] { return rounds == 50; }));
}

TEST_CASE("reactor: tasks posted by other threads all run, each thread's in order") {
  RealWorld world;
  constexpr int kThreads = 4;
  constexpr int kTasks = 2000;
  std::vector<std::vector<int>> seen(kThreads);
  int ran = 0;
  const std::thread::id loop = std::this_thread::get_id();
  std::atomic<bool> foreign = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        world.reactor.post([&, t, i] {
          if (std::this_thread::get_id() != loop) foreign = true;
          seen[t].push_back(i);
          ++ran;
        });
        if (i % 100 == 0) std::this_thread::yield();
      }
    });
  }
  CHECK(world.run_until([&] { return ran == kThreads * kTasks; }));
  for (std::thread& thread : threads) thread.join();
  CHECK(!foreign);
  for (const auto& each : seen) CHECK(std::is_sorted(each.begin(), each.end()));
}

TEST_CASE("reactor: a task from another thread wakes a reactor that waits") {
  RealWorld world;
  bool ran = false;
  const int64_t start_ns = world.reactor.clock().mono_ns();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    world.reactor.post([&] { ran = true; });
  });
  CHECK(world.run_until([&] { return ran; }, 5000));
  other.join();
  CHECK(world.reactor.clock().mono_ns() - start_ns < 2'000'000'000);
}

TEST_CASE("reactor: signals arrive in the loop, each time") {
  RealWorld world;
  int hangups = 0;
  world.reactor.add_signal(SIGUSR2, [&] { ++hangups; });
  world.reactor.run_after(1, [] { ::raise(SIGUSR2); });
  CHECK(world.run_until([&] { return hangups == 1; }));
  ::raise(SIGUSR2);
  CHECK(hangups == 1);
  CHECK(world.run_until([&] { return hangups == 2; }));
}

TEST_CASE("reactor: a signal that comes when a reactor has ended is for the next one") {
  int hangups = 0;
  {
    RealWorld world;
    world.reactor.add_signal(SIGUSR2, [&] { ++hangups; });
    ::raise(SIGUSR2);
  }
  CHECK(hangups == 0);
  for (int i = 1; i < 4; ++i) {
    RealWorld world;
    world.reactor.add_signal(SIGUSR2, [&] { ++hangups; });
    CHECK(world.run_until([&] { return hangups == i; }));
    if (i < 3) ::raise(SIGUSR2);
  }
}

TEST_CASE("reactor: an unfired task dies with the reactor, unrun") {
  auto token = std::make_shared<int>(0);
  bool ran = false;
  {
    RealWorld world;
    world.reactor.post([token, &ran] { ran = true; });
    world.reactor.run_after(1000, [token, &ran] { ran = true; });
    CHECK(token.use_count() == 3);
  }
  CHECK(token.use_count() == 1);
  CHECK(!ran);
}

TEST_CASE("sim reactor: run ends when nothing is left, and time is what the events say") {
  SimReactor reactor;
  const int64_t start_ns = reactor.clock().mono_ns();
  reactor.run_after(60'000, [] {});
  reactor.run();
  CHECK(reactor.clock().mono_ns() - start_ns == 60'000'000'000);
  CHECK(!reactor.run_until([] { return false; }, 100));
  CHECK(reactor.clock().mono_ns() - start_ns == 60'100'000'000);
}

TEST_CASE("sim reactor: a turn window lets near events share one turn") {
  for (const int64_t window_ns : {0, 50'000}) {
    SimReactor reactor;
    reactor.set_turn_window(window_ns);
    std::string order;
    reactor.add_turn_end([&] { order += '|'; });
    reactor.run_after_ns(10'000, [&] { order += 'a'; });
    reactor.run_after_ns(40'000, [&] { order += 'b'; });
    reactor.run_after_ns(90'000, [&] { order += 'c'; });
    reactor.run();
    CHECK(order == (window_ns == 0 ? "a|b|c|" : "ab|c|"));
  }
}

TEST_CASE("sim reactor: a node's share takes all of its tasks along") {
  SimReactor reactor;
  int ran = 0;
  int hooks = 0;
  auto node = std::make_unique<SimNodeReactor>(reactor);
  node->add_turn_end([&] { ++hooks; });
  node->run_after(1, [&] { ++ran; });
  const TimerId cancelled = node->run_after(2, [&] { ran += 100; });
  node->cancel(cancelled);
  node->run_after(10, [&] { ran += 1000; });
  node->post([&] { ++ran; });
  reactor.run_for(5);
  CHECK(ran == 2);
  CHECK(hooks == 2);
  node.reset();
  reactor.run_after(20, [] {});
  reactor.run_for(50);
  CHECK(ran == 2);
  CHECK(hooks == 2);
}

TEST_CASE("sim reactor: a node that stands still does what was due when it goes on, in order") {
  SimReactor reactor;
  SimNodeReactor node(reactor, "n1");
  std::string order;
  int hooks = 0;
  node.add_turn_end([&] { ++hooks; });
  node.run_after(10, [&] { order += 'a'; });
  const TimerId cancelled = node.run_after(15, [&] { order += 'x'; });
  node.run_after(20, [&] { order += 'b' + reactor.running(); });
  node.pause_for(50'000'000);
  reactor.run_after(30, [&] { node.cancel(cancelled); });
  reactor.run_for(49);
  CHECK(order.empty());
  CHECK(hooks == 0);
  reactor.run_for(10);
  CHECK(order == "abn1");
  CHECK(hooks == 2);
}

TEST_CASE("sim reactor: a boot clock drifts, the others do not") {
  SimReactor reactor;
  SimNodeReactor node(reactor);
  node.clock().drift(500);
  reactor.run_for(10'000);
  CHECK(node.clock().mono_ns() == reactor.clock().mono_ns());
  CHECK(node.clock().boot_ns() - node.clock().mono_ns() == 5'000'000);
}

TEST_CASE("sim reactor: a hook may remove itself and its node") {
  SimReactor reactor;
  int after = 0;
  auto node = std::make_unique<SimNodeReactor>(reactor);
  node->add_turn_end([&] { node.reset(); });
  reactor.add_turn_end([&] { ++after; });
  reactor.post([] {});
  reactor.run();
  CHECK(node == nullptr);
  CHECK(after == 1);
}

TEST_CASE("sim reactor: the trace hash tells runs apart") {
  const auto hash_of = [](int64_t delay_ms, std::string_view note) {
    SimReactor reactor;
    reactor.run_after(delay_ms, [&] { reactor.trace(note); });
    reactor.run();
    return reactor.trace_hash();
  };
  CHECK(hash_of(1, "a") == hash_of(1, "a"));
  CHECK(hash_of(1, "a") != hash_of(1, "b"));
  CHECK(hash_of(1, "a") != hash_of(2, "a"));
  CHECK(hash_of(1, "a") != hash_of(1, std::string_view("a\0", 2)));
}

}  // namespace holdfast
