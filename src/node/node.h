// Node: one process with the roles its configuration names. In this version: standalone, that is
// one shard on one engine behind one RESP server.
//
// Start: engine -> recovery -> listeners -> "ready: resp=HOST:PORT" on standard output.
// Stop (SIGTERM, SIGINT, SHUTDOWN): no new connections or requests; what was logged is committed
// and answered, for at most kDrainMs; then the engine closes. Exit codes: exit_codes.h.
#pragma once

#include <memory>

#include "base/options.h"
#include "base/random.h"
#include "base/real_disk.h"
#include "base/status.h"
#include "engine/engine.h"
#include "node/exit_codes.h"
#include "node/group.h"
#include "replica/shards.h"
#include "resp/server.h"

namespace holdfast {

class Node {
 public:
  // `reactor` and `net` outlive the node.
  Node(Reactor& reactor, Net& net, Options options);
  ~Node();

  // Recovers and starts to serve. The message of a failure is for the operator.
  Status start();
  // Asks for an orderly stop; run() of the reactor returns when it is done.
  void stop();
  // After the reactor ended. kAgain: destroy this node and make another one.
  ExitCode exit_code() const { return exit_code_; }
  Server& server() { return *server_; }
  const Options& options() const { return options_; }

 private:
  static constexpr int64_t kDrainMs = 5000;

  Status make_engine();
  bool memory_is_short() const;
  void announce();
  void drain(int64_t deadline_ns);
  void log_failed(const Status& status);
  void start_anew(std::string_view why);

  Reactor& reactor_;
  Net& net_;
  Options options_;
  SeededRandom random_;
  RealDisk disk_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<Group> group_;  // null: alone
  std::unique_ptr<Shard> shard_;
  std::unique_ptr<Shards> shards_;  // that one
  std::unique_ptr<Server> server_;
  bool stopping_ = false;
  ExitCode exit_code_ = ExitCode::kOk;
};

}  // namespace holdfast
