// INFO: sections, the fields that clients and tools read, figures that must be exact.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "resp/info_text.h"
#include "resp/memory_report.h"
#include "resp/server.h"
#include "tests/support/command_fixture.h"

using namespace holdfast;

namespace {

std::string info(CommandFixture& f, const std::vector<std::string_view>& sections = {}) {
  return info_text(f.server(), sections);
}

// The value of a field, "<none>" without it.
std::string field(const std::string& text, const std::string& name) {
  const size_t at = ("\r\n" + text).find("\r\n" + name + ":");
  if (at == std::string::npos) return "<none>";
  const size_t start = at + name.size() + 1;
  return text.substr(start, text.find("\r\n", start) - start);
}

bool has_section(const std::string& text, const std::string& title) {
  return ("\r\n" + text).find("\r\n# " + title + "\r\n") != std::string::npos;
}

}  // namespace

TEST_CASE("info: which sections are shown") {
  CommandFixture f;
  const std::string standard = info(f);
  for (const char* title : {"Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                            "CPU", "Modules", "Errorstats", "Cluster", "Keyspace"}) {
    CAPTURE(title);
    CHECK(has_section(standard, title));
  }
  CHECK(!has_section(standard, "Commandstats"));
  CHECK(!has_section(standard, "Latencystats"));
  CHECK(info(f, {"default"}).size() == standard.size());

  const std::string all = info(f, {"ALL"});
  CHECK(has_section(all, "Commandstats"));
  CHECK(has_section(all, "Latencystats"));
  CHECK(!has_section(all, "Modules"));
  CHECK(has_section(info(f, {"everything"}), "Modules"));

  const std::string two = info(f, {"server", "CLUSTER"});
  CHECK(two.starts_with("# Server\r\n"));
  CHECK(has_section(two, "Cluster"));
  CHECK(!has_section(two, "Clients"));
  CHECK(info(f, {"nosuch"}).empty());
}

TEST_CASE("info: lines, and a verbatim string for RESP3") {
  CommandFixture f;
  CHECK(f.run({"INFO", "cluster"}) == "$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n");
  CHECK(f.run3({"INFO", "cluster"}) == "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n");
  CHECK(f.run({"INFO", "nosuch"}) == "$0\r\n\r\n");
  const std::string two = info(f, {"modules", "cluster"});
  CHECK(two == "# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n");
}

TEST_CASE("info: what clients and tools look for is there") {
  CommandFixture f;
  const std::string text = info(f, {"everything"});
  for (const char* name : {"redis_version",
                           "server_name",
                           "holdfast_version",
                           "arch_bits",
                           "process_id",
                           "run_id",
                           "tcp_port",
                           "uptime_in_seconds",
                           "hz",
                           "config_file",
                           "connected_clients",
                           "blocked_clients",
                           "tracking_clients",
                           "maxclients",
                           "used_memory",
                           "used_memory_human",
                           "used_memory_rss",
                           "used_memory_peak",
                           "used_memory_overhead",
                           "used_memory_dataset",
                           "total_system_memory",
                           "maxmemory",
                           "maxmemory_human",
                           "maxmemory_policy",
                           "mem_fragmentation_ratio",
                           "mem_not_counted_for_evict",
                           "mem_clients_normal",
                           "mem_allocator",
                           "lazyfree_pending_objects",
                           "lazyfreed_objects",
                           "loading",
                           "async_loading",
                           "rdb_changes_since_last_save",
                           "rdb_bgsave_in_progress",
                           "rdb_last_save_time",
                           "aof_enabled",
                           "aof_rewrite_in_progress",
                           "engine",
                           "durability",
                           "last_seq",
                           "commit_seq",
                           "log_flush_usec_last",
                           "log_flush_usec_max",
                           "total_connections_received",
                           "total_commands_processed",
                           "instantaneous_ops_per_sec",
                           "total_net_input_bytes",
                           "expired_keys",
                           "evicted_keys",
                           "keyspace_hits",
                           "keyspace_misses",
                           "pubsub_channels",
                           "total_forks",
                           "latest_fork_usec",
                           "tracking_total_keys",
                           "total_error_replies",
                           "role",
                           "connected_slaves",
                           "master_replid",
                           "master_repl_offset",
                           "used_cpu_sys",
                           "used_cpu_user",
                           "cluster_enabled"}) {
    CAPTURE(name);
    CHECK(field(text, name) != "<none>");
  }
  CHECK(field(text, "redis_version") == "7.2.4");
  CHECK(field(text, "loading") == "0");
  CHECK(field(text, "role") == "master");
  CHECK(field(text, "maxmemory_policy") == "noeviction");
}

TEST_CASE("info: counters are exact") {
  CommandFixture f;
  CHECK(f.run({"SET", "k", "v"}) == "+OK\r\n");
  CHECK(f.run({"GET", "k"}) == "$1\r\nv\r\n");
  CHECK(f.run({"GET", "absent"}) == "$-1\r\n");
  CHECK(f.run({"GET"}).starts_with("-ERR wrong number"));
  CHECK(f.run({"INCR", "k"}).starts_with("-ERR value is not"));
  CHECK(f.run({"NOSUCH"}).starts_with("-ERR unknown"));
  const std::string text = info(f, {"all"});
  CHECK(field(text, "cmdstat_get") ==
        "calls=2,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0");
  CHECK(field(text, "cmdstat_incr") ==
        "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1");
  CHECK(field(text, "errorstat_ERR") == "count=3");
  CHECK(field(text, "total_error_replies") == "3");
  CHECK(field(text, "keyspace_hits") == "1");
  CHECK(field(text, "keyspace_misses") == "1");
  CHECK(field(text, "total_commands_processed") == "4");
  CHECK(field(text, "connected_clients") == "1");
  CHECK(field(text, "last_seq") == "1");
  CHECK(field(text, "commit_seq") == "1");
  CHECK(field(text, "latency_percentiles_usec_get").starts_with("p50="));
  CHECK(field(text, "latency_percentiles_usec_set") != "<none>");
  CHECK(field(text, "latency_percentiles_usec_del") == "<none>");
}

TEST_CASE("info: databases by their logical numbers, empty ones left out") {
  CommandFixture f;
  CHECK(info(f, {"keyspace"}) == "# Keyspace\r\n");
  CHECK(f.run({"SET", "a", "1"}) == "+OK\r\n");
  CHECK(f.run({"SET", "b", "1", "PX", "10000"}) == "+OK\r\n");
  CHECK(field(info(f, {"keyspace"}), "db0").starts_with("keys=2,expires=1,avg_ttl="));
  CHECK(f.run({"SWAPDB", "0", "9"}) == "+OK\r\n");
  const std::string text = info(f, {"keyspace"});
  CHECK(field(text, "db9").starts_with("keys=2,expires=1,avg_ttl="));
  CHECK(field(text, "db0") == "<none>");
}

TEST_CASE("info: blocked clients and time") {
  CommandFixture f;
  f.connect().send({"WAIT", "1", "0"});
  f.advance_ms(90'000);
  const std::string text = info(f);
  CHECK(field(text, "blocked_clients") == "1");
  CHECK(field(text, "uptime_in_seconds") == "90");
}

TEST_CASE("info: figures of the process come from hooks, without them they are 0") {
  CommandFixture bare;
  CHECK(field(info(bare), "used_memory_rss") == "0");
  CHECK(field(info(bare), "process_id") == "0");
  CHECK(field(info(bare), "used_cpu_user") == "0.000000");

  ServerHooks hooks;
  hooks.memory_used = [] { return uint64_t{3} << 20; };
  hooks.startup_memory = 1 << 20;
  hooks.allocator_usage = [] { return AllocatorUsage{3 << 20, 4 << 20, 5 << 20}; };
  hooks.process_usage = [] { return ProcessUsage{6 << 20, 1.5, 2.25}; };
  hooks.process = {42, 64ULL << 30, "Linux 6.1.0 x86_64", "/usr/bin/holdfast"};
  hooks.allocator_name = [] { return std::string("jemalloc-5.3.0"); };
  CommandFixture f({}, nullptr, 1, hooks);
  const std::string text = info(f);
  CHECK(field(text, "used_memory") == "3145728");
  CHECK(field(text, "used_memory_human") == "3.00M");
  CHECK(field(text, "used_memory_startup") == "1048576");
  CHECK(field(text, "used_memory_rss_human") == "6.00M");
  CHECK(field(text, "mem_fragmentation_ratio") == "2.00");
  CHECK(field(text, "mem_fragmentation_bytes") == "3145728");
  CHECK(field(text, "allocator_frag_ratio") == "1.33");
  CHECK(field(text, "allocator_rss_bytes") == "1048576");
  CHECK(field(text, "total_system_memory_human") == "64.00G");
  CHECK(field(text, "mem_allocator") == "jemalloc-5.3.0");
  CHECK(field(text, "used_cpu_sys") == "1.500000");
  CHECK(field(text, "process_id") == "42");
  CHECK(field(text, "executable") == "/usr/bin/holdfast");
}

TEST_CASE("lolwut: drawn from its arguments alone, the version below") {
  CommandFixture f;
  const std::string drawn = f.run({"LOLWUT"});
  CHECK(drawn.find("Redis ver. 7.2.4") != std::string::npos);
  CHECK(drawn == f.run({"LOLWUT", "VERSION", "7"}));
  CHECK(drawn == f.run({"LOLWUT", "VERSION"}));
  CHECK(drawn != f.run({"LOLWUT", "60", "4"}));
  CHECK(f.run({"LOLWUT", "60", "4"}) == f.run({"LOLWUT", "VERSION", "5", "60", "4"}));
  CHECK(f.run({"LOLWUT", "-5", "1000000"})[0] == '$');
  CHECK(f.run({"LOLWUT", "VERSION", "x"}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(f.run3({"LOLWUT"})[0] == '=');
}
