// `holdfast status`: asks a running server for INFO and prints the lines a person wants first; of a
// cluster, its nodes and shards too.
#pragma once

#include <string>
#include <string_view>

#include "node/cli.h"

namespace holdfast {

// Prints to standard output; returns the exit code: 0, 69 when the server does not answer, 1 when
// its cluster is not as it should be.
int run_status(const StatusCommand& command);

// INFO's text in short, one line a topic; what the server does not tell is left out.
std::string format_status(std::string_view info);
// All of it, as an object of strings.
std::string info_json(std::string_view info);

}  // namespace holdfast
