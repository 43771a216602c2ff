// Node: one process, as its configuration (mode) names it: a whole server, alone or in a group that
// elects its primary; a coordinator; a storage node. Each is an engine, shards on it, the links to
// other nodes that it needs, and a RESP server.
//
// Start: engine -> recovery -> listeners -> other nodes.
// Stop (SIGTERM, SIGINT, SHUTDOWN): another member becomes the primary, if there is one, with this
// one's word that it has no lease any more, for at most kHandOverMs; no new connections or
// requests; what was logged is committed and answered, for at most kDrainMs; then the engine
// closes. Exit codes: exit_codes.h.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "base/options.h"
#include "base/status.h"
#include "coord/coordinator.h"
#include "engine/engine.h"
#include "node/cluster_agent.h"
#include "node/coordinator_admin.h"
#include "node/group.h"
#include "node/node_system.h"
#include "replica/shards.h"
#include "resp/server.h"

namespace holdfast {

class Node {
 public:
  Node(NodeSystem system, Options options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Recovers and starts to serve. The message of a failure is for the operator.
  Status start();
  // Asks for an orderly stop, whose end NodeSystem::ended tells.
  void stop();
  // It is one of several nodes.
  bool has_peers() const { return group_ != nullptr || agent_ != nullptr; }
  // Tells the other nodes that this one's thread is at a long task (beacon.h). Any thread.
  // REQUIRES: it has started.
  void say_busy();
  // Where clients are heard. REQUIRES: it has started, as for the next two.
  std::vector<Address> addresses() const { return server_->addresses(); }
  const Server& server() const { return *server_; }
  Shards& shards() { return *shards_; }
  const Options& options() const { return options_; }
  // Null: it hears of none.
  const ClusterMap* map() const { return agent_ == nullptr ? nullptr : &agent_->map(); }
  // Null: it leads no cluster, and never will.
  const Coordinator* coordinator() const { return coordinator_.get(); }

 private:
  // A shard that this process hosts.
  struct Hosted {
    std::unique_ptr<Keyspace> keyspace;
    std::unique_ptr<Shard> shard;
    std::vector<SlotRange> slots;  // of a storage node: as it was told last
    bool deposed = false;          // with effects that are not committed, and never will be
    bool led = false;              // when it was told to stop
  };

  static constexpr int64_t kHandOverMs = 1000;
  static constexpr int64_t kDrainMs = 5000;

  Status check() const;
  Status make_engine();
  Status open_shards();
  Status host(const RecoveredShard& found);
  void give_slots(const ClusterMap& map);
  Shard& only_shard() { return *hosted_.begin()->second.shard; }
  Status make_server();
  Status join();
  bool memory_is_short() const;
  void hand_over(int64_t deadline_ns);
  void drain(int64_t deadline_ns);
  void log_failed(const Status& status);
  void start_anew(std::string_view why);
  void end(ExitCode code, std::string_view why);

  const NodeSystem system_;
  Reactor& reactor_;
  Options options_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Group> group_;         // null: no member of one that elects its primary
  std::unique_ptr<ClusterAgent> agent_;  // null: no storage node
  const std::shared_ptr<Arrivals> arrivals_ = std::make_shared<Arrivals>();  // of those:
  std::map<ShardId, Hosted> hosted_;
  std::unique_ptr<Shards> shards_;            // those
  std::unique_ptr<Coordinator> coordinator_;  // null: none
  std::unique_ptr<CoordinatorAdmin> admin_;   // its operators'
  std::unique_ptr<Server> server_;
  bool stopping_ = false;
  bool in_order_ = false;  // ended so: the store is closed, not left as it is
};

}  // namespace holdfast
