// The option table: every row round-trips, refuses what is out of its bounds in exact words, and
// keeps its value when it refuses.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "base/options.h"

namespace holdfast {
namespace {

const OptionSpec& option(std::string_view name) {
  const OptionSpec* found = find_option(name);
  REQUIRE(found != nullptr);
  return *found;
}

// "" when accepted, else the refusal.
std::string set(Options& options, std::string_view name, std::string_view value) {
  return option(name).set(options, value).message();
}

std::string refusal(std::string_view name, std::string_view value) {
  Options options;
  const std::string before = option(name).get(options);
  const std::string message = set(options, name, value);
  CHECK(option(name).get(options) == before);
  return message;
}

std::string accepted(std::string_view name, std::string_view value) {
  Options options;
  CHECK(set(options, name, value) == "");
  return option(name).get(options);
}

}  // namespace

TEST_CASE("options: every default round-trips through its text") {
  const Options defaults;
  for (const OptionSpec& each : option_table()) {
    CAPTURE(each.name);
    Options options;
    const std::string text = each.get(defaults);
    CHECK(each.set(options, text).message() == "");
    CHECK(each.get(options) == text);
  }
}

TEST_CASE("options: members of a group") {
  for (const std::string_view wrong : {"1", "1=h", "1=h:1", "0=h:1/2", "1=:1/2", "1=h:x/2",
                                       "1=h:1/y", "1=h:70000/1", "1=h:1/2 1=h:3/4", "a=h:1/2"}) {
    CAPTURE(wrong);
    Options options;
    CHECK(set(options, "cluster.members", wrong).find("NODE=HOST:PORT/RESP-PORT") !=
          std::string::npos);
  }
  CHECK(accepted("cluster.members", " 3=[::1]:1/2 ") == "3=[::1]:1/2");
}

TEST_CASE("options: a value other than the default round-trips") {
  const std::pair<std::string_view, std::string_view> values[] = {
      {"mode", "coordinator"},
      {"resp.bind", "0.0.0.0 ::1 localhost *"},
      {"resp.port", "65535"},
      {"resp.unix_socket", "/run/holdfast.sock"},
      {"resp.unix_socket_mode", "077"},
      {"resp.backlog", "1"},
      {"resp.max_clients", "4294967295"},
      {"resp.idle_timeout_s", "2147483647"},
      {"resp.keepalive_s", "0"},
      {"resp.protected_mode", "no"},
      {"resp.password", " a \"b\" \\ # c "},
      {"resp.acl_file", "/etc/holdfast/users acl"},
      {"resp.acl_log_max_len", "0"},
      {"resp.acl_pubsub_default", "allchannels"},
      {"resp.max_bulk_bytes", "1048576"},
      {"resp.query_buffer_bytes", "3221225472"},
      {"resp.output_limits", "normal 1 2 3 replica 4 5 6 pubsub 7 8 9"},
      {"data.dir", "/var/lib/hold fast"},
      {"engine.type", "mem"},
      {"engine.wal_bytes", "1048576"},
      {"engine.accept_uncertain_tail", "yes"},
      {"engine.scrub_mb_per_second", "100"},
      {"durability", "interval"},
      {"checkpoint.log_bytes", "1024"},
      {"memory.limit", "1"},
      {"memory.policy", "allkeys-lru"},
      {"reactor.poll_us", "0"},
      {"expire.budget_us", "50"},
      {"cluster.replication", "raft"},
      {"cluster.id", "7"},
      {"cluster.node", "2"},
      {"cluster.members", "1=127.0.0.1:7401/6381 2=host-b:7402/6382"},
      {"cluster.coordinators", "1=127.0.0.1:7401/6381"},
      {"cluster.listen", "127.0.0.1:7411"},
      {"cluster.announce", "127.0.0.1:6391"},
      {"cluster.announce_links", "127.0.0.1:7511"},
      {"cluster.shards", "2"},
      {"cluster.replicas", "1"},
      {"cluster.first_nodes", "5"},
      {"cluster.failure_timeout_ms", "3000"},
      {"cluster.busy_timeout_ms", "60000"},
      {"cluster.secret", "a \"b\""},
      {"gateway.seeds", "127.0.0.1:6380 host-b:6381"},
      {"gateway.user", "proxy"},
      {"gateway.password", "a \"b\""},
      {"gateway.connections", "2"},
      {"gateway.retry_ms", "100"},
      {"gateway.queue_bytes", "1048576"},
      {"script.busy_ms", "100"},
      {"slowlog.slower_than_us", "-1"},
      {"slowlog.max_len", "0"},
      {"hyperloglog.sparse_max_bytes", "3001"},
      {"latency.threshold_ms", "9223372036854775807"},
      {"notify.keyspace_events", "g$lshzxetnKEm"},
      {"tracking.table_max_keys", "0"},
      {"collections.hash_max_listpack_entries", "77"},
      {"collections.hash_max_listpack_value", "77"},
      {"collections.list_max_listpack_size", "-5"},
      {"collections.set_max_intset_entries", "77"},
      {"collections.set_max_listpack_entries", "77"},
      {"collections.set_max_listpack_value", "77"},
      {"collections.zset_max_listpack_entries", "77"},
      {"collections.zset_max_listpack_value", "77"},
      {"collections.stream_node_max_bytes", "77"},
      {"collections.stream_node_max_entries", "77"},
      {"log.level", "off"},
      {"log.format", "json"},
      {"log.file", "log"},
  };
  REQUIRE(std::size(values) == option_table().size());
  for (const auto& [name, value] : values) {
    CAPTURE(name);
    CHECK(accepted(name, value) == value);
  }
}

TEST_CASE("options: every row explains itself, and no name is given twice") {
  std::set<std::string_view> names;
  for (const OptionSpec& each : option_table()) {
    CAPTURE(each.name);
    CHECK(names.insert(each.name).second);
    if (!each.redis_name.empty()) CHECK(names.insert(each.redis_name).second);
    if (!each.redis_old_name.empty()) CHECK(names.insert(each.redis_old_name).second);
    CHECK(!each.type.empty());
    CHECK(!each.allowed.empty());
    CHECK(each.doc.ends_with('.'));
    CHECK(find_option(each.name) == &each);
  }
  for (const FixedSetting& each : fixed_settings()) {
    CAPTURE(each.name);
    CHECK(names.insert(each.name).second);
    CHECK(find_fixed_setting(each.name) == &each);
  }
}

TEST_CASE("options: found by either name in any case") {
  CHECK(find_option("MaxClients") == find_option("resp.max_clients"));
  CHECK(find_option("requirepass")->name == "resp.password");
  CHECK(find_option("appendfsync")->runtime == false);
  CHECK(find_option("Hash-Max-Ziplist-Entries") == find_option("hash-max-listpack-entries"));
  CHECK(find_option("") == nullptr);
  CHECK(find_option("resp") == nullptr);
  CHECK(find_option("save") == nullptr);
  CHECK(find_fixed_setting("SAVE") != nullptr);
  CHECK(find_fixed_setting("port") == nullptr);
}

TEST_CASE("options: integers outside their bounds and texts that are none") {
  CHECK(refusal("resp.port", "abc") == "\"abc\" is not a port; allowed: 0 to 65535");
  CHECK(refusal("resp.port", "65536") == "\"65536\" is out of range; allowed: 0 to 65535");
  CHECK(refusal("resp.port", "-1") == "\"-1\" is out of range; allowed: 0 to 65535");
  CHECK(refusal("resp.port", "99999999999999999999") ==
        "\"99999999999999999999\" is out of range; allowed: 0 to 65535");
  for (const char* wrong : {"", " 1", "1 ", "+1", "1.0", "0x10", "1k"}) {
    CAPTURE(wrong);
    CHECK(refusal("resp.port", wrong).find("is not a port") != std::string::npos);
  }
  CHECK(refusal("slowlog.slower_than_us", "-2") ==
        "\"-2\" is out of range; allowed: -1 to 9223372036854775807");
  CHECK(refusal("resp.backlog", "0") == "\"0\" is out of range; allowed: 1 to 65535");
  CHECK(refusal("resp.keepalive_s", "x") == "\"x\" is not an integer; allowed: 0 to 2147483647");
}

TEST_CASE("options: words") {
  CHECK(accepted("resp.protected_mode", "NO") == "no");
  CHECK(refusal("resp.protected_mode", "true") == "\"true\" is not yes or no; allowed: yes, no");
  CHECK(refusal("durability", "everysec") ==
        "\"everysec\" is not known; allowed: always, interval, none");
  CHECK(refusal("engine.type", "leveldb") == "\"leveldb\" is not known; allowed: disk, mem, rocks");
  CHECK(refusal("mode", "proxy") ==
        "\"proxy\" is not known; allowed: standalone, storage, coordinator, gateway");
  CHECK(accepted("log.level", "notice") == "info");
  CHECK(accepted("log.level", "verbose") == "debug");
  CHECK(accepted("log.level", "WARNING") == "warning");
  CHECK(refusal("log.level", "loud") ==
        "\"loud\" is not known; allowed: debug, info, warning, error, off");
}

TEST_CASE("options: every word that a choice says it allows is allowed") {
  for (const OptionSpec& each : option_table()) {
    if (each.type != "choice" && each.type != "yes or no") continue;
    std::string_view rest = each.allowed;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find(", "), rest.size());
      CHECK(accepted(each.name, rest.substr(0, end)) == rest.substr(0, end));
      rest.remove_prefix(std::min(rest.size(), end + 2));
    }
  }
}

TEST_CASE("options: paths, addresses, file modes") {
  CHECK(refusal("data.dir", "") == "\"\" is not a path; allowed: 1 to 4095 bytes");
  CHECK(refusal("log.file", std::string_view("a\0b", 3)) ==
        "\"a\\x00b\" is not a path; allowed: 0 to 4095 bytes");
  CHECK(accepted("resp.unix_socket", std::string(107, 's')).size() == 107);
  CHECK(refusal("resp.unix_socket", std::string(108, 's')) ==
        "\"" + std::string(60, 's') + "...\" is not a path; allowed: 0 to 107 bytes");
  CHECK(accepted("resp.bind", "  127.0.0.1\t::1 ") == "127.0.0.1 ::1");
  CHECK(accepted("resp.bind", "") == "");
  CHECK(refusal("resp.bind", "127.0.0.1,::1").starts_with("\"127.0.0.1,::1\" is not an address"));
  CHECK(accepted("resp.unix_socket_mode", "0770") == "770");
  CHECK(refusal("resp.unix_socket_mode", "1000") ==
        "\"1000\" is not an octal file mode; allowed: 000 to 777");
  CHECK(refusal("resp.unix_socket_mode", "8") ==
        "\"8\" is not an octal file mode; allowed: 000 to 777");
}

TEST_CASE("options: output limits change only the classes that are named") {
  CHECK(accepted("resp.output_limits", "pubsub 1mb 1k 5") ==
        "normal 268435456 0 0 replica 268435456 67108864 60 pubsub 1048576 1000 5");
  CHECK(accepted("resp.output_limits", "slave 0 0 0 NORMAL 0 0 0") ==
        "normal 0 0 0 replica 0 0 0 pubsub 33554432 8388608 60");
  for (const char* wrong :
       {"", "normal", "normal 0 0", "normal 0 0 0 pubsub", "master 0 0 0", "normal x 0 0",
        "normal 0 0 -1", "normal 0 0 2147483648", "normal 0 -1 0", "pubsub 0 0 0 normal 0 0 x"}) {
    CAPTURE(wrong);
    CHECK(refusal("resp.output_limits", wrong) != "");
  }
}

TEST_CASE("options: sizes with units") {
  const std::pair<std::string_view, uint64_t> good[] = {
      {"0", 0},
      {"512", 512},
      {"1b", 1},
      {"1k", 1000},
      {"1kb", 1024},
      {"1K", 1000},
      {"1m", 1000000},
      {"1MB", 1048576},
      {"100mb", 104857600},
      {"1g", 1000000000},
      {"1gb", 1073741824},
      {"007", 7},
      {"18446744073709551615", 18446744073709551615ULL},
      {"17179869183gb", 17179869183ULL << 30}};
  for (const auto& [text, bytes] : good) {
    CAPTURE(text);
    REQUIRE(parse_bytes(text).ok());
    CHECK(parse_bytes(text).value() == bytes);
  }
  for (const char* wrong : {"", "mb", "-1", "+1", " 1", "1 ", "1 mb", "1.5gb", "1tb", "1q", "0x1",
                            "18446744073709551616", "17179869184gb", "18446744073709551615k",
                            "99999999999999999999999"}) {
    CAPTURE(wrong);
    CHECK(!parse_bytes(wrong).ok());
  }
  CHECK(parse_bytes("17179869184gb").status().message() ==
        "\"17179869184gb\" is more than 64 bits can hold");
  CHECK(accepted("memory.limit", "1gb") == "1073741824");
  CHECK(refusal("memory.limit", "9223372036854775808") ==
        "\"9223372036854775808\" is out of range; allowed: 0 to 9223372036854775807 (units k, kb, "
        "m, mb, g, gb)");
  CHECK(refusal("memory.limit", "1tb").starts_with("\"1tb\" is not a size; allowed: 0 to "));
  CHECK(refusal("resp.max_bulk_bytes", "1023kb").find("is out of range") != std::string::npos);
}

TEST_CASE("options: Redis's words for values") {
  Options options;
  const auto redis = [&options](std::string_view name) {
    return redis_text(option(name), options);
  };
  CHECK(redis("loglevel") == "notice");
  CHECK(redis("appendfsync") == "always");
  CHECK(redis("client-output-buffer-limit") ==
        "normal 268435456 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60");
  CHECK(redis("port") == "6380");
  options.log.level = LogLevel::kOff;
  CHECK(redis("loglevel") == "warning");
  options.durability = Durability::kInterval;
  CHECK(redis("appendfsync") == "everysec");
  options.durability = Durability::kNone;
  CHECK(redis("appendfsync") == "no");
}

TEST_CASE("options: Redis's words for refusals") {
  const auto words = [](std::string_view name, std::string_view value) {
    return redis_refusal(option(name), value);
  };
  CHECK(words("maxmemory", "100q") == "argument must be a memory value");
  CHECK(words("proto-max-bulk-len", "1") ==
        "argument must be between 1048576 and 1073741824 inclusive");
  CHECK(words("timeout", "abc") == "argument couldn't be parsed into an integer");
  CHECK(words("maxclients", "0") == "argument must be between 1 and 4294967295 inclusive");
  CHECK(words("protected-mode", "q") == "argument must be 'yes' or 'no'");
  CHECK(words("loglevel", "q") ==
        "argument(s) must be one of the following: debug, info, warning, error, off");
  CHECK(words("client-output-buffer-limit", "normal 0 0") ==
        "Wrong number of arguments in buffer limit configuration.");
  CHECK(words("client-output-buffer-limit", "foo 0 0 0") ==
        "Invalid client class specified in buffer limit configuration.");
  CHECK(words("client-output-buffer-limit", "normal 1x 0 0") ==
        "Error in hard, soft or soft_seconds setting in buffer limit configuration.");
}

TEST_CASE("options: settings that tools ask for and that are no options") {
  Options options;
  const auto fixed = [&options](std::string_view name) {
    const FixedSetting* found = find_fixed_setting(name);
    REQUIRE(found != nullptr);
    return found->get(options);
  };
  CHECK(fixed("save") == "");
  CHECK(fixed("appendonly") == "yes");
  CHECK(fixed("databases") == "16");
  CHECK(fixed("cluster-enabled") == "no");
  CHECK(fixed("lazyfree-lazy-user-flush") == "no");
  options.engine_type = EngineType::kMem;
  CHECK(fixed("appendonly") == "no");
}

}  // namespace holdfast
