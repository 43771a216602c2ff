// Gateway: one endpoint through which plain Redis clients use a whole cluster. It holds no data and
// touches no disk.
//
// A client's command goes, as it came, to the node that serves its key; the answer goes back as it
// came. Each turn: sessions read and send, backends read and answer; at the turn's end each backend
// with new commands is written once, then each session with new answers.
//
// Who serves what: set_map(), which the coordinator's word comes to, or the seeds (gateway.seeds),
// which are asked until the first such map comes.
//
// Bounds: resp.max_clients; a client's unread answers (resp.output_limits); commands of a client
// that are not answered; bytes waiting for a node (gateway.queue_bytes), above which its clients
// are not read. Threads: the reactor's only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/options.h"
#include "base/process.h"
#include "base/random.h"
#include "base/reactor.h"
#include "gateway/backend.h"
#include "gateway/command_plan.h"
#include "gateway/map_poller.h"
#include "gateway/session.h"
#include "gateway/topology.h"
#include "resp/command_table.h"

namespace holdfast {

struct GatewayHooks {
  // The primary of a shard cannot be reached, broke its connection, or does not answer.
  std::function<void(ShardId, NodeId)> on_suspect;
  std::function<uint64_t()> memory_used;
  ProcessFacts process;
};

class Gateway {
 public:
  static constexpr size_t kReadBufferBytes = 64 * 1024;

  // All references outlive the gateway.
  Gateway(Reactor& reactor, Net& net, Random& random, Options& options, GatewayHooks hooks);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Opens the configured listeners; the first failure is returned with its address.
  Status listen();
  std::vector<Address> addresses() const;
  // Stops accepting and reading; what is on its way is still answered.
  void stop_serving();
  // Nothing is on its way any more.
  bool drained() const;

  // A map of the coordinator's; the newest revision holds. The seeds are not asked any more.
  void set_map(ClusterMap map);
  // The node at that address computes: it is not silent for being gone.
  void is_busy(const std::string& address);
  const Topology& topology() const { return topology_; }

  // --- for sessions ---
  Topology& topology() { return topology_; }
  BackendContext& context() { return context_; }
  Clock& clock() { return context_.reactor.clock(); }
  Options& options() { return options_; }
  Random& random() { return random_; }
  const CommandTable& commands() const { return commands_; }
  const CommandPlans& plans() const { return plans_; }
  bool stopping() const { return stopping_; }
  bool open_to_all() const { return options_.resp_password.empty(); }
  int64_t start_wall_ms() const { return start_wall_ms_; }
  const std::string& run_id() const { return run_id_; }
  const std::map<uint64_t, std::unique_ptr<GatewaySession>>& sessions() const { return sessions_; }
  // Buffers that one command at a time uses.
  char* read_buffer() { return read_buffer_.get(); }
  std::vector<std::string_view>& args() { return args_; }
  std::vector<FoundKey>& found_keys() { return found_keys_; }
  std::string& scratch() { return scratch_; }
  // Nodes that a coordinator told of know writes again by their numbers.
  bool numbers_writes() const { return map_is_told_; }
  // How every TAG of this gateway begins; its scratch buffer begins with it too.
  const std::string& tag_head() const { return tag_head_; }
  std::string& tag_scratch() { return tag_scratch_; }

  // The connection for the session's commands to that node.
  Backend& shared(GatewayNode& node, int protocol, uint64_t session);
  // A slot whose node answers what any node can.
  SlotId any_slot() const;
  // One slot of each node that has some; never empty.
  std::vector<SlotId> slots_of_all() const;
  std::string merge(const GatewaySession& session, Merge how, const Call& whole,
                    std::span<const std::string_view> answers);
  void moved(SlotId slot, std::string_view address);
  void refresh_map();
  void retry_later(GatewaySession& session);
  void resume_later(GatewaySession& session);
  void flush_later(GatewaySession& session) { to_flush_.push_back(&session); }
  void free_later(GatewaySession& session) { to_free_.push_back(&session); }
  void clean_later(GatewaySession& session) { to_clean_.push_back(session.id()); }
  void throttle(GatewaySession& session, Backend& backend);
  // Runs `task` unless this gateway is gone by then.
  void post(std::function<void()> task);
  void run_after(int64_t ms, std::function<void()> task);
  GatewaySession* session(uint64_t id) const;

  // The text of INFO; `answers`: those of the nodes to INFO, if they were asked.
  std::string info_text(const std::vector<std::string>& sections,
                        std::span<const std::string_view> answers);
  void reset_stats();

 private:
  static constexpr int64_t kTickMs = 100;
  static constexpr int64_t kRetryMs = 10;
  static constexpr int64_t kRetiredNs = 1'000'000'000;
  // With numbered writes little is lost when a node is given up that would have answered.
  static constexpr int64_t kRetiredToldNs = 100'000'000;

  void accept(std::unique_ptr<Conn> conn);
  void refuse(Conn& conn, std::string_view error);
  void turn_end();
  void free_sessions();
  void every_100ms();
  void retry_all();
  void learned(MapPoller::Learned learned);
  void map_changed(uint64_t generation_before);
  void trouble(const std::string& address);
  void retire_nodes(int64_t now_ns);
  int64_t retired_ns() const { return map_is_told_ ? kRetiredToldNs : kRetiredNs; }
  void relief();

  Options& options_;
  Random& random_;
  GatewayHooks hooks_;
  BackendContext context_;
  CommandTable commands_;
  CommandPlans plans_{commands_};
  Topology topology_;
  std::unique_ptr<MapPoller> poller_;
  bool map_is_told_ = false;
  uint64_t learned_revision_ = 0;
  const int64_t start_wall_ms_;
  std::string run_id_;

  std::unique_ptr<char[]> read_buffer_;
  std::vector<std::string_view> args_;
  std::vector<FoundKey> found_keys_;
  std::string scratch_;
  std::string tag_head_, tag_scratch_;

  std::vector<std::unique_ptr<Listener>> listeners_;
  uint64_t next_session_id_ = 1;
  std::map<uint64_t, std::unique_ptr<GatewaySession>> sessions_;
  std::vector<GatewaySession*> to_flush_;
  std::vector<GatewaySession*> to_free_;
  std::vector<uint64_t> to_clean_;
  std::vector<uint64_t> retrying_;
  std::vector<uint64_t> throttled_;
  bool retry_timer_set_ = false;
  bool retry_posted_ = false;
  bool stopping_ = false;
  std::map<std::string, int64_t> last_report_ns_;  // of a node that made trouble
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  uint64_t sampled_commands_ = 0;
  int64_t sampled_ns_ = 0;
  double ops_per_second_ = 0;
};

}  // namespace holdfast
