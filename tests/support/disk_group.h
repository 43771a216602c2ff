// DiskGroup: three voters of an elected group with a DiskEngine each, on simulated disks.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/codec.h"
#include "base/sim/sim_disk.h"
#include "base/sim/sim_reactor.h"
#include "engine/disk/disk_engine.h"
#include "engine/disk/inspect.h"
#include "replica/repairs.h"
#include "tests/support/contents.h"
#include "tests/support/random_replica.h"

namespace holdfast {

class DiskGroup {
 public:
  static constexpr DiskEngineOptions kEngine{.wal_bytes = 4 << 20, .grow_bytes = 1 << 20};

  struct Node {
    Node(NodeId node, uint64_t seed) : id(node), disk(seed) {}
    NodeId id;
    SimDisk disk;
    std::unique_ptr<Engine> engine;
    std::unique_ptr<RandomReplica> replica;
    bool start_anew = false;
    int starts = 0;
    bool cold = false;  // values stay on the device at start
    Status recovered;

    Shard& shard() { return replica->shard; }
    Keyspace& keyspace() { return replica->keyspace; }
    const ReplicaCore& core() { return shard().replica()->core(); }
    const RepairStats& repairs() { return shard().repairs()->stats(); }
    bool up() const { return replica != nullptr; }
  };

  explicit DiskGroup(uint64_t seed) : random(seed) {
    for (const NodeId id : {1U, 2U, 3U}) {
      nodes[id] = std::make_unique<Node>(id, random.next());
      start(*nodes[id]);
    }
    Membership members;
    for (auto& [id, node] : nodes) members.voters.push_back(node->core().self());
    for (auto& [id, node] : nodes) node->shard().replica()->step(Found{members});
    primary();
  }
  ~DiskGroup() {
    for (auto& [id, node] : nodes) stop(*node);
  }

  void start(Node& node) {
    ++node.starts;
    node.start_anew = false;
    node.engine = std::make_unique<DiskEngine>(reactor, node.disk, random, "store", kEngine);
    ShardOptions options;
    options.checkpoint_log_bytes = 1 << 30;
    options.replica.self.node = node.id;
    options.replica.memory_bytes = 64 << 10;
    options.random = &random;
    options.hooks.send = [this](const Message& message) { deliver(message); };
    options.memory_is_short = [&node] { return node.cold; };
    node.replica = std::make_unique<RandomReplica>(reactor, *node.engine, std::move(options));
    node.shard().on_replaced([&node](std::string_view) { node.start_anew = true; });
    node.shard().on_deposed([&node] { node.start_anew = true; });
    node.shard().on_failure([](const Status& s) { FAIL(s.message()); });
    node.recovered = open_and_recover(node.shard()).status();
    REQUIRE_MESSAGE(node.recovered.ok(), node.recovered.message());
  }
  void stop(Node& node) {
    if (!node.up()) return;
    node.engine->close();
    node.replica.reset();
    node.engine.reset();
  }

  void deliver(const Message& message) {
    Message changed = message;
    if (change && !change(&changed)) return;
    reactor.post([this, changed] {
      Node& to = *nodes[changed.to.node];
      if (to.up()) to.shard().replica()->receive(changed);
    });
  }

  void step(int64_t ms) {
    for (int64_t i = 0; i < ms; i += 5) {
      for (auto& [id, node] : nodes) {
        if (!node->up()) continue;
        for (int j = 0; load && node->shard().accepts_writes() && j < 4; ++j) {
          node->replica->random_command(random);
        }
        node->shard().submit();
      }
      reactor.run_for(5);
      for (auto& [id, node] : nodes) {
        if (!node->start_anew) continue;
        stop(*node);
        start(*node);
      }
    }
  }
  template <typename Predicate>
  bool until(Predicate done, int64_t ms = 30'000) {
    for (int64_t i = 0; i < ms && !done(); i += 5) step(5);
    return done();
  }
  Node& primary() {
    Node* found = nullptr;
    REQUIRE(until([&] {
      for (auto& [id, node] : nodes) {
        if (node->up() && node->shard().accepts_writes()) found = node.get();
      }
      return found != nullptr;
    }));
    return *found;
  }
  Node& backup() {
    const NodeId leader = primary().id;
    return *nodes[leader == 1 ? 2 : 1];
  }
  void hand_over(Node& to) {
    REQUIRE(until([&] {
      Node& from = primary();
      if (&from != &to) from.shard().replica()->step(HandOver{to.core().self()});
      step(700);
      return &primary() == &to;
    }));
  }
  void checkpoint(Node& node) {
    bool done = false;
    node.shard().checkpoint().start([&done](const Status& status) { done = status.ok(); });
    REQUIRE(until([&done] { return done; }));
  }
  void checkpoint_all() {
    for (auto& [id, node] : nodes) {
      if (node->up()) checkpoint(*node);
    }
  }
  void put(const std::string& key, const std::string& value) {
    Node& node = primary();
    node.replica->command(Effect::put_string(0, node.keyspace().key(key), value, 0));
  }
  void push(const std::string& key, const std::string& element) {
    Node& node = primary();
    std::string operands(1, '\1');
    put_varint(operands, element.size());
    operands += element;
    node.replica->command(
        Effect::edit(EffectType::kListPush, 0, node.keyspace().key(key), operands));
  }
  bool settled() {
    Node& leader = primary();
    for (auto& [id, node] : nodes) {
      if (!node->up() || !node->core().trusted() || !node->core().whole()) return false;
      if (node->shard().repairs()->waiting() > 0) return false;
      if (node->shard().commit_seq() != leader.shard().last_seq()) return false;
    }
    return leader.shard().last_seq() == leader.core().last().seq;
  }
  void check_same() {
    load = false;
    REQUIRE(until([this] { return settled(); }, 120'000));
    const Model wanted = contents(primary().keyspace());
    for (auto& [id, node] : nodes) {
      CAPTURE(id);
      CHECK(contents(node->keyspace()) == wanted);
    }
  }
  void cool(Node& node) { node.shard().cold_values().cool(UINT64_MAX, 1'000'000); }
  Object* find(Node& node, const std::string& key) {
    return node.keyspace().find(0, node.keyspace().key(key));
  }
  std::string value(Node& node, const std::string& key) {
    IntScratch scratch;
    const Object* object = node.keyspace().find_value(0, node.keyspace().key(key));
    return object == nullptr ? "(none)" : std::string(object->string(scratch));
  }

  // Turns a bit of the live record of the key, `at` bytes behind its beginning. False: it has none.
  bool damage_if_there(Node& node, const std::string& key, uint64_t at) {
    REQUIRE(node.disk.open("store/data", {}).value()->sync().ok());
    const auto copy = node.disk.fork(1);
    uint64_t place = 0;
    const auto report =
        inspect_store(reactor, *copy, "store", {.records = true}, [&](const std::string& line) {
          if (line.find("key '" + key + "'") == std::string::npos) return;
          const size_t found = line.find("record at ");
          if (found != std::string::npos) place = std::stoull(line.substr(found + 10));
        });
    if (place != 0) node.disk.rot("store/data", place + at, 1);
    return place != 0;
  }
  void damage_record(Node& node, const std::string& key, uint64_t at) {
    REQUIRE(damage_if_there(node, key, at));
  }

  SimReactor reactor;
  SeededRandom random;
  std::map<NodeId, std::unique_ptr<Node>> nodes;
  std::function<bool(Message*)> change;  // false: it is lost
  bool load = false;
};

}  // namespace holdfast
