// Commands on whole keys, with the replies of redis-server 7.0.15; DUMP and RESTORE with its bytes.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/codec.h"
#include "base/random.h"
#include "store/rdb_value.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

constexpr const char* kOk = "+OK\r\n";
constexpr const char* kNil = "$-1\r\n";
constexpr const char* kSyntax = "-ERR syntax error\r\n";
constexpr const char* kNotInteger = "-ERR value is not an integer or out of range\r\n";
constexpr const char* kNoSuchKey = "-ERR no such key\r\n";
constexpr const char* kSame = "-ERR source and destination objects are the same\r\n";
constexpr const char* kDbIndex = "-ERR DB index is out of range\r\n";
constexpr const char* kBeyondInt =
    "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n";

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// The text of a bulk reply.
std::string text_of(const std::string& reply) {
  REQUIRE(reply.starts_with("$"));
  const size_t start = reply.find("\r\n") + 2;
  return reply.substr(start, reply.size() - start - 2);
}

std::string sealed(std::string body) {
  put_fixed(body, kRdbVersionWritten);
  put_fixed(body, crc64(body));
  return body;
}

}  // namespace

TEST_CASE("DEL and UNLINK") {
  for (const char* del : {"DEL", "UNLINK"}) {
    CommandFixture f;
    f.run({"MSET", "a", "1", "b", "2", "c", "3"});
    CHECK(f.run({del, "a", "nope", "b", "a"}) == ":2\r\n");
    CHECK(f.run({"EXISTS", "a", "b", "c"}) == ":1\r\n");
    const Seq seq = f.shard().last_seq();
    CHECK(f.run({del, "a"}) == ":0\r\n");
    CHECK(f.shard().last_seq() == seq);
    CHECK(f.run({del}).starts_with("-ERR wrong number of arguments for '"));
    f.run({"SET", "e", "v", "PX", "1000"});
    f.advance_ms(1000);
    CHECK(f.run({del, "e"}) == ":0\r\n");
  }
}

TEST_CASE("EXISTS, TOUCH and TYPE") {
  CommandFixture f;
  f.run({"MSET", "a", "1", "b", "text"});
  CHECK(f.run({"EXISTS", "a"}) == ":1\r\n");
  CHECK(f.run({"EXISTS", "a", "a", "nope", "b"}) == ":3\r\n");  // each mention counts
  CHECK(f.run({"TOUCH", "a", "a", "nope"}) == ":2\r\n");
  CHECK(f.run({"TYPE", "a"}) == "+string\r\n");
  CHECK(f.run({"TYPE", "nope"}) == "+none\r\n");
  CHECK(f.run3({"TYPE", "a"}) == "+string\r\n");
}

TEST_CASE("RENAME") {
  CommandFixture f;
  f.run({"SET", "a", "1", "PX", "100000"});
  f.run({"SET", "b", "2"});
  CHECK(f.run({"RENAME", "a", "b"}) == kOk);
  CHECK(f.run({"GET", "b"}) == "$1\r\n1\r\n");
  CHECK(f.run({"GET", "a"}) == kNil);
  CHECK(f.run({"TTL", "b"}) == ":100\r\n");  // the expiry moves along
  f.run({"SET", "plain", "p"});
  CHECK(f.run({"RENAME", "plain", "b"}) == kOk);
  CHECK(f.run({"TTL", "b"}) == ":-1\r\n");  // and does not stay
  const Seq seq = f.shard().last_seq();
  CHECK(f.run({"RENAME", "b", "b"}) == kOk);
  CHECK(f.run({"RENAME", "nope", "nope"}) == kNoSuchKey);
  CHECK(f.run({"RENAME", "nope", "b"}) == kNoSuchKey);
  CHECK(f.shard().last_seq() == seq);
  CHECK(f.run({"RENAME", "b", "again"}) == kOk);
  CHECK(f.shard().last_seq() == seq + 1);  // both keys in one entry
  const std::string big(100'000, 'x');
  f.run({"SET", "big", big});
  CHECK(f.run({"RENAME", "big", "{t}moved"}) == kOk);
  CHECK((f.run({"GET", "{t}moved"}) == bulk(big)));
}

TEST_CASE("RENAMENX") {
  CommandFixture f;
  f.run({"MSET", "a", "1", "b", "2"});
  CHECK(f.run({"RENAMENX", "a", "b"}) == ":0\r\n");
  CHECK(f.run({"RENAMENX", "a", "a"}) == ":0\r\n");
  CHECK(f.run({"GET", "b"}) == "$1\r\n2\r\n");
  CHECK(f.run({"RENAMENX", "a", "c"}) == ":1\r\n");
  CHECK(f.run({"GET", "c"}) == "$1\r\n1\r\n");
  CHECK(f.run({"RENAMENX", "a", "a"}) == kNoSuchKey);
  f.run({"SET", "expired", "v", "PX", "1000"});
  f.advance_ms(1000);
  CHECK(f.run({"RENAMENX", "c", "expired"}) == ":1\r\n");
  CHECK(f.run({"TTL", "expired"}) == ":-1\r\n");
}

TEST_CASE("COPY") {
  CommandFixture f;
  f.run({"SET", "a", "text", "PX", "100000"});
  CHECK(f.run({"COPY", "a", "b"}) == ":1\r\n");
  CHECK(f.run({"GET", "b"}) == "$4\r\ntext\r\n");
  CHECK(f.run({"TTL", "b"}) == ":100\r\n");
  f.run({"SET", "other", "o"});
  CHECK(f.run({"COPY", "other", "b"}) == ":0\r\n");
  CHECK(f.run({"COPY", "other", "b", "REPLACE"}) == ":1\r\n");
  CHECK(f.run({"GET", "b"}) == "$1\r\no\r\n");
  CHECK(f.run({"TTL", "b"}) == ":-1\r\n");
  CHECK(f.run({"COPY", "nope", "b", "replace"}) == ":0\r\n");

  CHECK(f.run({"COPY", "a", "a", "DB", "3"}) == ":1\r\n");
  CHECK(f.run({"COPY", "a", "a", "db", "3"}) == ":0\r\n");
  CHECK(f.run({"COPY", "a", "a", "DB", "3", "REPLACE"}) == ":1\r\n");
  f.run({"SELECT", "3"});
  CHECK(f.run({"GET", "a"}) == "$4\r\ntext\r\n");
  CHECK(f.run({"COPY", "a", "b", "DB", "0"}) == ":0\r\n");

  CHECK(f.run({"COPY", "a", "a"}) == kSame);
  CHECK(f.run({"COPY", "nope", "nope", "DB", "3"}) == kSame);
  CHECK(f.run({"COPY", "a", "b", "DB", "x"}) == kNotInteger);
  CHECK(f.run({"COPY", "a", "b", "DB", "99"}) == kDbIndex);
  CHECK(f.run({"COPY", "a", "b", "DB", "-1"}) == kDbIndex);
  CHECK(f.run({"COPY", "a", "b", "DB", "99999999999"}) == kBeyondInt);
  CHECK(f.run({"COPY", "a", "b", "DB"}) == kSyntax);
  CHECK(f.run({"COPY", "a", "b", "foo"}) == kSyntax);
}

TEST_CASE("MOVE") {
  CommandFixture f;
  f.run({"SET", "k", "v", "PX", "100000"});
  CHECK(f.run({"MOVE", "k", "2"}) == ":1\r\n");
  CHECK(f.run({"EXISTS", "k"}) == ":0\r\n");
  CHECK(f.run({"MOVE", "k", "2"}) == ":0\r\n");
  f.run({"SET", "k", "here"});
  CHECK(f.run({"MOVE", "k", "2"}) == ":0\r\n");  // one is there already
  f.run({"SELECT", "2"});
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
  CHECK(f.run({"TTL", "k"}) == ":100\r\n");
  CHECK(f.run({"MOVE", "k", "2"}) == kSame);
  CHECK(f.run({"MOVE", "nope", "2"}) == kSame);
  CHECK(f.run({"MOVE", "k", "x"}) == kNotInteger);
  CHECK(f.run({"MOVE", "k", "16"}) == kDbIndex);
  CHECK(f.run({"MOVE", "k", "99999999999"}) == kBeyondInt);
}

TEST_CASE("OBJECT") {
  CommandFixture f;
  f.run({"MSET", "int", "12", "big", "10000", "short", "abc", "long", std::string(45, 'x')});
  CHECK(f.run({"OBJECT", "ENCODING", "int"}) == bulk("int"));
  CHECK(f.run({"OBJECT", "encoding", "short"}) == bulk("embstr"));
  CHECK(f.run({"OBJECT", "ENCODING", "long"}) == bulk("raw"));
  CHECK(f.run({"OBJECT", "REFCOUNT", "short"}) == ":1\r\n");
  CHECK(f.run({"OBJECT", "REFCOUNT", "int"}) == ":2147483647\r\n");
  CHECK(f.run({"OBJECT", "REFCOUNT", "big"}) == ":1\r\n");
  for (const char* about : {"ENCODING", "REFCOUNT", "IDLETIME", "FREQ"}) {
    CHECK(f.run({"OBJECT", about, "nope"}) == kNil);
    CHECK(f.run3({"OBJECT", about, "nope"}) == "_\r\n");
  }
  CHECK(f.run({"OBJECT", "FREQ", "int"}) ==
        "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
        "that when switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.\r\n");
  CHECK(f.run({"OBJECT", "FOO", "int"}) == "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n");
  CHECK(f.run({"OBJECT", "ENCODING"}) ==
        "-ERR wrong number of arguments for 'object|encoding' command\r\n");
  CHECK(f.run({"OBJECT"}) == "-ERR wrong number of arguments for 'object' command\r\n");
  const std::string help = f.run({"OBJECT", "HELP"});
  CHECK(help.starts_with(
      "*15\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+ENCODING"));
  CHECK(help.ends_with("+HELP\r\n+    Prints this help.\r\n"));
}

TEST_CASE("OBJECT IDLETIME: what is a use of a key and what is not") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  f.advance_ms(10'000);
  for (const std::vector<std::string>& look : {std::vector<std::string>{"EXISTS", "k"},
                                               {"TYPE", "k"},
                                               {"TTL", "k"},
                                               {"SCAN", "0"},
                                               {"OBJECT", "ENCODING", "k"},
                                               {"KEYS", "*"},
                                               {"RANDOMKEY"}}) {
    f.run(look);
    CHECK(f.run({"OBJECT", "IDLETIME", "k"}).substr(0, 3) == ":10");
  }
  f.run({"TOUCH", "k"});
  CHECK(f.run({"OBJECT", "IDLETIME", "k"}) == ":0\r\n");
  f.advance_ms(5000);
  f.run({"CLIENT", "NO-TOUCH", "ON"});
  f.run({"GET", "k"});
  CHECK(f.run({"OBJECT", "IDLETIME", "k"}) == ":5\r\n");
  f.run({"TOUCH", "k"});  // the exception
  CHECK(f.run({"OBJECT", "IDLETIME", "k"}) == ":0\r\n");
}

TEST_CASE("hits and misses are counted as Redis counts them") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  const auto counted = [&f](const std::vector<std::string>& command) {
    const uint64_t hits = f.server().stats().keyspace_hits;
    const uint64_t misses = f.server().stats().keyspace_misses;
    f.run(command);
    return std::to_string(f.server().stats().keyspace_hits - hits) + " " +
           std::to_string(f.server().stats().keyspace_misses - misses);
  };
  CHECK(counted({"EXISTS", "k", "k", "nope"}) == "2 1");
  CHECK(counted({"TOUCH", "k", "nope"}) == "1 1");
  CHECK(counted({"TYPE", "k"}) == "1 0");
  CHECK(counted({"TTL", "nope"}) == "0 1");
  CHECK(counted({"PEXPIRETIME", "k"}) == "1 0");
  CHECK(counted({"DUMP", "k"}) == "1 0");
  CHECK(counted({"OBJECT", "ENCODING", "k"}) == "1 0");
  CHECK(counted({"COPY", "k", "copy"}) == "1 0");
  CHECK(counted({"RENAME", "copy", "moved"}) == "0 0");
  CHECK(counted({"MOVE", "moved", "1"}) == "0 0");
  CHECK(counted({"EXPIRE", "k", "100"}) == "0 0");
  CHECK(counted({"PERSIST", "k"}) == "0 0");
  CHECK(counted({"DEL", "k", "nope"}) == "0 0");
}

TEST_CASE("DUMP and RESTORE") {
  CommandFixture f;
  SeededRandom random(4);
  std::string noise;
  for (int i = 0; i < 40'000; ++i) noise.push_back(static_cast<char>(random.next()));
  for (const std::string& value : {std::string("v"), std::string("12345"), std::string(5000, 'z'),
                                   noise, std::string(), std::string("\0\r\n", 3)}) {
    f.run({"SET", "from", value});
    const std::string payload = text_of(f.run({"DUMP", "from"}));
    CHECK(f.run({"RESTORE", "to", "0", payload, "REPLACE"}) == kOk);
    CHECK((f.run({"GET", "to"}) == bulk(value)));
    CHECK(f.run({"TTL", "to"}) == ":-1\r\n");
  }
  CHECK(f.run({"DUMP", "nope"}) == kNil);
  CHECK(f.run3({"DUMP", "nope"}) == "_\r\n");
  f.run({"SET", "n", "5"});
  CHECK(f.run({"DUMP", "n"}) ==
        std::string("$13\r\n\x00\xc0\x05\x0a\x00\x63\x2f\x5f\x66\x83\x2f\xb3\x51\r\n", 20));
}

TEST_CASE("RESTORE: time to live, idle time") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  const std::string payload = text_of(f.run({"DUMP", "k"}));
  CHECK(f.run({"RESTORE", "a", "90000", payload}) == kOk);
  CHECK(f.run({"TTL", "a"}) == ":90\r\n");
  CHECK(f.run({"RESTORE", "b", "9000000000000", payload, "ABSTTL"}) == kOk);
  CHECK(f.run({"PEXPIRETIME", "b"}) == ":9000000000000\r\n");
  // A time that has passed: nothing is restored, and with REPLACE the old key goes.
  CHECK(f.run({"RESTORE", "c", "1", payload, "ABSTTL"}) == kOk);
  CHECK(f.run({"EXISTS", "c"}) == ":0\r\n");
  CHECK(f.run({"RESTORE", "a", "1", payload, "ABSTTL", "REPLACE"}) == kOk);
  CHECK(f.run({"EXISTS", "a"}) == ":0\r\n");
  CHECK(f.run({"RESTORE", "c", "9223372036854775807", payload}) == kOk);
  CHECK(f.run({"EXISTS", "c"}) == ":0\r\n");

  f.advance_ms(100'000);
  CHECK(f.run({"RESTORE", "d", "0", payload, "IDLETIME", "50"}) == kOk);
  CHECK(f.run({"OBJECT", "IDLETIME", "d"}) == ":50\r\n");
  CHECK(f.run({"RESTORE", "e", "0", payload, "FREQ", "255", "replace"}) == kOk);
  CHECK(f.run({"OBJECT", "IDLETIME", "e"}) == ":0\r\n");
}

TEST_CASE("RESTORE: errors") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  const std::string payload = text_of(f.run({"DUMP", "k"}));
  CHECK(f.run({"RESTORE", "k", "0", payload}) == "-BUSYKEY Target key name already exists.\r\n");
  CHECK(f.run({"RESTORE", "k", "0", "junk"}) == "-BUSYKEY Target key name already exists.\r\n");
  CHECK(f.run({"RESTORE", "z", "-1", payload}) == "-ERR Invalid TTL value, must be >= 0\r\n");
  CHECK(f.run({"RESTORE", "z", "x", payload}) == kNotInteger);
  CHECK(f.run({"RESTORE", "z", "0", payload, "IDLETIME", "-1"}) ==
        "-ERR Invalid IDLETIME value, must be >= 0\r\n");
  CHECK(f.run({"RESTORE", "z", "0", payload, "FREQ", "256"}) ==
        "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n");
  CHECK(f.run({"RESTORE", "z", "0", payload, "IDLETIME", "1", "FREQ", "1"}) == kSyntax);
  CHECK(f.run({"RESTORE", "z", "0", payload, "IDLETIME"}) == kSyntax);
  CHECK(f.run({"RESTORE", "z", "0", payload, "foo"}) == kSyntax);
  CHECK(f.run({"RESTORE", "z", "0"}) == "-ERR wrong number of arguments for 'restore' command\r\n");

  const std::string bad_sum = "-ERR DUMP payload version or checksum are wrong\r\n";
  CHECK(f.run({"RESTORE", "z", "0", ""}) == bad_sum);
  CHECK(f.run({"RESTORE", "z", "0", "junk that is long enough"}) == bad_sum);
  for (size_t i = 0; i < payload.size(); ++i) {
    std::string damaged = payload;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK(f.run({"RESTORE", "z", "0", damaged}) == bad_sum);
  }
  const std::string bad_format = "-ERR Bad data format\r\n";
  CHECK(f.run({"RESTORE", "z", "0", sealed(std::string("\x07\x01\x01\x61", 4))}) == bad_format);
  CHECK(f.run({"RESTORE", "z", "0", sealed(std::string("\x00\x05\x61", 3))}) == bad_format);
  CHECK(f.run({"RESTORE", "z", "0", sealed("")}) == bad_format);
  // A payload that cannot be read leaves the old value alone.
  CHECK(f.run({"RESTORE", "k", "0", sealed(""), "REPLACE"}) == bad_format);
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
}
