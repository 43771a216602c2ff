// CommandTable: all commands of this server, found by name without regard to case.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "resp/command.h"

namespace holdfast {

class CommandTable {
 public:
  CommandTable();

  // Null when there is none.
  Command* find(std::string_view name) const;
  // "config|get" or "config get" style names too.
  Command* find_full(std::string_view name) const;
  // Sorted by name.
  const std::vector<std::unique_ptr<Command>>& commands() const { return commands_; }
  void reset_stats();
  // Command::id is below this, of subcommands too.
  uint32_t id_count() const { return id_count_; }

 private:
  static constexpr size_t kMaxName = 32;
  static uint32_t hash(std::string_view lower);

  std::vector<std::unique_ptr<Command>> commands_;
  void number(Command& command);

  uint32_t id_count_ = 0;
  std::vector<Command*> buckets_;  // open addressing, a power of two, at most a quarter full
};

// Names of the flags, ACL categories and key flags, as Redis prints them.
std::vector<std::string_view> flag_names(const CommandSpec& spec);
std::vector<std::string> category_names(const CommandSpec& spec);  // with '@'
std::vector<std::string_view> key_flag_names(uint16_t flags);
// True if `name` (without '@') is an ACL category that the row is in.
bool in_category(const CommandSpec& spec, std::string_view name);

bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace holdfast
