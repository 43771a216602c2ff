// Large values of a group: each member's device gets them once.
#include "replica/large_values.h"

#include <doctest/doctest.h>

#include "engine/disk/layout.h"
#include "tests/support/disk_group.h"

using namespace holdfast;

namespace {

constexpr size_t kSize = 2'000'000;  // more than a group of the log may be

std::string noise(Random& random) {
  std::string value(kSize, '\0');
  for (char& byte : value) byte = static_cast<char>(random.next());
  return value;
}

uint64_t used_blocks(DiskGroup::Node& node) {
  uint64_t size = 0, free = 0;
  for (const EngineFact& fact : node.engine->describe(EnginePart::kFiles)) {
    if (fact.name == "data_file_bytes") size = std::get<0>(fact.value);
    if (fact.name == "data_free_bytes") free = std::get<0>(fact.value);
  }
  return (size - disk::kRegionOffset - free) / kBlock;
}

}  // namespace

TEST_CASE("large values: every member writes one once, to the record that a checkpoint takes") {
  DiskGroup group(1);
  group.put("small", "x");
  group.step(200);
  group.checkpoint_all();
  std::map<NodeId, uint64_t> before;
  for (auto& [id, node] : group.nodes) before[id] = used_blocks(*node);
  SeededRandom random(2);
  for (const char* key : {"a", "b"}) {
    group.put(key, noise(random));
    group.step(200);
  }
  for (int written = 0; written < 2; ++written) {
    for (auto& [id, node] : group.nodes) {
      CAPTURE(id);
      CHECK(used_blocks(*node) >= before[id] + 2 * disk::blocks_for(kSize));
      CHECK(used_blocks(*node) <= before[id] + 2 * disk::blocks_for(kSize) + 4);  // roots are new
    }
    group.checkpoint_all();
  }
  for (auto& [id, node] : group.nodes) {
    CHECK(group.find(*node, "a")->has_ref());
    group.stop(*node);
    group.start(*node);
  }
  group.check_same();
  CHECK(group.value(group.primary(), "b").size() == kSize);
}

TEST_CASE("large values: backups know like the primary what an entry leaves of a key") {
  DiskGroup group(3);
  SeededRandom random(4);
  DiskGroup::Node& primary = group.primary();
  Shard& shard = primary.shard();
  const auto put = [&](DbId db, const char* key, int64_t expire_at_ms) {
    shard.emit(Effect::put_string(db, primary.keyspace().key(key), noise(random), expire_at_ms));
  };
  shard.begin_command(1000);
  shard.emit(Effect::erase(0, primary.keyspace().key("none")));
  put(0, "plain", 0);
  put(0, "until", 7777);
  put(0, "expires", 0);
  put(0, "changed", 0);
  put(1, "changed", 0);
  put(0, "twice", 0);
  put(0, "twice", 0);
  put(2, "flushed", 0);
  shard.emit(Effect::set_expiry(0, primary.keyspace().key("expires"), 7777));
  shard.emit(Effect::write_range(0, primary.keyspace().key("changed"), 100, "x"));
  shard.emit(Effect::flush_db(2));
  const Seq seq = shard.end_command();
  group.step(300);
  for (auto& [id, node] : group.nodes) {
    CAPTURE(id);
    const auto logged = [&](DbId db, const char* key) {
      const RecordKey record{db, node->keyspace().key(key).slot, key};
      return node->engine->has_logged_record(0, record, seq);
    };
    for (const char* key : {"plain", "until", "twice"}) CHECK(logged(0, key));
    CHECK(logged(1, "changed"));
    for (const char* key : {"none", "expires", "changed"}) CHECK_FALSE(logged(0, key));
    CHECK_FALSE(logged(2, "flushed"));
  }
  group.checkpoint_all();
  const Model wanted = contents(primary.keyspace());
  for (auto& [id, node] : group.nodes) {
    group.stop(*node);
    group.start(*node);
    group.step(5);
    CHECK(contents(node->keyspace()) == wanted);
  }
}
