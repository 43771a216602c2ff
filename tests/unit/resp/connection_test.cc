// PING, ECHO, QUIT, RESET, SELECT, AUTH, HELLO: replies as redis-server gives them.
#include <doctest/doctest.h>

#include <string>

#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

TEST_CASE("ping and echo") {
  CommandFixture f;
  CHECK(f.run({"PING"}) == "+PONG\r\n");
  CHECK(f.run({"ping", "a b"}) == "$3\r\na b\r\n");
  CHECK(f.run({"PING", "a", "b"}) == "-ERR wrong number of arguments for 'ping' command\r\n");
  CHECK(f.run({"ECHO", ""}) == "$0\r\n\r\n");
  CHECK(f.run({"ECHO"}) == "-ERR wrong number of arguments for 'echo' command\r\n");
}

TEST_CASE("quit: answers, drops what was pipelined behind it, closes") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("PING\r\nQUIT\r\nPING\r\n");
  CHECK(other.received() == "+PONG\r\n+OK\r\n");
  CHECK(other.closed());
}

TEST_CASE("select") {
  CommandFixture f;
  CHECK(f.run({"SELECT", "15"}) == "+OK\r\n");
  CHECK(f.run({"SELECT", "16"}) == "-ERR DB index is out of range\r\n");
  CHECK(f.run({"SELECT", "-1"}) == "-ERR DB index is out of range\r\n");
  CHECK(f.run({"SELECT", "x"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run({"CLIENT", "INFO"}).find(" db=15 ") != std::string::npos);
}

TEST_CASE("auth: without a password") {
  CommandFixture f;
  CHECK(f.run({"AUTH", "x"}) ==
        "-ERR AUTH <password> called without any password configured for the default user. Are "
        "you sure your configuration is correct?\r\n");
  CHECK(f.run({"AUTH", "default", "whatever"}) == "+OK\r\n");
  CHECK(f.run({"AUTH", "bob", "x"}) ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(f.run({"AUTH", "a", "b", "c"}) == "-ERR syntax error\r\n");
}

TEST_CASE("auth: with a password nothing else is done before it is given") {
  CommandFixture f([](Options& options) { options.resp_password = "secret"; });
  TestClient& other = f.connect();
  const std::string wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  const auto ask = [&other](std::string_view line) {
    other.send_raw(std::string(line) + "\r\n");
    return other.received();
  };
  CHECK(ask("PING") == "-NOAUTH Authentication required.\r\n");
  CHECK(ask("CLIENT ID") == "-NOAUTH Authentication required.\r\n");
  for (const char* password : {"secre", "secretx", "Secret", "x", "\"\"", "secretsecret"}) {
    CAPTURE(password);
    CHECK(ask(std::string("AUTH ") + password) == wrong);
  }
  CHECK(ask("AUTH bob secret") == wrong);
  CHECK(f.server().stats().acl_denied_auth == 7);
  CHECK(ask("AUTH secret") == "+OK\r\n");
  CHECK(ask("PING") == "+PONG\r\n");
  CHECK(ask("RESET") == "+RESET\r\n");
  CHECK(ask("PING") == "-NOAUTH Authentication required.\r\n");
  CHECK(ask("AUTH default secret") == "+OK\r\n");
  CHECK(ask("PING") == "+PONG\r\n");
}

TEST_CASE("hello: who is there, and the protocol from here on") {
  CommandFixture f;
  TestClient& other = f.connect();
  const auto ask = [&other](std::string_view line) {
    other.send_raw(std::string(line) + "\r\n");
    return other.received();
  };
  CHECK(ask("HELLO").starts_with("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n"));
  const std::string greeting = ask("hello 3 setname me");
  CHECK(greeting.starts_with("%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n"));
  CHECK(greeting.find("$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:") != std::string::npos);
  CHECK(
      greeting.ends_with("$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
                         "$7\r\nmodules\r\n*0\r\n"));
  CHECK(ask("CLIENT GETNAME") == "$2\r\nme\r\n");
  CHECK(ask("CLIENT SETNAME \"\"") == "+OK\r\n");
  CHECK(ask("CLIENT GETNAME") == "_\r\n");
  CHECK(ask("HELLO").starts_with("%7\r\n"));
  CHECK(ask("HELLO 2").starts_with("*14\r\n"));
}

TEST_CASE("hello: refusals change nothing") {
  CommandFixture f;
  CHECK(f.run({"HELLO", "4"}) == "-NOPROTO unsupported protocol version\r\n");
  CHECK(f.run({"HELLO", "1"}) == "-NOPROTO unsupported protocol version\r\n");
  CHECK(f.run({"HELLO", "x"}) == "-ERR Protocol version is not an integer or out of range\r\n");
  CHECK(f.run({"HELLO", "3", "FOO"}) == "-ERR Syntax error in HELLO option 'FOO'\r\n");
  CHECK(f.run({"HELLO", "3", "AUTH", "a"}) == "-ERR Syntax error in HELLO option 'AUTH'\r\n");
  CHECK(f.run({"HELLO", "3", "SETNAME", "a b"}) ==
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  CHECK(f.run({"HELLO", "3", "SETNAME", "n", "AUTH", "bob", "x"}) ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(f.run({"CLIENT", "GETNAME"}) == "$-1\r\n");  // no name, and still RESP2
}

TEST_CASE("hello: authenticates") {
  CommandFixture f([](Options& options) { options.resp_password = "secret"; });
  TestClient& other = f.connect();
  const auto ask = [&other](std::string_view line) {
    other.send_raw(std::string(line) + "\r\n");
    return other.received();
  };
  CHECK(ask("HELLO 3") ==
        "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time\r\n");
  CHECK(ask("HELLO 3 AUTH default wrong") ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(ask("PING") == "-NOAUTH Authentication required.\r\n");
  CHECK(ask("HELLO 3 AUTH default secret").starts_with("%7\r\n"));
  CHECK(ask("PING") == "+PONG\r\n");
}

TEST_CASE("reset: puts back what the client has set") {
  CommandFixture f;
  TestClient& other = f.connect();
  const auto ask = [&other](std::string_view line) {
    other.send_raw(std::string(line) + "\r\n");
    return other.received();
  };
  ask("HELLO 3 SETNAME me");
  ask("SELECT 3");
  ask("CLIENT NO-EVICT on");
  ask("CLIENT NO-TOUCH on");
  ask("MONITOR");
  CHECK(ask("RESET").ends_with("+RESET\r\n"));
  CHECK(ask("CLIENT GETNAME") == "$-1\r\n");
  const std::string info = ask("CLIENT INFO");
  CHECK(info.find(" flags=N db=0 ") != std::string::npos);
  CHECK(info.find(" resp=2 ") != std::string::npos);
  ask("CLIENT REPLY OFF");
  CHECK(ask("RESET") == "+RESET\r\n");
}
