// What the operating system says of this process and machine: for INFO and the log. Layers above
// take these figures through hooks, so that a simulated server does not show the machine it runs
// on.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

struct ProcessUsage {
  uint64_t resident_bytes = 0;
  double system_seconds = 0;
  double user_seconds = 0;
};

// What does not change while the process lives.
struct ProcessFacts {
  int64_t id = 0;
  uint64_t machine_memory_bytes = 0;
  std::string operating_system;
  std::string executable;
};

struct AllocatorUsage {
  uint64_t allocated = 0;  // handed out
  uint64_t active = 0;     // in pages that hold something handed out
  uint64_t resident = 0;   // in pages taken from the kernel
};

ProcessUsage process_usage();
ProcessFacts process_facts();
int64_t process_id();
uint64_t machine_memory_bytes();
std::string operating_system();  // "Linux 6.1.0 x86_64"
std::string executable_path();

}  // namespace holdfast
