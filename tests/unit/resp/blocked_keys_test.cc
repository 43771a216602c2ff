// Clients that wait for keys, with several sessions: who is served, when, and what each is told.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "resp/blocked_keys.h"
#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

std::string array(const std::vector<std::string>& elements) {
  std::string out = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& e : elements) out += "$" + std::to_string(e.size()) + "\r\n" + e + "\r\n";
  return out;
}

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// A client that has sent a command which waits.
TestClient& waiting(CommandFixture& f, const std::vector<std::string>& command) {
  TestClient& client = f.connect();
  client.send(command);
  CHECK(client.received() == "");
  return client;
}

std::string id_of(TestClient& client) {
  const std::string id = client.run({"CLIENT", "ID"});
  return id.substr(1, id.size() - 3);
}

bool info_has(CommandFixture& f, const std::string& line) {
  return f.run({"INFO", "clients"}).find(line + "\r\n") != std::string::npos;
}

}  // namespace

TEST_CASE("waiting: first come, first served, one element each") {
  CommandFixture f;
  TestClient& first = waiting(f, {"BLPOP", "k", "other", "0"});
  TestClient& second = waiting(f, {"BRPOP", "k", "0"});
  TestClient& third = waiting(f, {"BLPOP", "k", "0"});
  CHECK(info_has(f, "blocked_clients:3"));
  CHECK(info_has(f, "total_blocking_keys:2"));
  CHECK(info_has(f, "clients_in_timeout_table:0"));
  // After the whole command: both elements are there when the first is served.
  CHECK(f.run({"RPUSH", "k", "a", "b"}) == ":2\r\n");
  CHECK(first.received() == array({"k", "a"}));
  CHECK(second.received() == array({"k", "b"}));
  CHECK(third.received() == "");
  CHECK(f.run({"EXISTS", "k"}) == ":0\r\n");
  CHECK(f.run({"LPUSH", "other", "x"}) == ":1\r\n");  // nobody waits for it any more
  CHECK(f.run({"LPUSH", "k", "c"}) == ":1\r\n");
  CHECK(third.received() == array({"k", "c"}));
  CHECK(f.run({"LLEN", "other"}) == ":1\r\n");
  CHECK(info_has(f, "blocked_clients:0"));
  CHECK(info_has(f, "total_blocking_keys:0"));
  CHECK(f.server().blocked_keys().keys() == 0);
}

TEST_CASE("waiting: what was sent meanwhile runs afterwards, in order") {
  CommandFixture f;
  TestClient& client = waiting(f, {"BLPOP", "k", "0"});
  client.send({"PING"});
  client.send({"BLPOP", "k", "0"});
  client.send({"PING"});
  CHECK(client.received() == "");
  f.run({"RPUSH", "k", "a"});
  CHECK(client.received() == array({"k", "a"}) + "+PONG\r\n");
  f.run({"RPUSH", "k", "b"});
  CHECK(client.received() == array({"k", "b"}) + "+PONG\r\n");
}

TEST_CASE("waiting: every command that can make a list wakes") {
  struct Way {
    std::vector<std::vector<std::string>> before;
    std::vector<std::string> command;
  };
  const std::vector<Way> ways{
      {{{"RPUSH", "src", "v"}}, {"RENAME", "src", "k"}},
      {{{"RPUSH", "src", "v"}}, {"RENAMENX", "src", "k"}},
      {{{"RPUSH", "src", "v"}}, {"COPY", "src", "k"}},
      {{{"RPUSH", "src", "v"}}, {"LMOVE", "src", "k", "LEFT", "LEFT"}},
      {{{"RPUSH", "src", "v"}}, {"BLMOVE", "src", "k", "LEFT", "LEFT", "0"}},
      {{{"SELECT", "1"}, {"RPUSH", "k", "v"}}, {"MOVE", "k", "0"}},
      {{{"SELECT", "1"}, {"RPUSH", "k", "v"}, {"SELECT", "0"}}, {"SWAPDB", "0", "1"}},
      {{{"SELECT", "1"}, {"RPUSH", "k", "v"}}, {"COPY", "k", "k", "DB", "0"}},
      {{{"SET", "k", "x"}, {"MULTI"}, {"DEL", "k"}, {"RPUSH", "k", "v"}}, {"EXEC"}},
      {{{"SET", "k", "x"}, {"RPUSH", "src", "v"}}, {"RENAME", "src", "k"}},
  };
  for (const Way& way : ways) {
    CAPTURE(way.command[0]);
    CommandFixture f;
    TestClient& client = waiting(f, {"BLPOP", "k", "0"});
    for (const auto& command : way.before) f.run(command);
    CHECK(client.received() == "");
    f.run(way.command);
    CHECK(client.received() == array({"k", "v"}));
  }
}

TEST_CASE("waiting: other types, other databases and what is gone again do not wake") {
  CommandFixture f;
  TestClient& client = waiting(f, {"BLPOP", "k", "0"});
  f.run({"SET", "k", "string"});
  CHECK(client.received() == "");
  f.run({"DEL", "k"});
  f.run({"SELECT", "3"});
  f.run({"RPUSH", "k", "elsewhere"});
  f.run({"SELECT", "0"});
  f.run({"MULTI"});
  f.run({"RPUSH", "k", "a"});
  f.run({"DEL", "k"});
  f.run({"EXEC"});
  CHECK(client.received() == "");
  f.run({"MULTI"});
  f.run({"RPUSH", "k", "a"});
  f.run({"LPUSH", "k", "b"});
  CHECK(client.received() == "");  // nothing before EXEC
  f.run({"EXEC"});
  CHECK(client.received() == array({"k", "b"}));
  // Within a transaction nothing waits.
  f.run({"DEL", "k"});
  f.run({"MULTI"});
  f.run({"BLPOP", "k", "0"});
  f.run({"BLMOVE", "k", "x", "LEFT", "LEFT", "0"});
  CHECK(f.run({"EXEC"}) == "*2\r\n*-1\r\n$-1\r\n");
}

TEST_CASE("waiting: chains of clients serve one another") {
  CommandFixture f;
  TestClient& last = waiting(f, {"BLPOP", "c", "0"});
  TestClient& second = waiting(f, {"BLMOVE", "b", "c", "LEFT", "RIGHT", "0"});
  TestClient& first = waiting(f, {"BRPOPLPUSH", "a", "b", "0"});
  CHECK(f.run({"RPUSH", "a", "v"}) == ":1\r\n");
  CHECK(first.received() == bulk("v"));
  CHECK(second.received() == bulk("v"));
  CHECK(last.received() == array({"c", "v"}));
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
  // Two that feed one another end after one round.
  TestClient& to = waiting(f, {"BLMOVE", "x", "y", "LEFT", "RIGHT", "0"});
  TestClient& back = waiting(f, {"BLMOVE", "y", "x", "LEFT", "RIGHT", "0"});
  f.run({"RPUSH", "x", "v"});
  CHECK(to.received() == bulk("v"));
  CHECK(back.received() == bulk("v"));
  CHECK(f.run({"LLEN", "x"}) == ":1\r\n");
}

TEST_CASE("waiting: an error ends the wait, and the queue goes on") {
  CommandFixture f;
  f.run({"SET", "string", "x"});
  TestClient& first = waiting(f, {"BLMOVE", "k", "string", "LEFT", "LEFT", "0"});
  TestClient& second = waiting(f, {"BLMPOP", "0", "1", "k", "RIGHT", "COUNT", "10"});
  f.run({"RPUSH", "k", "a", "b"});
  CHECK(first.received() ==
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  CHECK(second.received() == "*2\r\n" + bulk("k") + array({"b", "a"}));
}

TEST_CASE("waiting: timeouts, in seconds with fractions") {
  CommandFixture f;
  TestClient& client = f.connect();
  struct Row {
    std::string timeout, reply;
  };
  const std::string no_float = "-ERR timeout is not a float or out of range\r\n";
  for (const Row& row : std::vector<Row>{{"-1", "-ERR timeout is negative\r\n"},
                                         {"-0.002", "-ERR timeout is negative\r\n"},
                                         {"-inf", "-ERR timeout is negative\r\n"},
                                         {"inf", "-ERR timeout is out of range\r\n"},
                                         {"1e300", "-ERR timeout is out of range\r\n"},
                                         {"9223372036854775", "-ERR timeout is out of range\r\n"},
                                         {"", no_float},
                                         {"nan", no_float},
                                         {" 1", no_float},
                                         {"1 ", no_float},
                                         {"1x", no_float}}) {
    CAPTURE(row.timeout);
    CHECK(client.run({"BLPOP", "k", row.timeout}) == row.reply);
  }
  client.send({"BLPOP", "k", "0.25"});
  CHECK(client.received(200) == "");
  CHECK(info_has(f, "clients_in_timeout_table:1"));
  CHECK(client.received(60) == "*-1\r\n");
  client.send({"BLMOVE", "k", "d", "LEFT", "LEFT", "0.05"});
  CHECK(client.received(60) == "*-1\r\n");
  client.send({"BLMPOP", "0.05", "1", "k", "LEFT"});
  CHECK(client.received(60) == "*-1\r\n");
  CHECK(f.server().blocked_keys().keys() == 0);
  CHECK(f.run({"RPUSH", "k", "a"}) == ":1\r\n");
  CHECK(f.run({"LLEN", "k"}) == ":1\r\n");
}

TEST_CASE("waiting: CLIENT UNBLOCK, CLIENT LIST, CLIENT REPLY") {
  CommandFixture f;
  TestClient& client = f.connect();
  const std::string id = id_of(client);
  CHECK(f.run({"CLIENT", "UNBLOCK", id}) == ":0\r\n");
  client.send({"BLPOP", "k", "0"});
  CHECK(client.received() == "");
  CHECK(f.run({"CLIENT", "LIST", "ID", id}).find(" flags=b ") != std::string::npos);
  CHECK(f.run({"CLIENT", "UNBLOCK", id, "TIMEOUT"}) == ":1\r\n");
  CHECK(client.received() == "*-1\r\n");
  client.send({"BLPOP", "k", "0"});
  client.received();
  CHECK(f.run({"CLIENT", "UNBLOCK", id, "ERROR"}) == ":1\r\n");
  CHECK(client.received() == "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  CHECK(f.server().blocked_keys().keys() == 0);
  // A reply that is not wanted is not given; the command works.
  client.send({"CLIENT", "REPLY", "SKIP"});
  client.send({"BLPOP", "k", "0"});
  CHECK(client.received() == "");
  f.run({"RPUSH", "k", "a"});
  CHECK(client.received() == "");
  CHECK(f.run({"EXISTS", "k"}) == ":0\r\n");
  CHECK(client.run({"PING"}) == "+PONG\r\n");
}

TEST_CASE("waiting: a client that has gone gets nothing") {
  CommandFixture f;
  TestClient& gone = waiting(f, {"BLPOP", "k", "0"});
  TestClient& next = waiting(f, {"BLPOP", "k", "0"});
  TestClient& killer = f.connect();
  // Killed and pushed in one turn: the session is not freed yet.
  killer.send({"CLIENT", "KILL", "ID", "1"});
  killer.send({"RPUSH", "k", "a"});
  CHECK(killer.received() == ":1\r\n:1\r\n");
  CHECK(gone.closed());
  CHECK(next.received() == array({"k", "a"}));
}

TEST_CASE("waiting: CLIENT PAUSE holds them back") {
  CommandFixture f;
  TestClient& client = waiting(f, {"BLPOP", "k", "0"});
  f.run({"MULTI"});
  f.run({"CLIENT", "PAUSE", "500", "WRITE"});
  f.run({"RPUSH", "k", "a"});
  f.run({"EXEC"});
  CHECK(client.received(300) == "");
  CHECK(f.run({"LLEN", "k"}) == ":1\r\n");
  CHECK(client.received(400) == array({"k", "a"}));
}

TEST_CASE("waiting: each is an entry of its own, and its reply waits for that entry") {
  auto owned = std::make_unique<ScriptedEngine>();
  ScriptedEngine& engine = *owned;
  CommandFixture f({}, std::move(owned));
  TestClient& first = waiting(f, {"BLPOP", "k", "0"});
  TestClient& second = waiting(f, {"BLPOP", "k", "0"});
  TestClient& pusher = f.connect();
  const Seq before = f.shard().last_seq();
  engine.hold();
  pusher.send({"RPUSH", "k", "a", "b"});
  CHECK(pusher.received() == "");
  CHECK(f.shard().last_seq() == before + 3);
  CHECK(first.received() == "");
  CHECK(second.received() == "");
  f.reactor().post([&engine] { engine.release_all(); });
  CHECK(pusher.received() == ":2\r\n");
  CHECK(first.received() == array({"k", "a"}));
  CHECK(second.received() == array({"k", "b"}));
}

TEST_CASE("waiting: a command that finds nothing again keeps its place") {
  // Both keys of the first are looked at when one is set to something else.
  CommandFixture f;
  TestClient& first = waiting(f, {"BLPOP", "k", "k", "j", "0"});
  TestClient& second = waiting(f, {"BLPOP", "k", "0"});
  for (int i = 0; i < 3; ++i) {
    f.run({"SET", "k", "x"});
    f.run({"SET", "j", "x"});
    f.run({"DEL", "k", "j"});
  }
  CHECK(first.received() == "");
  f.run({"RPUSH", "k", "a"});
  CHECK(first.received() == array({"k", "a"}));
  CHECK(second.received() == "");
  f.run({"FLUSHALL"});
  f.run({"RPUSH", "k", "b"});
  CHECK(second.received() == array({"k", "b"}));
}

TEST_CASE("waiting: counted once, when it ends") {
  CommandFixture f;
  TestClient& client = waiting(f, {"BLPOP", "k", "0"});
  CHECK(f.run({"INFO", "commandstats"}).find("cmdstat_blpop") == std::string::npos);
  f.run({"RPUSH", "k", "a"});
  client.received();
  client.send({"BLPOP", "k", "0.01"});
  client.received(50);
  CHECK(f.run({"INFO", "commandstats"}).find("cmdstat_blpop:calls=2,") != std::string::npos);
}
