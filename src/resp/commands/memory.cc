// MEMORY: what keys and the server cost. The figures are those of resp/memory_report.h.
#include <string>

#include "resp/command_table.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/memory_report.h"
#include "resp/server.h"

namespace holdfast {
namespace {

void memory_usage_command(CommandContext& c) {
  if (c.argc() > 3) {
    int64_t samples;
    if (c.argc() != 5 || !c.is(3, "SAMPLES")) return c.fail();
    if (!c.integer(4, &samples)) return;
    if (samples < 0) return c.fail();
  }
  const Object* object = c.find_write(c.key(2));
  if (object == nullptr) return c.reply.null();
  constexpr size_t kTableShare = 16;  // of buckets, per key
  c.reply.integer(static_cast<int64_t>(object->memory() + kTableShare));
}

// As many fields of Redis's as have a meaning here, under its names.
class Fields {
 public:
  explicit Fields(CommandContext& c) : c_(c) {}
  void number(std::string_view name, uint64_t value) {
    c_.reply.bulk(name);
    c_.reply.integer(static_cast<int64_t>(value));
  }
  void real(std::string_view name, double value) {
    c_.reply.bulk(name);
    c_.reply.real(value);
  }
  // How far `a` is above `b`.
  void apart(std::string_view ratio_name, std::string_view bytes_name, uint64_t a, uint64_t b) {
    real(ratio_name, ratio(a, b));
    number(bytes_name, a - b);
  }

 private:
  CommandContext& c_;
};

void reply_databases(CommandContext& c, const MemoryReport& memory) {
  Fields fields(c);
  for (const DatabaseMemory& database : memory.databases) {
    c.reply.bulk("db." + std::to_string(database.number));
    c.reply.map(3);
    fields.number("overhead.hashtable.main", database.tables);
    fields.number("overhead.hashtable.expires", 0);
    fields.number("overhead.hashtable.slot-to-keys", 0);
  }
}

void memory_stats_command(CommandContext& c) {
  constexpr size_t kFields = 27;  // besides the databases
  const MemoryReport memory = memory_report(c.server);
  const AllocatorUsage& allocator = memory.allocator;
  const uint64_t data = memory.used > memory.startup ? memory.used - memory.startup : 0;
  Fields fields(c);
  c.reply.map(kFields + memory.databases.size());
  fields.number("peak.allocated", memory.peak);
  fields.number("total.allocated", memory.used);
  fields.number("startup.allocated", memory.startup);
  fields.number("replication.backlog", memory.logs);
  fields.number("clients.slaves", 0);
  fields.number("clients.normal", memory.clients);
  fields.number("cluster.links", 0);
  fields.number("aof.buffer", uncommitted_bytes(c.server.shards()));
  fields.number("lua.caches", 0);
  fields.number("functions.caches", 0);
  reply_databases(c, memory);
  fields.number("overhead.total", memory.overhead());
  fields.number("keys.count", memory.keys);
  fields.number("keys.bytes-per-key", memory.keys == 0 ? 0 : data / memory.keys);
  fields.number("dataset.bytes", memory.dataset());
  fields.real("dataset.percentage", memory.dataset_percent());
  fields.real("peak.percentage", memory.peak_percent());
  fields.number("allocator.allocated", allocator.allocated);
  fields.number("allocator.active", allocator.active);
  fields.number("allocator.resident", allocator.resident);
  fields.apart("allocator-fragmentation.ratio", "allocator-fragmentation.bytes", allocator.active,
               allocator.allocated);
  fields.apart("allocator-rss.ratio", "allocator-rss.bytes", allocator.resident, allocator.active);
  fields.apart("rss-overhead.ratio", "rss-overhead.bytes", memory.process_resident,
               allocator.resident);
  fields.real("fragmentation", memory.fragmentation());
  fields.number("fragmentation.bytes", memory.process_resident - memory.used);
}

void memory_doctor_command(CommandContext& c) {
  c.reply.verbatim("txt", memory_advice(memory_report(c.server)));
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
                 "    Return memory in bytes used by <key> and its value. Nested values are",
                 "    sampled up to <count> times (default: 5, 0 means sample all)."});
}

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

constexpr CommandSpec kCommands[] = {
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
};

}  // namespace

std::span<const CommandSpec> memory_commands() { return kCommands; }

}  // namespace holdfast
