// Commands that may wait for others (BLPOP, XREAD BLOCK, WAIT), as a gateway sees them.
#pragma once

#include <string>
#include <string_view>

#include "gateway/command_plan.h"

namespace holdfast {

// Of a command whose plan says that it may: XREAD and XREADGROUP wait only if they are told to.
bool may_wait(const Command& command, CommandArgs args);

// The request with `waited_ms` taken off the time that it may wait: 1 ms is left at least, so that
// its node says what the end of the time means. Empty: it goes as it is, as its time has no end, or
// is none that could be read.
std::string with_time_left(const Command& command, std::string_view request, int64_t waited_ms);

}  // namespace holdfast
