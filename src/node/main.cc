// holdfast: parse the command line, read the configuration, run the node, tell how it ended.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>

#include "base/libevent_net.h"
#include "base/libevent_reactor.h"
#include "base/log.h"
#include "node/cli.h"
#include "node/config.h"
#include "node/gateway_node.h"
#include "node/node.h"
#include "node/status_command.h"

namespace holdfast {
namespace {

int fail(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "holdfast: %s\n", message.c_str());
  return static_cast<int>(code);
}

ExitCode exit_code_of(const Status& status) {
  switch (status.code()) {
    case Code::kInvalid:
      return ExitCode::kConfig;
    case Code::kCorrupt:
      return ExitCode::kDataError;
    default:
      return ExitCode::kUnavailable;
  }
}

// Raises the soft limit as far as the clients and the engine need; false: even the hard one is low.
bool allow_files(uint64_t clients, std::string* message) {
  constexpr uint64_t kOwnFiles = 256;  // engine, listeners, log
  const uint64_t needed = clients + kOwnFiles;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return true;
  limit.rlim_cur = limit.rlim_max < needed ? limit.rlim_max : needed;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= needed) return true;
  *message = "too few file descriptors: resp.max_clients " + std::to_string(clients) + " needs " +
             std::to_string(needed) + ", the limit is " + std::to_string(limit.rlim_cur) +
             "; raise it (ulimit -n) or lower resp.max_clients";
  return false;
}

int run(const RunCommand& command) {
  Result<Options> options = load_config(command.config_path, command.overrides);
  if (!options.ok()) return fail(ExitCode::kConfig, options.status().message());
  std::string message;
  if (!allow_files(options.value().resp_max_clients, &message)) {
    return fail(ExitCode::kOsError, message);
  }
  const Status logging = configure_log(options.value().log);
  if (!logging.ok()) return fail(ExitCode::kUnavailable, logging.message());
  std::signal(SIGPIPE, SIG_IGN);
  if (options.value().mode == Mode::kGateway) {
    const Status ended = run_gateway(options.value());
    return ended.ok() ? 0 : fail(exit_code_of(ended), ended.message());
  }

  ExitCode end = ExitCode::kAgain;
  while (end == ExitCode::kAgain) {
    LibeventReactor reactor;
    reactor.set_poll(options.value().poll_us);
    LibeventNet net(reactor);
    Node node(reactor, net, options.value());
    reactor.add_signal(SIGTERM, [&node] { node.stop(); });
    reactor.add_signal(SIGINT, [&node] { node.stop(); });
    reactor.add_signal(SIGHUP, [] { reopen_log(); });
    const Status started = node.start();
    if (!started.ok()) return fail(exit_code_of(started), started.message());
    reactor.run();
    end = node.exit_code();
    options.value() = node.options();  // as CONFIG SET has left them
  }
  return static_cast<int>(end);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) { return holdfast::run_cli(argc, argv, holdfast::run); }
