// INFO, MEMORY, LATENCY, SLOWLOG, LOLWUT: what the server tells of itself. COMMAND is in
// introspection.cc.
#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "base/version.h"
#include "resp/command_table.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/info_text.h"
#include "resp/server.h"

namespace holdfast {
namespace {

void info_command(CommandContext& c) {
  const std::vector<std::string_view> sections(c.args.begin() + 1, c.args.end());
  c.reply.verbatim("txt", info_text(c.server, sections));
}

// --- MEMORY ---

void memory_usage_command(CommandContext& c) {
  if (c.argc() > 3) {
    int64_t samples;
    if (c.argc() != 5 || !c.is(3, "SAMPLES")) return c.fail();
    if (!c.integer(4, &samples)) return;
    if (samples < 0) return c.fail();
  }
  const Object* object = c.find_read(c.key(2));
  if (object == nullptr) return c.reply.null();
  constexpr size_t kTableShare = 16;  // of buckets, per key
  c.reply.integer(static_cast<int64_t>(object->memory() + kTableShare));
}

void memory_stats_command(CommandContext& c) {
  const uint64_t used = c.server.memory_used();
  uint64_t keys = 0, tables = 0, sessions = 0;
  std::vector<int> databases;
  for (int db = 0; db < kDbCount; ++db) {
    const DbId physical = c.keyspace.physical(db);
    if (c.keyspace.size(physical) > 0) databases.push_back(db);
    keys += c.keyspace.size(physical);
    tables += c.keyspace.table_memory(physical);
  }
  for (const auto& [id, session] : c.server.sessions()) sessions += session->memory();
  c.reply.map(9 + databases.size());
  const auto number = [&c](std::string_view name, uint64_t value) {
    c.reply.bulk(name);
    c.reply.integer(static_cast<int64_t>(value));
  };
  number("peak.allocated", std::max(used, c.server.stats().peak_memory));
  number("total.allocated", used);
  number("replication.backlog", 0);
  number("clients.slaves", 0);
  number("clients.normal", sessions);
  for (const int db : databases) {
    c.reply.bulk("db." + std::to_string(db));
    c.reply.map(2);
    number("overhead.hashtable.main", c.keyspace.table_memory(c.keyspace.physical(db)));
    number("overhead.hashtable.expires", 0);
  }
  number("overhead.total", tables + sessions);
  number("keys.count", keys);
  number("keys.bytes-per-key", keys == 0 ? 0 : used / keys);
  number("dataset.bytes", used > tables + sessions ? used - tables - sessions : 0);
}

void memory_doctor_command(CommandContext& c) {
  const uint64_t used = c.server.memory_used(), limit = c.options().memory_limit;
  std::string advice;
  if (limit > 0 && used > limit) {
    advice =
        "Memory is over memory.limit (maxmemory): commands that add data are refused. Delete "
        "keys, or raise the limit.";
  } else if (limit > 0 && used > limit / 10 * 9) {
    advice =
        "Memory is above 90 % of memory.limit (maxmemory). At the limit, commands that add "
        "data are refused.";
  } else {
    advice = "No memory problem found.";
  }
  c.reply.verbatim("txt", advice + "\n");
}

void memory_malloc_stats_command(CommandContext& c) {
  c.reply.verbatim("txt", c.server.hooks().allocator_stats
                              ? c.server.hooks().allocator_stats()
                              : std::string("Stats not supported for the current allocator"));
}

void memory_purge_command(CommandContext& c) {
  if (c.server.hooks().purge_memory) c.server.hooks().purge_memory();
  c.reply.ok();
}

void memory_help_command(CommandContext& c) {
  reply_help(c, {"DOCTOR", "    Return memory problems reports.", "MALLOC-STATS",
                 "    Return internal statistics report from the memory allocator.", "PURGE",
                 "    Attempt to purge dirty pages for reclamation by the allocator.", "STATS",
                 "    Return information about the memory usage of the server.",
                 "USAGE <key> [SAMPLES <count>]",
                 "    Return memory in bytes used by <key> and its value."});
}

// --- SLOWLOG ---

void slowlog_get_command(CommandContext& c) {
  int64_t count = 10;
  if (c.argc() == 3 && !c.integer(2, &count)) return;
  if (count < -1) return c.fail("ERR count should be greater than or equal to -1");
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
  c.reply.ok();
}

void slowlog_help_command(CommandContext& c) {
  reply_help(c, {"GET [<count>]",
                 "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
                 "    Entries are made of:",
                 "    id, timestamp, time in microseconds, arguments array, client IP and port,",
                 "    client name", "LEN", "    Return the length of the slowlog.", "RESET",
                 "    Reset the slowlog."});
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
  int64_t low = INT64_MAX;
  for (const LatencySample& sample : found->second.samples)
    low = std::min(low, sample.milliseconds);
  int64_t high = 0;
  for (const LatencySample& sample : found->second.samples)
    high = std::max(high, sample.milliseconds);
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
  reply_help(c,
             {"DOCTOR", "    Return a human readable latency analysis report.", "GRAPH <event>",
              "    Return an ASCII latency graph for the <event> class.", "HISTORY <event>",
              "    Return time-latency samples for the <event> class.", "LATEST",
              "    Return the latest latency samples for all events.", "RESET [<event> ...]",
              "    Reset latency data of one or more <event> classes.",
              "    (default: reset all data for all event classes)", "HISTOGRAM [COMMAND ...]",
              "    Return a cumulative distribution of commands' latencies in histogram format."});
}

// --- LOLWUT ---

// A wall with towers; the arguments are its width and its number of towers.
void lolwut_command(CommandContext& c) {
  int64_t width = 40, towers = 3;
  size_t i = 1;
  if (c.argc() >= 3 && c.is(1, "VERSION")) i = 3;
  if (c.argc() > i && !c.integer(i, &width)) return;
  if (c.argc() > i + 1 && !c.integer(i + 1, &towers)) return;
  width = std::clamp<int64_t>(width, 10, 160);
  towers = std::clamp<int64_t>(towers, 1, width / 8);
  constexpr int kRows = 6, kTowerWidth = 5, kWallTop = 3;
  std::string text;
  for (int row = 0; row < kRows; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      const bool in_tower = column % (width / towers) < kTowerWidth;
      const bool crenel = (row == 0 && in_tower) || (row == kWallTop && !in_tower);
      if (row < kWallTop && !in_tower) {
        text.push_back(' ');
      } else if (crenel) {
        text.push_back(column % 2 == 0 ? '#' : ' ');
      } else {
        text.push_back((column + row) % 4 == 0 ? '|' : '_');
      }
    }
    text.push_back('\n');
  }
  text.append("\nHoldfast ").append(kHoldfastVersion);
  text.append(", Redis ver. ").append(kRedisVersion).append("\n");
  c.reply.verbatim("txt", text);
}

constexpr uint32_t kAdminFlags = kAdmin | kLoading | kStale;
constexpr uint32_t kLatencyFlags = kAdmin | kNoScript | kLoading | kStale;
constexpr uint32_t kHelpFlags = kLoading | kStale;
constexpr std::string_view kHelpSummary = "Returns helpful text about the different subcommands.";

constexpr CommandSpec kMemory[] = {
    {"usage",
     -3,
     kReadonly,
     0,
     {KeySpec::range(kKeyRO, 2, 2)},
     memory_usage_command,
     "server",
     "4.0.0",
     "O(N) where N is the number of samples.",
     "Estimates the memory usage of a key.",
     "key [SAMPLES count]"},
    {"stats",
     2,
     0,
     0,
     {},
     memory_stats_command,
     "server",
     "4.0.0",
     "O(1)",
     "Returns details about memory usage."},
    {"doctor",
     2,
     0,
     0,
     {},
     memory_doctor_command,
     "server",
     "4.0.0",
     "O(1)",
     "Outputs a memory problems report."},
    {"malloc-stats",
     2,
     0,
     0,
     {},
     memory_malloc_stats_command,
     "server",
     "4.0.0",
     "Depends on how much memory is allocated, could be slow",
     "Returns the allocator statistics."},
    {"purge",
     2,
     0,
     0,
     {},
     memory_purge_command,
     "server",
     "4.0.0",
     "Depends on how much memory is allocated, could be slow",
     "Asks the allocator to release memory."},
    {"help", 2, kHelpFlags, 0, {}, memory_help_command, "server", "4.0.0", "O(1)", kHelpSummary},
};

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
    {"info",
     -1,
     kLoading | kStale,
     kCatDangerous,
     {},
     info_command,
     "server",
     "1.0.0",
     "O(1)",
     "Returns information and statistics about the server.",
     "[section [section ...]]"},
    {"memory",
     -2,
     0,
     0,
     {},
     nullptr,
     "server",
     "4.0.0",
     "Depends on subcommand.",
     "A container for memory diagnostics commands.",
     {},
     kMemory},
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
    {"lolwut",
     -1,
     kReadonly | kFast,
     0,
     {},
     lolwut_command,
     "server",
     "5.0.0",
     "O(1)",
     "Displays computer art and the Redis version",
     "[VERSION version]"},
};

}  // namespace

std::span<const CommandSpec> info_commands() { return kCommands; }

}  // namespace holdfast
