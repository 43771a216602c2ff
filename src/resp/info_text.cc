// See info_text.h.
#include "resp/info_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/version.h"
#include "replica/repairs.h"
#include "resp/command_table.h"
#include "resp/memory_report.h"
#include "resp/script/functions.h"
#include "resp/script/scripts.h"
#include "resp/server.h"

namespace holdfast {
namespace {

class Text {
 public:
  void section(std::string_view title) {
    if (!out_.empty()) out_ += "\r\n";
    out_.append("# ").append(title).append("\r\n");
  }
  void line(std::string_view name, std::string_view value) {
    out_.append(name).append(":").append(value).append("\r\n");
  }
  template <typename N>
  void number(std::string_view name, N value) {
    line(name, std::to_string(value));
  }
  void real(std::string_view name, double value, int digits = 2) {
    line(name, fixed(value, digits));
  }
  // Fields of Redis's for what does not exist here, and so never happens.
  void zeros(std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) line(name, "0");
  }
  void bytes(std::string_view name, uint64_t value) {
    number(name, value);
    line(std::string(name) + "_human", human_bytes(value));
  }
  static std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
  }
  void raw(std::string_view lines) { out_.append(lines); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void server_section(Server& s, Text& t) {
  const int64_t now_us = s.clock().wall_us();
  const int64_t up = (now_us / 1000 - s.start_wall_ms()) / 1000;
  t.section("Server");
  t.line("redis_version", kRedisVersion);
  t.line("redis_git_sha1", "00000000");
  t.line("redis_git_dirty", "0");
  t.line("redis_build_id", "0");
  t.line("redis_mode", s.shards().in_cluster() ? "cluster" : "standalone");
  t.line("server_name", "holdfast");
  t.line("holdfast_version", kHoldfastVersion);
  t.line("os", s.hooks().process.operating_system);
  t.number("arch_bits", sizeof(void*) * 8);
  t.line("monotonic_clock", "POSIX clock_gettime");
  t.line("multiplexing_api", "epoll");
  t.line("gcc_version", __VERSION__);
  t.number("process_id", s.hooks().process.id);
  t.line("process_supervised", "no");
  t.line("run_id", s.run_id());
  const auto addresses = s.addresses();
  t.number("tcp_port", addresses.empty() ? 0 : addresses[0].port);
  t.number("server_time_usec", now_us);
  t.number("uptime_in_seconds", up);
  t.number("uptime_in_days", up / 86400);
  t.line("hz", "10");
  t.line("configured_hz", "10");
  t.number("lru_clock", now_us / 1000000 & 0xffffff);
  t.line("executable", s.hooks().process.executable);
  t.line("config_file", s.options().config_file);
  t.line("io_threads_active", "0");
  for (size_t i = 0; i < addresses.size(); ++i) {
    const Address& at = addresses[i];
    t.line("listener" + std::to_string(i),
           at.is_unix() ? "name=unix,bind=" + at.path
                        : "name=tcp,bind=" + at.host + ",port=" + std::to_string(at.port));
  }
}

void clients_section(Server& s, Text& t) {
  size_t largest_in = 0, largest_out = 0;
  for (const auto& [id, session] : s.sessions()) {
    largest_in = std::max(largest_in, session->query_buffer_bytes());
    largest_out = std::max<size_t>(largest_out, session->output.unsent_bytes());
  }
  t.section("Clients");
  t.number("connected_clients", s.sessions().size());
  t.line("cluster_connections", "0");
  t.number("maxclients", s.options().resp_max_clients);
  t.number("client_recent_max_input_buffer", largest_in);
  t.number("client_recent_max_output_buffer", largest_out);
  t.number("blocked_clients", s.blocked_sessions());
  t.number("tracking_clients", s.tracking().clients());
  t.number("clients_in_timeout_table", s.sessions_with_timeout());
  t.number("total_blocking_keys", s.blocked_keys().keys());
  t.number("total_blocking_keys_on_nokey", s.blocked_keys().keys_or_gone());
}

void add_scripts(Server& s, Text& t) {
  const Scripts* scripts = s.known_scripts();
  Shard* shard = s.shards().first();
  if (shard != nullptr && !shard->keyspace().libraries().empty()) s.functions(*shard).sync();
  const Functions* functions = shard == nullptr ? nullptr : s.known_functions(*shard);
  const uint64_t eval = scripts == nullptr ? 0 : scripts->lua_bytes();
  const uint64_t function = functions == nullptr ? 0 : functions->lua_bytes();
  const uint64_t eval_code = scripts == nullptr ? 0 : scripts->script_bytes();
  const uint64_t function_code = functions == nullptr ? 0 : functions->code_bytes();
  t.number("used_memory_vm_eval", eval);
  t.bytes("used_memory_lua", eval);
  t.number("used_memory_scripts_eval", eval_code);
  t.number("number_of_cached_scripts", scripts == nullptr ? 0 : scripts->count());
  t.number("number_of_functions", functions == nullptr ? 0 : functions->count());
  t.number("number_of_libraries", functions == nullptr ? 0 : functions->libraries().size());
  t.number("used_memory_vm_functions", function);
  t.bytes("used_memory_vm_total", eval + function);
  t.number("used_memory_functions", function_code);
  t.bytes("used_memory_scripts", eval_code + function_code);
}

void memory_section(Server& s, Text& t) {
  const MemoryReport memory = memory_report(s);
  const AllocatorUsage& allocator = memory.allocator;
  const auto apart = [&t](std::string_view name, uint64_t a, uint64_t b) {
    t.real(std::string(name) + "_ratio", ratio(a, b));
    t.number(std::string(name) + "_bytes", static_cast<int64_t>(a - b));
  };
  t.section("Memory");
  t.bytes("used_memory", memory.used);
  t.bytes("used_memory_rss", memory.process_resident);
  t.bytes("used_memory_peak", memory.peak);
  t.line("used_memory_peak_perc", Text::fixed(memory.peak_percent(), 2) + "%");
  t.number("used_memory_overhead", memory.overhead());
  t.number("used_memory_startup", memory.startup);
  t.number("used_memory_dataset", memory.dataset());
  t.line("used_memory_dataset_perc", Text::fixed(memory.dataset_percent(), 2) + "%");
  t.number("allocator_allocated", allocator.allocated);
  t.number("allocator_active", allocator.active);
  t.number("allocator_resident", allocator.resident);
  t.bytes("total_system_memory", s.hooks().process.machine_memory_bytes);
  add_scripts(s, t);
  t.bytes("maxmemory", memory.limit);
  t.line("maxmemory_policy", find_option("memory.policy")->get(s.options()));
  apart("allocator_frag", allocator.active, allocator.allocated);
  apart("allocator_rss", allocator.resident, allocator.active);
  apart("rss_overhead", memory.process_resident, allocator.resident);
  apart("mem_fragmentation", memory.process_resident, memory.used);
  t.line("mem_not_counted_for_evict", "0");
  t.number("mem_replication_backlog", memory.logs);
  t.number("mem_total_replication_buffers", memory.logs);
  t.line("mem_clients_slaves", "0");
  t.number("mem_clients_normal", memory.clients);
  t.line("mem_cluster_links", "0");
  t.number("mem_aof_buffer", uncommitted_bytes(s.shards()));
  t.line("mem_allocator", s.hooks().allocator_name ? s.hooks().allocator_name() : "libc");
  t.line("active_defrag_running", "0");
  t.number("lazyfree_pending_objects",
           s.shards().sum([](Shard& shard) { return shard.keyspace().garbage_count(); }));
  t.number("lazyfreed_objects",
           s.shards().sum([](Shard& shard) { return shard.keyspace().garbage_freed(); }));
  ColdStats cold;
  for (Shard* shard : s.shards().all()) {
    const ColdStats& own = shard->cold_values().stats();
    cold.cooled_bytes += own.cooled_bytes;
    cold.fetched += own.fetched;
    cold.waited += own.waited;
    cold.unreadable += own.unreadable;
  }
  t.number("cold_freed_bytes", cold.cooled_bytes);
  t.number("cold_values_fetched", cold.fetched);
  t.number("cold_values_waited_for", cold.waited);
  t.number("cold_values_unreadable", cold.unreadable);
}

std::string_view durability_name(Durability durability) {
  switch (durability) {
    case Durability::kAlways:
      return "always";
    case Durability::kInterval:
      return "interval";
    case Durability::kNone:
      break;
  }
  return "none";
}

// Of all shards: sums, and the checkpoint that is longest ago.
struct Persistence {
  explicit Persistence(const Shards& shards) {
    for (Shard* shard : shards.all()) add(*shard);
  }
  void add(Shard& shard) {
    const Checkpoint& last = shard.checkpoint();
    changes += shard.changes_since_checkpoint();
    failed = failed || shard.failed();
    running = running || last.running();
    finished_ms =
        finished_ms == 0 ? last.finished_wall_ms() : std::min(finished_ms, last.finished_wall_ms());
    finished += last.finished_count();
    finished_seq += last.finished_seq();
    keys_left += last.keys_left();
    last_seq += shard.last_seq();
    commit_seq += shard.commit_seq();
    recovery.records += shard.recovery().records;
    recovery.entries += shard.recovery().entries;
    recovery.milliseconds += shard.recovery().milliseconds;
  }

  uint64_t changes = 0, finished = 0, keys_left = 0;
  Seq finished_seq = 0, last_seq = 0, commit_seq = 0;
  bool failed = false, running = false;
  int64_t finished_ms = 0;
  RecoveryReport recovery;
};

void persistence_section(Server& s, Text& t) {
  const Persistence all(s.shards());
  Shard* shard = s.shards().first();
  const EngineInfo info = shard == nullptr ? EngineInfo() : shard->engine().info();
  const EngineStats engine = shard == nullptr ? EngineStats() : shard->engine().stats();
  t.section("Persistence");
  t.line("loading", "0");
  t.line("async_loading", "0");
  t.number("rdb_changes_since_last_save", all.changes);
  t.number("rdb_bgsave_in_progress", all.running ? 1 : 0);
  t.number("rdb_last_save_time", all.finished_ms / 1000);
  t.line("rdb_last_bgsave_status", all.failed ? "err" : "ok");
  t.line("rdb_last_bgsave_time_sec", "-1");
  t.line("rdb_current_bgsave_time_sec", "-1");
  t.number("rdb_saves", all.finished);
  t.line("rdb_last_load_keys_expired", "0");
  t.number("rdb_last_load_keys_loaded", all.recovery.records);
  t.number("aof_enabled", info.durable ? 1 : 0);
  t.zeros({"aof_rewrite_in_progress", "aof_rewrite_scheduled"});
  t.line("aof_last_rewrite_time_sec", "-1");
  t.line("aof_current_rewrite_time_sec", "-1");
  t.line("aof_last_bgrewrite_status", "ok");
  t.line("aof_last_write_status", all.failed ? "err" : "ok");
  if (info.durable) {
    t.number("aof_current_size", engine.log_bytes);
    t.number("aof_base_size", engine.record_bytes);
    t.number("aof_buffer_length", uncommitted_bytes(s.shards()));
    t.zeros({"aof_pending_rewrite", "aof_pending_bio_fsync", "aof_delayed_fsync"});
  }
  t.line("engine", info.name);
  t.line("durability", durability_name(s.options().durability));
  t.number("last_seq", all.last_seq);
  t.number("commit_seq", all.commit_seq);
  t.number("uncommitted_bytes", uncommitted_bytes(s.shards()));
  t.number("log_groups", engine.appended_groups);
  t.number("log_appended_bytes", engine.appended_bytes);
  t.number("log_kept_bytes", engine.log_bytes);
  t.number("log_flushes", engine.flushes);
  t.number("log_flush_usec_last", engine.flush_ns_last / 1000);
  t.number("log_flush_usec_max", engine.flush_ns_max / 1000);
  t.number("scrub_damaged_records", engine.damaged_records);
  t.number("checkpoint_seq", all.finished_seq);
  t.number("checkpoint_keys_left", all.keys_left);
  t.number("recovery_records", all.recovery.records);
  t.number("recovery_entries", all.recovery.entries);
  t.number("recovery_ms", all.recovery.milliseconds);
}

void stats_section(Server& s, Text& t) {
  const ServerStats& stats = s.stats();
  t.section("Stats");
  t.number("total_connections_received", stats.connections_received);
  t.number("total_commands_processed", stats.commands_processed);
  t.number("instantaneous_ops_per_sec", static_cast<int64_t>(s.ops_per_second()));
  t.number("total_net_input_bytes", stats.net_input_bytes);
  t.number("total_net_output_bytes", stats.net_output_bytes);
  t.real("instantaneous_input_kbps", s.input_kbps());
  t.real("instantaneous_output_kbps", s.output_kbps());
  t.number("rejected_connections", stats.connections_rejected);
  t.zeros({"sync_full", "sync_partial_ok", "sync_partial_err"});
  t.number("expired_keys", stats.expired_keys);
  t.number("evicted_keys", stats.evicted_keys);
  t.zeros({"evicted_clients", "total_eviction_exceeded_time", "current_eviction_exceeded_time"});
  t.number("keyspace_hits", stats.keyspace_hits);
  t.number("keyspace_misses", stats.keyspace_misses);
  t.number("pubsub_channels", s.pubsub().channels(SubscriptionKind::kChannel).size());
  t.number("pubsub_patterns", s.pubsub().channels(SubscriptionKind::kPattern).size());
  t.number("pubsubshard_channels", s.pubsub().channels(SubscriptionKind::kShard).size());
  t.zeros({"latest_fork_usec", "total_forks", "migrate_cached_sockets",
           "slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses",
           "active_defrag_key_hits", "active_defrag_key_misses"});
  t.number("tracking_total_keys", s.tracking().key_count());
  t.number("tracking_total_items", s.tracking().item_count());
  t.number("tracking_total_prefixes", s.tracking().prefix_count());
  t.zeros({"unexpected_error_replies"});
  t.number("total_error_replies", stats.error_replies);
  t.number("acl_access_denied_auth", stats.acl_denied_auth);
  t.number("acl_access_denied_cmd", stats.acl_denied_command);
  t.number("acl_access_denied_key", stats.acl_denied_key);
  t.number("acl_access_denied_channel", stats.acl_denied_channel);
  t.number("client_query_buffer_limit_disconnections", stats.query_buffer_closed);
  t.number("client_output_buffer_limit_disconnections", stats.output_buffer_closed);
  t.number("replies_held", stats.replies_held);
  t.number("writes_paused", stats.writes_paused);
}

// "HOST" and "PORT" of "HOST:PORT"; both empty if it is not known.
std::pair<std::string, std::string> client_address(Server& s, NodeId node) {
  const std::string address = s.hooks().client_address ? s.hooks().client_address(node) : "";
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {};
  return {address.substr(0, colon), address.substr(colon + 1)};
}

// The backups of a primary, as tools look for a master's slaves.
void backup_lines(Server& s, const ReplicaCore& core, Text& t) {
  const int64_t now_ns = s.clock().boot_ns();
  std::string lines;
  int count = 0;
  for (const PeerStatus& peer : core.peer_status()) {
    const GroupPeer link =
        s.hooks().group_peer ? s.hooks().group_peer(peer.member.node) : GroupPeer();
    if (!link.up || link.member != peer.member) continue;
    const auto [host, port] = client_address(s, peer.member.node);
    const std::string_view state = peer.state == "replicating" ? "online" : "wait_bgsave";
    const int64_t lag = peer.heard_ns > 0 ? (now_ns - peer.heard_ns) / 1'000'000'000 : -1;
    lines += fmt::format("slave{}:ip={},port={},state={},offset={},lag={}\r\n", count++, host, port,
                         state, peer.durable, lag);
  }
  t.number("connected_slaves", count);
  t.raw(lines);
}

void master_lines(Server& s, const ReplicaCore& core, Text& t) {
  const auto [host, port] = client_address(s, core.leader().node);
  const GroupPeer link =
      s.hooks().group_peer ? s.hooks().group_peer(core.leader().node) : GroupPeer();
  const bool up = core.role() == Role::kBackup && link.up && link.member == core.leader();
  t.line("master_host", host);
  t.line("master_port", port.empty() ? "0" : port);
  t.line("master_link_status", up ? "up" : "down");
  t.line("master_last_io_seconds_ago", up ? "0" : "-1");
  t.line("master_sync_in_progress", "0");
  t.number("slave_read_repl_offset", core.last().seq);
  t.number("slave_repl_offset", core.committed().seq);
  t.line("slave_priority", "100");
  t.line("slave_read_only", "1");
  t.line("replica_announced", "1");
  t.line("connected_slaves", "0");
}

// What came from other members in place of what is damaged here.
void repair_lines(const Shard& shard, const Replica& replica, Text& t) {
  const Repairs& repairs = *shard.repairs();
  t.number("log_trusted", replica.core().trusted() ? 1 : 0);
  t.number("state_whole", replica.core().whole() ? 1 : 0);
  t.number("repairs_waiting", repairs.waiting());
  t.number("records_repaired", repairs.stats().repaired);
  t.number("repair_answers_refused", repairs.stats().refused);
  t.number("repair_answers_sent", repairs.stats().answered);
}

void replication_section(Server& s, Text& t) {
  const Shard* shard = s.shards().first();  // of several, one that serves
  const Replica* replica = shard == nullptr ? nullptr : shard->replica();
  const bool follows = replica != nullptr && !replica->core().serving();
  t.section("Replication");
  t.line("role", follows ? "slave" : "master");
  if (replica == nullptr) {
    t.line("connected_slaves", "0");
  } else if (follows) {
    master_lines(s, replica->core(), t);
  } else {
    backup_lines(s, replica->core(), t);
  }
  if (replica != nullptr) repair_lines(*shard, *replica, t);
  t.line("master_failover_state", "no-failover");
  t.line("master_replid", s.run_id());
  t.line("master_replid2", std::string(40, '0'));
  t.number("master_repl_offset", s.shards().sum([](Shard& one) { return one.commit_seq(); }));
  t.line("second_repl_offset", "-1");
  t.zeros({"repl_backlog_active", "repl_backlog_size", "repl_backlog_first_byte_offset",
           "repl_backlog_histlen"});
}

void cpu_section(Server& s, Text& t) {
  const ProcessUsage usage = s.hooks().process_usage ? s.hooks().process_usage() : ProcessUsage{};
  t.section("CPU");
  t.real("used_cpu_sys", usage.system_seconds, 6);
  t.real("used_cpu_user", usage.user_seconds, 6);
  t.line("used_cpu_sys_children", "0.000000");
  t.line("used_cpu_user_children", "0.000000");
}

void modules_section(Server&, Text& t) { t.section("Modules"); }

template <typename Visit>
void visit_called(Server& s, Visit visit) {
  const auto one = [&visit](const Command& command) {
    if (command.stats.calls + command.stats.rejected > 0) visit(command);
  };
  for (const auto& command : s.commands().commands()) {
    one(*command);
    for (const auto& sub : command->subcommands) one(*sub);
  }
}

void commandstats_section(Server& s, Text& t) {
  t.section("Commandstats");
  visit_called(s, [&t](const Command& command) {
    const CommandStats& stats = command.stats;
    const double usec = double(stats.nanoseconds) / 1000;
    t.line("cmdstat_" + command.full_name,
           "calls=" + std::to_string(stats.calls) +
               ",usec=" + std::to_string(stats.nanoseconds / 1000) + ",usec_per_call=" +
               Text::fixed(stats.calls == 0 ? 0 : usec / double(stats.calls), 2) +
               ",rejected_calls=" + std::to_string(stats.rejected) +
               ",failed_calls=" + std::to_string(stats.failed));
  });
}

void errorstats_section(Server& s, Text& t) {
  t.section("Errorstats");
  for (const auto& [code, count] : s.stats().errors) {
    t.line("errorstat_" + code, "count=" + std::to_string(count));
  }
}

void latencystats_section(Server& s, Text& t) {
  t.section("Latencystats");
  visit_called(s, [&t](const Command& command) {
    const Histogram* histogram = command.stats.latency_ns.get();
    if (histogram == nullptr) return;
    const auto usec = [histogram](double fraction) {
      return Text::fixed(double(histogram->percentile(fraction)) / 1000, 3);
    };
    t.line("latency_percentiles_usec_" + command.full_name,
           "p50=" + usec(0.5) + ",p99=" + usec(0.99) + ",p99.9=" + usec(0.999));
  });
}

void cluster_section(Server& s, Text& t) {
  t.section("Cluster");
  t.line("cluster_enabled", s.shards().in_cluster() ? "1" : "0");
}

void keyspace_section(Server& s, Text& t) {
  t.section("Keyspace");
  for (int number = 0; number < kDbCount; ++number) {
    uint64_t keys = 0, expires = 0;
    double ttl_ms = 0;
    for (Shard* shard : s.shards().all()) {
      if (s.shards().in_cluster() && !shard->serves()) continue;
      const Keyspace& keyspace = shard->keyspace();
      const DbId db = keyspace.physical(number);
      const uint64_t expiring = keyspace.size_with_expiry(db);
      keys += keyspace.size(db);
      expires += expiring;
      ttl_ms += double(keyspace.average_ttl_ms(db, s.clock().wall_ms())) * double(expiring);
    }
    if (keys == 0) continue;
    const auto average = static_cast<int64_t>(expires == 0 ? 0 : ttl_ms / double(expires));
    t.line("db" + std::to_string(number), "keys=" + std::to_string(keys) +
                                              ",expires=" + std::to_string(expires) +
                                              ",avg_ttl=" + std::to_string(average));
  }
}

struct Section {
  std::string_view name;
  void (*write)(Server&, Text&);
  bool in_default;
  bool in_all;
};
constexpr Section kSections[] = {
    {"server", server_section, true, true},
    {"clients", clients_section, true, true},
    {"memory", memory_section, true, true},
    {"persistence", persistence_section, true, true},
    {"stats", stats_section, true, true},
    {"replication", replication_section, true, true},
    {"cpu", cpu_section, true, true},
    {"modules", modules_section, true, false},
    {"commandstats", commandstats_section, false, true},
    {"errorstats", errorstats_section, true, true},
    {"latencystats", latencystats_section, false, true},
    {"cluster", cluster_section, true, true},
    {"keyspace", keyspace_section, true, true},
};

bool wanted(const Section& section, const std::vector<std::string_view>& names) {
  if (names.empty()) return section.in_default;
  return std::any_of(names.begin(), names.end(), [&section](std::string_view name) {
    if (equals_ignoring_case(name, "everything")) return true;
    if (equals_ignoring_case(name, "all")) return section.in_all;
    if (equals_ignoring_case(name, "default")) return section.in_default;
    return equals_ignoring_case(name, section.name);
  });
}

}  // namespace

std::string info_text(Server& server, const std::vector<std::string_view>& sections) {
  Text text;
  for (const Section& section : kSections) {
    if (wanted(section, sections)) section.write(server, text);
  }
  return text.take();
}

}  // namespace holdfast
