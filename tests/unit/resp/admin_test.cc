// Administration, DEBUG, ACL and CLUSTER: replies as redis-server gives them.
#include <doctest/doctest.h>

#include <string>

#include "replica/shard.h"
#include "resp/server.h"
#include "tests/support/command_fixture.h"
#include "tests/support/scripted_engine.h"

using namespace holdfast;

namespace {

constexpr const char* kNegativeTimeout = "-ERR timeout is negative\r\n";

}  // namespace

TEST_CASE("wait: no replica ever comes") {
  CommandFixture f;
  TestClient& other = f.connect();
  CHECK(f.run({"WAIT", "0", "0"}) == ":0\r\n");
  CHECK(f.run({"WAIT", "-1", "100"}) == ":0\r\n");
  other.send_raw("WAIT 1 500\r\nPING\r\n");
  f.advance_ms(300);
  CHECK(other.received().empty());
  CHECK(f.server().blocked_sessions() == 1);
  f.advance_ms(400);
  CHECK(other.received() == ":0\r\n+PONG\r\n");
  CHECK(f.run({"WAIT", "x", "0"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run({"WAIT", "0", "x"}) == "-ERR timeout is not an integer or out of range\r\n");
  CHECK(f.run({"WAIT", "0", "-1"}) == kNegativeTimeout);
}

TEST_CASE("waitaof: arguments, and an engine that promises nothing") {
  CommandFixture f;
  CHECK(f.run({"WAITAOF", "2", "0", "0"}) ==
        "-ERR value is out of range, value must between 0 and 1\r\n");
  CHECK(f.run({"WAITAOF", "0", "-1", "0"}) == "-ERR value is out of range, must be positive\r\n");
  CHECK(f.run({"WAITAOF", "0", "0", "-1"}) == kNegativeTimeout);
  CHECK(f.run({"WAITAOF", "0", "0", "0"}) == "*2\r\n:0\r\n:0\r\n");
  CHECK(f.run({"WAITAOF", "1", "0", "0"}) ==
        "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n");
}

TEST_CASE("waitaof: waits for what others wrote before it, then tells that it is on disk") {
  auto owned = std::make_unique<ScriptedEngine>();
  ScriptedEngine& engine = *owned;
  CommandFixture f({}, std::move(owned));
  TestClient& writer = f.connect();
  TestClient& waiter = f.connect();
  engine.hold();
  writer.send({"SET", "k", "v"});
  f.advance_ms(10);
  waiter.send({"WAITAOF", "1", "0", "0"});
  CHECK(waiter.received(100).empty());
  engine.stop_holding();
  CHECK(waiter.received(100) == "*2\r\n:1\r\n:0\r\n");
  waiter.send({"WAITAOF", "1", "1", "300"});  // the disk is not enough: no replica comes
  CHECK(waiter.received(200).empty());
  CHECK(waiter.received(200) == "*2\r\n:1\r\n:0\r\n");
}

TEST_CASE("monitor: shows what others do, in full, and hides secrets") {
  CommandFixture f;
  TestClient& monitor = f.connect();
  monitor.send_raw("MONITOR\r\n");
  CHECK(monitor.received() == "+OK\r\n");
  f.run({"ECHO", "a\"\n\x01"});
  CHECK(monitor.received().ends_with("] \"ECHO\" \"a\\\"\\n\\x01\"\r\n"));
  f.run({"AUTH", "default", "secret"});
  const std::string seen = monitor.received();
  CHECK(seen.find("(redacted)") != std::string::npos);
  CHECK(seen.find("secret") == std::string::npos);
  f.run({"CLIENT", "LIST"});  // administration is not shown
  CHECK(monitor.received().empty());
}

TEST_CASE("save and its relatives are checkpoints") {
  CommandFixture f;
  const uint64_t before = f.shard().checkpoint().finished_count();
  f.run({"SET", "k", "v"});
  TestClient& other = f.connect();
  other.send_raw("SAVE\r\nPING\r\n");
  f.advance_ms(100);
  CHECK(other.received() == "+OK\r\n+PONG\r\n");
  CHECK(f.shard().checkpoint().finished_count() == before + 1);
  CHECK(f.run({"BGSAVE"}) == "+Background saving started\r\n");
  f.advance_ms(100);
  CHECK(f.run({"BGSAVE", "SCHEDULE"}) == "+Background saving started\r\n");
  f.advance_ms(100);
  CHECK(f.run({"BGREWRITEAOF"}) == "+Background append only file rewriting started\r\n");
  f.advance_ms(100);
  CHECK(f.shard().checkpoint().finished_count() == before + 4);
  other.send_raw("DEBUG RELOAD\r\n");
  f.advance_ms(100);
  CHECK(other.received() == "+OK\r\n");
  CHECK(f.run({"BGSAVE", "x"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"SAVE", "x"}) == "-ERR wrong number of arguments for 'save' command\r\n");
  const int64_t finished = f.shard().checkpoint().finished_wall_ms() / 1000;
  CHECK(f.run({"LASTSAVE"}) == ":" + std::to_string(finished) + "\r\n");
}

TEST_CASE("save: the client may be gone before it is done") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send({"SAVE"});
  const auto saving = [&f] {
    for (const auto& [id, session] : f.server().sessions()) {
      if (session->block_reason() == BlockReason::kSave) return true;
    }
    return false;
  };
  REQUIRE(f.reactor().run_until(saving, 1000));
  for (const auto& [id, session] : f.server().sessions()) session->close_now("test");
  CHECK(other.received().empty());
  CHECK(other.closed());
  CHECK(f.connect().run({"PING"}) == "+PONG\r\n");
}

TEST_CASE("shutdown: refusals") {
  CommandFixture f;
  CHECK(f.run({"SHUTDOWN", "ABORT"}) == "-ERR No shutdown in progress.\r\n");
  CHECK(f.run({"SHUTDOWN", "FOO"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"SHUTDOWN", "SAVE", "NOSAVE"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"SHUTDOWN", "ABORT", "NOW"}) == "-ERR syntax error\r\n");
}

TEST_CASE("replication commands of a server without replicas") {
  CommandFixture f;
  CHECK(f.run({"ROLE"}) == "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
  CHECK(f.run({"REPLICAOF", "no", "one"}) == "+OK\r\n");
  CHECK(f.run({"SLAVEOF", "no", "one"}) == "+OK\r\n");
  CHECK(f.run({"REPLICAOF", "127.0.0.1", "6379"}).starts_with("-ERR this server cannot follow"));
  CHECK(f.run({"FAILOVER"}) == "-ERR FAILOVER requires connected replicas.\r\n");
  CHECK(f.run({"FAILOVER", "TO", "h", "1", "FORCE", "TIMEOUT", "5"}) ==
        "-ERR FAILOVER requires connected replicas.\r\n");
  CHECK(f.run({"FAILOVER", "ABORT"}) == "-ERR No failover in progress.\r\n");
  CHECK(f.run({"FAILOVER", "TO", "h"}) == "-ERR syntax error\r\n");
}

TEST_CASE("time: seconds and microseconds") {
  CommandFixture f;
  const std::string reply = f.run({"TIME"});
  CHECK(reply.starts_with("*2\r\n$10\r\n"));
  const std::string seconds = std::to_string(f.server().clock().wall_us() / 1'000'000);
  CHECK(reply.find(seconds.substr(0, 8)) != std::string::npos);
}

TEST_CASE("debug digest: the digests of redis-server 7.0.15 for the same data") {
  CommandFixture f;
  CHECK(f.run({"DEBUG", "DIGEST"}) == "+0000000000000000000000000000000000000000\r\n");
  f.run({"SET", "k", "v"});
  f.run({"SET", "n", "123"});
  f.run({"SET", "e", "x", "EX", "1000"});
  CHECK(f.run({"DEBUG", "DIGEST"}) == "+14f01a23e20105c401668366430d5d00b5d3ff3f\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE", "k", "none", "n", "e"}) ==
        "*4\r\n+d79ee9fe5d5ad902d7f6620efc3b07b75ddd742f\r\n"
        "+0000000000000000000000000000000000000000\r\n"
        "+89f7f51b707418f666d5b45e053bd5bbbf82ac2b\r\n"
        "+0745672cb1bf060476eedeb8a28f5ffe1ff5a2be\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE"}) == "*0\r\n");
}

TEST_CASE("debug digest: tells databases apart, by their logical numbers") {
  CommandFixture f;
  f.run({"SELECT", "3"});
  f.run({"SET", "k", "v"});
  const std::string in_three = f.run({"DEBUG", "DIGEST"});
  CHECK(in_three == "+0efe4ef79a20a9db96a6fba6ff727ccce6dec43d\r\n");
  f.run({"SWAPDB", "3", "0"});
  CHECK(f.run({"DEBUG", "DIGEST"}) != in_three);
  f.run({"SWAPDB", "3", "0"});
  CHECK(f.run({"DEBUG", "DIGEST"}) == in_three);
}

TEST_CASE("debug protocol: each type of reply in both protocols") {
  CommandFixture f;
  struct Row {
    const char* type;
    const char* resp2;
    const char* resp3;
  };
  const Row rows[] = {
      {"string", "$11\r\nHello World\r\n", "$11\r\nHello World\r\n"},
      {"integer", ":12345\r\n", ":12345\r\n"},
      {"double", "$5\r\n3.141\r\n", ",3.141\r\n"},
      {"bignum", "$37\r\n1234567999999999999999999999999999999\r\n",
       "(1234567999999999999999999999999999999\r\n"},
      {"null", "$-1\r\n", "_\r\n"},
      {"array", "*3\r\n:0\r\n:1\r\n:2\r\n", "*3\r\n:0\r\n:1\r\n:2\r\n"},
      {"set", "*3\r\n:0\r\n:1\r\n:2\r\n", "~3\r\n:0\r\n:1\r\n:2\r\n"},
      {"map", "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
       "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"},
      {"attrib", "$39\r\nSome real reply following the attribute\r\n",
       "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
       "$39\r\nSome real reply following the attribute\r\n"},
      {"push", "-ERR RESP2 is not supported by this command\r\n",
       ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"
       "$40\r\nSome real reply following the push reply\r\n"},
      {"verbatim", "$25\r\nThis is a verbatim\nstring\r\n",
       "=29\r\ntxt:This is a verbatim\nstring\r\n"},
      {"true", ":1\r\n", "#t\r\n"},
      {"false", ":0\r\n", "#f\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.type);
    CHECK(f.run({"DEBUG", "PROTOCOL", row.type}) == row.resp2);
    TestClient& other = f.connect();
    other.run({"HELLO", "3"});
    other.send({"DEBUG", "PROTOCOL", row.type});
    CHECK(other.received() == row.resp3);  // all of it: pushes come with a reply behind them
  }
  CHECK(f.run({"DEBUG", "PROTOCOL", "foo"}) ==
        "-ERR Wrong protocol type name. Please use one of the following: "
        "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false\r\n");
}

TEST_CASE("debug object") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  f.run({"SET", "n", "123"});
  CHECK(f.run({"DEBUG", "OBJECT", "k"})
            .starts_with("+Value at:0x0 refcount:1 encoding:embstr serializedlength:2 lru:"));
  CHECK(f.run({"DEBUG", "OBJECT", "n"}).find(" encoding:int serializedlength:2 lru:") !=
        std::string::npos);
  CHECK(f.run({"DEBUG", "OBJECT", "none"}) == "-ERR no such key\r\n");
}

TEST_CASE("debug sleep: stops the caller only") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("DEBUG SLEEP 0.5\r\nPING\r\n");
  f.advance_ms(300);
  CHECK(other.received().empty());
  CHECK(f.run({"PING"}) == "+PONG\r\n");
  f.advance_ms(300);
  CHECK(other.received() == "+OK\r\n+PONG\r\n");
  CHECK(f.run({"DEBUG", "SLEEP", "0"}) == "+OK\r\n");
}

TEST_CASE("debug: the rest") {
  CommandFixture f;
  CHECK(f.run({"DEBUG", "ERROR", "OOPS a\r\nb"}) == "-OOPS a  b\r\n");
  CHECK(f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}) == "+OK\r\n");
  CHECK(f.run({"DEBUG", "STRINGMATCH-LEN", "a*c", "abc"}) == ":1\r\n");
  CHECK(f.run({"DEBUG", "STRINGMATCH-LEN", "a*d", "abc"}) == ":0\r\n");
  CHECK(f.run({"DEBUG", "QUICKLIST-PACKED-THRESHOLD", "200b"}) == "+OK\r\n");
  CHECK(f.run({"DEBUG", "QUICKLIST-PACKED-THRESHOLD", "5gb"}) ==
        "-ERR argument must be a memory value bigger than 1 and smaller than 4gb\r\n");
  CHECK(f.run({"DEBUG", "STRUCTSIZE"}).find("bits:64") != std::string::npos);
  CHECK(f.run({"DEBUG", "FOO"}) ==
        "-ERR unknown subcommand or wrong number of arguments for 'FOO'. Try DEBUG HELP.\r\n");
  CHECK(f.run({"DEBUG", "SLEEP"}) ==
        "-ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP.\r\n");
}

TEST_CASE("acl: categories and passwords") {
  CommandFixture f;
  CHECK(f.run({"ACL", "CAT"}).starts_with("*21\r\n$8\r\nkeyspace\r\n$4\r\nread\r\n"));
  const std::string connection = f.run({"ACL", "CAT", "connection"});
  CHECK(connection.find("\r\nclient|kill\r\n") != std::string::npos);
  CHECK(connection.find("\r\nping\r\n") != std::string::npos);
  CHECK(connection.find("\r\nclient\r\n") == std::string::npos);
  CHECK(f.run({"ACL", "CAT", "foo"}) == "-ERR Unknown category 'foo'\r\n");
  CHECK(f.run({"ACL", "CAT", "a", "b"}) ==
        "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.\r\n");
  CHECK(f.run({"ACL", "GENPASS"}).starts_with("$64\r\n"));
  CHECK(f.run({"ACL", "GENPASS", "5"}).starts_with("$2\r\n"));
  CHECK(f.run({"ACL", "GENPASS", "4096"}).starts_with("$1024\r\n"));
  CHECK(f.run({"ACL", "GENPASS"}) != f.run({"ACL", "GENPASS"}));
  for (const char* bad : {"0", "-1", "4097"}) {
    CHECK(f.run({"ACL", "GENPASS", bad}) ==
          "-ERR ACL GENPASS argument must be the number of bits for the output password, a "
          "positive number up to 4096\r\n");
  }
}

TEST_CASE("cluster: switched off") {
  CommandFixture f;
  CHECK(f.run({"CLUSTER", "INFO"}) == "-ERR This instance has cluster support disabled\r\n");
  CHECK(f.run({"CLUSTER", "SLOTS"}) == "-ERR This instance has cluster support disabled\r\n");
  CHECK(f.run({"CLUSTER", "KEYSLOT", "k"}) ==
        "-ERR This instance has cluster support disabled\r\n");
  CHECK(f.run({"CLUSTER", "FOO"}) == "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n");
  CHECK(f.run({"CLUSTER", "KEYSLOT"}) ==
        "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n");
}

TEST_CASE("a full device: commands that add data are refused, others go on") {
  auto owned = std::make_unique<ScriptedEngine>();
  ScriptedEngine& engine = *owned;
  CommandFixture f({}, std::move(owned));
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  engine.set_out_of_space(true);
  CHECK(f.run({"SET", "k", "w"}).starts_with("-MISCONF The device of data.dir is full"));
  CHECK(f.run({"APPEND", "k", "w"}).starts_with("-MISCONF"));
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
  CHECK(f.run({"DEL", "k"}) == ":1\r\n");
  engine.set_out_of_space(false);
  CHECK(f.run({"SET", "k", "w"}) == "+OK\r\n");
}
