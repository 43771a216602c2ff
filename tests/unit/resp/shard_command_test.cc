// SHARD: what a server says that is in no group; the rest needs one (replication_test.py).
#include <doctest/doctest.h>

#include "tests/support/command_fixture.h"

using namespace holdfast;

TEST_CASE("shard: a server that is alone says so") {
  CommandFixture f;
  const std::string alone =
      "-ERR this server is not a member of a group; see cluster.replication\r\n";
  CHECK(f.run({"SHARD", "INFO"}) == alone);
  CHECK(f.run({"SHARD", "HANDOVER", "2"}) == alone);
  CHECK(f.run({"SHARD", "ADDMEMBER", "2"}) == alone);
  CHECK(f.run({"SHARD", "REMOVEMEMBER", "2", "1f"}) == alone);
  CHECK(f.run({"SHARD", "HELP"}).starts_with("*1"));
  CHECK(f.run({"SHARD", "HANDOVER"}).starts_with("-ERR wrong number of arguments"));
  f.run({"MULTI"});
  CHECK(f.run({"SHARD", "ADDMEMBER", "2"}) == "-ERR Command not allowed inside a transaction\r\n");
}
