// See command_table.h.
#include "resp/command_table.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "resp/commands/families.h"
#include "store/object.h"

namespace holdfast {
namespace {

struct Named {
  uint32_t bit;
  std::string_view name;
};

constexpr Named kFlagNames[] = {
    {kWrite, "write"},
    {kReadonly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubSub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kNoMandatoryKeys, "no_mandatory_keys"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};

constexpr Named kCategoryNames[] = {
    {kCatKeyspace, "keyspace"},
    {kCatString, "string"},
    {kCatBitmap, "bitmap"},
    {kCatConnection, "connection"},
    {kCatDangerous, "dangerous"},
    {kCatTransaction, "transaction"},
    {kCatScripting, "scripting"},
    {kCatList, "list"},
    {kCatSet, "set"},
    {kCatSortedSet, "sortedset"},
    {kCatHash, "hash"},
    {kCatHyperLogLog, "hyperloglog"},
    {kCatGeo, "geo"},
    {kCatStream, "stream"},
    {kCatAdmin, "admin"},
};

constexpr Named kKeyFlagNames[] = {
    {kKeyRO, "RO"},          {kKeyRW, "RW"},         {kKeyOW, "OW"},
    {kKeyRM, "RM"},          {kKeyAccess, "access"}, {kKeyUpdate, "update"},
    {kKeyInsert, "insert"},  {kKeyDelete, "delete"}, {kKeyVariableFlags, "variable_flags"},
    {kKeyNotKey, "not_key"},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

namespace {

bool needs_value(const CommandSpec& spec, const KeySpec& key) {
  if (key.find == KeySpec::kNone || (key.flags & (kKeyRO | kKeyRW)) == 0) return false;
  // The size of a string is known without it; all else about a collection is not.
  constexpr uint32_t kCollections =
      kCatList | kCatSet | kCatSortedSet | kCatHash | kCatStream | kCatGeo;
  if ((spec.categories & kCollections) != 0) return true;
  return (key.flags & (kKeyAccess | kKeyUpdate | kKeyInsert)) != 0;
}

}  // namespace

Command::Command(const CommandSpec& s, const Command* container)
    : spec(s),
      full_name(container == nullptr ? std::string(s.name)
                                     : container->full_name + "|" + std::string(s.name)),
      reads_values(s.name != "set" &&
                   std::any_of(s.keys.begin(), s.keys.end(),
                               [&s](const KeySpec& key) { return needs_value(s, key); })) {
  for (const CommandSpec& sub : s.subcommands) {
    subcommands.push_back(std::make_unique<Command>(sub, this));
  }
}

const Command* Command::subcommand(std::string_view name) const {
  for (const auto& sub : subcommands) {
    if (equals_ignoring_case(sub->spec.name, name)) return sub.get();
  }
  return nullptr;
}

uint32_t CommandTable::hash(std::string_view name) {
  uint32_t h = 2166136261U;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(lower(c))) * 16777619U;
  return h ^ h >> 15;
}

using Family = std::span<const CommandSpec> (*)();
constexpr Family kFamilies[] = {
    string_commands,    bitmap_commands,   stream_commands,     hyperloglog_commands,
    zset_commands,      geo_commands,      hash_commands,       set_commands,
    list_commands,      sort_commands,     key_commands,        dump_commands,
    expiry_commands,    database_commands, connection_commands, transaction_commands,
    scripting_commands, function_commands, client_commands,     config_commands,
    info_commands,      memory_commands,   latency_commands,    introspection_commands,
    admin_commands,     engine_commands,   shard_commands,      cluster_view_commands,
    oplog_commands,     trace_commands,    why_commands,        debug_commands,
    acl_commands,       cluster_commands,  pubsub_commands,
};

CommandTable::CommandTable() {
  for (const Family family : kFamilies) {
    for (const CommandSpec& spec : family()) {
      HF_ASSERT(spec.name.size() <= kMaxName);
      commands_.push_back(std::make_unique<Command>(spec, nullptr));
    }
  }
  std::sort(commands_.begin(), commands_.end(),
            [](const auto& a, const auto& b) { return a->full_name < b->full_name; });
  buckets_.assign(std::bit_ceil(commands_.size() * 4), nullptr);
  for (const auto& command : commands_) {
    number(*command);
    HF_ASSERT(find(command->full_name) == nullptr);  // two rows with one name
    size_t i = hash(command->full_name) & (buckets_.size() - 1);
    while (buckets_[i] != nullptr) i = (i + 1) & (buckets_.size() - 1);
    buckets_[i] = command.get();
  }
}

void CommandTable::number(Command& command) {
  command.id = id_count_++;
  for (const auto& sub : command.subcommands) number(*sub);
}

Command* CommandTable::find(std::string_view name) const {
  if (name.size() > kMaxName) return nullptr;
  for (size_t i = hash(name);; ++i) {
    Command* command = buckets_[i & (buckets_.size() - 1)];
    if (command == nullptr || equals_ignoring_case(command->full_name, name)) return command;
  }
}

Command* CommandTable::find_full(std::string_view name) const {
  const size_t bar = name.find('|');
  Command* command = find(name.substr(0, bar));
  if (command == nullptr || bar == std::string_view::npos) return command;
  return const_cast<Command*>(command->subcommand(name.substr(bar + 1)));
}

void CommandTable::reset_stats() {
  for (const auto& command : commands_) {
    command->stats = {};
    for (const auto& sub : command->subcommands) sub->stats = {};
  }
}

std::vector<std::string_view> flag_names(const CommandSpec& spec) {
  std::vector<std::string_view> names;
  for (const Named& flag : kFlagNames) {
    if ((spec.flags & flag.bit) != 0) names.push_back(flag.name);
  }
  return names;
}

std::vector<std::string> category_names(const CommandSpec& spec) {
  std::vector<std::string> names;
  for (const Named& category : kCategoryNames) {
    if ((spec.categories & category.bit) != 0) names.push_back("@" + std::string(category.name));
  }
  const auto add = [&names](bool holds, const char* name) {
    if (holds && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  const auto has = [&spec](CommandFlag flag) { return (spec.flags & flag) != 0; };
  add(has(kWrite), "@write");
  add(has(kReadonly) && (spec.categories & kCatScripting) == 0, "@read");
  add(has(kAdmin), "@admin");
  add(has(kAdmin), "@dangerous");
  add(has(kPubSub), "@pubsub");
  add(has(kFast), "@fast");
  add(!has(kFast), "@slow");
  add(has(kBlocking), "@blocking");
  // As Redis lists them: these three come last.
  std::stable_partition(names.begin(), names.end(), [](const std::string& name) {
    return name != "@connection" && name != "@transaction" && name != "@scripting";
  });
  return names;
}

std::vector<std::string_view> key_flag_names(uint16_t flags) {
  std::vector<std::string_view> names;
  for (const Named& flag : kKeyFlagNames) {
    if ((flags & flag.bit) != 0) names.push_back(flag.name);
  }
  return names;
}

bool in_category(const CommandSpec& spec, std::string_view name) {
  for (const std::string& category : category_names(spec)) {
    if (equals_ignoring_case(std::string_view(category).substr(1), name)) return true;
  }
  return false;
}

namespace {

// What a call does to its key, of the commands for which that depends on the arguments: SET reads
// only with GET, BITFIELD writes only with SET or INCRBY.
uint16_t flags_of_call(const CommandSpec& spec, std::span<const std::string_view> args,
                       uint16_t flags) {
  if ((flags & kKeyVariableFlags) == 0) return flags;
  const auto has = [args](std::string_view word, size_t from) {
    return std::any_of(args.begin() + static_cast<ptrdiff_t>(std::min(from, args.size())),
                       args.end(),
                       [word](std::string_view arg) { return equals_ignoring_case(arg, word); });
  };
  if (spec.name == "set") {
    return has("get", 3) ? kKeyRW | kKeyAccess | kKeyUpdate : kKeyOW | kKeyUpdate;
  }
  if (spec.name == "bitfield") {
    return has("set", 2) || has("incrby", 2) ? kKeyRW | kKeyAccess | kKeyUpdate
                                             : kKeyRO | kKeyAccess;
  }
  return flags;
}

}  // namespace

bool find_keys(const CommandSpec& spec, std::span<const std::string_view> args,
               std::vector<FoundKey>* keys) {
  const auto argc = static_cast<int64_t>(args.size());
  for (const KeySpec& k : spec.keys) {
    if (!k.has_keys()) continue;
    int64_t first = k.first;
    int64_t last = k.last >= 0 ? k.last : argc + k.last;
    if (k.find == KeySpec::kCounted) {
      int64_t count;
      if (k.first >= argc || !parse_int64(args[static_cast<size_t>(k.first)], &count)) return false;
      if (count < 0 || count > argc - k.first - 1) return false;
      first = k.first + 1;
      last = k.first + count;
    }
    if (k.find == KeySpec::kKeyword) {
      while (first < argc && !equals_ignoring_case(args[static_cast<size_t>(first)], k.keyword)) {
        ++first;
      }
      if (first++ >= argc) continue;
      last = k.limit > 1 ? first + (argc - first) / k.limit + k.last
                         : (k.last < 0 ? argc : first) + k.last;
    }
    if (last >= argc) return false;
    const uint16_t flags = flags_of_call(spec, args, k.flags);
    for (int64_t i = first; i <= last; i += k.step) {
      keys->push_back({static_cast<size_t>(i), flags});
    }
  }
  return true;
}

}  // namespace holdfast
