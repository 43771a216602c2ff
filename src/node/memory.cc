// See memory.h.
#include "node/memory.h"

#include <malloc.h>

#ifdef HF_JEMALLOC
#include <jemalloc/jemalloc.h>
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// As in sanitizer/allocator_interface.h, which not every gcc comes with.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
extern "C" size_t __sanitizer_get_heap_size();
#endif

namespace holdfast {

#ifdef HF_JEMALLOC

}  // namespace holdfast

// Read by jemalloc at start. Free pages go back to the kernel from a thread of the allocator's:
// done by whoever frees, it took the reactor milliseconds at a time (tests/bench/table_bench.cc
// shows).
extern "C" {
const char* malloc_conf = "background_thread:true,oversize_threshold:0";
}

namespace holdfast {

namespace {

// jemalloc's statistics are a snapshot that is renewed by writing to "epoch".
void renew_statistics() {
  uint64_t epoch = 1;
  size_t size = sizeof epoch;
  mallctl("epoch", &epoch, &size, &epoch, size);
}

uint64_t statistic(const char* name) {
  size_t value = 0, size = sizeof value;
  mallctl(name, &value, &size, nullptr, 0);
  return value;
}

}  // namespace

uint64_t memory_allocated() {
  renew_statistics();
  return statistic("stats.allocated");
}

AllocatorUsage memory_usage() {
  renew_statistics();
  return {statistic("stats.allocated"), statistic("stats.active"), statistic("stats.resident")};
}

std::string memory_allocator_report() {
  std::string text;
  const auto append = [](void* to, const char* part) {
    static_cast<std::string*>(to)->append(part);
  };
  malloc_stats_print(append, &text, nullptr);
  return text;
}

std::string memory_allocator_name() {
  const char* version = "";
  size_t size = sizeof version;
  mallctl("version", &version, &size, nullptr, 0);
  const std::string text(version);
  return "jemalloc-" + text.substr(0, text.find('-'));
}

void memory_purge() { mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0); }

#else

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

// The allocator is the sanitizer's: mallinfo2() knows of nothing there, and no limit would hold.
uint64_t memory_allocated() { return __sanitizer_get_current_allocated_bytes(); }

AllocatorUsage memory_usage() {
  const uint64_t allocated = memory_allocated();
  return {allocated, allocated, __sanitizer_get_heap_size()};
}

#else

uint64_t memory_allocated() { return mallinfo2().uordblks; }

AllocatorUsage memory_usage() {
  const struct mallinfo2 info = mallinfo2();
  return {info.uordblks, info.uordblks, info.arena + info.hblkhd};
}

#endif

std::string memory_allocator_report() { return "Stats not supported for the current allocator"; }

std::string memory_allocator_name() { return "libc"; }

void memory_purge() { malloc_trim(0); }

#endif

}  // namespace holdfast
