// One slot's table alone: how long single operations take while it grows to many keys and shrinks
// again, worst case included. All keys share a hash tag, so that they fill one slot.
//
//   table_bench [KEYS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "base/metrics.h"
#include "node/memory.h"
#include "store/keyspace.h"

namespace {

using namespace holdfast;

// Of this thread: what an operation costs the reactor, without what else runs on the machine.
int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

template <typename Operation>
void measure(const char* name, uint64_t count, Operation operation) {
  Histogram histogram;
  uint64_t over_1ms = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const int64_t start = now_ns();
    operation(i);
    const auto took = static_cast<uint64_t>(now_ns() - start);
    histogram.record(took);
    over_1ms += took > 1'000'000;
  }
  std::printf(
      "%-8s %12llu  mean %6.0f ns  p99 %8llu ns  p99.99 %8llu ns  max %9llu ns  over 1 ms: %llu\n",
      name, static_cast<unsigned long long>(count), histogram.mean(),
      static_cast<unsigned long long>(histogram.percentile(0.99)),
      static_cast<unsigned long long>(histogram.percentile(0.9999)),
      static_cast<unsigned long long>(histogram.max()), static_cast<unsigned long long>(over_1ms));
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t keys = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 5'000'000;
  Keyspace keyspace(42);
  const auto name = [](uint64_t i) { return "{slot}" + std::to_string(i); };
  measure("insert", keys,
          [&](uint64_t i) { keyspace.put_string(0, keyspace.key(name(i)), "value", 0, i + 1); });
  measure("find", std::min<uint64_t>(keys, 5'000'000), [&](uint64_t i) {
    if (keyspace.find(0, keyspace.key(name(i * 7919 % keys))) == nullptr) std::abort();
  });
  uint64_t cursor = 0, scanned = 0;
  measure("scan", std::min<uint64_t>(keys / 8, 1'000'000),
          [&](uint64_t) { cursor = keyspace.scan(0, cursor, [&scanned](Object*) { ++scanned; }); });
  measure("erase", keys, [&](uint64_t i) { keyspace.erase(0, keyspace.key(name(i)), keys + i); });
  memory_purge();  // also links the allocator's settings of the server
  return keyspace.size(0) == 0 ? 0 : 1;
}
