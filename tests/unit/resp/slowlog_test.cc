// The slow log itself, and SLOWLOG.
#include "resp/slowlog.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

void record(SlowLog& log, const std::vector<std::string_view>& args, int64_t microseconds = 20,
            int64_t threshold = 10, uint64_t max_len = 4) {
  log.record(args, 1000, microseconds, threshold, max_len, "127.0.0.1:5", "me");
}

}  // namespace

TEST_CASE("slow log: newest first, at most so many, ids go on after a reset") {
  SlowLog log;
  for (const std::string_view key : {"1", "2", "3", "4", "5"}) record(log, {"GET", key});
  REQUIRE(log.entries().size() == 4);
  CHECK(log.entries().front().args == std::vector<std::string>{"GET", "5"});
  CHECK(log.entries().front().id == 4);
  CHECK(log.entries().front().microseconds == 20);
  CHECK(log.entries().front().client_name == "me");
  log.trim(1);
  CHECK(log.entries().size() == 1);
  log.clear();
  CHECK(log.entries().empty());
  record(log, {"GET", "6"});
  CHECK(log.entries().front().id == 5);
}

TEST_CASE("slow log: the threshold") {
  SlowLog log;
  record(log, {"GET"}, 9, 10);
  record(log, {"GET"}, 100, -1);    // off
  record(log, {"GET"}, 100, 0, 0);  // no room
  CHECK(log.entries().empty());
  record(log, {"GET"}, 10, 10);
  record(log, {"GET"}, 0, 0);
  CHECK(log.entries().size() == 2);
}

TEST_CASE("slow log: long arguments and many of them are cut, passwords left out") {
  SlowLog log;
  const std::string long_one(200, 'x');
  std::vector<std::string_view> args(40, "a");
  args[1] = long_one;
  record(log, args);
  const std::vector<std::string>& kept = log.entries().front().args;
  REQUIRE(kept.size() == 32);
  CHECK(kept[1] == std::string(128, 'x') + "... (72 more bytes)");
  CHECK(kept[30] == "a");
  CHECK(kept[31] == "... (9 more arguments)");
  record(log, std::vector<std::string_view>(32, "a"));
  CHECK(log.entries().front().args.back() == "a");
  record(log, {"AUTH", "secret"});
  CHECK(log.entries().front().args == std::vector<std::string>{"AUTH", "(redacted)"});
}

TEST_CASE("slowlog: get, len, reset") {
  CommandFixture f([](Options& options) { options.slowlog_slower_than_us = 0; });
  CHECK(f.run({"CLIENT", "SETNAME", "me"}) == "+OK\r\n");
  CHECK(f.run({"SLOWLOG", "RESET"}) == "+OK\r\n");
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  const std::string reply = f.run({"SLOWLOG", "GET", "1"});
  CHECK(reply.starts_with("*1\r\n*6\r\n:2\r\n:"));
  CHECK(reply.find("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n") != std::string::npos);
  CHECK(reply.ends_with("$2\r\nme\r\n"));
  CHECK(f.run({"SLOWLOG", "LEN"}) == ":3\r\n");
  CHECK(f.run({"SLOWLOG", "GET", "0"}) == "*0\r\n");
  CHECK(f.run({"SLOWLOG", "GET", "-1"}).starts_with("*5\r\n"));
  CHECK(f.run({"SLOWLOG", "GET"}).starts_with("*6\r\n"));
}

TEST_CASE("slowlog: at most ten entries unless asked, and the length can be changed") {
  CommandFixture f([](Options& options) { options.slowlog_slower_than_us = 0; });
  for (int i = 0; i < 20; ++i) CHECK(f.run({"PING"}) == "+PONG\r\n");
  CHECK(f.run({"SLOWLOG", "GET"}).starts_with("*10\r\n"));
  CHECK(f.run({"SLOWLOG", "GET", "15"}).starts_with("*15\r\n"));
  CHECK(f.run({"CONFIG", "SET", "slowlog-max-len", "3"}) == "+OK\r\n");
  CHECK(f.run({"SLOWLOG", "LEN"}) == ":3\r\n");
  CHECK(f.run({"CONFIG", "SET", "slowlog-log-slower-than", "-1"}) == "+OK\r\n");
  CHECK(f.run({"SLOWLOG", "RESET"}) == "+OK\r\n");
  CHECK(f.run({"SLOWLOG", "LEN"}) == ":0\r\n");
  CHECK(f.run({"SLOWLOG", "GET"}) == "*0\r\n");
}

TEST_CASE("slowlog: errors") {
  CommandFixture f;
  constexpr const char* kBadCount = "-ERR count should be greater than or equal to -1\r\n";
  CHECK(f.run({"SLOWLOG", "GET", "-2"}) == kBadCount);
  CHECK(f.run({"SLOWLOG", "GET", "x"}) == kBadCount);
  CHECK(f.run({"SLOWLOG", "GET", "1", "2"}) ==
        "-ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.\r\n");
  CHECK(f.run({"SLOWLOG", "LEN", "1"}) ==
        "-ERR wrong number of arguments for 'slowlog|len' command\r\n");
  CHECK(f.run({"SLOWLOG", "NO"}) == "-ERR unknown subcommand 'NO'. Try SLOWLOG HELP.\r\n");
  CHECK(f.run({"SLOWLOG"}) == "-ERR wrong number of arguments for 'slowlog' command\r\n");
  CHECK(f.run({"SLOWLOG", "HELP"}).starts_with("*15\r\n+SLOWLOG <subcommand> "));
}
