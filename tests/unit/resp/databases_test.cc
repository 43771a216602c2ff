// Commands on whole databases, with the replies of redis-server 7.0.15.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// The elements of the array of bulk strings that begins at `at`; REQUIREs that it is one.
std::vector<std::string> elements(const std::string& reply, size_t at = 0) {
  REQUIRE(reply.at(at) == '*');
  std::vector<std::string> all;
  const int count = std::stoi(reply.substr(at + 1));
  at = reply.find("\r\n", at) + 2;
  for (int i = 0; i < count; ++i) {
    REQUIRE(reply.at(at) == '$');
    const size_t size = std::stoul(reply.substr(at + 1));
    at = reply.find("\r\n", at) + 2;
    all.push_back(reply.substr(at, size));
    at += size + 2;
  }
  REQUIRE(at == reply.size());
  return all;
}

std::set<std::string> as_set(const std::vector<std::string>& list) {
  const std::set<std::string> set(list.begin(), list.end());
  CHECK(set.size() == list.size());
  return set;
}

struct Page {
  std::string cursor;
  std::vector<std::string> keys;
};

Page scan(CommandFixture& f, const std::string& cursor, std::vector<std::string> options = {}) {
  options.insert(options.begin(), {"SCAN", cursor});
  const std::string reply = f.run(options);
  REQUIRE(reply.starts_with("*2\r\n$"));
  const size_t start = reply.find("\r\n", 4) + 2;
  const size_t end = reply.find("\r\n", start);
  return {reply.substr(start, end - start), elements(reply, end + 2)};
}

// All keys of a scan from start to end.
std::set<std::string> scan_all(CommandFixture& f, const std::vector<std::string>& options = {}) {
  std::set<std::string> keys;
  std::string cursor = "0";
  int calls = 0;
  do {
    Page page = scan(f, cursor, options);
    keys.insert(page.keys.begin(), page.keys.end());
    cursor = page.cursor;
    REQUIRE(++calls < 10'000);
  } while (cursor != "0");
  return keys;
}

void set(CommandFixture& f, const std::string& key) {
  REQUIRE(f.run({"SET", key, "v"}) == "+OK\r\n");
}

constexpr int64_t kCommitMs = 200;  // by then a released commit has been answered
constexpr const char* kSyntax = "-ERR syntax error\r\n";

}  // namespace

TEST_CASE("DBSIZE counts the keys of the selected database") {
  CommandFixture f;
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
  set(f, "a");
  set(f, "b");
  CHECK(f.run({"DBSIZE"}) == ":2\r\n");
  CHECK(f.run3({"DBSIZE"}) == ":2\r\n");
  CHECK(f.run({"SELECT", "1"}) == "+OK\r\n");
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
}

TEST_CASE("KEYS") {
  CommandFixture f;
  CHECK(f.run({"KEYS", "*"}) == "*0\r\n");
  for (const char* key : {"hello", "hallo", "hxllo", "heello", "other"}) set(f, key);
  CHECK(elements(f.run({"KEYS", "*"})).size() == 5);
  CHECK(as_set(elements(f.run({"KEYS", "h?llo"}))) ==
        std::set<std::string>{"hello", "hallo", "hxllo"});
  CHECK(as_set(elements(f.run({"KEYS", "h[ae]llo"}))) == std::set<std::string>{"hello", "hallo"});
  CHECK(elements(f.run({"KEYS", "H*"})).empty());
  CHECK(f.run3({"KEYS", "other"}) == "*1\r\n$5\r\nother\r\n");
}

TEST_CASE("KEYS, SCAN and RANDOMKEY do not show keys that have expired") {
  CommandFixture f;
  REQUIRE(f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}) == "+OK\r\n");
  set(f, "stays");
  for (int i = 0; i < 50; ++i) f.run({"SET", "goes" + std::to_string(i), "v", "PX", "5000"});
  CHECK(elements(f.run({"KEYS", "*"})).size() == 51);
  f.advance_ms(5000);
  CHECK(f.run({"DBSIZE"}) == ":51\r\n");  // as long as nobody looks
  CHECK(f.run({"KEYS", "*"}) == "*1\r\n$5\r\nstays\r\n");
  CHECK(scan_all(f) == std::set<std::string>{"stays"});
  for (int i = 0; i < 20; ++i) CHECK(f.run({"RANDOMKEY"}) == bulk("stays"));
  CHECK(f.run({"DEL", "stays"}) == ":1\r\n");
  CHECK(f.run({"RANDOMKEY"}) == "$-1\r\n");
}

TEST_CASE("SCAN returns every key, whatever the count") {
  CommandFixture f;
  std::set<std::string> keys;
  for (int i = 0; i < 500; ++i) keys.insert((i % 3 == 0 ? "{t}" : "key:") + std::to_string(i));
  for (const std::string& key : keys) set(f, key);
  CHECK(scan_all(f) == keys);
  for (const char* count : {"1", "7", "100", "9223372036854775807"}) {
    CHECK(scan_all(f, {"COUNT", count}) == keys);
  }
  CHECK(scan(f, "0", {"COUNT", "100"}).keys.size() >= 100);
  CHECK(scan(f, "0", {"COUNT", "100"}).keys.size() < 150);
  CHECK(scan_all(f, {"MATCH", "{t}*"}).size() == 167);
  CHECK(scan_all(f, {"match", "*", "type", "STRING", "count", "50"}) == keys);
  f.run({"RPUSH", "a list", "x"});
  f.run({"SADD", "a set", "x"});
  f.run({"ZADD", "a zset", "1", "x"});
  f.run({"HSET", "a hash", "x", "1"});
  f.run({"XADD", "a stream", "*", "x", "1"});
  for (const std::string type : {"list", "set", "zset", "hash", "stream"}) {
    CHECK(scan_all(f, {"TYPE", type}) == std::set<std::string>{"a " + type});
  }
  CHECK(scan_all(f, {"TYPE", "HASH"}) == std::set<std::string>{"a hash"});
  CHECK(scan_all(f, {"TYPE", "string"}) == keys);
  CHECK(scan_all(f, {"TYPE", "nonsense"}).empty());
  CHECK(f.run3({"SCAN", "0", "MATCH", "key:1", "COUNT", "1000"}) ==
        "*2\r\n$1\r\n0\r\n*1\r\n$5\r\nkey:1\r\n");
}

TEST_CASE("SCAN returns what stays while other keys come and go") {
  CommandFixture f;
  for (int i = 0; i < 200; ++i) set(f, "stay" + std::to_string(i));
  std::set<std::string> seen;
  std::string cursor = "0";
  int next = 0;
  do {
    const Page page = scan(f, cursor, {"COUNT", "20"});
    seen.insert(page.keys.begin(), page.keys.end());
    cursor = page.cursor;
    for (int i = 0; i < 20; ++i) set(f, "go" + std::to_string(next++));
    f.run({"DEL", "go" + std::to_string(next - 30), "go" + std::to_string(next - 31)});
  } while (cursor != "0");
  for (int i = 0; i < 200; ++i) CHECK(seen.contains("stay" + std::to_string(i)));
}

TEST_CASE("SCAN: errors") {
  CommandFixture f;
  for (const char* cursor : {"abc", "1x", " 1", "+", "-", "18446744073709551616"}) {
    CHECK(f.run({"SCAN", cursor}) == "-ERR invalid cursor\r\n");
  }
  for (const std::string& cursor :
       {std::string("0"), std::string("+0"), std::string("-1"), std::string(""),
        std::string("18446744073709551615"), std::string("0\0x", 3)}) {
    CHECK(f.run({"SCAN", cursor}) == "*2\r\n$1\r\n0\r\n*0\r\n");
  }
  CHECK(f.run({"SCAN", "0", "COUNT", "0"}) == kSyntax);
  CHECK(f.run({"SCAN", "0", "COUNT", "-5"}) == kSyntax);
  CHECK(f.run({"SCAN", "0", "COUNT", "a"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run({"SCAN", "0", "COUNT"}) == kSyntax);
  CHECK(f.run({"SCAN", "0", "MATCH"}) == kSyntax);
  CHECK(f.run({"SCAN", "0", "FOO", "1"}) == kSyntax);
  CHECK(f.run({"SCAN"}) == "-ERR wrong number of arguments for 'scan' command\r\n");
}

TEST_CASE("RANDOMKEY") {
  CommandFixture f;
  CHECK(f.run({"RANDOMKEY"}) == "$-1\r\n");
  CHECK(f.run3({"RANDOMKEY"}) == "_\r\n");
  for (int i = 0; i < 10; ++i) set(f, "k" + std::to_string(i));
  std::set<std::string> drawn;
  for (int i = 0; i < 300; ++i) drawn.insert(f.run({"RANDOMKEY"}));
  CHECK(drawn.size() == 10);
}

TEST_CASE("SWAPDB changes what the numbers mean, for every client") {
  CommandFixture f;
  TestClient& other = f.connect();
  REQUIRE(other.run({"SELECT", "1"}) == "+OK\r\n");
  set(f, "k");
  CHECK(f.run({"SWAPDB", "0", "1"}) == "+OK\r\n");
  CHECK(f.run({"GET", "k"}) == "$-1\r\n");
  CHECK(other.run({"GET", "k"}) == "$1\r\nv\r\n");
  CHECK(f.run({"SWAPDB", "1", "0"}) == "+OK\r\n");
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
  CHECK(other.run({"DBSIZE"}) == ":0\r\n");
  const Seq seq = f.shard().last_seq();
  CHECK(f.run({"SWAPDB", "5", "5"}) == "+OK\r\n");
  CHECK(f.shard().last_seq() == seq);

  CHECK(f.run({"SWAPDB", "a", "b"}) == "-ERR invalid first DB index\r\n");
  CHECK(f.run({"SWAPDB", "1", "b"}) == "-ERR invalid second DB index\r\n");
  CHECK(f.run({"SWAPDB", "99999999999", "1"}) == "-ERR invalid first DB index\r\n");
  CHECK(f.run({"SWAPDB", "1", "16"}) == "-ERR DB index is out of range\r\n");
  CHECK(f.run({"SWAPDB", "-1", "1"}) == "-ERR DB index is out of range\r\n");
}

TEST_CASE("SWAPDB: no read shows a swap that is not committed") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine& engine = *scripted;
  CommandFixture f({}, std::move(scripted));
  set(f, "k");
  TestClient& reader = f.connect();
  TestClient& bystander = f.connect();
  REQUIRE(reader.run({"SELECT", "1"}) == "+OK\r\n");
  REQUIRE(bystander.run({"SELECT", "2"}) == "+OK\r\n");
  REQUIRE(bystander.run({"SET", "b", "2"}) == "+OK\r\n");
  engine.hold();
  f.client().send({"SWAPDB", "0", "1"});
  CHECK(f.client().received(50).empty());
  reader.send({"GET", "k"});  // an old value, under a new number
  bystander.send({"GET", "b"});
  CHECK(reader.received(50).empty());
  CHECK(bystander.received(50) == "$1\r\n2\r\n");
  engine.release_all();
  CHECK(reader.received(kCommitMs) == "$1\r\nv\r\n");
}

TEST_CASE("FLUSHDB and FLUSHALL") {
  CommandFixture f;
  const auto fill = [&f] {
    for (const char* db : {"0", "1", "9"}) {
      f.run({"SELECT", db});
      set(f, "k");
    }
    f.run({"SELECT", "1"});
  };
  fill();
  CHECK(f.run({"FLUSHDB"}) == "+OK\r\n");
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
  f.run({"SELECT", "9"});
  CHECK(f.run({"DBSIZE"}) == ":1\r\n");
  CHECK(f.run({"FLUSHDB", "ASYNC"}) == "+OK\r\n");
  CHECK(f.run({"GET", "k"}) == "$-1\r\n");

  fill();
  const Seq before = f.shard().last_seq();
  CHECK(f.run({"FLUSHALL", "sync"}) == "+OK\r\n");
  CHECK(f.shard().last_seq() == before + 1);  // three databases, one entry
  for (const char* db : {"0", "1", "9"}) {
    f.run({"SELECT", db});
    CHECK(f.run({"DBSIZE"}) == ":0\r\n");
  }
  CHECK(f.run({"FLUSHALL"}) == "+OK\r\n");
  CHECK(f.run({"FLUSHDB", "SYNC"}) == "+OK\r\n");
  CHECK(f.shard().last_seq() == before + 1);  // there was nothing left to drop

  CHECK(f.run({"FLUSHDB", "foo"}) == kSyntax);
  CHECK(f.run({"FLUSHDB", "SYNC", "ASYNC"}) == kSyntax);
  CHECK(f.run({"FLUSHALL", "foo"}) == kSyntax);
}

TEST_CASE("whole-database replies wait for what they show") {
  auto scripted = std::make_unique<ScriptedEngine>();
  ScriptedEngine& engine = *scripted;
  CommandFixture f({}, std::move(scripted));
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"DBSIZE"}, {"KEYS", "*"}, {"SCAN", "0"}, {"RANDOMKEY"}}) {
    engine.hold();
    TestClient& writer = f.connect();
    TestClient& reader = f.connect();
    writer.send({"SET", "k" + command[0], "v"});
    CHECK(writer.received(20).empty());
    reader.send(command);
    CHECK(reader.received(20).empty());
    engine.stop_holding();
    CHECK(!reader.received(kCommitMs).empty());
  }
  // An empty database is a fact to wait for as well.
  engine.hold();
  TestClient& first = f.connect();
  TestClient& second = f.connect();
  first.send({"FLUSHDB"});
  CHECK(first.received(20).empty());
  second.send({"FLUSHDB"});
  CHECK(second.received(20).empty());
  engine.stop_holding();
  CHECK(second.received(kCommitMs) == "+OK\r\n");
}
