// LogTail: positions, slices, truncation, what must stay in memory, and where two logs part.
#include "replica/log_tail.h"

#include <doctest/doctest.h>

#include "tests/support/core_fixture.h"

using namespace holdfast;

namespace {

struct Tail {
  explicit Tail(uint64_t memory_bytes = 1 << 20) : tail(log, {}, {}, memory_bytes) {}

  void append(Epoch epoch, int count, bool durable = true) {
    const LogSlice slice = entries_behind(tail.last(), epoch, count);
    tail.append(slice);
    if (!durable) return;
    log.append(slice);
    tail.on_device(slice.last.seq);
  }

  MemoryLog log;
  LogTail tail;
};

}  // namespace

TEST_CASE("log tail: positions and slices of what is in memory") {
  Tail t;
  t.append(1, 3);
  t.append(2, 2);
  CHECK(t.tail.last().seq == 5);
  CHECK(t.tail.position(2).value().seq == 2);
  CHECK(t.tail.position(2).value().epoch == 1);
  CHECK(t.tail.position(4).value().epoch == 2);
  CHECK_FALSE(t.tail.position(6).ok());

  const LogSlice whole = t.tail.slice(1, 1 << 20).value();
  CHECK(whole.last.seq == 3);  // as it was appended
  CHECK(whole.previous == LogPosition{});
  const LogSlice part = t.tail.slice(2, 1).value();  // at least one entry
  CHECK(part.last.seq == 2);
  CHECK(part.previous == t.tail.position(1).value());
  const LogSlice none = t.tail.slice(6, 100).value();
  CHECK(none.entries == nullptr);
  CHECK(none.last == t.tail.last());
  CHECK(t.log.reads == 0);
}

TEST_CASE("log tail: what left the memory is read back") {
  Tail t(1);
  for (int i = 0; i < 5; ++i) t.append(1, 2);
  CHECK(t.tail.slice(3, 1 << 20).value().last.seq == 10);
  CHECK(t.tail.position(3).value().seq == 3);
  CHECK(t.log.reads > 0);
}

TEST_CASE("log tail: entries stay in memory until they are on the device") {
  Tail t(1);
  t.append(1, 2, false);
  t.append(1, 2, false);
  t.append(1, 2, false);
  CHECK(t.tail.slice(1, 1 << 20).ok());
  CHECK(t.tail.position(2).value().seq == 2);
  CHECK(t.log.reads == 0);
}

TEST_CASE("log tail: truncation cuts within an append, and forgets epochs") {
  Tail t;
  t.append(1, 3);
  t.append(2, 3);
  t.append(3, 1);
  t.tail.truncate(5);
  CHECK(t.tail.last().seq == 5);
  CHECK(t.tail.last().epoch == 2);
  CHECK(t.tail.summary().ended == std::vector<EpochEnd>{{1, 3}});
  t.tail.truncate(3);
  CHECK(t.tail.summary().ended.empty());
  t.append(4, 1);
  CHECK(t.tail.position(4).value().epoch == 4);
}

TEST_CASE("log tail: a truncation that is not on the device yet does not come back") {
  Tail t(1);
  t.append(1, 2);
  t.append(1, 4);
  t.append(1, 2);  // 1 to 6 can only be read back
  t.tail.truncate(4);
  const LogSlice read = t.tail.slice(2, 1 << 20).value();  // the device has 1 to 8
  CHECK(read.last.seq == 4);
}

TEST_CASE("log tail: released entries are known by the last one's position") {
  Tail t(1);
  for (int i = 0; i < 4; ++i) t.append(1, 1);
  const LogPosition base = t.tail.position(2).value();
  t.tail.release(base);
  t.log.release(2);
  CHECK(t.tail.position(2).value() == base);
  CHECK_FALSE(t.tail.position(1).ok());
  CHECK_FALSE(t.tail.slice(2, 100).ok());
  CHECK(t.tail.slice(3, 100).value().previous == base);
}

TEST_CASE("log tail: what was read back has to follow, and ends where the log did") {
  Tail t(1);
  t.append(1, 2);
  t.append(1, 4);
  t.append(1, 2);  // 1 to 6 can only be read back
  CHECK(!t.tail.in_memory(6));
  CHECK(t.tail.in_memory(7));
  CHECK(t.tail.in_memory(9));
  const LogPosition first = t.tail.position(1).value();
  const Bytes entries = t.log.read_entries(2, 1 << 20).value().entries;  // 2 to 8
  t.tail.truncate(4);
  const auto whole = t.tail.read_back(first, entries, UINT64_MAX).value();
  REQUIRE(whole.size() == 1);
  CHECK(whole[0].previous == first);
  CHECK(whole[0].last == t.tail.position(4).value());
  const auto parts = t.tail.read_back(first, entries, 1).value();
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].previous == first);
  CHECK(parts[1].previous == parts[0].last);
  CHECK(parts[2].last == whole[0].last);
  const LogPosition other{1, 1, first.crc + 1};
  CHECK(t.tail.read_back({}, entries, 1).status().code() == Code::kCorrupt);
  CHECK(t.tail.read_back(other, entries, 1).status().code() == Code::kCorrupt);
}

TEST_CASE("log tail: what it may hold is said without reading") {
  Tail t(1);
  for (int i = 0; i < 6; ++i) t.append(2, 1);
  const auto at = [&](Seq seq) { return t.tail.position(seq).value(); };
  const LogPosition third = at(3), fifth = at(5), sixth = at(6);
  t.tail.release(at(2));
  t.log.reads = 0;
  CHECK(t.tail.may_hold(third));
  CHECK(t.tail.may_hold({2, 3, third.crc + 1}));  // shown by what follows
  CHECK(t.tail.may_hold(sixth));
  CHECK(!t.tail.may_hold({2, 6, sixth.crc + 1}));
  CHECK(!t.tail.may_hold({1, 5, fifth.crc}));
  CHECK(!t.tail.may_hold({2, 7, 1}));
  CHECK(!t.tail.may_hold({2, 2, 1}));  // released up to another one
  CHECK(!t.tail.may_hold({2, 1, 1}));
  CHECK(!t.tail.may_hold({}));
  CHECK(t.log.reads == 0);
}

TEST_CASE("log tail: where two logs part is found by epochs") {
  Tail a;
  a.append(1, 3);
  a.append(3, 2);
  CHECK(a.tail.common_end({{3, 9, 0}, {{1, 3}}}) == 5);
  CHECK(a.tail.common_end({{3, 4, 0}, {{1, 3}}}) == 4);
  // Epoch 3 is not there: neither log's last epoch decides, the one below does (KIP-279).
  CHECK(a.tail.common_end({{2, 6, 0}, {{1, 5}}}) == 3);
  CHECK(a.tail.common_end({{4, 6, 0}, {{1, 2}}}) == 2);
  CHECK(a.tail.common_end({{4, 6, 0}, {}}) == 0);
}
