// TRACE, WHY and SLOWLOG TRACES: what became of a command, and who changed a key.
#include <doctest/doctest.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/disk_server.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

bool has(const std::string& reply, const std::string& part) {
  return reply.find(part) != std::string::npos;
}

size_t count(const std::string& reply, const std::string& part) {
  size_t found = 0;
  for (size_t at = reply.find(part); at != std::string::npos; at = reply.find(part, at + 1))
    ++found;
  return found;
}

constexpr std::string_view kNotTraceable =
    "-ERR TRACE takes commands on keys of one shard that do not block\r\n";

}  // namespace

TEST_CASE("trace: a write's reply and its steps, in their order") {
  DiskServer f;
  const std::string traced = f.run3({"TRACE", "SET", "k", "v"});
  CHECK(traced.starts_with("%7\r\n$5\r\nreply\r\n+OK\r\n$5\r\nshard\r\n:0\r\n$3\r\nseq\r\n:1\r\n"));
  CHECK(has(traced, "$13\r\ngroup_entries\r\n:1\r\n"));
  size_t last = 0;
  for (const std::string step :
       {"received\r\n:0", "started", "applied", "logged", "flushed", "committed", "answered"}) {
    const size_t at = traced.find(step);
    CHECK_MESSAGE(at != std::string::npos, step);
    CHECK(at > last);
    last = at;
  }
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
  const std::string read = f.run3({"TRACE", "GET", "k"});
  CHECK(read.starts_with("%4\r\n$5\r\nreply\r\n$1\r\nv\r\n"));
  CHECK(has(read, "$4\r\nread\r\n"));
  CHECK(!has(read, "committed"));
  CHECK(f.run3({"TRACE", "LPUSH", "k", "x"}).starts_with("%4\r\n$5\r\nreply\r\n-WRONGTYPE "));
}

TEST_CASE("trace: it answers when the commit is there, the client's other commands behind it") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine* engine = scripted.get();
  CommandFixture f({}, std::move(scripted));
  engine->hold();
  TestClient& writer = f.connect();
  TestClient& reader = f.connect();
  writer.send({"TRACE", "SET", "k", "v"});
  writer.send({"ECHO", "behind"});
  CHECK(writer.received(20).empty());
  reader.send({"TRACE", "GET", "k"});
  CHECK(reader.received(20).empty());
  f.reactor().post([&] { engine->release_all(); });
  const std::string written = writer.received();
  CHECK(written.starts_with("*14\r\n$5\r\nreply\r\n+OK\r\n"));
  CHECK(written.ends_with("$6\r\nbehind\r\n"));
  const std::string read = reader.received();
  CHECK(has(read, "reply\r\n$1\r\nv\r\n"));
  CHECK(has(read, "waited_for\r\n:1\r\n"));
  CHECK(has(read, "committed"));

  writer.send({"TRACE", "SET", "k", "w"});
  CHECK(writer.received(20).empty());
  engine->fail_next(Status::io("no device"));
  f.reactor().post([&] { engine->release_all(); });
  CHECK(writer.received().empty());
  CHECK(writer.closed());
}

TEST_CASE("trace: transactions and scripts as a whole") {
  CommandFixture f;
  f.run({"MULTI"});
  f.run({"SET", "a", "1"});
  f.run({"INCR", "a"});
  const std::string traced = f.run({"TRACE", "EXEC"});
  CHECK(has(traced, "reply\r\n*2\r\n+OK\r\n:2\r\n"));
  CHECK(has(traced, "seq\r\n:1\r\n"));
  CHECK(has(f.run({"TRACE", "EVAL", "return redis.call('incr', KEYS[1])", "1", "a"}),
            "reply\r\n:3\r\n"));
  f.run({"MULTI"});
  CHECK(f.run({"TRACE", "SET", "a", "5"}).starts_with("-ERR TRACE is not possible inside"));
  CHECK(f.run({"EXEC"}).starts_with("-EXECABORT"));
  CHECK(f.run({"GET", "a"}) == "$1\r\n3\r\n");
}

TEST_CASE("trace: what cannot be traced, and who may not") {
  CommandFixture f;
  CHECK(f.run({"TRACE"}) == "-ERR wrong number of arguments for 'trace' command\r\n");
  CHECK(f.run({"TRACE", "HELP"}).starts_with("*"));
  CHECK(f.run({"TRACE", "NOSUCH"}).starts_with("-ERR unknown command 'NOSUCH'"));
  CHECK(f.run({"TRACE", "GET"}) == "-ERR wrong number of arguments for 'get' command\r\n");
  CHECK(f.run({"TRACE", "PING"}) == kNotTraceable);
  CHECK(f.run({"TRACE", "BLPOP", "k", "0"}) == kNotTraceable);
  CHECK(f.run({"TRACE", "SUBSCRIBE", "c"}) == kNotTraceable);
  CHECK(f.run({"TRACE", "MULTI"}) == kNotTraceable);
  f.run({"ACL", "SETUSER", "u", "on", "nopass", "~mine*", "+@all", "-trace"});
  f.run({"ACL", "SETUSER", "w", "on", "nopass", "~mine*", "+@all"});
  TestClient& u = f.connect();
  CHECK(u.run({"AUTH", "u", "x"}) == "+OK\r\n");
  CHECK(u.run({"TRACE", "GET", "mine"})
            .starts_with("-NOPERM User u has no permissions to run the 'trace'"));
  CHECK(u.run({"AUTH", "w", "x"}) == "+OK\r\n");
  CHECK(has(u.run({"TRACE", "GET", "mine"}), "reply\r\n$-1\r\n"));
  CHECK(u.run({"TRACE", "GET", "other"}).starts_with("-NOPERM"));
  CHECK(u.run({"WHY", "other"}).starts_with("-NOPERM"));
  u.send({"CLIENT", "REPLY", "OFF"});
  u.send({"TRACE", "SET", "mine", "v"});
  u.send({"CLIENT", "REPLY", "ON"});
  CHECK(u.received() == "+OK\r\n");
  ClusterFixture cluster(2);
  CHECK(cluster.run({"TRACE", "DBSIZE"}) == kNotTraceable);
}

TEST_CASE("why: the last writes of a key, newest first, and whose they were") {
  DiskServer f;
  auto other = f.connect();
  other->run({"CLIENT", "SETNAME", "worker"});
  f.run({"SET", "k", "1"});
  f.run({"SET", "unrelated", "1"});
  other->run({"INCR", "k"});
  f.run({"MSET", "x", "1", "k", "new", "y", "2"});
  const std::string why = f.run3({"WHY", "k"});
  CHECK(has(why, "searched_from\r\n:1\r\n"));
  CHECK(has(why, "searched_to\r\n:4\r\n"));
  CHECK(has(why, "writes\r\n*3\r\n"));
  const size_t mset = why.find("command\r\n$4\r\nmset"), incr = why.find("command\r\n$4\r\nincr"),
               set = why.find("command\r\n$3\r\nset");
  CHECK(mset < incr);
  CHECK(incr < set);
  CHECK(set != std::string::npos);
  CHECK(has(why.substr(incr, set - incr), "client_name\r\n$6\r\nworker\r\n"));
  CHECK(has(why, R"(put-string "k" in database 0: "new")"));
  CHECK(!has(why, "\"x\""));
  CHECK(has(f.run({"WHY", "k", "1"}), "writes\r\n*1\r\n"));
  CHECK(has(f.run({"WHY", "nothing"}), "writes\r\n*0\r\n"));
  CHECK(f.run({"WHY", "k", "0"})[0] == '-');
  CHECK(f.run({"WHY", "k", "1", "2"}) == "-ERR syntax error\r\n");

  f.run({"PEXPIRE", "k", "10"});
  f.advance_ms(200);
  const std::string expired = f.run3({"WHY", "k", "2"});
  CHECK(has(expired, "command\r\n$12\r\nexpire-cycle\r\n$9\r\nclient_id\r\n:0\r\n"));
  CHECK(has(expired, R"(erase "k" in database 0)"));
  CHECK(has(expired, R"(set-expiry "k")"));
  f.run({"FLUSHALL"});
  CHECK(has(f.run({"WHY", "k", "1"}), "flush-database in database 0"));
  f.save();
  CHECK(has(f.run({"WHY", "k"}), "log_begins\r\n:0\r\n"));
}

TEST_CASE("why: who has disconnected is still known") {
  DiskServer f;
  auto gone = f.connect();
  gone->run({"CLIENT", "SETNAME", "gone"});
  gone->run({"SET", "k", "v"});
  gone->run({"QUIT"});
  f.advance_ms(5);
  REQUIRE(gone->closed());
  CHECK(has(f.run({"WHY", "k"}), "client_name\r\n$4\r\ngone\r\n"));
}

TEST_CASE("why: it looks back so far, and at the last change of a key that is there in any case") {
  DiskServer f;
  f.run({"SET", "old", "v"});
  f.run({"SET", "gone", "v"});
  f.run({"DEL", "gone"});
  auto writer = f.connect();
  for (int i = 0; i < 12; ++i) {  // with few flushes, or a checkpoint would take the log away
    for (int k = 0; k < 1000; ++k) writer->send({"SET", "k", "v"});
    for (size_t answered = 0; answered < 5000;) answered += writer->received().size();
  }
  const std::string old = f.run({"WHY", "old"});
  CHECK(has(old, "writes\r\n*1\r\n"));
  CHECK(has(old, R"(put-string "old")"));
  CHECK(!has(old, "searched_from\r\n:1\r\n"));
  CHECK(has(f.run({"WHY", "gone"}), "writes\r\n*0\r\n"));
  CHECK(count(f.run({"WHY", "k", "1000"}), R"(put-string "k")") == 1000);
}

TEST_CASE("slowlog traces: writes whose commit took long") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine* engine = scripted.get();
  CommandFixture f([](Options& options) { options.slowlog_slower_than_us = 20'000; },
                   std::move(scripted));
  CHECK(f.run({"SET", "k", "fast"}) == "+OK\r\n");
  CHECK(f.run({"SLOWLOG", "TRACES"}) == "*0\r\n");
  engine->hold();
  TestClient& writer = f.connect();
  writer.send({"SET", "k", "slow"});
  CHECK(writer.received(50).empty());
  f.reactor().post([&] { engine->release_all(); });
  CHECK(writer.received() == "+OK\r\n");
  const std::string slow = f.run3({"SLOWLOG", "TRACES"});
  CHECK(slow.starts_with("*1\r\n%"));
  CHECK(has(slow, "command\r\n$3\r\nset\r\n"));
  CHECK(has(slow, "seq\r\n:2\r\n"));
  CHECK(f.run({"SLOWLOG", "TRACES", "0"}) == "*0\r\n");
  CHECK(f.run({"SLOWLOG", "TRACES", "-2"})[0] == '-');
  CHECK(f.run({"SLOWLOG", "RESET"}) == "+OK\r\n");
  CHECK(f.run({"SLOWLOG", "TRACES"}) == "*0\r\n");
}
