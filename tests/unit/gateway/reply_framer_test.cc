// Where replies end, however they are cut.
#include "gateway/reply_framer.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

namespace holdfast {
namespace {

const std::vector<std::string> kReplies = {
    "+OK\r\n",
    "-ERR no such thing\r\n",
    ":-42\r\n",
    "$5\r\nhello\r\n",
    "$0\r\n\r\n",
    "$-1\r\n",
    "*-1\r\n",
    "*0\r\n",
    "$7\r\na\r\nb\n\rc\r\n",
    "*3\r\n$1\r\na\r\n:1\r\n*2\r\n+x\r\n$-1\r\n",
    "_\r\n",
    "#t\r\n",
    ",3.25\r\n",
    "(123456789012345678901234567890\r\n",
    "=15\r\ntxt:Some string\r\n",
    "!9\r\nERR bulky\r\n",
    "~2\r\n+a\r\n+b\r\n",
    "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
    ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    "|1\r\n+key\r\n+value\r\n*1\r\n:7\r\n",
    "*2\r\n|1\r\n+k\r\n*0\r\n:1\r\n:2\r\n",
};

// The replies that are found when the bytes come in pieces of `step`.
std::vector<std::string> frames(std::string_view bytes, size_t step) {
  ReplyFramer framer;
  std::vector<std::string> found;
  std::string current;
  for (size_t at = 0; at < bytes.size(); at += step) {
    std::string_view piece = bytes.substr(at, step);
    while (!piece.empty()) {
      size_t used = 0;
      const ReplyFramer::Outcome outcome = framer.feed(piece, &used);
      REQUIRE(outcome != ReplyFramer::Outcome::kError);
      current.append(piece.substr(0, used));
      CHECK(framer.kind() == current[0]);
      piece.remove_prefix(used);
      CHECK(framer.inside() == (outcome == ReplyFramer::Outcome::kMore));
      if (outcome == ReplyFramer::Outcome::kDone) found.push_back(std::exchange(current, {}));
    }
  }
  CHECK(current.empty());
  return found;
}

}  // namespace

TEST_CASE("reply framer: finds the same ends wherever the bytes are cut (F1)") {
  std::string all;
  for (const std::string& reply : kReplies) all += reply;
  for (size_t step = 1; step <= all.size(); ++step) CHECK(frames(all, step) == kReplies);
}

TEST_CASE("reply framer: each reply, split at every byte") {
  for (const std::string& reply : kReplies) {
    for (size_t cut = 1; cut < reply.size(); ++cut) {
      ReplyFramer framer;
      size_t used = 0;
      CHECK(framer.feed(std::string_view(reply).substr(0, cut), &used) ==
            ReplyFramer::Outcome::kMore);
      CHECK(used == cut);
      CHECK(framer.feed(std::string_view(reply).substr(cut), &used) == ReplyFramer::Outcome::kDone);
      CHECK(used == reply.size() - cut);
    }
  }
}

TEST_CASE("reply framer: what is no reply is an error, and a huge one costs nothing") {
  for (const std::string_view wrong : {"hello\r\n", "$x\r\n", "$5x\r\n", "*--1\r\n", "$\r\n",
                                       "*99999999999999999999\r\n", "*1\r\n?\r\n", "$3\rabc"}) {
    ReplyFramer framer;
    size_t used = 0;
    CHECK(framer.feed(wrong, &used) == ReplyFramer::Outcome::kError);
  }
  ReplyFramer framer;
  size_t used = 0;
  const std::string header = "$1000000000\r\n";
  CHECK(framer.feed(header, &used) == ReplyFramer::Outcome::kMore);
  const std::string megabyte(1'000'000, 'x');
  for (int i = 0; i < 1000; ++i) CHECK(framer.feed(megabyte, &used) == ReplyFramer::Outcome::kMore);
  CHECK(framer.feed("\r\n", &used) == ReplyFramer::Outcome::kDone);
}

TEST_CASE("reply cursor: reads elements and skips whole ones") {
  ReplyCursor cursor("*3\r\n$2\r\nab\r\n*2\r\n:1\r\n:2\r\n_\r\n");
  ReplyElement element;
  REQUIRE(cursor.next(&element));
  CHECK(element.is_aggregate());
  CHECK(element.count == 3);
  REQUIRE(cursor.next(&element));
  CHECK(element.text == "ab");
  CHECK(cursor.next_whole() == "*2\r\n:1\r\n:2\r\n");
  REQUIRE(cursor.next(&element));
  CHECK(element.null);
  CHECK_FALSE(cursor.next(&element));
  CHECK(cursor.next_whole().empty());
}

TEST_CASE("reply cursor: a number that is none, or too large to double, ends it") {
  ReplyElement element;
  for (const std::string_view wrong :
       {"%5167740026245616978\r\n", "*1\n|2\r\n", "*\r\n", "$x\r\n"}) {
    CHECK_FALSE(ReplyCursor(wrong).next(&element));
  }
}

}  // namespace holdfast
