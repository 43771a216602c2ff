// List commands, as clients see them. Everything that needs no second client is compared with
// redis-server at random too (tests/integration/generators/lists.py).
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

struct Row {
  std::vector<std::string> command;
  std::string reply;
};

void check_all(CommandFixture& f, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    std::string shown;
    for (const std::string& word : row.command) shown += word.substr(0, 40) + " ";
    CAPTURE(shown);
    CHECK(f.run(row.command) == row.reply);
  }
}

std::string array(const std::vector<std::string>& elements) {
  std::string out = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& e : elements) out += "$" + std::to_string(e.size()) + "\r\n" + e + "\r\n";
  return out;
}

const std::string kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
const std::string kSyntax = "-ERR syntax error\r\n";
const std::string kNotInteger = "-ERR value is not an integer or out of range\r\n";

}  // namespace

TEST_CASE("lists: pushing, looking, changing") {
  CommandFixture f;
  check_all(f, {
                   {{"LPUSHX", "k", "a"}, ":0\r\n"},
                   {{"RPUSH", "k", "b", "c"}, ":2\r\n"},
                   {{"LPUSH", "k", "a", "12"}, ":4\r\n"},
                   {{"RPUSHX", "k", "d"}, ":5\r\n"},
                   {{"LRANGE", "k", "0", "-1"}, array({"12", "a", "b", "c", "d"})},
                   {{"LRANGE", "k", "-3", "3"}, array({"b", "c"})},
                   {{"LRANGE", "k", "4", "2"}, "*0\r\n"},
                   {{"LRANGE", "none", "0", "-1"}, "*0\r\n"},
                   {{"LRANGE", "k", "x", "1"}, kNotInteger},
                   {{"LLEN", "k"}, ":5\r\n"},
                   {{"LINDEX", "k", "0"}, "$2\r\n12\r\n"},
                   {{"LINDEX", "k", "-1"}, "$1\r\nd\r\n"},
                   {{"LINDEX", "k", "5"}, "$-1\r\n"},
                   {{"LSET", "k", "-5", "first"}, "+OK\r\n"},
                   {{"LSET", "k", "5", "x"}, "-ERR index out of range\r\n"},
                   {{"LSET", "none", "x", "x"}, "-ERR no such key\r\n"},
                   {{"LINSERT", "k", "BEFORE", "a", "13"}, ":6\r\n"},
                   {{"LINSERT", "k", "after", "d", "e"}, ":7\r\n"},
                   {{"LINSERT", "k", "AFTER", "no", "e"}, ":-1\r\n"},
                   {{"LINSERT", "none", "AFTER", "no", "e"}, ":0\r\n"},
                   {{"LINSERT", "k", "BESIDE", "a", "e"}, kSyntax},
                   {{"LRANGE", "k", "0", "-1"}, array({"first", "13", "a", "b", "c", "d", "e"})},
                   {{"LTRIM", "k", "1", "-2"}, "+OK\r\n"},
                   {{"LRANGE", "k", "0", "-1"}, array({"13", "a", "b", "c", "d"})},
                   {{"LTRIM", "k", "9", "0"}, "+OK\r\n"},
                   {{"EXISTS", "k"}, ":0\r\n"},
                   {{"SET", "s", "x"}, "+OK\r\n"},
                   {{"LPUSH", "s", "x"}, kWrongType},
                   {{"LPUSHX", "s", "x"}, kWrongType},
                   {{"LLEN", "s"}, kWrongType},
                   {{"RPUSH", "k", "x"}, ":1\r\n"},
                   {{"GET", "k"}, kWrongType},
                   {{"TYPE", "k"}, "+list\r\n"},
                   {{"OBJECT", "ENCODING", "k"}, "$8\r\nlistpack\r\n"},
                   {{"RPUSH", "k", std::string(9000, 'x')}, ":2\r\n"},
                   {{"OBJECT", "ENCODING", "k"}, "$9\r\nquicklist\r\n"},
                   {{"RPOP", "k"}, "$9000\r\n" + std::string(9000, 'x') + "\r\n"},
                   {{"OBJECT", "ENCODING", "k"}, "$8\r\nlistpack\r\n"},
                   {{"SET", "k", "x"}, "+OK\r\n"},
               });
  CHECK(f.keyspace().size(0) == 2);
}

TEST_CASE("lists: LREM and LPOS") {
  CommandFixture f;
  const std::vector<std::string> letters{"a", "b", "a", "c", "a", "7", "b", "a"};
  std::vector<std::string> push{"RPUSH", "k"};
  push.insert(push.end(), letters.begin(), letters.end());
  f.run(push);
  check_all(f, {
                   {{"LPOS", "k", "a"}, ":0\r\n"},
                   {{"LPOS", "k", "7", "RANK", "-1"}, ":5\r\n"},
                   {{"LPOS", "k", "a", "RANK", "2"}, ":2\r\n"},
                   {{"LPOS", "k", "a", "RANK", "-2", "COUNT", "2"}, "*2\r\n:4\r\n:2\r\n"},
                   {{"LPOS", "k", "a", "COUNT", "0"}, "*4\r\n:0\r\n:2\r\n:4\r\n:7\r\n"},
                   {{"LPOS", "k", "a", "COUNT", "0", "MAXLEN", "3"}, "*2\r\n:0\r\n:2\r\n"},
                   {{"LPOS", "k", "a", "RANK", "5"}, "$-1\r\n"},
                   {{"LPOS", "k", "z", "COUNT", "1"}, "*0\r\n"},
                   {{"LPOS", "none", "z"}, "$-1\r\n"},
                   {{"LPOS", "k", "a", "COUNT", "-1"}, "-ERR COUNT can't be negative\r\n"},
                   {{"LPOS", "k", "a", "MAXLEN", "x"}, "-ERR MAXLEN can't be negative\r\n"},
                   {{"LPOS", "k", "a", "RANK", "0"},
                    "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list\r\n"},
                   {{"LPOS", "k", "a", "RANK"}, kSyntax},
                   {{"LREM", "k", "-1", "a"}, ":1\r\n"},
                   {{"LREM", "k", "1", "b"}, ":1\r\n"},
                   {{"LREM", "k", "0", "nothing"}, ":0\r\n"},
                   {{"LREM", "none", "0", "a"}, ":0\r\n"},
                   {{"LRANGE", "k", "0", "-1"}, array({"a", "a", "c", "a", "7", "b"})},
                   {{"LREM", "k", "0", "a"}, ":3\r\n"},
                   {{"LREM", "k", "0", "7"}, ":1\r\n"},
                   {{"LREM", "k", "5", "b"}, ":1\r\n"},
                   {{"LREM", "k", "-5", "c"}, ":1\r\n"},
                   {{"EXISTS", "k"}, ":0\r\n"},
                   {{"LPOS", "k", "a", "RANK", "-9223372036854775808"},
                    "-ERR value is out of range, value must between -9223372036854775807 and "
                    "9223372036854775807\r\n"},
                   {{"RPUSH", "k", "c", "d", "c"}, ":3\r\n"},
                   {{"LREM", "k", "-9223372036854775808", "c"}, ":2\r\n"},
               });
}

TEST_CASE("lists: what takes elements off the ends") {
  CommandFixture f;
  f.run({"RPUSH", "k", "1", "2", "3", "4", "5", "6", "7", "8"});
  const std::string positive = "-ERR value is out of range, must be positive\r\n";
  check_all(
      f, {
             {{"LPOP", "k"}, "$1\r\n1\r\n"},
             {{"RPOP", "k"}, "$1\r\n8\r\n"},
             {{"LPOP", "k", "2"}, array({"2", "3"})},
             {{"RPOP", "k", "2"}, array({"7", "6"})},
             {{"LPOP", "k", "0"}, "*0\r\n"},
             {{"LPOP", "none"}, "$-1\r\n"},
             {{"LPOP", "none", "1"}, "*-1\r\n"},
             {{"LPOP", "k", "-1"}, positive},
             {{"LPOP", "k", "x"}, positive},
             {{"LPOP", "k", "1", "1"}, "-ERR wrong number of arguments for 'lpop' command\r\n"},
             {{"LMOVE", "k", "d", "LEFT", "RIGHT"}, "$1\r\n4\r\n"},
             {{"RPOPLPUSH", "k", "d"}, "$1\r\n5\r\n"},
             {{"EXISTS", "k"}, ":0\r\n"},
             {{"LRANGE", "d", "0", "-1"}, array({"5", "4"})},
             {{"LMOVE", "d", "d", "RIGHT", "LEFT"}, "$1\r\n4\r\n"},
             {{"LRANGE", "d", "0", "-1"}, array({"4", "5"})},
             {{"LMOVE", "d", "d", "LEFT", "LEFT"}, "$1\r\n4\r\n"},
             {{"LRANGE", "d", "0", "-1"}, array({"4", "5"})},
             {{"LMOVE", "none", "d", "LEFT", "LEFT"}, "$-1\r\n"},
             {{"LMOVE", "d", "e", "LEFT", "UP"}, kSyntax},
             {{"SET", "s", "x"}, "+OK\r\n"},
             {{"LMOVE", "d", "s", "LEFT", "LEFT"}, kWrongType},
             {{"LMOVE", "s", "d", "LEFT", "LEFT"}, kWrongType},
             {{"LMPOP", "2", "none", "d", "RIGHT", "COUNT", "5"},
              "*2\r\n$1\r\nd\r\n" + array({"5", "4"})},
             {{"LMPOP", "1", "d", "LEFT"}, "*-1\r\n"},
             {{"LMPOP", "0", "d", "LEFT"}, "-ERR numkeys should be greater than 0\r\n"},
             {{"LMPOP", "2", "d", "LEFT"}, kSyntax},
             {{"LMPOP", "1", "d", "LEFT", "COUNT", "0"}, "-ERR count should be greater than 0\r\n"},
             {{"LMPOP", "1", "d", "LEFT", "COUNT"}, kSyntax},
             {{"LMPOP", "2", "d", "s", "LEFT"}, kWrongType},
         });
  CHECK(f.run3({"LPOP", "none", "1"}) == "_\r\n");
}

TEST_CASE("lists: one that moves within itself keeps its expiry") {
  CommandFixture f;
  f.run({"RPUSH", "k", "only"});
  f.run({"PEXPIRE", "k", "100000"});
  CHECK(f.run({"LMOVE", "k", "k", "LEFT", "RIGHT"}) == "$4\r\nonly\r\n");
  CHECK(f.run({"PTTL", "k"}) != ":-1\r\n");
  f.advance_ms(100001);
  CHECK(f.run({"LLEN", "k"}) == ":0\r\n");
}

TEST_CASE("lists: long ones, copied, dumped, renamed, digested") {
  CommandFixture f;
  std::vector<std::string> push{"RPUSH", "k"};
  for (int i = 0; i < 3000; ++i) push.push_back("element " + std::to_string(i));
  CHECK(f.run(push) == ":3000\r\n");
  const std::vector<std::string> elements(push.begin() + 2, push.end());
  CHECK(f.run({"LRANGE", "k", "0", "-1"}) == array(elements));
  CHECK(f.run({"LINDEX", "k", "1234"}) == "$12\r\nelement 1234\r\n");
  const std::string digest = f.run({"DEBUG", "DIGEST-VALUE", "k"});
  CHECK(f.run({"COPY", "k", "copy"}) == ":1\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE", "copy"}) == digest);
  const std::string dump = f.run({"DUMP", "k"});
  const std::string payload =
      dump.substr(dump.find("\r\n") + 2, dump.size() - 2 - dump.find("\r\n") - 2);
  CHECK(f.run({"RESTORE", "back", "0", payload}) == "+OK\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE", "back"}) == digest);
  CHECK(f.run({"RENAME", "back", "other"}) == "+OK\r\n");
  CHECK(f.run({"LSET", "other", "7", "changed"}) == "+OK\r\n");
  CHECK(f.run({"DEBUG", "DIGEST-VALUE", "other"}) != digest);
  CHECK(f.run({"LRANGE", "k", "0", "-1"}) == array(elements));
  CHECK(std::stoll(f.run({"MEMORY", "USAGE", "k"}).substr(1)) > 40000);
  CHECK(f.run({"DEL", "k", "copy", "other"}) == ":3\r\n");
}
