// MEMORY, and the account of memory behind it and behind INFO memory.
#include <doctest/doctest.h>

#include <string>

#include "resp/memory_report.h"
#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

constexpr const char* kSyntaxError = "-ERR syntax error\r\n";

}  // namespace

TEST_CASE("human_bytes: as Redis writes sizes") {
  CHECK(human_bytes(0) == "0B");
  CHECK(human_bytes(1023) == "1023B");
  CHECK(human_bytes(1024) == "1.00K");
  CHECK(human_bytes(1536 * 1024) == "1.50M");
  CHECK(human_bytes(3ULL << 30) == "3.00G");
  CHECK(human_bytes(~0ULL) == "16384.00P");
}

TEST_CASE("memory usage: grows with the value, null without a key, no effect on statistics") {
  CommandFixture f;
  CHECK(f.run({"MEMORY", "USAGE", "k"}) == "$-1\r\n");
  CHECK(f.run3({"MEMORY", "USAGE", "k"}) == "_\r\n");
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(f.run({"SET", "big", std::string(100'000, 'x')}) == "+OK\r\n");
  const int small = std::stoi(f.run({"MEMORY", "USAGE", "k"}).substr(1));
  const int big = std::stoi(f.run({"MEMORY", "USAGE", "big", "SAMPLES", "0"}).substr(1));
  CHECK(small > 16);
  CHECK(small < 128);
  CHECK(big > 100'000);
  CHECK(f.server().stats().keyspace_hits == 0);
  CHECK(f.server().stats().keyspace_misses == 0);
}

TEST_CASE("memory usage: an expired key is none") {
  CommandFixture f;
  CHECK(f.run({"SET", "k", "v", "PX", "10"}) == "+OK\r\n");
  f.advance_ms(20);
  CHECK(f.run({"MEMORY", "USAGE", "k"}) == "$-1\r\n");
}

TEST_CASE("memory usage: arguments") {
  CommandFixture f;
  CHECK(f.run({"MEMORY", "USAGE"}) ==
        "-ERR wrong number of arguments for 'memory|usage' command\r\n");
  CHECK(f.run({"MEMORY", "USAGE", "k", "SAMPLES"}) == kSyntaxError);
  CHECK(f.run({"MEMORY", "USAGE", "k", "FOO", "1"}) == kSyntaxError);
  CHECK(f.run({"MEMORY", "USAGE", "k", "SAMPLES", "-1"}) == kSyntaxError);
  CHECK(f.run({"MEMORY", "USAGE", "k", "SAMPLES", "x"}) ==
        "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("memory stats: Redis's fields, databases with keys in the middle") {
  CommandFixture f;
  CHECK(f.run({"MEMORY", "STATS"}).starts_with("*54\r\n$14\r\npeak.allocated\r\n"));
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  const std::string reply = f.run3({"MEMORY", "STATS"});
  CHECK(reply.starts_with("%28\r\n"));
  CHECK(reply.find("$4\r\ndb.0\r\n%3\r\n$24\r\noverhead.hashtable.main\r\n:") == std::string::npos);
  CHECK(reply.find("$4\r\ndb.0\r\n%3\r\n$23\r\noverhead.hashtable.main\r\n:") != std::string::npos);
  CHECK(reply.find("$10\r\nkeys.count\r\n:1\r\n") != std::string::npos);
  CHECK(reply.find("$15\r\npeak.percentage\r\n,0\r\n") != std::string::npos);
}

TEST_CASE("memory report: what is left after the overhead is data") {
  ServerHooks hooks;
  hooks.memory_used = [] { return uint64_t{200} << 20; };
  hooks.startup_memory = 10 << 20;
  CommandFixture f({}, nullptr, 1, hooks);
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  const MemoryReport report = memory_report(f.server());
  CHECK(report.keys == 1);
  REQUIRE(report.databases.size() == 1);
  CHECK(report.databases[0].tables == report.tables);
  CHECK(report.overhead() == report.startup + report.tables + report.clients);
  CHECK(report.dataset() == report.used - report.overhead());
  CHECK(report.dataset_percent() < 100);
  CHECK(report.peak_percent() == 100);
  CHECK(report.fragmentation() == 0);
}

TEST_CASE("memory advice") {
  MemoryReport report;
  CHECK(memory_advice(report) == "No memory problem found.\n");
  const auto advises = [&report](const char* what) {
    return memory_advice(report).find(what) != std::string::npos;
  };
  report.used = report.peak = 100 << 20;
  report.limit = 105 << 20;
  CHECK(advises("above 90 %"));
  report.limit = 99 << 20;
  CHECK(advises("over memory.limit"));
  report.limit = 0;
  report.process_resident = 200 << 20;
  CHECK(advises("mem_fragmentation_ratio"));
  report.process_resident = 100 << 20;
  report.peak = 200 << 20;
  CHECK(advises("used_memory_peak"));
  report.peak = report.used;
  report.clients = 60 << 20;
  CHECK(advises("CLIENT LIST"));
}

TEST_CASE("memory doctor, malloc-stats, purge, help") {
  int purged = 0;
  ServerHooks hooks;
  hooks.purge_memory = [&purged] { ++purged; };
  hooks.allocator_stats = [] { return std::string("arenas"); };
  CommandFixture f({}, nullptr, 1, hooks);
  CHECK(f.run({"MEMORY", "DOCTOR"}) == "$25\r\nNo memory problem found.\n\r\n");
  CHECK(f.run3({"MEMORY", "DOCTOR"}) == "=29\r\ntxt:No memory problem found.\n\r\n");
  CHECK(f.run({"MEMORY", "MALLOC-STATS"}) == "$6\r\narenas\r\n");
  CHECK(f.run({"MEMORY", "PURGE"}) == "+OK\r\n");
  CHECK(purged == 1);
  CHECK(f.run({"MEMORY", "HELP"}).starts_with("*14\r\n+MEMORY <subcommand> "));
  CHECK(f.run({"MEMORY", "NO"}) == "-ERR unknown subcommand 'NO'. Try MEMORY HELP.\r\n");
}
