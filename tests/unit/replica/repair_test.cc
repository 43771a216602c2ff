// Repairs: what a member's store cannot give back comes from the other members, whatever is
// damaged, and nothing that is not what is expected there is taken (I28).
#include "replica/repairs.h"

#include <doctest/doctest.h>

#include <memory>

#include "tests/support/contents.h"
#include "tests/support/disk_group.h"

using namespace holdfast;

namespace {

// That lz4 leaves alone, so that a record is as long as it seems.
const std::string kValue = [] {
  SeededRandom random(1);
  std::string value;
  while (value.size() < 300) value.push_back(static_cast<char>('!' + random.below(90)));
  return value;
}();

using World = DiskGroup;

// Keys with values that are on the device only, on all members.
void fill_cold(World& w) {
  for (int i = 0; i < 20; ++i) w.put("key:" + std::to_string(i), kValue + std::to_string(i));
  for (int i = 0; i < 5; ++i) {
    for (int j = 0; j < 10; ++j) w.push("list:" + std::to_string(i), kValue);
  }
  w.step(200);
  w.checkpoint_all();
  w.step(200);
  for (auto& [id, node] : w.nodes) w.cool(*node);
}

}  // namespace

TEST_CASE(
    "repair: who waits for a value on a damaged record of the primary gets it from a backup") {
  World w(1);
  fill_cold(w);
  World::Node& node = w.primary();
  REQUIRE(w.find(node, "key:7")->cold());
  w.damage_record(node, "key:7", 100);
  bool done = false;
  node.shard().cold_values().fetch(0, node.keyspace().key("key:7"), *w.find(node, "key:7"),
                                   [&done] { done = true; });
  REQUIRE(w.until([&done] { return done; }, 1000));
  CHECK_FALSE(w.find(node, "key:7")->cold());
  CHECK(w.value(node, "key:7") == kValue + "7");
  CHECK(node.repairs().repaired == 1);
  CHECK(node.shard().cold_values().stats().unreadable == 0);
  // It is written anew, elsewhere.
  w.step(1000);
  CHECK_FALSE(w.find(node, "key:7")->dirty());
  REQUIRE(node.engine->start_scrub(100 << 20).ok());
  w.step(1000);
  CHECK(node.engine->stats().damaged_records == 0);
  w.check_same();
}

TEST_CASE("repair: a value that is read on the spot is an error, and there the next time") {
  World w(2);
  fill_cold(w);
  World::Node& node = w.primary();
  w.damage_record(node, "list:3", 100);
  CHECK_THROWS_AS(w.value(node, "list:3"), ValueUnreadable);
  REQUIRE(w.until([&] { return node.repairs().repaired == 1; }, 1000));
  CHECK_FALSE(w.find(node, "list:3")->cold());
  w.check_same();
}

TEST_CASE("repair: a backup applies nothing until it has the value that an entry needs") {
  World w(3);
  fill_cold(w);
  World::Node& node = w.backup();
  w.damage_record(node, "list:2", 100);
  bool cut = true;
  w.change = [&](Message* m) { return !cut || !std::holds_alternative<RecordIs>(m->body); };
  w.put("before", "1");
  w.push("list:2", "more");
  w.put("behind", "2");
  w.step(500);
  CHECK(node.shard().repairs()->holds_up());
  CHECK_FALSE(node.core().whole());
  CHECK(node.core().durable() == w.primary().core().last().seq);  // it follows
  w.put("list:2", "another type");
  w.step(100);
  cut = false;
  w.step(2000);
  CHECK(node.repairs().repaired == 1);
  CHECK(node.core().whole());
  w.check_same();
}

TEST_CASE("repair: a record that a scrub finds damaged is repaired, its value being nowhere here") {
  World w(4);
  fill_cold(w);
  for (auto& [id, node] : w.nodes) w.damage_record(*node, "key:" + std::to_string(id), 100);
  for (auto& [id, node] : w.nodes) REQUIRE(node->engine->start_scrub(100 << 20).ok());
  w.step(3000);
  for (auto& [id, node] : w.nodes) {
    CHECK(node->repairs().repaired == 1);
    CHECK(w.value(*node, "key:" + std::to_string(id)) == kValue + std::to_string(id));
  }
  w.checkpoint_all();
  for (auto& [id, node] : w.nodes) REQUIRE(node->engine->start_scrub(100 << 20).ok());
  w.step(1000);
  for (auto& [id, node] : w.nodes) CHECK(node->engine->stats().damaged_records == 0);
  w.check_same();
}

TEST_CASE("repair: what is not what is expected there is refused (I28)") {
  const auto refused = [](const std::function<void(RecordIs&)>& forge) {
    World w(5);
    fill_cold(w);
    World::Node& node = w.primary();
    w.damage_record(node, "key:7", 100);
    w.change = [&](Message* m) {
      if (auto* is = std::get_if<RecordIs>(&m->body)) forge(*is);
      return true;
    };
    bool done = false;
    node.shard().cold_values().fetch(0, node.keyspace().key("key:7"), *w.find(node, "key:7"),
                                     [&done] { done = true; });
    w.step(1000);
    const bool untouched = w.find(node, "key:7")->cold() && node.repairs().repaired == 0 && !done;
    // Whoever waits is told in the end.
    w.step(Repairs::kPatienceMs);
    CHECK(done);
    CHECK_THROWS_AS(w.value(node, "key:7"), ValueUnreadable);
    // And another answer is taken as soon as one is right.
    w.change = {};
    w.step(2000);
    CHECK(w.value(node, "key:7") == kValue + "7");
    w.check_same();
    return untouched;
  };
  const auto image = [](RecordIs& is, const std::function<void(std::string&)>& edit) {
    std::string bytes = *is.image;
    edit(bytes);
    is.image = std::make_shared<const std::string>(bytes);
  };
  CHECK(refused([](RecordIs& is) { is.at.crc ^= 1; }));    // of another log
  CHECK(refused([](RecordIs& is) { is.at.epoch += 1; }));  //
  CHECK(refused([](RecordIs& is) { is.at.seq += 1; }));
  CHECK(refused([](RecordIs& is) { is.at.seq += 1000; }));
  CHECK(refused([](RecordIs& is) { is.at = {0, 1, 0}; }));  // too old
  CHECK(refused([](RecordIs& is) {
    is.state = RecordIs::kAbsent;
    is.image = nullptr;
  }));
  CHECK(refused([](RecordIs& is) {
    is.state = RecordIs::kUnknown;
    is.image = nullptr;
  }));
  CHECK(refused([&](RecordIs& is) { image(is, [](std::string& b) { b.pop_back(); }); }));
  CHECK(refused([&](RecordIs& is) { image(is, [](std::string& b) { b[0] = 77; }); }));
  CHECK(refused([&](RecordIs& is) {  // whole, and of another size
    image(is, [](std::string& b) { b = string_record_head(0, 0, 5) + "wrong"; });
  }));
  CHECK(refused([&](RecordIs& is) {  // of the right size, with an expiry
    image(is, [](std::string& b) { b = string_record_head(0, 5000, 301) + std::string(301, 'x'); });
  }));
}

TEST_CASE("repair: records that a start finds damaged; nobody leads before it has them") {
  World w(6);
  fill_cold(w);
  World::Node& node = w.backup();
  w.stop(node);
  w.put("key:3", "changed meanwhile");
  Keyspace& leader = w.primary().keyspace();
  w.primary().replica->command(Effect::erase(0, leader.key("key:4")));
  w.push("list:1", "more");
  w.step(100);
  for (const char* key : {"key:3", "key:4", "key:5", "list:1", "list:2"}) {
    w.damage_record(node, key, 100);
  }
  bool cut = true;
  w.change = [&](Message* m) { return !cut || !std::holds_alternative<RecordIs>(m->body); };
  w.start(node);
  CHECK(node.shard().repairs()->waiting() == 5);
  CHECK(node.core().trusted());
  w.step(1000);
  CHECK_FALSE(node.core().whole());
  CHECK(node.core().durable() == w.primary().core().last().seq);
  w.primary().shard().replica()->step(HandOver{node.core().self()});
  w.step(1000);
  CHECK_FALSE(node.core().serving());
  cut = false;
  REQUIRE(w.until([&] { return node.repairs().repaired == 5; }, 5000));
  w.check_same();
  CHECK(node.starts == 2);
  w.hand_over(node);
  w.check_same();
  w.checkpoint_all();
  w.stop(node);
  w.start(node);
  CHECK(node.shard().repairs()->waiting() == 0);
  w.check_same();
}

TEST_CASE("repair: a record whose key is damaged too: everything comes anew") {
  World w(7);
  fill_cold(w);
  World::Node& node = w.backup();
  const StoreId store = node.core().self().store;
  w.stop(node);
  w.damage_record(node, "key:3", 34);
  w.start(node);
  CHECK_FALSE(node.core().trusted());
  CHECK(node.keyspace().size(0) == 0);
  CHECK(node.core().self().store == store);
  w.put("key:3", "more");
  w.check_same();
  CHECK(node.core().trusted());
  w.hand_over(node);
  w.check_same();
}

TEST_CASE("repair: damage anywhere in records, under load, on one member at a time") {
  uint64_t repaired = 0, emptied = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    World w(seed);
    w.load = true;
    for (int round = 0; round < 4; ++round) {
      w.step(200);
      w.checkpoint_all();
      w.step(100);
      World::Node& node = *w.nodes[static_cast<NodeId>(1 + w.random.below(3))];
      node.cold = w.random.one_in(2);
      const auto keys = contents(node.keyspace());
      w.stop(node);
      std::vector<std::string> names;
      for (const auto& [name, value] : keys) {
        if (name.first == 0 && value.size() > 20) names.push_back(name.second);
      }
      const std::string name = names.empty() ? "none" : names[w.random.below(names.size())];
      w.damage_if_there(node, name,
                        w.random.one_in(4) ? w.random.below(32) : 33 + w.random.below(30));
      w.start(node);
      if (!node.core().trusted()) ++emptied;
      if (w.random.one_in(2)) {
        w.step(5 * static_cast<int64_t>(w.random.below(10)));
        w.stop(node);
        w.start(node);
      }
      w.step(200);
      w.load = false;
      REQUIRE(w.until([&w] { return w.settled(); }, 60'000));
      repaired += node.repairs().repaired;
      w.check_same();
      w.load = true;
    }
  }
  CHECK(repaired > 5);
  CHECK(emptied > 5);
}

// --- the log ---

namespace {

// Turns a bit of the log between two places of the ring, given as shares of what is used.
void damage_log(World::Node& node, Random& random) {
  // The blocks that are used begin with the magic.
  const std::string wal = node.disk.durable_content("store/wal").value();
  std::vector<uint64_t> used;
  for (uint64_t at = 1 << 20; at + kBlock <= wal.size(); at += kBlock) {
    if (wal.compare(at, 4, "HFWB") == 0) used.push_back(at);
  }
  REQUIRE(!used.empty());
  node.disk.rot("store/wal", used[random.below(used.size())] + 64 + random.below(400), 1);
}

}  // namespace

TEST_CASE("repair: a log that is damaged in its middle ends there, and is trusted no more") {
  World w(8);
  fill_cold(w);
  World::Node& node = w.backup();
  for (int i = 0; i < 50; ++i) {
    w.put("more:" + std::to_string(i), kValue);
    w.step(20);
  }
  const Seq last = node.core().last().seq;
  w.stop(node);
  const std::string wal = node.disk.durable_content("store/wal").value();
  const size_t at = wal.find("more:20");
  REQUIRE(at != std::string::npos);
  node.disk.rot("store/wal", at, 1);
  bool cut = true;  // from its leader
  w.change = [&](Message* m) { return !cut || m->to.node != node.id; };
  w.start(node);
  CHECK(node.core().last().seq < last);
  CHECK(node.core().last().seq > last - 50);
  CHECK_FALSE(node.core().trusted());
  w.step(500);
  w.stop(node);
  w.start(node);  // the log has no damage any more
  CHECK_FALSE(node.core().trusted());
  w.step(500);
  CHECK_FALSE(node.core().trusted());
  cut = false;
  w.check_same();
  CHECK(node.core().trusted());
  CHECK(node.starts == 3);
  w.stop(node);
  w.start(node);
  CHECK(node.core().trusted());
  w.hand_over(node);
  w.check_same();
}

TEST_CASE("repair: damage anywhere in the log, under load, restarts between") {
  int distrusted = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    World w(seed);
    w.load = true;
    for (int round = 0; round < 4; ++round) {
      w.step(static_cast<int64_t>(w.random.below(600)));
      if (w.random.one_in(2)) w.checkpoint_all();
      World::Node& node = *w.nodes[static_cast<NodeId>(1 + w.random.below(3))];
      w.stop(node);
      const uint64_t times = 1 + w.random.below(3);
      for (uint64_t i = 0; i < times; ++i) damage_log(node, w.random);
      w.start(node);
      if (!node.core().trusted()) ++distrusted;
      while (w.random.one_in(2)) {
        w.step(5 * static_cast<int64_t>(w.random.below(10)));
        w.stop(node);
        w.start(node);
      }
      w.check_same();
      w.load = true;
    }
  }
  CHECK(distrusted > 20);
}

TEST_CASE("repair: a single server refuses what a member of a group starts without") {
  World w(9);
  fill_cold(w);
  World::Node& node = w.backup();
  w.put("last", kValue);
  w.put("more", kValue);
  w.step(200);
  w.stop(node);
  REQUIRE(node.disk.open("store/data", {}).value()->sync().ok());
  const auto refuses = [&](SimDisk& disk) {
    DiskEngine engine(w.reactor, disk, w.random, "store", World::kEngine);
    RandomReplica alone(w.reactor, engine);
    const Result<RecoveryReport> recovered = open_and_recover(alone.shard);
    if (recovered.ok()) engine.close();
    return recovered.status();
  };
  const auto log = node.disk.fork(1), record = node.disk.fork(2);
  CHECK(refuses(*node.disk.fork(3)).ok());
  const std::string wal = log->durable_content("store/wal").value();
  log->rot("store/wal", wal.rfind("last"), 1);
  CHECK(refuses(*log).code() == Code::kCorrupt);
  CHECK(refuses(*log).message().find("The group") == std::string::npos);
  const std::string data = record->durable_content("store/data").value();
  record->rot("store/data", data.find(kValue), 1);
  CHECK(refuses(*record).code() == Code::kCorrupt);
}

// --- superblocks ---

TEST_CASE("repair: superblocks: one copy is enough; without any, the start says what to do") {
  World w(10);
  fill_cold(w);
  World::Node& node = w.backup();
  for (const uint64_t copy : {0, 1, 2, 3}) {
    w.stop(node);
    node.disk.rot(copy / 2 == 0 ? "store/wal" : "store/data", copy % 2 * kBlock + 20, 1);
    w.start(node);
    CHECK(node.core().trusted());
    w.put("key:" + std::to_string(copy), "again");
    w.checkpoint_all();
    w.check_same();
  }
  w.stop(node);
  for (const char* file : {"store/wal", "store/data"}) {
    for (const uint64_t slot : {0, 1}) node.disk.rot(file, slot * kBlock + 20, 1);
  }
  const auto before = node.disk.durable_content("store/wal").value();
  node.engine =
      std::make_unique<DiskEngine>(w.reactor, node.disk, w.random, "store", World::kEngine);
  ShardOptions options;
  options.random = &w.random;
  options.hooks.send = [](const Message&) {};
  {
    RandomReplica replica(w.reactor, *node.engine, std::move(options));
    const Status status = open_and_recover(replica.shard).status();
    CHECK(status.code() == Code::kCorrupt);
    CHECK(status.message().find("no superblock is whole") != std::string::npos);
    CHECK(status.message().find("SHARD ADDMEMBER") != std::string::npos);
  }
  node.engine.reset();
  CHECK(node.disk.durable_content("store/wal").value() == before);  // D12
}
