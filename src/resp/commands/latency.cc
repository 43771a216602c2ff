// LATENCY and SLOWLOG: which events and which calls were slow.
#include <algorithm>
#include <string>
#include <vector>

#include "resp/command_table.h"
#include "resp/commands/families.h"
#include "resp/commands/trace.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"

namespace holdfast {
namespace {

// --- SLOWLOG ---

void slowlog_get_command(CommandContext& c) {
  constexpr std::string_view kBadCount = "ERR count should be greater than or equal to -1";
  int64_t count = 10;
  if (c.argc() > 3) return fail_subcommand(c);
  if (c.argc() == 3 && !c.integer(2, &count, kBadCount)) return;
  if (count < -1) return c.fail(kBadCount);
  const auto& entries = c.server.slowlog().entries();
  const size_t shown =
      count < 0 ? entries.size() : std::min(entries.size(), static_cast<size_t>(count));
  c.reply.array(shown);
  for (size_t i = 0; i < shown; ++i) {
    const SlowLogEntry& entry = entries[i];
    c.reply.array(6);
    c.reply.integer(static_cast<int64_t>(entry.id));
    c.reply.integer(entry.wall_seconds);
    c.reply.integer(entry.microseconds);
    c.reply.array(entry.args.size());
    for (const std::string& arg : entry.args) c.reply.bulk(arg);
    c.reply.bulk(entry.client_address);
    c.reply.bulk(entry.client_name);
  }
}

void slowlog_len_command(CommandContext& c) {
  c.reply.integer(static_cast<int64_t>(c.server.slowlog().entries().size()));
}

void slowlog_reset_command(CommandContext& c) {
  c.server.slowlog().clear();
  for (Shard* shard : c.server.shards().all()) shard->traces().forget_slow();
  c.reply.ok();
}

void slowlog_help_command(CommandContext& c) {
  reply_help(c,
             {"GET [<count>]",
              "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
              "    Entries are made of:",
              "    id, timestamp, time in microseconds, arguments array, client IP and port,",
              "    client name", "LEN", "    Return the length of the slowlog.", "RESET",
              "    Reset the slowlog.", "TRACES [<count>]",
              "    Return the steps of the last <count> writes that were slow to commit (default:",
              "    10, -1 mean all)."});
}

// --- LATENCY ---

void latency_latest_command(CommandContext& c) {
  const auto& events = c.server.latency().events();
  c.reply.array(events.size());
  for (const auto& [name, event] : events) {
    c.reply.array(4);
    c.reply.bulk(name);
    c.reply.integer(event.samples.back().wall_seconds);
    c.reply.integer(event.samples.back().milliseconds);
    c.reply.integer(event.max_ms);
  }
}

void latency_history_command(CommandContext& c) {
  const auto found = c.server.latency().events().find(c.args[2]);
  if (found == c.server.latency().events().end()) return c.reply.array(0);
  c.reply.array(found->second.samples.size());
  for (const LatencySample& sample : found->second.samples) {
    c.reply.array(2);
    c.reply.integer(sample.wall_seconds);
    c.reply.integer(sample.milliseconds);
  }
}

void latency_reset_command(CommandContext& c) {
  size_t count = 0;
  if (c.argc() == 2) count = c.server.latency().reset_all();
  for (size_t i = 2; i < c.argc(); ++i) count += c.server.latency().reset(c.args[i]);
  c.reply.integer(static_cast<int64_t>(count));
}

void latency_graph_command(CommandContext& c) {
  constexpr std::string_view kBars = "_.-=#";
  const auto found = c.server.latency().events().find(c.args[2]);
  if (found == c.server.latency().events().end()) {
    return c.fail("ERR No samples available for event '" + std::string(c.args[2]) + "'");
  }
  int64_t low = INT64_MAX, high = 0;
  for (const LatencySample& sample : found->second.samples) {
    low = std::min(low, sample.milliseconds);
    high = std::max(high, sample.milliseconds);
  }
  std::string text = std::string(c.args[2]) + " - high " + std::to_string(high) + " ms, low " +
                     std::to_string(low) + " ms (all time high " +
                     std::to_string(found->second.max_ms) + " ms)\n";
  for (const LatencySample& sample : found->second.samples) {
    const auto span = static_cast<size_t>(std::max<int64_t>(1, high - low));
    const auto height = static_cast<size_t>(sample.milliseconds - low);
    text.push_back(kBars[height * (kBars.size() - 1) / span]);
  }
  c.reply.verbatim("txt", text + "\n");
}

void latency_doctor_command(CommandContext& c) {
  const auto& events = c.server.latency().events();
  std::string text;
  if (c.options().latency_threshold_ms == 0) {
    text = "Latency is not monitored. Turn it on with CONFIG SET latency-monitor-threshold <ms>.\n";
  } else if (events.empty()) {
    text = "No latency spike of " + std::to_string(c.options().latency_threshold_ms) +
           " ms or more was seen.\n";
  }
  for (const auto& [name, event] : events) {
    text += name + ": " + std::to_string(event.samples.size()) + " spikes, worst " +
            std::to_string(event.max_ms) + " ms.\n";
  }
  c.reply.verbatim("txt", text);
}

// Counts per power of two of microseconds, cumulative, as Redis shows them.
void reply_histogram(CommandContext& c, const Command& command) {
  const Histogram& histogram = *command.stats.latency_ns;
  std::vector<std::pair<uint64_t, uint64_t>> points;
  uint64_t before = 0;
  for (uint64_t usec = 1; before < histogram.count(); usec *= 2) {
    const uint64_t count =
        usec * 1000 > histogram.max() ? histogram.count() : histogram.count_at_most(usec * 1000);
    if (count > before) points.emplace_back(usec, count);
    before = count;
  }
  c.reply.bulk(command.full_name);
  c.reply.map(2);
  c.reply.bulk("calls");
  c.reply.integer(static_cast<int64_t>(histogram.count()));
  c.reply.bulk("histogram_usec");
  c.reply.map(points.size());
  for (const auto& [usec, count] : points) {
    c.reply.integer(static_cast<int64_t>(usec));
    c.reply.integer(static_cast<int64_t>(count));
  }
}

void latency_histogram_command(CommandContext& c) {
  std::vector<const Command*> shown;
  const auto add = [&shown](const Command& command) {
    if (command.stats.latency_ns != nullptr) shown.push_back(&command);
    for (const auto& sub : command.subcommands) {
      if (sub->stats.latency_ns != nullptr) shown.push_back(sub.get());
    }
  };
  if (c.argc() == 2) {
    for (const auto& command : c.server.commands().commands()) add(*command);
  }
  for (size_t i = 2; i < c.argc(); ++i) {
    if (const Command* command = c.server.commands().find_full(c.args[i])) add(*command);
  }
  c.reply.map(shown.size());
  for (const Command* command : shown) reply_histogram(c, *command);
}

void latency_help_command(CommandContext& c) {
  reply_help(c, {"DOCTOR", "    Return a human readable latency analysis report.", "GRAPH <event>",
                 "    Return an ASCII latency graph for the <event> class.", "HISTORY <event>",
                 "    Return time-latency samples for the <event> class.", "LATEST",
                 "    Return the latest latency samples for all events.", "RESET [<event> ...]",
                 "    Reset latency data of one or more <event> classes.",
                 "    (default: reset all data for all event classes)", "HISTOGRAM [COMMAND ...]",
                 "    Return a cumulative distribution of commands' latencies in histogram format.",
                 "    If no commands are specified then all histograms are replied."});
}

constexpr uint32_t kAdminFlags = kAdmin | kLoading | kStale;
constexpr uint32_t kLatencyFlags = kAdmin | kNoScript | kLoading | kStale;
constexpr uint32_t kHelpFlags = kLoading | kStale;
constexpr std::string_view kHelpSummary = "Returns helpful text about the different subcommands.";

constexpr CommandSpec kSlowlog[] = {
    {"get",
     -2,
     kAdminFlags,
     0,
     {},
     slowlog_get_command,
     "server",
     "2.2.12",
     "O(N) where N is the number of entries returned",
     "Returns the slow log's entries.",
     "[count]"},
    {"len",
     2,
     kAdminFlags,
     0,
     {},
     slowlog_len_command,
     "server",
     "2.2.12",
     "O(1)",
     "Returns the number of entries in the slow log."},
    {"reset",
     2,
     kAdminFlags,
     0,
     {},
     slowlog_reset_command,
     "server",
     "2.2.12",
     "O(N) where N is the number of entries in the slowlog",
     "Clears all entries from the slow log."},
    {"traces",
     -2,
     kAdminFlags,
     0,
     {},
     slowlog_traces_command,
     "server",
     "0.1.0",  // of Holdfast
     "O(N) where N is the number of writes returned",
     "Returns what became of writes that were slow to commit, step by step.",
     "[count]"},
    {"help", 2, kHelpFlags, 0, {}, slowlog_help_command, "server", "6.2.0", "O(1)", kHelpSummary},
};

constexpr CommandSpec kLatency[] = {
    {"latest",
     2,
     kLatencyFlags,
     0,
     {},
     latency_latest_command,
     "server",
     "2.8.13",
     "O(1)",
     "Returns the latest latency samples for all events."},
    {"history",
     3,
     kLatencyFlags,
     0,
     {},
     latency_history_command,
     "server",
     "2.8.13",
     "O(1)",
     "Returns timestamp-latency samples for an event.",
     "event"},
    {"reset",
     -2,
     kLatencyFlags,
     0,
     {},
     latency_reset_command,
     "server",
     "2.8.13",
     "O(1)",
     "Resets the latency data for one or more events.",
     "[event [event ...]]"},
    {"graph",
     3,
     kLatencyFlags,
     0,
     {},
     latency_graph_command,
     "server",
     "2.8.13",
     "O(1)",
     "Returns a latency graph for an event.",
     "event"},
    {"doctor",
     2,
     kLatencyFlags,
     0,
     {},
     latency_doctor_command,
     "server",
     "2.8.13",
     "O(1)",
     "Returns a human-readable latency analysis report."},
    {"histogram",
     -2,
     kLatencyFlags,
     0,
     {},
     latency_histogram_command,
     "server",
     "7.0.0",
     "O(N) where N is the number of commands with latency information being retrieved.",
     "Returns the cumulative distribution of latencies of a subset or all commands.",
     "[command [command ...]]"},
    {"help", 2, kHelpFlags, 0, {}, latency_help_command, "server", "2.8.13", "O(1)", kHelpSummary},
};

constexpr CommandSpec kCommands[] = {
    {"slowlog",
     -2,
     0,
     0,
     {},
     nullptr,
     "server",
     "2.2.12",
     "Depends on subcommand.",
     "A container for slow log commands.",
     {},
     kSlowlog},
    {"latency",
     -2,
     0,
     0,
     {},
     nullptr,
     "server",
     "2.8.13",
     "Depends on subcommand.",
     "A container for latency diagnostics commands.",
     {},
     kLatency},
};

}  // namespace

std::span<const CommandSpec> latency_commands() { return kCommands; }

}  // namespace holdfast
