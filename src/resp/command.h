// Commands as data: what each command is called, takes, touches and does. One table of these rows
// drives dispatch, COMMAND, error texts and (later) ACL and the gateway's routing.
//
// A family of commands is one file in resp/commands/ that ends with its rows. Adding a command is
// adding a handler and a row there.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"

namespace holdfast {

class CommandContext;
using Handler = void (*)(CommandContext&);

// Redis's command flags; names as COMMAND INFO prints them are in command_table.cc.
enum CommandFlag : uint32_t {
  kWrite = 1 << 0,
  kReadonly = 1 << 1,
  kDenyOom = 1 << 2,  // refused when memory is over its limit
  kAdmin = 1 << 3,
  kPubSub = 1 << 4,
  kNoScript = 1 << 5,
  kBlocking = 1 << 6,
  kLoading = 1 << 7,
  kStale = 1 << 8,
  kSkipMonitor = 1 << 9,
  kSkipSlowlog = 1 << 10,
  kFast = 1 << 11,
  kNoAuth = 1 << 12,
  kNoMulti = 1 << 13,
  kMovableKeys = 1 << 14,
  kAllowBusy = 1 << 15,
  kNoAsyncLoading = 1 << 16,
  kNoMandatoryKeys = 1 << 17,  // it may be called without any key
};

// ACL categories that do not follow from the flags (those that do: read, write, admin, dangerous,
// fast, slow, pubsub, blocking).
enum Category : uint32_t {
  kCatKeyspace = 1 << 0,
  kCatString = 1 << 1,
  kCatBitmap = 1 << 2,
  kCatConnection = 1 << 3,
  kCatDangerous = 1 << 4,
  kCatTransaction = 1 << 5,
  kCatScripting = 1 << 6,
  kCatList = 1 << 7,
  kCatSet = 1 << 8,
  kCatSortedSet = 1 << 9,
  kCatHash = 1 << 10,
  kCatHyperLogLog = 1 << 11,
  kCatGeo = 1 << 12,
  kCatStream = 1 << 13,
  kCatAdmin = 1 << 14,  // only for the few that are in it without the flag
};

// What a command does to the keys of one specification, in Redis's words.
enum KeyFlag : uint16_t {
  kKeyRO = 1 << 0,
  kKeyRW = 1 << 1,
  kKeyOW = 1 << 2,
  kKeyRM = 1 << 3,
  kKeyAccess = 1 << 4,
  kKeyUpdate = 1 << 5,
  kKeyInsert = 1 << 6,
  kKeyDelete = 1 << 7,
  kKeyVariableFlags = 1 << 8,
  kKeyNotKey = 1 << 9,  // a shard channel: it has a slot and is no key
};

// Where keys are among the arguments (argument 0 is the command's name).
struct KeySpec {
  enum Find : uint8_t { kNone, kRange, kCounted, kKeyword };
  Find find = kNone;
  uint16_t flags = 0;
  // kRange: the first key. kCounted: the argument that says how many follow it. kKeyword: from
  // where the word is looked for that the keys follow.
  int16_t first = 0;
  // kRange: the last key; negative counts from the end. kKeyword: the last key behind the word; 0
  // is the first.
  int16_t last = 0;
  int16_t step = 1;
  int16_t limit = 0;  // kKeyword: 2 when only the first half of what follows are keys
  std::string_view keyword = {};

  // True when it leads to keys: shard channels are none, though they have slots as keys have.
  bool has_keys() const { return find != kNone && (flags & kKeyNotKey) == 0; }

  static constexpr KeySpec range(int flags, int first, int last, int step = 1) {
    return {kRange, static_cast<uint16_t>(flags), static_cast<int16_t>(first),
            static_cast<int16_t>(last), static_cast<int16_t>(step)};
  }
  static constexpr KeySpec counted(int flags, int count_at) {
    return {kCounted, static_cast<uint16_t>(flags), static_cast<int16_t>(count_at), 0, 1};
  }
  // Half of the arguments behind the word.
  static constexpr KeySpec half_behind(int flags, std::string_view word, int from) {
    return {kKeyword, static_cast<uint16_t>(flags), static_cast<int16_t>(from), -1, 1, 2, word};
  }
  // The argument behind the word.
  static constexpr KeySpec behind(int flags, std::string_view word, int from) {
    return {kKeyword, static_cast<uint16_t>(flags), static_cast<int16_t>(from), 0, 1, 0, word};
  }
};

struct CommandSpec {
  std::string_view name;    // lower case; of a subcommand without its container
  int arity = 0;            // arguments with the name; negative: at least that many
  uint32_t flags = 0;       // CommandFlag
  uint32_t categories = 0;  // Category
  std::array<KeySpec, 3> keys = {};
  Handler handler = nullptr;  // null only for a container that needs a subcommand
  std::string_view group;     // "string", "generic", "connection", "server", "bitmap"
  std::string_view since;
  std::string_view complexity;
  std::string_view summary;
  std::string_view syntax = {};  // Redis's notation: "key value [NX | XX] [EX seconds]"
  std::span<const CommandSpec> subcommands = {};
};

// Counters of one command since start or CONFIG RESETSTAT.
struct CommandStats {
  uint64_t calls = 0;
  uint64_t nanoseconds = 0;
  uint64_t rejected = 0;                  // refused before it ran
  uint64_t failed = 0;                    // ran and answered an error
  std::unique_ptr<Histogram> latency_ns;  // made at the first call
};

// A row as the server uses it: the specification, its full name and its counters.
struct Command {
  explicit Command(const CommandSpec& s, const Command* container);

  const CommandSpec& spec;
  uint32_t id = 0;        // its number in the table, given by the table: for sets of commands
  std::string full_name;  // "config|get"
  // It needs the values of its keys, not only to know that they are there. (SET asks for itself.)
  const bool reads_values;
  std::vector<std::unique_ptr<Command>> subcommands;
  CommandStats stats;

  const Command* subcommand(std::string_view name) const;  // case-insensitive; null if none
  bool has(CommandFlag flag) const { return (spec.flags & flag) != 0; }
  bool arity_ok(size_t argc) const {
    return spec.arity >= 0 ? argc == static_cast<size_t>(spec.arity)
                           : argc >= static_cast<size_t>(-spec.arity);
  }
};

// Indexes of all key arguments of a call, in order; false when the arguments make no sense
// (a count that is no number or too large).
struct FoundKey {
  size_t index;
  uint16_t flags;
};
bool find_keys(const CommandSpec& spec, std::span<const std::string_view> args,
               std::vector<FoundKey>* keys);

}  // namespace holdfast
