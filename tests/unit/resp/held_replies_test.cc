// Promises 1 and 2: no reply escapes before what it says or shows is committed, and nothing else
// waits. The engine's commits are delayed, lost and failed by hand.
#include <doctest/doctest.h>

#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

struct HeldFixture {
  HeldFixture() : HeldFixture(std::make_unique<ScriptedEngine>()) {}
  explicit HeldFixture(std::unique_ptr<ScriptedEngine> e) : engine(e.get()), f({}, std::move(e)) {}

  // Completions run within a turn, as those of every engine do.
  void release_all() {
    f.reactor().post([this] { engine->release_all(); });
  }
  void release(size_t count) {
    f.reactor().post([this, count] { engine->release(count); });
  }

  ScriptedEngine* engine;
  CommandFixture f;
};

}  // namespace

TEST_CASE("held replies: a write is answered when its group is committed, not before") {
  HeldFixture h;
  h.engine->hold();
  TestClient& writer = h.f.connect();
  writer.send({"SET", "k", "v"});
  CHECK(writer.received(1000).empty());
  h.release_all();
  CHECK(writer.received() == "+OK\r\n");
}

TEST_CASE("held replies: a read of an uncommitted key waits, of another key it does not") {
  HeldFixture h;
  REQUIRE(h.f.run({"SET", "other", "o"}) == "+OK\r\n");
  h.engine->hold();
  TestClient& writer = h.f.connect();
  TestClient& reader = h.f.connect();
  TestClient& bystander = h.f.connect();
  writer.send({"SET", "k", "v"});
  CHECK(writer.received(50).empty());
  reader.send({"GET", "k"});
  bystander.send({"GET", "other"});
  CHECK(bystander.received(50) == "$1\r\no\r\n");
  CHECK(reader.received(50).empty());
  h.release_all();
  CHECK(reader.received() == "$1\r\nv\r\n");
  CHECK(writer.received() == "+OK\r\n");
}

TEST_CASE("held replies: a log that is too far behind holds up who writes, and nobody else") {
  HeldFixture h;
  REQUIRE(h.f.run({"SET", "other", "o"}) == "+OK\r\n");
  h.engine->hold();
  TestClient& writer = h.f.connect();
  TestClient& second = h.f.connect();
  TestClient& reader = h.f.connect();
  for (int i = 0; i < 2; ++i) {
    writer.send({"SET", "large", std::string(Shard::kMaxUncommittedBytes / 2, 'x')});
    CHECK(writer.received(1000).empty());
  }
  const Seq last = h.f.shard().last_seq();
  second.send_raw(encode_request({"SET", "k", "v"}) + encode_request({"GET", "k"}));
  CHECK(second.received(1000).empty());
  CHECK(h.f.shard().last_seq() == last);
  reader.send_raw(encode_request({"GET", "other"}) + encode_request({"PING"}) +
                  encode_request({"EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "other"}));
  CHECK(reader.received(1000) == "$1\r\no\r\n+PONG\r\n$1\r\no\r\n");
  h.engine->stop_holding();
  h.release_all();
  CHECK(writer.received() == "+OK\r\n+OK\r\n");
  CHECK(second.received() == "+OK\r\n$1\r\nv\r\n");
}

TEST_CASE("held replies: replies of one session keep their order behind a held one") {
  HeldFixture h;
  h.engine->hold();
  TestClient& c = h.f.connect();
  c.send_raw(encode_request({"PING", "1"}) + encode_request({"SET", "k", "v"}) +
             encode_request({"PING", "2"}));
  CHECK(c.received(50) == "$1\r\n1\r\n");
  h.release_all();
  CHECK(c.received() == "+OK\r\n$1\r\n2\r\n");
}

TEST_CASE("held replies: the absence of an uncommitted erased key is held too") {
  HeldFixture h;
  REQUIRE(h.f.run({"SET", "k", "v"}) == "+OK\r\n");
  for (const std::vector<std::string>& erase : {std::vector<std::string>{"DEL", "k"},
                                                {"FLUSHALL"},
                                                {"GETDEL", "k"},
                                                {"RENAME", "k", "x"},
                                                {"SWAPDB", "0", "1"}}) {
    CAPTURE(erase[0]);
    h.engine->stop_holding();
    REQUIRE(h.f.run({"SET", "k", "v"}) == "+OK\r\n");
    h.engine->hold();
    TestClient& writer = h.f.connect();
    TestClient& reader = h.f.connect();
    writer.send(erase);
    CHECK(writer.received(20).empty());
    reader.send({"GET", "k"});
    CHECK(reader.received(20).empty());
    h.release_all();
    CHECK(reader.received() == "$-1\r\n");
  }
}

TEST_CASE("held replies: 'absent because expired' waits for its logged erase") {
  HeldFixture h;
  REQUIRE(h.f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}) == "+OK\r\n");
  REQUIRE(h.f.run({"SET", "k", "v", "PX", "100"}) == "+OK\r\n");
  h.f.advance_ms(200);
  h.engine->hold();
  TestClient& reader = h.f.connect();
  reader.send({"GET", "k"});
  CHECK(reader.received(100).empty());
  CHECK(h.engine->held() == 1);
  h.release_all();
  CHECK(reader.received() == "$-1\r\n");
}

TEST_CASE("held replies: whole-database reads wait for uncommitted changes") {
  HeldFixture h;
  h.engine->hold();
  TestClient& writer = h.f.connect();
  writer.send({"SET", "k", "v"});
  writer.received(20);
  for (const std::vector<std::string>& read :
       {std::vector<std::string>{"DBSIZE"}, {"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}}) {
    CAPTURE(read[0]);
    TestClient& reader = h.f.connect();
    reader.send(read);
    CHECK(reader.received(20).empty());
  }
}

TEST_CASE("held replies: releasing one group releases what it covers and no more") {
  HeldFixture h;
  h.engine->hold();
  TestClient& a = h.f.connect();
  TestClient& b = h.f.connect();
  a.send({"SET", "a", "1"});
  CHECK(a.received(20).empty());
  b.send({"SET", "b", "1"});
  CHECK(b.received(20).empty());
  REQUIRE(h.engine->held() == 2);
  h.release(1);
  CHECK(a.received() == "+OK\r\n");
  CHECK(b.received().empty());
  h.release(1);
  CHECK(b.received() == "+OK\r\n");
}

TEST_CASE("held replies: a failed log closes the sessions whose outcome is unknown, no others") {
  HeldFixture h;
  REQUIRE(h.f.run({"SET", "other", "o"}) == "+OK\r\n");
  bool told = false;
  h.f.server().on_log_failure([&told](const Status&) { told = true; });
  h.engine->hold();
  TestClient& writer = h.f.connect();
  TestClient& reader = h.f.connect();
  TestClient& bystander = h.f.connect();
  REQUIRE(bystander.run({"PING"}) == "+PONG\r\n");
  writer.send({"SET", "k", "v"});
  writer.received(20);
  reader.send({"GET", "k"});
  reader.received(20);
  h.engine->fail_next(Status::io("no device"));
  h.release_all();
  CHECK(writer.received().empty());
  CHECK(reader.received().empty());
  CHECK(writer.closed());
  CHECK(reader.closed());
  CHECK(told);
  CHECK(!bystander.closed());
  CHECK(bystander.run({"GET", "other"}) == "$1\r\no\r\n");
  CHECK(bystander.run({"SET", "k", "w"}).starts_with("-MISCONF"));
  CHECK(bystander.run({"GET", "k"}).empty());  // shows what was lost: closed like the others
  CHECK(bystander.closed());
  CHECK(h.f.shard().commit_seq() == 1);
}

TEST_CASE("held replies: what was lost with the engine was never acknowledged") {
  auto engine = std::make_unique<ScriptedEngine>();
  ScriptedEngine* scripted = engine.get();
  std::unique_ptr<MemEngine> survivor;
  {
    CommandFixture f({}, std::move(engine));
    REQUIRE(f.run({"SET", "acked", "1"}) == "+OK\r\n");
    REQUIRE(f.run({"MSET", "x", "1", "y", "1"}) == "+OK\r\n");
    scripted->hold();
    TestClient& c = f.connect();
    c.send({"SET", "lost", "1"});
    CHECK(c.received(20).empty());
    survivor = scripted->survivor();
  }
  CommandFixture again({}, std::move(survivor));
  CHECK(again.run({"MGET", "acked", "x", "y", "lost"}) ==
        "*4\r\n$1\r\n1\r\n$1\r\n1\r\n$1\r\n1\r\n$-1\r\n");
}

TEST_CASE("held replies: CLIENT REPLY OFF and monitors do not let held bytes out") {
  HeldFixture h;
  h.engine->hold();
  TestClient& c = h.f.connect();
  c.send_raw(encode_request({"SET", "k", "v"}) + encode_request({"CLIENT", "REPLY", "OFF"}) +
             encode_request({"PING"}) + encode_request({"CLIENT", "REPLY", "ON"}));
  CHECK(c.received(20).empty());
  h.release_all();
  CHECK(c.received() == "+OK\r\n+OK\r\n");
}
