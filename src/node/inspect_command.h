// `holdfast inspect` and `holdfast verify`: what is in a stopped server's data directory.
#pragma once

#include "node/cli.h"

namespace holdfast {

// Prints to standard output; returns the exit code: 0, 65 for damage, 69 when it cannot be looked
// into (in use, not there).
int run_inspect(const InspectCommand& command);

}  // namespace holdfast
