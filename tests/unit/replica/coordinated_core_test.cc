// What a replica does in any group, and with a coordinator: promises, acknowledgements, the commit
// rule, leases and reads, trust, snapshots. The simulator covers the interplay.
#include "replica/coordinated_core.h"

#include <doctest/doctest.h>

#include "base/assert.h"
#include "tests/support/core_fixture.h"

using namespace holdfast;

namespace {

constexpr int64_t kMs = CoreFixture::kMs;

// Follows node 2 in that epoch, with everything it has sent.
void follow(CoreFixture& f, Epoch epoch, const LogSlice& slice) {
  LogSummary summary;
  summary.last = slice.last;
  f.receive(2, epoch, LogMatch{1, summary, 0});
  f.receive(2, epoch, Prepare{slice.previous, slice.entries, 0});
}

ReplicaState untrusted(CoreFixture& f, Epoch promised, int entries) {
  const LogSlice slice = entries_behind({}, promised, entries);
  f.log.append(slice);
  ReplicaState state;
  state.hard_state = {promised, 0};
  state.log.last = slice.last;
  state.trusted = false;
  return state;
}

}  // namespace

TEST_CASE("replica core: a promise is durable before anything depends on it") {
  CoreFixture f(3);
  f.hold_hard_states = true;
  f.start_coordinated();
  f.receive(0, 5, Fence{});
  CHECK(f.core->epoch() == 5);
  CHECK(f.take<FenceOk>().empty());
  f.receive(0, 6, Fence{});
  f.write_hard_states();
  CHECK(f.take<FenceOk>().size() == 1);  // of 6 alone
  f.receive(2, 5, Heartbeat{1, 0});
  CHECK(f.take<Stale>().size() == 1);
}

TEST_CASE("replica core: only what is durable is acknowledged") {
  CoreFixture f(3);
  f.hold_log = true;
  f.start_coordinated();
  follow(f, 1, entries_behind({}, 1, 3));
  CHECK(f.take<PrepareOk>().empty());
  f.write_log();
  const auto oks = f.take<PrepareOk>();
  REQUIRE(oks.size() == 1);
  CHECK(oks[0].durable == 3);
}

TEST_CASE("replica core: a Prepare that does not fit is refused, a copy is not written twice") {
  CoreFixture f(3);
  f.start_coordinated();
  const LogSlice slice = entries_behind({}, 1, 3);
  follow(f, 1, slice);
  f.take<PrepareOk>();
  f.hold_log = true;
  f.receive(2, 1, Prepare{slice.previous, slice.entries, 0});
  CHECK(f.pending.empty());
  CHECK(f.take<PrepareOk>().size() == 1);
  const LogSlice gap = entries_behind({1, 9, 9}, 1, 1);
  f.receive(2, 1, Prepare{gap.previous, gap.entries, 0});
  CHECK(f.take<PrepareReject>().size() == 1);
}

TEST_CASE("replica core: a later leader's log replaces what is not committed, and only that") {
  CoreFixture f(3);
  f.start_coordinated();
  const LogSlice old = entries_behind({}, 1, 3);
  follow(f, 1, old);
  f.receive(2, 1, Heartbeat{1, 1});
  CHECK(f.core->committed().seq == 1);
  const LogPosition first = f.core->tail().position(1).value();
  const LogSlice other = entries_behind(first, 2, 1);
  f.receive(3, 2, LogMatch{1, {other.last, {{1, 1}}}, 0});
  CHECK(f.take<MatchPoint>().back().at == first);
  f.receive(3, 2, Prepare{first, other.entries, 0});
  CHECK(f.core->last() == other.last);
  CHECK(f.core->durable() == 2);
}

TEST_CASE("replica core: who was left out of a view gives up what is not known to be committed") {
  CoreFixture f(3);
  f.start_coordinated();
  const LogSlice slice = entries_behind({}, 3, 3);
  follow(f, 3, slice);
  f.receive(2, 3, Heartbeat{1, 1});
  REQUIRE(f.core->committed().seq == 1);
  f.step(LeftOut{2});  // before it became a member again
  CHECK(f.core->last() == slice.last);
  f.step(LeftOut{4});
  CHECK(f.core->last() == f.core->committed());
  CHECK(f.core->durable() == 1);
  CHECK(f.core->epoch() == 4);
  f.take<Stale>();
  f.receive(2, 3, Prepare{f.core->last(), slice.entries, 0});
  CHECK(f.take<Stale>().size() == 1);
  CHECK(f.core->last().seq == 1);
  // A member again, it comes to the log of the view's leader.
  const LogSlice other = entries_behind(f.core->last(), 5, 2);
  f.receive(3, 5, LogMatch{1, {other.last, {{3, 1}}}, 0});
  f.receive(3, 5, Prepare{other.previous, other.entries, 0});
  CHECK(f.core->last() == other.last);
}

TEST_CASE("replica core: who was left out at its start has nothing but what its records hold") {
  CoreFixture f(3);
  const LogSlice slice = entries_behind({}, 1, 3);
  f.log.append(slice);
  ReplicaState state;
  state.hard_state = {4, 0};
  state.log.last = slice.last;
  f.start_coordinated(state);
  f.step(LeftOut{4});  // fenced for it, and not taken
  CHECK(f.core->last().seq == 0);
  f.step(LeftOut{4});
  CHECK(f.core->role() == Role::kFenced);
}

TEST_CASE("coordinated core: nothing is committed before the view is active") {
  CoreFixture f(3);
  f.start_coordinated();
  const View view{1, ViewPhase::kForming, f.options.self, f.members, 2};
  f.receive(0, 1, Fence{});
  f.receive(0, 1, Form{view});
  CHECK(f.core->role() == Role::kCandidate);
  CHECK(f.take<Ready>().empty());
  f.acknowledge(2);
  CHECK(f.take<Ready>().size() == 1);
  CHECK(f.core->committed().seq == 0);
  f.receive(0, 1, Activate{view});
  CHECK(f.core->serving());
  CHECK(f.core->committed().seq == 1);
}

TEST_CASE("coordinated core: a Form counts for who promised its epoch in this life") {
  CoreFixture f(3);
  f.start_coordinated();
  const View view{4, ViewPhase::kForming, f.options.self, f.members, 2};
  f.receive(0, 4, Form{view});
  CHECK(f.core->role() == Role::kFenced);
  CHECK(f.core->epoch() == 0);
  ReplicaState state;
  state.hard_state.promised_epoch = 4;
  f.start_coordinated(state);
  f.receive(0, 4, Form{view});
  CHECK(f.core->role() == Role::kFenced);
  f.receive(0, 4, Activate{view});
  CHECK_FALSE(f.core->serving());
}

TEST_CASE("replica core: W copies commit, acknowledgements of another epoch are none") {
  CoreFixture f(3);
  f.start_coordinated();
  f.lead_view(3, 2);
  f.hold_log = true;
  f.propose(2);
  f.receive(2, 2, PrepareOk{3, 3});
  CHECK(f.core->committed().seq == 1);
  f.acknowledge(2);
  CHECK(f.core->committed().seq == 1);  // the leader's own copy is not durable
  f.write_log();
  CHECK(f.core->committed().seq == 3);
}

TEST_CASE("replica core: a lease lasts from when the heartbeat was sent") {
  CoreFixture f(3);
  f.start_coordinated();
  f.lead_view(1, 2);
  CHECK_FALSE(f.core->lease_valid(f.now));
  f.tick(50 * kMs);
  const int64_t sent = f.now;
  f.now += 150 * kMs;
  f.answer_heartbeats(2);
  CHECK(f.core->lease_valid(sent + 199 * kMs));
  CHECK_FALSE(f.core->lease_valid(sent + 200 * kMs));
}

TEST_CASE("replica core: any number of reads share a round, and a read waits for a later one") {
  CoreFixture f(3);
  f.options.lease_reads = false;
  f.start_coordinated();
  f.lead_view(1, 2);
  f.tick(50 * kMs);
  f.answer_heartbeats(2);
  f.sent.clear();
  for (uint64_t token = 1; token <= 100; ++token) f.step(ReadAsked{token});
  CHECK(f.reads.empty());
  const auto beats = f.take<Heartbeat>();
  REQUIRE(beats.size() == 2);  // one to each member: the first read's
  f.receive(2, 1, HeartbeatOk{beats[0].round, 1, 1});
  CHECK(f.reads.size() == 1);
  const auto more = f.take<Heartbeat>();
  REQUIRE(more.size() == 2);  // all others'
  f.receive(3, 1, HeartbeatOk{more[0].round, 1, 1});
  CHECK(f.reads.size() == 100);
}

TEST_CASE("replica core: a stalled disk silences the leader, reads or not") {
  CoreFixture f(3);
  f.options.lease_reads = false;
  f.start_coordinated();
  f.lead_view(1, 2);
  f.hold_log = true;
  f.propose();
  f.tick(600 * kMs);
  f.sent.clear();
  f.tick(100 * kMs);
  f.step(ReadAsked{1});
  CHECK(f.take<Heartbeat>().empty());
  CHECK_FALSE(f.core->accepting(f.now));
}

TEST_CASE("replica core: a follower whose disk is stuck answers no heartbeat") {
  CoreFixture f(3);
  f.start_coordinated();
  f.hold_log = true;
  follow(f, 1, entries_behind({}, 1, 1));
  f.sent.clear();
  f.tick(400 * kMs);
  f.receive(2, 1, Heartbeat{1, 0});
  CHECK(f.take<HeartbeatOk>().size() == 1);
  f.tick(200 * kMs);
  f.receive(2, 1, Heartbeat{2, 0});
  CHECK(f.take<HeartbeatOk>().empty());
  f.write_log();
  f.receive(2, 1, Heartbeat{3, 0});
  CHECK(f.take<HeartbeatOk>().size() == 1);
}

TEST_CASE("replica core: who slept holds that time against nobody, and its device neither") {
  CoreFixture f(3);
  f.start_coordinated();
  f.lead_view(1, 2);
  f.tick(50 * kMs);
  f.answer_heartbeats(2);
  f.hold_log = true;
  f.propose();
  f.now += 700 * kMs;
  CHECK(f.core->accepting(f.now));  // before it has seen how late it is, and after
  CHECK_FALSE(f.core->disk_stalled(f.now));
  CHECK_FALSE(f.core->lease_valid(f.now));
  f.step(Tick{});
  CHECK(f.core->accepting(f.now));
  CHECK_FALSE(f.core->lease_valid(f.now));
  f.tick(450 * kMs);
  CHECK_FALSE(f.core->accepting(f.now));  // nobody was heard for 400 ms of its own
  f.receive(2, 1, PrepareOk{1, 1});
  CHECK(f.core->accepting(f.now));
  f.tick(60 * kMs);
  CHECK_FALSE(f.core->accepting(f.now));  // nor did the device write anything
}

TEST_CASE("replica core: LogMatch is one round, however slow the link is") {
  CoreFixture f(3);
  f.start_coordinated();
  const View view{1, ViewPhase::kForming, f.options.self, f.members, 2};
  f.receive(0, 1, Fence{});
  f.receive(0, 1, Form{view});
  const uint64_t round = f.take<LogMatch>().at(0).round;
  f.tick(300 * kMs);
  CHECK(f.take<LogMatch>().at(0).round == round);
  f.receive(2, 1, MatchPoint{round, {}, 0});
  CHECK(f.take<Prepare>().size() == 1);
}

TEST_CASE("replica core: trust comes back with a word given after the loss, and durably") {
  CoreFixture f(3);
  f.hold_log = true;
  f.start_coordinated(untrusted(f, 4, 2));
  const LogSlice rest = entries_behind(f.core->last(), 4, 3);
  const LogSummary early{f.core->last(), {}};
  const LogSummary now{rest.last, {}};
  // It may have been sent before this store acknowledged what it then lost.
  f.receive(2, 4, LogMatch{1, early, 0});
  const uint64_t asks = f.take<MatchPoint>().at(0).asks;
  CHECK(asks != 0);
  f.receive(2, 4, Prepare{early.last, nullptr, 0});
  CHECK_FALSE(f.core->trusted());
  f.receive(2, 4, LogMatch{2, now, asks});
  f.receive(2, 4, Prepare{rest.previous, rest.entries, 0});
  CHECK_FALSE(f.core->trusted());
  CHECK(f.take<PrepareOk>().back().durable == 0);
  f.write_log();
  CHECK(f.core->trusted());
  CHECK(f.take<PrepareOk>().back().durable == 5);
}

TEST_CASE("replica core: a leader of a later epoch needs no asking") {
  CoreFixture f(3);
  f.start_coordinated(untrusted(f, 4, 2));
  f.receive(2, 5, LogMatch{1, {f.core->last(), {}}, 0});
  CHECK(f.take<MatchPoint>().at(0).asks == 0);
  f.receive(2, 5, Prepare{f.core->last(), nullptr, 0});
  CHECK(f.core->trusted());
}

TEST_CASE("replica core: a leader answers who asks with a new LogMatch") {
  CoreFixture f(3);
  f.start_coordinated();
  const View view{1, ViewPhase::kForming, f.options.self, f.members, 2};
  f.receive(0, 1, Fence{});
  f.receive(0, 1, Form{view});
  const uint64_t round = f.take<LogMatch>().at(0).round;
  f.receive(2, 1, MatchPoint{round, {}, 77});
  const auto again = f.take<LogMatch>();
  REQUIRE(again.size() == 1);
  CHECK(again[0].answers == 77);
  f.receive(2, 1, MatchPoint{again[0].round, {}, 77});
  CHECK(f.take<Prepare>().size() == 1);
}

namespace {

// Leads with a log of 11 entries of which only the last is in memory; member 3 is asked where its
// own one parts.
struct FarBehind : CoreFixture {
  FarBehind() : CoreFixture(3) {
    options.memory_bytes = 1;
    options.prepare_bytes = 1;
    start_coordinated();
    lead_view(1, 2);
    for (int i = 0; i < 10; ++i) propose();
    acknowledge(2);
    hold_log_reads = true;
    ask();
  }
  void ask() {
    take<LogMatch>();
    receive(3, 1, PrepareReject{});
    round = take<LogMatch>().at(0).round;
  }
  void answer(const LogPosition& at) { receive(3, 1, MatchPoint{round, at, 0}); }

  uint64_t round = 0;
};

}  // namespace

TEST_CASE("replica core: entries for a member far behind are read back, one piece after another") {
  FarBehind f;
  f.answer({});
  LogPosition last;
  while (last.seq < 10) {
    f.propose();  // meanwhile: for member 2 only
    CHECK(f.take<Prepare>().size() == 1);
    REQUIRE(f.log_reads.size() == 1);
    CHECK(f.log_reads[0].from == last.seq + 1);
    f.read_log();
    const auto sent = f.take<Prepare>();
    REQUIRE(!sent.empty());
    CHECK(sent[0].previous == last);
    last = check_entries(sent[0].previous, sent[0].entries).value().last;
  }
  CHECK(f.snapshots == 0);
}

TEST_CASE("replica core: entries that were read for an earlier match are not sent") {
  FarBehind f;
  f.answer({});
  std::vector<ReadLog> earlier = std::exchange(f.log_reads, {});
  REQUIRE(earlier.size() == 1);
  f.ask();
  const LogPosition fifth = f.core->tail().position(5).value();
  f.answer(fifth);
  std::swap(f.log_reads, earlier);
  f.read_log();
  CHECK(f.take<Prepare>().empty());
  std::swap(f.log_reads, earlier);
  f.read_log();
  CHECK(f.take<Prepare>().at(0).previous == fifth);
  CHECK(f.snapshots == 0);
}

TEST_CASE("replica core: a member whose log cannot be continued is sent a snapshot") {
  {
    FarBehind f;  // its entry is another one: shown by what follows it
    LogPosition at = f.core->tail().position(5).value();
    ++at.crc;
    f.answer(at);
    CHECK(f.snapshots == 0);
    f.read_log();
    CHECK(f.snapshots == 1);
    CHECK(f.take<Prepare>().empty());
  }
  {
    FarBehind f;  // what follows is not kept any more
    f.answer(f.core->tail().position(5).value());
    f.log.release(8);
    f.read_log();
    CHECK(f.snapshots == 1);
  }
  {
    FarBehind f;  // known without reading
    LogPosition at = f.core->last();
    ++at.crc;
    f.answer(at);
    CHECK(f.snapshots == 1);
    CHECK(f.log_reads.empty());
  }
}

TEST_CASE("replica core: a snapshot is not wanted where the log goes on behind it") {
  CoreFixture f(3);
  f.start_coordinated();
  const LogSlice slice = entries_behind({}, 1, 5);
  follow(f, 1, slice);
  CHECK_FALSE(f.core->wants_snapshot(f.core->tail().position(3).value()));
  CHECK(f.core->wants_snapshot({1, 9, 9}));
  CHECK(f.core->wants_snapshot({2, 3, 1}));  // another entry 3, committed elsewhere
  f.receive(2, 1, Heartbeat{1, 4});
  CHECK_FALSE(f.core->wants_snapshot({2, 3, 1}));
}

TEST_CASE("replica core: a poisoned replica answers reads, and nothing else") {
  CoreFixture f(3);
  f.start_coordinated();
  f.step(StoreFailed{});
  f.step(ReadAsked{9});
  REQUIRE(f.reads.size() == 1);
  CHECK_FALSE(f.reads[0].ok);
  f.receive(0, 1, Fence{});
  CHECK(f.take<FenceOk>().empty());
}

TEST_CASE("replica core: a message to the store that was here before is not for this one") {
  CoreFixture f(3);
  f.start_coordinated();
  f.step(Received{{f.options.shard, 1, kCoordinatorMember, {1, 999}, Fence{}}});
  CHECK(f.core->epoch() == 0);
}
