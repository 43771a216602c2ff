// CLIENT and its subcommands: replies, and what one client does to others.
#include <doctest/doctest.h>

#include <regex>
#include <string>

#include "resp/client_line.h"
#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

// The value of one field of a client's line.
std::string field(const std::string& line, const std::string& name) {
  std::smatch found;
  return std::regex_search(line, found, std::regex("(?:^|[ \n:])" + name + "=([^ \r\n]*)"))
             ? found[1].str()
             : "?";
}

std::string id_of(std::string reply) { return reply.substr(1, reply.size() - 3); }

}  // namespace

TEST_CASE("client info: Redis's fields in Redis's order") {
  CommandFixture f;
  f.run({"CLIENT", "SETNAME", "me"});
  f.run({"CLIENT", "SETINFO", "LIB-NAME", "lib"});
  f.run({"CLIENT", "SETINFO", "lib-ver", "1.2"});
  const std::string reply = f.run({"CLIENT", "INFO"});
  const std::string line = reply.substr(reply.find('\n') + 1);
  CHECK(std::regex_match(
      line,
      std::regex("id=\\d+ addr=\\S+:\\d+ laddr=\\S+:\\d+ fd=-?\\d+ name=me age=\\d+ idle=\\d+ "
                 "flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=\\d+ qbuf-free=\\d+ "
                 "argv-mem=\\d+ multi-mem=\\d+ rbs=\\d+ rbp=\\d+ obl=\\d+ oll=\\d+ omem=\\d+ "
                 "tot-mem=\\d+ events=r cmd=client\\|info user=default redir=-1 resp=2 "
                 "lib-name=lib lib-ver=1.2\n\r\n")));
}

TEST_CASE("client list: all, by type, by id") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("CLIENT ID\r\n");
  const std::string id = id_of(other.received());
  const std::string all = f.run({"CLIENT", "LIST"});
  CHECK(all.find("id=" + id + " ") != std::string::npos);
  CHECK(f.run({"CLIENT", "LIST", "TYPE", "normal"}).find("id=" + id + " ") != std::string::npos);
  CHECK(f.run({"CLIENT", "LIST", "TYPE", "pubsub"}) == "$0\r\n\r\n");
  CHECK(f.run({"CLIENT", "LIST", "TYPE", "master"}) == "$0\r\n\r\n");
  const std::string one = f.run({"CLIENT", "LIST", "ID", id, "99999", "-1", id});
  CHECK(field(one, "id") == id);
  CHECK(one.find("id=" + id, one.find("id=" + id) + 1) != std::string::npos);
  CHECK(field(one, "cmd") == "client|id");
  CHECK(f.run3({"CLIENT", "LIST", "ID", "99999"}) == "=4\r\ntxt:\r\n");
  CHECK(f.run({"CLIENT", "LIST", "TYPE", "foo"}) == "-ERR Unknown client type 'foo'\r\n");
  CHECK(f.run({"CLIENT", "LIST", "ID", "x"}) == "-ERR Invalid client ID\r\n");
  CHECK(f.run({"CLIENT", "LIST", "ID"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"CLIENT", "LIST", "FOO"}) == "-ERR syntax error\r\n");
}

TEST_CASE("client list: age and idle are seconds, flags tell what a client is") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("CLIENT ID\r\n");
  const std::string id = id_of(other.received());
  other.send_raw("CLIENT NO-EVICT on\r\nMONITOR\r\n");
  f.advance_ms(2500);
  std::string line = f.run({"CLIENT", "LIST", "ID", id});
  CHECK(field(line, "age") == "2");
  CHECK(field(line, "idle") == "2");
  CHECK(field(line, "flags") == "Oe");
  other.send_raw("WAIT 1 0\r\n");
  f.advance_ms(5);
  line = f.run({"CLIENT", "LIST", "ID", id});
  CHECK(field(line, "flags") == "Obe");
}

TEST_CASE("client names") {
  CommandFixture f;
  CHECK(f.run({"CLIENT", "GETNAME"}) == "$-1\r\n");
  CHECK(f.run3({"CLIENT", "GETNAME"}) == "_\r\n");
  CHECK(f.run({"CLIENT", "SETNAME", "me"}) == "+OK\r\n");
  CHECK(f.run({"CLIENT", "GETNAME"}) == "$2\r\nme\r\n");
  for (const char* bad : {"a b", "a\n", "\x7f", "\xff"}) {
    CHECK(f.run({"CLIENT", "SETNAME", bad}) == "-" + std::string(kBadClientName) + "\r\n");
  }
  CHECK(f.run({"CLIENT", "SETNAME", ""}) == "+OK\r\n");
  CHECK(f.run({"CLIENT", "GETNAME"}) == "$-1\r\n");
  CHECK(f.run({"CLIENT", "SETINFO", "lib-name", "a b"}) ==
        "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
  CHECK(f.run({"CLIENT", "SETINFO", "foo", "x"}) == "-ERR Unrecognized option 'foo'\r\n");
}

TEST_CASE("client kill: one filter, many filters, oneself") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("CLIENT ID\r\n");
  const std::string id = id_of(other.received());
  const std::string mine = id_of(f.run({"CLIENT", "ID"}));
  const std::string address = field(f.run({"CLIENT", "LIST", "ID", id}), "addr");
  CHECK(f.run({"CLIENT", "KILL", "ID", id, "TYPE", "replica"}) == ":0\r\n");
  CHECK(f.run({"CLIENT", "KILL", "ID", id, "ADDR", "1.2.3.4:5"}) == ":0\r\n");
  CHECK(f.run({"CLIENT", "KILL", "ID", id, "MAXAGE", "1000"}) == ":0\r\n");
  CHECK(f.run({"CLIENT", "KILL", "ID", mine}) == ":0\r\n");  // spared
  CHECK_FALSE(other.closed());
  CHECK(f.run({"CLIENT", "KILL", "USER", "default", "ADDR", address}) == ":1\r\n");
  CHECK(f.run({"CLIENT", "LIST", "ID", id}) == "$0\r\n\r\n");
  CHECK(other.received().empty());
  CHECK(other.closed());

  TestClient& self = f.connect();
  self.send_raw("CLIENT ID\r\n");
  self.send_raw("CLIENT KILL ID " + id_of(self.received()) + " SKIPME no\r\nPING\r\n");
  CHECK(self.received() == ":1\r\n");
  CHECK(self.closed());
}

TEST_CASE("client kill: the old form takes an address and must find it") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("CLIENT INFO\r\n");
  const std::string address = field(other.received(), "addr");
  CHECK(f.run({"CLIENT", "KILL", "1.2.3.4:5"}) == "-ERR No such client\r\n");
  CHECK(f.run({"CLIENT", "KILL", address}) == "+OK\r\n");
  CHECK(f.run({"CLIENT", "KILL", address}) == "-ERR No such client\r\n");
}

TEST_CASE("client kill: refusals") {
  CommandFixture f;
  CHECK(f.run({"CLIENT", "KILL", "ID", "0"}) == "-ERR client-id should be greater than 0\r\n");
  CHECK(f.run({"CLIENT", "KILL", "ID", "x"}) == "-ERR client-id should be greater than 0\r\n");
  CHECK(f.run({"CLIENT", "KILL", "TYPE", "x"}) == "-ERR Unknown client type 'x'\r\n");
  CHECK(f.run({"CLIENT", "KILL", "USER", "bob"}) == "-ERR No such user 'bob'\r\n");
  CHECK(f.run({"CLIENT", "KILL", "MAXAGE", "0"}) == "-ERR maxage should be greater than 0\r\n");
  CHECK(f.run({"CLIENT", "KILL", "SKIPME", "x"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"CLIENT", "KILL", "ID", "9", "ADDR"}) == "-ERR syntax error\r\n");
}

TEST_CASE("client reply: off, on and skip") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw(
      "CLIENT REPLY OFF\r\nPING\r\nFOO\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\n");
  CHECK(other.received() == "+OK\r\n");
  other.send_raw("CLIENT REPLY SKIP\r\nECHO 1\r\nECHO 2\r\n");
  CHECK(other.received() == "$1\r\n2\r\n");
  // A reply that comes later is dropped as well.
  other.send_raw("CLIENT REPLY SKIP\r\nWAIT 1 50\r\nECHO 3\r\n");
  f.advance_ms(200);
  CHECK(other.received() == "$1\r\n3\r\n");
  CHECK(f.run({"CLIENT", "REPLY", "x"}) == "-ERR syntax error\r\n");
}

TEST_CASE("client pause: writes wait, then all, until it ends") {
  CommandFixture f;
  TestClient& other = f.connect();
  CHECK(f.run({"CLIENT", "PAUSE", "100000", "WRITE"}) == "+OK\r\n");
  other.send_raw("PING\r\nSET k v\r\nPING\r\n");
  f.advance_ms(1000);
  CHECK(other.received() == "+PONG\r\n");
  CHECK(f.run({"CLIENT", "UNPAUSE"}) == "+OK\r\n");
  f.advance_ms(10);
  CHECK(other.received() == "+OK\r\n+PONG\r\n");

  CHECK(f.run({"CLIENT", "PAUSE", "2000"}) == "+OK\r\n");
  other.send_raw("PING\r\n");
  f.advance_ms(1000);
  CHECK(other.received().empty());
  f.advance_ms(1500);
  CHECK(other.received() == "+PONG\r\n");
}

TEST_CASE("client pause: a second one never makes it shorter or weaker") {
  CommandFixture f;
  f.run({"CLIENT", "PAUSE", "5000", "ALL"});
  const int64_t until = f.server().pause().until_ms;
  f.run({"CLIENT", "PAUSE", "10", "WRITE"});
  CHECK(f.server().pause().until_ms == until);
  CHECK_FALSE(f.server().pause().writes_only);
}

TEST_CASE("client pause: refusals") {
  CommandFixture f;
  CHECK(f.run({"CLIENT", "PAUSE", "x"}) == "-ERR timeout is not an integer or out of range\r\n");
  CHECK(f.run({"CLIENT", "PAUSE", "-1"}) == "-ERR timeout is negative\r\n");
  CHECK(f.run({"CLIENT", "PAUSE", "9223372036854775807"}) == "-ERR timeout is out of range\r\n");
  CHECK(f.run({"CLIENT", "PAUSE", "1", "FOO"}) ==
        "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n");
}

TEST_CASE("client unblock") {
  CommandFixture f;
  TestClient& other = f.connect();
  other.send_raw("CLIENT ID\r\n");
  const std::string id = id_of(other.received());
  CHECK(f.run({"CLIENT", "UNBLOCK", id}) == ":0\r\n");
  other.send_raw("WAIT 1 0\r\nPING\r\n");
  CHECK(other.received().empty());
  CHECK(f.run({"CLIENT", "UNBLOCK", id}) == ":1\r\n");
  f.advance_ms(10);
  CHECK(other.received() == ":0\r\n+PONG\r\n");
  other.send_raw("WAIT 1 0\r\n");
  f.advance_ms(5);
  CHECK(f.run({"CLIENT", "UNBLOCK", id, "error"}) == ":1\r\n");
  f.advance_ms(10);
  CHECK(other.received() == "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  // What waits for something else than a blocking command does is left alone.
  other.send_raw("DEBUG SLEEP 1\r\n");
  f.advance_ms(5);
  CHECK(f.run({"CLIENT", "UNBLOCK", id}) == ":0\r\n");
  CHECK(f.run({"CLIENT", "UNBLOCK", "x"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run({"CLIENT", "UNBLOCK", id, "x"}) ==
        "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
}

TEST_CASE("client: switches and tracking") {
  CommandFixture f;
  CHECK(f.run({"CLIENT", "NO-EVICT", "on"}) == "+OK\r\n");
  CHECK(f.run({"CLIENT", "NO-EVICT", "x"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"CLIENT", "NO-TOUCH", "on"}) == "+OK\r\n");
  CHECK(field(f.run({"CLIENT", "INFO"}), "flags") == "eT");
  CHECK(f.run({"CLIENT", "GETREDIR"}) == ":-1\r\n");
  CHECK(f.run({"CLIENT", "TRACKING", "off"}) == "+OK\r\n");
  CHECK(f.run({"CLIENT", "CACHING", "yes"}) ==
        "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled\r\n");
  CHECK(f.run({"CLIENT", "TRACKINGINFO"}) ==
        "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n"
        "*0\r\n");
  CHECK(f.run3({"CLIENT", "TRACKINGINFO"}) ==
        "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n"
        "*0\r\n");
}

TEST_CASE("client: help and unknown subcommands") {
  CommandFixture f;
  const std::string help = f.run({"CLIENT", "HELP"});
  CHECK(help.find("+CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n") !=
        std::string::npos);
  CHECK(help.ends_with("+HELP\r\n+    Prints this help.\r\n"));
  CHECK(f.run({"CLIENT", "FOO"}) == "-ERR unknown subcommand 'FOO'. Try CLIENT HELP.\r\n");
  CHECK(f.run({"CLIENT"}) == "-ERR wrong number of arguments for 'client' command\r\n");
  CHECK(f.run({"CLIENT", "SETNAME"}) ==
        "-ERR wrong number of arguments for 'client|setname' command\r\n");
}
