// Sorted set commands: replies as redis-server gives them in both protocols, what is logged,
// events. Random commands are compared with redis-server by
// tests/integration/differential_types_test.py.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

const std::string kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

using Call = std::vector<std::string>;

Call words(const std::string& text) {
  Call call;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find(' ', at), text.size());
    call.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return call;
}

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string list(const std::string& text) {
  const Call items = text.empty() ? Call{} : words(text);
  std::string reply = "*" + std::to_string(items.size()) + "\r\n";
  for (const std::string& item : items) reply += bulk(item);
  return reply;
}

struct Row {
  const char* call;
  std::string reply;
};

void check_rows(CommandFixture& f, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CAPTURE(row.call);
    CHECK(f.run(words(row.call)) == row.reply);
  }
}

uint64_t logged(CommandFixture& f, const Call& call) {
  const uint64_t before = f.shard().engine().stats().appended_bytes;
  f.run(call);
  return f.shard().engine().stats().appended_bytes - before;
}

// Both forms of the same commands.
void with_both_forms(void (*test)(CommandFixture&)) {
  for (const uint64_t entries : {128, 0}) {
    CAPTURE(entries);
    CommandFixture f;
    CollectionLimits limits = f.keyspace().limits();
    limits.zset_max_listpack_entries = entries;
    f.keyspace().set_limits(limits);
    test(f);
  }
}

}  // namespace

TEST_CASE("zadd: options") {
  with_both_forms([](CommandFixture& f) {
    check_rows(
        f,
        {{"ZADD z 1 a 2 b", ":2\r\n"},
         {"ZADD z 1 a 3 b 4 c", ":1\r\n"},
         {"ZADD z CH 1 a 5 b 6 d", ":2\r\n"},
         {"ZADD z NX CH 9 a 7 e", ":1\r\n"},
         {"ZADD z XX CH 9 a 7 f", ":1\r\n"},
         {"ZADD z GT CH 1 a 10 b", ":1\r\n"},
         {"ZADD z LT CH 99 a 8 b", ":1\r\n"},
         {"ZADD z CH 1 x 2 x 2 x", ":2\r\n"},
         {"ZADD z INCR 1.5 x", bulk("3.5")},
         {"ZADD z NX INCR 1.5 x", "$-1\r\n"},
         {"ZADD absent XX 1 a", ":0\r\n"},
         {"EXISTS absent", ":0\r\n"},
         {"ZINCRBY z -1 new", bulk("-1")},
         {"ZADD z inf i", ":1\r\n"},
         {"ZINCRBY z -inf i", "-ERR resulting score is not a number (NaN)\r\n"},
         {"ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible\r\n"},
         {"ZADD z NX GT 1 a",
          "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n"},
         {"ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair\r\n"},
         {"ZADD z 1 a 2", "-ERR syntax error\r\n"},
         {"ZADD z x a", "-ERR value is not a valid float\r\n"},
         {"ZADD z 1e400 a", "-ERR value is not a valid float\r\n"},
         {"ZRANGE z 0 -1", list("new x c d e b a i")}});
  });
}

TEST_CASE("zadd: what does not change anything is not logged") {
  CommandFixture f;
  f.run({"ZADD", "z", "1", "a"});
  CHECK(logged(f, {"ZADD", "z", "1", "a"}) == 0);
  CHECK(logged(f, {"ZADD", "z", "NX", "2", "a"}) == 0);
  CHECK(logged(f, {"ZREM", "z", "b"}) == 0);
  CHECK(logged(f, {"ZADD", "z", "2", "a"}) > 0);
}

TEST_CASE("zset: reading") {
  with_both_forms([](CommandFixture& f) {
    f.run(words("ZADD z 1 a 2 b 2 c 3.5 d"));
    check_rows(f, {{"ZCARD z", ":4\r\n"},
                   {"ZSCORE z d", bulk("3.5")},
                   {"ZSCORE z x", "$-1\r\n"},
                   {"ZMSCORE z a x", "*2\r\n" + bulk("1") + "$-1\r\n"},
                   {"ZRANK z c", ":2\r\n"},
                   {"ZREVRANK z c", ":1\r\n"},
                   {"ZRANK z c WITHSCORE", "*2\r\n:2\r\n" + bulk("2")},
                   {"ZRANK z x WITHSCORE", "*-1\r\n"},
                   {"ZRANK z x", "$-1\r\n"},
                   {"ZCOUNT z (1 2", ":2\r\n"},
                   {"ZRANGE z 1 2", list("b c")},
                   {"ZRANGE z 0 0 REV WITHSCORES", list("d 3.5")},
                   {"ZRANGE z (1 +inf BYSCORE LIMIT 1 5", list("c d")},
                   {"ZRANGE z 3 1 BYSCORE REV LIMIT 0 2", list("c b")},
                   {"ZREVRANGEBYSCORE z 2 -inf", list("c b a")},
                   {"ZRANGE z 0 -1 LIMIT 0 1",
                    "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE "
                    "or BYLEX\r\n"},
                   {"ZCOUNT z x 2", "-ERR min or max is not a float\r\n"},
                   {"ZLEXCOUNT z a b", "-ERR min or max not valid string range item\r\n"}});
    CHECK(f.run3(words("ZRANGE z 0 1 WITHSCORES")) ==
          "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2\r\n");
    CHECK(f.run3(words("ZSCORE z d")) == ",3.5\r\n");
  });
}

TEST_CASE("zset: removing") {
  with_both_forms([](CommandFixture& f) {
    f.run(words("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g"));
    check_rows(f, {{"ZREM z a a x", ":1\r\n"},
                   {"ZREMRANGEBYRANK z 0 0", ":1\r\n"},
                   {"ZREMRANGEBYSCORE z 3 (4", ":1\r\n"},
                   {"ZPOPMIN z", list("d 4")},
                   {"ZPOPMAX z 2", list("g 7 f 6")},
                   {"ZMPOP 2 absent z MIN COUNT 5", "*2\r\n" + bulk("z") + "*1\r\n" + list("e 5")},
                   {"EXISTS z", ":0\r\n"},
                   {"ZPOPMIN z", "*0\r\n"},
                   {"ZMPOP 1 z MIN", "*-1\r\n"},
                   {"ZADD l 0 a 0 b 0 c", ":3\r\n"},
                   {"ZREMRANGEBYLEX l (a +", ":2\r\n"},
                   {"ZREM l a", ":1\r\n"},
                   {"EXISTS l", ":0\r\n"}});
  });
}

TEST_CASE("zset: combining") {
  CommandFixture f;
  f.run(words("ZADD a 1 x 2 y"));
  f.run(words("ZADD b 10 y 20 z"));
  check_rows(f, {{"ZUNION 2 a b WITHSCORES", list("x 1 y 12 z 20")},
                 {"ZUNION 2 a b WEIGHTS 2 -1 AGGREGATE MIN", list("z y x")},
                 {"ZINTER 2 a b WITHSCORES", list("y 12")},
                 {"ZDIFF 2 a b", list("x")},
                 {"ZINTERCARD 2 a a LIMIT 1", ":1\r\n"},
                 {"ZUNIONSTORE d 2 a b", ":3\r\n"},
                 {"OBJECT ENCODING d", bulk("listpack")},
                 {"ZINTERSTORE d 2 a absent", ":0\r\n"},
                 {"EXISTS d", ":0\r\n"},
                 {"ZRANGESTORE d b 0 0", ":1\r\n"},
                 {"ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command\r\n"},
                 {"ZUNION 2 a", "-ERR syntax error\r\n"}});
}

TEST_CASE("zset: the wrong type") {
  CommandFixture f;
  f.run({"SET", "s", "v"});
  for (const char* call : {"ZADD s 1 a", "ZCARD s", "ZRANGE s 0 -1", "ZPOPMIN s", "ZREM s a",
                           "ZUNION 1 s", "ZSCAN s 0", "ZINCRBY s 1 a", "GEOPOS s a"}) {
    CAPTURE(call);
    CHECK(f.run(words(call)) == kWrongType);
  }
}

TEST_CASE("bzpopmin, bzmpop: wait for members") {
  CommandFixture f;
  TestClient& waiting = f.connect();
  waiting.send(words("BZPOPMIN a b 0"));
  CHECK(waiting.received().empty());
  f.run(words("ZADD b 2 y 1 x"));
  CHECK(waiting.received() == list("b x 1"));
  waiting.send(words("BZMPOP 0.5 1 c MAX COUNT 2"));
  CHECK(waiting.received().empty());
  CHECK(waiting.received(600) == "*-1\r\n");
  waiting.send(words("BZMPOP 0 1 c MAX COUNT 2"));
  f.run(words("ZADD c 1 p 2 q 3 r"));
  CHECK(waiting.received() == "*2\r\n" + bulk("c") + "*2\r\n" + list("r 3") + list("q 2"));
}

TEST_CASE("zset: copied, dumped and restored") {
  with_both_forms([](CommandFixture& f) {
    f.run(words("ZADD z 1 a 2.5 b -inf c"));
    CHECK(f.run(words("COPY z copy")) == ":1\r\n");
    CHECK(f.run(words("ZRANGE copy 0 -1 WITHSCORES")) == list("c -inf a 1 b 2.5"));
    const std::string dump = f.run({"DUMP", "z"});
    const size_t from = dump.find("\r\n") + 2;
    CHECK(f.run({"RESTORE", "r", "0", dump.substr(from, dump.size() - from - 2)}) == "+OK\r\n");
    CHECK(f.run(words("ZRANGE r 0 -1 WITHSCORES")) == list("c -inf a 1 b 2.5"));
  });
}

TEST_CASE("geo: places, distances, searches") {
  CommandFixture f;
  check_rows(
      f, {{"GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2\r\n"},
          {"GEODIST g Palermo Catania", bulk("166274.1516")},
          {"GEODIST g Palermo Catania km", bulk("166.2742")},
          {"GEODIST g Palermo x", "$-1\r\n"},
          {"GEOHASH g Palermo Catania", list("sqc8b49rny0 sqdtr74hyu0")},
          {"GEOPOS g Palermo x",
           "*2\r\n" + list("13.36138933897018433 38.11555639549629859") + "*-1\r\n"},
          {"ZSCORE g Palermo", bulk("3479099956230698")},
          {"GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC", list("Catania Palermo")},
          {"GEOSEARCH g FROMMEMBER Palermo BYBOX 10 10 km", list("Palermo")},
          {"GEORADIUS g 15 37 100 km WITHDIST", "*1\r\n" + list("Catania 56.4413")},
          {"GEORADIUSBYMEMBER g Palermo 200 km COUNT 1 DESC", list("Catania")},
          {"GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 100 km STOREDIST", ":1\r\n"},
          {"GEORADIUS g 15 37 100 km STORE d WITHDIST",
           "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD "
           "options\r\n"},
          {"GEOADD g 181 0 x", "-ERR invalid longitude,latitude pair 181.000000,0.000000\r\n"},
          {"GEODIST g Palermo Catania x",
           "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n"}});
  CHECK(f.run(words("COMMAND GETKEYS GEORADIUS g 15 37 100 km STORE d")) == list("g d"));
}
