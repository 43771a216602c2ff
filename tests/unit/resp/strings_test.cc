// String commands: replies as redis-server gives them, and what they log.
#include <doctest/doctest.h>

#include <string>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

const std::string kNil = "$-1\r\n";
const std::string kWrongArity = "-ERR wrong number of arguments for '";
const std::string kSyntaxError = "-ERR syntax error\r\n";
const std::string kNotAnInteger = "-ERR value is not an integer or out of range\r\n";

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string bad_time(const std::string& command) {
  return "-ERR invalid expire time in '" + command + "' command\r\n";
}

int64_t number(const std::string& reply) { return std::stoll(reply.substr(1)); }

// Bytes that the call adds to the log.
uint64_t logged(CommandFixture& f, const std::vector<std::string>& call) {
  const uint64_t before = f.shard().engine().stats().appended_bytes;
  f.run(call);
  return f.shard().engine().stats().appended_bytes - before;
}

}  // namespace

TEST_CASE("set and get") {
  CommandFixture f;
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(f.run({"GET", "k"}) == bulk("v"));
  CHECK(f.run({"GET", "absent"}) == kNil);
  CHECK(f.run3({"GET", "absent"}) == "_\r\n");
  CHECK(f.run({"SET", "k", ""}) == "+OK\r\n");
  CHECK(f.run({"GET", "k"}) == bulk(""));
  CHECK(f.run({"SET", "", "empty key"}) == "+OK\r\n");
  CHECK(f.run({"GET", ""}) == bulk("empty key"));
  const std::string binary("\0\r\n\xff", 4);
  CHECK(f.run({"SET", binary, binary}) == "+OK\r\n");
  CHECK(f.run({"GET", binary}) == bulk(binary));
  CHECK(f.run({"SET", "k"}) == kWrongArity + "set' command\r\n");
  CHECK(f.run({"GET", "k", "k"}) == kWrongArity + "get' command\r\n");
}

TEST_CASE("set: conditions") {
  CommandFixture f;
  CHECK(f.run({"SET", "k", "1", "XX"}) == kNil);
  CHECK(f.run3({"SET", "k", "1", "XX"}) == "_\r\n");
  CHECK(f.run({"SET", "k", "1", "nx"}) == "+OK\r\n");
  CHECK(f.run({"SET", "k", "2", "NX"}) == kNil);
  CHECK(f.run({"SET", "k", "2", "xx"}) == "+OK\r\n");
  CHECK(f.run({"SET", "k", "3", "GET"}) == bulk("2"));
  CHECK(f.run({"SET", "k", "4", "NX", "GET"}) == bulk("3"));
  CHECK(f.run({"GET", "k"}) == bulk("3"));
  CHECK(f.run({"SET", "new", "4", "NX", "GET"}) == kNil);
  CHECK(f.run({"GET", "new"}) == bulk("4"));
  CHECK(f.run({"SET", "other", "4", "XX", "GET"}) == kNil);
  CHECK(f.run({"GET", "other"}) == kNil);
}

TEST_CASE("set: options that contradict each other, and those that may be repeated") {
  CommandFixture f;
  for (const std::vector<std::string>& options :
       std::vector<std::vector<std::string>>{{"NX", "XX"},
                                             {"XX", "NX"},
                                             {"EX", "1", "PX", "1"},
                                             {"EXAT", "1", "EX", "1"},
                                             {"KEEPTTL", "EX", "1"},
                                             {"PX", "1", "KEEPTTL"},
                                             {"PERSIST"},
                                             {"EX"},
                                             {"NX", "PXAT"},
                                             {"WRONG"},
                                             {"EX", "1", "1"},
                                             {""}}) {
    std::vector<std::string> call = {"SET", "k", "v"};
    call.insert(call.end(), options.begin(), options.end());
    CAPTURE(call);
    CHECK(f.run(call) == kSyntaxError);
  }
  CHECK(f.run({"SET", "k", "v", "EX", "10", "EX", "20"}) == "+OK\r\n");
  CHECK(f.run({"TTL", "k"}) == ":20\r\n");
  CHECK(f.run({"SET", "k", "v", "KEEPTTL", "KEEPTTL", "XX", "XX"}) == "+OK\r\n");
}

TEST_CASE("set: times") {
  CommandFixture f;
  CHECK(f.run({"SET", "k", "v", "EX", "100"}) == "+OK\r\n");
  CHECK(f.run({"TTL", "k"}) == ":100\r\n");
  CHECK(f.run({"SET", "k", "w", "KEEPTTL"}) == "+OK\r\n");
  CHECK(f.run({"TTL", "k"}) == ":100\r\n");
  CHECK(f.run({"SET", "k", "w"}) == "+OK\r\n");
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"SET", "k", "v", "PX", "1500"}) == "+OK\r\n");
  f.advance_ms(1000);
  CHECK(f.run({"GET", "k"}) == bulk("v"));
  f.advance_ms(600);
  CHECK(f.run({"GET", "k"}) == kNil);
  CHECK(f.run({"SET", "k", "v", "XX", "KEEPTTL"}) == kNil);

  const int64_t now_s = f.reactor().clock().wall_ms() / 1000;
  CHECK(f.run({"SET", "k", "v", "EXAT", std::to_string(now_s + 50)}) == "+OK\r\n");
  CHECK(f.run({"EXPIRETIME", "k"}) == ":" + std::to_string(now_s + 50) + "\r\n");
  CHECK(f.run({"SET", "k", "v", "PXAT", std::to_string(now_s * 1000 + 70000)}) == "+OK\r\n");
  CHECK(f.run({"PEXPIRETIME", "k"}) == ":" + std::to_string(now_s * 1000 + 70000) + "\r\n");
}

TEST_CASE("set: a time that has passed removes the key") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  CHECK(f.run({"SET", "k", "w", "GET", "EXAT", "1"}) == bulk("v"));
  CHECK(f.run({"GET", "k"}) == kNil);
  CHECK(f.run({"DBSIZE"}) == ":0\r\n");
  CHECK(logged(f, {"SET", "absent", "w", "PXAT", "1"}) == 0);
}

TEST_CASE("set: times that are none") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  for (const char* time : {"0", "-1", "9223372036854775807", "9223372036854776"}) {
    CAPTURE(time);
    CHECK(f.run({"SET", "k", "w", "EX", time}) == bad_time("set"));
  }
  CHECK(f.run({"SET", "k", "w", "PX", "9223372036854775807"}) == bad_time("set"));
  CHECK(f.run({"SET", "k", "w", "EX", "1.5"}) == kNotAnInteger);
  CHECK(f.run({"SETEX", "k", "0", "w"}) == bad_time("setex"));
  CHECK(f.run({"PSETEX", "k", "-5", "w"}) == bad_time("psetex"));
  CHECK(f.run({"SETEX", "k", "x", "w"}) == kNotAnInteger);
  CHECK(f.run({"GET", "k"}) == bulk("v"));
}

TEST_CASE("setnx, setex, psetex, getset, getdel") {
  CommandFixture f;
  CHECK(f.run({"SETNX", "k", "1"}) == ":1\r\n");
  CHECK(f.run({"SETNX", "k", "2"}) == ":0\r\n");
  CHECK(f.run({"SETEX", "k", "10", "3"}) == "+OK\r\n");
  CHECK(f.run({"TTL", "k"}) == ":10\r\n");
  CHECK(f.run({"PSETEX", "k", "20000", "4"}) == "+OK\r\n");
  CHECK(f.run({"TTL", "k"}) == ":20\r\n");
  CHECK(f.run({"GETSET", "k", "5"}) == bulk("4"));
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"GETSET", "fresh", "5"}) == kNil);
  CHECK(f.run({"GETDEL", "k"}) == bulk("5"));
  CHECK(f.run({"GETDEL", "k"}) == kNil);
  CHECK(logged(f, {"GETDEL", "k"}) == 0);
}

TEST_CASE("getex") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  CHECK(f.run({"GETEX", "k"}) == bulk("v"));
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"GETEX", "k", "EX", "10"}) == bulk("v"));
  CHECK(f.run({"TTL", "k"}) == ":10\r\n");
  CHECK(logged(f, {"GETEX", "k"}) == 0);
  CHECK(f.run({"GETEX", "k", "PERSIST"}) == bulk("v"));
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(logged(f, {"GETEX", "k", "PERSIST"}) == 0);
  CHECK(f.run({"GETEX", "k", "PERSIST", "EX", "1"}) == kSyntaxError);
  CHECK(f.run({"GETEX", "k", "KEEPTTL"}) == kSyntaxError);
  CHECK(f.run({"GETEX", "k", "NX"}) == kSyntaxError);
  CHECK(f.run({"GETEX", "k", "EX", "-1"}) == bad_time("getex"));
  CHECK(f.run({"GETEX", "absent", "EX", "-1"}) == kNil);
  CHECK(f.run({"GETEX", "k", "PXAT", "1"}) == bulk("v"));
  CHECK(f.run({"GET", "k"}) == kNil);
}

TEST_CASE("mget, mset, msetnx") {
  CommandFixture f;
  CHECK(f.run({"MSET", "a", "1", "b", "2", "a", "3"}) == "+OK\r\n");
  CHECK(f.run({"MGET", "a", "absent", "b", "a"}) ==
        "*4\r\n" + bulk("3") + kNil + bulk("2") + bulk("3"));
  CHECK(f.run3({"MGET", "absent"}) == "*1\r\n_\r\n");
  CHECK(f.run({"MSETNX", "c", "1", "a", "x"}) == ":0\r\n");
  CHECK(f.run({"GET", "c"}) == kNil);
  CHECK(f.run({"MSETNX", "c", "1", "c", "2"}) == ":1\r\n");
  CHECK(f.run({"GET", "c"}) == bulk("2"));
  CHECK(f.run({"MSET", "a", "1", "b"}) == kWrongArity + "mset' command\r\n");
  CHECK(f.run({"MSETNX", "a", "1", "b"}) == kWrongArity + "msetnx' command\r\n");
  f.run({"SET", "a", "1", "EX", "10"});
  f.run({"MSET", "a", "2"});
  CHECK(f.run({"TTL", "a"}) == ":-1\r\n");
}

TEST_CASE("append, setrange, strlen") {
  CommandFixture f;
  CHECK(f.run({"APPEND", "k", "12"}) == ":2\r\n");
  CHECK(f.run({"INCR", "k"}) == ":13\r\n");
  CHECK(f.run({"APPEND", "k", "4"}) == ":3\r\n");
  CHECK(f.run({"GET", "k"}) == bulk("134"));
  CHECK(f.run({"STRLEN", "k"}) == ":3\r\n");
  CHECK(f.run({"STRLEN", "absent"}) == ":0\r\n");
  CHECK(f.run({"APPEND", "empty", ""}) == ":0\r\n");
  CHECK(f.run({"EXISTS", "empty"}) == ":1\r\n");

  CHECK(f.run({"SETRANGE", "k", "1", "xy"}) == ":3\r\n");
  CHECK(f.run({"GET", "k"}) == bulk("1xy"));
  CHECK(f.run({"SETRANGE", "k", "5", "z"}) == ":6\r\n");
  CHECK(f.run({"GET", "k"}) == bulk(std::string("1xy\0\0z", 6)));
  CHECK(f.run({"SETRANGE", "new", "2", "z"}) == ":3\r\n");
  CHECK(f.run({"SETRANGE", "k", "100", ""}) == ":6\r\n");
  CHECK(f.run({"SETRANGE", "absent", "100", ""}) == ":0\r\n");
  CHECK(f.run({"EXISTS", "absent"}) == ":0\r\n");
  CHECK(f.run({"SETRANGE", "k", "-1", ""}) == "-ERR offset is out of range\r\n");
  CHECK(f.run({"SETRANGE", "k", "x", ""}) == kNotAnInteger);
  f.run({"EXPIRE", "k", "10"});
  f.run({"APPEND", "k", "more"});
  f.run({"SETRANGE", "k", "0", "more"});
  CHECK(f.run({"TTL", "k"}) == ":10\r\n");
}

TEST_CASE("append and setrange: the size limit, and what is logged") {
  CommandFixture f([](Options& options) { options.resp_max_bulk_bytes = 1 << 20; });
  const std::string too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  CHECK(f.run({"SETRANGE", "k", "1048575", "x"}) == ":1048576\r\n");
  CHECK(f.run({"APPEND", "k", "x"}) == too_long);
  CHECK(f.run({"SETRANGE", "k", "1048576", "x"}) == too_long);
  CHECK(f.run({"SETRANGE", "k", "9223372036854775807", "x"}) == too_long);
  CHECK(f.run({"SETRANGE", "k", "1048576", ""}) == ":1048576\r\n");
  CHECK(logged(f, {"SETRANGE", "k", "500000", "x"}) < 200);  // not the whole value
  CHECK(logged(f, {"APPEND", "k", ""}) == 0);
  CHECK(logged(f, {"SETRANGE", "k", "7", ""}) == 0);
}

TEST_CASE("getrange and substr") {
  CommandFixture f;
  f.run({"SET", "k", "This is a string"});
  f.run({"SET", "n", "12345"});
  const auto range = [&f](const char* key, const char* start, const char* end) {
    return f.run({"GETRANGE", key, start, end});
  };
  CHECK(range("k", "0", "3") == bulk("This"));
  CHECK(range("k", "-3", "-1") == bulk("ing"));
  CHECK(range("k", "0", "-1") == bulk("This is a string"));
  CHECK(range("k", "10", "100") == bulk("string"));
  CHECK(range("k", "-100", "3") == bulk("This"));
  CHECK(range("k", "5", "3") == bulk(""));
  CHECK(range("k", "-1", "-3") == bulk(""));
  CHECK(range("k", "-200", "-100") == bulk("T"));  // both ends are clamped to the first byte
  CHECK(range("k", "-9223372036854775808", "9223372036854775807") == bulk("This is a string"));
  CHECK(range("n", "1", "-2") == bulk("234"));
  CHECK(range("absent", "0", "-1") == bulk(""));
  CHECK(range("k", "x", "1") == kNotAnInteger);
  CHECK(f.run({"SUBSTR", "k", "0", "3"}) == bulk("This"));
}

TEST_CASE("incr, decr, incrby, decrby") {
  CommandFixture f;
  CHECK(f.run({"INCR", "n"}) == ":1\r\n");
  CHECK(f.run({"DECRBY", "n", "11"}) == ":-10\r\n");
  CHECK(f.run({"INCRBY", "n", "-5"}) == ":-15\r\n");
  CHECK(f.run({"DECR", "n"}) == ":-16\r\n");
  f.run({"SET", "n", "9223372036854775807", "EX", "10"});
  CHECK(f.run({"INCR", "n"}) == "-ERR increment or decrement would overflow\r\n");
  CHECK(f.run({"INCRBY", "n", "-1"}) == ":9223372036854775806\r\n");
  CHECK(f.run({"TTL", "n"}) == ":10\r\n");
  CHECK(f.run({"DECRBY", "n", "-9223372036854775808"}) == "-ERR decrement would overflow\r\n");
  CHECK(f.run({"INCRBY", "n", "9223372036854775808"}) == kNotAnInteger);
  for (const char* value : {"", "x", " 1", "1 ", "01", "+1", "-0", "1.0", "9223372036854775808"}) {
    CAPTURE(value);
    f.run({"SET", "s", value});
    CHECK(f.run({"INCR", "s"}) == kNotAnInteger);
    CHECK(f.run({"GET", "s"}) == bulk(value));
  }
}

TEST_CASE("incrbyfloat") {
  CommandFixture f;
  const auto add = [&f](const char* value, const char* by) {
    f.run({"SET", "k", value});
    return f.run({"INCRBYFLOAT", "k", by});
  };
  CHECK(f.run({"INCRBYFLOAT", "absent", "2.5"}) == bulk("2.5"));
  CHECK(add("10.50", "0.1") == bulk("10.6"));
  CHECK(add("5.0e3", "2.0e2") == bulk("5200"));
  CHECK(add("3", "-3.0") == bulk("0"));
  CHECK(add("0", "-0") == bulk("0"));
  CHECK(add("1", "0.00000000000000001") == bulk("1.00000000000000001"));
  CHECK(add("1", "1e-30") == bulk("1"));
  CHECK(add("1", "0x10") == bulk("17"));
  CHECK(add("17179869184", "1.5") == bulk("17179869185.5"));
  CHECK(f.run3({"INCRBYFLOAT", "k", "1"}) == bulk("17179869186.5"));

  const std::string not_float = "-ERR value is not a valid float\r\n";
  for (const char* bad : {"", "x", " 1", "1 ", "nan", "1e99999"}) {
    CAPTURE(bad);
    CHECK(add("1", bad) == not_float);
    CHECK(add(bad, "1") == not_float);
  }
  CHECK(add("1", "inf") == "-ERR increment would produce NaN or Infinity\r\n");
  CHECK(f.run({"GET", "k"}) == bulk("1"));
  f.run({"EXPIRE", "k", "10"});
  f.run({"INCRBYFLOAT", "k", "1.5"});
  CHECK(f.run({"TTL", "k"}) == ":10\r\n");
}

TEST_CASE("lcs") {
  CommandFixture f;
  f.run({"MSET", "a", "ohmytext", "b", "mynewtext"});
  CHECK(f.run({"LCS", "a", "b"}) == bulk("mytext"));
  CHECK(f.run({"LCS", "a", "absent"}) == bulk(""));
  CHECK(f.run({"LCS", "a", "b", "LEN"}) == ":6\r\n");
  const std::string last = "*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n";
  const std::string first = "*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n";
  const std::string length = bulk("len") + ":6\r\n";
  CHECK(f.run({"LCS", "a", "b", "IDX"}) ==
        "*4\r\n" + bulk("matches") + "*2\r\n*2\r\n" + last + "*2\r\n" + first + length);
  CHECK(f.run3({"LCS", "a", "b", "IDX", "MINMATCHLEN", "4", "WITHMATCHLEN"}) ==
        "%2\r\n" + bulk("matches") + "*1\r\n*3\r\n" + last + ":4\r\n" + length);
  CHECK(f.run({"LCS", "a", "b", "IDX", "LEN"}) ==
        "-ERR If you want both the length and indexes, please just use IDX.\r\n");
  CHECK(f.run({"LCS", "a", "b", "MINMATCHLEN"}) == kSyntaxError);
  CHECK(f.run({"LCS", "a", "b", "MINMATCHLEN", "x"}) == kNotAnInteger);
}

TEST_CASE("lcs: memory and time are bounded by the size limit of strings") {
  CommandFixture f([](Options& options) { options.resp_max_bulk_bytes = 1 << 20; });
  f.run({"SET", "fits", std::string(511, 'x')});
  f.run({"SET", "not", std::string(512, 'x')});
  const std::string too_much =
      "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n";
  CHECK(f.run({"LCS", "fits", "fits", "LEN"}) == ":511\r\n");
  CHECK(f.run({"LCS", "fits", "not", "LEN"}) == too_much);
  CHECK(f.run({"LCS", "not", "fits"}) == too_much);
}

TEST_CASE("strings: one command is one entry of the log") {
  CommandFixture f;
  const Seq before = f.shard().last_seq();
  f.run({"MSET", "a", "1", "b", "2", "c", "3"});
  CHECK(f.shard().last_seq() == before + 1);
  f.run({"GET", "a"});
  f.run({"MSETNX", "a", "1"});
  f.run({"SET", "a", "1", "NX"});
  f.run({"INCRBY", "a", "x"});
  CHECK(f.shard().last_seq() == before + 1);
  CHECK(number(f.run({"INCR", "a"})) == 2);
  CHECK(f.shard().last_seq() == before + 2);
}
