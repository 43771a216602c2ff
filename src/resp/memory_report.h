// What the server's memory is spent on, as far as it knows: one account for INFO memory, MEMORY
// STATS and MEMORY DOCTOR. Pure function of the server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/process.h"

namespace holdfast {

class Server;
class Shards;

struct DatabaseMemory {
  int number = 0;  // logical
  uint64_t keys = 0;
  uint64_t tables = 0;  // bytes of its tables and expiry heaps
};

struct MemoryReport {
  uint64_t used = 0;  // allocated
  uint64_t peak = 0;
  uint64_t limit = 0;    // 0: none
  uint64_t startup = 0;  // before any data was loaded
  uint64_t clients = 0;
  uint64_t logs = 0;  // entries kept in memory for members that are behind
  uint64_t tables = 0;
  uint64_t keys = 0;
  uint64_t process_resident = 0;
  AllocatorUsage allocator;
  std::vector<DatabaseMemory> databases;  // that hold keys

  // All that is not keys and values.
  uint64_t overhead() const { return startup + clients + logs + tables; }
  uint64_t dataset() const { return used > overhead() ? used - overhead() : 0; }
  double dataset_percent() const;
  double peak_percent() const;
  // Resident memory of the process to what is allocated.
  double fragmentation() const;
};

MemoryReport memory_report(Server& server);

// Logged by all shards and not committed.
uint64_t uncommitted_bytes(const Shards& shards);

// Advice for people, a line each; never empty.
std::string memory_advice(const MemoryReport& report);

double ratio(uint64_t a, uint64_t b);     // 0 when b is 0
std::string human_bytes(uint64_t bytes);  // "1.50M", as Redis writes it

}  // namespace holdfast
