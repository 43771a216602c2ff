// ACL in a server: sessions and their users, refusals, the log, the file.
#include "resp/acl.h"

#include <doctest/doctest.h>

#include <string>

#include "base/sim/sim_disk.h"
#include "resp/acl_log.h"
#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

constexpr std::string_view kPath = "/acl/users.acl";

bool has(const std::string& reply, const std::string& part) {
  return reply.find(part) != std::string::npos;
}

void nobody_leaves(AclUser& user) { FAIL(user.name()); }

}  // namespace

TEST_CASE("acl file: mistakes are told by file and line, and change nothing") {
  const CommandTable table;
  Acl acl(table);
  const std::string before = acl.file_text();
  const std::string end =
      "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"# x", "F:1 should start with user keyword followed by the username. "},
      {"\n\n user ", "F:3 should start with user keyword followed by the username. "},
      {"user a\nuser a", "WARNING: Duplicate user 'a' found on line 2. "},
      {"user a\tb on", "'F:1: username 'a\tb' contains invalid characters. "},
      {"user a (+get", "F:1: Unmatched parenthesis in selector definition."},
      {"user a +nosuch",
       "F:1: Error in applying operation '+nosuch': Unknown command or category "
       "name in ACL. "},
      {"user a x y +no",
       "F:1: Syntax error. F:1: Error in applying operation '+no': Unknown "
       "command or category name in ACL. "},
  };
  for (const auto& [text, error] : cases) {
    CAPTURE(text);
    CHECK(acl.load(text, "F", nobody_leaves) == error + end);
    CHECK(acl.file_text() == before);
  }
}

TEST_CASE("acl file: who is gone or changed leaves, all others stay where they are") {
  const CommandTable table;
  Acl acl(table);
  CHECK(acl.load("user same on >x ~a (~b +get)\nuser other on\nuser gone on\n", "F",
                 nobody_leaves) == "");
  const std::string text = acl.file_text();
  CHECK(acl.load(text, "F", nobody_leaves) == "");
  CHECK(acl.file_text() == text);
  const AclUser* same = acl.find("same");
  const AclUser* first = &acl.default_user();
  std::string left;
  CHECK(acl.load("user same on >x ~a (~b +get)\nuser other off\nuser default on nopass\n", "F",
                 [&left](AclUser& user) { left += user.name() + " "; }) == "");
  CHECK(left == "gone other ");
  CHECK(acl.find("same") == same);
  CHECK(&acl.default_user() == first);
  CHECK(!acl.default_user().unrestricted());
  CHECK(acl.find("gone") == nullptr);
  CHECK(acl.load("", "F", [](AclUser&) {}) == "");
  CHECK(acl.file_text() == "user default on nopass sanitize-payload ~* &* +@all\n");
}

TEST_CASE("acl log: the same again within a minute is counted") {
  AclLog log;
  const auto denial = [](std::string object, AclContext context = AclContext::kTopLevel) {
    return AclDenial{AclReason::kKey, context, std::move(object), "bob", "client"};
  };
  log.record(denial("a"), 1000, 128);
  log.record(denial("b"), 2000, 128);
  log.record(denial("a"), 61000, 128);
  CHECK(log.entries().size() == 2);
  CHECK(log.entries().front().denial.object == "a");
  CHECK(log.entries().front().count == 2);
  CHECK(log.entries().front().first_ms == 1000);
  CHECK(log.entries().front().last_ms == 61000);
  log.record(denial("b"), 62001, 128);
  CHECK(log.entries().size() == 3);
  CHECK(log.entries().front().id == 2);
  log.record(denial("b", AclContext::kMulti), 62001, 128);
  CHECK(log.entries().size() == 4);
  for (int i = 0; i < 20; ++i) log.record(denial(std::to_string(i)), 62001, 12);
  CHECK(log.entries().size() == 12);
  log.record(denial("8"), 62001, 12);  // the twelfth is not looked at
  CHECK(log.entries().front().count == 1);
  log.record(denial("x"), 62001, 0);
  CHECK(log.entries().empty());
}

TEST_CASE("acl: refusals in the order of Redis, each with its text, counter and entry") {
  CommandFixture f;
  f.run({"ACL", "SETUSER", "bob", "on", ">x", "~a*", "+get", "+mget", "+config|get"});
  TestClient& bob = f.connect();
  CHECK(bob.run({"AUTH", "bob", "x"}) == "+OK\r\n");
  CHECK(bob.run({"GET", "a"}) == "$-1\r\n");
  CHECK(bob.run({"GET", "b"}) == "-NOPERM No permissions to access a key\r\n");
  CHECK(bob.run({"DEL", "b"}) ==
        "-NOPERM User bob has no permissions to run the 'del' command\r\n");
  CHECK(bob.run({"DEL"}) == "-ERR wrong number of arguments for 'del' command\r\n");
  CHECK(bob.run({"CONFIG", "SET", "a", "b"}) ==
        "-NOPERM User bob has no permissions to run the 'config|set' command\r\n");
  CHECK(bob.run({"CONFIG", "NOSUCH"}).starts_with("-ERR unknown subcommand"));
  CHECK(bob.run({"ACL", "WHOAMI"}).starts_with("-NOPERM"));
  const std::string log = f.run({"ACL", "LOG"});
  CHECK(
      log.starts_with("*4\r\n*20\r\n$5\r\ncount\r\n:1\r\n$6\r\nreason\r\n$7\r\ncommand\r\n"
                      "$7\r\ncontext\r\n$8\r\ntoplevel\r\n$6\r\nobject\r\n$10\r\nacl|whoami\r\n"
                      "$8\r\nusername\r\n$3\r\nbob\r\n$11\r\nage-seconds\r\n"));
  CHECK(has(log, " user=bob "));
  CHECK(has(log, "$8\r\nentry-id\r\n:3\r\n$17\r\ntimestamp-created\r\n"));
  CHECK(f.run3({"ACL", "LOG", "1"}).starts_with("*1\r\n%10\r\n"));
  const ServerStats& stats = f.server().stats();
  CHECK(stats.acl_denied_command == 3);
  CHECK(stats.acl_denied_key == 1);
  CHECK(stats.acl_denied_channel == 0);
  CHECK(has(f.run({"INFO", "stats"}), "acl_access_denied_cmd:3\r\nacl_access_denied_key:1\r\n"));
  CHECK(has(f.run({"INFO", "commandstats"}), "rejected_calls=1"));
  CHECK(has(f.run({"CLIENT", "LIST"}), " user=bob "));
}

TEST_CASE("acl: a change holds for the session's next command, pipelined ones too") {
  CommandFixture f;
  f.run({"ACL", "SETUSER", "root", "on", "nopass", "+@all", "~*"});
  TestClient& root = f.connect();
  CHECK(root.run({"AUTH", "root", "x"}) == "+OK\r\n");
  root.send({"GET", "k"});
  root.send({"ACL", "SETUSER", "root", "-get"});
  root.send({"GET", "k"});
  CHECK(root.received() ==
        "$-1\r\n+OK\r\n-NOPERM User root has no permissions to run the 'get' command\r\n");
  CHECK(f.run({"ACL", "SETUSER", "root", "off"}) == "+OK\r\n");
  CHECK(root.run({"SET", "k", "v"}) == "+OK\r\n");  // only new authentications fail
  CHECK(root.run({"AUTH", "root", "x"}).starts_with("-WRONGPASS"));
  CHECK(root.run({"ACL", "WHOAMI"}) == "$4\r\nroot\r\n");
}

TEST_CASE("acl: a script may do what its caller may") {
  CommandFixture f;
  f.run({"ACL", "SETUSER", "bob", "on", "nopass", "+@all", "-del", "~a*", "&c*"});
  f.run({"SET", "b", "secret"});
  TestClient& bob = f.connect();
  bob.run({"AUTH", "bob", "x"});
  struct Row {
    const char* call;
    const char* refused;  // null: it is not
  };
  constexpr Row kRows[] = {
      {"'get','a'", nullptr},
      {"'get','b'", "No permissions to access a key"},
      {"'mget','a','b'", "No permissions to access a key"},
      {"'zunionstore','a1','2','a','b'", "No permissions to access a key"},
      {"'del','a'", "User bob has no permissions to run the 'del' command"},
      {"'publish','c','x'", nullptr},
      {"'publish','d','x'", "No permissions to access a channel"},
  };
  uint64_t refused = 0;
  for (const Row& row : kRows) {
    CAPTURE(row.call);
    const std::string call = std::string("return redis.pcall(") + row.call + ")";
    const std::string reply = bob.run({"EVAL", call, "0"});
    const std::string check = std::string("return redis.acl_check_cmd(") + row.call + ")";
    CHECK(bob.run({"EVAL", check, "0"}) == (row.refused == nullptr ? ":1\r\n" : "$-1\r\n"));
    if (row.refused == nullptr) {
      CHECK(!reply.starts_with("-"));
    } else {
      CHECK(reply == "-ERR ACL failure in script: " + std::string(row.refused) + "\r\n");
      ++refused;
    }
  }
  CHECK(f.run({"GET", "b"}) == "$6\r\nsecret\r\n");
  const ServerStats& stats = f.server().stats();
  CHECK(stats.acl_denied_command + stats.acl_denied_key + stats.acl_denied_channel == refused);
  CHECK(has(f.run({"ACL", "LOG", "1"}), "$7\r\ncontext\r\n$3\r\nlua\r\n"));
  CHECK(has(f.run({"INFO", "commandstats"}),
            "cmdstat_del:calls=0,usec=0,usec_per_call=0.00,"
            "rejected_calls=1"));
  // A function runs as who calls it, not as who loaded it.
  f.run(
      {"FUNCTION", "LOAD",
       "#!lua name=l\nredis.register_function('f', function() return redis.call('get','b') end)"});
  CHECK(f.run({"FCALL", "f", "0"}) == "$6\r\nsecret\r\n");
  CHECK(bob.run({"FCALL", "f", "0"}).starts_with("-ERR ACL failure in script: No permissions"));
}

TEST_CASE("acl: who loses a channel is not left listening to it") {
  CommandFixture f;
  f.run({"ACL", "SETUSER", "bob", "on", "nopass", "+@all", "resetchannels", "&a*", "&b"});
  TestClient &stays = f.connect(), &channel = f.connect(), &pattern = f.connect(),
             &shard = f.connect(), &idle = f.connect(), &other = f.connect();
  for (TestClient* c : {&stays, &channel, &pattern, &shard, &idle}) c->run({"AUTH", "bob", "x"});
  CHECK(stays.run({"SUBSCRIBE", "a1"}).starts_with("*3"));
  CHECK(channel.run({"SUBSCRIBE", "b"}).starts_with("*3"));
  CHECK(pattern.run({"PSUBSCRIBE", "b"}).starts_with("*3"));
  CHECK(shard.run({"SSUBSCRIBE", "b"}).starts_with("*3"));
  CHECK(other.run({"SUBSCRIBE", "b"}).starts_with("*3"));      // another user's
  CHECK(f.run({"ACL", "SETUSER", "bob", "&c"}) == "+OK\r\n");  // more
  CHECK(f.run({"ACL", "SETUSER", "bob", "nonsense"}).starts_with("-ERR"));
  f.advance_ms(5);
  CHECK(!channel.closed());
  CHECK(f.run({"ACL", "SETUSER", "bob", "resetchannels", "&a*"}) == "+OK\r\n");
  f.advance_ms(5);
  CHECK(channel.closed());
  CHECK(pattern.closed());
  CHECK(shard.closed());
  CHECK(!stays.closed());
  CHECK(!idle.closed());
  CHECK(!other.closed());
  CHECK(f.run({"PUBLISH", "b", "x"}) == ":1\r\n");

  // The caller itself hears that it was done.
  TestClient& self = f.connect();
  self.run({"HELLO", "3"});
  self.run({"SUBSCRIBE", "z"});
  CHECK(self.run({"ACL", "SETUSER", "default", "resetchannels"}) == "+OK\r\n");
  f.advance_ms(5);
  CHECK(self.closed());
  CHECK(other.closed());
}

TEST_CASE("acl: a deleted user is nobody's user any more") {
  CommandFixture f;
  for (const char* name : {"bob", "joe"}) {
    f.run({"ACL", "SETUSER", name, "on", "nopass", "+@all", "~*"});
  }
  TestClient &bob = f.connect(), &joe = f.connect(), &other = f.connect();
  bob.run({"AUTH", "bob", "x"});
  other.run({"AUTH", "bob", "x"});
  joe.run({"AUTH", "joe", "x"});
  bob.send({"ACL", "DELUSER", "bob", "nobody"});
  bob.send({"SET", "k", "v"});
  CHECK(bob.received() == ":1\r\n");
  CHECK(bob.closed());
  CHECK(other.run({"PING"}) == "");
  CHECK(other.closed());
  CHECK(joe.run({"GET", "k"}) == "$-1\r\n");
  CHECK(f.run({"ACL", "USERS"}) == "*2\r\n$7\r\ndefault\r\n$3\r\njoe\r\n");
  CHECK(f.run({"ACL", "DELUSER", "joe", "default"}) ==
        "-ERR The 'default' user cannot be removed\r\n");
  CHECK(joe.run({"PING"}) == "+PONG\r\n");
}

TEST_CASE("acl: requirepass is the default user's password") {
  CommandFixture f([](Options& options) { options.resp_password = "secret"; });
  TestClient& other = f.connect();
  CHECK(other.run({"PING"}) == "-NOAUTH Authentication required.\r\n");
  CHECK(other.run({"AUTH", "secret"}) == "+OK\r\n");
  CHECK(other.run({"ACL", "LIST"}) ==
        "*1\r\n$110\r\nuser default on sanitize-payload "
        "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all\r\n");
  TestClient& early = f.connect();
  CHECK(other.run({"CONFIG", "SET", "requirepass", ""}) == "+OK\r\n");
  CHECK(other.run({"ACL", "LIST"}) ==
        "*1\r\n$51\r\nuser default on nopass sanitize-payload ~* &* +@all\r\n");
  CHECK(early.run({"PING"}) == "+PONG\r\n");  // it is the default user, who needs none now
}

TEST_CASE("acl: load and save") {
  SimDisk disk(1);
  REQUIRE(disk.make_directory("/acl").ok());
  ServerHooks hooks;
  hooks.disk = &disk;
  const auto put = [&disk](std::string_view text) {
    REQUIRE(disk.replace_file(std::string(kPath), text).ok());
  };
  put("user default on nopass ~* &* +@all\nuser bob on nopass +@all ~*\nuser joe on nopass "
      "+@all\n");
  CommandFixture f([](Options& options) { options.resp_acl_file = kPath; }, nullptr, 1, hooks);
  REQUIRE(f.server().load_users().ok());
  CHECK(f.run({"ACL", "USERS"}) == "*3\r\n$3\r\nbob\r\n$7\r\ndefault\r\n$3\r\njoe\r\n");
  TestClient &bob = f.connect(), &joe = f.connect();
  CHECK(bob.run({"AUTH", "bob", "x"}) == "+OK\r\n");
  CHECK(joe.run({"AUTH", "joe", "x"}) == "+OK\r\n");

  CHECK(f.run({"ACL", "SETUSER", "zoe", "~a", "+get"}) == "+OK\r\n");
  CHECK(f.run({"ACL", "SAVE"}) == "+OK\r\n");
  CHECK(disk.read_file(std::string(kPath)).value() ==
        "user bob on nopass sanitize-payload ~* resetchannels +@all\n"
        "user default on nopass sanitize-payload ~* &* +@all\n"
        "user joe on nopass sanitize-payload resetchannels +@all\n"
        "user zoe off sanitize-payload ~a resetchannels -@all +get\n");
  CHECK(f.run({"ACL", "LOAD"}) == "+OK\r\n");
  CHECK(bob.run({"PING"}) == "+PONG\r\n");

  put("user bob on nopass +@all ~*\nuser joe on nopass +@all ~x\nuser ann +nosuch\n");
  CHECK(f.run({"ACL", "LOAD"}).starts_with("-ERR /acl/users.acl:3: Error in applying operation"));
  CHECK(joe.run({"PING"}) == "+PONG\r\n");
  put("user bob on nopass +@all ~*\nuser joe on nopass +@all ~x\n");
  joe.send({"ACL", "LOAD"});
  CHECK(joe.received() == "+OK\r\n");  // its own user changed: the reply still arrives
  CHECK(joe.closed());
  CHECK(bob.run({"PING"}) == "+PONG\r\n");
  CHECK(f.run({"ACL", "USERS"}) == "*3\r\n$3\r\nbob\r\n$7\r\ndefault\r\n$3\r\njoe\r\n");

  REQUIRE(disk.remove(std::string(kPath)).ok());
  CHECK(
      f.run({"ACL", "LOAD"}).starts_with("-ERR Error loading ACLs, opening file '/acl/users.acl"));
}

TEST_CASE("acl: without a file there is nothing to load or save") {
  CommandFixture f;
  for (const char* what : {"LOAD", "SAVE"}) {
    CHECK(f.run({"ACL", what})
              .starts_with("-ERR This Redis instance is not configured to use an ACL file."));
  }
}
