// The examples of docs/ONDISK_ROCKS.md, byte for byte.
#include "engine/rocks_format.h"

#include <doctest/doctest.h>

#include "tests/unit/engine/engine_fixtures.h"
#include "tests/unit/engine/rocks_test_tools.h"

using namespace holdfast;
using namespace holdfast::rocks_format;

namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    char pair[3];
    std::snprintf(pair, sizeof pair, "%02x", static_cast<unsigned char>(c));
    text += pair;
  }
  return text;
}

}  // namespace

TEST_CASE("rocks format: keys") {
  CHECK(hex(log_key(3, 258)) == "000000030000000000000102");
  CHECK(hex(record_key(3, {1, 12182, "foo"})) == "00000003012f96666f6f");
  CHECK(hex(state_key(kHardStateKind, 3)) == "6861726400000003");
  CHECK(hex(state_key(kCheckpointKind, 3)) == "636b707400000003");
  CHECK(log_key(3, 255) < log_key(3, 256));
  CHECK(log_key(3, UINT64_MAX) < log_key(4, 0));
  CHECK(record_key(3, {0, 255, "\xff\xff"}) < record_key(3, {0, 256, ""}));
}

TEST_CASE("rocks format: the end of a prefix's range") {
  CHECK(after_prefix("ab") == "ac");
  CHECK(after_prefix("a\xff\xff") == "b");
  CHECK(hex(after_prefix(record_prefix(0xff, 0xff))) == "000001");
}

TEST_CASE("rocks format: stored values, byte for byte") {
  RocksFixture f;
  REQUIRE(f.append({1, 2, make_entry("a") + make_entry("bc")}).ok());
  REQUIRE(f.save({7, 9}).ok());
  REQUIRE(f.write({{{1, 12182, "foo"}, false, "image"}}).ok());
  REQUIRE(f.finish({2, "st"}).ok());
  f.close();
  RawStore raw(f.directory());
  CHECK(hex(raw.get(raw.log(), log_key(kShard, 2))) ==
        "99bb0a7801000000000000000500000061060000006263");
  CHECK(hex(raw.get(raw.records(), record_key(kShard, {1, 12182, "foo"}))) == "73538159696d616765");
  CHECK(hex(raw.get(raw.state(), state_key(kHardStateKind, kShard))) ==
        "ea34b8d407000000000000000900000000000000");
  CHECK(hex(raw.get(raw.state(), state_key(kCheckpointKind, kShard))) ==
        "22d0974202000000000000007374");
  const std::string format = raw.get(raw.state(), std::string(kFormatKey));
  CHECK(format.size() == 24);
  CHECK(hex(format.substr(4, 4)) == "01000000");
  CHECK(raw.all(raw.state()).size() == 3);
  CHECK(raw.all(raw.log()).size() == 1);
  CHECK(raw.all(raw.records()).size() == 1);
}

TEST_CASE("rocks format: a value is bound to its key") {
  rocksdb::WriteBatch batch;
  std::string_view content;
  std::string value;
  store_fixed(value.assign(4, '\0').data(), checksum("key", {}, "content"));
  value += "content";
  CHECK(unseal("key", value, &content));
  CHECK(content == "content");
  CHECK(!unseal("kex", value, &content));
  for (size_t i = 0; i < value.size(); ++i) {
    std::string damaged = value;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK(!unseal("key", damaged, &content));
  }
  CHECK(!unseal("key", value.substr(0, value.size() - 1), &content));
  CHECK(!unseal("key", "abc", &content));
}
