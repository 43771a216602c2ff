// Options: everything that a configuration file or CONFIG SET can say, as plain values, and the
// one table that names, types, bounds and explains each of them.
//
// The table drives the YAML loader (node/config), CONFIG GET/SET/REWRITE (resp) and the generated
// conf/reference.yaml; a test fails when the file and the table differ. An option has one name of
// ours ("resp.port") and, where the meaning is the same, Redis's names as aliases ("port").
//
// Threads: the reactor's only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/collection_limits.h"
#include "base/log.h"
#include "base/notify_class.h"
#include "base/status.h"

namespace holdfast {

enum class EngineType : uint8_t { kDisk, kMem, kRocks };
enum class Durability : uint8_t { kAlways, kInterval, kNone };
enum class Mode : uint8_t { kStandalone, kStorage, kCoordinator, kGateway };
enum class Replication : uint8_t { kNone, kRaft };
enum class EvictionPolicy : uint8_t {
  kNone,
  kAllKeysLru,
  kAllKeysRandom,
  kVolatileLru,
  kVolatileRandom,
  kVolatileTtl,
};

// Bounds of one client class's unsent replies; 0 is no bound (Redis's meaning).
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  int64_t soft_seconds = 0;
  bool operator==(const OutputLimit&) const = default;
};
enum class ClientClass : uint8_t { kNormal, kReplica, kPubSub };
inline constexpr int kClientClasses = 3;

// A node as cluster.members and cluster.coordinators name it.
struct GroupMember {
  uint32_t node = 0;
  std::string host;
  uint16_t port = 0;       // for the other members
  uint16_t resp_port = 0;  // for clients
  bool operator==(const GroupMember&) const = default;
};

struct Options {
  Mode mode = Mode::kStandalone;

  std::vector<std::string> resp_bind = {"127.0.0.1"};
  uint16_t resp_port = 6380;  // 0: any free port
  std::string resp_unix_socket;
  uint32_t resp_unix_socket_mode = 0700;
  int resp_backlog = 511;
  uint64_t resp_max_clients = 10000;
  int64_t resp_idle_timeout_s = 0;  // 0: never
  int resp_keepalive_s = 300;
  bool resp_protected_mode = true;
  std::string resp_password;  // empty: no password
  std::string resp_acl_file;  // empty: none
  uint64_t resp_acl_log_max_len = 128;
  bool resp_acl_all_channels = false;  // new users may use all channels
  uint64_t resp_max_bulk_bytes = 512ULL << 20;
  uint64_t resp_query_buffer_bytes = 1ULL << 30;
  std::array<OutputLimit, kClientClasses> resp_output_limits = {
      OutputLimit{256ULL << 20, 0, 0}, OutputLimit{256ULL << 20, 64ULL << 20, 60},
      OutputLimit{32ULL << 20, 8ULL << 20, 60}};

  std::string data_dir = "./data";
  EngineType engine_type = EngineType::kDisk;
  uint64_t engine_wal_bytes = 1ULL << 30;
  bool engine_accept_uncertain_tail = false;
  uint64_t engine_scrub_mb_per_second = 32;
  Durability durability = Durability::kAlways;
  uint64_t checkpoint_log_bytes = 256ULL << 20;  // a checkpoint starts when this much was logged
  uint64_t memory_limit = 0;                     // 0: none
  EvictionPolicy memory_policy = EvictionPolicy::kNone;

  int64_t poll_us = 50;                    // of the reactor, before it sleeps
  int64_t expire_budget_us = 1000;         // of reactor time, per active-expiry slice
  int64_t script_busy_ms = 5000;           // 0: a script may run for ever
  int64_t slowlog_slower_than_us = 10000;  // <0: off, 0: everything
  uint64_t slowlog_max_len = 128;
  uint64_t hll_sparse_max_bytes = 3000;  // a HyperLogLog above this is dense
  int64_t latency_threshold_ms = 0;      // 0: off

  NotifyMask notify_events = 0;  // classes of keyspace events that are published

  Replication replication = Replication::kNone;
  uint64_t cluster_id = 1;
  uint32_t cluster_node = 0;
  std::vector<GroupMember> cluster_members;
  std::vector<GroupMember> cluster_coordinators;
  std::string cluster_listen;
  std::string cluster_announce;
  std::string cluster_announce_links;
  uint32_t cluster_shards = 1;
  uint32_t cluster_replicas = 3;
  uint32_t cluster_first_nodes = 0;
  int64_t cluster_failure_timeout_ms = 250;
  int64_t cluster_busy_timeout_ms = 15000;
  std::string cluster_secret;

  uint64_t tracking_table_max_keys = 1000000;  // 0: no limit

  CollectionLimits collections;

  LogOptions log;

  std::string config_file;  // absolute path of the file read at start; empty if none

  std::vector<std::string> gateway_seeds;  // "HOST:PORT"
  std::string gateway_user;                // empty: default
  std::string gateway_password;            // empty: none
  int gateway_connections = 1;             // to each node, for each protocol
  int64_t gateway_retry_ms = 10000;
  uint64_t gateway_queue_bytes = 64ULL << 20;  // that wait on one connection
};

// One row of the table. `get` gives the value as text; `set` parses, checks and stores it.
struct OptionSpec {
  std::string_view name;        // "resp.port"
  std::string_view redis_name;  // "port", or empty when Redis has no such setting
  std::string_view type;        // "port", "bytes", "integer", "yes or no", "one of a, b", ...
  std::string_view unit;        // "bytes", "ms", ... or empty
  std::string_view allowed;     // what a refusal tells: "1 to 65535", "always, interval, none"
  std::string_view doc;         // what it means, one to three sentences
  bool runtime;                 // CONFIG SET may change it
  bool list;                    // a YAML sequence (space separated in CONFIG)
  std::string (*get)(const Options&);
  // A refusal says `"abc" is not a port; allowed: 0 to 65535`, without the name; the value is kept.
  Status (*set)(Options&, std::string_view);
  // The value in Redis's words where they differ from ours (CONFIG GET loglevel); else null.
  std::string (*redis_get)(const Options&) = nullptr;
  // The name that Redis had before and still takes, if any.
  std::string_view redis_old_name = {};
};

std::span<const OptionSpec> option_table();
// By our name or by Redis's (case-insensitive); null when there is none.
const OptionSpec* find_option(std::string_view name);

// What CONFIG GET answers under the option's Redis name.
std::string redis_text(const OptionSpec& option, const Options& options);
// Why set(value) was refused, in the words Redis uses behind "CONFIG SET failed (possibly related
// to argument 'x') - ". REQUIRES: set refused the value.
std::string redis_refusal(const OptionSpec& option, std::string_view value);

// A setting that exists only because Redis tools ask for it: constant or derived, never set.
struct FixedSetting {
  std::string_view name;  // Redis's
  std::string (*get)(const Options&);
};
std::span<const FixedSetting> fixed_settings();
// By name (case-insensitive); null when there is none.
const FixedSetting* find_fixed_setting(std::string_view name);

// "100mb", "1gb", "512" -> bytes, Redis's units (k = 1000, kb = 1024).
Result<uint64_t> parse_bytes(std::string_view text);

}  // namespace holdfast
