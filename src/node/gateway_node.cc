// See gateway_node.h.
#include "node/gateway_node.h"

#include <csignal>
#include <cstdio>
#include <memory>

#include "base/libevent_net.h"
#include "base/libevent_reactor.h"
#include "base/log.h"
#include "base/process.h"
#include "base/random.h"
#include "gateway/gateway.h"
#include "node/cluster_agent.h"
#include "node/memory.h"

namespace holdfast {
namespace {

constexpr int64_t kDrainNs = 5'000'000'000;
constexpr int64_t kDrainPollMs = 2;

void drain(LibeventReactor& reactor, Gateway& gateway, int64_t deadline_ns) {
  if (gateway.drained() || reactor.clock().mono_ns() >= deadline_ns) {
    log_info("stopped");
    reactor.stop();
    return;
  }
  reactor.run_after(kDrainPollMs,
                    [&reactor, &gateway, deadline_ns] { drain(reactor, gateway, deadline_ns); });
}

}  // namespace

Status run_gateway(Options& options) {
  const bool coordinated = !options.cluster_coordinators.empty();
  if (options.gateway_seeds.empty() && !coordinated) {
    return Status::invalid(
        "cluster.coordinators: empty, and gateway.seeds too; allowed: one of them");
  }
  const Status valid = coordinated ? ClusterAgent::check(options) : Status();
  if (!valid.ok()) return valid;
  LibeventReactor reactor;
  reactor.set_poll(options.poll_us);
  LibeventNet net(reactor);
  SeededRandom random(secure_seed());
  GatewayHooks hooks;
  hooks.memory_used = memory_allocated;
  hooks.process = process_facts();
  std::unique_ptr<ClusterAgent> agent;
  hooks.on_suspect = [&agent](ShardId, NodeId node) {
    if (agent != nullptr) agent->suspect(node);
  };
  Gateway gateway(reactor, net, random, options, std::move(hooks));
  bool stopping = false;
  const auto stop = [&] {
    if (stopping) return;
    stopping = true;
    log_info("stopping");
    gateway.stop_serving();
    drain(reactor, gateway, reactor.clock().mono_ns() + kDrainNs);
  };
  reactor.add_signal(SIGTERM, stop);
  reactor.add_signal(SIGINT, stop);
  reactor.add_signal(SIGHUP, [] { reopen_log(); });
  const Status listening = gateway.listen();
  if (!listening.ok()) return listening;
  if (coordinated) {
    ClusterAgent::Hooks agent_hooks;
    agent_hooks.map_changed = [&gateway](const ClusterMap& map) { gateway.set_map(map); };
    agent = std::make_unique<ClusterAgent>(reactor, net, random, options, std::move(agent_hooks));
    const Status joined = agent->start(
        0, gateway.addresses().empty() ? std::string() : gateway.addresses()[0].to_string());
    if (!joined.ok()) return joined;
  }
  const std::vector<Address> addresses = gateway.addresses();
  for (const Address& address : addresses) {
    log_info("listening", {{"resp", address.to_string()}});
    if (!address.is_loopback() && options.resp_protected_mode && gateway.open_to_all()) {
      log_warning("protected mode: clients on other hosts are refused; set resp.password",
                  {{"resp", address.to_string()}});
    }
  }
  std::printf("ready: resp=%s\n", addresses.empty() ? "none" : addresses[0].to_string().c_str());
  std::fflush(stdout);
  reactor.run();
  return {};
}

}  // namespace holdfast
