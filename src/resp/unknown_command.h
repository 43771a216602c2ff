// Redis's words for a command that there is not.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "resp/command.h"

namespace holdfast {

// `args` begin with its name.
std::string unknown_command(std::span<const std::string_view> args);
std::string unknown_subcommand(const Command& container, std::string_view name);

}  // namespace holdfast
