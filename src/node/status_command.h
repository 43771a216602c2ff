// `holdfast status`: asks a running server for INFO and prints the lines a person wants first.
//
// A small blocking client of its own: it runs in a process without a reactor. Each step has a
// limit of time and of bytes.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "node/cli.h"

namespace holdfast {

// Prints to standard output; returns the exit code: 0, or 69 when the server does not answer.
int run_status(const StatusCommand& command);

// The reply of INFO for `command`, AUTH first if `password` is not empty.
Result<std::string> ask_info(const StatusCommand& command, std::string_view password);

// INFO's text in short, one line a topic; what the server does not tell is left out.
std::string format_status(std::string_view info);

}  // namespace holdfast
