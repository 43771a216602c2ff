// INFO of a gateway: its own figures, and the totals of the nodes behind it.
#include <algorithm>
#include <charconv>
#include <map>

#include "base/version.h"
#include "gateway/gateway.h"
#include "gateway/reply_framer.h"

namespace holdfast {
namespace {

// What the nodes say, added up.
struct Totals {
  size_t nodes = 0;
  uint64_t memory = 0, max_memory = 0;
  std::map<std::string, std::array<uint64_t, 3>> keyspace;  // keys, expires, avg_ttl weighted
};

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "db0:keys=1,expires=0,avg_ttl=0"
void add_keyspace(std::string_view name, std::string_view value, Totals* totals) {
  std::array<uint64_t, 3> figures{};
  constexpr std::string_view kNames[] = {"keys=", "expires=", "avg_ttl="};
  for (size_t i = 0; i < figures.size(); ++i) {
    const size_t at = value.find(kNames[i]);
    if (at != std::string_view::npos) figures[i] = number(value.substr(at + kNames[i].size()));
  }
  auto& sum = totals->keyspace[std::string(name)];
  sum[0] += figures[0];
  sum[1] += figures[1];
  sum[2] += figures[2] * figures[1];
}

void add_node(std::string_view text, Totals* totals) {
  ++totals->nodes;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon), value = line.substr(colon + 1);
    if (name == "used_memory") totals->memory += number(value);
    if (name == "maxmemory") totals->max_memory += number(value);
    if (name.starts_with("db")) add_keyspace(name, value, totals);
  }
}

Totals totals_of(std::span<const std::string_view> answers) {
  Totals totals;
  for (const std::string_view answer : answers) {
    ReplyElement element;
    if (ReplyCursor(answer).next(&element) && element.is_string()) add_node(element.text, &totals);
  }
  return totals;
}

class Text {
 public:
  void section(std::string_view name) {
    if (!text_.empty()) text_ += "\r\n";
    text_.append("# ").append(name).append("\r\n");
  }
  void line(std::string_view name, std::string_view value) {
    text_.append(name).append(":").append(value).append("\r\n");
  }
  void line(std::string_view name, const char* value) { line(name, std::string_view(value)); }
  void line(std::string_view name, const std::string& value) {
    line(name, std::string_view(value));
  }
  template <typename N>
  void line(std::string_view name, N value) {
    line(name, std::string_view(std::to_string(value)));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

bool asked_for(const std::vector<std::string>& sections, std::string_view name) {
  if (sections.empty()) return true;
  return std::any_of(sections.begin(), sections.end(), [name](const std::string& section) {
    return equals_ignoring_case(section, name) || equals_ignoring_case(section, "all") ||
           equals_ignoring_case(section, "default") || equals_ignoring_case(section, "everything");
  });
}

}  // namespace

std::string Gateway::info_text(const std::vector<std::string>& sections,
                               std::span<const std::string_view> answers) {
  const Totals totals = totals_of(answers);
  const GatewayStats& stats = context_.stats;
  Text text;
  if (asked_for(sections, "server")) {
    text.section("Server");
    text.line("redis_version", kRedisVersion);
    text.line("redis_mode", "cluster");
    text.line("holdfast_version", kHoldfastVersion);
    text.line("holdfast_role", "gateway");
    text.line("os", hooks_.process.operating_system);
    text.line("arch_bits", 64);
    text.line("process_id", hooks_.process.id);
    text.line("run_id", run_id_);
    text.line("tcp_port", listeners_.empty() ? 0 : int{listeners_[0]->address().port});
    text.line("uptime_in_seconds", (clock().wall_ms() - start_wall_ms_) / 1000);
    text.line("uptime_in_days", (clock().wall_ms() - start_wall_ms_) / 86'400'000);
    text.line("config_file", options_.config_file);
  }
  if (asked_for(sections, "clients")) {
    uint64_t waiting = 0, listening = 0;
    for (const auto& [id, session] : sessions_) {
      waiting += session->wants_idle_ && !session->idle() ? 1 : 0;
      listening += session->subscribed() ? 1 : 0;
    }
    text.section("Clients");
    text.line("connected_clients", sessions_.size());
    text.line("maxclients", options_.resp_max_clients);
    text.line("blocked_clients", waiting);
    text.line("pubsub_clients", listening);
    text.line("tracking_clients", 0);
  }
  if (asked_for(sections, "memory")) {
    text.section("Memory");
    text.line("used_memory", totals.memory);
    text.line("maxmemory", totals.max_memory);
    text.line("maxmemory_policy", "noeviction");
    text.line("gateway_used_memory", hooks_.memory_used ? hooks_.memory_used() : 0);
  }
  if (asked_for(sections, "persistence")) {
    text.section("Persistence");
    text.line("loading", 0);
    text.line("rdb_changes_since_last_save", 0);
    text.line("rdb_bgsave_in_progress", 0);
    text.line("aof_rewrite_in_progress", 0);
  }
  if (asked_for(sections, "stats")) {
    text.section("Stats");
    text.line("total_connections_received", stats.connections_received);
    text.line("rejected_connections", stats.connections_rejected);
    text.line("total_commands_processed", stats.commands);
    text.line("instantaneous_ops_per_sec", static_cast<uint64_t>(ops_per_second_));
    text.line("total_net_input_bytes", stats.input_bytes);
    text.line("total_net_output_bytes", stats.output_bytes);
    text.line("total_error_replies", stats.errors);
    text.line("client_output_buffer_limit_disconnections", stats.output_closed);
  }
  if (asked_for(sections, "replication")) {
    text.section("Replication");
    text.line("role", "master");
    text.line("connected_slaves", 0);
  }
  if (asked_for(sections, "gateway")) {
    text.section("Gateway");
    text.line("gateway_map_revision", topology_.map().revision);
    text.line("gateway_map_from", map_is_told_ ? "coordinator" : "seeds");
    text.line("gateway_all_slots", topology_.complete() ? 1 : 0);
    text.line("gateway_nodes", topology_.primaries().size());
    text.line("gateway_nodes_answering", totals.nodes);
    text.line("gateway_forwarded", stats.forwarded);
    text.line("gateway_split", stats.splits);
    text.line("gateway_retries", stats.retries);
    text.line("gateway_moved", stats.moved);
    text.line("gateway_asked", stats.asked);
    text.line("gateway_given_up", stats.given_up);
    text.line("gateway_unknown_outcomes", stats.unknown);
    text.line("gateway_suspects", stats.suspects);
    text.line("gateway_connections_lost", stats.backend_breaks);
    text.line("gateway_throttled", stats.throttled);
    text.line("gateway_retrying_clients", retrying_.size());
    text.line("gateway_answer_us_p50", stats.answer_us.percentile(0.5));
    text.line("gateway_answer_us_p99", stats.answer_us.percentile(0.99));
    text.line("gateway_answer_us_max", stats.answer_us.max());
    text.line("gateway_node_input_bytes", stats.backend_input_bytes);
    text.line("gateway_node_output_bytes", stats.backend_output_bytes);
    size_t i = 0;
    for (const GatewayNode* node : topology_.primaries()) {
      size_t connections = 0, waiting = 0;
      uint64_t bytes = 0;
      for (const Backend* backend : context_.backends) {
        if (backend->address() != node->address || !backend->connected()) continue;
        ++connections;
        waiting += backend->unanswered();
        bytes += backend->unanswered_bytes();
      }
      text.line("gateway_node" + std::to_string(i++),
                "address=" + node->address + ",connections=" + std::to_string(connections) +
                    ",unanswered=" + std::to_string(waiting) +
                    ",unanswered_bytes=" + std::to_string(bytes));
    }
  }
  if (asked_for(sections, "cluster")) {
    text.section("Cluster");
    text.line("cluster_enabled", 1);
  }
  if (asked_for(sections, "keyspace")) {
    text.section("Keyspace");
    for (const auto& [name, sum] : totals.keyspace) {
      text.line(name, "keys=" + std::to_string(sum[0]) + ",expires=" + std::to_string(sum[1]) +
                          ",avg_ttl=" + std::to_string(sum[1] == 0 ? 0 : sum[2] / sum[1]));
    }
  }
  return text.take();
}

void Gateway::reset_stats() { context_.stats = {}; }

namespace here {

// Nodes are asked only for what comes from them, and a node that is down is left out.
void info(GatewaySession& session, CommandArgs args) {
  const std::vector<std::string> sections(args.begin() + 1, args.end());
  const bool of_nodes = asked_for(sections, "memory") || asked_for(sections, "keyspace") ||
                        asked_for(sections, "gateway");
  if (!of_nodes || session.transaction.open) {
    const std::string text = session.gateway().info_text(sections, {});
    return session.answer([&](ReplyWriter& reply) { reply.verbatim("txt", text); });
  }
  static constexpr CommandPlan kPlan{
      .route = CommandRoute::kAll, .merge = Merge::kInfo, .writes = false};
  session.forward_to_all("*1\r\n$4\r\nINFO\r\n", kPlan, true).words = sections;
}

}  // namespace here
}  // namespace holdfast
