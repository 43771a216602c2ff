// Pub/sub and keyspace events: who gets which bytes, when, and what a session shows of it.
// (tests/integration/pubsub_test.py compares whole conversations with redis-server.)
#include "resp/pubsub.h"

#include <doctest/doctest.h>

#include <string>

#include "resp/server.h"
#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string list(const std::string& kind, const std::vector<std::string>& elements) {
  std::string out = kind + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) out += bulk(element);
  return out;
}

std::string acknowledged(const std::string& word, const std::string& channel, int count,
                         const std::string& kind = "*") {
  return kind + "3\r\n" + bulk(word) + bulk(channel) + ":" + std::to_string(count) + "\r\n";
}

TestClient& subscriber(CommandFixture& f, const std::string& channel) {
  TestClient& client = f.connect();
  REQUIRE(client.run({"SUBSCRIBE", channel}) == acknowledged("subscribe", channel, 1));
  return client;
}

std::string info_field(CommandFixture& f, const std::string& name) {
  const std::string text = f.run({"INFO", "everything"});
  const size_t at = text.find("\n" + name + ":");
  if (at == std::string::npos) return "?";
  const size_t from = at + name.size() + 2;
  return text.substr(from, text.find('\r', from) - from);
}

struct HeldFixture {
  explicit HeldFixture(std::function<void(Options&)> change = {})
      : HeldFixture(std::move(change), std::make_unique<ScriptedEngine>()) {}
  HeldFixture(std::function<void(Options&)> change, std::unique_ptr<ScriptedEngine> e)
      : engine(e.get()), f(std::move(change), std::move(e)) {}

  void release_all() {
    f.reactor().post([this] { engine->release_all(); });
  }

  ScriptedEngine* engine;
  CommandFixture f;
};

void tell_all(Options& options) { options.notify_events = *parse_notify_classes("KEAmn"); }

}  // namespace

TEST_CASE("pubsub: subscriptions of many sessions come and go in any order") {
  CommandFixture f;
  std::vector<TestClient*> all;
  for (int i = 0; i < 20; ++i) all.push_back(&subscriber(f, "c"));
  for (const int i : {0, 19, 7, 8, 3}) {
    CHECK(all[size_t(i)]->run({"UNSUBSCRIBE", "c"}) == acknowledged("unsubscribe", "c", 0));
  }
  all[5]->send({"QUIT"});
  CHECK(all[5]->received() == "+OK\r\n");
  CHECK(f.run({"PUBLISH", "c", "m"}) == ":14\r\n");
  int got = 0;
  for (TestClient* client : all) {
    const std::string bytes = client->received();
    if (bytes == list("*", {"message", "c", "m"})) ++got;
  }
  CHECK(got == 14);
  CHECK(info_field(f, "pubsub_channels") == "1");
  for (TestClient* client : all) client->send({"RESET"});
  f.advance_ms(10);
  CHECK(info_field(f, "pubsub_channels") == "0");
}

TEST_CASE("pubsub: one message in both protocols, however long") {
  CommandFixture f;
  TestClient& resp2 = subscriber(f, "c");
  TestClient& resp3 = f.connect();
  REQUIRE(resp3.run({"HELLO", "3"})[0] == '%');
  REQUIRE(resp3.run({"SUBSCRIBE", "c"}) == acknowledged("subscribe", "c", 1, ">"));
  std::string wanted;
  for (const size_t size : {5u, 5000u, 0u, 100000u, 1u}) {
    const std::string message(size, 'm');
    REQUIRE(f.run({"PUBLISH", "c", message}) == ":2\r\n");
    wanted += bulk("message") + bulk("c") + bulk(message);
    CHECK((resp2.received() == "*3\r\n" + bulk("message") + bulk("c") + bulk(message)));
    CHECK((resp3.received() == ">3\r\n" + bulk("message") + bulk("c") + bulk(message)));
  }
}

TEST_CASE("pubsub: what CLIENT LIST, INFO and PUBSUB tell") {
  CommandFixture f;
  TestClient& client = f.connect();
  client.send_raw("CLIENT ID\r\n");
  std::string id = client.received();
  id = id.substr(1, id.size() - 3);
  client.send_raw("SUBSCRIBE a b\r\nPSUBSCRIBE c*\r\nSSUBSCRIBE d e f\r\n");
  client.received();
  std::string line = f.run({"CLIENT", "LIST", "ID", id});
  CHECK(line.find(" flags=P db=0 sub=2 psub=1 ssub=3 ") != std::string::npos);
  CHECK(f.run({"CLIENT", "LIST", "TYPE", "pubsub"}) == line);
  CHECK(info_field(f, "pubsub_channels") == "2");
  CHECK(info_field(f, "pubsub_patterns") == "1");
  CHECK(info_field(f, "pubsubshard_channels") == "3");
  CHECK(f.run({"PUBSUB", "CHANNELS", "[a]"}) == list("*", {"a"}));
  CHECK(f.run({"PUBSUB", "HELP"}).starts_with("*13\r\n+PUBSUB <subcommand> "));
  client.send({"RESET"});
  client.received();
  line = f.run({"CLIENT", "LIST", "ID", id});
  CHECK(line.find(" flags=N db=0 sub=0 psub=0 ssub=0 ") != std::string::npos);
  CHECK(f.run({"CLIENT", "LIST", "TYPE", "pubsub"}) == "$0\r\n\r\n");
}

TEST_CASE("pubsub: a subscriber that does not read is cut off, the others get everything") {
  CommandFixture f([](Options& o) { o.resp_output_limits[2] = {1 << 20, 0, 0}; });
  TestClient& slow = subscriber(f, "c");
  TestClient& quick = subscriber(f, "c");
  slow.stop_reading(true);
  const std::string message(100000, 'x');
  size_t got = 0;
  for (int i = 0; i < 40; ++i) {
    f.run({"PUBLISH", "c", message});
    got += quick.received(1).size();
  }
  got += quick.received().size();
  CHECK(got == 40 * ("*3\r\n" + bulk("message") + bulk("c") + bulk(message)).size());
  CHECK(f.run({"PUBSUB", "NUMSUB", "c"}) == "*2\r\n" + bulk("c") + ":1\r\n");
  CHECK(info_field(f, "client_output_buffer_limit_disconnections") == "1");
}

TEST_CASE("pubsub: idle subscribers stay, others go") {
  CommandFixture f([](Options& o) { o.resp_idle_timeout_s = 10; });
  TestClient& idle = f.connect();
  TestClient& listener = subscriber(f, "c");
  REQUIRE(idle.run({"PING"}) == "+PONG\r\n");
  f.advance_ms(20000);
  CHECK(idle.closed());
  CHECK_FALSE(listener.closed());
}

TEST_CASE("pubsub: nothing comes behind the answer to QUIT") {
  CommandFixture f;
  TestClient& client = subscriber(f, "c");
  client.send_raw(encode_request({"PING"}) + encode_request({"QUIT"}));
  f.client().send({"PUBLISH", "c", "m"});
  const std::string bytes = client.received();
  CHECK(bytes.ends_with("+OK\r\n"));
  CHECK(client.closed());
}

TEST_CASE("events: a key that expires is told of, found by a client or by the clock") {
  for (const bool by_clock : {false, true}) {
    CAPTURE(by_clock);
    CommandFixture f(tell_all);
    if (!by_clock) REQUIRE(f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}) == "+OK\r\n");
    TestClient& listener = subscriber(f, "__keyevent@0__:expired");
    REQUIRE(f.run({"SET", "k", "v", "PX", "100"}) == "+OK\r\n");
    f.advance_ms(500);
    if (!by_clock) REQUIRE(f.run({"GET", "k"}) == "$-1\r\n");
    CHECK(listener.received() == list("*", {"message", "__keyevent@0__:expired", "k"}));
    REQUIRE(f.run({"GET", "k"}) == "$-1\r\n");
    CHECK(listener.received().empty());
  }
}

TEST_CASE("events: overwriting a key that has expired tells of both") {
  for (const std::vector<std::string>& write : {std::vector<std::string>{"SET", "k", "w"},
                                                {"SETEX", "k", "9", "w"},
                                                {"MSET", "k", "w"},
                                                {"GETSET", "k", "w"},
                                                {"RENAME", "other", "k"},
                                                {"COPY", "other", "k"},
                                                {"BITOP", "NOT", "k", "other"}}) {
    CAPTURE(write[0]);
    CommandFixture f(tell_all);
    f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
    f.run({"SET", "other", "o"});
    f.run({"SET", "k", "v", "PX", "100"});
    f.advance_ms(200);
    TestClient& listener = f.connect();
    listener.run({"PSUBSCRIBE", "__keyspace@0__:k"});
    f.run(write);
    const std::string bytes = listener.received();
    const size_t expired = bytes.find(bulk("expired")), fresh = bytes.find(bulk("new"));
    CHECK(expired != std::string::npos);
    CHECK(fresh != std::string::npos);
    CHECK(expired < fresh);
  }
}

TEST_CASE("events: without a class that is asked for nothing is published") {
  CommandFixture f;
  TestClient& listener = f.connect();
  listener.run({"PSUBSCRIBE", "*"});
  f.run({"SET", "k", "v"});
  CHECK(listener.received().empty());
  f.run({"CONFIG", "SET", "notify-keyspace-events", "Eg"});
  f.run({"SET", "k", "v"});
  CHECK(listener.received().empty());
  f.run({"DEL", "k"});
  CHECK(listener.received() == list("*", {"pmessage", "*", "__keyevent@0__:del", "k"}));
}

TEST_CASE("events: none reaches a subscriber before the change is committed") {
  HeldFixture h(tell_all);
  TestClient& listener = subscriber(h.f, "__keyevent@0__:set");
  TestClient& writer = h.f.connect();
  h.engine->hold();
  writer.send({"SET", "k", "v"});
  CHECK(listener.received(500).empty());
  REQUIRE(h.f.run({"PUBLISH", "__keyevent@0__:set", "by hand"}) == ":1\r\n");
  CHECK(listener.received(500).empty());  // what comes later keeps its place
  h.release_all();
  CHECK(listener.received() == list("*", {"message", "__keyevent@0__:set", "k"}) +
                                   list("*", {"message", "__keyevent@0__:set", "by hand"}));
  CHECK(writer.received() == "+OK\r\n");
}

TEST_CASE("events: an expiry by the clock is told when its erase is committed") {
  HeldFixture h(tell_all);
  TestClient& listener = subscriber(h.f, "__keyevent@0__:expired");
  REQUIRE(h.f.run({"SET", "k", "v", "PX", "100"}) == "+OK\r\n");
  h.engine->hold();
  CHECK(listener.received(1000).empty());
  h.release_all();
  CHECK(listener.received() == list("*", {"message", "__keyevent@0__:expired", "k"}));
}

TEST_CASE("publish: it waits for earlier writes of the same client, be they silent") {
  for (const bool silent : {false, true}) {
    CAPTURE(silent);
    HeldFixture h;
    TestClient& listener = subscriber(h.f, "c");
    TestClient& writer = h.f.connect();
    TestClient& other = h.f.connect();
    h.engine->hold();
    if (silent) writer.send({"CLIENT", "REPLY", "OFF"});
    writer.send_raw(encode_request({"SET", "k", "v"}) + encode_request({"PUBLISH", "c", "done"}));
    CHECK(listener.received(100).empty());
    CHECK(other.run({"PUBLISH", "none", "x"}) == ":0\r\n");  // waits for nothing
    h.release_all();
    CHECK(listener.received() == list("*", {"message", "c", "done"}));
    CHECK(other.run({"PUBLISH", "c", "x"}) == ":1\r\n");
    CHECK(listener.received() == list("*", {"message", "c", "x"}));
  }
}

TEST_CASE("publish: in a transaction it waits for the writes of all of it") {
  HeldFixture h(tell_all);
  TestClient& listener = subscriber(h.f, "c");
  TestClient& writer = h.f.connect();
  h.engine->hold();
  writer.send_raw(encode_request({"MULTI"}) + encode_request({"PUBLISH", "c", "first"}) +
                  encode_request({"SET", "k", "v"}) + encode_request({"EXEC"}));
  CHECK(writer.received(100) == "+OK\r\n+QUEUED\r\n+QUEUED\r\n");
  CHECK(listener.received(100).empty());
  h.release_all();
  CHECK(listener.received() == list("*", {"message", "c", "first"}));
  CHECK(writer.received() == "*2\r\n:1\r\n+OK\r\n");
}

TEST_CASE("publish: to oneself it comes behind the reply, of a transaction too") {
  CommandFixture f;
  TestClient& client = f.connect();
  REQUIRE(client.run({"HELLO", "3"})[0] == '%');
  client.run({"SUBSCRIBE", "c"});
  const std::string message = list(">", {"message", "c", "m"});
  client.send({"PUBLISH", "c", "m"});
  CHECK(client.received() == ":1\r\n" + message);
  client.send_raw(encode_request({"MULTI"}) + encode_request({"PUBLISH", "c", "m"}) +
                  encode_request({"GET", "k"}) + encode_request({"EXEC"}));
  CHECK(client.received() == "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n_\r\n" + message);
  client.send_raw(encode_request({"CLIENT", "REPLY", "OFF"}) +
                  encode_request({"PUBLISH", "c", "m"}));
  CHECK(client.received() == message);
}

TEST_CASE("events: of a write that failed nobody hears") {
  HeldFixture h(tell_all);
  TestClient& listener = subscriber(h.f, "__keyevent@0__:set");
  TestClient& bystander = subscriber(h.f, "c");
  h.engine->hold();
  h.f.connect().send({"SET", "k", "v"});
  h.f.advance_ms(50);
  h.engine->fail_next(Status::io("no device"));
  h.release_all();
  CHECK(listener.received().empty());
  CHECK(listener.closed());  // it cannot know what it has missed
  TestClient& reader = h.f.connect();
  reader.send_raw(encode_request({"GET", "k"}) + encode_request({"PUBLISH", "c", "x"}));
  CHECK(bystander.received().empty());  // the publisher saw what was lost
  CHECK(reader.closed());
  CHECK(h.f.connect().run({"PUBLISH", "c", "y"}) == ":1\r\n");
  CHECK(bystander.received() == list("*", {"message", "c", "y"}));
}
