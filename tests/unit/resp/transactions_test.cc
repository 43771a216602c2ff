// Transactions: what a client can't see from its replies alone: entries, holds, marks, memory.
// Replies are compared with Redis's in tests/integration/transactions_test.py.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("exec: all effects are one entry") {
  CommandFixture f;
  const Seq before = f.shard().last_seq();
  f.run({"MULTI"});
  f.run({"SET", "a", "1"});
  f.run({"INCR", "a"});
  f.run({"SET", "b", "2"});
  CHECK(f.shard().last_seq() == before);
  CHECK(f.run({"EXEC"}) == "*3\r\n+OK\r\n:2\r\n+OK\r\n");
  CHECK(f.shard().last_seq() == before + 1);
}

TEST_CASE("exec: a queue that reads only makes no entry") {
  CommandFixture f;
  const Seq before = f.shard().last_seq();
  f.run({"MULTI"});
  f.run({"GET", "a"});
  CHECK(f.run({"EXEC"}) == "*1\r\n$-1\r\n");
  CHECK(f.shard().last_seq() == before);
}

TEST_CASE("client list: queue, mark of a changed key, memory") {
  CommandFixture f;
  TestClient& other = f.connect();
  CHECK(has(f.run({"CLIENT", "INFO"}), " multi=-1 "));
  f.run({"WATCH", "k"});
  f.run({"MULTI"});
  CHECK(has(other.run({"CLIENT", "LIST"}), " flags=x "));
  f.run({"SET", "k", std::string(1000, 'v')});
  f.run({"GET", "k"});
  const std::string line = other.run({"CLIENT", "LIST"});
  CHECK(has(line, " multi=2 "));
  CHECK(has(line, " multi-mem=1008 "));
  other.run({"SET", "k", "1"});
  CHECK(has(other.run({"CLIENT", "LIST"}), " flags=xd "));
  CHECK(f.server().watched_keys().keys() == 0);
  CHECK(f.run({"EXEC"}) == "*-1\r\n");
  CHECK(has(f.run({"CLIENT", "INFO"}), " flags=N "));
}

TEST_CASE("watch: who ends, watches nothing any more") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.run({"WATCH", "a", "b", "a"});
  f.run({"WATCH", "a"});
  CHECK(f.server().watched_keys().keys() == 2);
  other.run({"QUIT"});
  f.advance_ms(10);
  CHECK(f.server().watched_keys().keys() == 1);
  f.run({"SET", "b", "1"});
  f.run({"RESET"});
  CHECK(f.server().watched_keys().keys() == 0);
}

TEST_CASE("exec: waits for CLIENT PAUSE WRITE only when it writes") {
  CommandFixture f;
  TestClient& other = f.connect();
  f.run({"MULTI"});
  f.run({"SET", "a", "1"});
  other.run({"MULTI"});
  other.run({"GET", "a"});
  f.connect().run({"CLIENT", "PAUSE", "1000", "WRITE"});
  CHECK(other.run({"EXEC"}) == "*1\r\n$-1\r\n");
  f.client().send({"EXEC"});
  CHECK(f.client().received(500).empty());
  CHECK(f.client().received(1000) == "*1\r\n+OK\r\n");
}

TEST_CASE("exec: what would wait does not") {
  CommandFixture f;
  f.run({"MULTI"});
  f.run({"WAIT", "3", "0"});
  f.run({"DEBUG", "SLEEP", "1"});
  f.run({"DEBUG", "RELOAD"});
  f.run({"PING"});
  CHECK(f.run({"EXEC"}) ==
        "*4\r\n:0\r\n-ERR DEBUG SLEEP can't wait in a transaction\r\n"
        "-ERR a checkpoint can't be waited for in a transaction\r\n+PONG\r\n");
}

TEST_CASE("exec: counted once, its commands too, errors where they belong") {
  CommandFixture f;
  f.run({"SET", "s", "x"});
  f.run({"CONFIG", "RESETSTAT"});
  f.run({"MULTI"});
  f.run({"INCR", "s"});
  f.run({"GET", "s"});
  f.run({"EXEC"});
  const std::string stats = f.run({"INFO", "commandstats", "errorstats"});
  CHECK(has(stats, "cmdstat_exec:calls=1,"));
  CHECK(has(stats, "cmdstat_incr:calls=1,"));
  CHECK(has(stats, "cmdstat_get:calls=1,"));
  CHECK(has(stats, "errorstat_ERR:count=1\r\n"));
  CHECK(f.run({"INFO", "commandstats"}).find("failed_calls=1") ==
        f.run({"INFO", "commandstats"}).rfind("failed_calls=1"));
}

TEST_CASE("exec: its replies wait together, and so does the refusal") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine* engine = scripted.get();
  CommandFixture f({}, std::move(scripted));
  TestClient& watcher = f.connect();
  TestClient& reader = f.connect();
  watcher.run({"WATCH", "a"});
  watcher.run({"MULTI"});
  engine->hold();
  f.run({"MULTI"});
  f.run({"PING"});
  f.run({"SET", "a", "1"});
  f.client().send({"EXEC"});
  CHECK(f.client().received(100).empty());
  watcher.send({"EXEC"});
  CHECK(watcher.received(100).empty());  // it would tell of a change that may be lost
  reader.run({"MULTI"});
  reader.run({"GET", "other"});
  CHECK(reader.run({"EXEC"}) == "*1\r\n$-1\r\n");
  f.reactor().post([engine] { engine->release_all(); });
  CHECK(f.client().received() == "*2\r\n+PONG\r\n+OK\r\n");
  CHECK(watcher.received() == "*-1\r\n");
}
