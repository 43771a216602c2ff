// CONFIG: names of ours and of Redis's, all-or-nothing SET, refusals in Redis's words.
#include <doctest/doctest.h>

#include <string>

#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

bool has(const std::string& reply, const std::string& part) {
  return reply.find(part) != std::string::npos;
}

std::string refusal(const std::string& name, const std::string& reason) {
  return "-ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + reason +
         "\r\n";
}

}  // namespace

TEST_CASE("config get: by Redis's name, by ours, and what tools ask for") {
  CommandFixture f;
  CHECK(f.run({"CONFIG", "GET", "maxmemory"}) == "*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
  CHECK(f.run({"CONFIG", "GET", "memory.limit"}).starts_with("*2\r\n$12\r\nmemory.limit\r\n"));
  CHECK(f.run({"CONFIG", "GET", "save"}).starts_with("*2\r\n$4\r\nsave\r\n"));
  CHECK(f.run({"CONFIG", "GET", "appendonly"}).starts_with("*2\r\n$10\r\nappendonly\r\n"));
  CHECK(f.run({"CONFIG", "GET", "nosuch"}) == "*0\r\n");
  CHECK(f.run3({"CONFIG", "GET", "maxmemory"}) == "%1\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
}

TEST_CASE("config get: patterns, several, each setting once") {
  CommandFixture f;
  const std::string both = f.run({"CONFIG", "GET", "maxmem*", "maxmemory", "port"});
  CHECK(has(both, "$9\r\nmaxmemory\r\n"));
  CHECK(has(both, "$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction\r\n"));
  CHECK(has(both, "$4\r\nport\r\n"));
  CHECK(both.find("$9\r\nmaxmemory\r\n") == both.rfind("$9\r\nmaxmemory\r\n"));
  CHECK(has(f.run({"CONFIG", "GET", "*"}), "$9\r\nresp.port\r\n"));
  CHECK(has(f.run({"CONFIG", "GET", "MAXMEM*"}), "$9\r\nmaxmemory\r\n"));
  // A name without wildcards comes back as it was written.
  CHECK(f.run({"CONFIG", "GET", "MaxMemory"}) == "*2\r\n$9\r\nMaxMemory\r\n$1\r\n0\r\n");
}

TEST_CASE("config set: takes effect, under either name") {
  CommandFixture f;
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "100mb", "timeout", "30"}) == "+OK\r\n");
  CHECK(f.options().memory_limit == 100 << 20);
  CHECK(f.options().resp_idle_timeout_s == 30);
  CHECK(has(f.run({"CONFIG", "GET", "maxmemory"}), "$9\r\n104857600\r\n"));
  CHECK(f.run({"CONFIG", "SET", "memory.limit", "0"}) == "+OK\r\n");
  CHECK(f.options().memory_limit == 0);
}

TEST_CASE("config set: a password asks new clients, not those that are in") {
  CommandFixture f;
  CHECK(f.run({"PING"}) == "+PONG\r\n");
  CHECK(f.run({"CONFIG", "SET", "requirepass", "secret"}) == "+OK\r\n");
  CHECK(f.run({"PING"}) == "+PONG\r\n");
  CHECK(f.connect().run({"PING"}) == "-NOAUTH Authentication required.\r\n");
}

TEST_CASE("config set: all or nothing") {
  CommandFixture f;
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "1mb", "foo", "1"}) ==
        "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n");
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "1mb", "timeout", "abc"}) ==
        refusal("timeout", "argument couldn't be parsed into an integer"));
  CHECK(f.run({"CONFIG", "SET", "timeout", "5", "maxmemory", "1mb", "port", "1"}) ==
        refusal("port", "can't set immutable config"));
  CHECK(f.options().memory_limit == 0);
  CHECK(f.options().resp_idle_timeout_s == 0);
}

TEST_CASE("config set: refusals") {
  CommandFixture f;
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "abc"}) ==
        refusal("maxmemory", "argument must be a memory value"));
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "0", "maxmemory", "1"}) ==
        refusal("maxmemory", "duplicate parameter"));
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "0", "memory.limit", "1"}) ==
        refusal("memory.limit", "duplicate parameter"));
  CHECK(f.run({"CONFIG", "SET", "appendonly", "yes"}) ==
        refusal("appendonly", "can't set immutable config"));
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "0", "timeout"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"CONFIG", "SET", "maxmemory"}) ==
        "-ERR wrong number of arguments for 'config|set' command\r\n");
}

TEST_CASE("config rewrite: needs a file, and tells why it failed") {
  CommandFixture without;
  CHECK(without.run({"CONFIG", "REWRITE"}) ==
        "-ERR The server is running without a config file\r\n");
  Status outcome;
  uint64_t written_limit = 0;
  ServerHooks hooks;
  hooks.rewrite = [&](const Options& options) {
    written_limit = options.memory_limit;
    return outcome;
  };
  CommandFixture f([](Options& options) { options.config_file = "/etc/holdfast.yaml"; }, nullptr, 1,
                   hooks);
  CHECK(f.run({"CONFIG", "SET", "maxmemory", "7"}) == "+OK\r\n");
  CHECK(f.run({"CONFIG", "REWRITE"}) == "+OK\r\n");
  CHECK(written_limit == 7);
  outcome = Status::invalid("no room");
  CHECK(f.run({"CONFIG", "REWRITE"}) == "-ERR Rewriting config file: no room\r\n");
}

TEST_CASE("config resetstat: counters start again") {
  CommandFixture f;
  CHECK(f.run({"GET", "k"}) == "$-1\r\n");
  CHECK(f.run({"NOSUCH"}).starts_with("-ERR"));
  CHECK(f.server().stats().keyspace_misses == 1);
  CHECK(f.run({"CONFIG", "RESETSTAT"}) == "+OK\r\n");
  CHECK(f.server().stats().keyspace_misses == 0);
  CHECK(f.server().stats().errors.empty());
  CHECK(!has(f.run({"INFO", "commandstats"}), "cmdstat_get"));
}

TEST_CASE("config: subcommands") {
  CommandFixture f;
  CHECK(f.run({"CONFIG"}) == "-ERR wrong number of arguments for 'config' command\r\n");
  CHECK(f.run({"CONFIG", "NO"}) == "-ERR unknown subcommand 'NO'. Try CONFIG HELP.\r\n");
  CHECK(f.run({"CONFIG", "GET"}) == "-ERR wrong number of arguments for 'config|get' command\r\n");
  CHECK(f.run({"CONFIG", "HELP"}).starts_with("*11\r\n+CONFIG <subcommand> "));
}
