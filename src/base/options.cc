// The option table: one row an option, in the order of conf/reference.yaml. Sections stay together.
//
// A row's name, bounds and text are what files, CONFIG and the reference show; nothing else in the
// project repeats them.
#include "base/options.h"

#include <algorithm>
#include <utility>

#include "base/option_kinds.h"
#include "base/option_lists.h"

namespace holdfast {
namespace kinds {

bool same_word(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string shown(std::string_view value) {
  constexpr size_t kMaxShown = 60;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : value.substr(0, kMaxShown)) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out.push_back(c);
    } else {
      out.append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  if (value.size() > kMaxShown) out.append("...");
  return out + '"';
}

Status refused(std::string_view value, std::string_view why, std::string_view allowed) {
  return Status::invalid(shown(value).append(" ").append(why).append("; allowed: ") +
                         std::string(allowed));
}

bool is_path(std::string_view text, size_t max_bytes) {
  return text.size() <= max_bytes &&
         std::ranges::none_of(text, [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; });
}

}  // namespace kinds

namespace {

using namespace kinds;  // the table reads as prose

struct LogLevelField {
  auto& operator()(auto& o) const { return o.log.level; }
};
struct LogJsonField {
  auto& operator()(auto& o) const { return o.log.json; }
};
struct LogFileField {
  auto& operator()(auto& o) const { return o.log.file; }
};

template <auto Member>
struct CollectionField {
  auto& operator()(auto& o) const { return o.collections.*Member; }
};
template <auto Member>
using CollectionNumber = Integer<CollectionField<Member>{}, 0, kMaxBytes>;
template <auto Member>
using CollectionBytes = Bytes<CollectionField<Member>{}, 0, kMaxBytes>;

template <typename T, size_t N>
struct WordSet {
  std::string_view allowed;
  std::array<std::pair<std::string_view, T>, N> words;
};

constexpr WordSet<Durability, 3> kDurabilityWords{"always, interval, none",
                                                  {{{"always", Durability::kAlways},
                                                    {"interval", Durability::kInterval},
                                                    {"none", Durability::kNone}}}};
constexpr WordSet<Mode, 4> kModeWords{"standalone, storage, coordinator, gateway",
                                      {{{"standalone", Mode::kStandalone},
                                        {"storage", Mode::kStorage},
                                        {"coordinator", Mode::kCoordinator},
                                        {"gateway", Mode::kGateway}}}};
constexpr WordSet<Replication, 2> kReplicationWords{
    "none, raft", {{{"none", Replication::kNone}, {"raft", Replication::kRaft}}}};
constexpr WordSet<EvictionPolicy, 6> kEvictionWords{
    "noeviction, allkeys-lru, allkeys-random, volatile-lru, volatile-random, volatile-ttl",
    {{{"noeviction", EvictionPolicy::kNone},
      {"allkeys-lru", EvictionPolicy::kAllKeysLru},
      {"allkeys-random", EvictionPolicy::kAllKeysRandom},
      {"volatile-lru", EvictionPolicy::kVolatileLru},
      {"volatile-random", EvictionPolicy::kVolatileRandom},
      {"volatile-ttl", EvictionPolicy::kVolatileTtl}}}};
// Redis's verbose and notice are taken as the level of ours that shows at least as much.
constexpr WordSet<LogLevel, 7> kLogLevelWords{"debug, info, warning, error, off",
                                              {{{"debug", LogLevel::kDebug},
                                                {"info", LogLevel::kInfo},
                                                {"warning", LogLevel::kWarning},
                                                {"error", LogLevel::kError},
                                                {"off", LogLevel::kOff},
                                                {"verbose", LogLevel::kDebug},
                                                {"notice", LogLevel::kInfo}}}};
constexpr WordSet<bool, 2> kChannelWords{"allchannels, resetchannels",
                                         {{{"resetchannels", false}, {"allchannels", true}}}};
constexpr WordSet<bool, 2> kLogFormatWords{"text, json", {{{"text", false}, {"json", true}}}};

std::string redis_log_level(const Options& o) {
  switch (o.log.level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "notice";
    default:
      return "warning";  // Redis has nothing quieter
  }
}

std::string redis_durability(const Options& o) {
  switch (o.durability) {
    case Durability::kAlways:
      return "always";
    case Durability::kInterval:
      return "everysec";
    case Durability::kNone:
      break;
  }
  return "no";
}

struct Engine {
  static constexpr std::string_view kType = "choice";
  static constexpr std::string_view kAllowed = "disk, mem, rocks";
  static std::string get(const Options& o) {
    switch (o.engine_type) {
      case EngineType::kDisk:
        return "disk";
      case EngineType::kMem:
        return "mem";
      case EngineType::kRocks:
        break;
    }
    return "rocks";
  }
  static Status set(Options& o, std::string_view text) {
    if (text != "disk" && text != "mem" && text != "rocks")
      return refused(text, "is not known", kAllowed);
    o.engine_type = text == "mem"    ? EngineType::kMem
                    : text == "disk" ? EngineType::kDisk
                                     : EngineType::kRocks;
    return {};
  }
};

struct SocketMode {
  static constexpr std::string_view kType = "octal file mode";
  static constexpr std::string_view kAllowed = "000 to 777";
  static std::string get(const Options& o) {
    std::string out = "000";
    for (int i = 0; i < 3; ++i) {
      out[size_t(2 - i)] = static_cast<char>('0' + ((o.resp_unix_socket_mode >> (3 * i)) & 7));
    }
    return out;
  }
  static Status set(Options& o, std::string_view text) {
    uint32_t mode = 0;
    const std::errc error = parse_number(text, &mode, 8);
    if (error != std::errc() || mode > 0777) {
      return refused(text, "is not an octal file mode", kAllowed);
    }
    o.resp_unix_socket_mode = mode;
    return {};
  }
};

// Groups of "class hard soft seconds"; a class that is not named keeps its limits.
struct OutputLimits {
  static constexpr std::string_view kType = "output limits";
  static constexpr std::string_view kAllowed =
      "groups of CLASS HARD SOFT SECONDS, CLASS one of normal, replica, pubsub";

  static std::string text(const Options& o, std::string_view replica) {
    const std::array<std::string_view, kClientClasses> names = {"normal", replica, "pubsub"};
    std::string out;
    for (size_t i = 0; i < names.size(); ++i) {
      const OutputLimit& limit = o.resp_output_limits[i];
      if (i > 0) out.push_back(' ');
      out.append(names[i]).append(" ").append(std::to_string(limit.hard_bytes)).append(" ");
      out.append(std::to_string(limit.soft_bytes)).append(" ");
      out.append(std::to_string(limit.soft_seconds));
    }
    return out;
  }
  static std::string get(const Options& o) { return text(o, "replica"); }
  static std::string redis_get(const Options& o) { return text(o, "slave"); }

  static int class_of(std::string_view word) {
    if (same_word(word, "normal")) return 0;
    if (same_word(word, "replica") || same_word(word, "slave")) return 1;
    return same_word(word, "pubsub") ? 2 : -1;
  }
  static bool parse_limit(std::span<const std::string_view> words, OutputLimit* out) {
    const Result<uint64_t> hard = parse_bytes(words[0]), soft = parse_bytes(words[1]);
    if (!hard.ok() || !soft.ok()) return false;
    *out = {hard.value(), soft.value(), 0};
    return parse_number(words[2], &out->soft_seconds) == std::errc() && out->soft_seconds >= 0 &&
           out->soft_seconds <= kMaxInt;
  }
  static Status set(Options& o, std::string_view value) {
    const std::vector<std::string_view> words = split_words(value);
    if (words.empty() || words.size() % 4 != 0) {
      return refused(value, "is not made of groups of four", kAllowed);
    }
    auto limits = o.resp_output_limits;
    for (size_t i = 0; i < words.size(); i += 4) {
      const int which = class_of(words[i]);
      if (which < 0) return refused(words[i], "is not a client class", kAllowed);
      if (!parse_limit(std::span(words).subspan(i + 1, 3), &limits[size_t(which)])) {
        return refused(value, "has a wrong limit", kAllowed);
      }
    }
    o.resp_output_limits = limits;
    return {};
  }
};

struct NotifyEvents {
  static constexpr std::string_view kType = "event classes";
  static constexpr std::string_view kAllowed = "letters of Ag$lshzxetdnKEm; empty: none";
  static std::string get(const Options& o) { return notify_class_letters(o.notify_events); }
  static Status set(Options& o, std::string_view text) {
    const std::optional<NotifyMask> mask = parse_notify_classes(text);
    if (!mask) return refused(text, "has an unknown class", kAllowed);
    o.notify_events = *mask;
    return {};
  }
};

constexpr bool kRuntime = true;
constexpr bool kAtStart = false;

template <typename Kind>
constexpr OptionSpec row(std::string_view name, std::string_view redis, std::string_view unit,
                         bool runtime, std::string_view doc,
                         std::string (*redis_get)(const Options&) = nullptr,
                         std::string_view redis_old_name = {}) {
  return {name,    redis,         Kind::kType, unit,       Kind::kAllowed, doc,
          runtime, kIsList<Kind>, &Kind::get,  &Kind::set, redis_get,      redis_old_name};
}

constexpr size_t kMaxPath = 4095;
constexpr size_t kMaxSocketPath = 107;  // sun_path

using O = Options;
constexpr std::array kTable = {
    row<Choice<&O::mode, kModeWords>>(
        "mode", "", "", kAtStart,
        "What this process is. standalone: a whole server. Of a cluster: storage keeps data, "
        "coordinator decides who serves which data, gateway lets plain clients use all of it."),

    row<Bind>("resp.bind", "bind", "", kAtStart,
              "Addresses to listen on for clients. An empty list: only the unix socket."),
    row<Port<&O::resp_port>>("resp.port", "port", "", kAtStart,
                             "TCP port for clients. 0: any free port; the ready line names it."),
    row<Path<&O::resp_unix_socket, kMaxSocketPath, true>>(
        "resp.unix_socket", "unixsocket", "", kAtStart,
        "Path of a unix socket to listen on as well. Empty: none."),
    row<SocketMode>("resp.unix_socket_mode", "unixsocketperm", "", kAtStart,
                    "Permissions of the unix socket's file."),
    row<Integer<&O::resp_backlog, 1, 65535>>(
        "resp.backlog", "tcp-backlog", "connections", kAtStart,
        "Connections the kernel keeps waiting until they are accepted. The kernel's own limit "
        "(net.core.somaxconn) holds too."),
    row<Integer<&O::resp_max_clients, 1, 4294967295>>(
        "resp.max_clients", "maxclients", "clients", kRuntime,
        "Clients connected at once; one more is refused. At start the limit of open files must "
        "allow it."),
    row<Integer<&O::resp_idle_timeout_s, 0, kMaxInt>>(
        "resp.idle_timeout_s", "timeout", "s", kRuntime,
        "A client that sends nothing for so long is disconnected. 0: never. Clients that "
        "wait in a blocking command are spared."),
    row<Integer<&O::resp_keepalive_s, 0, kMaxInt>>(
        "resp.keepalive_s", "tcp-keepalive", "s", kRuntime,
        "Interval of TCP keepalive probes, by which dead clients are found. 0: off. Holds for new "
        "connections."),
    row<YesNo<&O::resp_protected_mode>>(
        "resp.protected_mode", "protected-mode", "", kRuntime,
        "Without a password, only clients on the same host are accepted. Turn it off only where "
        "nobody but trusted clients can reach the port."),
    row<Text<&O::resp_password>>(
        "resp.password", "requirepass", "", kRuntime,
        "Password of the user default, which clients must send with AUTH or HELLO before anything "
        "else. Empty: no password. Keep the file readable for its owner only."),
    row<Path<&O::resp_acl_file, kMaxPath, true>>(
        "resp.acl_file", "aclfile", "", kAtStart,
        "File of the users and what they may do, read at start and by ACL LOAD, written by ACL "
        "SAVE. It decides about the user default too, so resp.password has no effect beside it. "
        "Empty: none; users that ACL SETUSER makes are gone at the next start."),
    row<Integer<&O::resp_acl_log_max_len, 0, 1000000>>(
        "resp.acl_log_max_len", "acllog-max-len", "entries", kRuntime,
        "Denials that ACL LOG keeps; the oldest goes first."),
    row<Choice<&O::resp_acl_all_channels, kChannelWords>>(
        "resp.acl_pubsub_default", "acl-pubsub-default", "", kRuntime,
        "Channels that a new user may use before any rule: none or all."),
    row<Bytes<&O::resp_max_bulk_bytes, 1 << 20, kMaxBulkBytes>>(
        "resp.max_bulk_bytes", "proto-max-bulk-len", "bytes", kRuntime,
        "Longest argument of a command, and so the longest string."),
    row<Bytes<&O::resp_query_buffer_bytes, 1 << 20, kMaxQueryBytes>>(
        "resp.query_buffer_bytes", "client-query-buffer-limit", "bytes", kRuntime,
        "A client with more unfinished input than this is disconnected."),
    row<OutputLimits>(
        "resp.output_limits", "client-output-buffer-limit", "bytes, bytes, s", kRuntime,
        "Unsent replies a client may pile up before it is disconnected: at once above HARD, or "
        "above SOFT for SECONDS. 0: no limit. A class that is left out keeps its default.",
        &OutputLimits::redis_get),

    row<Path<&O::data_dir, kMaxPath, false>>(
        "data.dir", "dir", "", kAtStart,
        "Directory of the data, made if it is absent. A relative path starts at the working "
        "directory of the process. One process at a time may use it."),

    row<Engine>("engine.type", "", "", kAtStart,
                "Where data lives. disk: on disk, in Holdfast's own engine. rocks: on disk, in "
                "RocksDB. mem: nowhere but in memory, and lost at the end of the process; it needs "
                "durability: none."),
    row<Bytes<&O::engine_wal_bytes, 1 << 20, kMaxBytes>>(
        "engine.wal_bytes", "", "bytes", kAtStart,
        "Size of the log's ring, engine.type disk, written in full when a store is made; later "
        "changes have no effect. It should hold several checkpoints' worth of log."),
    row<YesNo<&O::engine_accept_uncertain_tail>>(
        "engine.accept_uncertain_tail", "", "", kAtStart,
        "Start although the end of the log is damaged where nothing tells whether it was "
        "acknowledged, and lose that end. Only for one start, after the server refused to."),
    row<Integer<&O::engine_scrub_mb_per_second, 1, 1000>>(
        "engine.scrub_mb_per_second", "", "MiB/s", kRuntime,
        "How fast ENGINE SCRUB START reads what is on the device, engine.type disk. A scrub keeps "
        "the pace that it began with."),

    row<Choice<&O::durability, kDurabilityWords>>(
        "durability", "appendfsync", "", kAtStart,
        "When a write is answered. always: after it is on stable media. interval: before, flushed "
        "about every second, so that a crash of the machine can lose the last second. none: "
        "flushed when the system likes.",
        &redis_durability),

    row<Bytes<&O::checkpoint_log_bytes, 1024, kMaxBytes>>(
        "checkpoint.log_bytes", "", "bytes", kAtStart,
        "A checkpoint starts when this much was logged since the last one. Less: faster recovery, "
        "more writing."),

    row<Bytes<&O::memory_limit, 0, kMaxBytes>>(
        "memory.limit", "maxmemory", "bytes", kRuntime,
        "Above this much memory, values that were not used for long stay on the device only and "
        "are "
        "read when they are wanted (engine.type disk); keys stay in memory. Commands that could "
        "need more wait while memory can be freed, and are refused with OOM when it cannot. "
        "0: no limit."),
    row<Choice<&O::memory_policy, kEvictionWords>>(
        "memory.policy", "maxmemory-policy", "", kRuntime,
        "What goes at memory.limit. noeviction: nothing; values move to the device. The others "
        "erase keys of a data set that is a cache: allkeys any, volatile those that expire; lru "
        "those not used for long, random any, ttl those that expire soonest."),

    row<Integer<&O::poll_us, 0, 1000>>(
        "reactor.poll_us", "", "us", kAtStart,
        "How long the server looks for the next request before it sleeps, after it had one. Costs "
        "processor time between requests that nobody else wants (others go first), and saves the "
        "wake-up. 0, or a single processor: off."),

    row<Integer<&O::expire_budget_us, 50, 100000>>(
        "expire.budget_us", "", "us", kRuntime,
        "Longest slice of time given to removing expired keys before clients are served again."),

    row<Choice<&O::replication, kReplicationWords>>(
        "cluster.replication", "", "", kAtStart,
        "raft: this node holds one of several copies of the data; the members elect a primary, and "
        "an OK means that a majority has the write on stable media. none: the only copy."),
    row<Integer<&O::cluster_id, 1, kMaxBytes>>(
        "cluster.id", "", "", kAtStart,
        "Number of the cluster. Nodes of other clusters are refused."),
    row<Integer<&O::cluster_node, 0, 4294967295>>(
        "cluster.node", "", "", kAtStart,
        "Number of this node among the members, from 1. 0: not given."),
    row<Members<&O::cluster_members>>(
        "cluster.members", "", "", kAtStart,
        "Every node of the group, this one too: its number, where the others reach it, and "
        "its port for clients."),
    row<Members<&O::cluster_coordinators>>(
        "cluster.coordinators", "", "", kAtStart,
        "Every coordinator of the cluster: its number, where the other nodes reach it, and its "
        "port for clients. The same on all nodes."),
    row<Text<&O::cluster_listen>>(
        "cluster.listen", "", "", kAtStart,
        "Where a storage node listens for other nodes, and where they reach it: HOST:PORT."),
    row<Text<&O::cluster_announce>>(
        "cluster.announce", "", "", kAtStart,
        "Where clients reach a storage node: HOST:PORT, told to them by MOVED and CLUSTER SLOTS. "
        "Empty: the first of resp.bind and resp.port."),
    row<Text<&O::cluster_announce_links>>(
        "cluster.announce_links", "", "", kAtStart,
        "Where other nodes reach a storage node, if not at cluster.listen: HOST:PORT, as behind a "
        "relay or in a container."),
    row<Integer<&O::cluster_shards, 1, 1024>>(
        "cluster.shards", "", "", kAtStart,
        "Of a new cluster, for coordinators: into how many shards the slots are divided."),
    row<Integer<&O::cluster_replicas, 1, 9>>(
        "cluster.replicas", "", "", kAtStart,
        "Of a new cluster, for coordinators: copies of each shard, on different nodes. More than "
        "half of them have a write before it is answered."),
    row<Integer<&O::cluster_first_nodes, 0, 4096>>(
        "cluster.first_nodes", "", "", kAtStart,
        "Of a new cluster, for coordinators: storage nodes that are waited for before shards are "
        "placed on them. 0: as many as there are copies."),
    row<Integer<&O::cluster_failure_timeout_ms, 250, 60000>>(
        "cluster.failure_timeout_ms", "", "ms", kAtStart,
        "A primary that is silent for so long is replaced. The same on all nodes, gateways "
        "included. A process that ended is noticed at once by coordinators, but not by a group "
        "without them, which elects a primary after this time to twice of it."),
    row<Integer<&O::cluster_busy_timeout_ms, 0, 3600000>>(
        "cluster.busy_timeout_ms", "", "ms", kAtStart,
        "A node that is at one command or script for long answers nobody meanwhile, but tells the "
        "others that it computes, and is not taken for silent. After so long it tells it no more. "
        "0: never."),
    row<Text<&O::cluster_secret>>(
        "cluster.secret", "", "", kAtStart,
        "What members prove to each other that they know, best 32 random bytes or more as text. "
        "Empty: whoever reaches the port is believed. Keep the file readable for its owner only."),

    row<Endpoints<&O::gateway_seeds>>(
        "gateway.seeds", "", "", kAtStart,
        "Of a gateway without coordinators: nodes that are asked each second who serves which slot "
        "(CLUSTER SLOTS); whoever they name is asked too. A server that is not part of a cluster "
        "serves all slots."),
    row<Text<&O::gateway_user>>(
        "gateway.user", "", "", kAtStart,
        "User as which a gateway authenticates at the nodes. Empty: default."),
    row<Text<&O::gateway_password>>(
        "gateway.password", "", "", kAtStart,
        "Password of gateway.user at the nodes. Empty: it does not authenticate. Keep the file "
        "readable for its owner only."),
    row<Integer<&O::gateway_connections, 1, 64>>(
        "gateway.connections", "", "connections", kAtStart,
        "Connections of a gateway to each node, for each protocol, that its clients share. Each "
        "client always uses the same one."),
    row<Integer<&O::gateway_retry_ms, 0, 3600000>>(
        "gateway.retry_ms", "", "ms", kRuntime,
        "How long a gateway tries again what no node has carried out: while a primary is being "
        "replaced clients wait, and then see an error."),
    row<Bytes<&O::gateway_queue_bytes, 64 << 10, kMaxBytes>>(
        "gateway.queue_bytes", "", "bytes", kAtStart,
        "Commands waiting on one connection to a node, above which their clients are not read."),

    row<Integer<&O::script_busy_ms, 0, kMaxBytes>>(
        "script.busy_ms", "busy-reply-threshold", "ms", kRuntime,
        "A script that runs for longer lets other clients be answered, with BUSY, and can be ended "
        "with SCRIPT KILL as long as it wrote nothing. 0: never."),

    row<Integer<&O::slowlog_slower_than_us, -1, kMaxBytes>>(
        "slowlog.slower_than_us", "slowlog-log-slower-than", "us", kRuntime,
        "A command that runs at least so long goes to the slow log. 0: every command. -1: none."),
    row<Integer<&O::slowlog_max_len, 0, 1000000>>(
        "slowlog.max_len", "slowlog-max-len", "entries", kRuntime,
        "Entries the slow log keeps; the oldest goes first."),

    row<Bytes<&O::hll_sparse_max_bytes, 18, 16384>>(
        "hyperloglog.sparse_max_bytes", "hll-sparse-max-bytes", "bytes", kRuntime,
        "Up to this size a HyperLogLog is kept as runs of equal registers; above, as all of them "
        "(12 KiB), which is faster to add to."),

    row<Integer<&O::latency_threshold_ms, 0, kMaxBytes>>(
        "latency.threshold_ms", "latency-monitor-threshold", "ms", kRuntime,
        "Events that take at least so long are kept for LATENCY. 0: off."),

    row<NotifyEvents>(
        "notify.keyspace_events", "notify-keyspace-events", "", kRuntime,
        "Which changes of keys are published to subscribers. K: on __keyspace@<db>__:<key>; E: on "
        "__keyevent@<db>__:<event>; one of the two is needed. g: DEL, EXPIRE and other general "
        "commands; $ strings, l lists, s sets, h hashes, z sorted sets, t streams; x: expired, e: "
        "evicted keys; n: new keys; m: misses. A: all but n and m. Empty: nothing is published."),

    row<CollectionNumber<&CollectionLimits::hash_max_listpack_entries>>(
        "collections.hash_max_listpack_entries", "hash-max-listpack-entries", "fields", kRuntime,
        "A hash with no more fields than this is kept in one compact block. As all of this "
        "section: it holds for collections that change from now on.",
        nullptr, "hash-max-ziplist-entries"),
    row<CollectionBytes<&CollectionLimits::hash_max_listpack_value>>(
        "collections.hash_max_listpack_value", "hash-max-listpack-value", "bytes", kRuntime,
        "The longest field or value in a compact hash.", nullptr, "hash-max-ziplist-value"),
    row<Integer<CollectionField<&CollectionLimits::list_max_listpack_size>{}, -kMaxInt - 1,
                kMaxInt>>("collections.list_max_listpack_size", "list-max-listpack-size", "",
                          kRuntime,
                          "How much is in one compact block, of which a list may have many. Above "
                          "0: so many elements. -1 to -5: up to 4, 8, 16, 32, 64 KiB.",
                          nullptr, "list-max-ziplist-size"),
    row<CollectionNumber<&CollectionLimits::set_max_intset_entries>>(
        "collections.set_max_intset_entries", "set-max-intset-entries", "members", kRuntime,
        "A set of integers only with no more members than this is kept as a sorted array."),
    row<CollectionNumber<&CollectionLimits::set_max_listpack_entries>>(
        "collections.set_max_listpack_entries", "set-max-listpack-entries", "members", kRuntime,
        "A set with no more members than this is kept in one compact block."),
    row<CollectionBytes<&CollectionLimits::set_max_listpack_value>>(
        "collections.set_max_listpack_value", "set-max-listpack-value", "bytes", kRuntime,
        "The longest member of a compact set."),
    row<CollectionNumber<&CollectionLimits::zset_max_listpack_entries>>(
        "collections.zset_max_listpack_entries", "zset-max-listpack-entries", "members", kRuntime,
        "A sorted set with no more members than this is kept in one compact block.", nullptr,
        "zset-max-ziplist-entries"),
    row<CollectionBytes<&CollectionLimits::zset_max_listpack_value>>(
        "collections.zset_max_listpack_value", "zset-max-listpack-value", "bytes", kRuntime,
        "The longest member of a compact sorted set.", nullptr, "zset-max-ziplist-value"),
    row<CollectionBytes<&CollectionLimits::stream_node_max_bytes>>(
        "collections.stream_node_max_bytes", "stream-node-max-bytes", "bytes", kRuntime,
        "How large one compact block of a stream grows. 0: no limit."),
    row<CollectionNumber<&CollectionLimits::stream_node_max_entries>>(
        "collections.stream_node_max_entries", "stream-node-max-entries", "entries", kRuntime,
        "How many entries one compact block of a stream has at most. 0: no limit."),

    row<Integer<&O::tracking_table_max_keys, 0, kMaxBytes>>(
        "tracking.table_max_keys", "tracking-table-max-keys", "keys", kRuntime,
        "Keys remembered for clients that cache what they read (CLIENT TRACKING). Beyond, clients "
        "are told to forget the keys remembered longest. 0: no limit."),

    row<Choice<LogLevelField{}, kLogLevelWords>>(
        "log.level", "loglevel", "", kRuntime,
        "Least important line that is written. Redis's verbose is taken as debug, notice as info.",
        &redis_log_level),
    row<Choice<LogJsonField{}, kLogFormatWords>>("log.format", "", "", kAtStart,
                                                 "Form of a log line: text, or one JSON object."),
    row<Path<LogFileField{}, kMaxPath, true>>(
        "log.file", "logfile", "", kAtStart,
        "File of the log; SIGHUP opens it anew after rotation. Empty: standard error."),
};

}  // namespace

std::span<const OptionSpec> option_table() { return kTable; }

const OptionSpec* find_option(std::string_view name) {
  for (const OptionSpec& option : kTable) {
    if (same_word(option.name, name)) return &option;
    if (!option.redis_name.empty() && same_word(option.redis_name, name)) return &option;
    if (!option.redis_old_name.empty() && same_word(option.redis_old_name, name)) return &option;
  }
  return nullptr;
}

Result<uint64_t> parse_bytes(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, uint64_t>, 8> kUnits = {
      {{"", 1},
       {"b", 1},
       {"k", 1000},
       {"kb", 1ULL << 10},
       {"m", 1000 * 1000},
       {"mb", 1ULL << 20},
       {"g", 1000ULL * 1000 * 1000},
       {"gb", 1ULL << 30}}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t number = 0;
  if (parse_number(text.substr(0, digits), &number) != std::errc()) {
    return Status::invalid(shown(text) + " is not a size in bytes");
  }
  for (const auto& [unit, factor] : kUnits) {
    if (!same_word(text.substr(digits), unit)) continue;
    if (number > std::numeric_limits<uint64_t>::max() / factor) {
      return Status::invalid(shown(text) + " is more than 64 bits can hold");
    }
    return number * factor;
  }
  return Status::invalid(shown(text) + " has an unknown unit; units are k, kb, m, mb, g, gb");
}

}  // namespace holdfast
