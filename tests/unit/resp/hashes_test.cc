// Hash commands: replies in both protocols, what goes into the log, fields that expire. Most of
// the ground is covered by tests/integration/generators/hashes.py.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "store/types/hash.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

using Words = std::vector<std::string>;

struct Line {
  Words command;
  std::string reply;
};

void play(CommandFixture& f, const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    std::string shown;
    for (const std::string& word : line.command) shown += word + " ";
    CAPTURE(shown);
    CHECK(f.run(line.command) == line.reply);
  }
}

std::string bulks(const Words& words) {
  std::string out = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

const std::string kMatch = "-ERR The `numfields` parameter must match the number of arguments\r\n";
const std::string kMissing =
    "-ERR Mandatory argument FIELDS is missing or not at the right position\r\n";

}  // namespace

TEST_CASE("hashes: set, get, delete") {
  CommandFixture f;
  play(f, {
              {{"HSET", "h", "a", "1", "b", "2"}, ":2\r\n"},
              {{"HSET", "h", "a", "3", "a", "4", "c", "x"}, ":1\r\n"},
              {{"HGET", "h", "a"}, "$1\r\n4\r\n"},
              {{"HMGET", "h", "a", "no", "c"}, "*3\r\n$1\r\n4\r\n$-1\r\n$1\r\nx\r\n"},
              {{"HGETALL", "h"}, bulks({"a", "4", "b", "2", "c", "x"})},
              {{"HSETNX", "h", "a", "z"}, ":0\r\n"},
              {{"HSETNX", "h", "d", "z"}, ":1\r\n"},
              {{"HSTRLEN", "h", "d"}, ":1\r\n"},
              {{"HDEL", "h", "d", "d", "no"}, ":1\r\n"},
              {{"HLEN", "h"}, ":3\r\n"},
              {{"HINCRBY", "h", "n", "5"}, ":5\r\n"},
              {{"HINCRBYFLOAT", "h", "n", "0.1"}, "$3\r\n5.1\r\n"},
              {{"HINCRBY", "h", "n", "5"}, "-ERR hash value is not an integer\r\n"},
              {{"HINCRBYFLOAT", "h", "c", "1"}, "-ERR hash value is not a float\r\n"},
              {{"HSET", "h", "a"}, "-ERR wrong number of arguments for 'hset' command\r\n"},
              {{"HMSET", "h", "a", "b", "c"},
               "-ERR wrong number of arguments for 'hmset' command\r\n"},
              {{"HDEL", "h", "a", "b", "c", "n"}, ":4\r\n"},
              {{"EXISTS", "h"}, ":0\r\n"},
              {{"SET", "s", "v"}, "+OK\r\n"},
              {{"HGET", "s", "a"},
               "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"},
          });
  f.run({"HSET", "h", "a", "1"});
  CHECK(f.run3({"HGETALL", "h"}) == "%1\r\n$1\r\na\r\n$1\r\n1\r\n");
  CHECK(f.run3({"HRANDFIELD", "h", "2", "WITHVALUES"}) == "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
  CHECK(f.run3({"HRANDFIELD", "h", "-2"}) == "*2\r\n$1\r\na\r\n$1\r\na\r\n");
}

TEST_CASE("hashes: a scan of a large one returns every field, with values or without") {
  CommandFixture f;
  for (int i = 0; i < 1000; ++i) f.run({"HSET", "h", "f" + std::to_string(i), "v"});
  CHECK(f.run({"OBJECT", "ENCODING", "h"}) == "$9\r\nhashtable\r\n");
  std::set<std::string> seen;
  std::string cursor = "0";
  int calls = 0;
  do {
    const std::string reply = f.run({"HSCAN", "h", cursor, "COUNT", "50", "NOVALUES"});
    size_t at = reply.find("\r\n") + 2;
    at = reply.find("\r\n", at) + 2;
    cursor = reply.substr(at, reply.find("\r\n", at) - at);
    for (at = reply.find("\r\nf"); at != std::string::npos; at = reply.find("\r\nf", at + 1)) {
      seen.insert(reply.substr(at + 2, reply.find("\r\n", at + 2) - at - 2));
    }
    REQUIRE(++calls < 1000);
  } while (cursor != "0");
  CHECK(seen.size() == 1000);
  CHECK(calls > 10);
  // Draws differ and are different fields.
  const std::string drawn = f.run({"HRANDFIELD", "h", "100"});
  CHECK(drawn.starts_with("*100\r\n"));
  CHECK(drawn != f.run({"HRANDFIELD", "h", "100"}));
}

TEST_CASE("hashes: fields expire") {
  CommandFixture f;
  play(f, {
              {{"HSET", "h", "a", "1", "b", "2", "c", "3"}, ":3\r\n"},
              {{"HEXPIRE", "h", "10", "FIELDS", "3", "a", "b", "no"}, "*3\r\n:1\r\n:1\r\n:-2\r\n"},
              {{"OBJECT", "ENCODING", "h"}, "$10\r\nlistpackex\r\n"},
              {{"HTTL", "h", "FIELDS", "3", "a", "c", "no"}, "*3\r\n:10\r\n:-1\r\n:-2\r\n"},
              {{"HTTL", "absent", "FIELDS", "2", "a", "b"}, "*2\r\n:-2\r\n:-2\r\n"},
              {{"HEXPIRE", "h", "20", "NX", "FIELDS", "2", "a", "c"}, "*2\r\n:0\r\n:1\r\n"},
              {{"HEXPIRE", "h", "5", "GT", "FIELDS", "1", "a"}, "*1\r\n:0\r\n"},
              {{"HEXPIRE", "h", "5", "LT", "FIELDS", "1", "a"}, "*1\r\n:1\r\n"},
              {{"HEXPIRE", "h", "6", "XX", "FIELDS", "1", "a"}, "*1\r\n:1\r\n"},
              {{"HPERSIST", "h", "FIELDS", "3", "b", "b", "no"}, "*3\r\n:1\r\n:1\r\n:-2\r\n"},
              {{"HPERSIST", "h", "FIELDS", "1", "b"}, "*1\r\n:-1\r\n"},
              // A new value takes the expiry away; arithmetic keeps it.
              {{"HINCRBY", "h", "a", "1"}, ":2\r\n"},
              {{"HTTL", "h", "FIELDS", "1", "a"}, "*1\r\n:6\r\n"},
              {{"HSET", "h", "c", "4"}, ":0\r\n"},
              {{"HTTL", "h", "FIELDS", "1", "c"}, "*1\r\n:-1\r\n"},
              {{"HEXPIRE", "h", "0", "FIELDS", "2", "c", "c"}, "*2\r\n:2\r\n:-2\r\n"},
              {{"HLEN", "h"}, ":2\r\n"},
              {{"HPEXPIREAT", "h", "1", "FIELDS", "2", "a", "b"}, "*2\r\n:2\r\n:2\r\n"},
              {{"EXISTS", "h"}, ":0\r\n"},
          });
  play(f, {
              {{"HSET", "h", "a", "1"}, ":1\r\n"},
              {{"HPEXPIREAT", "h", "70368744177663", "FIELDS", "1", "a"}, "*1\r\n:1\r\n"},
              {{"HPEXPIRETIME", "h", "FIELDS", "1", "a"}, "*1\r\n:70368744177663\r\n"},
              {{"HEXPIRETIME", "h", "FIELDS", "1", "a"}, "*1\r\n:70368744178\r\n"},
              {{"HPEXPIREAT", "h", "70368744177664", "FIELDS", "1", "a"},
               "-ERR invalid expire time in 'hpexpireat' command\r\n"},
              {{"HEXPIRE", "h", "-1", "FIELDS", "1", "a"},
               "-ERR invalid expire time, must be >= 0\r\n"},
              {{"HEXPIRE", "h", "x", "FIELDS", "1", "a"},
               "-ERR value is not an integer or out of range\r\n"},
              {{"HEXPIRE", "h", "1", "FIELD", "1", "a"}, kMissing},
              {{"HEXPIRE", "h", "1", "NX", "GT", "FIELDS", "1", "a"}, kMissing},
              {{"HEXPIRE", "h", "1", "FIELDS", "0", "a"},
               "-ERR Parameter `numFields` should be greater than 0\r\n"},
              {{"HEXPIRE", "h", "1", "FIELDS", "2", "a"}, kMatch},
              {{"HTTL", "h", "FIELDS", "2", "a"}, kMatch},
              {{"HTTL", "h", "FIELDS", "x", "a"},
               "-ERR Number of fields must be a positive integer\r\n"},
              {{"HPERSIST", "h", "x", "1", "a"}, kMissing},
          });
}

TEST_CASE("hashes: an expired field is absent at once, and gone without being asked for") {
  for (const int fields : {3, 300}) {
    CommandFixture f;
    for (int i = 0; i < fields; ++i) f.run({"HSET", "h", std::to_string(i), "v"});
    f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"});
    f.run({"HPEXPIRE", "h", "100", "FIELDS", "2", "0", "1"});
    f.advance_ms(90);
    CHECK(f.run({"HEXISTS", "h", "0"}) == ":1\r\n");
    f.advance_ms(150);
    CHECK(f.run({"HLEN", "h"}) == ":" + std::to_string(fields - 2) + "\r\n");
    CHECK(f.run({"HGET", "h", "0"}) == "$-1\r\n");
    f.run({"HPEXPIRE", "h", "100", "FIELDS", "1", "2"});
    f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "1"});
    f.advance_ms(400);
    // Nobody asked.
    const KeyRef key = f.keyspace().key("h");
    Object* object = f.keyspace().find(0, key);
    CHECK((object == nullptr) == (fields == 3));
    if (object != nullptr) CHECK(hash_size(object->collection()) == 297);
    CHECK(f.keyspace().next_hash_due(0, INT64_MAX - 1) == nullptr);
  }
}

TEST_CASE("hashes: fields expire wherever their hash went") {
  CommandFixture f;
  f.run({"HSET", "h", "a", "1", "b", "2"});
  f.run({"HPEXPIRE", "h", "500", "FIELDS", "1", "a"});
  f.run({"COPY", "h", "copied"});
  f.run({"RENAME", "h", "renamed"});
  f.run({"EXPIRE", "renamed", "100"});  // the object moves
  f.run({"COPY", "copied", "gone"});
  f.run({"DEL", "gone"});
  f.run({"COPY", "copied", "overwritten"});
  f.run({"SET", "overwritten", "x"});
  f.advance_ms(1000);
  for (const char* key : {"copied", "renamed"}) {
    CHECK(f.run({"HGETALL", key}) == bulks({"b", "2"}));
  }
  CHECK(f.keyspace().next_hash_due(0, INT64_MAX - 1) == nullptr);
  f.run({"HEXPIRE", "copied", "100", "FIELDS", "1", "b"});
  f.run({"FLUSHALL"});
  CHECK(f.keyspace().next_hash_due(0, INT64_MAX - 1) == nullptr);
}
