// What the allocator knows. jemalloc in the release build; other builds ask glibc.
#pragma once

#include <cstdint>
#include <string>

#include "base/process.h"

namespace holdfast {

uint64_t memory_allocated();          // bytes handed out now
std::string memory_allocator_name();  // "jemalloc-5.3.0" or "libc"
AllocatorUsage memory_usage();
std::string memory_allocator_report();  // the allocator's own account, for people
void memory_purge();                    // gives free pages back to the kernel

}  // namespace holdfast
