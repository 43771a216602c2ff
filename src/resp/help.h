// Replies that many containers of subcommands share.
#pragma once

#include <initializer_list>
#include <string_view>

#include "resp/context.h"

namespace holdfast {

// CONTAINER HELP: a headline, the given lines and HELP's own, as Redis lays them out. A line that
// explains begins with four spaces.
void reply_help(CommandContext& c, std::initializer_list<std::string_view> lines);

// For containers that tell their subcommands apart by hand, and for too many arguments.
void fail_subcommand(CommandContext& c);

// A timeout in milliseconds, 0 being "for ever"; replies with the reason and returns false when
// it is none.
bool timeout_argument(CommandContext& c, size_t i, int64_t* milliseconds);
// The same in seconds with a fraction, as commands that wait for keys take it; rounded up.
bool timeout_in_seconds(CommandContext& c, size_t i, int64_t* milliseconds);

}  // namespace holdfast
