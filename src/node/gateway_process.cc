// See gateway_process.h.
#include "node/gateway_process.h"

#include "base/log.h"

namespace holdfast {
namespace {

constexpr int64_t kDrainPollMs = 2;

}  // namespace

GatewayProcess::GatewayProcess(NodeSystem system, Options options)
    : system_(std::move(system)), options_(std::move(options)) {
  GatewayHooks hooks;
  hooks.memory_used = system_.facts.memory_used;
  hooks.process = system_.facts.process;
  hooks.on_suspect = [this](ShardId, NodeId node) {
    if (agent_ != nullptr) agent_->suspect(node);
  };
  gateway_ = std::make_unique<Gateway>(system_.reactor, system_.net, system_.random, options_,
                                       std::move(hooks));
}

Status GatewayProcess::check() const {
  if (!options_.cluster_coordinators.empty()) return ClusterAgent::check(options_);
  if (!options_.gateway_seeds.empty()) return {};
  return Status::invalid(
      "cluster.coordinators: empty, and gateway.seeds too; allowed: one of them");
}

Status GatewayProcess::start() {
  Status status = check();
  if (status.ok()) status = gateway_->listen();
  if (status.ok() && !options_.cluster_coordinators.empty()) status = join();
  if (!status.ok()) return status;
  log_listening(addresses(), options_.resp_protected_mode, gateway_->open_to_all());
  return {};
}

Status GatewayProcess::join() {
  ClusterAgent::Hooks hooks;
  hooks.map_changed = [this](const ClusterMap& map) { gateway_->set_map(map); };
  hooks.busy = [this](NodeId node) { gateway_->is_busy(agent_->client_address(node)); };
  agent_ = std::make_unique<ClusterAgent>(system_, options_, std::move(hooks));
  return agent_->start(0, addresses().empty() ? std::string() : addresses()[0].to_string());
}

void GatewayProcess::stop() {
  if (stopping_) return;
  stopping_ = true;
  log_info("stopping");
  gateway_->stop_serving();
  drain(system_.reactor.clock().mono_ns() + kDrainMs * 1'000'000);
}

void GatewayProcess::drain(int64_t deadline_ns) {
  if (gateway_->drained() || system_.reactor.clock().mono_ns() >= deadline_ns) {
    log_info("stopped");
    system_.ended(ExitCode::kOk, "stopped");
    return;
  }
  system_.reactor.run_after(kDrainPollMs, [this, deadline_ns] { drain(deadline_ns); });
}

}  // namespace holdfast
