// Messages between the nodes of a cluster: what leaves, when, and what comes.
#include "resp/relay.h"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "resp/server.h"
#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

struct RelayFixture {
  RelayFixture() : RelayFixture(std::make_unique<ScriptedEngine>()) {}
  explicit RelayFixture(std::unique_ptr<ScriptedEngine> e)
      : engine(e.get()), f(notify, std::move(e), 1, hooks()) {}

  static void notify(Options& options) { options.notify_events = *parse_notify_classes("KEA"); }
  ServerHooks hooks() {
    ServerHooks made;
    made.publish = [this](const Published& message) {
      sent.push_back(std::string(message.channel()) + "=" + std::string(message.message()));
      return room;
    };
    return made;
  }
  void release_all() {
    f.reactor().post([this] { engine->release_all(); });
    f.advance_ms(10);
  }

  using Sent = std::vector<std::string>;
  Sent sent;
  bool room = true;  // on all links
  ScriptedEngine* engine;
  CommandFixture f;
};

Published published(const std::string& channel, const std::string& message) {
  return {channel.size(), std::make_shared<const std::string>(channel + message)};
}

std::string request(const std::vector<std::string>& args) { return encode_request(args); }

}  // namespace

TEST_CASE("relay: what is published goes to the other nodes, events and shard channels do not") {
  RelayFixture r;
  CHECK(r.f.run({"PUBLISH", "c", "m"}) == ":0\r\n");
  CHECK(r.f.run({"PUBLISH", "", ""}) == ":0\r\n");
  CHECK(r.f.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(r.f.run({"SPUBLISH", "s", "m"}) == ":0\r\n");
  CHECK(r.f.run({"PUBLISH", "__keyevent@0__:set", "by hand"}) == ":0\r\n");
  CHECK(r.f.run({"EVAL", "return redis.call('PUBLISH', 'c', 'of a script')", "0"}) == ":0\r\n");
  CHECK(r.sent == RelayFixture::Sent{"c=m", "=", "c=of a script"});
  CHECK(r.f.server().relay().sent() == 3);
  r.room = false;
  CHECK(r.f.run({"PUBLISH", "c", "m"}) == ":0\r\n");
  CHECK(r.f.server().relay().dropped() == 1);
}

TEST_CASE("relay: a message leaves when all is committed that its publisher wrote before") {
  RelayFixture r;
  TestClient& writer = r.f.connect();
  r.engine->hold();
  writer.send_raw(request({"SET", "k", "v"}) + request({"PUBLISH", "c", "1"}) +
                  request({"PUBLISH", "c", "2"}) + request({"MULTI"}) + request({"INCR", "n"}) +
                  request({"PUBLISH", "c", "3"}) + request({"EXEC"}));
  CHECK(writer.received(100).empty());
  CHECK(r.f.run({"PUBLISH", "other", "x"}) == ":0\r\n");  // waits for nothing
  CHECK(r.sent == RelayFixture::Sent{"other=x"});
  r.release_all();
  CHECK(r.sent == RelayFixture::Sent{"other=x", "c=1", "c=2", "c=3"});
}

TEST_CASE("relay: a message of a write that is lost never leaves") {
  RelayFixture r;
  TestClient& writer = r.f.connect();
  r.engine->hold();
  writer.send_raw(request({"SET", "k", "v"}) + request({"PUBLISH", "c", "1"}));
  CHECK(writer.received(100).empty());
  r.engine->fail_next(Status::from_errno("write", EIO));
  r.release_all();
  CHECK(r.sent.empty());
  CHECK(r.f.server().relay().dropped() == 1);
}

TEST_CASE("relay: what waits is bounded") {
  RelayFixture r;
  TestClient& writer = r.f.connect();
  r.engine->hold();
  writer.send({"SET", "k", "v"});
  std::string many;
  for (size_t i = 0; i < Relay::kMaxWaiting + 5; ++i) many += request({"PUBLISH", "c", "m"});
  writer.send_raw(many);
  CHECK(writer.received(100).empty());
  CHECK(r.f.server().relay().dropped() == 5);
  r.release_all();
  CHECK(r.sent.size() == Relay::kMaxWaiting);

  r.engine->hold();
  writer.send({"SET", "k", "v"});
  for (int i = 0; i < 4; ++i) writer.send({"PUBLISH", "c", std::string(10 << 20, 'm')});
  r.f.advance_ms(5000);
  CHECK(r.f.server().relay().dropped() == 6);
  r.release_all();
  CHECK(r.sent.size() == Relay::kMaxWaiting + 3);
}

TEST_CASE("relay: however many there are, what waits for nothing is not dropped") {
  RelayFixture r;
  const std::string script = "for i = 1, 20000 do redis.call('PUBLISH', 'c', i) end";
  CHECK(r.f.run({"EVAL", script, "0"}) == "$-1\r\n");
  std::string many;
  for (int i = 0; i < 20000; ++i) many += request({"PUBLISH", "c", "m"});
  r.f.connect().send_raw(many);
  r.f.advance_ms(1000);
  CHECK(r.f.run({"PUBLISH", "c", std::string(40 << 20, 'm')}) == ":0\r\n");
  CHECK(r.sent.size() == 40001);
  CHECK(r.f.server().relay().dropped() == 0);
}

TEST_CASE("relay: a message from another node comes at once, and goes no further") {
  RelayFixture r;
  TestClient& listener = r.f.connect();
  listener.run({"SUBSCRIBE", "c"});
  listener.run({"PSUBSCRIBE", "c*"});
  r.engine->hold();
  r.f.connect().send({"SET", "k", "v"});  // it waits for nothing here
  r.f.reactor().post([&r] { r.f.server().published_elsewhere(published("c", "there")); });
  CHECK(listener.received() ==
        "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nthere\r\n"
        "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$5\r\nthere\r\n");
  CHECK(r.sent.empty());
  CHECK(r.f.server().stats().messages_from_nodes == 1);
}
