// VIEW, as a storage node answers it: from the map that it knows, at once or when that changes.
#include <doctest/doctest.h>

#include "resp/cluster_admin.h"
#include "tests/support/cluster_fixture.h"

using namespace holdfast;

namespace {

// A node of a cluster whose map the test changes.
struct MapFixture {
  MapFixture() {
    map.revision = 5;
    ClusterShard shard;
    shard.id = 1;
    shard.record.active.epoch = 3;
    map.shards.push_back(shard);
  }
  ServerHooks hooks() {
    ServerHooks hooks;
    hooks.cluster_map = [this] { return &map; };
    return hooks;
  }
  ClusterMap map;
  ClusterFixture f{1, hooks()};
};

// A coordinator that leads until the test says otherwise, and does nothing.
struct Coordinator final : ClusterAdmin {
  bool leads() const override { return leading; }
  std::string leader_address() const override { return {}; }
  const ClusterMap& map() const override { return known; }
  std::vector<std::pair<uint64_t, std::string>> history(size_t) const override { return {}; }
  const std::string& waits_for() const override { return nothing; }
  const NodeReport* report(NodeId) const override { return nullptr; }
  int64_t silent_ms(NodeId) const override { return -1; }
  int64_t failure_reports(NodeId) const override { return 0; }
  Status can_stop(NodeId) const override { return {}; }
  Status drain(NodeId, bool) override { return {}; }
  Status forget(NodeId) override { return {}; }
  Status hand_over(ShardId, NodeId) override { return {}; }
  Status fail_over(ShardId, NodeId) override { return {}; }
  Status compare_and_set(ShardId, Epoch, NodeId) override { return {}; }

  bool leading = true;
  ClusterMap known;
  std::string nothing;
};

constexpr const char* kRevision6 = "*4\r\n$8\r\nrevision\r\n:6\r\n$5\r\nviews\r\n*1\r\n";

}  // namespace

TEST_CASE("view watch: an older revision is answered at once, this one when it has changed") {
  MapFixture m;
  CHECK(m.f.run({"VIEW", "WATCH", "4"}).starts_with("*4\r\n$8\r\nrevision\r\n:5\r\n"));
  const auto known = m.f.connect();
  const auto newest = m.f.connect();
  const auto ahead = m.f.connect();
  known->send({"VIEW", "WATCH", "5"});
  newest->send({"VIEW", "WATCH"});
  ahead->send({"VIEW", "WATCH", "6"});
  CHECK(known->received().empty());
  CHECK(m.f.server().blocked_sessions() == 3);
  m.map.revision = 6;
  m.f.advance_ms(200);
  CHECK(known->received().starts_with(kRevision6));
  CHECK(newest->received().starts_with(kRevision6));
  CHECK(ahead->received().empty());
  CHECK(known->run({"PING"}) == "+PONG\r\n");
  CHECK(m.f.server().blocked_sessions() == 1);
}

TEST_CASE("view watch: it ends with its time, with CLIENT UNBLOCK, with its client") {
  MapFixture m;
  const auto timed = m.f.connect();
  timed->send({"VIEW", "WATCH", "5", "50"});
  CHECK(timed->received(20).empty());
  CHECK(timed->received(40) == "*-1\r\n");
  const std::string id = timed->run({"CLIENT", "ID"});
  timed->send({"VIEW", "WATCH", "5"});
  CHECK(timed->received().empty());
  CHECK(m.f.run({"CLIENT", "UNBLOCK", id.substr(1, id.size() - 3)}) == ":1\r\n");
  CHECK(timed->received() == "*-1\r\n");
  // What it waits for after that is another thing.
  timed->send({"WAIT", "1", "0"});
  m.map.revision = 6;
  m.f.advance_ms(200);
  CHECK(timed->received().empty());
  {
    const auto gone = m.f.connect();
    gone->send({"VIEW", "WATCH", "6"});
    CHECK(gone->received().empty());
  }
  m.map.revision = 7;
  m.f.advance_ms(200);
  CHECK(m.f.run({"PING"}) == "+PONG\r\n");
}

TEST_CASE("view watch: a coordinator that leads no more lets its watchers go") {
  Coordinator coordinator;
  ServerHooks hooks;
  hooks.admin = &coordinator;
  ClusterFixture f(1, hooks);
  const auto watcher = f.connect();
  watcher->send({"VIEW", "WATCH"});
  CHECK(watcher->received().empty());
  coordinator.leading = false;
  f.advance_ms(200);
  CHECK(watcher->received() == "-CLUSTERDOWN This coordinator does not lead any more\r\n");
  CHECK(watcher->run({"VIEW", "LIST"}) == "-CLUSTERDOWN The coordinators have no leader\r\n");
}

TEST_CASE("view: what is wrong with the arguments, and who changes views") {
  MapFixture m;
  CHECK(m.f.run({"VIEW", "WATCH", "x"})[0] == '-');
  CHECK(m.f.run({"VIEW", "WATCH", "-1"})[0] == '-');
  CHECK(m.f.run({"VIEW", "WATCH", "1", "-1"}) == "-ERR timeout is negative\r\n");
  CHECK(m.f.run({"VIEW", "WATCH", "1", "1", "1"}) == "-ERR syntax error\r\n");
  CHECK(m.f.run({"VIEW", "CAS", "1", "3", "12"}) ==
        "-ERR only coordinators do this; see cluster.coordinators\r\n");
  CHECK(m.f.run({"VIEW", "GET", "2"}) == "-ERR no such shard\r\n");
  m.f.run({"MULTI"});
  CHECK(m.f.run({"VIEW", "WATCH"}) == "-ERR Command not allowed inside a transaction\r\n");
}
