// holdfast: parse the command line, read the configuration, run the node, tell how it ended.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <type_traits>

#include "base/beacon.h"
#include "base/libevent_net.h"
#include "base/libevent_reactor.h"
#include "base/log.h"
#include "base/real_disk.h"
#include "node/cli.h"
#include "node/config.h"
#include "node/gateway_process.h"
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

void say_ready(const std::vector<Address>& addresses) {
  std::printf("ready: resp=%s\n", addresses.empty() ? "none" : addresses[0].to_string().c_str());
  std::fflush(stdout);
}

// Runs nodes of that kind, one after the other, until one ends for good.
template <typename Kind>
int serve(Options options) {
  ExitCode end = ExitCode::kAgain;
  bool stopping = false;  // asked for, be it while a node was about to start anew
  while (end == ExitCode::kAgain && !stopping) {
    LibeventReactor reactor;
    reactor.set_poll(options.poll_us);
    LibeventNet net(reactor);
    RealDisk disk;
    SeededRandom random(secure_seed());
    NodeSystem system{reactor, net, disk, random, [&](ExitCode code, std::string_view) {
                        end = code;
                        reactor.stop();
                      }};
    system.facts = process_facts_hooks();
    Kind node(std::move(system), options);
    for (const int signal : {SIGTERM, SIGINT}) {
      reactor.add_signal(signal, [&node, &stopping] {
        stopping = true;
        node.stop();
      });
    }
    reactor.add_signal(SIGHUP, [] { reopen_log(); });
    const Status started = node.start();
    if (!started.ok()) return fail(exit_code_of(started), started.message());
    std::optional<Beacon> beacon;
    if constexpr (std::is_same_v<Kind, Node>) {
      if (node.has_peers() && options.cluster_busy_timeout_ms > 0) {
        beacon.emplace(reactor, options.cluster_busy_timeout_ms, [&node] { node.say_busy(); });
      }
    }
    say_ready(node.addresses());
    reactor.run();
    options = node.options();  // as CONFIG SET has left them
  }
  return static_cast<int>(end == ExitCode::kAgain ? ExitCode::kOk : end);
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
  const bool gateway = options.value().mode == Mode::kGateway;
  return gateway ? serve<GatewayProcess>(options.value()) : serve<Node>(options.value());
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) { return holdfast::run_cli(argc, argv, holdfast::run); }
