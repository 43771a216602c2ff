// RequestParser: Redis's request grammar, at every split point, and its limits.
#include "resp/parser.h"

#include <doctest/doctest.h>

using namespace holdfast;
using Outcome = RequestParser::Outcome;

namespace {

struct Parsed {
  std::vector<std::vector<std::string>> commands;
  std::string error;
  size_t offset = 0;
  bool operator==(const Parsed&) const = default;
};

// Presents `input` in pieces that end at the given points.
Parsed parse(std::string_view input, std::vector<size_t> ends, ParserLimits limits = {}) {
  RequestParser parser;
  Parsed parsed;
  ends.push_back(input.size());
  for (const size_t end : ends) {
    while (true) {
      std::vector<std::string_view> args;
      const Outcome outcome = parser.parse(input.substr(0, end), &parsed.offset, &args, limits);
      if (outcome == Outcome::kIncomplete) break;
      if (outcome == Outcome::kError) {
        parsed.error = parser.error();
        return parsed;
      }
      parsed.commands.emplace_back(args.begin(), args.end());
      parser.forget_inline();
    }
  }
  return parsed;
}

std::string error_of(std::string_view input, ParserLimits limits = {}) {
  return parse(input, {}, limits).error;
}

}  // namespace

TEST_CASE("parser: commands are the same at every split point") {
  const std::string input =
      "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\nPING\r\n\r\n*0\r\n*-1\r\n"
      "set \"q \\x41\\n\" 'it\\'s' plain\n*1\r\n$0\r\n\r\n";
  const Parsed whole = parse(input, {});
  CHECK(whole.error.empty());
  CHECK(whole.offset == input.size());
  REQUIRE(whole.commands.size() == 4);
  CHECK(whole.commands[0] == std::vector<std::string>{"SET", "k", "a\r\nb"});
  CHECK(whole.commands[1] == std::vector<std::string>{"PING"});
  CHECK(whole.commands[2] == std::vector<std::string>{"set", "q A\n", "it's", "plain"});
  CHECK(whole.commands[3] == std::vector<std::string>{""});
  for (size_t a = 0; a <= input.size(); ++a) {
    for (size_t b = a; b <= input.size(); b += 7) CHECK(parse(input, {a, b}) == whole);
  }
}

TEST_CASE("parser: arguments are views of the input") {
  const std::string input = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nECHO x\r\n";
  RequestParser parser;
  size_t offset = 0;
  std::vector<std::string_view> args;
  REQUIRE(parser.parse(input, &offset, &args, {}) == Outcome::kCommand);
  REQUIRE(parser.parse(input, &offset, &args, {}) == Outcome::kCommand);
  for (const std::string_view arg : args) {
    CHECK(arg.data() >= input.data());
    CHECK(arg.data() + arg.size() <= input.data() + input.size());
  }
}

// Short counts have a way of their own; it takes what the other one takes.
TEST_CASE("parser: counts of all lengths, with and without what follows") {
  for (const size_t size : {0, 1, 9, 10, 99, 999, 1000, 9999, 10000, 100000}) {
    const std::string bulk(size, 'v');
    const std::string request =
        "*2\r\n$4\r\nECHO\r\n$" + std::to_string(size) + "\r\n" + bulk + "\r\n";
    const Parsed twice = parse(request + request, {request.size() - 1, request.size() + 5});
    REQUIRE(twice.commands.size() == 2);
    CHECK(twice.commands[0] == std::vector<std::string>{"ECHO", bulk});
    CHECK(twice.commands[1] == twice.commands[0]);
  }
  for (const char* malformed :
       {"*01\r\n$4\r\nPING\r\n", "*1\r\n$04\r\nPING\r\n", "*1\r\n$+4\r\nPING\r\n",
        "*1\r\n$4 \r\nPING\r\n", "*1\r\n$4\rxPING\r\n", "*1\r\n$4\r\nPINGxx"}) {
    CAPTURE(malformed);
    CHECK(error_of(malformed).starts_with("Protocol error: "));
  }
}

TEST_CASE("parser: an unfinished bulk tells how many bytes it needs") {
  RequestParser parser;
  size_t offset = 0;
  std::vector<std::string_view> args;
  const std::string head = "*2\r\n$3\r\nSET\r\n$1000000\r\n";
  CHECK(parser.parse(head + "abc", &offset, &args, {}) == Outcome::kIncomplete);
  CHECK(parser.bytes_wanted() == head.size() + 1000000 + 2);
  CHECK(offset == 0);
}

TEST_CASE("parser: errors are Redis's") {
  CHECK(error_of("*1\r\nabc\r\n") == "Protocol error: expected '$', got 'a'");
  CHECK(error_of("*x\r\n") == "Protocol error: invalid multibulk length");
  CHECK(error_of("*2147483648\r\n") == "Protocol error: invalid multibulk length");
  CHECK(error_of("*1\r\n$x\r\n") == "Protocol error: invalid bulk length");
  CHECK(error_of("*1\r\n$-1\r\n") == "Protocol error: invalid bulk length");
  CHECK(error_of("*1\r\n$536870913\r\n") == "Protocol error: invalid bulk length");
  CHECK(error_of("*1\r\n$1\r\nabc") == "Protocol error: expected CRLF after a bulk");
  CHECK(error_of("SET \"a\r\n") == "Protocol error: unbalanced quotes in request");
  CHECK(error_of("SET \"a\"b\r\n") == "Protocol error: unbalanced quotes in request");
  const std::string endless(70000, '1');
  CHECK(error_of(endless) == "Protocol error: too big inline request");
  CHECK(error_of("*" + endless) == "Protocol error: too big mbulk count string");
  CHECK(error_of("*1\r\n$" + endless) == "Protocol error: too big bulk count string");
}

TEST_CASE("parser: commands before an error still count") {
  const Parsed parsed = parse("PING\r\n*1\r\n$4\r\nECHO\r\n*1\r\n!", {});
  CHECK(parsed.commands.size() == 2);
  CHECK(parsed.error == "Protocol error: expected '$', got '!'");
}

TEST_CASE("parser: before AUTH 10 arguments of 16 KiB at most") {
  const ParserLimits unauthenticated{512ULL << 20, false};
  CHECK(error_of("*11\r\n", unauthenticated) == "Protocol error: unauthenticated multibulk length");
  CHECK(error_of("*10\r\n", unauthenticated).empty());
  CHECK(error_of("*1\r\n$16385\r\n", unauthenticated) ==
        "Protocol error: unauthenticated bulk length");
  CHECK(error_of("*1\r\n$16384\r\n", unauthenticated).empty());
}
