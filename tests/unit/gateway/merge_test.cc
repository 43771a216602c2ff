// The answers of several nodes, and the one that they become.
#include "gateway/merge.h"

#include <doctest/doctest.h>

#include "base/random.h"

namespace holdfast {
namespace {

std::string merged(Merge merge, std::vector<std::string_view> parts,
                   std::vector<uint32_t> order = {}) {
  SeededRandom random(1);
  return merge_answers(merge, parts, order, random);
}

}  // namespace

TEST_CASE("merge: sums, and the first error is the answer") {
  CHECK(merged(Merge::kSum, {":1\r\n", ":0\r\n", ":41\r\n"}) == ":42\r\n");
  CHECK(merged(Merge::kSum, {":1\r\n", "-ERR a\r\n", "-ERR b\r\n"}) == "-ERR a\r\n");
  CHECK(merged(Merge::kOk, {"+OK\r\n", "+OK\r\n"}) == "+OK\r\n");
  CHECK(merged(Merge::kOk, {"+OK\r\n", "-OOM full\r\n"}) == "-OOM full\r\n");
  CHECK(merged(Merge::kSum, {":1\r\n", "+what\r\n"})[0] == '-');
}

TEST_CASE("merge: MGET's values come back in the order of its keys") {
  CHECK(merged(Merge::kGather, {"*2\r\n$1\r\na\r\n$-1\r\n", "*1\r\n$1\r\nb\r\n"}, {0, 1, 0}) ==
        "*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n");
  CHECK(merged(Merge::kGather, {"*1\r\n$1\r\na\r\n", "*0\r\n"}, {0, 1})[0] == '-');
}

TEST_CASE("merge: arrays one behind the other, and each element once") {
  CHECK(merged(Merge::kConcat, {"*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"}) ==
        "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\na\r\n");
  CHECK(merged(Merge::kUnion, {"*1\r\n$1\r\na\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"}) ==
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
}

TEST_CASE("merge: SCRIPT EXISTS and PUBSUB NUMSUB, element by element") {
  CHECK(merged(Merge::kAllTrue, {"*2\r\n:1\r\n:1\r\n", "*2\r\n:1\r\n:0\r\n"}) ==
        "*2\r\n:1\r\n:0\r\n");
  CHECK(merged(Merge::kSums, {"*2\r\n$1\r\nc\r\n:1\r\n", "*2\r\n$1\r\nc\r\n:3\r\n"}) ==
        "*2\r\n$1\r\nc\r\n:4\r\n");
}

TEST_CASE("merge: RANDOMKEY takes a node that has keys") {
  CHECK(merged(Merge::kRandom, {"$-1\r\n", "$1\r\nk\r\n", "_\r\n"}) == "$1\r\nk\r\n");
  CHECK(merged(Merge::kRandom, {"$-1\r\n", "$-1\r\n"}) == "$-1\r\n");
}

TEST_CASE("merge: SCAN goes from node to node and ends behind the last") {
  const std::string_view more = "*2\r\n$2\r\n17\r\n*1\r\n$1\r\na\r\n";
  const std::string_view end = "*2\r\n$1\r\n0\r\n*0\r\n";
  uint64_t of_node;
  SlotId slot;
  split_cursor(join_cursor(17, 5461), &of_node, &slot);
  CHECK(of_node == 17);
  CHECK(slot == 5461);
  const std::string digits = std::to_string(join_cursor(17, 0));
  CHECK(merge_scan(more, 0, 5461) ==
        "*2\r\n$" + std::to_string(digits.size()) + "\r\n" + digits + "\r\n*1\r\n$1\r\na\r\n");
  CHECK(merge_scan(end, 0, 5461) == "*2\r\n$4\r\n5461\r\n*0\r\n");
  CHECK(merge_scan(end, 5461, -1) == "*2\r\n$1\r\n0\r\n*0\r\n");
  CHECK(merge_scan("*2\r\n$19\r\n9000000000000000000\r\n*0\r\n", 0, -1).empty());
  CHECK(merge_scan("+OK\r\n", 0, -1).empty());
}

}  // namespace holdfast
