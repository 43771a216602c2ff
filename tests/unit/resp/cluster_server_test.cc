// A server that answers for several shards: which shard a command runs on, what is refused, what
// looks at all of them, and that a shard's commits are waited for by what rests on that shard.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/cluster_fixture.h"

using namespace holdfast;

namespace {

constexpr const char* kCrossSlot = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// A key of the slot that is nobody's here.
std::string homeless() {
  for (int i = 0;; ++i) {
    const std::string key = "h" + std::to_string(i);
    if (slot_of(key) == kSlotCount - 1) return key;
  }
}

// All keys that SCAN shows, in the order in which it does. `between` runs after each call.
std::vector<std::string> scan(ClusterFixture& f, const std::function<void()>& between = {}) {
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    const std::string reply = f.run({"SCAN", cursor, "COUNT", "7"});
    std::vector<std::string> lines;
    for (size_t at = 0, end; (end = reply.find("\r\n", at)) != std::string::npos; at = end + 2) {
      lines.push_back(reply.substr(at, end - at));
    }
    REQUIRE(lines.size() >= 4);
    cursor = lines[2];
    for (size_t i = 5; i < lines.size(); i += 2) keys.push_back(lines[i]);
    if (between) between();
  } while (cursor != "0");
  return keys;
}

}  // namespace

TEST_CASE("cluster server: a command runs on the shard of its key's slot") {
  ClusterFixture f(3);
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    CHECK(f.run({"SET", f.key(i), "v" + std::to_string(i)}) == "+OK\r\n");
    CHECK(f.shard(i).last_seq() == 1);
    CHECK(f.keyspace(i).size(0) == 1);
    CHECK(f.run({"GET", f.key(i)}) == bulk("v" + std::to_string(i)));
    CHECK(f.run({"OBJECT", "ENCODING", f.key(i)}) == bulk("embstr"));
    CHECK(f.run({"DEBUG", "OBJECT", f.key(i)}).starts_with("+Value at:"));
  }
  CHECK(f.run({"PING"}) == "+PONG\r\n");
  CHECK(f.run({"MSET", f.key(1, 0, "a"), "1", f.key(1, 0, "b"), "2"}) == "+OK\r\n");
  CHECK(f.run({"MGET", f.key(1, 0, "a"), f.key(1, 0, "b")}) == "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
}

TEST_CASE("cluster server: keys of several slots, databases and slots of others are refused") {
  ServerHooks hooks;
  std::string elsewhere;
  hooks.moved_to = [&elsewhere](SlotId) { return elsewhere; };
  ClusterFixture f(2, std::move(hooks));
  CHECK(f.run({"MGET", f.key(0), f.key(1)}) == kCrossSlot);
  CHECK(f.run({"MGET", f.key(0, 0), f.key(0, 1)}) == kCrossSlot);  // one shard, two slots
  CHECK(f.run({"DEL", f.key(0, 0), f.key(0, 1)}) == kCrossSlot);
  CHECK(f.run({"EVAL", "return 1", "2", f.key(0), f.key(1)}) == kCrossSlot);
  CHECK(f.run({"WATCH", f.key(0), f.key(1)}) == kCrossSlot);
  CHECK(f.run({"GET", homeless()}) == "-CLUSTERDOWN Hash slot not served\r\n");
  elsewhere = "10.0.0.9:7000";
  CHECK(f.run({"GET", homeless()}) == "-MOVED 16383 10.0.0.9:7000\r\n");
  CHECK(f.run({"SSUBSCRIBE", homeless()}) == "-MOVED 16383 10.0.0.9:7000\r\n");
  CHECK(f.run({"SELECT", "0"}) == "+OK\r\n");
  CHECK(f.run({"SELECT", "1"}) == "-ERR SELECT is not allowed in cluster mode\r\n");
  CHECK(f.run({"SWAPDB", "0", "1"}) == "-ERR SWAPDB is not allowed in cluster mode\r\n");
  CHECK(f.run({"MOVE", f.key(0), "1"}) == "-ERR MOVE is not allowed in cluster mode\r\n");
  CHECK(f.run({"COPY", f.key(0, 0, "a"), f.key(0, 0, "b"), "DB", "1"}) ==
        "-ERR Copying to another database is not allowed in cluster mode\r\n");
  CHECK(f.run({"SORT", f.key(0), "BY", "w_*"}) ==
        "-ERR BY option of SORT denied in cluster mode.\r\n");
  CHECK(f.run({"INFO", "cluster"}).find("cluster_enabled:1") != std::string::npos);
}

TEST_CASE("cluster server: a server that hosts nothing yet answers what it can") {
  ClusterFixture f(0);
  CHECK(f.run({"PING"}) == "+PONG\r\n");
  for (const std::vector<std::string>& args : {std::vector<std::string>{"GET", "k"},
                                               {"DBSIZE"},
                                               {"FLUSHALL"},
                                               {"EVAL", "return 1", "0"}}) {
    CHECK(f.run(args) == "-CLUSTERDOWN Hash slot not served\r\n");
  }
  CHECK(f.run({"INFO"})[0] == '$');
  CHECK(f.run({"LASTSAVE"})[0] == ':');
  CHECK(f.run({"SAVE"}) == "+OK\r\n");
  CHECK(f.run({"ENGINE", "INFO"})[0] == '-');
  CHECK(f.run({"SHARD", "INFO"})[0] == '-');
  CHECK(f.run({"MEMORY", "STATS"})[0] == '*');
  CHECK(f.run({"DEBUG", "DIGEST"})[0] == '+');
  CHECK(f.run({"MULTI"}) == "+OK\r\n");
  CHECK(f.run({"PING"}) == "+QUEUED\r\n");
  CHECK(f.run({"EXEC"}) == "*1\r\n+PONG\r\n");
  CHECK(f.run({"WAITAOF", "0", "0", "0"})[0] == '*');
}

TEST_CASE("cluster server: a shard that is added, and slots that change hands, count at once") {
  ClusterFixture f(2);
  REQUIRE(f.run({"SET", f.key(1), "v"}) == "+OK\r\n");
  Shard& third = f.add();
  const auto waiter = f.connect();
  waiter->send({"BLPOP", f.key(1, 3, "list"), "0"});
  CHECK(waiter->received().empty());
  const SlotId slot = slot_of(f.key(1));
  f.shards().set_slots(third, std::vector<ClusterFixture::Range>{{slot, slot}});
  CHECK(waiter->received().empty());  // another slot
  CHECK(f.run({"GET", f.key(1)}) == "$-1\r\n");
  CHECK(f.run({"SET", f.key(1), "there"}) == "+OK\r\n");
  CHECK(third.keyspace().size(0) == 1);
  const SlotId other = slot_of(f.key(1, 3));
  f.shards().set_slots(third, std::vector<ClusterFixture::Range>{{slot, slot}, {other, other}});
  CHECK(waiter->received() == "-CLUSTERDOWN Hash slot not served\r\n");
}

TEST_CASE("cluster server: a shard whose log is far behind holds up its own writers only") {
  ClusterFixture f(2);
  f.engine(0).hold();
  const auto writer = f.connect(), second = f.connect(), flush = f.connect();
  for (int i = 0; i < 2; ++i) {
    writer->send({"SET", f.key(0), std::string(Shard::kMaxUncommittedBytes / 2, 'x')});
    CHECK(writer->received(1000).empty());
  }
  second->send({"SET", f.key(0, 1), "v"});
  flush->send({"FLUSHALL"});
  CHECK(second->received(1000).empty());
  CHECK(flush->received(1000).empty());
  CHECK(f.shard(0).last_seq() == 2);
  CHECK(f.run({"SET", f.key(1), "v"}) == "+OK\r\n");
  CHECK(f.run({"SET", homeless(), "v"}) == "-CLUSTERDOWN Hash slot not served\r\n");
  CHECK(f.run({"DBSIZE"}).empty());  // it shows what is not committed
  f.engine(0).stop_holding();
  f.release_all(0);
  CHECK(writer->received() == "+OK\r\n+OK\r\n");
  CHECK(second->received() == "+OK\r\n");
  CHECK(flush->received() == "+OK\r\n");
}

TEST_CASE("cluster server: what looks at whole databases looks at all shards") {
  ClusterFixture f(3);
  std::set<std::string> expected;
  for (size_t shard = 0; shard < 3; ++shard) {
    for (int n = 0; n < 40; ++n) {
      expected.insert(f.key(shard, n));
      REQUIRE(f.run({"SET", f.key(shard, n), "v"}) == "+OK\r\n");
    }
  }
  CHECK(f.run({"DBSIZE"}) == ":120\r\n");
  const std::vector<std::string> scanned = scan(f);
  CHECK(std::set<std::string>(scanned.begin(), scanned.end()) == expected);
  CHECK(scanned.size() == expected.size());  // none twice while nothing changes
  CHECK(f.run({"KEYS", "*"}).starts_with("*120\r\n"));
  std::set<size_t> drawn;
  for (int i = 0; i < 100; ++i) {
    const std::string reply = f.run({"RANDOMKEY"});
    const std::string key = reply.substr(reply.find("\r\n") + 2);
    drawn.insert(f.owner(slot_of(key.substr(0, key.size() - 2))));
  }
  CHECK(drawn.size() == 3);
  CHECK(f.run({"INFO", "keyspace"}).find("keys=120,expires=0") != std::string::npos);
  CHECK(f.run({"SAVE"}) == "+OK\r\n");
  for (size_t i = 0; i < 3; ++i) CHECK(f.shard(i).checkpoint().finished_count() == 1);
  CHECK(f.run({"MULTI"}) == "+OK\r\n");
  CHECK(f.run({"DBSIZE"}) == "+QUEUED\r\n");
  CHECK(f.run({"FLUSHALL"}) == "+QUEUED\r\n");
  CHECK(f.run({"DBSIZE"}) == "+QUEUED\r\n");
  CHECK(f.run({"EXEC"}) == "*3\r\n:120\r\n+OK\r\n:0\r\n");
  for (size_t i = 0; i < 3; ++i) CHECK(f.keyspace(i).size(0) == 0);
}

TEST_CASE("cluster server: SCAN shows what stays, over all shards, while others come and go") {
  ClusterFixture f(3);
  std::set<std::string> stays;
  for (size_t shard = 0; shard < 3; ++shard) {
    for (int n = 0; n < 60; ++n) {
      stays.insert(f.key(shard, n));
      REQUIRE(f.run({"SET", f.key(shard, n), "v"}) == "+OK\r\n");
    }
  }
  int step = 0;
  const std::vector<std::string> scanned = scan(f, [&] {
    const auto shard = static_cast<size_t>(step % 3);
    for (int i = 0; i < 5; ++i) {
      f.run({"SET", f.key(shard, step % 60, "new" + std::to_string(i)), "v"});
      f.run({"DEL", f.key(shard, (step + 59) % 60, "new" + std::to_string(i))});
    }
    ++step;
  });
  std::set<std::string> seen(scanned.begin(), scanned.end());
  for (const std::string& key : stays) CHECK(seen.contains(key));
}

TEST_CASE("cluster server: a shard's missing commits hold what rests on it, nothing else") {
  ClusterFixture f(2);
  f.engine(0).hold();
  const auto a = f.connect();
  const auto b = f.connect();
  a->send({"SET", f.key(0), "v"});
  CHECK(a->received(50).empty());
  b->send({"SET", f.key(1), "v"});
  CHECK(b->received(50) == "+OK\r\n");
  b->send({"GET", f.key(0)});
  CHECK(b->received(50).empty());
  // In one session in order: what comes behind waits too.
  b->send({"GET", f.key(1)});
  CHECK(b->received(50).empty());
  f.release_all(0);
  CHECK(a->received() == "+OK\r\n");
  CHECK(b->received() == "$1\r\nv\r\n$1\r\nv\r\n");
}

TEST_CASE("cluster server: replies that rest on two shards wait for both, in either order") {
  for (const size_t first : {0, 1}) {
    CAPTURE(first);
    ClusterFixture f(2);
    f.engine(0).hold();
    f.engine(1).hold();
    const auto c = f.connect();
    c->send({"SET", f.key(0), "v"});
    c->send({"SET", f.key(1), "v"});
    c->send({"DBSIZE"});
    CHECK(c->received(50).empty());
    f.release_all(first);
    CHECK(c->received(50) == (first == 0 ? "+OK\r\n" : ""));
    f.release_all(1 - first);
    CHECK(c->received(50) == (first == 0 ? "+OK\r\n:2\r\n" : "+OK\r\n+OK\r\n:2\r\n"));
    c->send({"FLUSHALL"});
    CHECK(c->received(50).empty());
    f.release_all(first);
    CHECK(c->received(50).empty());
    f.release_all(1 - first);
    CHECK(c->received(50) == "+OK\r\n");
  }
}

TEST_CASE("cluster server: a transaction has one slot; WATCH sees changes of any shard") {
  ClusterFixture f(2);
  const auto c = f.connect();
  CHECK(c->run({"MULTI"}) == "+OK\r\n");
  CHECK(c->run({"SET", f.key(0), "1"}) == "+QUEUED\r\n");
  CHECK(c->run({"SET", f.key(1), "1"}) == "+QUEUED\r\n");
  CHECK(c->run({"EXEC"}) == kCrossSlot);
  CHECK(c->run({"EXEC"}) == "-ERR EXEC without MULTI\r\n");
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
  CHECK(c->run({"MULTI"}) == "+OK\r\n");
  CHECK(c->run({"MGET", f.key(0), f.key(1)}) == kCrossSlot);
  CHECK(c->run({"EXEC"}).starts_with("-EXECABORT"));

  CHECK(c->run({"WATCH", f.key(0)}) == "+OK\r\n");
  CHECK(c->run({"WATCH", f.key(1)}) == "+OK\r\n");
  f.engine(0).hold();
  const auto other = f.connect();
  other->send({"SET", f.key(0), "changed"});
  CHECK(other->received(20).empty());
  CHECK(c->run({"MULTI"}) == "+OK\r\n");
  CHECK(c->run({"SET", f.key(1), "1"}) == "+QUEUED\r\n");
  c->send({"EXEC"});  // its refusal tells of a change that is not committed
  CHECK(c->received(20).empty());
  f.release_all(0);
  CHECK(c->received(20) == "*-1\r\n");
  f.engine(0).stop_holding();

  CHECK(c->run({"WATCH", f.key(0)}) == "+OK\r\n");
  CHECK(f.run({"SET", f.key(1), "2"}) == "+OK\r\n");  // another key
  CHECK(c->run({"MULTI"}) == "+OK\r\n");
  CHECK(c->run({"SET", f.key(0), "3"}) == "+QUEUED\r\n");
  CHECK(c->run({"INCR", f.key(0)}) == "+QUEUED\r\n");
  CHECK(c->run({"EXEC"}) == "*2\r\n+OK\r\n:4\r\n");
  CHECK(c->run({"WATCH", f.key(1)}) == "+OK\r\n");
  CHECK(f.run({"FLUSHALL"}) == "+OK\r\n");
  CHECK(c->run({"MULTI"}) == "+OK\r\n");
  CHECK(c->run({"PING"}) == "+QUEUED\r\n");
  CHECK(c->run({"EXEC"}) == "*-1\r\n");
}

TEST_CASE(
    "cluster server: a script works on the slot that it declared, or that it comes to first") {
  ClusterFixture f(2);
  const std::string set = "return redis.call('SET', ARGV[1], ARGV[2])";
  CHECK(f.run({"EVAL", set, "1", f.key(1), f.key(1), "v"}) == "+OK\r\n");
  CHECK(f.run({"EVAL", set, "0", f.key(0), "v"}) == "+OK\r\n");
  CHECK(f.keyspace(0).size(0) == 1);
  CHECK(f.keyspace(1).size(0) == 1);
  CHECK(f.run({"EVAL", set, "1", f.key(0), f.key(1), "x"})
            .find("Script attempted to access keys that do not hash to the same slot") !=
        std::string::npos);
  CHECK(f.run({"EVAL", set, "0", homeless(), "x"})
            .find("Script attempted to access a non local key in a cluster node") !=
        std::string::npos);
  CHECK(f.run({"GET", f.key(1)}) == "$1\r\nv\r\n");
  const std::string two = "redis.call('SET', ARGV[1], 'a') return redis.call('SET', ARGV[2], 'b')";
  CHECK(f.run({"EVAL", two, "0", f.key(0, 1), f.key(0, 2)})[0] == '-');
  CHECK(f.run({"EVAL", "#!lua flags=allow-cross-slot-keys\n" + two, "0", f.key(0, 1),
               f.key(0, 2)}) == "+OK\r\n");
  CHECK(f.run({"EVAL", "return redis.call('DBSIZE')", "0"}) == ":4\r\n");
  // What a script on the other shard wrote is waited for.
  f.engine(1).hold();
  const auto c = f.connect();
  c->send({"EVAL", set, "0", f.key(1, 5), "v"});
  CHECK(c->received(50).empty());
  f.release_all(1);
  CHECK(c->received(50) == "+OK\r\n");
}

TEST_CASE("cluster server: functions are kept by every shard and called on that of the keys") {
  ClusterFixture f(3);
  const std::string code =
      "#!lua name=lib\nredis.register_function('put', function(keys, args) return "
      "redis.call('SET', keys[1], args[1]) end)";
  CHECK(f.run({"FUNCTION", "LOAD", code}) == "$3\r\nlib\r\n");
  CHECK(f.run({"FUNCTION", "LOAD", code})[0] == '-');
  for (size_t i = 0; i < 3; ++i) {
    CHECK(f.keyspace(i).libraries().contains("lib"));
    CHECK(f.run({"FCALL", "put", "1", f.key(i), "v"}) == "+OK\r\n");
    CHECK(f.keyspace(i).size(0) == 1);
  }
  CHECK(f.run({"FUNCTION", "LOAD", "REPLACE", code}) == "$3\r\nlib\r\n");
  const std::string dump = f.run({"FUNCTION", "DUMP"});
  const std::string payload = dump.substr(dump.find("\r\n") + 2);
  CHECK(f.run({"FUNCTION", "DELETE", "lib"}) == "+OK\r\n");
  for (size_t i = 0; i < 3; ++i) CHECK(f.keyspace(i).libraries().empty());
  CHECK(f.run({"FCALL", "put", "1", f.key(2), "v"}) == "-ERR Function not found\r\n");
  CHECK(f.run({"FUNCTION", "RESTORE", payload.substr(0, payload.size() - 2)}) == "+OK\r\n");
  for (size_t i = 0; i < 3; ++i) CHECK(f.keyspace(i).libraries().contains("lib"));
}

TEST_CASE("cluster server: blocked commands are served by their own shard") {
  ClusterFixture f(2);
  const auto a = f.connect();
  const auto b = f.connect();
  a->send({"BLPOP", f.key(0, 0, "list"), "0"});
  b->send({"BLPOP", f.key(1, 0, "list"), "0"});
  CHECK(a->received().empty());
  f.engine(1).hold();
  const auto pusher = f.connect();
  pusher->send({"RPUSH", f.key(1, 0, "list"), "x"});
  CHECK(b->received(50).empty());  // not committed
  CHECK(f.run({"RPUSH", f.key(0, 0, "list"), "y"}) == ":1\r\n");
  CHECK(a->received(50) == "*2\r\n" + bulk(f.key(0, 0, "list")) + bulk("y"));
  f.release_all(1);
  CHECK(b->received(50) == "*2\r\n" + bulk(f.key(1, 0, "list")) + bulk("x"));
  f.engine(1).stop_holding();
  a->send({"BLPOP", f.key(1, 0, "list"), "0.05"});
  CHECK(a->received(500) == "*-1\r\n");
}

TEST_CASE("cluster server: pushes wait for the shards of what their client did") {
  ClusterFixture f(2);
  REQUIRE(f.run({"CONFIG", "SET", "notify-keyspace-events", "KEA"}) == "+OK\r\n");
  const auto listener = f.connect();
  REQUIRE(listener->run({"SUBSCRIBE", "__keyevent@0__:set"})[0] == '*');
  const auto other_listener = f.connect();
  REQUIRE(other_listener->run({"SUBSCRIBE", "news"})[0] == '*');
  f.engine(0).hold();
  const auto writer = f.connect();
  writer->send({"SET", f.key(0), "v"});
  CHECK(listener->received(50).empty());
  writer->send({"PUBLISH", "news", "later"});  // behind an uncommitted write of its own
  CHECK(other_listener->received(50).empty());
  CHECK(f.run({"PUBLISH", "other", "x"}) == ":0\r\n");
  const auto bystander = f.connect();
  REQUIRE(bystander->run({"SUBSCRIBE", "side"})[0] == '*');
  CHECK(f.run({"SET", f.key(1), "v"}) == "+OK\r\n");
  CHECK(f.run({"PUBLISH", "side", "now"}) == ":1\r\n");
  CHECK(bystander->received(50).find("now") != std::string::npos);
  f.release_all(0);
  const std::string events = listener->received(50);
  CHECK(events.find(f.key(0)) != std::string::npos);
  CHECK(events.find(f.key(1)) != std::string::npos);
  CHECK(other_listener->received(50).find("later") != std::string::npos);
}

TEST_CASE("cluster server: invalidations of cached keys, whatever the shard") {
  ClusterFixture f(2);
  for (const size_t shard : {0, 1}) REQUIRE(f.run({"SET", f.key(shard), "1"}) == "+OK\r\n");
  const auto cache = f.connect();
  REQUIRE(cache->run({"HELLO", "3"})[0] == '%');
  REQUIRE(cache->run({"CLIENT", "TRACKING", "ON"}) == "+OK\r\n");
  for (const size_t shard : {0, 1}) REQUIRE(cache->run({"GET", f.key(shard)}) == bulk("1"));
  f.engine(0).hold();
  const auto writer = f.connect();
  writer->send({"SET", f.key(0), "2"});
  CHECK(cache->received(50).empty());
  f.release_all(0);
  CHECK(cache->received(50).find(f.key(0)) != std::string::npos);
  CHECK(f.run({"SET", f.key(1), "2"}) == "+OK\r\n");
  CHECK(cache->received(50).find(f.key(1)) != std::string::npos);
}

TEST_CASE("cluster server: keys of all shards expire by themselves") {
  ClusterFixture f(3);
  for (size_t shard = 0; shard < 3; ++shard) {
    for (int n = 0; n < 200; ++n) {
      REQUIRE(f.run({"SET", f.key(shard, n % 50, "k" + std::to_string(n)), "v", "PX", "500"}) ==
              "+OK\r\n");
    }
    REQUIRE(f.run({"HSET", f.key(shard, 0, "hash"), "field", "v"}) == ":1\r\n");
    REQUIRE(f.run({"HPEXPIRE", f.key(shard, 0, "hash"), "400", "FIELDS", "1", "field"})[0] == '*');
  }
  f.advance_ms(5000);
  for (size_t shard = 0; shard < 3; ++shard) CHECK(f.keyspace(shard).size(0) == 0);
  CHECK(f.server().stats().expired_keys == 600);
}

TEST_CASE("cluster server: keys of all shards are evicted, each its part") {
  ServerHooks hooks;
  const ClusterFixture* at = nullptr;
  hooks.memory_used = [&at]() -> uint64_t {
    uint64_t keys = 0;
    if (at == nullptr) return 0;
    for (size_t i = 0; i < 2; ++i) keys += const_cast<ClusterFixture*>(at)->keyspace(i).size(0);
    return keys * 1000;
  };
  ClusterFixture f(2, std::move(hooks));
  for (int n = 0; n < 300; ++n) {
    for (const size_t shard : {0, 1}) {
      REQUIRE(f.run({"SET", f.key(shard, n % 50, "k" + std::to_string(n)),
                     std::string(900, 'v')}) == "+OK\r\n");
    }
  }
  at = &f;
  REQUIRE(f.run({"CONFIG", "SET", "maxmemory-policy", "allkeys-random"}) == "+OK\r\n");
  REQUIRE(f.run({"CONFIG", "SET", "maxmemory", "300000"}) == "+OK\r\n");
  f.advance_ms(2000);
  CHECK(f.server().memory_used() <= 300000);
  for (const size_t shard : {0, 1}) {
    CHECK(f.keyspace(shard).size(0) > 50);
    CHECK(f.keyspace(shard).size(0) < 250);
  }
  CHECK(f.run({"SET", f.key(0, 7, "more"), "v"}) == "+OK\r\n");
  at = nullptr;
}

TEST_CASE("cluster server: a log that fails ends the sessions that wait for it") {
  ClusterFixture f(2);
  int told = 0;
  f.server().on_log_failure([&told](const Status&) { ++told; });
  f.engine(0).hold();
  const auto a = f.connect();
  const auto b = f.connect();
  a->send({"SET", f.key(0), "v"});
  CHECK(a->received(20).empty());
  CHECK(b->run({"SET", f.key(1), "v"}) == "+OK\r\n");
  f.engine(0).fail_next({Code::kIo, "the device is gone"});
  f.release_all(0);
  CHECK(a->received(50).empty());
  CHECK(a->closed());
  CHECK(told == 1);
  CHECK(b->run({"GET", f.key(1)}) == "$1\r\nv\r\n");
}
