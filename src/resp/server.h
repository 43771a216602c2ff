// Server: the RESP front of a node: listeners, sessions, command dispatch and what INFO counts.
//
// It answers for all shards of the process. Each turn: sessions parse and run commands; at the
// turn's end the shards' entries are submitted, then every session with replies that may leave is
// written, then closed sessions are freed (in this order: a commit that completes at once frees
// replies the same turn).
//
// Bounds: maxclients; output, query buffer and pre-auth limits per session; commands that write
// wait while a shard wants_pause(): too much is logged and not committed, or the log has no room.
// Threads: the reactor's only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/disk.h"
#include "base/metrics.h"
#include "base/net.h"
#include "base/options.h"
#include "base/process.h"
#include "base/random.h"
#include "base/reactor.h"
#include "replica/cluster_map.h"
#include "replica/eviction.h"
#include "replica/shards.h"
#include "resp/acl.h"
#include "resp/acl_log.h"
#include "resp/command_table.h"
#include "resp/context.h"
#include "resp/deliveries.h"
#include "resp/latency.h"
#include "resp/pubsub.h"
#include "resp/relay.h"
#include "resp/route.h"
#include "resp/session.h"
#include "resp/slowlog.h"
#include "resp/tracking.h"
#include "resp/watched_keys.h"

namespace holdfast {

struct ServerStats {
  Counter connections_received = 0;
  Counter connections_rejected = 0;
  Counter commands_processed = 0;
  Counter net_input_bytes = 0;
  Counter net_output_bytes = 0;
  Counter keyspace_hits = 0;
  Counter keyspace_misses = 0;
  Counter expired_keys = 0;
  Counter evicted_keys = 0;
  Counter error_replies = 0;
  Counter acl_denied_auth = 0;
  Counter acl_denied_command = 0;
  Counter acl_denied_key = 0;
  Counter acl_denied_channel = 0;
  Counter query_buffer_closed = 0;
  Counter output_buffer_closed = 0;
  Counter writes_paused = 0;        // turns from which on commands that write waited for the log
  Counter messages_from_nodes = 0;  // published there
  Counter replies_held = 0;         // replies that waited for a commit
  Counter peak_memory = 0;
  std::map<std::string, uint64_t> errors;  // by first word; at most kMaxErrorCodes
};

// CLIENT PAUSE.
struct Pause {
  int64_t until_ms = 0;  // wall clock; 0: not paused
  bool writes_only = false;
};

// The link to another node of the group.
struct GroupPeer {
  bool up = false;
  Member member;  // while it is up: with the store that the node has
  uint64_t bytes_in = 0, bytes_out = 0, messages_in = 0, messages_out = 0;  // since the start
  int64_t rtt_us = 0;                                                       // 0: not known
};

class ClusterAdmin;

// All optional: without a hook the figure is 0, as in the simulation.
struct ServerHooks {
  std::function<void()> shutdown;                 // SHUTDOWN was asked for
  std::function<void()> exit_now;                 // the same while a script cannot be waited for
  std::function<Status(const Options&)> rewrite;  // CONFIG REWRITE
  std::function<uint64_t()> memory_used;          // bytes allocated now
  std::function<std::string()> allocator_name;    // "jemalloc-5.3.0"
  std::function<std::string()> allocator_stats;   // MEMORY MALLOC-STATS
  std::function<AllocatorUsage()> allocator_usage;
  std::function<void()> purge_memory;  // MEMORY PURGE
  std::function<ProcessUsage()> process_usage;
  ProcessFacts process;
  // "HOST:PORT" of a member for clients; empty: unknown.
  std::function<std::string(NodeId)> client_address;
  // In a cluster: "HOST:PORT" of who serves a slot that is not here; empty: nobody, as is known.
  std::function<std::string(SlotId)> moved_to;
  // What connects to a node of the group; see GroupPeer.
  std::function<GroupPeer(NodeId)> group_peer;
  // A node of a cluster with coordinators: what it knows of it, and who it is; empty: none.
  std::function<const ClusterMap*()> cluster_map;
  std::function<Member()> cluster_self;
  Relay::Send publish;            // to the other nodes
  ClusterAdmin* admin = nullptr;  // of a coordinator; see Server::set_admin()
  Disk* disk = nullptr;           // where the ACL file is; null: it can be neither read nor written
  uint64_t startup_memory = 0;    // bytes allocated before any data was loaded
};

// Of one command, by Clock::mono_ns().
struct CallTimes {
  int64_t received_ns = 0;
  int64_t started_ns = 0;
  int64_t applied_ns = 0;
};

// Who a client is or was.
struct ClientName {
  std::string address;
  std::string name;
};

class Functions;
class Scripts;
struct ScriptRun;

class Server {
 public:
  static constexpr size_t kReadBufferBytes = 64 * 1024;
  static constexpr size_t kMaxErrorCodes = 128;
  static constexpr size_t kGoneKept = 1024;

  // All references outlive the server. `options` is changed by CONFIG SET.
  Server(Reactor& reactor, Net& net, Random& random, Options& options, Shards& shards,
         ServerHooks hooks);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Opens the configured listeners; the first failure is returned with its address.
  Status listen();
  // Where it listens, ports resolved.
  std::vector<Address> addresses() const;
  // Stops accepting and reading; replies of committed writes still leave.
  void stop_serving();
  // True when no reply waits for a commit or for its reader.
  bool drained() const;

  // Called once, when the log failed: the node stops.
  void on_log_failure(std::function<void(const Status&)> hook) {
    on_log_failure_ = std::move(hook);
  }

  Reactor& reactor() { return reactor_; }
  Clock& clock() { return reactor_.clock(); }
  Random& random() { return random_; }
  Options& options() { return options_; }
  Shards& shards() { return shards_; }
  CommandTable& commands() { return commands_; }
  ServerStats& stats() { return stats_; }
  const ServerStats& stats() const { return stats_; }
  SlowLog& slowlog() { return slowlog_; }
  LatencyMonitor& latency() { return latency_; }
  const ServerHooks& hooks() const { return hooks_; }
  // A coordinator's, when it is there; it outlives the server's commands.
  void set_admin(ClusterAdmin* admin) { hooks_.admin = admin; }
  int64_t start_wall_ms() const { return start_wall_ms_; }
  const std::string& run_id() const { return run_id_; }
  uint64_t memory_used() const { return hooks_.memory_used ? hooks_.memory_used() : 0; }
  char* read_buffer() { return read_buffer_.get(); }
  Batch& batch() { return batch_; }
  std::string& operands();  // see CommandContext::operands()

  // In order of id.
  const std::map<uint64_t, std::unique_ptr<Session>>& sessions() const { return sessions_; }
  Session* session(uint64_t id) const;
  // False once this server is destroyed, for callbacks that may outlive it.
  std::shared_ptr<const bool> alive() const { return alive_; }
  // Empty: not known, or gone for long.
  ClientName client_name(uint64_t id) const;
  uint64_t blocked_sessions() const;       // in a command that waits
  uint64_t sessions_with_timeout() const;  // of these

  // --- called by sessions ---
  // Where the command runs, which may be a container with its subcommand in `args`; null: unknown.
  Route route(const Session& session, const Command* command,
              std::span<const std::string_view> args) {
    if (Shard* only = shards_.only()) return {.shard = only};
    return route_in_cluster(session, command, args);
  }
  // Runs one command: all checks, the handler, statistics, the hold of its reply. `clock_ns`:
  // monotonic time of the call's start, set to its end.
  void execute(Session& session, const ParsedRequest& request,
               std::span<const std::string_view> args, const Route& route, int64_t now_ms,
               int64_t* clock_ns);
  // Runs a command of a transaction or a script, checked before: its reply goes to `reply`, its
  // effects into the entry of `outer`. Counted, timed and shown to monitors like any other.
  void run_nested(CommandContext& outer, ReplyWriter& reply, const Command& command,
                  std::span<const std::string_view> args, bool in_script);
  WatchedKeys& watched_keys() { return watched_keys_; }
  BlockedKeys& blocked_keys() { return blocked_keys_; }
  // Replies to a session whose wait for keys ends without any: in time, or with an error.
  void key_wait_ends(Session& session, std::string_view error);
  void flush_later(Session& session) { to_flush_.push_back(&session); }
  void free_later(Session& session) { to_free_.push_back(&session); }
  void resume_later(Session& session);  // process_buffered() after this callback
  // For a session that has blocked itself (BlockReason::kMap, kTrace): at the end of each turn
  // `answered` is asked, until it has replied and says so.
  using Answered = std::function<bool(Session& waiting)>;
  void look_each_turn(const Session& session, Answered answered) {
    lookers_[session.id()] = std::move(answered);
  }
  bool stopping() const { return stopping_; }

  // --- users (in access.cc) ---
  Acl& acl() { return acl_; }
  AclLog& acl_log() { return acl_log_; }
  // Reads the ACL file, if one is configured. Before listen().
  Status load_users();
  // As a client that has just connected: the default user, who may have to authenticate.
  void reset_user(Session& session) const;
  // The session may run nothing but what is allowed without authentication.
  bool needs_auth(const Session& session) const {
    return !session.state.authenticated && !acl_.default_is_open();
  }
  // Makes it that user's session; false, logged as `command` asking for it, when the pair is wrong.
  bool authenticate(Session& session, std::string_view user, std::string_view password,
                    std::string_view command);
  // Whether the session's user may run the command. `args` begin with its name.
  AclDecision check_access(const Session& session, const Command& command,
                           std::span<const std::string_view> args) const {
    if (session.state.user->unrestricted()) return {};
    return session.state.user->check(command, args);
  }
  // Counts and logs what check_access() denied.
  void record_denial(const Session& session, AclDecision denied, AclContext context,
                     const Command& command, std::span<const std::string_view> args);
  // The ACL commands. The text is the error's without "ERR "; empty: done. `caller` gets its reply
  // even if it is to be closed.
  std::string load_acl_file(Session& caller);
  std::string save_acl_file();
  std::string set_user(std::string_view name, std::span<const std::string_view> rules,
                       Session& caller);
  bool delete_user(std::string_view name, Session& caller);

  // --- CLIENT PAUSE, MONITOR ---
  Pause& pause() { return pause_; }
  bool paused(int64_t now_ms) const { return pause_.until_ms != 0 && now_ms < pause_.until_ms; }
  // True when the command has to wait for the end of a pause.
  bool paused_for(const Session& session, const Command* command, int64_t now_ms) const;
  void end_pause();

  // --- values on the device, memory (in memory_pressure.cc) ---
  // Asks for the values that the request needs and that are on the device only; gives how many.
  // `waits`: the session is told of each (Session::value_arrived). While makes_room() they are only
  // counted.
  size_t fetch_values(Session& session, const Command* command,
                      std::span<const std::string_view> args, bool waits);
  bool may_be_cold(const Route& route) const {
    if (route.shard != nullptr && !route.everywhere) return route.shard->keyspace().may_be_cold();
    return shards_.any([](Shard& shard) { return shard.keyspace().may_be_cold(); });
  }
  // True when the command writes, and the log has to come nearer first.
  bool waits_for_log(const Session& session, const Command* command, const Route& route) const;
  // True when the command has to wait until memory was freed.
  bool waits_for_memory(const Session& session, const Command* command) const {
    return over_memory_limit_ && memory_can_be_freed() && command != nullptr &&
           (session.effective_flags(*command) & kDenyOom) != 0;
  }
  // Memory is over its limit, and is becoming less: values on the device wait for that.
  bool makes_room() const { return over_memory_limit_ && frees_memory_; }
  // --- in a group (group.cc) ---
  // True when the command has to wait: this primary cannot be sure that it still is one.
  // In a cluster: the slot of the keys that a command names, and its shard.
  Route route_of_keys(const Command& command, std::span<const std::string_view> args);
  bool waits_for_lease(const Session& session, const Command* command, const Route& route);
  bool out_of_memory() const { return over_memory_limit_ && !memory_can_be_freed(); }
  void set_monitor(Session& session, bool on);
  void show_to_monitors(const CommandContext& context);

  // --- scripts (serving beside a long one: busy.cc) ---
  Scripts& scripts();
  Functions& functions(Shard& shard);  // that this shard keeps
  // Null while nothing was used yet, which costs nothing.
  const Scripts* known_scripts() const { return scripts_.get(); }
  const Functions* known_functions(const Shard& shard) const;
  ScriptRun* running_script() const { return running_script_; }
  void set_running_script(ScriptRun* run) { running_script_ = run; }
  // Looks after all clients but the caller, from within its script.
  void serve_while_busy(Session& caller);
  std::string_view busy_error() const;
  // A command of a script was refused, for `reason`; null: there is none of that name.
  void count_refused(const Command* command, std::string_view reason);

  // --- pub/sub, client-side caching ---
  // The key is about to be erased because its time has come.
  void key_expires(DbId db, const KeyRef& key);
  // Fields of a hash have expired, all of them if it is `emptied`.
  void key_evicted(DbId db, const KeyRef& key);
  void fields_expired(DbId db, const KeyRef& key, bool emptied);
  PubSub& pubsub() { return pubsub_; }
  const Relay& relay() const { return relay_; }
  // PUBLISH: to who listens here, whose number it gives, and through the relay to other nodes.
  uint64_t publish(std::string_view channel, std::string_view message);
  // What a client published at another node.
  void published_elsewhere(const Published& message);
  Tracking& tracking() { return tracking_; }

  // --- traces (traced_commands.cc) ---
  void keep_slow_traces(Shard& shard);

  // --- limits and settings ---
  void apply_setting(const OptionSpec& option);  // after CONFIG SET
  void reset_stats();                            // CONFIG RESETSTAT
  bool over_memory_limit() const { return over_memory_limit_; }
  void set_active_expire(bool on) { active_expire_ = on; }
  // Operations per second, kilobytes in and out per second, over the last seconds.
  double ops_per_second() const { return ops_per_second_; }
  double input_kbps() const { return input_kbps_; }
  double output_kbps() const { return output_kbps_; }

 private:
  // What the server keeps for each shard.
  struct Hosted {
    Hosted(Reactor& reactor, Shard& its_shard);
    ~Hosted();
    Hosted(const Hosted&) = delete;
    Hosted& operator=(const Hosted&) = delete;

    Shard& shard;
    Eviction eviction;
    Seq told = 0;  // the last entry of the turn before
    // Keyspace::cool_rounds() and Checkpoint::finished_count() when values were forgotten last.
    uint64_t fruitful_round = 0;
    uint64_t fruitful_checkpoint = 0;
    std::unique_ptr<Functions> functions;  // made at the first use
  };

  void host(Shard& shard);
  Route route_in_cluster(const Session& session, const Command* command,
                         std::span<const std::string_view> args);
  bool may_look_everywhere(const Command& command) const;
  // Why the command may not run here; empty when it may.
  std::string not_served(const Session& session, const Route& route, uint32_t flags,
                         const Command& command, std::span<const std::string_view> args) const;
  std::string moved(const Route& route, const Command& command,
                    std::span<const std::string_view> args) const;
  void serving_changed(Shard& shard, bool serves);
  void slots_changed();
  void begin_entries(const CommandContext& context, const Route& route);
  // Notes what the command wrote, for its reply and for its trace, and gives it; of several shards
  // the last.
  CommitPoint end_entries(CommandContext& context, const Route& route, const CallTimes& times);
  // traced_commands.cc
  std::string trace_refusal(Session& session, const Command& command, const Route& route);
  void trace_reply(CommandContext& context, const CommitPoint& wrote, const CallTimes& times,
                   uint64_t start);
  // tagged_writes.cc
  bool answer_again(CommandContext& context, const Route& route, const WriteTag& tag);
  bool take_over_wait(Session& session, const WriteTag& tag);
  void remember_outcome(CommandContext& context, const Route& route, const WriteTag& tag,
                        uint64_t reply_start);
  void remember_timeout(const Session& session, uint64_t reply_start);
  // All entries of this turn. Once a turn.
  Dependency entries_of_turn();
  void look_for_lease(Shard& of);
  void accept(std::unique_ptr<Conn> conn);
  void refuse(Conn& conn, std::string_view error);
  void turn_end();
  void ask_lookers();
  void flush_sessions();
  void free_sessions();
  void on_commit(const Shard& shard);
  void on_failure(const Status& status);
  void every_100ms();
  void expire_slice();
  uint64_t expire_due(Shard& shard, int64_t budget_us, bool* more);
  bool evicts() const { return options_.memory_policy != EvictionPolicy::kNone; }
  bool memory_can_be_freed() const { return !memory_exhausted_ && (evicts() || can_cool()); }
  bool can_cool() const {
    return shards_.any([](Shard& shard) { return shard.cold_values().supported(); });
  }
  void watch_memory();
  void relieve_memory();
  uint64_t cool_values(uint64_t used);
  uint64_t cool_values(Hosted& hosted, uint64_t bytes, int64_t budget_us, bool* exhausted);
  uint64_t evict_keys(uint64_t used);
  void sample_rates(int64_t now_ns);
  void look_at_logs();
  void close_sessions_of(const AclUser& user, Session* caller);
  // Closes the sessions that listen to what their user, changed a moment ago, may not any more.
  void close_if_lost_channels(const AclUser& user, const AclUser& before, Session* caller);
  // Why the session's user may not; counted and logged.
  std::string denial(Session& session, const Command& command,
                     std::span<const std::string_view> args);
  // Why the command may not run (or be queued) now; empty when it may. With the tag of a write that
  // was carried out before it may, whatever there is no room for now: it is only answered again.
  std::string refusal(Session& session, const Command& command,
                      std::span<const std::string_view> args, const Route& route,
                      const WriteTag& tag);
  // Replies with the reason. A transaction that the command was meant for can't be executed then.
  void refuse(Session& session, const Command* command, std::string_view reason);
  void run(CommandContext& context, int64_t* clock_ns);
  void record_call(CommandContext& context, uint64_t errors_before, int64_t start_ns,
                   int64_t end_ns);
  static bool wants_reply(Session& session, const Command* ran);
  void finish_reply(Session& session, const Command* ran, uint64_t start,
                    const Dependency& depends_on);
  void send_reply(Session& session, uint64_t start, const Dependency& depends_on);
  // Lets the sessions go on whose keys have been given what they wait for. Called when an entry is
  // complete, never between two parts of one.
  void serve_waiting() {
    if (blocked_keys_.any_ready()) serve_ready_keys();
  }
  void serve_ready_keys();
  void run_again(Session& session, int64_t now_ms);
  void settle_pushes(Session& session);
  void settle_pushes_of(const Shard& shard);
  void count_error(const std::string& code);

  Reactor& reactor_;
  Net& net_;
  Random& random_;
  Options& options_;
  Shards& shards_;
  std::vector<std::unique_ptr<Hosted>> hosted_;  // in the order of shards_.all()
  ServerHooks hooks_;
  std::function<void(const Status&)> on_log_failure_;
  CommandTable commands_;
  Acl acl_{commands_};
  AclLog acl_log_;
  ServerStats stats_;
  SlowLog slowlog_;
  LatencyMonitor latency_;
  Deliveries deliveries_;
  PubSub pubsub_;
  Relay relay_{hooks_.publish};
  Tracking tracking_;
  const int64_t start_wall_ms_;
  std::string run_id_;
  std::unique_ptr<char[]> read_buffer_;
  Batch batch_;
  std::string operands_;

  std::vector<std::unique_ptr<Listener>> listeners_;
  uint64_t next_session_id_ = 1;
  BlockedKeys blocked_keys_{shards_};  // outlives the sessions
  std::map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::deque<std::pair<uint64_t, ClientName>> gone_;  // the last kGoneKept sessions
  std::vector<Session*> to_flush_;
  std::vector<Session*> to_free_;
  std::vector<Session*> held_;  // with replies that wait for a commit
  std::vector<uint64_t> monitors_;
  std::map<uint64_t, Answered> lookers_;  // by session; one that waits no more is dropped
  WatchedKeys watched_keys_{shards_};
  std::unique_ptr<Scripts> scripts_;  // made at the first use
  ScriptRun* running_script_ = nullptr;
  int64_t served_while_busy_ns_ = 0;

  Pause pause_;
  bool stopping_ = false;
  bool failure_told_ = false;
  std::vector<Shard*> without_lease_;  // that sessions wait for
  std::vector<FoundKey> found_keys_;   // kept, so that routing allocates nothing
  std::vector<Shard*> behind_;         // as of the last turn's end: what writes to them waits
  bool watches_memory_ = false;
  bool over_memory_limit_ = false;
  bool memory_exhausted_ = false;  // and there is nothing that could be kept on the device only
  int64_t cool_again_ns_ = 0;      // if it is exhausted
  bool frees_memory_ = false;      // the last look at it freed some
  size_t expires_next_ = 0;        // the shard, by its place, that goes first
  bool active_expire_ = true;
  bool expire_slice_pending_ = false;
  std::shared_ptr<bool> alive_;  // false once destroyed: posted tasks and timers look at it

  int64_t sampled_ns_ = 0;
  uint64_t sampled_commands_ = 0, sampled_input_ = 0, sampled_output_ = 0;
  double ops_per_second_ = 0, input_kbps_ = 0, output_kbps_ = 0;
};

}  // namespace holdfast
