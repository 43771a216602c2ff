// COMMAND: the command table shown to clients. redis-py and cluster clients find keys with it,
// redis-cli its help.
#include <algorithm>
#include <string>
#include <vector>

#include "resp/command_table.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/syntax.h"
#include "store/glob.h"

namespace holdfast {
namespace {

void reply_names(CommandContext& c, const std::vector<std::string_view>& names) {
  c.reply.set(names.size());
  for (const std::string_view name : names) c.reply.simple(name);
}

void reply_text(CommandContext& c, std::string_view name, std::string_view value) {
  c.reply.bulk(name);
  c.reply.bulk(value);
}

int key_spec_count(const CommandSpec& spec) {
  return static_cast<int>(std::count_if(spec.keys.begin(), spec.keys.end(), [](const KeySpec& key) {
    return key.find != KeySpec::kNone;
  }));
}

void reply_find_keys(CommandContext& c, const KeySpec& key) {
  const auto number = [&c](std::string_view name, int64_t value) {
    c.reply.bulk(name);
    c.reply.integer(value);
  };
  c.reply.bulk("find_keys");
  c.reply.map(2);
  c.reply.bulk("type");
  if (key.find == KeySpec::kCounted) {
    c.reply.bulk("keynum");
    c.reply.bulk("spec");
    c.reply.map(3);
    number("keynumidx", 0);
    number("firstkey", 1);
    number("keystep", key.step);
    return;
  }
  c.reply.bulk("range");
  c.reply.bulk("spec");
  c.reply.map(3);
  const bool relative = key.last < 0 || key.find == KeySpec::kKeyword;
  number("lastkey", relative ? key.last : key.last - key.first);
  number("keystep", key.step);
  number("limit", key.limit);
}

void reply_begin_search(CommandContext& c, const KeySpec& key) {
  const bool by_word = key.find == KeySpec::kKeyword;
  c.reply.bulk(by_word ? "keyword" : "index");
  c.reply.bulk("spec");
  c.reply.map(by_word ? 2 : 1);
  if (by_word) reply_text(c, "keyword", key.keyword);
  c.reply.bulk(by_word ? "startfrom" : "index");
  c.reply.integer(key.first);
}

void reply_key_specs(CommandContext& c, const CommandSpec& spec) {
  c.reply.set(static_cast<uint64_t>(key_spec_count(spec)));
  for (const KeySpec& key : spec.keys) {
    if (key.find == KeySpec::kNone) continue;
    c.reply.map(3);
    c.reply.bulk("flags");
    reply_names(c, key_flag_names(key.flags));
    c.reply.bulk("begin_search");
    c.reply.map(2);
    c.reply.bulk("type");
    reply_begin_search(c, key);
    reply_find_keys(c, key);
  }
}

// First and last key and the step over all ranges, as clients older than key specs want them.
void reply_key_range(CommandContext& c, const CommandSpec& spec) {
  int first = 0, last = 0, step = 0;
  for (const KeySpec& key : spec.keys) {
    if (key.find != KeySpec::kRange) continue;
    first = first == 0 ? key.first : std::min<int>(first, key.first);
    const bool open_end = key.last < 0 || last < 0;
    last = open_end ? std::min<int>(last, key.last) : std::max<int>(last, key.last);
    step = std::max<int>(step, key.step);
  }
  c.reply.integer(first);
  c.reply.integer(last);
  c.reply.integer(step);
}

void reply_info(CommandContext& c, const Command* command) {
  if (command == nullptr) return c.reply.null();
  const CommandSpec& spec = command->spec;
  c.reply.array(10);
  c.reply.bulk(command->full_name);
  c.reply.integer(spec.arity);
  reply_names(c, flag_names(spec));
  reply_key_range(c, spec);
  const std::vector<std::string> categories = category_names(spec);
  reply_names(c, {categories.begin(), categories.end()});
  c.reply.set(0);  // tips
  reply_key_specs(c, spec);
  c.reply.set(command->subcommands.size());
  for (const auto& sub : command->subcommands) reply_info(c, sub.get());
}

void command_command(CommandContext& c) {
  const auto& commands = c.server.commands().commands();
  c.reply.array(commands.size());
  for (const auto& command : commands) reply_info(c, command.get());
}

void count_command(CommandContext& c) {
  c.reply.integer(static_cast<int64_t>(c.server.commands().commands().size()));
}

void info_command(CommandContext& c) {
  if (c.argc() == 2) return command_command(c);
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) reply_info(c, c.server.commands().find_full(c.args[i]));
}

// --- DOCS ---

void reply_argument(CommandContext& c, const SyntaxNode& node);

void reply_arguments(CommandContext& c, const std::vector<SyntaxNode>& nodes) {
  c.reply.array(nodes.size());
  for (const SyntaxNode& node : nodes) reply_argument(c, node);
}

void reply_argument_flags(CommandContext& c, const SyntaxNode& node) {
  std::vector<std::string_view> names;
  if (node.optional) names.push_back("optional");
  if (node.multiple) names.push_back("multiple");
  if (node.multiple_token) names.push_back("multiple_token");
  c.reply.bulk("flags");
  reply_names(c, names);
}

void reply_argument(CommandContext& c, const SyntaxNode& node) {
  const bool flags = node.optional || node.multiple || node.multiple_token;
  const bool is_key = node.key_index >= 0, is_group = !node.children.empty();
  // A group's third field is its arguments, a single one's what to show for it.
  c.reply.map(3 + (is_key ? 1 : 0) + (node.token.empty() ? 0 : 1) + (flags ? 1 : 0));
  reply_text(c, "name", node.name);
  reply_text(c, "type", node.type);
  if (!is_group) reply_text(c, "display_text", node.name);
  if (is_key) {
    c.reply.bulk("key_spec_index");
    c.reply.integer(node.key_index);
  }
  if (!node.token.empty()) reply_text(c, "token", node.token);
  if (flags) reply_argument_flags(c, node);
  if (!is_group) return;
  c.reply.bulk("arguments");
  reply_arguments(c, node.children);
}

// What Redis's documentation advises against.
struct Deprecated {
  std::string_view command, since, replaced_by;
};
constexpr Deprecated kDeprecated[] = {
    {"cluster|slaves", "5.0.0", "`CLUSTER REPLICAS`"},
    {"cluster|slots", "7.0.0", "`CLUSTER SHARDS`"},
    {"getset", "6.2.0", "`SET` with the `!GET` argument"},
    {"psetex", "2.6.12", "`SET` with the `PX` argument"},
    {"quit", "7.2.0", "just closing the connection"},
    {"setex", "2.6.12", "`SET` with the `EX` argument"},
    {"setnx", "2.6.12", "`SET` with the `NX` argument"},
    {"slaveof", "5.0.0", "`REPLICAOF`"},
    {"substr", "2.0.0", "`GETRANGE`"},
};

const Deprecated* find_deprecated(std::string_view command) {
  const auto* found = std::find_if(
      std::begin(kDeprecated), std::end(kDeprecated),
      [command](const Deprecated& deprecated) { return deprecated.command == command; });
  return found == std::end(kDeprecated) ? nullptr : found;
}

void reply_deprecated(CommandContext& c, const Deprecated& deprecated) {
  c.reply.bulk("doc_flags");
  reply_names(c, {"deprecated"});
  reply_text(c, "deprecated_since", deprecated.since);
  reply_text(c, "replaced_by", deprecated.replaced_by);
}

void reply_docs(CommandContext& c, const Command& command) {
  const CommandSpec& spec = command.spec;
  const std::vector<SyntaxNode> arguments = parse_syntax(spec.syntax, key_spec_count(spec));
  const Deprecated* deprecated = find_deprecated(command.full_name);
  c.reply.bulk(command.full_name);
  c.reply.map(3 + (spec.complexity.empty() ? 0 : 1) + (deprecated == nullptr ? 0 : 3) +
              (arguments.empty() ? 0 : 1) + (command.subcommands.empty() ? 0 : 1));
  reply_text(c, "summary", spec.summary);
  reply_text(c, "since", spec.since);
  reply_text(c, "group", spec.group);
  if (!spec.complexity.empty()) reply_text(c, "complexity", spec.complexity);
  if (deprecated != nullptr) reply_deprecated(c, *deprecated);
  if (!arguments.empty()) {
    c.reply.bulk("arguments");
    reply_arguments(c, arguments);
  }
  if (command.subcommands.empty()) return;
  c.reply.bulk("subcommands");
  c.reply.map(command.subcommands.size());
  for (const auto& sub : command.subcommands) reply_docs(c, *sub);
}

void docs_command(CommandContext& c) {
  std::vector<const Command*> shown;
  if (c.argc() == 2) {
    for (const auto& command : c.server.commands().commands()) shown.push_back(command.get());
  }
  for (size_t i = 2; i < c.argc(); ++i) {
    if (const Command* command = c.server.commands().find_full(c.args[i])) shown.push_back(command);
  }
  c.reply.map(shown.size());
  for (const Command* command : shown) reply_docs(c, *command);
}

// --- LIST, GETKEYS ---

bool listed(CommandContext& c, const Command& command) {
  if (c.argc() == 2) return true;
  if (c.is(3, "PATTERN")) return glob_match(c.args[4], command.full_name, GlobCase::kIgnore);
  if (c.is(3, "ACLCAT")) return in_category(command.spec, c.args[4]);
  return false;  // there are no modules
}

void list_command(CommandContext& c) {
  const bool filtered = c.argc() == 5 && c.is(2, "FILTERBY") &&
                        (c.is(3, "MODULE") || c.is(3, "ACLCAT") || c.is(3, "PATTERN"));
  if (c.argc() != 2 && !filtered) return c.fail();
  std::vector<std::string_view> names;
  for (const auto& command : c.server.commands().commands()) {
    if (listed(c, *command)) names.push_back(command->full_name);
    for (const auto& sub : command->subcommands) {
      if (listed(c, *sub)) names.push_back(sub->full_name);
    }
  }
  c.reply.array(names.size());
  for (const std::string_view name : names) c.reply.bulk(name);
}

// The keys of the command line in the arguments; false when an error was replied.
bool keys_of(CommandContext& c, std::vector<FoundKey>* keys) {
  const std::span<const std::string_view> line = c.args.subspan(2);
  const Command* command = c.server.commands().find(line[0]);
  if (command != nullptr && !command->subcommands.empty() && line.size() > 1) {
    command = command->subcommand(line[1]);
  }
  if (command == nullptr) {
    c.fail("ERR Invalid command specified");
  } else if (!command->spec.keys[0].has_keys()) {
    c.fail("ERR The command has no key arguments");
  } else if (!command->arity_ok(line.size())) {
    c.fail("ERR Invalid number of arguments specified for command");
  } else if ((!find_keys(command->spec, line, keys) || keys->empty()) &&
             !command->has(kNoMandatoryKeys)) {
    c.fail("ERR Invalid arguments specified for command");
  } else {
    return true;
  }
  return false;
}

void getkeys_command(CommandContext& c) {
  std::vector<FoundKey> keys;
  if (!keys_of(c, &keys)) return;
  c.reply.array(keys.size());
  for (const FoundKey& key : keys) c.reply.bulk(c.args[key.index + 2]);
}

void getkeysandflags_command(CommandContext& c) {
  std::vector<FoundKey> keys;
  if (!keys_of(c, &keys)) return;
  c.reply.array(keys.size());
  for (const FoundKey& key : keys) {
    c.reply.array(2);
    c.reply.bulk(c.args[key.index + 2]);
    reply_names(c, key_flag_names(key.flags));
  }
}

void help_command(CommandContext& c) {
  reply_help(c, {"(no subcommand)", "    Return details about all commands.", "COUNT",
                 "    Return the total number of commands in this server.", "LIST",
                 "    Return a list of all commands in this server.", "INFO [<command-name> ...]",
                 "    Return details about multiple commands.",
                 "    If no command names are given, documentation details for all",
                 "    commands are returned.", "DOCS [<command-name> ...]",
                 "    Return documentation details about multiple commands.",
                 "    If no command names are given, documentation details for all",
                 "    commands are returned.", "GETKEYS <full-command>",
                 "    Return the keys from a full command.", "GETKEYSANDFLAGS <full-command>",
                 "    Return the keys and the access flags from a full command."});
}

constexpr uint32_t kFlags = kLoading | kStale;

constexpr CommandSpec kSubcommands[] = {
    {"count",
     2,
     kFlags,
     kCatConnection,
     {},
     count_command,
     "server",
     "2.8.13",
     "O(1)",
     "Returns a count of commands."},
    {"docs",
     -2,
     kFlags,
     kCatConnection,
     {},
     docs_command,
     "server",
     "7.0.0",
     "O(N) where N is the number of commands to look up",
     "Returns documentary information about one, multiple or all commands.",
     "[command-name [command-name ...]]"},
    {"getkeys",
     -3,
     kFlags,
     kCatConnection,
     {},
     getkeys_command,
     "server",
     "2.8.13",
     "O(N) where N is the number of arguments to the command",
     "Extracts the key names from an arbitrary command.",
     "command [arg [arg ...]]"},
    {"getkeysandflags",
     -3,
     kFlags,
     kCatConnection,
     {},
     getkeysandflags_command,
     "server",
     "7.0.0",
     "O(N) where N is the number of arguments to the command",
     "Extracts the key names and access flags for an arbitrary command.",
     "command [arg [arg ...]]"},
    {"info",
     -2,
     kFlags,
     kCatConnection,
     {},
     info_command,
     "server",
     "2.8.13",
     "O(N) where N is the number of commands to look up",
     "Returns information about one, multiple or all commands.",
     "[command-name [command-name ...]]"},
    {"list",
     -2,
     kFlags,
     kCatConnection,
     {},
     list_command,
     "server",
     "7.0.0",
     "O(N) where N is the total number of Redis commands",
     "Returns a list of command names.",
     "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]"},
    {"help",
     2,
     kFlags,
     kCatConnection,
     {},
     help_command,
     "server",
     "5.0.0",
     "O(1)",
     "Returns helpful information about the different subcommands."},
};

constexpr CommandSpec kCommands[] = {
    {"command",
     -1,
     kFlags,
     kCatConnection,
     {},
     command_command,
     "server",
     "2.8.13",
     "O(N) where N is the total number of Redis commands",
     "Returns detailed information about all commands.",
     {},
     kSubcommands},
};

}  // namespace

std::span<const CommandSpec> introspection_commands() { return kCommands; }

}  // namespace holdfast
