// What the operating system says of this process and machine: for INFO and the log.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

struct ProcessUsage {
  uint64_t resident_bytes = 0;
  double system_seconds = 0;
  double user_seconds = 0;
};

ProcessUsage process_usage();
int64_t process_id();
uint64_t machine_memory_bytes();
std::string operating_system();  // "Linux 6.1.0 x86_64"
std::string executable_path();

}  // namespace holdfast
