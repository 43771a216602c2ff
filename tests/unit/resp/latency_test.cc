// Latency spikes by event, and LATENCY.
#include "resp/latency.h"

#include <doctest/doctest.h>

#include <string>

#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

TEST_CASE("latency monitor: only what reaches the threshold") {
  LatencyMonitor monitor;
  monitor.record("command", 1, 100, 0);  // off
  monitor.record("command", 1, 99, 100);
  CHECK(monitor.events().empty());
  monitor.record("command", 1, 100, 100);
  CHECK(monitor.events().size() == 1);
}

TEST_CASE("latency monitor: one sample a second, the worst; 160 seconds") {
  LatencyMonitor monitor;
  monitor.record("command", 1, 10, 1);
  monitor.record("command", 1, 30, 1);
  monitor.record("command", 1, 20, 1);
  const LatencyMonitor::Event& event = monitor.events().find("command")->second;
  REQUIRE(event.samples.size() == 1);
  CHECK(event.samples[0].milliseconds == 30);
  for (int64_t second = 2; second <= 200; ++second) monitor.record("command", second, 5, 1);
  CHECK(event.samples.size() == 160);
  CHECK(event.samples.front().wall_seconds == 41);
  CHECK(event.max_ms == 30);  // of all time
}

TEST_CASE("latency monitor: reset") {
  LatencyMonitor monitor;
  monitor.record("a", 1, 10, 1);
  monitor.record("b", 1, 10, 1);
  CHECK(monitor.reset("c") == 0);
  CHECK(monitor.reset("a") == 1);
  CHECK(monitor.reset_all() == 1);
  CHECK(monitor.events().empty());
}

TEST_CASE("latency: latest, history, reset") {
  CommandFixture f;
  CHECK(f.run({"LATENCY", "LATEST"}) == "*0\r\n");
  CHECK(f.run({"LATENCY", "HISTORY", "command"}) == "*0\r\n");
  f.server().latency().record("command", 100, 30, 1);
  f.server().latency().record("command", 101, 20, 1);
  f.server().latency().record("expire-cycle", 102, 5, 1);
  CHECK(f.run({"LATENCY", "LATEST"}) ==
        "*2\r\n*4\r\n$7\r\ncommand\r\n:101\r\n:20\r\n:30\r\n"
        "*4\r\n$12\r\nexpire-cycle\r\n:102\r\n:5\r\n:5\r\n");
  CHECK(f.run({"LATENCY", "HISTORY", "command"}) ==
        "*2\r\n*2\r\n:100\r\n:30\r\n*2\r\n:101\r\n:20\r\n");
  CHECK(f.run({"LATENCY", "RESET", "command", "nosuch"}) == ":1\r\n");
  CHECK(f.run({"LATENCY", "RESET"}) == ":1\r\n");
  CHECK(f.run({"LATENCY", "LATEST"}) == "*0\r\n");
}

TEST_CASE("latency: graph and doctor") {
  CommandFixture f;
  CHECK(f.run({"LATENCY", "GRAPH", "command"}) ==
        "-ERR No samples available for event 'command'\r\n");
  CHECK(f.run({"LATENCY", "DOCTOR"}).find("not monitored") != std::string::npos);
  CHECK(f.run({"CONFIG", "SET", "latency-monitor-threshold", "10"}) == "+OK\r\n");
  CHECK(f.run({"LATENCY", "DOCTOR"}).find("No latency spike") != std::string::npos);
  for (int64_t i = 0; i < 5; ++i) f.server().latency().record("command", 100 + i, 10 + i, 10);
  const std::string graph = f.run({"LATENCY", "GRAPH", "command"});
  CHECK(graph.find("command - high 14 ms, low 10 ms (all time high 14 ms)\n_.-=#\n") !=
        std::string::npos);
  CHECK(f.run3({"LATENCY", "GRAPH", "command"})[0] == '=');
  CHECK(f.run({"LATENCY", "DOCTOR"}).find("command: 5 spikes, worst 14 ms") != std::string::npos);
}

TEST_CASE("latency: histograms are cumulative, for commands that were called") {
  CommandFixture f;
  CHECK(f.run({"LATENCY", "HISTOGRAM", "get", "nosuch"}) == "*0\r\n");
  CHECK(f.run3({"LATENCY", "HISTOGRAM", "get"}) == "%0\r\n");
  for (int i = 0; i < 3; ++i) CHECK(f.run({"GET", "k"}) == "$-1\r\n");
  // Simulated commands take no time.
  CHECK(f.run({"LATENCY", "HISTOGRAM", "GET"}) ==
        "*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n"
        "*2\r\n:1\r\n:3\r\n");
  CHECK(f.run3({"LATENCY", "HISTOGRAM", "get"}) ==
        "%1\r\n$3\r\nget\r\n%2\r\n$5\r\ncalls\r\n:3\r\n$14\r\nhistogram_usec\r\n"
        "%1\r\n:1\r\n:3\r\n");
  CHECK(f.run({"CONFIG", "GET", "nosuch"}) == "*0\r\n");
  CHECK(f.run({"LATENCY", "HISTOGRAM", "config"}).find("$10\r\nconfig|get\r\n") !=
        std::string::npos);
  CHECK(f.run({"LATENCY", "HISTOGRAM", "config|get"}).starts_with("*2\r\n$10\r\nconfig|get\r\n"));
  CHECK(f.run({"CONFIG", "RESETSTAT"}) == "+OK\r\n");
  CHECK(f.run({"LATENCY", "HISTOGRAM", "get"}) == "*0\r\n");
}

TEST_CASE("latency: errors") {
  CommandFixture f;
  CHECK(f.run({"LATENCY"}) == "-ERR wrong number of arguments for 'latency' command\r\n");
  CHECK(f.run({"LATENCY", "NO"}) == "-ERR unknown subcommand 'NO'. Try LATENCY HELP.\r\n");
  CHECK(f.run({"LATENCY", "HISTORY"}) ==
        "-ERR wrong number of arguments for 'latency|history' command\r\n");
  CHECK(f.run({"LATENCY", "HELP"}).starts_with("*17\r\n+LATENCY <subcommand> "));
}
