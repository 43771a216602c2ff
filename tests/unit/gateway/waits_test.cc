// Commands that wait, through a gateway.
#include "gateway/waits.h"

#include <doctest/doctest.h>

#include "gateway/backend.h"

using namespace holdfast;

namespace {

const CommandTable& commands() {
  static const CommandTable table;
  return table;
}

// The request's words with that time gone, or "" if it goes as it is.
std::string left(const std::vector<std::string_view>& words, int64_t waited_ms) {
  std::string request;
  append_command(&request, words);
  const std::string changed = with_time_left(*commands().find(words[0]), request, waited_ms);
  std::string text;
  for (size_t at = 0, bulk = 0; (bulk = changed.find('$', at)) != std::string::npos;) {
    const size_t begin = changed.find('\n', bulk) + 1;
    at = changed.find('\r', begin);
    text += (text.empty() ? "" : " ") + changed.substr(begin, at - begin);
  }
  return text;
}

}  // namespace

TEST_CASE("waits: what is left of a command's time") {
  CHECK(left({"BLPOP", "a", "b", "10"}, 2500) == "BLPOP a b 7.500");
  CHECK(left({"brpop", "a", "0.5"}, 100) == "brpop a 0.400");
  CHECK(left({"BLMOVE", "a", "b", "LEFT", "RIGHT", "3"}, 1000) == "BLMOVE a b LEFT RIGHT 2.000");
  CHECK(left({"BLMPOP", "5", "2", "a", "b", "LEFT"}, 1) == "BLMPOP 4.999 2 a b LEFT");
  CHECK(left({"BZMPOP", "5", "1", "a", "MIN"}, 0) == "BZMPOP 5.000 1 a MIN");
  CHECK(left({"BZPOPMIN", "a", "1"}, 999) == "BZPOPMIN a 0.001");
  CHECK(left({"XREAD", "COUNT", "1", "block", "900", "STREAMS", "s", "$"}, 300) ==
        "XREAD COUNT 1 block 600 STREAMS s $");
  CHECK(left({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "900", "STREAMS", "s", ">"}, 5000) ==
        "XREADGROUP GROUP g c BLOCK 1 STREAMS s >");
  CHECK(left({"WAIT", "1", "1000"}, 400) == "WAIT 1 600");
  CHECK(left({"WAITAOF", "0", "1", "1000"}, 400) == "WAITAOF 0 1 600");
}

TEST_CASE("waits: what has no end, or is no time, goes as it is") {
  CHECK(left({"BLPOP", "a", "0"}, 2500).empty());
  CHECK(left({"BLPOP", "a", "-1"}, 2500).empty());
  CHECK(left({"BLPOP", "a", "soon"}, 2500).empty());
  CHECK(left({"BLPOP", "a", "nan"}, 2500).empty());
  CHECK(left({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}, 2500).empty());
  CHECK(left({"XREAD", "STREAMS", "s", "0"}, 2500).empty());
  CHECK(left({"WAIT", "1", "0"}, 2500).empty());
}
