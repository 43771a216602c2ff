// Streams: the commands' replies and errors, groups, what a restart and the device keep.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

struct Step {
  std::vector<std::string> command;
  std::string reply;
};

void run_all(CommandFixture& f, const std::vector<Step>& steps) {
  for (const Step& step : steps) {
    std::string shown;
    for (const std::string& word : step.command) shown += word + " ";
    CAPTURE(shown);
    CHECK(f.run(step.command) == step.reply);
  }
}

// "*1\r\n$3\r\n1-1\r\n" and so on, from words: the array's size, then bulk strings.
std::string entry(const std::string& id, const std::vector<std::string>& pairs) {
  const auto bulk = [](const std::string& s) {
    return "$" + std::to_string(s.size()) + "\r\n" + s + "\r\n";
  };
  std::string out = "*2\r\n" + bulk(id) + "*" + std::to_string(pairs.size()) + "\r\n";
  for (const std::string& s : pairs) out += bulk(s);
  return out;
}

constexpr const char* kBadId = "-ERR Invalid stream ID specified as stream command argument\r\n";
constexpr const char* kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
constexpr const char* kSyntax = "-ERR syntax error\r\n";

}  // namespace

TEST_CASE("streams: adding, ids and trimming") {
  CommandFixture f;
  run_all(
      f,
      {
          {{"XADD", "x", "1-1", "f", "v"}, "$3\r\n1-1\r\n"},
          {{"XADD", "x", "1-*", "f", "v"}, "$3\r\n1-2\r\n"},
          {{"XADD", "x", "2-*", "f", "v"}, "$3\r\n2-0\r\n"},
          {{"XADD", "x", "3", "f", "v"}, "$3\r\n3-0\r\n"},
          {{"XADD", "x", "3-0", "f", "v"},
           "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"},
          {{"XADD", "y", "0-0", "f", "v"},
           "-ERR The ID specified in XADD must be greater than 0-0\r\n"},
          {{"XADD", "y", "0-*", "f", "v"}, "$3\r\n0-1\r\n"},
          {{"XADD", "no", "NOMKSTREAM", "*", "f", "v"}, "$-1\r\n"},
          {{"EXISTS", "no"}, ":0\r\n"},
          {{"XADD", "x", "4", "f"}, "-ERR wrong number of arguments for 'xadd' command\r\n"},
          {{"XADD", "x", "bad", "f", "v"}, kBadId},
          {{"XADD", "x", "MAXLEN", "-1", "*", "f", "v"},
           "-ERR The MAXLEN argument must be >= 0.\r\n"},
          {{"XADD", "x", "MAXLEN", "5", "LIMIT", "3", "*", "f", "v"},
           "-ERR syntax error, LIMIT cannot be used without the special ~ option\r\n"},
          {{"XADD", "x", "MAXLEN", "5", "MINID", "3", "*", "f", "v"},
           "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible\r\n"},
          {{"XADD", "x", "LIMIT", "5", "*", "f", "v"},
           "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy\r\n"},
          {{"XTRIM", "x", "LIMIT", "0"},
           "-ERR syntax error, XTRIM must be called with a trimming strategy\r\n"},
          {{"XADD", "x", "MAXLEN", "=", "2", "5-0", "f", "w"}, "$3\r\n5-0\r\n"},
          {{"XRANGE", "x", "-", "+"},
           "*2\r\n" + entry("3-0", {"f", "v"}) + entry("5-0", {"f", "w"})},
          {{"XREVRANGE", "x", "+", "-", "COUNT", "1"}, "*1\r\n" + entry("5-0", {"f", "w"})},
          {{"XRANGE", "x", "(3-0", "+"}, "*1\r\n" + entry("5-0", {"f", "w"})},
          {{"XRANGE", "x", "-", "+", "COUNT", "0"}, "*-1\r\n"},
          {{"XRANGE", "x", "-", "+", "COUNT"}, kSyntax},
          {{"XRANGE", "x", "(18446744073709551615-18446744073709551615", "+"},
           "-ERR invalid start ID for the interval\r\n"},
          {{"XRANGE", "x", "-", "(0-0"}, "-ERR invalid end ID for the interval\r\n"},
          {{"XTRIM", "x", "MINID", "4"}, ":1\r\n"},
          {{"XDEL", "x", "5-0", "5", "9-9"}, ":1\r\n"},
          {{"XLEN", "x"}, ":0\r\n"},
          {{"EXISTS", "x"}, ":1\r\n"},
          {{"TYPE", "x"}, "+stream\r\n"},
          {{"OBJECT", "ENCODING", "x"}, "$6\r\nstream\r\n"},
          {{"XADD", "x", "5-0", "f", "v"},
           "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n"},
          {{"XSETID", "x", "4-0"},
           "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id\r\n"},
          {{"XSETID", "x", "18446744073709551615-18446744073709551615", "ENTRIESADDED", "9"},
           "+OK\r\n"},
          {{"XADD", "x", "*", "f", "v"},
           "-ERR The stream has exhausted the last possible ID, unable to add more items\r\n"},
          {{"XSETID", "no", "1"}, "-ERR no such key\r\n"},
          {{"SET", "s", "1"}, "+OK\r\n"},
          {{"XADD", "s", "*", "f", "v"}, kWrongType},
          {{"XLEN", "s"}, kWrongType},
          {{"XREAD", "STREAMS", "s", "0"}, kWrongType},
          {{"XGROUP", "CREATE", "s", "g", "0"}, kWrongType},
      });
  // An id of our own clock, and not below the last one.
  const std::string id = f.run({"XADD", "clock", "*", "f", "v"});
  CHECK(id.find("-0\r\n") != std::string::npos);
  CHECK(f.run({"XADD", "clock", "99999999999999-5", "f", "v"}) == "$16\r\n99999999999999-5\r\n");
  CHECK(f.run({"XADD", "clock", "*", "f", "v"}) == "$16\r\n99999999999999-6\r\n");
}

TEST_CASE("streams: trimming whole blocks") {
  CommandFixture f([](Options& options) { options.collections.stream_node_max_entries = 10; });
  for (int i = 1; i <= 95; ++i) f.run({"XADD", "x", std::to_string(i), "f", "v"});
  run_all(f, {
                 {{"XTRIM", "x", "MAXLEN", "~", "78"}, ":10\r\n"},
                 {{"XTRIM", "x", "MAXLEN", "~", "0", "LIMIT", "29"}, ":20\r\n"},
                 {{"XTRIM", "x", "MINID", "~", "40"}, ":0\r\n"},
                 {{"XTRIM", "x", "MINID", "~", "41"}, ":10\r\n"},
                 {{"XTRIM", "x", "MAXLEN", "50"}, ":5\r\n"},
                 {{"XADD", "x", "MAXLEN", "~", "46", "96", "f", "v"}, "$4\r\n96-0\r\n"},
                 {{"XLEN", "x"}, ":46\r\n"},
             });
}

TEST_CASE("streams: groups read, acknowledge, claim") {
  CommandFixture f;
  const std::string none = "*-1\r\n";
  for (int i = 1; i <= 4; ++i) f.run({"XADD", "x", std::to_string(i), "n", std::to_string(i)});
  const auto delivered = [](const std::string& entries) {
    return "*1\r\n*2\r\n$1\r\nx\r\n" + entries;
  };
  const std::string no_group = "-NOGROUP No such key 'x' or consumer group 'no'";
  run_all(f,
          {
              {{"XGROUP", "CREATE", "x", "g", "0"}, "+OK\r\n"},
              {{"XGROUP", "CREATE", "x", "g", "$"},
               "-BUSYGROUP Consumer Group name already exists\r\n"},
              {{"XGROUP", "CREATE", "new", "g", "$", "MKSTREAM"}, "+OK\r\n"},
              {{"XGROUP", "CREATECONSUMER", "x", "g", "ann"}, ":1\r\n"},
              {{"XGROUP", "CREATECONSUMER", "x", "g", "ann"}, ":0\r\n"},
              {{"XREADGROUP", "GROUP", "g", "ann", "COUNT", "2", "STREAMS", "x", ">"},
               delivered("*2\r\n" + entry("1-0", {"n", "1"}) + entry("2-0", {"n", "2"}))},
              {{"XREADGROUP", "GROUP", "g", "bob", "COUNT", "1", "STREAMS", "x", "new", ">", ">"},
               delivered("*1\r\n" + entry("3-0", {"n", "3"}))},
              {{"XREADGROUP", "GROUP", "g", "ann", "STREAMS", "x", "1"},
               delivered("*1\r\n" + entry("2-0", {"n", "2"}))},
              {{"XREADGROUP", "GROUP", "g", "ann", "NOACK", "STREAMS", "x", ">"},
               delivered("*1\r\n" + entry("4-0", {"n", "4"}))},
              {{"XREADGROUP", "GROUP", "g", "ann", "STREAMS", "x", ">"}, none},
              {{"XPENDING", "x", "g"},
               "*4\r\n:3\r\n$3\r\n1-0\r\n$3\r\n3-0\r\n*2\r\n*2\r\n$3\r\nann\r\n$1\r\n2\r\n"
               "*2\r\n$3\r\nbob\r\n$1\r\n1\r\n"},
              {{"XACK", "x", "g", "1", "1-0", "7"}, ":1\r\n"},
              {{"XACK", "x", "no", "1"}, ":0\r\n"},
              {{"XDEL", "x", "2"}, ":1\r\n"},
              {{"XREADGROUP", "GROUP", "g", "ann", "STREAMS", "x", "0"},
               delivered("*1\r\n*2\r\n$3\r\n2-0\r\n*-1\r\n")},
              {{"XAUTOCLAIM", "x", "g", "cy", "0", "0", "COUNT", "1"},
               "*3\r\n$3\r\n3-0\r\n*0\r\n*1\r\n$3\r\n2-0\r\n"},
              {{"XCLAIM", "x", "g", "cy", "0", "3", "4", "1"}, "*1\r\n" + entry("3-0", {"n", "3"})},
              {{"XCLAIM", "x", "g", "cy", "0", "1", "4", "FORCE", "JUSTID", "RETRYCOUNT", "7"},
               "*2\r\n$3\r\n1-0\r\n$3\r\n4-0\r\n"},
              {{"XCLAIM", "x", "g", "cy", "0", "4", "BOGUS"},
               "-ERR Unrecognized XCLAIM option 'BOGUS'\r\n"},
              {{"XGROUP", "DELCONSUMER", "x", "g", "cy"}, ":3\r\n"},
              {{"XPENDING", "x", "g"}, "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n"},
              {{"XPENDING", "x", "no"}, no_group + "\r\n"},
              {{"XCLAIM", "x", "no", "c", "0", "1"}, no_group + "\r\n"},
              {{"XREADGROUP", "GROUP", "no", "a", "STREAMS", "x", ">"},
               no_group + " in XREADGROUP with GROUP option\r\n"},
              {{"XGROUP", "SETID", "x", "g", "1"}, "+OK\r\n"},
              {{"XREADGROUP", "GROUP", "g", "ann", "COUNT", "1", "STREAMS", "x", ">"},
               delivered("*1\r\n" + entry("3-0", {"n", "3"}))},
              {{"XGROUP", "DESTROY", "x", "g"}, ":1\r\n"},
              {{"XGROUP", "DESTROY", "x", "g"}, ":0\r\n"},
              {{"XREAD", "COUNT", "1", "STREAMS", "x", "3"},
               delivered("*1\r\n" + entry("4-0", {"n", "4"}))},
              {{"XREAD", "STREAMS", "x", "$"}, none},
              {{"XREAD", "STREAMS", "x", "new", "0"},
               "-ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
               "specified.\r\n"},
              {{"XREAD", "COUNT", "1"}, "-ERR wrong number of arguments for 'xread' command\r\n"},
              {{"XREAD", "COUNT", "1", "BLOCK", "1"}, kSyntax},
          });
  CHECK(f.run3({"XREAD", "STREAMS", "x", "3"}) ==
        "%1\r\n$1\r\nx\r\n*1\r\n" + entry("4-0", {"n", "4"}));
  CHECK(f.run3({"XREAD", "STREAMS", "x", "$"}) == "_\r\n");
}

TEST_CASE("streams: times of consumers and of what is pending") {
  CommandFixture f;
  const auto number = [](const std::string& reply, const std::string& after) {
    const size_t at = reply.find(after + "\r\n:");
    return at == std::string::npos ? -99 : std::stoll(reply.substr(at + after.size() + 3));
  };
  f.run({"XADD", "x", "1", "f", "v"});
  f.run({"XGROUP", "CREATE", "x", "g", "0"});
  f.run({"XGROUP", "CREATECONSUMER", "x", "g", "c"});
  f.advance_ms(1000);
  std::string consumers = f.run({"XINFO", "CONSUMERS", "x", "g"});
  CHECK(number(consumers, "idle") >= 1000);
  CHECK_EQ(number(consumers, "inactive"), -1);
  f.run({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"});
  f.advance_ms(2000);
  f.run({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"});  // nothing, but it asked
  consumers = f.run({"XINFO", "CONSUMERS", "x", "g"});
  CHECK(number(consumers, "idle") < 1000);
  CHECK(number(consumers, "inactive") >= 2000);
  CHECK(f.run({"XPENDING", "x", "g", "IDLE", "2000", "-", "+", "9", "c"}).starts_with("*1\r\n"));
  CHECK(f.run({"XPENDING", "x", "g", "IDLE", "9000", "-", "+", "9"}) == "*0\r\n");
  CHECK(f.run({"XCLAIM", "x", "g", "d", "9000", "1"}) == "*0\r\n");
  CHECK(f.run({"XAUTOCLAIM", "x", "g", "d", "2000", "0", "JUSTID"}) ==
        "*3\r\n$3\r\n0-0\r\n*1\r\n$3\r\n1-0\r\n*0\r\n");
  // JUSTID does not count as a delivery; IDLE makes it older than it is.
  CHECK(f.run({"XPENDING", "x", "g", "-", "+", "9"}).ends_with(":1\r\n"));
  f.run({"XCLAIM", "x", "g", "d", "0", "1", "IDLE", "5000"});
  CHECK(f.run({"XPENDING", "x", "g", "IDLE", "5000", "-", "+", "9"}).ends_with(":2\r\n"));
}

TEST_CASE("streams: lag of a group") {
  CommandFixture f;
  const auto lag = [&f] {
    const std::string groups = f.run({"XINFO", "GROUPS", "x"});
    return groups.substr(groups.find("$12\r\nentries-read"));
  };
  const auto told = [](const std::string& read, const std::string& behind) {
    return "$12\r\nentries-read\r\n" + read + "\r\n$3\r\nlag\r\n" + behind + "\r\n";
  };
  for (int i = 1; i <= 5; ++i) f.run({"XADD", "x", std::to_string(i), "f", "v"});
  f.run({"XGROUP", "CREATE", "x", "g", "0"});
  CHECK(lag() == told("$-1", ":5"));
  f.run({"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "x", ">"});
  CHECK(lag() == told(":1", ":4"));
  f.run({"XDEL", "x", "3"});
  CHECK(lag() == told(":1", "$-1"));
  f.run({"XREADGROUP", "GROUP", "g", "c", "COUNT", "9", "STREAMS", "x", ">"});
  CHECK(lag() == told(":5", ":0"));
  f.run({"XGROUP", "SETID", "x", "g", "$", "ENTRIESREAD", "3"});
  f.run({"XADD", "x", "6", "f", "v"});
  CHECK(lag() == told(":3", ":3"));
}

TEST_CASE("streams: copies, and what redis-server has dumped") {
  CommandFixture f;
  f.run({"XADD", "x", "1-1", "f", "v", "g", "12"});
  f.run({"XGROUP", "CREATE", "x", "g", "0"});
  f.run({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", ">"});
  const std::string digest = f.run({"DEBUG", "DIGEST-VALUE", "x"});
  CHECK(f.run({"COPY", "x", "y"}) == ":1\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE", "y"}) == digest);
  CHECK(f.run({"XINFO", "STREAM", "y", "FULL"}) == f.run({"XINFO", "STREAM", "x", "FULL"}));
  CHECK(f.run({"RENAME", "y", "z"}) == "+OK\r\n");
  CHECK(f.run({"XPENDING", "z", "g"}) == f.run({"XPENDING", "x", "g"}));
  CHECK(f.run({"XADD", "y", "1-1", "f", "other"}) == "$3\r\n1-1\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE", "y"}) != digest);
}

TEST_CASE("streams: keys of XREAD for clients") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "GETKEYS", "XREAD", "COUNT", "1", "STREAMS", "a", "b", "0", "0"}) ==
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS", "XREADGROUP", "GROUP", "g", "c", "STREAMS", "a", ">"}) ==
        "*1\r\n$1\r\na\r\n");
  CHECK(f.run({"COMMAND", "INFO", "XREAD"})
            .find("$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$7\r\nkeyword\r\n$4\r\nspec\r\n*4\r\n"
                  "$7\r\nkeyword\r\n$7\r\nSTREAMS\r\n$9\r\nstartfrom\r\n:1\r\n") !=
        std::string::npos);
}

TEST_CASE("streams: waiting for entries") {
  CommandFixture f;
  TestClient& reader = f.connect();
  TestClient& ann = f.connect();
  TestClient& bob = f.connect();
  const auto delivered = [](const std::string& entries) {
    return "*1\r\n*2\r\n$1\r\nx\r\n*1\r\n" + entries;
  };
  reader.send({"XREAD", "BLOCK", "0", "STREAMS", "x", "y", "$", "$"});
  CHECK(reader.received().empty());
  f.run({"XADD", "x", "1", "f", "1"});
  CHECK(reader.received() == delivered(entry("1-0", {"f", "1"})));
  // "$" is what it was when the command came.
  reader.send({"XREAD", "COUNT", "1", "BLOCK", "5000", "STREAMS", "x", "$"});
  CHECK(reader.received().empty());
  f.run({"XADD", "x", "2", "f", "2"});
  CHECK(reader.received() == delivered(entry("2-0", {"f", "2"})));
  reader.send({"XREAD", "BLOCK", "100", "STREAMS", "x", "$"});
  CHECK(reader.received(50).empty());
  f.run({"SET", "y", "no stream"});
  f.run({"XDEL", "x", "1"});
  CHECK(reader.received(20).empty());
  CHECK(reader.received(100) == "*-1\r\n");

  f.run({"XGROUP", "CREATE", "x", "g", "$"});
  ann.send({"XREADGROUP", "GROUP", "g", "ann", "BLOCK", "0", "STREAMS", "x", ">"});
  CHECK(ann.received().empty());
  bob.send({"XREADGROUP", "GROUP", "g", "bob", "BLOCK", "0", "STREAMS", "x", ">"});
  CHECK(bob.received().empty());
  f.run({"XADD", "x", "3", "f", "3"});
  CHECK(ann.received() == delivered(entry("3-0", {"f", "3"})));  // who came first
  CHECK(bob.received().empty());
  // The consumer was made when it came.
  CHECK(f.run({"XGROUP", "CREATECONSUMER", "x", "g", "bob"}) == ":0\r\n");
  CHECK(f.run({"XGROUP", "DESTROY", "x", "g"}) == ":1\r\n");
  const std::string gone =
      "-NOGROUP No such key 'x' or consumer group 'g' in XREADGROUP with GROUP option\r\n";
  CHECK(bob.received() == gone);
  f.run({"XGROUP", "CREATE", "x", "g", "$"});
  for (const std::vector<std::string>& end : std::vector<std::vector<std::string>>{
           {"DEL", "x"}, {"SET", "x", "other"}, {"RENAME", "x", "elsewhere"}}) {
    f.run({"DEL", "x"});
    f.run({"XGROUP", "CREATE", "x", "g", "$", "MKSTREAM"});
    bob.send({"XREADGROUP", "GROUP", "g", "bob", "BLOCK", "0", "STREAMS", "x", ">"});
    CHECK(bob.received().empty());
    f.run(end);
    CHECK(bob.received() == (end[0] == "SET" ? kWrongType : gone));
  }
  // Inside of a transaction nothing waits.
  run_all(f, {{{"MULTI"}, "+OK\r\n"},
              {{"XREAD", "BLOCK", "0", "STREAMS", "no", "0"}, "+QUEUED\r\n"},
              {{"EXEC"}, "*1\r\n*-1\r\n"}});
}
