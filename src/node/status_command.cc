// See status_command.h.
#include "node/status_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "base/escape.h"
#include "node/cluster_status.h"
#include "node/exit_codes.h"
#include "node/resp_client.h"

namespace holdfast {
namespace {

std::string_view field_of(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const size_t end = std::min(info.find("\r\n"), info.size());
    const std::string_view line = info.substr(0, end);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':')) {
      return line.substr(name.size() + 1);
    }
    info.remove_prefix(std::min(info.size(), end + 2));
  }
  return {};
}

struct Shown {
  std::string_view field;  // of INFO
  std::string_view label;
};
struct Topic {
  std::string_view name;
  std::array<Shown, 4> shown;
};

constexpr std::array<Topic, 6> kTopics = {{
    {"server",
     {{{"holdfast_version", "version"},
       {"role", "role"},
       {"process_id", "pid"},
       {"uptime_in_seconds", "up seconds"}}}},
    {"clients",
     {{{"connected_clients", "connected"},
       {"blocked_clients", "blocked"},
       {"maxclients", "at most"},
       {"rejected_connections", "refused"}}}},
    {"memory",
     {{{"used_memory_human", "used"},
       {"used_memory_peak_human", "peak"},
       {"used_memory_rss_human", "of the process"},
       {"maxmemory_human", "limit"}}}},
    {"commands",
     {{{"total_commands_processed", "done"},
       {"instantaneous_ops_per_sec", "a second"},
       {"total_error_replies", "errors"},
       {"", ""}}}},
    {"data",
     {{{"engine", "engine"},
       {"durability", "durability"},
       {"loading", "loading"},
       {"expired_keys", "expired"}}}},
    {"reads", {{{"keyspace_hits", "hits"}, {"keyspace_misses", "misses"}, {"", ""}, {"", ""}}}},
}};

void add_line(std::string& out, std::string_view topic, std::string_view text) {
  constexpr size_t kColumn = 10;
  out.append(topic).append(kColumn - std::min(kColumn - 1, topic.size()), ' ');
  out.append(text).append("\n");
}

}  // namespace

std::string format_status(std::string_view info) {
  std::string out;
  for (const Topic& topic : kTopics) {
    std::string line;
    for (const Shown& each : topic.shown) {
      const std::string_view value = each.field.empty() ? "" : field_of(info, each.field);
      if (value.empty()) continue;
      line.append(line.empty() ? "" : ", ").append(each.label).append(" ").append(value);
    }
    if (!line.empty()) add_line(out, topic.name, line);
  }
  constexpr int kDatabases = 16;
  for (int i = 0; i < kDatabases; ++i) {
    const std::string name = "db" + std::to_string(i);
    const std::string_view value = field_of(info, name);
    if (!value.empty()) add_line(out, name, value);
  }
  return out;
}

std::string info_json(std::string_view info) {
  std::string out = "{";
  while (!info.empty()) {
    const size_t end = std::min(info.find("\r\n"), info.size());
    const std::string_view line = info.substr(0, end);
    const size_t colon = line.find(':');
    if (!line.starts_with('#') && colon != std::string_view::npos) {
      if (out.size() > 1) out += ',';
      append_json_string(out, line.substr(0, colon));
      out += ':';
      append_json_string(out, line.substr(colon + 1));
    }
    info.remove_prefix(std::min(info.size(), end + 2));
  }
  return out + "}";
}

int run_status(const StatusCommand& command) {
  const char* given = std::getenv("HOLDFAST_PASSWORD");
  const std::string password = given == nullptr ? "" : given;
  RespClient client;
  Status status = client.connect(command.host, command.port, password);
  Result<RespValue> info = status;
  if (status.ok()) info = client.ask({"INFO"});
  if (info.ok() && info.value().error()) info = Status::unavailable(info.value().text);
  if (!info.ok()) {
    std::fprintf(stderr, "holdfast: status: %s\n", info.status().message().c_str());
    return static_cast<int>(ExitCode::kUnavailable);
  }
  const Result<ClusterStatus> cluster = ask_cluster(client, password);
  if (command.json) {
    std::string out = "{\"server\":" + info_json(info.value().text);
    if (cluster.ok()) out += ",\"cluster\":" + cluster_json(cluster.value());
    std::printf("%s}\n", out.c_str());
  } else {
    std::fputs(format_status(info.value().text).c_str(), stdout);
    const bool colours = ::isatty(STDOUT_FILENO) != 0;
    if (cluster.ok()) std::fputs(("\n" + format_cluster(cluster.value(), colours)).c_str(), stdout);
  }
  const bool well = !cluster.ok() || cluster.value().problems.empty();
  return static_cast<int>(well ? ExitCode::kOk : ExitCode::kUnhealthy);
}

}  // namespace holdfast
