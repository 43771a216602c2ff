// See acl_user.h: users; selectors are in acl_selector.cc.
#include "resp/acl_user.h"

#include <algorithm>

#include "base/sha.h"

namespace holdfast {
namespace {

constexpr size_t kHashDigits = 64;
constexpr size_t kMostKeysKept = 256;  // room for so many keys is kept between two checks
// What isspace() takes, and the byte that ends a C string.
constexpr std::string_view kSpaces{" \t\n\v\f\r\0", 7};

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

bool acl_has_spaces(std::string_view text) {
  return text.find_first_of(kSpaces) != std::string_view::npos;
}

std::string_view acl_error_text(AclError error) {
  switch (error) {
    case AclError::kUnknownCommand:
      return "Unknown command or category name in ACL";
    case AclError::kSyntax:
      return "Syntax error";
    case AclError::kKeysAfterAll:
      return "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does "
             "not have any effect. Try 'resetkeys' to start with an empty list of patterns";
    case AclError::kChannelsAfterAll:
      return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and "
             "does not have any effect. Try 'resetchannels' to start with an empty list of "
             "channels";
    case AclError::kNoSuchPassword:
      return "The password you are trying to remove from the user does not exist";
    case AclError::kBadHash:
      return "The password hash must be exactly 64 characters and contain only lowercase "
             "hexadecimal characters";
    case AclError::kArgumentOfSubcommand:
      return "Allowing first-arg of a subcommand is not supported";
    case AclError::kNone:
      break;
  }
  return "Wrong format";
}

AclUser::AclUser(std::string name, const AclCommands& commands, bool all_channels)
    : name_(std::move(name)), commands_(&commands) {
  selectors_.emplace_back(commands, all_channels);
}

bool AclUser::accepts(std::string_view password) const {
  if (no_password_) return true;
  const std::string given = to_hex(sha256(password));
  return std::ranges::any_of(passwords_, [&given](const std::string& hash) {
    return equal_in_constant_time(given, hash);
  });
}

AclError AclUser::apply(std::string_view rule, bool all_channels) {
  if (rule.empty()) return AclError::kNone;
  const auto is = [rule](std::string_view word) { return equals_ignoring_case(rule, word); };
  AclError error = AclError::kNone;
  if (is("on") || is("off")) {
    enabled_ = is("on");
  } else if (is("sanitize-payload") || is("skip-sanitize-payload")) {
    sanitizes_payload_ = is("sanitize-payload");
  } else if (is("nopass") || is("resetpass")) {
    no_password_ = is("nopass");
    passwords_.clear();
  } else if (std::string_view(">#<!").find(rule[0]) != std::string_view::npos) {
    error = change_password(rule);
  } else if (rule.front() == '(' && rule.back() == ')') {
    error = add_selector(rule.substr(1, rule.size() - 2), all_channels);
  } else if (is("clearselectors")) {
    selectors_.erase(selectors_.begin() + 1, selectors_.end());
  } else if (is("reset")) {
    reset(all_channels);
  } else {
    error = selectors_[0].apply(rule);
  }
  refresh();
  return error;
}

void AclUser::reset(bool all_channels) {
  enabled_ = no_password_ = false;
  sanitizes_payload_ = true;
  passwords_.clear();
  selectors_.clear();
  selectors_.emplace_back(*commands_, all_channels);
}

// ">password" and "#hash" add one, "<password" and "!hash" remove it.
AclError AclUser::change_password(std::string_view rule) {
  const bool adds = rule[0] == '>' || rule[0] == '#';
  const bool hashed = rule[0] == '#' || rule[0] == '!';
  const std::string_view secret = rule.substr(1);
  if (hashed && !is_hash(secret)) return AclError::kBadHash;
  std::string hash = hashed ? std::string(secret) : to_hex(sha256(secret));
  const auto found = std::ranges::find(passwords_, hash);
  if (!adds) {
    if (found == passwords_.end()) return AclError::kNoSuchPassword;
    passwords_.erase(found);
    return AclError::kNone;
  }
  if (found == passwords_.end()) passwords_.push_back(std::move(hash));
  no_password_ = false;
  return AclError::kNone;
}

AclError AclUser::add_selector(std::string_view rules, bool all_channels) {
  AclSelector selector(*commands_, all_channels);
  while (true) {
    const size_t start = rules.find_first_not_of(kSpaces);
    if (start == std::string_view::npos) break;
    rules.remove_prefix(start);
    const size_t end = std::min(rules.find_first_of(kSpaces), rules.size());
    const AclError error = selector.apply(rules.substr(0, end));
    if (error != AclError::kNone) return error;
    rules.remove_prefix(end);
  }
  selectors_.push_back(std::move(selector));
  return AclError::kNone;
}

void AclUser::forget_keys() const {
  keys_.known = false;
  keys_.found.clear();
  if (keys_.found.capacity() > kMostKeysKept) keys_.found.shrink_to_fit();
}

void AclUser::refresh() {
  unrestricted_ = std::ranges::any_of(selectors_, &AclSelector::unrestricted);
}

AclDecision AclUser::check(const Command& command, std::span<const std::string_view> args) const {
  AclDecision decision{AclReason::kCommand, 0};
  forget_keys();
  for (const AclSelector& selector : selectors_) {
    const AclDecision found = selector.check(command, args, &keys_);
    if (found.allowed()) return found;
    if (found.reason > decision.reason ||
        (found.reason == decision.reason && found.argument > decision.argument)) {
      decision = found;
    }
  }
  return decision;
}

bool AclUser::check_key(std::string_view key, uint16_t flags) const {
  return std::ranges::any_of(
      selectors_, [&](const AclSelector& selector) { return selector.allows_key(key, flags); });
}

bool AclUser::check_channel(std::string_view channel, bool is_pattern) const {
  return std::ranges::any_of(selectors_, [&](const AclSelector& selector) {
    return selector.allows_channel(channel, is_pattern);
  });
}

bool AclUser::check_with_all_keys(const Command& command, std::span<const std::string_view> args,
                                  uint16_t flags) const {
  forget_keys();
  return std::ranges::any_of(selectors_, [&](const AclSelector& selector) {
    return selector.check(command, args, &keys_).allowed() && selector.allows_all_keys(flags);
  });
}

bool AclUser::lost_channels(const AclUser& before) const {
  if (std::ranges::any_of(selectors_, &AclSelector::all_channels)) return false;
  const auto has = [this](const std::string& pattern) {
    return std::ranges::any_of(selectors_, [&pattern](const AclSelector& selector) {
      return std::ranges::find(selector.channels(), pattern) != selector.channels().end();
    });
  };
  return std::ranges::any_of(before.selectors_, [&has](const AclSelector& selector) {
    return selector.all_channels() || !std::ranges::all_of(selector.channels(), has);
  });
}

std::vector<std::string_view> AclUser::flag_names() const {
  std::vector<std::string_view> names = {enabled_ ? "on" : "off"};
  if (no_password_) names.emplace_back("nopass");
  names.emplace_back(sanitizes_payload_ ? "sanitize-payload" : "skip-sanitize-payload");
  return names;
}

std::string AclUser::describe() const {
  std::string text;
  for (const std::string_view flag : flag_names()) text.append(flag).push_back(' ');
  for (const std::string& hash : passwords_) text.append("#").append(hash).push_back(' ');
  text.append(selectors_[0].describe());
  for (size_t i = 1; i < selectors_.size(); ++i) {
    text.append(" (").append(selectors_[i].describe()).push_back(')');
  }
  return text;
}

}  // namespace holdfast
