// A hook that sees every event that is logged, whatever the level: the timeline of a simulation.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/log.h"

namespace holdfast {

// Called before the line is written, on the thread that logs. Must not log.
using LogHook = void (*)(LogLevel level, std::string_view message,
                         std::initializer_list<LogField> fields);
// Null: none.
void set_log_hook(LogHook hook);

}  // namespace holdfast
