// See memory_report.h.
#include "resp/memory_report.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "resp/server.h"

namespace holdfast {
namespace {

constexpr uint64_t kTooSmallToJudge = 5 << 20;  // what is then found is noise
constexpr double kMuchFragmentation = 1.5;
constexpr double kMuchOverNow = 1.5;  // the peak to what is used now

}  // namespace

double ratio(uint64_t a, uint64_t b) { return b == 0 ? 0 : double(a) / double(b); }

double MemoryReport::dataset_percent() const {
  return used > startup ? 100 * ratio(dataset(), used - startup) : 0;
}
double MemoryReport::peak_percent() const { return 100 * ratio(used, peak); }
double MemoryReport::fragmentation() const { return ratio(process_resident, used); }

MemoryReport memory_report(Server& server) {
  const ServerHooks& hooks = server.hooks();
  MemoryReport report;
  report.used = server.memory_used();
  report.peak = std::max(report.used, server.stats().peak_memory);
  report.limit = server.options().memory_limit;
  report.startup = hooks.startup_memory;
  if (hooks.process_usage) report.process_resident = hooks.process_usage().resident_bytes;
  if (hooks.allocator_usage) report.allocator = hooks.allocator_usage();
  for (const auto& [id, session] : server.sessions()) report.clients += session->memory();
  report.logs = server.shards().sum([](Shard& shard) {
    return shard.replica() == nullptr ? 0 : shard.replica()->core().tail().memory();
  });
  for (int number = 0; number < kDbCount; ++number) {
    DatabaseMemory database{number, 0, 0};
    for (Shard* shard : server.shards().all()) {
      const Keyspace& keyspace = shard->keyspace();
      const DbId db = keyspace.physical(number);
      database.tables += keyspace.table_memory(db);
      database.keys += keyspace.size(db);
    }
    report.tables += database.tables;
    report.keys += database.keys;
    if (database.keys > 0) report.databases.push_back(database);
  }
  return report;
}

uint64_t uncommitted_bytes(const Shards& shards) {
  return shards.sum([](Shard& shard) { return shard.uncommitted_bytes(); });
}

std::string memory_advice(const MemoryReport& report) {
  std::string advice;
  if (report.limit > 0 && report.used > report.limit) {
    advice +=
        "Memory is over memory.limit (maxmemory): commands that add data are refused. Delete "
        "keys, or raise the limit.\n";
  } else if (report.limit > 0 && report.used > report.limit / 10 * 9) {
    advice +=
        "Memory is above 90 % of memory.limit (maxmemory). At the limit, commands that add data "
        "are refused.\n";
  }
  if (report.used > kTooSmallToJudge) {
    if (ratio(report.peak, report.used) > kMuchOverNow) {
      advice +=
          "Much more memory was used before (used_memory_peak). The process may still hold some of "
          "it; MEMORY PURGE gives it back.\n";
    }
    if (report.fragmentation() > kMuchFragmentation) {
      advice +=
          "The process holds much more memory than is allocated in it (mem_fragmentation_ratio). "
          "MEMORY PURGE may help, a restart does.\n";
    }
  }
  if (report.clients > kTooSmallToJudge && report.clients > report.used / 2) {
    advice += "Most memory is buffers of clients. See CLIENT LIST, fields tot-mem and omem.\n";
  }
  return advice.empty() ? "No memory problem found.\n" : advice;
}

std::string human_bytes(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTP";
  if (bytes < 1024) return std::to_string(bytes) + "B";
  double value = double(bytes) / 1024;
  size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  char text[64];
  std::snprintf(text, sizeof text, "%.2f%c", value, kUnits[unit]);
  return text;
}

}  // namespace holdfast
