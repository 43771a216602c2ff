// TAG: a numbered write is carried out once, and answered alike however often it comes.
#include <doctest/doctest.h>

#include "tests/support/cluster_fixture.h"

using namespace holdfast;

namespace {

// The command as write `number` of client `session`.
std::string numbered(TestClient& client, int session, int number, int first,
                     const std::vector<std::string>& args) {
  client.send(
      {"TAG", "77", std::to_string(session), std::to_string(number), std::to_string(first)});
  return client.run(args);
}

}  // namespace

TEST_CASE("tag: a write is done once, on whichever connection it comes") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto one = f.connect(), two = f.connect();
  CHECK(numbered(*one, 1, 1, 1, {"INCR", key}) == ":1\r\n");
  CHECK(numbered(*two, 1, 1, 1, {"INCR", key}) == ":1\r\n");
  CHECK(numbered(*two, 1, 2, 1, {"INCR", key}) == ":2\r\n");
  CHECK(numbered(*one, 1, 1, 1, {"INCR", key}) == ":1\r\n");
  CHECK(numbered(*one, 2, 1, 1, {"INCR", key}) == ":3\r\n");
  CHECK(f.run({"INCR", key}) == ":4\r\n");  // the tag was for one command
  CHECK(one->run({"INCR", key}) == ":5\r\n");
}

TEST_CASE("tag: what did nothing, and errors, are remembered too") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto c = f.connect();
  CHECK(f.run({"SET", key, "v"}) == "+OK\r\n");
  CHECK(numbered(*c, 1, 1, 1, {"SETNX", key, "w"}) == ":0\r\n");
  CHECK(numbered(*c, 1, 2, 1, {"LPUSH", key, "w"}).starts_with("-WRONGTYPE"));
  CHECK(f.run({"DEL", key}) == ":1\r\n");
  CHECK(numbered(*c, 1, 1, 1, {"SETNX", key, "w"}) == ":0\r\n");
  CHECK(numbered(*c, 1, 2, 1, {"LPUSH", key, "w"}).starts_with("-WRONGTYPE"));
  CHECK(f.run({"EXISTS", key}) == ":0\r\n");
}

TEST_CASE("tag: a transaction is one write; what was refused has not been done") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto c = f.connect();
  for (int i = 0; i < 2; ++i) {
    CHECK(numbered(*c, 1, 1, 1, {"MULTI"}) == "+OK\r\n");
    CHECK(c->run({"INCR", key}) == "+QUEUED\r\n");
    CHECK(c->run({"INCR", key}) == "+QUEUED\r\n");
    CHECK(c->run({"EXEC"}) == "*2\r\n:1\r\n:2\r\n");
    CHECK(c->run({"EXEC"}) == "-ERR EXEC without MULTI\r\n");
  }
  CHECK(f.run({"GET", key}) == "$1\r\n2\r\n");
  CHECK(numbered(*c, 1, 2, 1, {"MULTI"}) == "+OK\r\n");
  CHECK(c->run({"NOSUCH"}).starts_with("-ERR unknown command"));
  CHECK(c->run({"EXEC"}).starts_with("-EXECABORT"));
  CHECK(numbered(*c, 1, 2, 1, {"INCR"}).starts_with("-ERR wrong number"));
  CHECK(numbered(*c, 1, 2, 1, {"INCR", key}) == ":3\r\n");
}

TEST_CASE("tag: an answer waits for the commit of what did it, as the first one did") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto one = f.connect(), two = f.connect();
  f.engine(0).hold();
  one->send({"TAG", "77", "1", "1", "1"});
  one->send({"INCR", key});
  CHECK(one->received().empty());
  two->send({"TAG", "77", "1", "1", "1"});
  two->send({"INCR", key});
  CHECK(two->received().empty());
  f.release_all(0);
  CHECK(one->received() == ":1\r\n");
  CHECK(two->received() == ":1\r\n");
}

TEST_CASE("tag: what was done is answered again though the device is full since then") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto c = f.connect();
  CHECK(numbered(*c, 1, 1, 1, {"INCR", key}) == ":1\r\n");
  const auto transaction = [&](int number) {
    CHECK(numbered(*c, 1, number, 1, {"MULTI"}) == "+OK\r\n");
    c->run({"INCR", key});
    c->run({"GET", key});
    return c->run({"EXEC"});
  };
  CHECK(transaction(2) == "*2\r\n:2\r\n$1\r\n2\r\n");
  f.engine(0).set_out_of_space(true);
  CHECK(numbered(*c, 1, 1, 1, {"INCR", key}) == ":1\r\n");
  CHECK(transaction(2) == "*2\r\n:2\r\n$1\r\n2\r\n");
  CHECK(numbered(*c, 1, 3, 1, {"INCR", key}).starts_with("-MISCONF "));
  CHECK(transaction(4).starts_with("-EXECABORT"));
  f.engine(0).set_out_of_space(false);
  CHECK(f.run({"GET", key}) == "$1\r\n2\r\n");
}

TEST_CASE("tag: a long answer is forgotten, the write is not") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto c = f.connect();
  CHECK(f.run({"SET", key, std::string(5000, 'x')}) == "+OK\r\n");
  CHECK(numbered(*c, 1, 1, 1, {"GETDEL", key}).starts_with("$5000\r\n"));
  CHECK(f.run({"SET", key, "new"}) == "+OK\r\n");
  CHECK(numbered(*c, 1, 1, 1, {"GETDEL", key}).starts_with("-UNKNOWN "));
  CHECK(numbered(*c, 1, 3, 3, {"APPEND", key, "er"}) == ":5\r\n");
  CHECK(numbered(*c, 1, 2, 2, {"DEL", key}).starts_with("-UNKNOWN "));  // too late
  CHECK(f.run({"GET", key}) == "$5\r\nnewer\r\n");
}

TEST_CASE("tag: what is no tag ends the connection, so that answers keep their places") {
  ClusterFixture f(1);
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"TAG", "1", "1", "0", "0"}, {"TAG", "1", "1", "1", "2"}, {"TAG", "x", "1", "1", "1"}}) {
    auto c = f.connect();
    c->send(words);
    CHECK(c->received().empty());
    CHECK(c->closed());
  }
}

namespace {

const std::string kPopped = "*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n";

// Sends it, and does not wait for an answer.
void begin(TestClient& client, int session, int number, const std::vector<std::string>& args) {
  client.send({"TAG", "77", std::to_string(session), std::to_string(number), "1"});
  client.send(args);
  CHECK(client.received().empty());
}

}  // namespace

TEST_CASE("tag: a pop that had to wait is done once") {
  CommandFixture f;
  TestClient &one = f.connect(), &two = f.connect();
  begin(one, 1, 1, {"BLPOP", "queue", "0"});
  CHECK(f.run({"RPUSH", "queue", "x", "y"}) == ":2\r\n");
  CHECK(one.received() == kPopped);
  CHECK(numbered(two, 1, 1, 1, {"BLPOP", "queue", "0"}) == kPopped);
  CHECK(f.run({"LRANGE", "queue", "0", "-1"}) == "*1\r\n$1\r\ny\r\n");
}

TEST_CASE("tag: of two copies that wait the one that came last is served") {
  CommandFixture f;
  TestClient &one = f.connect(), &two = f.connect(), &other = f.connect();
  begin(one, 1, 1, {"BLPOP", "queue", "0"});
  begin(other, 2, 1, {"BLPOP", "queue", "0"});
  begin(two, 1, 1, {"BLPOP", "queue", "0"});
  CHECK(one.closed());
  CHECK_FALSE(other.closed());
  CHECK(f.run({"RPUSH", "queue", "w"}) == ":1\r\n");  // the other has waited for longer
  CHECK(other.received() == "*2\r\n$5\r\nqueue\r\n$1\r\nw\r\n");
  CHECK(f.run({"RPUSH", "queue", "x", "y"}) == ":2\r\n");
  CHECK(two.received() == kPopped);
  CHECK(f.run({"LLEN", "queue"}) == ":1\r\n");
}

TEST_CASE("tag: a copy that comes when its client waits for another one does nothing") {
  CommandFixture f;
  TestClient &one = f.connect(), &late = f.connect();
  begin(one, 1, 2, {"BLPOP", "queue", "0"});
  begin(late, 1, 1, {"BLPOP", "queue", "0"});
  CHECK(late.closed());
  CHECK(f.run({"RPUSH", "queue", "x"}) == ":1\r\n");
  CHECK(one.received() == kPopped);
}

TEST_CASE("tag: that a wait came to nothing is said once too") {
  CommandFixture f;
  TestClient &one = f.connect(), &late = f.connect();
  begin(one, 1, 1, {"BLPOP", "queue", "0.1"});
  CHECK(one.received(200) == "*-1\r\n");
  CHECK(f.run({"RPUSH", "queue", "x"}) == ":1\r\n");
  CHECK(numbered(late, 1, 1, 1, {"BLPOP", "queue", "0.1"}) == "*-1\r\n");
  CHECK(f.run({"LLEN", "queue"}) == ":1\r\n");
}

TEST_CASE("tag: a wait that a transaction ends leaves the transaction whole") {
  CommandFixture f;
  TestClient &one = f.connect(), &late = f.connect();
  const std::string id = one.run({"CLIENT", "ID"}).substr(1);
  begin(one, 1, 1, {"BLPOP", "queue", "0"});
  const Seq before = f.shard().last_seq();
  f.run({"MULTI"});
  f.run({"SET", "a", "1"});
  f.run({"CLIENT", "UNBLOCK", id.substr(0, id.size() - 2)});
  f.run({"SET", "b", "1"});
  CHECK(f.run({"EXEC"}) == "*3\r\n+OK\r\n:1\r\n+OK\r\n");
  CHECK(f.shard().last_seq() == before + 1);
  CHECK(one.received() == "*-1\r\n");
  CHECK(f.run({"RPUSH", "queue", "x"}) == ":1\r\n");
  CHECK(numbered(late, 1, 1, 1, {"BLPOP", "queue", "0"}) == "*-1\r\n");
}

TEST_CASE("tag: the end of a wait is answered when it is committed") {
  ClusterFixture f(1);
  const std::string key = f.key(0);
  auto one = f.connect();
  one->send({"TAG", "77", "1", "1", "1"});
  one->send({"BLPOP", key, "0.1"});
  f.engine(0).hold();
  CHECK(one->received(300).empty());
  f.release_all(0);
  CHECK(one->received() == "*-1\r\n");
}
