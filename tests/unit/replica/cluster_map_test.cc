// ClusterMap: its bytes, pinned, and what a decoder refuses.
#include "replica/cluster_map.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "base/sha.h"

namespace holdfast {
namespace {

std::string hex(std::string_view bytes) {
  return to_hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

ClusterMap example() {
  ClusterMap map;
  map.revision = 300;
  map.nodes = {{11, 0x51, "h:111", "h:11", NodeState::kUp},
               {12, 0x52, "h:112", "h:12", NodeState::kDown}};
  ClusterShard shard;
  shard.id = 1;
  shard.slots = {{0, 8191}, {9000, 9000}};
  shard.record.active = {3, ViewPhase::kActive, {11, 0x51}, {{11, 0x51}, {12, 0x52}}, 2};
  shard.record.allocated = 4;
  map.shards = {shard};
  return map;
}

}  // namespace

TEST_CASE("cluster map: what is encoded is read back, and nothing less or more is taken") {
  const ClusterMap map = example();
  const std::string bytes = encode_cluster_map(map);
  REQUIRE(decode_cluster_map(bytes).ok());
  CHECK(decode_cluster_map(bytes).value() == map);
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK(!decode_cluster_map(bytes.substr(0, size)).ok());
  }
  CHECK(!decode_cluster_map(bytes + '\0').ok());
  CHECK(decode_cluster_map(encode_cluster_map({})).value() == ClusterMap{});
}

TEST_CASE("cluster map: random bytes do no harm") {
  SeededRandom random(5);
  const std::string whole = encode_cluster_map(example());
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = whole;
    for (uint64_t n = random.below(4); n-- > 0;) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    }
    (void)decode_cluster_map(bytes);
  }
}

TEST_CASE("cluster map: its bytes") {
  CHECK(hex(encode_cluster_map(example())) ==
        "01ac02"
        "020b510000000000000005683a31313104683a3131000c520000000000000005683a31313204683a313201"
        "0101"
        "0200ff3fa846a846"
        "03020b5100000000000000020b51000000000000000c520000000000000002"
        "04"
        "000000000000000000000000"
        "00");
}

TEST_CASE("cluster map: slots have owners") {
  const SlotOwners owners(example());
  CHECK(owners.owner(0) == 1);
  CHECK(owners.owner(8191) == 1);
  CHECK(owners.owner(8192) == 0);
  CHECK(owners.owner(9000) == 1);
  CHECK(owners.owner(9001) == 0);
}

}  // namespace holdfast
