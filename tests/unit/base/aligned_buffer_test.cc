// AlignedBuffer: sizes, addresses, and that what was freed may come again, but never shared.
#include "base/aligned_buffer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

using namespace holdfast;

TEST_CASE("aligned buffer: whole blocks at their boundaries, zeroed when asked for") {
  for (const size_t blocks : {1, 2, 3, 8, 100, 256, 257, 1000}) {
    const size_t size = blocks * kBlock;
    for (int round = 0; round < 3; ++round) {
      AlignedBuffer dirty = AlignedBuffer::uninitialized(size);
      CHECK(dirty.size() == size);
      CHECK(reinterpret_cast<uintptr_t>(dirty.data()) % kBlock == 0);
      std::memset(dirty.data(), 0x5a, size);
      dirty = {};
      const AlignedBuffer zeroed(size);
      CHECK(std::all_of(zeroed.data(), zeroed.data() + size, [](char c) { return c == 0; }));
    }
  }
  CHECK(AlignedBuffer(0).data() == nullptr);
}

TEST_CASE("aligned buffer: two that are alive never share bytes") {
  std::vector<AlignedBuffer> alive;
  for (int round = 0; round < 200; ++round) {
    alive.push_back(AlignedBuffer::uninitialized(static_cast<size_t>(1 + round % 9) * kBlock));
    std::memset(alive.back().data(), round, alive.back().size());
    if (round % 3 == 2) alive.erase(alive.begin() + round % 5);
  }
  std::vector<std::pair<const char*, const char*>> ranges;
  for (const AlignedBuffer& one : alive) ranges.push_back({one.data(), one.data() + one.size()});
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) CHECK(ranges[i - 1].second <= ranges[i].first);
}

TEST_CASE("aligned buffer: it may be freed by another thread, or outlive its own") {
  AlignedBuffer kept;
  std::thread([&kept] {
    AlignedBuffer dropped(3 * kBlock);
    kept = AlignedBuffer(2 * kBlock);
  }).join();
  kept.data()[0] = 1;
  std::thread([given = std::move(kept)]() mutable { given = {}; }).join();
}
