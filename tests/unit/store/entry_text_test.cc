// Entries of the log in words.
#include "store/entry_text.h"

#include <doctest/doctest.h>

#include <set>

using namespace holdfast;

TEST_CASE("entry text: each effect says what it does to what") {
  const Keyspace keyspace(1);
  const KeyRef key = keyspace.key("k\n");
  CHECK(effect_text(Effect::put_string(0, key, "v", 0)) ==
        R"(put-string "k\n" in database 0: "v")");
  CHECK(effect_text(Effect::put_string(3, key, std::string(1000, 'x'), 77)) ==
        R"(put-string "k\n" in database 3: ")" + std::string(48, 'x') +
            R"("... (1000 bytes), expires at 77)");
  CHECK(effect_text(Effect::write_range(0, key, 5, "ab")) ==
        R"(write-range "k\n" in database 0 at 5: "ab")");
  CHECK(effect_text(Effect::erase(0, key)) == R"(erase "k\n" in database 0)");
  CHECK(effect_text(Effect::set_expiry(0, key, 0)) ==
        R"(set-expiry "k\n" in database 0, never expires)");
  CHECK(effect_text(Effect::flush_db(2)) == "flush-database in database 2");
  CHECK(effect_text(Effect::edit(EffectType::kHashDelete, 0, key, "f")) ==
        R"(hash-delete "k\n" in database 0: "f")");
}

TEST_CASE("entry text: every effect has a name of its own") {
  std::set<std::string_view> names;
  for (const auto& [first, last] :
       {std::pair{1, 9}, {32, 35}, {48, 52}, {64, 65}, {80, 81}, {96, 107}}) {
    for (int type = first; type <= last; ++type) {
      const std::string_view name = effect_name(static_cast<EffectType>(type));
      CHECK(name != "unknown");
      CHECK(names.insert(name).second);
    }
  }
  CHECK(effect_name(static_cast<EffectType>(36)) == "unknown");
}

TEST_CASE("entry text: an entry's header and its first effects; a damaged one is refused") {
  const Keyspace keyspace(1);
  std::string bytes;
  EntryWriter writer(&bytes);
  writer.begin({.epoch = 2, .seq = 7, .log_clock_ms = 1000, .previous_crc = 0xab});
  for (int i = 0; i < 103; ++i) writer.add(Effect::erase(0, keyspace.key("k")));
  writer.end();
  const std::vector<std::string> lines = entry_lines(bytes, keyspace);
  REQUIRE(lines.size() == 102);
  CHECK(lines[0].starts_with("entry 7, epoch 2, clock 1000 ms, checksum "));
  CHECK(lines[0].ends_with(" after 000000ab, " + std::to_string(bytes.size()) + " bytes: effects"));
  CHECK(lines[1] == R"(  erase "k" in database 0)");
  CHECK(lines[101] == "  and 3 effects more");
  bytes[50] ^= 1;
  CHECK(describe_entry(bytes, keyspace).status().code() == Code::kCorrupt);
  CHECK(entry_lines(bytes, keyspace).size() == 1);
}
