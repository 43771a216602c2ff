// COMMAND: the command table as clients see it, in the shapes of both protocols.
#include <doctest/doctest.h>

#include <string>

#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

bool has(const std::string& reply, const std::string& part) {
  return reply.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("command info: one command, RESP2 and RESP3") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "INFO", "get"}) ==
        "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
        "*3\r\n+@string\r\n+@read\r\n+@fast\r\n*0\r\n"
        "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n"
        "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n"
        "*2\r\n$5\r\nindex\r\n:1\r\n"
        "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n"
        "*6\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n");
  CHECK(f.run3({"COMMAND", "INFO", "GET"}) ==
        "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
        "~3\r\n+@string\r\n+@read\r\n+@fast\r\n~0\r\n"
        "~1\r\n%3\r\n$5\r\nflags\r\n~2\r\n+RO\r\n+access\r\n"
        "$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n"
        "%1\r\n$5\r\nindex\r\n:1\r\n"
        "$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n"
        "%3\r\n$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n");
}

TEST_CASE("command info: unknown commands are null, subcommands have full names") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "INFO", "nosuch", "config|nosuch"}) == "*2\r\n$-1\r\n$-1\r\n");
  CHECK(f.run3({"COMMAND", "INFO", "nosuch"}) == "*1\r\n_\r\n");
  CHECK(
      f.run({"COMMAND", "INFO", "memory|usage"})
          .starts_with(
              "*1\r\n*10\r\n$12\r\nmemory|usage\r\n:-3\r\n*1\r\n+readonly\r\n:2\r\n:2\r\n:1\r\n"));
  CHECK(has(f.run({"COMMAND", "INFO", "memory"}), "*10\r\n$12\r\nmemory|stats\r\n"));
}

TEST_CASE("command: bare, count, info and list agree") {
  CommandFixture f;
  const std::string count = f.run({"COMMAND", "COUNT"}).substr(1);
  CHECK(f.run({"COMMAND"}).substr(1).starts_with(count));
  CHECK(f.run({"COMMAND", "INFO"}).substr(1).starts_with(count));
  CHECK(has(f.run({"COMMAND", "LIST"}), "$7\r\nacl|cat\r\n"));  // subcommands too
  CHECK(has(f.run({"COMMAND", "LIST"}), "$3\r\nget\r\n"));
}

TEST_CASE("command list: filters") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "LIST", "FILTERBY", "PATTERN", "memory|d*"}) ==
        "*1\r\n$13\r\nmemory|doctor\r\n");
  CHECK(f.run({"COMMAND", "LIST", "FILTERBY", "PATTERN", "MGE?"}) == "*1\r\n$4\r\nmget\r\n");
  CHECK(f.run({"COMMAND", "LIST", "filterby", "aclcat", "nosuch"}) == "*0\r\n");
  CHECK(has(f.run({"COMMAND", "LIST", "FILTERBY", "ACLCAT", "bitmap"}), "$6\r\nsetbit\r\n"));
  CHECK(f.run({"COMMAND", "LIST", "FILTERBY", "MODULE", "x"}) == "*0\r\n");
  for (const auto& wrong : {std::vector<std::string>{"COMMAND", "LIST", "FILTERBY"},
                            {"COMMAND", "LIST", "FILTERBY", "PATTERN"},
                            {"COMMAND", "LIST", "FILTERBY", "NO", "x"},
                            {"COMMAND", "LIST", "NO", "PATTERN", "x"},
                            {"COMMAND", "LIST", "FILTERBY", "PATTERN", "x", "y"}}) {
    CHECK(f.run(wrong) == "-ERR syntax error\r\n");
  }
}

TEST_CASE("command getkeys and getkeysandflags") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"}) ==
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS", "memory", "usage", "k"}) == "*1\r\n$1\r\nk\r\n");
  CHECK(f.run({"COMMAND", "GETKEYSANDFLAGS", "rename", "a", "b"}) ==
        "*2\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+delete\r\n"
        "*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n");
  CHECK(f.run3({"COMMAND", "GETKEYSANDFLAGS", "get", "a"}) ==
        "*1\r\n*2\r\n$1\r\na\r\n~2\r\n+RO\r\n+access\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS", "nosuch", "a"}) == "-ERR Invalid command specified\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS", "memory", "no", "a"}) == "-ERR Invalid command specified\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS", "ping"}) == "-ERR The command has no key arguments\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS", "get"}) ==
        "-ERR Invalid number of arguments specified for command\r\n");
  CHECK(f.run({"COMMAND", "GETKEYS"}) ==
        "-ERR wrong number of arguments for 'command|getkeys' command\r\n");
}

TEST_CASE("command docs: one command in both protocols") {
  CommandFixture f;
  const std::string argument =
      "$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n$12\r\ndisplay_text\r\n$3\r\nkey\r\n"
      "$14\r\nkey_spec_index\r\n:0\r\n";
  CHECK(f.run({"COMMAND", "DOCS", "strlen", "nosuch"})
            .ends_with("$9\r\narguments\r\n*1\r\n*8\r\n" + argument));
  const std::string resp3 = f.run3({"COMMAND", "DOCS", "strlen"});
  CHECK(resp3.starts_with("%1\r\n$6\r\nstrlen\r\n%5\r\n$7\r\nsummary\r\n"));
  CHECK(resp3.ends_with("$9\r\narguments\r\n*1\r\n%4\r\n" + argument));
  CHECK(f.run3({"COMMAND", "DOCS", "nosuch"}) == "%0\r\n");
}

TEST_CASE("command docs: choices, subcommands, deprecation") {
  CommandFixture f;
  const std::string set = f.run3({"COMMAND", "DOCS", "set"});
  CHECK(has(set,
            "$9\r\ncondition\r\n$4\r\ntype\r\n$5\r\noneof\r\n$5\r\nflags\r\n~1\r\n+optional\r\n"
            "$9\r\narguments\r\n*2\r\n%4\r\n$4\r\nname\r\n$2\r\nnx\r\n"
            "$4\r\ntype\r\n$10\r\npure-token\r\n$12\r\ndisplay_text\r\n$2\r\nnx\r\n"
            "$5\r\ntoken\r\n$2\r\nNX\r\n"));
  const std::string memory = f.run3({"COMMAND", "DOCS", "memory"});
  CHECK(has(memory, "$11\r\nsubcommands\r\n%6\r\n"));
  CHECK(has(memory, "$12\r\nmemory|usage\r\n%5\r\n"));
  CHECK(has(f.run3({"COMMAND", "DOCS", "getset"}),
            "$9\r\ndoc_flags\r\n~1\r\n+deprecated\r\n$16\r\ndeprecated_since\r\n$5\r\n6.2.0\r\n"
            "$11\r\nreplaced_by\r\n"));
}

TEST_CASE("command docs: every row is documented, all in one reply") {
  CommandFixture f;
  const std::string count = f.run({"COMMAND", "COUNT"}).substr(1);
  CHECK(f.run3({"COMMAND", "DOCS"}).substr(1).starts_with(count));
  for (const auto& command : f.server().commands().commands()) {
    CAPTURE(command->full_name);
    CHECK(!command->spec.summary.empty());
    CHECK(!command->spec.since.empty());
    CHECK(!command->spec.group.empty());
  }
}

TEST_CASE("command: subcommands") {
  CommandFixture f;
  CHECK(f.run({"COMMAND", "NO"}) == "-ERR unknown subcommand 'NO'. Try COMMAND HELP.\r\n");
  CHECK(f.run({"COMMAND", "HELP"}).starts_with("*21\r\n+COMMAND <subcommand> "));
}
