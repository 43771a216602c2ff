// Users of the ACL and what each may do: rules in, decisions out. Pure: no sockets, no clock.
//
// A user has passwords and selectors. A selector says which commands may be run on which keys and
// channels; the first one (the root) is what rules outside of parentheses change, the others are
// alternatives: a command may run when one selector allows all of it.
//
// Invariants:
//   A1  What describe() prints, applied to a new user, gives a user that decides the same.
//   A2  unrestricted() is true only if every command with every key and channel is allowed, so that
//       the caller may skip check() altogether.
//   A3  A rule that is refused changes nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "resp/command_table.h"

namespace holdfast {

// A set of commands: one bit for each Command::id.
using CommandBits = std::vector<uint64_t>;

// The command table as rules need it: commands by name, and each category as a set.
class AclCommands {
 public:
  // In the order in which Redis lists them, without '@'. Not all: @all is no category of its own.
  static std::span<const std::string_view> categories();

  // `table` outlives this.
  explicit AclCommands(const CommandTable& table);

  const CommandTable& table() const { return table_; }
  size_t words() const { return words_; }  // of a set
  // The commands of a category (case-insensitive, without '@'); null when there is none.
  const std::vector<const Command*>* in_category(std::string_view name) const;

 private:
  void collect(const Command& command);

  const CommandTable& table_;
  size_t words_;
  std::vector<std::vector<const Command*>> members_;  // as categories()
};

// Why something is denied. A later reason is told rather than an earlier one when several selectors
// deny: the selector with the later one came further.
enum class AclReason : uint8_t { kAllowed, kCommand, kKey, kAuth, kChannel };

struct AclDecision {
  AclReason reason = AclReason::kAllowed;
  size_t argument = 0;  // the key or channel that was denied; 0 for the command itself

  bool allowed() const { return reason == AclReason::kAllowed; }
};

enum class AclError : uint8_t {
  kNone,
  kUnknownCommand,  // or category
  kSyntax,
  kKeysAfterAll,
  kChannelsAfterAll,
  kNoSuchPassword,
  kBadHash,
  kArgumentOfSubcommand,
};
// In Redis's words, without the rule it is about.
std::string_view acl_error_text(AclError error);

// True when `text` has bytes that would end a word of a rule.
bool acl_has_spaces(std::string_view text);

class AclSelector {
 public:
  // Nothing is allowed but all channels, if so wished (acl-pubsub-default).
  AclSelector(const AclCommands& commands, bool all_channels);

  AclError apply(std::string_view rule);

  // The keys of the call are looked up when a selector needs them, into `keys`, which serves all
  // selectors of one check.
  struct Keys {
    std::vector<FoundKey> found;
    bool known = false;
  };
  AclDecision check(const Command& command, std::span<const std::string_view> args,
                    Keys* keys) const;
  // `flags`: KeyFlag, what is done to the key.
  bool allows_key(std::string_view key, uint16_t flags) const;
  // Every key may be used so.
  bool allows_all_keys(uint16_t flags) const;
  // `is_pattern`: of PSUBSCRIBE, which needs the very same pattern among the user's.
  bool allows_channel(std::string_view channel, bool is_pattern) const;

  bool all_channels() const { return all_channels_; }
  const std::vector<std::string>& channels() const { return channels_; }
  bool unrestricted() const { return all_commands_ && all_keys_ && all_channels_; }

  // As ACL GETUSER shows them, and all of them as ACL LIST does.
  std::string describe_commands() const;  // "-@all +get"
  std::string describe_keys() const;      // "~a* %R~b*"
  std::string describe_channels() const;  // "&news.*"
  std::string describe() const;           // "~a* resetchannels &news.* -@all +get"

 private:
  enum Access : uint8_t { kRead = 1, kWrite = 2, kReadWrite = 3 };
  struct KeyPattern {
    std::string pattern;
    uint8_t access;
  };
  struct FirstArgument {  // "+select|0": the command is allowed with it only
    uint32_t command;
    std::string argument;
  };

  static uint8_t access_of(uint16_t key_flags);
  AclError add_keys(std::string_view rule);
  AclError add_channels(std::string_view pattern);
  AclError add_command(std::string_view name);
  AclError remove_command(std::string_view name);
  AclError change_category(std::string_view name, bool allow);
  void set_all(bool allow);
  void set_bits(const Command& command, bool allow);
  void note_rule(std::string_view rule, bool allow);
  bool allows_command(const Command& command, std::span<const std::string_view> args) const;

  const AclCommands* commands_;
  bool all_keys_ = false;
  bool all_channels_;
  bool all_commands_ = false;     // nothing was taken away since +@all
  bool starts_from_all_ = false;  // the rules follow +@all, not -@all
  std::vector<KeyPattern> keys_;
  std::vector<std::string> channels_;
  CommandBits allowed_;
  std::vector<FirstArgument> first_arguments_;
  std::vector<std::string> rules_;  // "+get", "-@admin": those that matter, in order
};

class AclUser {
 public:
  // Disabled, without a password, allowed nothing but (if so wished) all channels.
  AclUser(std::string name, const AclCommands& commands, bool all_channels);

  const std::string& name() const { return name_; }
  bool enabled() const { return enabled_; }
  bool no_password() const { return no_password_; }
  bool sanitizes_payload() const { return sanitizes_payload_; }
  const std::vector<std::string>& passwords() const { return passwords_; }  // SHA-256, hexadecimal
  const std::vector<AclSelector>& selectors() const { return selectors_; }  // the first is the root
  // True for any password when none is needed. Takes the same time wherever hashes differ.
  bool accepts(std::string_view password) const;

  // One rule, a selector being one rule: "(+get ~a*)", its own rules split at spaces and nothing
  // else, so that what describe() prints reads back (A1). `all_channels`: what "reset" and new
  // selectors start from.
  AclError apply(std::string_view rule, bool all_channels);

  bool unrestricted() const { return unrestricted_; }
  AclDecision check(const Command& command, std::span<const std::string_view> args) const;
  bool check_key(std::string_view key, uint16_t flags) const;
  bool check_channel(std::string_view channel, bool is_pattern) const;
  // Like check(), of a command that may also touch keys that its arguments do not name.
  bool check_with_all_keys(const Command& command, std::span<const std::string_view> args,
                           uint16_t flags) const;
  // True if a subscription that `before` was allowed may be one that this user is not.
  bool lost_channels(const AclUser& before) const;

  std::vector<std::string_view> flag_names() const;  // "on", "nopass", "sanitize-payload"
  std::string describe() const;                      // as in ACL LIST, behind the name

 private:
  void reset(bool all_channels);
  AclError change_password(std::string_view rule);
  AclError add_selector(std::string_view rules, bool all_channels);
  void refresh();
  void forget_keys() const;

  std::string name_;
  const AclCommands* commands_;
  bool enabled_ = false;
  bool no_password_ = false;
  bool sanitizes_payload_ = true;
  bool unrestricted_ = false;
  std::vector<std::string> passwords_;
  std::vector<AclSelector> selectors_;
  mutable AclSelector::Keys keys_;  // of the call that is checked; a member to keep its memory
};

}  // namespace holdfast
