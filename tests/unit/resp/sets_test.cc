// Set commands: replies in both protocols, and what is drawn by chance. Most of the ground is
// covered by tests/integration/generators/sets.py.
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

using Words = std::vector<std::string>;

std::string bulks(char kind, const Words& words) {
  std::string out = kind + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) {
    out += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  }
  return out;
}

// The strings of an array.
Words members(const std::string& reply) {
  Words out;
  size_t at = reply.find("\r\n") + 2;
  while (at < reply.size()) {
    const size_t size = std::stoul(reply.substr(at + 1));
    at = reply.find("\r\n", at) + 2;
    out.push_back(reply.substr(at, size));
    at += size + 2;
  }
  return out;
}

}  // namespace

TEST_CASE("sets: members come and go") {
  CommandFixture f;
  const std::pair<Words, std::string> lines[] = {
      {{"SADD", "s", "1", "2", "2"}, ":2\r\n"},
      {{"SADD", "s", "1"}, ":0\r\n"},
      {{"OBJECT", "ENCODING", "s"}, "$6\r\nintset\r\n"},
      {{"SADD", "s", "x"}, ":1\r\n"},
      {{"OBJECT", "ENCODING", "s"}, "$8\r\nlistpack\r\n"},
      {{"SISMEMBER", "s", "2"}, ":1\r\n"},
      {{"SMISMEMBER", "s", "2", "3"}, "*2\r\n:1\r\n:0\r\n"},
      {{"SMEMBERS", "s"}, bulks('*', {"1", "2", "x"})},
      {{"SADD", "t", "2", "y"}, ":2\r\n"},
      {{"SINTER", "s", "t"}, bulks('*', {"2"})},
      {{"SDIFF", "s", "t", "absent"}, bulks('*', {"1", "x"})},
      {{"SINTERCARD", "2", "s", "t", "LIMIT", "1"}, ":1\r\n"},
      {{"SUNIONSTORE", "u", "s", "t"}, ":4\r\n"},
      {{"SDIFFSTORE", "u", "s", "s"}, ":0\r\n"},
      {{"EXISTS", "u"}, ":0\r\n"},
      {{"SMOVE", "s", "t", "x"}, ":1\r\n"},
      {{"SMOVE", "s", "t", "x"}, ":0\r\n"},
      {{"SMOVE", "t", "t", "x"}, ":1\r\n"},
      {{"SREM", "s", "1", "1", "2"}, ":2\r\n"},
      {{"EXISTS", "s"}, ":0\r\n"},
      {{"SPOP", "s"}, "$-1\r\n"},
      {{"SPOP", "s", "3"}, "*0\r\n"},
      {{"SPOP", "t", "-1"}, "-ERR value is out of range, must be positive\r\n"},
  };
  for (const auto& [command, reply] : lines) {
    CAPTURE(command[0]);
    CHECK(f.run(command) == reply);
  }
  f.run({"DEL", "s"});
  f.run({"SADD", "s", "7"});
  CHECK(f.run3({"SMEMBERS", "s"}) == bulks('~', {"7"}));
  CHECK(f.run3({"SRANDMEMBER", "s", "5"}) == bulks('*', {"7"}));
  CHECK(f.run3({"SPOP", "s", "5"}) == bulks('~', {"7"}));
}

TEST_CASE("sets: draws are different members, all of them likely") {
  for (const int size : {20, 700}) {
    CommandFixture f;
    for (int i = 0; i < size; ++i) f.run({"SADD", "s", "m" + std::to_string(i)});
    std::map<std::string, int> drawn;
    const int count = size / 5;
    for (int round = 0; round < 100; ++round) {
      const Words got = members(f.run({"SRANDMEMBER", "s", std::to_string(count)}));
      CHECK(std::set<std::string>(got.begin(), got.end()).size() == static_cast<size_t>(count));
      for (const std::string& member : got) ++drawn[member];
    }
    CHECK(drawn.size() == static_cast<size_t>(size));
    for (const auto& [member, times] : drawn) CHECK(times < 50);

    std::set<std::string> popped;
    while (f.run({"EXISTS", "s"}) == ":1\r\n") {
      const Words got = members(f.run({"SPOP", "s", std::to_string(count - 1)}));
      for (const std::string& member : got) CHECK(popped.insert(member).second);
      const std::string one = f.run({"SPOP", "s"});
      if (one == "$-1\r\n") continue;
      CHECK(popped.insert(one.substr(one.find('m'), one.size() - one.find('m') - 2)).second);
    }
    CHECK(popped.size() == static_cast<size_t>(size));
  }
}

TEST_CASE("sets: what changes nothing is not logged") {
  CommandFixture f;
  f.run({"SADD", "s", "a", "b"});
  const Seq before = f.shard().last_seq();
  for (const Words& command :
       {Words{"SADD", "s", "a", "b"}, Words{"SREM", "s", "x"}, Words{"SMOVE", "s", "t", "x"},
        Words{"SPOP", "s", "0"}, Words{"SINTERSTORE", "absent", "s", "none"}}) {
    f.run(command);
  }
  CHECK(f.shard().last_seq() == before);
}
