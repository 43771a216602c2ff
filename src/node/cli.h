// The command line: what to do, as a plain value, so that main only acts on it.
//
//   holdfast CONFIG.yaml [--set KEY=VALUE]...   serve
//   holdfast status [--host H] [--port P]       ask a running server how it is
//   holdfast reference | version | --help       print
//   holdfast inspect [--log] [--records] DIR    what is in a stopped store
//   holdfast verify DIR                         check all of a stopped store
//
// Exit codes: exit_codes.h. No exception of the parser leaves cli.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace holdfast {

struct RunCommand {
  std::string config_path;
  std::vector<std::string> overrides;  // "resp.port=1", in order
};
struct StatusCommand {
  std::string host = "127.0.0.1";
  uint16_t port = 6380;
  bool json = false;
};
struct InspectCommand {
  std::string directory;
  bool quiet = false;  // verify: problems and the summary only
  bool log = false;
  bool records = false;
};
struct PrintCommand {
  std::string text;  // for standard output; ends in a newline
};
struct RefuseCommand {
  int exit_code;
  std::string message;  // for standard error, without a newline at the end
};
using CliCommand =
    std::variant<RunCommand, StatusCommand, InspectCommand, PrintCommand, RefuseCommand>;

CliCommand parse_command_line(int argc, const char* const* argv);

// Does the command, `run` being the server itself; returns the exit code of the process.
int run_cli(int argc, const char* const* argv, const std::function<int(const RunCommand&)>& run);

}  // namespace holdfast
