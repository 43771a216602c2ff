// See acl.h.
#include "resp/acl.h"

#include <algorithm>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr std::string_view kDefault = "default";

std::string_view trim(std::string_view text, std::string_view what) {
  const size_t start = text.find_first_not_of(what);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(what) - start + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Rules as they are applied: a selector that is spread over several words becomes one. False when
// one is not closed; *open is where it starts.
bool merge_selectors(std::span<const std::string_view> words, std::vector<std::string>* rules,
                     std::string_view* open) {
  bool inside = false;
  for (const std::string_view word : words) {
    if (inside) {
      rules->back().append(" ").append(word);
    } else {
      rules->emplace_back(word);
      if (word.starts_with('(')) *open = word;
    }
    inside = (inside || word.starts_with('(')) && !word.ends_with(')');
  }
  return !inside;
}

}  // namespace

Acl::Acl(const CommandTable& table) : commands_(table) {
  default_ = users_.emplace(kDefault, make_default()).first->second.get();
}

std::unique_ptr<AclUser> Acl::make_user(std::string_view name) const {
  return std::make_unique<AclUser>(std::string(name), commands_, all_channels_by_default_);
}

std::unique_ptr<AclUser> Acl::make_default() const {
  auto user = make_user(kDefault);
  for (const std::string_view rule : {"+@all", "~*", "&*", "on", "nopass"}) {
    HF_ASSERT(user->apply(rule, false) == AclError::kNone);
  }
  return user;
}

AclUser* Acl::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : found->second.get();
}

void Acl::set_default_password(std::string_view password) {
  const std::string rule = password.empty() ? "nopass" : ">" + std::string(password);
  (void)default_->apply("resetpass", false);
  (void)default_->apply(rule, false);
}

AclUser* Acl::authenticate(std::string_view name, std::string_view password) const {
  AclUser* user = find(name);
  return user != nullptr && user->enabled() && user->accepts(password) ? user : nullptr;
}

std::string Acl::set_user(std::string_view name, std::span<const std::string_view> rules,
                          const OnChange& on_change) {
  if (acl_has_spaces(name)) return "Usernames can't contain spaces or null characters";
  std::vector<std::string> merged;
  std::string_view open;
  if (!merge_selectors(rules, &merged, &open)) {
    return "Unmatched parenthesis in acl selector starting at '" + std::string(open) + "'.";
  }
  AclUser* user = find(name);
  auto changed = user == nullptr ? make_user(name) : std::make_unique<AclUser>(*user);
  for (const std::string& rule : merged) {
    const AclError error = changed->apply(rule, all_channels_by_default_);
    if (error == AclError::kNone) continue;
    return "Error in ACL SETUSER modifier '" + rule + "': " + std::string(acl_error_text(error));
  }
  if (user == nullptr) {
    users_.emplace(name, std::move(changed));
  } else {
    std::swap(*user, *changed);
    on_change(*user, *changed);
  }
  return {};
}

bool Acl::remove(std::string_view name, const OnLeave& on_leave) {
  HF_ASSERT(name != kDefault);
  const auto found = users_.find(name);
  if (found == users_.end()) return false;
  on_leave(*found->second);
  users_.erase(found);
  return true;
}

std::string Acl::file_text() const {
  std::string text;
  for (const auto& [name, user] : users_) {
    text.append("user ").append(name).append(" ").append(user->describe()).push_back('\n');
  }
  return text;
}

std::string Acl::load(std::string_view text, std::string_view file, const OnLeave& on_leave,
                      const OnChange& on_change) {
  Users users;
  std::string errors;
  size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    const std::string place = std::string(file) + ":" + std::to_string(++number);
    parse_line(trim(line, " \t\r"), place, number, &users, &errors);
  }
  if (!errors.empty()) {
    return errors +
           "WARNING: ACL errors detected, no change to the previously active ACL rules was "
           "performed";
  }
  if (!users.contains(kDefault)) users.emplace(kDefault, make_default());
  replace(std::move(users), on_leave, on_change);
  return {};
}

// A user of several mistakes is told by the first that is not about the name of a command: the
// others may follow from it.
void Acl::parse_line(std::string_view line, const std::string& place, size_t number, Users* users,
                     std::string* errors) const {
  if (line.empty()) return;
  const std::vector<std::string_view> words = split(line, ' ');
  if (words[0] != "user" || words.size() < 2) {
    errors->append(place + " should start with user keyword followed by the username. ");
    return;
  }
  const std::string name(words[1]);
  if (acl_has_spaces(name)) {
    errors->append("'" + place + ": username '" + name + "' contains invalid characters. ");
    return;
  }
  const auto [user, is_new] = users->emplace(name, make_user(name));
  if (!is_new) {
    errors->append("WARNING: Duplicate user '" + name + "' found on line " +
                   std::to_string(number) + ". ");
    return;
  }
  std::vector<std::string> rules;
  std::string_view open;
  if (!merge_selectors(std::span(words).subspan(2), &rules, &open)) {
    errors->append(place + ": Unmatched parenthesis in selector definition.");
    return;
  }
  bool told = false;
  for (const std::string& word : rules) {
    const std::string rule(trim(word, "\t\r"));
    const AclError error = user->second->apply(rule, all_channels_by_default_);
    const std::string why(acl_error_text(error));
    if (error == AclError::kUnknownCommand) {
      errors->append(place).append(": Error in applying operation '").append(rule);
      errors->append("': ").append(why).append(". ");
    } else if (error != AclError::kNone && !told) {
      errors->append(place).append(": ").append(why).append(". ");
      told = true;
    }
  }
}

void Acl::replace(Users users, const OnLeave& on_leave, const OnChange& on_change) {
  for (auto old = users_.begin(); old != users_.end();) {
    const auto found = users.find(old->first);
    AclUser& user = *old->second;
    const bool stays = found != users.end();
    const bool changes = !stays || found->second->describe() != user.describe();
    if (changes && &user != default_) on_leave(user);
    if (stays) {
      std::swap(user, *found->second);
      if (&user == default_) on_change(user, *found->second);
      users.erase(found);
    }
    old = stays ? std::next(old) : users_.erase(old);
  }
  users_.merge(users);
}

std::string acl_denial_text(AclDecision decision, const AclUser& user, const Command& command,
                            std::span<const std::string_view> args, bool verbose) {
  if (decision.reason == AclReason::kCommand) {
    return "User " + user.name() + " has no permissions to run the '" + command.full_name +
           "' command";
  }
  const std::string what = decision.reason == AclReason::kKey ? "key" : "channel";
  if (!verbose) return "No permissions to access a " + what;
  return "User " + user.name() + " has no permissions to access the '" +
         std::string(args[decision.argument]) + "' " + what;
}

std::string_view acl_exec_denial_text(AclReason reason) {
  switch (reason) {
    case AclReason::kCommand:
      return "no permission to execute the command or subcommand";
    case AclReason::kKey:
      return "no permission to touch the specified keys";
    case AclReason::kChannel:
      return "no permission to access one of the channels used as arguments to the command";
    default:
      return "no permission";
  }
}

}  // namespace holdfast
