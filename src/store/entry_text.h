// Entries of the log in words, for operators: what OPLOG, WHY and `holdfast inspect --log` show.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/effect.h"

namespace holdfast {

// "effects", "epoch-start", ...
std::string_view entry_kind_name(EntryKind kind);
// "put-string", "hash-set", ... as docs/ONDISK.md has them.
std::string_view effect_name(EffectType type);
// One effect: `put-string "k" in database 0: "v"`. Of long keys and values only the beginning.
std::string effect_text(const Effect& effect);

// An entry as an operator sees it.
struct EntryText {
  static constexpr size_t kMostEffects = 100;  // in words

  EntryHeader header;
  std::vector<std::string> effects;  // the first ones
};
// kCorrupt: its checksum or an effect is wrong. `keyspace`: any.
Result<EntryText> describe_entry(std::string_view entry, const Keyspace& keyspace);
// The same as lines: the header's, then one for each effect, further in.
std::vector<std::string> entry_lines(std::string_view entry, const Keyspace& keyspace);

}  // namespace holdfast
