// GatewayProcess: one process of mode gateway: a Gateway, and what tells it the map. It has no
// engine and no data directory.
//
// Stop (SIGTERM, SIGINT): nothing new is read, and what is on its way is answered, for at most a
// few seconds.
#pragma once

#include <memory>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "gateway/gateway.h"
#include "node/cluster_agent.h"
#include "node/node_system.h"

namespace holdfast {

class GatewayProcess {
 public:
  GatewayProcess(NodeSystem system, Options options);
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  // The message of a failure is for the operator.
  Status start();
  // Asks for an orderly stop, whose end NodeSystem::ended tells.
  void stop();
  std::vector<Address> addresses() const { return gateway_->addresses(); }
  const Options& options() const { return options_; }
  // Null: it asks seeds.
  const ClusterMap* map() const { return agent_ == nullptr ? nullptr : &agent_->map(); }

 private:
  static constexpr int64_t kDrainMs = 5000;

  Status check() const;
  Status join();
  void drain(int64_t deadline_ns);

  const NodeSystem system_;
  Options options_;
  std::unique_ptr<ClusterAgent> agent_;  // null: seeds are asked
  std::unique_ptr<Gateway> gateway_;
  bool stopping_ = false;
};

}  // namespace holdfast
