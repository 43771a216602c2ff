// HSCAN, SSCAN and ZSCAN: their arguments and the way through a table. (SCAN itself is in
// databases.cc.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "resp/context.h"
#include "store/glob.h"

namespace holdfast {

// As strtoul reads it, which is what clients can rely on: a sign is allowed, "" is 0, and what
// follows a zero byte is not looked at.
bool parse_cursor(std::string_view text, uint64_t* cursor);

struct ScanArguments {
  uint64_t cursor = 0;
  uint64_t count = 10;
  std::string_view pattern;  // when `match`
  bool match = false;
  bool no_values = false;

  bool wants(std::string_view name) const { return !match || glob_match(pattern, name); }
};

// The cursor, argument 2. False when an error was replied.
bool parse_scan_cursor(CommandContext& c, ScanArguments* scan);
// What follows it; `values`: NOVALUES may be said. Redis looks at it only if there is a key.
bool parse_scan_options(CommandContext& c, bool values, ScanArguments* scan);

// Goes through some buckets of a LinearTable as the arguments say; gives the next cursor.
template <typename Table, typename Visit>
uint64_t scan_table(const Table& table, const ScanArguments& scan, Visit&& visit) {
  constexpr uint64_t kEffort = 10;  // buckets looked at for each entry that was asked for
  uint64_t position = scan.cursor & ((uint64_t{1} << Table::kScanBits) - 1);
  uint64_t seen = 0;
  const uint64_t most_calls = std::min(scan.count, UINT64_MAX / kEffort) * kEffort;
  for (uint64_t calls = 0; calls < most_calls; ++calls) {
    position = table.scan(position, [&](const auto* entry) {
      ++seen;
      visit(*entry);
    });
    if (position == 0 || seen >= scan.count) break;
  }
  return position;
}

// Replies the cursor and what was put_bytes() into `found`, `count` strings.
void reply_scan(CommandContext& c, uint64_t cursor, uint64_t count, std::string_view found);

}  // namespace holdfast
