// Snapshots: a member that is too far behind the log gets the whole state, under load, whatever is
// interrupted meanwhile; on an engine with refs and on one that overwrites in place.
#include <doctest/doctest.h>

#include <map>
#include <memory>

#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "engine/mem_engine.h"
#include "tests/support/contents.h"
#include "tests/support/random_replica.h"

using namespace holdfast;

namespace {

// What stays of a node when its process ends.
struct DiskMedia {
  DiskMedia(Random& draws, NodeId) : random(draws), disk(draws.next()) {}
  std::unique_ptr<Engine> open(SimReactor& reactor) {
    return std::make_unique<DiskEngine>(
        reactor, disk, random, "store",
        DiskEngineOptions{.wal_bytes = 8 << 20, .grow_bytes = 1 << 20});
  }
  Random& random;
  SimDisk disk;
};
struct MemMedia {
  MemMedia(Random&, NodeId node) : engine(true, 0x100 + node) {}
  // Lives on: what was written is there.
  struct View;
  std::unique_ptr<Engine> open(SimReactor&);
  MemEngine engine;
};

struct MemMedia::View final : Engine {
  explicit View(MemEngine& m) : mem(m) {}
  EngineInfo info() const override { return mem.info(); }
  Result<std::vector<RecoveredShard>> open() override { return mem.open(); }
  uint64_t identity() const override { return mem.identity(); }
  void close() override {}
  void append(ShardId s, LogGroup g, Done d) override { mem.append(s, std::move(g), std::move(d)); }
  Status read_log(ShardId s, Seq from, Seq to, const EntryVisitor& v) override {
    return mem.read_log(s, from, to, v);
  }
  void truncate_suffix(ShardId s, Seq last, Done d) override {
    mem.truncate_suffix(s, last, std::move(d));
  }
  void release_prefix(ShardId s, Seq seq, Done d) override {
    mem.release_prefix(s, seq, std::move(d));
  }
  void save_hard_state(ShardId s, const HardState& h, Done d) override {
    mem.save_hard_state(s, h, std::move(d));
  }
  void write_records(ShardId s, const std::vector<RecordWrite>& w, RecordsDone d) override {
    mem.write_records(s, w, std::move(d));
  }
  void erase_database(ShardId s, DbId db, Done d) override {
    mem.erase_database(s, db, std::move(d));
  }
  void finish_checkpoint(ShardId s, const CheckpointMeta& m, Done d) override {
    mem.finish_checkpoint(s, m, std::move(d));
  }
  Result<std::string> read_record(ShardId s, const RecordKey& k) override {
    return mem.read_record(s, k);
  }
  Status visit_records(ShardId s, const RecordVisitor& v) override {
    return mem.visit_records(s, v);
  }
  uint64_t log_bytes() const override { return mem.log_bytes(); }
  Seq first_logged(ShardId s) const override { return mem.first_logged(s); }
  uint64_t log_bytes_of(ShardId s) const override { return mem.log_bytes_of(s); }
  EngineStats stats() const override { return mem.stats(); }
  MemEngine& mem;
};
std::unique_ptr<Engine> MemMedia::open(SimReactor&) { return std::make_unique<View>(engine); }

template <typename Media>
class World {
 public:
  struct Node {
    Node(World& world, NodeId node) : id(node), media(world.random, node) {}
    NodeId id;
    Media media;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<RandomReplica> replica;
    std::shared_ptr<Arrivals> arrivals;
    bool start_anew = false;
    int starts = 0;
    bool was_untrusted = false;

    Shard& shard() { return replica->shard; }
    const ReplicaCore& core() { return shard().replica()->core(); }
  };

  explicit World(uint64_t seed) : random(seed) {
    for (const NodeId id : {1U, 2U})
      start(*nodes.emplace(id, std::make_unique<Node>(*this, id)).first->second);
    step_all(50);
    a().shard().replica()->step(Found{{{a().core().self()}, {}}});
    REQUIRE(until([this] { return a().shard().serves(); }, 5000));
  }
  ~World() {
    for (auto& [id, node] : nodes) stop(*node);
  }
  Node& a() { return *nodes[1]; }
  Node& b() { return *nodes[2]; }

  void start(Node& node) {
    ++node.starts;
    node.start_anew = false;
    node.engine = node.media.open(reactor);
    ShardOptions options;
    options.checkpoint_log_bytes = 1 << 30;
    options.replica.self.node = node.id;
    options.replica.memory_bytes = 64 << 10;
    options.random = &random;
    node.arrivals = options.arrivals;
    options.hooks.send = [this](const Message& message) { deliver(message); };
    node.replica = std::make_unique<RandomReplica>(reactor, *node.engine, std::move(options));
    node.shard().on_replaced([&node](std::string_view) { node.start_anew = true; });
    node.shard().on_deposed([&node] { node.start_anew = true; });
    node.shard().on_failure([](const Status& s) { FAIL(s.message()); });
    const auto recovered = open_and_recover(node.shard());
    REQUIRE_MESSAGE(recovered.ok(), recovered.status().message());
    node.was_untrusted = node.was_untrusted || !node.core().trusted();
  }
  void stop(Node& node) {
    node.engine->close();
    node.replica.reset();
    node.engine.reset();
  }
  void restart(Node& node) {
    stop(node);
    start(node);
  }

  void deliver(const Message& message) {
    const bool snapshot = std::holds_alternative<SnapshotChunk>(message.body);
    if (snapshot && lose_chunks != 0 && random.one_in(lose_chunks)) return;
    chunks += snapshot ? 1 : 0;
    const bool rest = std::holds_alternative<SnapshotEnd>(message.body);
    reactor.run_after(snapshot || rest ? chunk_ms : 0, [this, message] {
      const auto to = nodes.find(message.to.node);
      if (to == nodes.end() || to->second->replica == nullptr) return;
      to->second->shard().replica()->receive(message);
    });
  }

  // Time passes, with writes at A if `load`.
  void step_all(int64_t ms) {
    for (int64_t i = 0; i < ms; i += 5) {
      if (cool) a().shard().cold_values().cool(UINT64_MAX, 1'000'000);
      if (load && a().shard().accepts_writes()) {
        for (int j = 0; j < 4; ++j) a().replica->random_command(random);
      }
      for (auto& [id, node] : nodes) node->shard().submit();
      reactor.run_for(5);
      for (auto& [id, node] : nodes) {
        if (node->start_anew) restart(*node);
      }
    }
  }
  template <typename Predicate>
  bool until(Predicate done, int64_t ms) {
    for (int64_t i = 0; i < ms && !done(); i += 5) step_all(5);
    return done();
  }
  void checkpoint(Node& node) {
    bool done = false;
    node.shard().checkpoint().start([&done](const Status& status) { done = status.ok(); });
    REQUIRE(until([&done] { return done; }, 60'000));
  }
  // A has data, and not the log of all of it.
  void fill() {
    load = true;
    for (int i = 0; i < 4; ++i) {
      step_all(200);
      checkpoint(a());
    }
    for (uint64_t i = 0; i < kLarge; ++i) put_large(i);
    step_all(5);
    checkpoint(a());
    checkpoint(a());
    checkpoint(a());
    REQUIRE(a().core().tail().base().seq > 10);
  }
  void put_large(uint64_t i) {
    RandomReplica& replica = *a().replica;
    const std::string key = "large" + std::to_string(i);
    const std::string value = std::string(10'000, 'x') + std::to_string(++larges);
    replica.command(Effect::put_string(5, replica.keyspace.key(key), value, 0));
  }
  void erase_large(uint64_t i) {
    RandomReplica& replica = *a().replica;
    replica.command(Effect::erase(5, replica.keyspace.key("large" + std::to_string(i))));
  }
  void add_b() {
    Membership to = a().core().membership();
    to.learners.push_back(b().core().self());
    a().shard().replica()->step(ChangeMembers{to});
  }
  bool caught_up() {
    return b().core().committed().seq == a().shard().last_seq() && b().core().trusted() &&
           a().shard().commit_seq() == a().shard().last_seq();
  }
  void check_same() {
    load = false;
    REQUIRE(until([this] { return caught_up(); }, 120'000));
    CHECK(contents(b().replica->keyspace) == contents(a().replica->keyspace));
    CHECK(b().replica->keyspace.db_map() == a().replica->keyspace.db_map());
  }

  static constexpr uint64_t kLarge = 300;
  SimReactor reactor;
  SeededRandom random;
  uint64_t larges = 0;
  std::map<NodeId, std::unique_ptr<Node>> nodes;
  bool load = false;
  bool cool = false;  // A's values are on the device only, whenever they may be
  uint64_t lose_chunks = 0;
  uint64_t chunks = 0;
  int64_t chunk_ms = 0;  // that each is on its way
};

}  // namespace

#define MEDIA DiskMedia, MemMedia

TEST_CASE_TEMPLATE("snapshot: a new member gets everything, while it changes", M, MEDIA) {
  World<M> world(3);
  world.fill();
  world.add_b();
  REQUIRE(world.until([&] { return world.b().starts == 2; }, 20'000));
  world.step_all(300);
  CHECK(world.b().core().tail().base().seq > 0);
  CHECK(world.chunks > 8);
  world.check_same();
  CHECK(world.b().starts == 2);
  world.restart(world.b());
  world.load = true;
  world.step_all(200);
  world.check_same();
}

TEST_CASE_TEMPLATE("snapshot: who was far behind forgets what it had", M, MEDIA) {
  World<M> world(4);
  world.add_b();
  world.load = true;
  world.step_all(300);
  world.check_same();  // by the log
  CHECK(world.b().starts == 1);
  CHECK(world.chunks == 0);
  auto away = std::move(world.nodes[2]);
  world.nodes.erase(2);
  world.fill();
  world.nodes[2] = std::move(away);
  world.check_same();
  CHECK(world.b().starts == 2);
}

TEST_CASE("snapshot: an installed one waits for those that other shards of the node are sent") {
  World<DiskMedia> world(10);
  const auto arrivals = world.b().arrivals;
  arrivals->expect();  // another shard's
  world.fill();
  world.load = false;
  world.add_b();
  world.step_all(80'000);  // more than who sends or receives would wait for in vain
  CHECK(world.b().starts == 1);
  CHECK(world.chunks > 8);
  int others = 0;
  arrivals->arrived([&others] { ++others; });
  CHECK(others == 1);
  world.check_same();
  CHECK(world.b().starts == 2);  // with that snapshot: no other one was needed
}

TEST_CASE("snapshot: none for who is behind a log that is kept, and nobody waits for its reads") {
  World<DiskMedia> world(9);
  world.add_b();
  world.load = true;
  world.step_all(300);
  world.check_same();
  auto away = std::move(world.nodes[2]);
  world.nodes.erase(2);
  world.load = true;
  world.step_all(3000);
  world.put_large(1);
  world.step_all(100);
  world.nodes[2] = std::move(away);
  SimDisk& disk = world.a().media.disk;
  const Seq behind = world.b().core().last().seq;
  CHECK(!world.a().core().tail().in_memory(behind + 1));
  const uint64_t waited = disk.waited_reads();
  world.check_same();
  CHECK(disk.waited_reads() == waited);
  CHECK(world.chunks == 0);
}

TEST_CASE_TEMPLATE("snapshot: what checkpoints write meanwhile is not applied twice", M, MEDIA) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    World<M> world(seed);
    world.fill();
    // Before many a small key in the order of slots, so that these are read late.
    for (int i = 0; i < 600; ++i) {
      RandomReplica& replica = *world.a().replica;
      const std::string key = "first" + std::to_string(i);
      replica.command(
          Effect::put_string(0, replica.keyspace.key(key), std::string(10'000, 'x') + key, 0));
    }
    world.checkpoint(world.a());
    world.chunk_ms = 30;
    world.add_b();
    for (int i = 0; i < 400 && world.b().starts < 2; ++i) {
      world.step_all(10);
      world.a().shard().checkpoint().start();
    }
    CHECK(world.b().starts == 2);
    world.check_same();
  }
}

TEST_CASE("snapshot: of values that are on the device only, nobody waits for a read") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    World<DiskMedia> world(seed);
    world.a().media.disk.set_delay(seed % 2 == 0 ? 50 : 3);
    world.fill();
    world.cool = true;
    world.load = false;
    world.step_all(50);
    const uint64_t waited = world.a().media.disk.waited_reads();
    world.add_b();
    REQUIRE(world.until([&] { return world.b().starts == 2; }, 60'000));
    CHECK(world.a().shard().cold_values().stats().waited == 0);
    CHECK(world.a().media.disk.waited_reads() == waited);
    world.check_same();
  }
}

TEST_CASE("snapshot: of values that change, move and vanish while they are read") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    World<DiskMedia> world(seed);
    SimDisk& disk = world.a().media.disk;
    world.fill();
    world.cool = true;
    world.add_b();
    for (int i = 0; i < 6000 && world.b().starts < 2; ++i) {
      disk.hold_reads(i / 16 % 2 == 0 ? 8 << 10 : UINT64_MAX);  // those of large values
      world.step_all(5);
      world.put_large(world.random.below(world.kLarge));
      if (i % 4 == 0) world.erase_large(world.random.below(world.kLarge));
      if (i % 6 == 0) world.a().shard().checkpoint().start();
    }
    disk.hold_reads(UINT64_MAX);
    CHECK(world.b().starts == 2);
    world.check_same();
  }
}

TEST_CASE_TEMPLATE("snapshot: interrupted at any moment, it begins anew", M, MEDIA) {
  int untrusted = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    World<M> world(seed);
    world.fill();
    world.lose_chunks = seed % 4 == 0 ? 20 : 0;
    world.add_b();
    for (int i = 0; i < 6; ++i) {
      world.step_all(5 * static_cast<int64_t>(1 + world.random.below(12)));
      world.restart(world.random.one_in(4) ? world.a() : world.b());
      if (world.b().was_untrusted) ++untrusted;
    }
    world.lose_chunks = 0;
    world.load = true;
    world.step_all(500);
    world.check_same();
  }
  CHECK((untrusted > 0) == std::is_same_v<M, MemMedia>);
}
