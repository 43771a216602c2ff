// OPLOG: a shard's log in words, of a server alone and of one with several shards.
#include <doctest/doctest.h>

#include "tests/support/cluster_fixture.h"
#include "tests/support/disk_server.h"

using namespace holdfast;

namespace {

bool has(const std::string& reply, const std::string& part) {
  return reply.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("oplog: entries of the log, the last ones, a range, one") {
  DiskServer f;
  CHECK(f.run({"OPLOG", "TAIL"}) == "*0\r\n");
  for (int i = 0; i < 20; ++i) f.run({"SET", "k" + std::to_string(i), "v"});
  f.run({"HSET", "h", "f", "v"});
  const std::string tail = f.run({"OPLOG", "TAIL", "2"});
  CHECK(tail.starts_with("*2\r\n*18\r\n$3\r\nseq\r\n:20\r\n$5\r\nepoch\r\n:1\r\n"));
  CHECK(has(tail, R"(put-string "k19" in database 0: "v")"));
  CHECK(has(tail, R"(hash-set "h" in database 0)"));
  CHECK(f.run({"OPLOG", "TAIL"}).starts_with("*10\r\n"));
  CHECK(f.run({"OPLOG", "TAIL", "1000"}).starts_with("*21\r\n"));
  CHECK(f.run({"OPLOG", "RANGE", "3", "5"}).starts_with("*3\r\n*18\r\n$3\r\nseq\r\n:3\r\n"));
  const std::string one = f.run({"OPLOG", "ENTRY", "4", "SHARD", "0"});
  CHECK(one.starts_with("*18\r\n$3\r\nseq\r\n:4\r\n"));
  CHECK(has(one, R"(put-string "k3" in database 0: "v")"));
  CHECK(f.run({"OPLOG", "ENTRY", "22"}) ==
        "-ERR the log does not hold these entries; it has 1 to 21\r\n");
  f.run({"SAVE"});
  CHECK(f.run({"OPLOG", "TAIL"}) == "*0\r\n");  // the checkpoint has them
  CHECK(f.run({"OPLOG", "ENTRY", "4"}) ==
        "-ERR the log does not hold these entries; it has nothing\r\n");
}

TEST_CASE("oplog: what is wrong with the arguments") {
  CommandFixture f;
  CHECK(f.run({"OPLOG", "TAIL", "0"})[0] == '-');
  CHECK(f.run({"OPLOG", "TAIL", "1", "2"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"OPLOG", "TAIL", "1", "SHARD", "7"}) ==
        "-ERR this server does not host shard 7\r\n");
  CHECK(f.run({"OPLOG", "RANGE", "1", "5000"}) == "-ERR at most 1000 entries at a time\r\n");
  CHECK(f.run({"OPLOG", "RANGE", "SHARD", "0"}) == "-ERR syntax error\r\n");
  CHECK(f.run({"OPLOG", "RANGE", "5", "1"}) ==
        "-ERR the log does not hold these entries; it has nothing\r\n");
  CHECK(f.run({"OPLOG", "HELP"}).starts_with("*"));
  ClusterFixture cluster(2);
  CHECK(cluster.run({"OPLOG", "TAIL"}) ==
        "-ERR this server hosts several shards; name one of them\r\n");
  CHECK(cluster.run({"OPLOG", "TAIL", "SHARD", "2"}) == "*0\r\n");
  ClusterFixture empty(0);
  CHECK(empty.run({"OPLOG", "TAIL"}) == "-ERR this server hosts no shard\r\n");
}
