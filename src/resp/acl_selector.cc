// See acl_user.h: what one selector allows.
#include <algorithm>
#include <array>

#include "resp/acl_user.h"
#include "store/glob.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, 21> kCategories = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return out;
}

// Which arguments of a command are channels that need permission. (Nobody needs one to leave.)
struct Channels {
  size_t first = 0;  // 0: none
  bool to_the_end = false;
  bool patterns = false;
};

Channels channels_of(const Command& command) {
  if (!command.has(kPubSub)) return {};
  const std::string_view name = command.full_name;
  if (name == "publish" || name == "spublish") return {1, false, false};
  if (name == "subscribe" || name == "ssubscribe") return {1, true, false};
  if (name == "psubscribe") return {1, true, true};
  return {};
}

void append_words(const std::vector<std::string>& words, std::string_view before,
                  std::string* out) {
  for (const std::string& word : words) {
    if (!out->empty()) out->push_back(' ');
    out->append(before).append(word);
  }
}

}  // namespace

std::span<const std::string_view> AclCommands::categories() { return kCategories; }

AclCommands::AclCommands(const CommandTable& table)
    : table_(table), words_((table.id_count() + 63) / 64), members_(kCategories.size()) {
  for (const auto& command : table.commands()) collect(*command);
}

void AclCommands::collect(const Command& command) {
  for (const std::string& name : category_names(command.spec)) {
    const auto found = std::ranges::find(kCategories, std::string_view(name).substr(1));
    if (found == kCategories.end()) continue;
    members_[static_cast<size_t>(found - kCategories.begin())].push_back(&command);
  }
  for (const auto& sub : command.subcommands) collect(*sub);
}

const std::vector<const Command*>* AclCommands::in_category(std::string_view name) const {
  for (size_t i = 0; i < kCategories.size(); ++i) {
    if (equals_ignoring_case(kCategories[i], name)) return &members_[i];
  }
  return nullptr;
}

AclSelector::AclSelector(const AclCommands& commands, bool all_channels)
    : commands_(&commands), all_channels_(all_channels), allowed_(commands.words()) {}

AclError AclSelector::apply(std::string_view rule) {
  const auto is = [rule](std::string_view word) { return equals_ignoring_case(rule, word); };
  if (is("allkeys") || is("~*") || is("resetkeys")) {
    all_keys_ = !is("resetkeys");
    keys_.clear();
  } else if (is("allchannels") || is("&*") || is("resetchannels")) {
    all_channels_ = !is("resetchannels");
    channels_.clear();
  } else if (is("allcommands") || is("+@all")) {
    set_all(true);
  } else if (is("nocommands") || is("-@all")) {
    set_all(false);
  } else if (rule.starts_with('~') || rule.starts_with('%')) {
    return add_keys(rule);
  } else if (rule.starts_with('&')) {
    return add_channels(rule.substr(1));
  } else if (rule.starts_with("+@") || rule.starts_with("-@")) {
    return change_category(rule.substr(2), rule[0] == '+');
  } else if (rule.starts_with('+')) {
    return add_command(rule.substr(1));
  } else if (rule.starts_with('-')) {
    return remove_command(rule.substr(1));
  } else {
    return AclError::kSyntax;
  }
  return AclError::kNone;
}

// "~pattern", "%R~pattern", "%W~pattern", "%RW~pattern".
AclError AclSelector::add_keys(std::string_view rule) {
  if (all_keys_) return AclError::kKeysAfterAll;
  uint8_t access = rule[0] == '~' ? kReadWrite : 0;
  size_t at = 1;
  if (rule[0] == '%') {
    for (bool done = false; at < rule.size() && !done; ++at) {
      const char c = rule[at];
      const uint8_t more = c == 'R' || c == 'r' ? kRead : c == 'W' || c == 'w' ? kWrite : 0;
      done = c == '~';
      if (!done && (more == 0 || (access & more) != 0)) return AclError::kSyntax;
      access |= more;
    }
    if (access == 0) return AclError::kSyntax;
  }
  const std::string_view pattern = rule.substr(at);
  if (acl_has_spaces(pattern)) return AclError::kSyntax;
  const auto found = std::ranges::find(keys_, pattern, &KeyPattern::pattern);
  if (found != keys_.end()) {
    found->access |= access;
  } else {
    keys_.push_back({std::string(pattern), access});
  }
  return AclError::kNone;
}

AclError AclSelector::add_channels(std::string_view pattern) {
  if (all_channels_) return AclError::kChannelsAfterAll;
  if (acl_has_spaces(pattern)) return AclError::kSyntax;
  if (std::ranges::find(channels_, pattern) == channels_.end()) channels_.emplace_back(pattern);
  return AclError::kNone;
}

void AclSelector::set_all(bool allow) {
  allowed_.assign(allowed_.size(), allow ? ~uint64_t{0} : 0);
  all_commands_ = starts_from_all_ = allow;
  first_arguments_.clear();
  rules_.clear();
}

void AclSelector::set_bits(const Command& command, bool allow) {
  uint64_t& word = allowed_[command.id / 64];
  const uint64_t bit = uint64_t{1} << (command.id % 64);
  word = allow ? word | bit : word & ~bit;
  if (!allow) all_commands_ = false;
  std::erase_if(first_arguments_,
                [&command](const FirstArgument& each) { return each.command == command.id; });
  for (const auto& sub : command.subcommands) set_bits(*sub, allow);
}

// A rule takes the place of an earlier one about the same command or category, and of those about
// the command's subcommands or first arguments. Order matters between the others, so it is kept.
void AclSelector::note_rule(std::string_view rule, bool allow) {
  const std::string name = lower(rule);
  std::erase_if(rules_, [&name](std::string_view other) {
    other.remove_prefix(1);
    return other.starts_with(name) && (other.size() == name.size() || other[name.size()] == '|');
  });
  rules_.push_back((allow ? '+' : '-') + name);
}

AclError AclSelector::add_command(std::string_view name) {
  const size_t bar = name.rfind('|');
  if (bar == std::string_view::npos) {
    const Command* command = commands_->table().find(name);
    if (command == nullptr) return AclError::kUnknownCommand;
    set_bits(*command, true);
    note_rule(command->full_name, true);
    return AclError::kNone;
  }
  const std::string_view container = name.substr(0, bar);
  const Command* command = commands_->table().find_full(container);
  if (command == nullptr) return AclError::kUnknownCommand;
  if (container.find('|') != std::string_view::npos) return AclError::kArgumentOfSubcommand;
  const std::string_view argument = name.substr(bar + 1);
  if (argument.empty()) return AclError::kSyntax;
  if (command->subcommands.empty()) {
    const bool known = std::ranges::any_of(first_arguments_, [&](const FirstArgument& each) {
      return each.command == command->id && equals_ignoring_case(each.argument, argument);
    });
    if (!known) first_arguments_.push_back({command->id, std::string(argument)});
  } else {
    const Command* sub = command->subcommand(argument);
    if (sub == nullptr) return AclError::kUnknownCommand;
    set_bits(*sub, true);
  }
  note_rule(name, true);
  return AclError::kNone;
}

AclError AclSelector::remove_command(std::string_view name) {
  const Command* command = commands_->table().find_full(name);
  if (command == nullptr) return AclError::kUnknownCommand;
  set_bits(*command, false);
  note_rule(command->full_name, false);
  return AclError::kNone;
}

AclError AclSelector::change_category(std::string_view name, bool allow) {
  const auto* members = commands_->in_category(name);
  if (members == nullptr) return AclError::kUnknownCommand;
  for (const Command* command : *members) set_bits(*command, allow);
  note_rule("@" + std::string(name), allow);
  return AclError::kNone;
}

bool AclSelector::allows_command(const Command& command,
                                 std::span<const std::string_view> args) const {
  if (all_commands_ || command.has(kNoAuth)) return true;
  if ((allowed_[command.id / 64] >> (command.id % 64) & 1) != 0) return true;
  return args.size() > 1 && std::ranges::any_of(first_arguments_, [&](const FirstArgument& each) {
           return each.command == command.id && equals_ignoring_case(each.argument, args[1]);
         });
}

AclDecision AclSelector::check(const Command& command, std::span<const std::string_view> args,
                               Keys* keys) const {
  if (!allows_command(command, args)) return {AclReason::kCommand, 0};
  if (!all_keys_) {
    if (!keys->known) {
      keys->known = true;
      // Arguments that name no keys in any sense: the handler refuses them.
      if (!find_keys(command.spec, args, &keys->found)) keys->found.clear();
    }
    for (const FoundKey& key : keys->found) {
      if (!allows_key(args[key.index], key.flags)) return {AclReason::kKey, key.index};
    }
  }
  if (!all_channels_) {
    const Channels channels = channels_of(command);
    const size_t end = channels.first == 0 ? 0 : channels.to_the_end ? args.size() : 2;
    for (size_t i = channels.first; i < end; ++i) {
      if (!allows_channel(args[i], channels.patterns)) return {AclReason::kChannel, i};
    }
  }
  return {};
}

uint8_t AclSelector::access_of(uint16_t flags) {
  const bool reads = (flags & kKeyAccess) != 0;
  const bool writes = (flags & (kKeyInsert | kKeyDelete | kKeyUpdate)) != 0;
  return static_cast<uint8_t>((reads ? kRead : 0) | (writes ? kWrite : 0));
}

bool AclSelector::allows_key(std::string_view key, uint16_t flags) const {
  if (all_keys_) return true;
  const uint8_t wanted = access_of(flags);
  return std::ranges::any_of(keys_, [key, wanted](const KeyPattern& each) {
    return (each.access & wanted) == wanted && glob_match(each.pattern, key);
  });
}

bool AclSelector::allows_all_keys(uint16_t flags) const {
  if (all_keys_) return true;
  const uint8_t wanted = access_of(flags);
  return std::ranges::any_of(keys_, [wanted](const KeyPattern& each) {
    return (each.access & wanted) == wanted && each.pattern == "*";
  });
}

bool AclSelector::allows_channel(std::string_view channel, bool is_pattern) const {
  if (all_channels_) return true;
  return std::ranges::any_of(channels_, [channel, is_pattern](const std::string& each) {
    return is_pattern ? each == channel : glob_match(each, channel);
  });
}

std::string AclSelector::describe_commands() const {
  std::string text = starts_from_all_ ? "+@all" : "-@all";
  append_words(rules_, "", &text);
  return text;
}

std::string AclSelector::describe_keys() const {
  if (all_keys_) return "~*";
  std::string text;
  for (const KeyPattern& each : keys_) {
    if (!text.empty()) text.push_back(' ');
    text.append(each.access == kReadWrite ? "~" : each.access == kRead ? "%R~" : "%W~");
    text.append(each.pattern);
  }
  return text;
}

std::string AclSelector::describe_channels() const {
  if (all_channels_) return "&*";
  std::string text;
  append_words(channels_, "&", &text);
  return text;
}

std::string AclSelector::describe() const {
  std::string text = describe_keys();
  if (!text.empty()) text.push_back(' ');
  if (!all_channels_) text.append("resetchannels ");
  const std::string channels = describe_channels();
  if (!channels.empty()) text.append(channels).push_back(' ');
  return text + describe_commands();
}

}  // namespace holdfast
