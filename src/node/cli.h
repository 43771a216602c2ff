// The command line: what to do, as a plain value, so that main only acts on it.
//
//   holdfast CONFIG.yaml [--set KEY=VALUE]...   serve
//   holdfast status [--host H] [--port P]       ask a running server how it is
//   holdfast reference | version | --help       print
//   holdfast inspect | verify                   refused: they belong to the disk engine
//
// Exit codes: exit_codes.h, and kNotAvailable. No exception of the parser leaves cli.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace holdfast {

inline constexpr int kNotAvailable = 2;  // a command that this version does not have

struct RunCommand {
  std::string config_path;
  std::vector<std::string> overrides;  // "resp.port=1", in order
};
struct StatusCommand {
  std::string host = "127.0.0.1";
  uint16_t port = 6380;
};
struct PrintCommand {
  std::string text;  // for standard output; ends in a newline
};
struct RefuseCommand {
  int exit_code;
  std::string message;  // for standard error, without a newline at the end
};
using CliCommand = std::variant<RunCommand, StatusCommand, PrintCommand, RefuseCommand>;

CliCommand parse_command_line(int argc, const char* const* argv);

// Does the command, `run` being the server itself; returns the exit code of the process.
int run_cli(int argc, const char* const* argv, const std::function<int(const RunCommand&)>& run);

}  // namespace holdfast
