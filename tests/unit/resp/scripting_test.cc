// Scripts and functions: entries, holds, limits, memory. Replies are compared with Redis's in
// tests/integration/scripting_test.py.
#include <doctest/doctest.h>

#include <string>

#include "replica/checkpoint.h"
#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string eval(CommandFixture& f, const std::string& script) {
  return f.run({"EVAL", script, "0"});
}

}  // namespace

TEST_CASE("eval: all effects are one entry, none when it reads only") {
  CommandFixture f;
  const Seq before = f.shard().last_seq();
  CHECK(eval(f, "for i=1,10 do redis.call('set','k'..i,i) end return redis.call('dbsize')") ==
        ":10\r\n");
  CHECK(f.shard().last_seq() == before + 1);
  CHECK(eval(f, "return redis.call('get','k7')") == "$1\r\n7\r\n");
  CHECK(f.shard().last_seq() == before + 1);
}

TEST_CASE("eval: the reply waits for what the script wrote and for what it saw") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine* engine = scripted.get();
  CommandFixture f({}, std::move(scripted));
  TestClient& reader = f.connect();
  engine->hold();
  f.client().send({"EVAL", "redis.call('set','a','1') return 5", "0"});
  CHECK(f.client().received(100).empty());
  reader.send({"EVAL", "redis.call('get','a') return 7", "0"});
  CHECK(reader.received(100).empty());
  CHECK(f.connect().run({"EVAL", "return redis.call('get','b')", "0"}) == "$-1\r\n");
  f.reactor().post([engine] { engine->release_all(); });
  CHECK(f.client().received() == ":5\r\n");
  CHECK(reader.received() == ":7\r\n");
}

TEST_CASE("eval: a table that contains itself ends at the stack's limit") {
  CommandFixture f;
  f.client().send({"EVAL", "local t = {} t[1] = t return t", "0"});
  const std::string reply = f.client().received(1000);
  CHECK(reply.starts_with("*1\r\n*1\r\n*1\r\n"));
  CHECK(reply.ends_with("-ERR reached lua stack limit\r\n"));
}

TEST_CASE("eval: the database of the client is its own again") {
  CommandFixture f;
  CHECK(eval(f, "redis.call('select','5') redis.call('set','a','1') return redis.call('dbsize')") ==
        ":1\r\n");
  CHECK(f.run({"GET", "a"}) == "$-1\r\n");
  CHECK(eval(f, "redis.call('select','5') error('x')")[0] == '-');
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
}

TEST_CASE("eval: large replies and arguments, more than one chunk") {
  CommandFixture f;
  CHECK(eval(f, "redis.call('set','big',string.rep('x',100000)) return #redis.call('get','big')") ==
        ":100000\r\n");
  CHECK(eval(f,
             "local n = {} for i=1,500 do redis.call('set','m'..i,string.rep('y',100)) "
             "n[i]='m'..i end local r = redis.call('mget',unpack(n)) return {#r,#r[500]}") ==
        "*2\r\n:500\r\n:100\r\n");
  CHECK(eval(f, "return redis.call('mget','big','m1','no')").size() > 100100);
}

TEST_CASE("eval: what one script leaves behind does not reach the next") {
  CommandFixture f;
  CHECK(eval(f, "redis.setresp(3) return 1") == ":1\r\n");
  CHECK(eval(f, "return redis.call('get','no') == false and 1 or 0") == ":1\r\n");
  CHECK(has(eval(f, "rawset(getmetatable('').__index, 'x', 1)"), "readonly"));
  CHECK(has(eval(f, "string.x = 1"), "readonly"));
  CHECK(has(eval(f, "KEYS = 1"), "readonly"));
  CHECK(eval(f, "table.insert(KEYS, 'x') return #KEYS") == ":1\r\n");
  CHECK(eval(f, "return #KEYS") == ":0\r\n");
  CHECK(eval(f, "return type(string.x)") == "$3\r\nnil\r\n");
}

TEST_CASE("eval: INFO counts scripts and their memory") {
  CommandFixture f;
  CHECK(has(f.run({"INFO", "memory"}), "number_of_cached_scripts:0\r\n"));
  eval(f, "return 1");
  eval(f, "return 2");
  eval(f, "return 2");
  eval(f, "return (");
  CHECK(has(f.run({"INFO", "memory"}), "number_of_cached_scripts:2\r\n"));
  CHECK(!has(f.run({"INFO", "memory"}), "used_memory_vm_eval:0\r\n"));
  f.run({"SCRIPT", "FLUSH"});
  CHECK(has(f.run({"INFO", "memory"}), "number_of_cached_scripts:0\r\n"));
}

TEST_CASE("eval: refused commands and errors are counted where they belong") {
  CommandFixture f;
  f.run({"SET", "s", "x"});
  f.run({"CONFIG", "RESETSTAT"});
  eval(f, "return redis.pcall('incr','s')");
  const std::string stats = f.run({"INFO", "commandstats", "errorstats"});
  CHECK(has(stats, "cmdstat_incr:calls=1,"));
  CHECK(has(stats, "errorstat_ERR:count=1\r\n"));
  CHECK(has(stats.substr(stats.find("cmdstat_eval")), "failed_calls=0"));
}

TEST_CASE("eval: commands that would wait answer at once") {
  CommandFixture f;
  CHECK(eval(f, "return redis.call('wait','3','0')") == ":0\r\n");
}

TEST_CASE("functions: state of the keyspace, kept by a checkpoint's state") {
  CommandFixture f;
  const std::string code =
      "#!lua name=lib\nredis.register_function('one', function() return 1 end)";
  CHECK(f.run({"FUNCTION", "LOAD", code}) == "$3\r\nlib\r\n");
  CHECK(f.keyspace().libraries().at("lib") == code);
  const std::string state = encode_checkpoint_state({}, {}, f.keyspace());
  Keyspace other(1);
  LogSummary log;
  Membership members;
  bool whole = false;
  CHECK(load_checkpoint_state(state, &log, &members, other, &whole).ok());
  CHECK(whole);
  CHECK(other.libraries() == f.keyspace().libraries());
  CHECK(!load_checkpoint_state(state.substr(0, state.size() - 1), &log, &members, other, &whole)
             .ok());
}

TEST_CASE("functions: what came by the log alone is compiled when it is asked for") {
  CommandFixture f;
  apply(Effect::put_library(library_image(
            "l", "#!lua name=l\nredis.register_function('seven', function() return 7 end)")),
        0, f.keyspace());
  CHECK(f.run({"FCALL", "seven", "0"}) == ":7\r\n");
  CHECK(has(f.run({"INFO", "memory"}), "number_of_functions:1\r\n"));
  apply(Effect::erase_library("l"), 0, f.keyspace());
  CHECK(f.run({"FCALL", "seven", "0"}) == "-ERR Function not found\r\n");
}
