// A gateway between clients and scripted nodes, in virtual time: order, retries, splits, failures.
#include "gateway/gateway.h"

#include <doctest/doctest.h>

#include "store/key.h"
#include "tests/support/fake_node.h"

namespace holdfast {
namespace {

// Each value is the node's name and the command, so that a test sees who answered what.
FakeNode::Script named(const std::string& name) {
  return [name](const std::vector<std::string>& args) {
    if (args[0] == "DBSIZE" || args[0] == "DEL") return std::string(":2\r\n");
    if (args[0] == "MGET") {
      std::string out = "*" + std::to_string(args.size() - 1) + "\r\n";
      for (size_t i = 1; i < args.size(); ++i) {
        out += "$" + std::to_string(args[i].size()) + "\r\n" + args[i] + "\r\n";
      }
      return out;
    }
    return "+" + name + " " + args[0] + " " + (args.size() > 1 ? args[1] : "") + "\r\n";
  };
}

struct World {
  SimWorld sim{1};
  FakeNode a{sim, 7001, named("a")};
  FakeNode b{sim, 7002, named("b")};
  Options options;
  std::vector<std::pair<ShardId, NodeId>> suspects;
  std::unique_ptr<Gateway> gateway;
  uint64_t revision = 0;

  explicit World(uint64_t queue_bytes = 64 << 20) {
    options.resp_port = 7000;
    options.gateway_queue_bytes = queue_bytes;
    GatewayHooks hooks;
    hooks.on_suspect = [this](ShardId shard, NodeId node) { suspects.emplace_back(shard, node); };
    gateway = std::make_unique<Gateway>(sim.reactor, sim.net, sim.random, options, hooks);
    REQUIRE(gateway->listen().ok());
    give_map("127.0.0.1:7001", "127.0.0.1:7002");
  }

  // Slots of the two halves.
  void give_map(const std::string& first, const std::string& second) {
    ClusterMap map;
    map.revision = ++revision;
    const std::string addresses[] = {first, second};
    for (NodeId id = 1; id <= 2; ++id) {
      NodeRecord node;
      node.id = id;
      node.resp_address = addresses[id - 1];
      ClusterShard shard;
      shard.id = id;
      shard.slots = {id == 1 ? SlotRange{0, 8191} : SlotRange{8192, kSlotCount - 1}};
      if (!node.resp_address.empty()) {
        map.nodes.push_back(node);
        shard.record.active.primary = {id, 1};
      }
      map.shards.push_back(shard);
    }
    gateway->set_map(std::move(map));
  }

  std::unique_ptr<Peer> client() {
    auto conn = sim.net.connect(Address::tcp("127.0.0.1", 7000));
    REQUIRE(conn.ok());
    auto peer = std::make_unique<Peer>(std::move(conn.value()));
    REQUIRE(sim.run_until([&] { return peer->connected; }));
    return peer;
  }

  bool gets(Peer& peer, const std::string& wanted, int64_t ms = 20'000) {
    const bool got = sim.run_until([&] { return peer.received.size() >= wanted.size(); }, ms);
    CHECK(peer.received == wanted);
    return got && peer.received == wanted;
  }
};

}  // namespace

TEST_CASE("gateway: answers leave in the order of the requests (G1)") {
  World w;
  auto client = w.client();
  const std::string ka = key_of('a', 1), kb = key_of('b', 1);
  // The first node says nothing at first: what the second answers has to wait.
  bool silent = true;
  w.a.set_script([&](const std::vector<std::string>& args) {
    return silent ? std::string() : "+a " + args[0] + "\r\n";
  });
  client->send(encoded({"GET", ka}) + encoded({"GET", kb}) + "PING\r\n" + encoded({"STRLEN", ka}) +
               encoded({"ECHO", "x"}));
  w.sim.run_for(100);
  CHECK(client->received.empty());
  CHECK(w.b.seen.size() == 1);
  silent = false;
  w.a.set_script(named("a"));
  CHECK(w.gets(*client, "+a GET " + ka + "\r\n+b GET " + kb + "\r\n+PONG\r\n+a STRLEN " + ka +
                            "\r\n$1\r\nx\r\n"));
}

TEST_CASE("gateway: commands over many keys are split and merged") {
  World w;
  auto client = w.client();
  const std::string k1 = key_of('a', 1), k2 = key_of('b', 2), k3 = key_of('a', 3);
  client->send(encoded({"MGET", k1, k2, k3, k1}) + encoded({"DEL", k1, k2}) + encoded({"DBSIZE"}) +
               encoded({"SUNION", k1, k2}));
  std::string values;
  for (const std::string& key : {k1, k2, k3, k1}) {
    values += "$" + std::to_string(key.size()) + "\r\n" + key + "\r\n";
  }
  CHECK(w.gets(*client, "*4\r\n" + values +
                            ":4\r\n:4\r\n-CROSSSLOT Keys in request don't hash to the "
                            "same slot\r\n"));
}

TEST_CASE(
    "gateway: a slot that has moved is followed, and the order of a key's commands holds (G2)") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1), slot = std::to_string(slot_of(key));
  w.a.set_script([&](const std::vector<std::string>&) {
    return "-MOVED " + slot + " " + w.b.address() + "\r\n";
  });
  client->send(encoded({"SET", key, "1"}) + encoded({"SET", key, "2"}) + encoded({"GET", key}));
  CHECK(w.gets(*client, "+b SET " + key + "\r\n+b SET " + key + "\r\n+b GET " + key + "\r\n"));
  CHECK(w.b.seen ==
        std::vector<std::string>{"SET " + key + " 1", "SET " + key + " 2", "GET " + key});
  CHECK(w.gateway->context().stats.moved == 3);
}

TEST_CASE("gateway: ASK is followed once, behind an ASKING") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1), slot = std::to_string(slot_of(key));
  w.a.set_script([&](const std::vector<std::string>&) {
    return "-ASK " + slot + " " + w.b.address() + "\r\n";
  });
  client->send(encoded({"GET", key}));
  CHECK(w.gets(*client, "+b GET " + key + "\r\n"));
  CHECK(w.b.seen == std::vector<std::string>{"ASKING", "GET " + key});
  CHECK(w.gateway->topology().owner(slot_of(key))->address == w.a.address());
}

TEST_CASE("gateway: a refused write that a later one has overtaken is not sent again (G2)") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  int calls = 0;
  w.a.set_script([&](const std::vector<std::string>&) -> std::string {
    return ++calls == 1 ? "-NOREPLICAS Not enough good replicas to write.\r\n" : "+OK\r\n";
  });
  client->send(encoded({"SET", key, "1"}) + encoded({"SET", key, "2"}));
  CHECK(w.gets(*client, "-NOREPLICAS Not enough good replicas to write.\r\n+OK\r\n"));
  CHECK(calls == 2);
}

TEST_CASE(
    "gateway: no client is sent elsewhere, also when a redirect is all that there is to say") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1), slot = std::to_string(slot_of(key));
  int calls = 0;
  w.a.set_script([&](const std::vector<std::string>&) -> std::string {
    return ++calls == 1 ? "-MOVED " + slot + " " + w.b.address() + "\r\n" : "+OK\r\n";
  });
  client->send(encoded({"SET", key, "1"}) + encoded({"SET", key, "2"}));
  CHECK(w.gets(*client, "-TRYAGAIN The slot moved while this command was on its way\r\n+OK\r\n"));
}

TEST_CASE("gateway: a refused write waits for its node, other keys are not held against it") {
  World w;
  auto client = w.client();
  const std::string k1 = key_of('a', 1), k2 = key_of('a', 2);
  int refusals = 3;
  w.a.set_script([&](const std::vector<std::string>& args) -> std::string {
    if (args[1] == k1 && refusals-- > 0) return "-CLUSTERDOWN The cluster is down\r\n";
    return "+" + args[2] + "\r\n";
  });
  client->send(encoded({"SET", k1, "1"}) + encoded({"SET", k2, "2"}));
  CHECK(w.gets(*client, "+1\r\n+2\r\n"));
  CHECK(w.gateway->context().stats.retries == 3);
}

TEST_CASE(
    "gateway: what has no number and whose connection broke closes the client's, a read is sent "
    "again (G3)") {
  World w;
  auto reader = w.client(), writer = w.client();
  const std::string key = key_of('a', 1);
  w.a.set_script([](const std::vector<std::string>&) { return std::string(); });
  reader->send(encoded({"GET", key}));
  writer->send(encoded({"GET", key_of('b', 1)}) + encoded({"PUBLISH", key, "v"}));
  const std::string from_b = "+b GET " + key_of('b', 1) + "\r\n";
  const std::string from_a = "+a GET " + key + "\r\n";
  REQUIRE(w.sim.run_until([&] { return w.a.seen.size() == 2 && writer->received == from_b; }));
  w.a.cut(false);
  w.a.set_script(named("a"));
  w.a.seen.clear();
  REQUIRE(w.sim.run_until([&] { return writer->closed && reader->received == from_a; }));
  CHECK(writer->received == from_b);
  CHECK(w.a.seen == std::vector<std::string>{"GET " + key});
  CHECK(w.gateway->context().stats.unknown == 1);
  CHECK(w.gateway->context().stats.backend_breaks >= 1);
}

TEST_CASE("gateway: writes whose connection broke are sent again and done once, in order (G3)") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  std::vector<std::string> done;
  w.a.set_script([&](const std::vector<std::string>& args) {
    if (args[0] == "MULTI") return std::string("+OK\r\n");
    if (args[0] == "INCR") return std::string("+QUEUED\r\n");
    done.push_back(args[0]);
    return ":" + std::to_string(done.size()) + "\r\n";
  });
  w.a.mute = true;
  client->send(encoded({"APPEND", key, "x"}) + encoded({"MULTI"}) + encoded({"INCR", key}) +
               encoded({"EXEC"}) + encoded({"SETNX", key, "v"}));
  REQUIRE(w.sim.run_until([&] { return done.size() == 3; }));
  w.a.mute = false;
  w.a.cut(false);
  CHECK(w.gets(*client, ":1\r\n+OK\r\n+QUEUED\r\n:2\r\n:3\r\n"));
  CHECK(done == std::vector<std::string>{"APPEND", "EXEC", "SETNX"});
  CHECK(w.gateway->context().stats.unknown == 0);
  CHECK(w.gateway->context().stats.retries > 0);
}

TEST_CASE("gateway: TRACE and WHY go to the node of the keys, as they came") {
  World w;
  auto client = w.client();
  const std::string a = key_of('a', 1), b = key_of('b', 1);
  client->send(encoded({"TRACE", "SET", b, "v"}) + "trace get " + a + "\r\n" +
               encoded({"TRACE", "DEL", a}) + encoded({"WHY", b}));
  CHECK(w.gets(*client, "+b TRACE SET\r\n+a trace get\r\n+a TRACE DEL\r\n+b WHY " + b + "\r\n"));
  CHECK(w.b.seen[0] == "TRACE SET " + b + " v");
  client->received.clear();
  client->send(encoded({"TRACE", "MGET", a, b}) + encoded({"TRACE", "DBSIZE"}) +
               encoded({"TRACE", "BLPOP", a, "0"}) + encoded({"TRACE", "NOSUCH"}));
  const std::string refused =
      "-ERR TRACE takes commands on keys of one shard that do not block, outside of transactions"
      "\r\n";
  CHECK(w.gets(*client, refused + refused + refused +
                            "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"));
}

TEST_CASE("gateway: a write that may have been done is never answered with a refusal") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  w.a.set_script([](const std::vector<std::string>&) { return std::string(); });
  client->send(encoded({"SET", key, "v"}));
  REQUIRE(w.sim.run_until([&] { return w.a.seen.size() == 1; }));
  w.a.cut(true);
  w.sim.run_for(w.options.gateway_retry_ms + 500);
  CHECK(client->closed);
  CHECK(client->received.empty());
  CHECK(w.gateway->context().stats.unknown == 1);
}

TEST_CASE("gateway: what a node has no room for says nothing of a write that was sent before") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  const auto full = [](const std::vector<std::string>&) {
    return std::string("-MISCONF The device of data.dir is full\r\n");
  };
  w.a.set_script(full);
  client->send(encoded({"SET", key, "v"}));
  CHECK(w.gets(*client, full({})));  // sent once
  client->received.clear();

  w.a.set_script([](const std::vector<std::string>&) { return std::string(); });
  const size_t seen = w.a.seen.size();
  client->send(encoded({"SET", key, "v"}));
  REQUIRE(w.sim.run_until([&] { return w.a.seen.size() == seen + 1; }));
  w.a.cut(false);
  w.a.set_script(full);
  w.sim.run_for(500);
  CHECK(client->received.empty());
  w.a.set_script([](const std::vector<std::string>&) { return std::string("+OK\r\n"); });
  CHECK(w.gets(*client, "+OK\r\n"));
}

TEST_CASE("gateway: a write whose answer its node has forgotten has an unknown outcome") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  w.a.set_script([](const std::vector<std::string>&) { return std::string(); });
  client->send(encoded({"SPOP", key, "1000"}));
  REQUIRE(w.sim.run_until([&] { return w.a.seen.size() == 1; }));
  w.a.cut(false);
  w.a.set_script([](const std::vector<std::string>&) {
    return std::string("-UNKNOWN this write was carried out before\r\n");
  });
  REQUIRE(w.sim.run_until([&] { return client->closed; }));
  CHECK(client->received.empty());
  CHECK(w.gateway->context().stats.unknown == 1);
}

TEST_CASE("gateway: while nobody serves a slot its clients wait, until their time is over") {
  World w;
  auto client = w.client();
  const std::string key = key_of('b', 1);
  w.give_map("127.0.0.1:7001", "");
  client->send(encoded({"SET", key, "v"}) + encoded({"GET", key_of('a', 1)}));
  w.sim.run_for(3000);
  CHECK(client->received.empty());
  w.give_map("127.0.0.1:7001", "127.0.0.1:7002");
  CHECK(w.gets(*client, "+b SET " + key + "\r\n+a GET " + key_of('a', 1) + "\r\n"));

  client->received.clear();
  w.give_map("127.0.0.1:7001", "");
  client->send(encoded({"SET", key, "v"}));
  w.sim.run_for(w.options.gateway_retry_ms + 500);
  CHECK(client->received == "-CLUSTERDOWN Hash slot not served\r\n");
}

TEST_CASE("gateway: a primary that cannot be reached is reported, and its writes wait") {
  World w;
  w.b.cut(true);
  auto client = w.client();
  const std::string key = key_of('b', 1);
  client->send(encoded({"SET", key, "v"}));
  REQUIRE(w.sim.run_until([&] { return !w.suspects.empty(); }));
  CHECK(w.suspects[0] == std::pair<ShardId, NodeId>{2, 2});
  CHECK(client->received.empty());
  w.give_map("127.0.0.1:7001", "127.0.0.1:7001");
  CHECK(w.gets(*client, "+a SET " + key + "\r\n"));
}

TEST_CASE("gateway: a node that computes is not suspected of being gone") {
  World w;
  auto old = w.client(), young = w.client();
  const std::string key = key_of('b', 1);
  old->send(encoded({"GET", key}));
  REQUIRE(w.gets(*old, "+b GET " + key + "\r\n"));
  w.b.set_script([](const std::vector<std::string>&) { return std::string(); });
  old->received.clear();
  old->send(encoded({"GET", key}));
  young->send(encoded({"HELLO", "3"}));  // goes over another connection, where the node is greeted
  w.sim.run_for(10);
  young->received.clear();
  young->send(encoded({"GET", key}));
  for (int i = 0; i < 30; ++i) {
    w.sim.run_for(100);
    w.gateway->is_busy(w.b.address());
  }
  CHECK(w.suspects.empty());
  CHECK(old->received.empty());
  CHECK(young->received.empty());
  for (int i = 0; i < 30; ++i) {
    w.sim.run_for(100);
    w.gateway->is_busy(w.a.address());
  }
  CHECK_FALSE(w.suspects.empty());
}

TEST_CASE("gateway: a transaction goes to its node as a whole when EXEC comes") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  const auto script = [](const std::vector<std::string>& args) -> std::string {
    if (args[0] == "EXEC") return "*2\r\n+OK\r\n:1\r\n";
    return args[0] == "MULTI" ? "+OK\r\n" : "+QUEUED\r\n";
  };
  w.a.set_script(script);
  client->send(encoded({"MULTI"}) + encoded({"SET", key, "1"}) + encoded({"INCR", key}));
  CHECK(w.gets(*client, "+OK\r\n+QUEUED\r\n+QUEUED\r\n"));
  CHECK(w.a.seen.empty());
  client->send(encoded({"EXEC"}));
  CHECK(w.gets(*client, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n"));
  CHECK(w.a.seen == std::vector<std::string>{"MULTI", "SET " + key + " 1", "INCR " + key, "EXEC"});

  // Refused while it was queued: nothing was carried out, so all of it is sent again.
  client->received.clear();
  w.a.seen.clear();
  int transactions = 0;
  w.a.set_script([&](const std::vector<std::string>& args) -> std::string {
    if (args[0] == "MULTI") ++transactions;
    if (transactions > 1) return script(args);
    if (args[0] == "EXEC")
      return "-EXECABORT Transaction discarded because of previous errors.\r\n";
    return args[0] == "MULTI" ? "+OK\r\n" : "-CLUSTERDOWN The cluster is down\r\n";
  });
  client->send(encoded({"MULTI"}) + encoded({"SET", key, "1"}) + encoded({"INCR", key}) +
               encoded({"EXEC"}));
  CHECK(w.gets(*client, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n:1\r\n"));
  CHECK(transactions == 2);

  client->received.clear();
  client->send(encoded({"MULTI"}) + encoded({"SET", key, "1"}) +
               encoded({"SET", key_of('b', 1), "1"}) + encoded({"EXEC"}));
  CHECK(w.gets(*client,
               "+OK\r\n+QUEUED\r\n-CROSSSLOT Keys in request don't hash to the same slot\r\n"
               "-EXECABORT Transaction discarded because of previous errors.\r\n"));
}

TEST_CASE("gateway: nothing runs beside a command that waits, and leaving ends it") {
  World w;
  auto client = w.client();
  const std::string key = key_of('a', 1);
  bool push = false;
  w.a.set_script([&](const std::vector<std::string>& args) -> std::string {
    if (args[0] == "BLPOP") return push ? "*2\r\n$1\r\nk\r\n$1\r\nv\r\n" : "";
    return "+" + args[0] + "\r\n";
  });
  client->send(encoded({"GET", key}) + encoded({"BLPOP", key, "0"}) + encoded({"GET", key}));
  w.sim.run_for(500);
  CHECK(client->received == "+GET\r\n");
  CHECK(w.a.seen.size() == 2);
  auto other = w.client();
  other->send(encoded({"GET", key}));  // is not behind it
  CHECK(w.gets(*other, "+GET\r\n"));
  push = true;
  w.a.set_script([](const std::vector<std::string>& args) -> std::string {
    return args[0] == "BLPOP" ? "*2\r\n$1\r\nk\r\n$1\r\nv\r\n" : "+" + args[0] + "\r\n";
  });
  CHECK(w.gets(*client, "+GET\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n+GET\r\n"));
}

TEST_CASE("gateway: a command that waits goes to the next node when its own is gone (G3)") {
  World w;
  const std::string key = key_of('a', 1), popped = "*2\r\n$1\r\nk\r\n$1\r\nv\r\n";
  const auto waits = [](const std::vector<std::string>&) { return std::string(); };
  w.a.set_script(waits);
  w.b.set_script(waits);
  auto client = w.client(), reader = w.client();
  client->send(encoded({"BLPOP", key, "30.5"}) + encoded({"GET", key}));
  reader->send(encoded({"XREAD", "BLOCK", "40000", "STREAMS", key, "$"}));
  w.sim.run_for(10'000);
  w.a.cut(true);
  w.give_map("127.0.0.1:7002", "127.0.0.1:7002");
  w.sim.run_for(10'000);
  // What is left of its time is that of the whole.
  REQUIRE(w.b.seen.size() == 2);
  double left = 0;
  for (const std::string& seen : w.b.seen) {
    CAPTURE(seen);
    if (seen.starts_with("BLPOP")) {
      left = std::stod(seen.substr(seen.rfind(' ')));
      CHECK(left == doctest::Approx(20.5).epsilon(0.01));
    } else {
      CHECK(std::stod(seen.substr(12)) == doctest::Approx(30'000).epsilon(0.01));
    }
  }
  // Once more, long after the first time, and from what is left.
  w.b.cut(false);
  w.sim.run_for(5000);
  REQUIRE(w.b.seen.size() == 4);
  CHECK(client->received.empty());
  for (const std::string& seen : w.b.seen) {
    if (seen.starts_with("BLPOP")) left = std::stod(seen.substr(seen.rfind(' ')));
  }
  CHECK(left == doctest::Approx(10.5).epsilon(0.02));
  w.b.set_script([&](const std::vector<std::string>& args) -> std::string {
    return args[0] == "BLPOP" ? popped : "+" + args[0] + "\r\n";
  });
  CHECK(w.gets(*client, popped + "+GET\r\n"));
  CHECK(w.gateway->context().stats.unknown == 0);
  CHECK(w.gateway->context().stats.given_up == 0);
}

TEST_CASE("gateway: what waits for a node is bounded, and then its clients are not read") {
  World w(64 << 10);
  auto client = w.client(), other = w.client();
  const std::string key = key_of('a', 1), value(1000, 'v');
  w.a.set_script([](const std::vector<std::string>&) { return std::string(); });
  std::string input, wanted;
  for (int i = 0; i < 2000; ++i) {
    input += encoded({"SET", key, value});
    wanted += "+a SET " + key + "\r\n";
  }
  client->send(input);
  w.sim.run_for(2000);
  CHECK(w.gateway->context().stats.throttled > 0);
  CHECK(w.gateway->context().stats.forwarded < 100);
  CHECK(client->sent < input.size());
  other->send(encoded({"GET", key_of('b', 1)}));
  CHECK(w.gets(*other, "+b GET " + key_of('b', 1) + "\r\n"));
  w.a.set_script(named("a"));
  CHECK(w.gets(*client, wanted));
}

TEST_CASE("gateway: a slow reader is disconnected at its limit") {
  World w;
  w.options.resp_output_limits[0].hard_bytes = 1 << 20;
  auto client = w.client();
  client->conn->want_read(false);
  const std::string key = key_of('a', 1);
  w.a.set_script([](const std::vector<std::string>&) {
    return "$100000\r\n" + std::string(100000, 'x') + "\r\n";
  });
  std::string input;
  for (int i = 0; i < 50; ++i) input += encoded({"GET", key});
  client->send(input);
  REQUIRE(w.sim.run_until([&] { return w.gateway->context().stats.output_closed == 1; }));
  w.sim.run_for(500);
  CHECK(w.gateway->sessions().empty());
}

TEST_CASE("gateway: errors are Redis's, in the client's protocol") {
  World w;
  auto client = w.client();
  client->send("NOSUCH a b\r\n" + encoded({"GET"}) + encoded({"CLIENT", "NOSUCH"}) +
               encoded({"SELECT", "1"}) + encoded({"DEBUG", "SLEEP", "1"}) + encoded({"EXEC"}));
  CHECK(w.gets(*client,
               "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"
               "-ERR wrong number of arguments for 'get' command\r\n"
               "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n"
               "-ERR SELECT is not allowed in cluster mode\r\n"
               "-ERR 'debug' is not possible through a gateway: ask a node\r\n"
               "-ERR EXEC without MULTI\r\n"));
}

}  // namespace holdfast
