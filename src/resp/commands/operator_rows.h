// Rows of the command table for commands of our own that operators of groups and clusters use.
#pragma once

#include <span>
#include <string_view>

#include "resp/command.h"

namespace holdfast {

// What looks may be asked for while the server loads; what changes something is nobody's part of a
// transaction.
inline constexpr uint32_t kOperatorLook = kAdmin | kNoScript | kLoading | kStale;
inline constexpr uint32_t kOperatorChange = kOperatorLook | kNoMulti;

constexpr CommandSpec operator_row(std::string_view name, int arity, uint32_t flags,
                                   void (*handler)(CommandContext&), std::string_view summary,
                                   std::string_view syntax = {}) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .handler = handler,
          .group = "cluster",
          .since = "0.1.0",  // of Holdfast: Redis has none of this
          .complexity = "O(N) where N is the number of what is shown",
          .summary = summary,
          .syntax = syntax};
}

constexpr CommandSpec operator_help(void (*handler)(CommandContext&)) {
  return operator_row("help", 2, kLoading | kStale, handler,
                      "Returns helpful text about the different subcommands.");
}

constexpr CommandSpec operator_container(std::string_view name, std::string_view summary,
                                         std::span<const CommandSpec> subcommands) {
  return {.name = name,
          .arity = -2,
          .group = "cluster",
          .since = "0.1.0",
          .complexity = "Depends on subcommand.",
          .summary = summary,
          .subcommands = subcommands};
}

}  // namespace holdfast
