// Bitmap commands: replies as redis-server gives them, and what they log.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

const std::string kSyntaxError = "-ERR syntax error\r\n";
const std::string kNotAnInteger = "-ERR value is not an integer or out of range\r\n";
const std::string kBadOffset = "-ERR bit offset is not an integer or out of range\r\n";

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

// Bytes that the call adds to the log.
uint64_t logged(CommandFixture& f, const std::vector<std::string>& call) {
  const uint64_t before = f.shard().engine().stats().appended_bytes;
  f.run(call);
  return f.shard().engine().stats().appended_bytes - before;
}

}  // namespace

TEST_CASE("setbit and getbit") {
  CommandFixture f;
  CHECK(f.run({"SETBIT", "k", "1", "1"}) == ":0\r\n");
  CHECK(f.run({"SETBIT", "k", "7", "1"}) == ":0\r\n");
  CHECK(f.run({"GET", "k"}) == bulk("A"));
  CHECK(f.run({"SETBIT", "k", "1", "0"}) == ":1\r\n");
  CHECK(f.run({"GETBIT", "k", "7"}) == ":1\r\n");
  CHECK(f.run({"GETBIT", "k", "1"}) == ":0\r\n");
  CHECK(f.run({"GETBIT", "k", "1000"}) == ":0\r\n");
  CHECK(f.run({"GETBIT", "absent", "0"}) == ":0\r\n");
  CHECK(f.run({"SETBIT", "zeros", "15", "0"}) == ":0\r\n");
  CHECK(f.run({"STRLEN", "zeros"}) == ":2\r\n");
  f.run({"SET", "n", "1"});  // an integer is the bits of its digits
  CHECK(f.run({"SETBIT", "n", "6", "1"}) == ":0\r\n");
  CHECK(f.run({"GET", "n"}) == bulk("3"));
}

TEST_CASE("setbit and getbit: arguments") {
  CommandFixture f;
  for (const char* bad : {"-1", "x", "1.5", "", "4294967296", "9223372036854775808", "#1"}) {
    CAPTURE(bad);
    CHECK(f.run({"SETBIT", "k", bad, "1"}) == kBadOffset);
    CHECK(f.run({"GETBIT", "k", bad}) == kBadOffset);
  }
  for (const char* bad : {"2", "-1", "x", ""}) {
    CAPTURE(bad);
    CHECK(f.run({"SETBIT", "k", "0", bad}) == "-ERR bit is not an integer or out of range\r\n");
  }
  CHECK(f.run({"EXISTS", "k"}) == ":0\r\n");
}

TEST_CASE("setbit: the highest offset follows the size limit, however large that is") {
  CommandFixture f([](Options& options) { options.resp_max_bulk_bytes = 1 << 20; });
  CHECK(f.run({"GETBIT", "k", "8388607"}) == ":0\r\n");
  CHECK(f.run({"GETBIT", "k", "8388608"}) == kBadOffset);
  f.options().resp_max_bulk_bytes = INT64_MAX;
  CHECK(f.run({"GETBIT", "k", "9223372036854775807"}) == ":0\r\n");
}

TEST_CASE("setbit: logs one byte, and nothing when nothing changes") {
  CommandFixture f;
  f.run({"SETBIT", "k", "8000000", "1"});
  f.run({"EXPIRE", "k", "10"});
  CHECK(logged(f, {"SETBIT", "k", "77", "1"}) < 200);
  CHECK(logged(f, {"SETBIT", "k", "77", "1"}) == 0);
  CHECK(f.run({"TTL", "k"}) == ":10\r\n");
}

TEST_CASE("bitcount") {
  CommandFixture f;
  f.run({"SET", "k", "foobar"});
  const auto count = [&f](std::vector<std::string> range) {
    range.insert(range.begin(), {"BITCOUNT", "k"});
    return f.run(range);
  };
  CHECK(count({}) == ":26\r\n");
  CHECK(count({"0", "0"}) == ":4\r\n");
  CHECK(count({"1", "1", "byte"}) == ":6\r\n");
  CHECK(count({"5", "30", "BIT"}) == ":17\r\n");
  CHECK(count({"-2", "-1"}) == ":7\r\n");
  CHECK(count({"-3", "-1", "BIT"}) == ":1\r\n");
  CHECK(count({"3", "1"}) == ":0\r\n");
  CHECK(count({"-100", "100"}) == ":26\r\n");
  CHECK(count({"0"}) == kSyntaxError);
  CHECK(count({"0", "1", "WORD"}) == kSyntaxError);
  CHECK(count({"0", "1", "BIT", "x"}) == kSyntaxError);
  CHECK(count({"0", "x"}) == kNotAnInteger);
  CHECK(count({"-1", "-2", "WORD"}) == ":0\r\n");  // empty before the unit is looked at
  CHECK(f.run({"BITCOUNT", "absent"}) == ":0\r\n");
  CHECK(f.run({"BITCOUNT", "absent", "x"}) == ":0\r\n");
}

TEST_CASE("bitpos") {
  CommandFixture f;
  f.run({"SET", "k", std::string("\xff\xf0\x00", 3)});
  f.run({"SET", "ones", "\xff\xff\xff"});
  f.run({"SET", "empty", ""});
  const auto find = [&f](std::vector<std::string> rest) {
    rest.insert(rest.begin(), "BITPOS");
    return f.run(rest);
  };
  CHECK(find({"k", "0"}) == ":12\r\n");
  CHECK(find({"k", "1", "2"}) == ":-1\r\n");
  CHECK(find({"k", "0", "2", "2"}) == ":16\r\n");
  CHECK(find({"k", "1", "7", "15", "BIT"}) == ":7\r\n");
  CHECK(find({"k", "0", "-1", "-1", "BIT"}) == ":23\r\n");
  CHECK(find({"k", "1", "-10", "-20"}) == ":0\r\n");  // both ends are clamped to the first byte
  CHECK(find({"k", "1", "3", "1"}) == ":-1\r\n");
  // Zeros follow the string, unless the range says where it ends.
  CHECK(find({"ones", "0"}) == ":24\r\n");
  CHECK(find({"ones", "0", "1"}) == ":24\r\n");
  CHECK(find({"ones", "0", "0", "-1"}) == ":-1\r\n");
  CHECK(find({"ones", "0", "3"}) == ":-1\r\n");
  CHECK(find({"empty", "0"}) == ":-1\r\n");
  CHECK(find({"absent", "0"}) == ":0\r\n");
  CHECK(find({"absent", "1"}) == ":-1\r\n");
  CHECK(find({"absent", "0", "x"}) == ":0\r\n");
  CHECK(find({"k", "2"}) == "-ERR The bit argument must be 1 or 0.\r\n");
  CHECK(find({"k", "x"}) == kNotAnInteger);
  CHECK(find({"k", "1", "x"}) == kNotAnInteger);
  CHECK(find({"k", "1", "0", "x", "WORD"}) == kSyntaxError);
  CHECK(find({"k", "1", "0", "0", "BIT", "x"}) == kSyntaxError);
}

TEST_CASE("bitop") {
  CommandFixture f;
  f.run({"MSET", "a", "abcdefghijk", "b", "AB", "n", "7"});
  CHECK(f.run({"BITOP", "AND", "d", "a", "b"}) == ":11\r\n");
  CHECK(f.run({"GET", "d"}) == bulk(std::string("AB") + std::string(9, '\0')));
  CHECK(f.run({"BITOP", "or", "d", "b", "a", "absent"}) == ":11\r\n");
  CHECK(f.run({"GET", "d"}) == bulk("abcdefghijk"));
  CHECK(f.run({"BITOP", "XOR", "d", "a", "a"}) == ":11\r\n");
  CHECK(f.run({"GET", "d"}) == bulk(std::string(11, '\0')));
  CHECK(f.run({"BITOP", "NOT", "b", "b"}) == ":2\r\n");  // onto its own source
  CHECK(f.run({"GET", "b"}) == bulk("\xbe\xbd"));
  CHECK(f.run({"BITOP", "OR", "d", "n", "n"}) == ":1\r\n");
  CHECK(f.run({"GET", "d"}) == bulk("7"));
  CHECK(f.run({"BITOP", "NOT", "d", "a", "b"}) ==
        "-ERR BITOP NOT must be called with a single source key.\r\n");
  CHECK(f.run({"BITOP", "NAND", "d", "a"}) == kSyntaxError);
}

TEST_CASE("bitop: an empty result removes the target, its expiry goes in any case") {
  CommandFixture f;
  f.run({"MSET", "a", "x", "d", "y"});
  f.run({"EXPIRE", "d", "10"});
  CHECK(f.run({"BITOP", "OR", "d", "a"}) == ":1\r\n");
  CHECK(f.run({"TTL", "d"}) == ":-1\r\n");
  CHECK(f.run({"BITOP", "AND", "d", "absent", "gone"}) == ":0\r\n");
  CHECK(f.run({"EXISTS", "d"}) == ":0\r\n");
  CHECK(logged(f, {"BITOP", "AND", "d", "absent", "gone"}) == 0);
  f.run({"SET", "a", "x", "PX", "10"});
  f.advance_ms(20);
  CHECK(f.run({"BITOP", "OR", "d", "a", "a"}) == ":0\r\n");
}

TEST_CASE("bitfield") {
  CommandFixture f;
  CHECK(f.run({"BITFIELD", "k"}) == "*0\r\n");
  CHECK(f.run({"BITFIELD", "k", "INCRBY", "i5", "100", "1", "GET", "u4", "0"}) ==
        "*2\r\n:1\r\n:0\r\n");
  CHECK(f.run({"BITFIELD", "k", "SET", "u8", "#1", "200", "GET", "u8", "8", "set", "i8", "#1", "-1",
               "GET", "u8", "#1"}) == "*4\r\n:0\r\n:200\r\n:-56\r\n:255\r\n");
  CHECK(f.run({"BITFIELD", "k", "SET", "i64", "3", "-1", "GET", "i64", "3", "GET", "u63", "4"}) ==
        "*3\r\n:574208952489738240\r\n:-1\r\n:9223372036854775807\r\n");
  CHECK(f.run({"BITFIELD_RO", "k", "GET", "u2", "2", "GET", "u8", "100000"}) ==
        "*2\r\n:1\r\n:0\r\n");
  CHECK(f.run({"BITFIELD_RO", "absent", "GET", "i8", "0"}) == "*1\r\n:0\r\n");
  CHECK(f.run({"EXISTS", "absent"}) == ":0\r\n");
}

TEST_CASE("bitfield: overflow") {
  CommandFixture f;
  const auto twice = [&f](const char* policy) {
    return f.run({"BITFIELD", "k", "SET", "u2", "0", "3", "OVERFLOW", policy, "INCRBY", "u2", "0",
                  "1", "GET", "u2", "0"});
  };
  CHECK(twice("WRAP") == "*3\r\n:0\r\n:0\r\n:0\r\n");
  CHECK(twice("SAT") == "*3\r\n:0\r\n:3\r\n:3\r\n");
  CHECK(twice("FAIL") == "*3\r\n:3\r\n$-1\r\n:3\r\n");
  CHECK(f.run3({"BITFIELD", "k", "OVERFLOW", "fail", "INCRBY", "u2", "0", "1"}) == "*1\r\n_\r\n");
  CHECK(f.run({"BITFIELD", "k", "OVERFLOW", "SAT", "SET", "u8", "0", "-1", "GET", "u8", "0"}) ==
        "*2\r\n:192\r\n:255\r\n");
  // What does not fit still makes room, as in Redis.
  CHECK(f.run({"BITFIELD", "new", "OVERFLOW", "FAIL", "SET", "u8", "16", "300"}) ==
        "*1\r\n$-1\r\n");
  CHECK(f.run({"STRLEN", "new"}) == ":3\r\n");
}

TEST_CASE("bitfield: arguments") {
  CommandFixture f;
  const std::string bad_type =
      "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 is.\r\n";
  for (const char* type : {"u64", "i65", "u0", "x8", "i", "", "8", "u08"}) {
    CAPTURE(type);
    CHECK(f.run({"BITFIELD", "k", "GET", type, "0"}) == bad_type);
  }
  for (const char* offset : {"-1", "x", "#x", "#-1", "4294967296", "#536870912"}) {
    CAPTURE(offset);
    CHECK(f.run({"BITFIELD", "k", "GET", "u8", offset}) == kBadOffset);
  }
  CHECK(f.run({"BITFIELD", "k", "GET", "u8"}) == kSyntaxError);
  CHECK(f.run({"BITFIELD", "k", "SET", "u8", "0"}) == kSyntaxError);
  CHECK(f.run({"BITFIELD", "k", "PUT", "u8", "0", "1"}) == kSyntaxError);
  CHECK(f.run({"BITFIELD", "k", "SET", "u8", "0", "x"}) == kNotAnInteger);
  CHECK(f.run({"BITFIELD", "k", "OVERFLOW", "NOPE"}) == "-ERR Invalid OVERFLOW type specified\r\n");
  CHECK(f.run({"BITFIELD", "k", "SET", "u8", "0", "1", "SET", "u8", "0", "x"}) == kNotAnInteger);
  CHECK(f.run({"BITFIELD_RO", "k", "GET", "u8", "0", "SET", "u8", "0", "1"}) ==
        "-ERR BITFIELD_RO only supports the GET subcommand\r\n");
  CHECK(f.run({"EXISTS", "k"}) == ":0\r\n");
}

TEST_CASE("bitfield: logs the changed bytes only, in one entry") {
  CommandFixture f;
  f.run({"SETBIT", "k", "8000000", "1"});
  f.run({"EXPIRE", "k", "10"});
  const Seq before = f.shard().last_seq();
  CHECK(logged(f, {"BITFIELD", "k", "SET", "u8", "0", "1", "SET", "u8", "7999992", "1"}) < 300);
  CHECK(f.shard().last_seq() == before + 1);
  CHECK(logged(f, {"BITFIELD", "k", "SET", "u8", "0", "1", "GET", "u8", "0"}) == 0);
  CHECK(f.run({"TTL", "k"}) == ":10\r\n");
}
