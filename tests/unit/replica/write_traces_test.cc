// WriteTraces: what is remembered of the newest writes of a shard, and of slow ones.
#include "replica/write_traces.h"

#include <doctest/doctest.h>

namespace holdfast {
namespace {

constexpr int64_t kMs = 1'000'000;

void write(WriteTraces& traces, Seq seq, int64_t received_ns) {
  traces.wrote({seq, 7, "set", received_ns, received_ns + 1, received_ns + 2});
}

void log_group(WriteTraces& traces, Seq first, Seq last, int64_t now_ns) {
  GroupTrace group{.first = first, .last = last, .epoch = 3, .bytes = 100};
  group.logged_ns = now_ns;
  traces.logged(group);
}

}  // namespace

TEST_CASE("write traces: a group's copies and its commit, in the order of arrival") {
  WriteTraces traces;
  CHECK(traces.write(1) == nullptr);
  CHECK(traces.group_of(1) == nullptr);
  for (Seq seq = 1; seq <= 4; ++seq) write(traces, seq, static_cast<int64_t>(seq));
  log_group(traces, 1, 2, 10);
  log_group(traces, 3, 4, 20);
  traces.copied(12, 2, 30);
  traces.flushed(4, 40);
  traces.committed(2, 41, 1000);
  traces.copied(11, 4, 50);
  traces.copied(12, 4, 60);
  traces.copied(12, 4, 70);  // told again

  const GroupTrace& first = *traces.group_of(1);
  CHECK(&first == traces.group_of(2));
  CHECK(first.flushed_ns == 40);
  CHECK(first.committed_ns == 41);
  CHECK(first.copies[0].node == 12);
  CHECK(first.copies[0].at_ns == 30);
  CHECK(first.copies[1].node == 11);
  const GroupTrace& second = *traces.group_of(4);
  CHECK(second.committed_ns == 0);
  CHECK(second.copies[0].node == 11);
  CHECK(second.copies[1].at_ns == 60);
  CHECK(second.copies[2].node == 0);
  CHECK(traces.group_of(5) == nullptr);
  REQUIRE(traces.write(3) != nullptr);
  CHECK(traces.write(3)->received_ns == 3);
}

TEST_CASE("write traces: more copies than there is room for are not remembered") {
  WriteTraces traces;
  log_group(traces, 1, 1, 1);
  for (NodeId node = 1; node <= GroupTrace::kMaxCopies + 2; ++node) traces.copied(node, 1, node);
  CHECK(traces.group_of(1)->copies.back().node == GroupTrace::kMaxCopies);
}

TEST_CASE("write traces: the newest are remembered, seqs may have gaps") {
  WriteTraces traces;
  constexpr Seq kLast = 3 * WriteTraces::kWrites;
  for (Seq seq = 2; seq <= kLast; seq += 2) {
    write(traces, seq, 1);
    log_group(traces, seq, seq, 1);
  }
  CHECK(traces.write(kLast)->seq == kLast);
  CHECK(traces.write(kLast - 1) == nullptr);
  CHECK(traces.write(kLast + 2) == nullptr);
  const Seq oldest = kLast - 2 * (WriteTraces::kWrites - 1);
  CHECK(traces.write(oldest)->seq == oldest);
  CHECK(traces.write(oldest - 2) == nullptr);
  const Seq oldest_group = kLast - 2 * (WriteTraces::kGroups - 1);
  CHECK(traces.group_of(oldest_group)->first == oldest_group);
  CHECK(traces.group_of(oldest_group - 2) == nullptr);
}

TEST_CASE("write traces: of a slow group, the write that was received first") {
  WriteTraces traces;
  traces.keep_slow(5000, 2);
  write(traces, 1, 9 * kMs);
  write(traces, 2, 3 * kMs);  // it had to wait before it ran
  write(traces, 3, 9 * kMs);
  log_group(traces, 1, 3, 9 * kMs);
  traces.committed(3, 10 * kMs, 77);
  REQUIRE(traces.slow().size() == 1);
  CHECK(traces.slow()[0].write.seq == 2);
  CHECK(traces.slow()[0].took_ns() == 7 * kMs);
  CHECK(traces.slow()[0].wall_ms == 77);

  write(traces, 4, 10 * kMs);
  log_group(traces, 4, 4, 10 * kMs);
  traces.committed(4, 15 * kMs - 1, 78);
  CHECK(traces.slow().size() == 1);   // fast enough
  log_group(traces, 5, 5, 10 * kMs);  // no client's
  traces.committed(5, 100 * kMs, 79);
  CHECK(traces.slow().size() == 1);

  for (Seq seq = 6; seq <= 8; ++seq) {
    write(traces, seq, 0);
    log_group(traces, seq, seq, 0);
    traces.committed(seq, 6 * kMs, 80);
  }
  REQUIRE(traces.slow().size() == 2);
  CHECK(traces.slow()[0].write.seq == 8);
  traces.keep_slow(5000, 1);
  CHECK(traces.slow().size() == 1);
  traces.keep_slow(-1, 1);
  write(traces, 9, 0);
  log_group(traces, 9, 9, 0);
  traces.committed(9, 100 * kMs, 81);
  CHECK(traces.slow()[0].write.seq == 8);
  traces.forget_slow();
  CHECK(traces.slow().empty());
}

}  // namespace holdfast
