// Commands about expiry, with the replies of redis-server 7.0.15.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

constexpr const char* kYes = ":1\r\n";
constexpr const char* kNo = ":0\r\n";

int64_t number(const std::string& reply) {
  REQUIRE(reply.starts_with(":"));
  return std::stoll(reply.substr(1));
}

int64_t now_ms(CommandFixture& f) { return f.reactor().clock().wall_ms(); }

}  // namespace

TEST_CASE("EXPIRE and its kin set what TTL and its kin tell") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"PTTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"EXPIRETIME", "k"}) == ":-1\r\n");
  CHECK(f.run({"EXPIRE", "k", "100"}) == kYes);
  CHECK(f.run({"TTL", "k"}) == ":100\r\n");
  CHECK(number(f.run({"PTTL", "k"})) <= 100'000);
  CHECK(number(f.run({"PTTL", "k"})) > 99'000);
  CHECK(f.run({"PEXPIRE", "k", "1499"}) == kYes);
  CHECK(f.run({"TTL", "k"}) == ":1\r\n");
  CHECK(f.run({"PEXPIRE", "k", "2490"}) == kYes);
  CHECK(f.run({"TTL", "k"}) == ":2\r\n");
  CHECK(f.run({"EXPIREAT", "k", "9000000000"}) == kYes);
  CHECK(f.run({"EXPIRETIME", "k"}) == ":9000000000\r\n");
  CHECK(f.run({"PEXPIRETIME", "k"}) == ":9000000000000\r\n");
  CHECK(f.run({"PEXPIREAT", "k", "9000000000499"}) == kYes);
  CHECK(f.run({"EXPIRETIME", "k"}) == ":9000000000\r\n");
  CHECK(f.run({"PEXPIREAT", "k", "9000000000500"}) == kYes);
  CHECK(f.run3({"EXPIRETIME", "k"}) == ":9000000001\r\n");
  for (const char* tell : {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}) {
    CHECK(f.run({tell, "nope"}) == ":-2\r\n");
    CHECK(f.run({tell}).starts_with("-ERR wrong number of arguments for '"));
  }
  CHECK(f.run({"EXPIRE", "nope", "100"}) == kNo);
}

TEST_CASE("a key expires at its time, not before") {
  CommandFixture f;
  REQUIRE(f.run({"DEBUG", "SET-ACTIVE-EXPIRE", "0"}) == "+OK\r\n");
  const int64_t at = now_ms(f) + 5000;
  f.run({"SET", "k", "v"});
  CHECK(f.run({"PEXPIREAT", "k", std::to_string(at)}) == kYes);
  f.advance_ms(at - now_ms(f) - 50);
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
  f.advance_ms(50);
  CHECK(f.run({"DBSIZE"}) == kYes);
  CHECK(f.run({"TTL", "k"}) == ":-2\r\n");
  CHECK(f.run({"DBSIZE"}) == kNo);  // the look erased it
  CHECK(f.run({"PERSIST", "k"}) == kNo);
}

TEST_CASE("an expiry in the past erases the key") {
  CommandFixture f;
  const std::string now = std::to_string(now_ms(f));
  for (const std::vector<std::string>& when : {std::vector<std::string>{"EXPIRE", "0"},
                                               {"EXPIRE", "-1"},
                                               {"PEXPIRE", "-5"},
                                               {"EXPIREAT", "1"},
                                               {"EXPIREAT", "0"},
                                               {"PEXPIREAT", now},
                                               {"PEXPIREAT", "-7"},
                                               {"EXPIRE", "-9223372036854775"},
                                               {"PEXPIRE", "-9223372036854775808"}}) {
    f.run({"SET", "k", "v"});
    CHECK(f.run({when[0], "k", when[1]}) == kYes);
    CHECK(f.run({"EXISTS", "k"}) == kNo);
    CHECK(f.run({"DBSIZE"}) == kNo);
  }
  // Conditions come first.
  f.run({"SET", "k", "v"});
  CHECK(f.run({"EXPIRE", "k", "-1", "XX"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "-1", "GT"}) == kNo);
  CHECK(f.run({"EXISTS", "k"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "-1", "LT"}) == kYes);
  CHECK(f.run({"EXISTS", "k"}) == kNo);
}

TEST_CASE("NX, XX, GT and LT") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  CHECK(f.run({"EXPIRE", "k", "100", "XX"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "100", "gt"}) == kNo);  // no expiry counts as never
  CHECK(f.run({"EXPIRE", "k", "100", "NX"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "200", "NX"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "200", "XX"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "150", "GT"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "250", "GT"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "300", "LT"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "100", "LT"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "90", "XX", "GT"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "190", "XX", "GT"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "90", "LT", "XX"}) == kYes);
  f.run({"PERSIST", "k"});
  CHECK(f.run({"EXPIRE", "k", "90", "LT", "XX"}) == kNo);
  CHECK(f.run({"EXPIRE", "k", "90", "LT"}) == kYes);
  CHECK(f.run({"PEXPIREAT", "k", "9000000000000"}) == kYes);
  CHECK(f.run({"PEXPIREAT", "k", "9000000000000", "GT"}) == kNo);  // strictly
  CHECK(f.run({"PEXPIREAT", "k", "9000000000000", "LT"}) == kNo);
}

TEST_CASE("EXPIRE: errors") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  for (const char* with : {"XX", "GT", "LT"}) {
    CHECK(f.run({"EXPIRE", "k", "1", "NX", with}) ==
          "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
  }
  CHECK(f.run({"EXPIRE", "k", "1", "LT", "GT"}) ==
        "-ERR GT and LT options at the same time are not compatible\r\n");
  CHECK(f.run({"EXPIRE", "k", "1", "AB"}) == "-ERR Unsupported option AB\r\n");
  CHECK(f.run({"EXPIRE", "k", "abc", "AB"}) == "-ERR Unsupported option AB\r\n");
  CHECK(f.run({"EXPIRE", "k", "abc"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run({"EXPIRE", "k", "1.5"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run({"EXPIRE", "k", "9223372036854775807"}) ==
        "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(f.run({"EXPIRE", "k", "-9223372036854775807"}) ==
        "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(f.run({"EXPIRE", "k", "9223372036854775"}) ==
        "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(f.run({"PEXPIRE", "k", "9223372036854775807"}) ==
        "-ERR invalid expire time in 'pexpire' command\r\n");
  CHECK(f.run({"EXPIREAT", "nope", "9223372036854776"}) ==
        "-ERR invalid expire time in 'expireat' command\r\n");
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"PEXPIREAT", "k", "9223372036854775807"}) == kYes);
  CHECK(f.run({"PEXPIRETIME", "k"}) == ":9223372036854775807\r\n");
  CHECK(f.run({"EXPIRETIME", "k"}) == ":9223372036854776\r\n");
}

TEST_CASE("PERSIST") {
  CommandFixture f;
  f.run({"SET", "k", "v", "PX", "100000"});
  CHECK(f.run({"PERSIST", "k"}) == kYes);
  CHECK(f.run({"TTL", "k"}) == ":-1\r\n");
  CHECK(f.run({"PERSIST", "k"}) == kNo);
  CHECK(f.run({"PERSIST", "nope"}) == kNo);
}

TEST_CASE("what changes nothing is not logged") {
  CommandFixture f;
  f.run({"SET", "k", "v"});
  f.run({"PEXPIREAT", "k", "9000000000000"});
  const Seq seq = f.shard().last_seq();
  CHECK(f.run({"PEXPIREAT", "k", "9000000000000"}) == kYes);
  CHECK(f.run({"EXPIREAT", "k", "9000000000"}) == kYes);
  CHECK(f.run({"EXPIRE", "k", "1", "NX"}) == kNo);
  CHECK(f.run({"EXPIRE", "nope", "1"}) == kNo);
  CHECK(f.run({"PERSIST", "nope"}) == kNo);
  CHECK(f.run({"TTL", "k"}) != ":-1\r\n");
  CHECK(f.shard().last_seq() == seq);
}
