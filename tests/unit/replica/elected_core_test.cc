// Elections, handovers and changes of members, one replica against written messages.
#include "replica/elected_core.h"

#include <doctest/doctest.h>

#include "tests/support/core_fixture.h"

using namespace holdfast;

namespace {

constexpr int64_t kMs = CoreFixture::kMs;

bool granted(const std::vector<Vote>& votes) { return !votes.empty() && votes.back().granted; }

}  // namespace

TEST_CASE("elected core: members survive their bytes") {
  const Membership members{{{1, 7}, {2, 9}}, {{3, 11}}};
  CHECK(decode_membership(encode_membership(members)).value() == members);
  CHECK_FALSE(decode_membership("").ok());
  CHECK_FALSE(decode_membership(encode_membership({})).ok());  // nobody could lead it
  CHECK_FALSE(decode_membership(encode_membership(members) + "x").ok());
}

TEST_CASE("elected core: a vote is durable before it is told, and there is one an epoch") {
  CoreFixture f(3);
  f.start_elected();
  f.tick(1000 * kMs);
  f.hold_hard_states = true;
  f.receive(2, 1, VoteRequest{false, false, {}});
  CHECK(f.take<Vote>().empty());
  f.write_hard_states();
  CHECK(granted(f.take<Vote>()));
  f.receive(3, 1, VoteRequest{false, false, {}});
  CHECK_FALSE(granted(f.take<Vote>()));
}

TEST_CASE("elected core: who hears a leader, or granted a lease, does not vote") {
  CoreFixture f(3);
  f.start_elected();
  f.tick(1000 * kMs);
  f.receive(2, 1, Heartbeat{1, 0});
  f.take<Vote>();
  f.receive(3, 2, VoteRequest{true, false, {}});
  f.receive(3, 2, VoteRequest{false, false, {}});
  CHECK(f.sent.empty());
  CHECK(f.core->epoch() == 1);
  f.receive(3, 2, VoteRequest{false, true, {}});  // the leader itself asked for it
  CHECK(granted(f.take<Vote>()));
}

TEST_CASE("elected core: its own lease binds its own vote") {
  CoreFixture f(3);
  f.start_elected();
  f.tick(860 * kMs);
  f.receive(2, 1, Heartbeat{1, 0});
  f.receive(2, 1, Heartbeat{2, 0});
  CHECK(f.take<HeartbeatOk>().size() == 1);  // the first found the promise on its way
  f.receive(3, 1, Stale{4});                 // it follows nobody now, and its timer ran out
  f.sent.clear();
  f.tick(100 * kMs);
  CHECK(f.take<VoteRequest>().empty());
  f.tick(500 * kMs);
  CHECK_FALSE(f.take<VoteRequest>().empty());
}

TEST_CASE("elected core: a node whose disk is stuck does not campaign") {
  CoreFixture f(3);
  f.start_elected();
  f.hold_hard_states = true;
  f.receive(2, 4, Heartbeat{1, 0});
  f.sent.clear();
  for (int i = 0; i < 20; ++i) f.tick(100 * kMs);
  CHECK(f.sent.empty());
  f.write_hard_states();
  f.tick(600 * kMs);
  CHECK_FALSE(f.take<VoteRequest>().empty());
}

TEST_CASE("elected core: a shorter or older log gets no vote") {
  CoreFixture f(3);
  f.start_elected();
  const LogSlice slice = entries_behind({}, 2, 2);
  f.receive(2, 2, LogMatch{1, {slice.last, {}}, 0});
  f.receive(2, 2, Prepare{{}, slice.entries, 0});
  f.tick(1000 * kMs);
  f.receive(3, 3, VoteRequest{false, false, {1, 9, 0}});
  CHECK_FALSE(granted(f.take<Vote>()));
  f.receive(3, 4, VoteRequest{false, false, {2, 2, slice.last.crc}});
  CHECK(granted(f.take<Vote>()));
}

TEST_CASE("elected core: an election, and an older entry committed only with one of its own") {
  CoreFixture f(3);
  f.start_elected();
  const LogSlice old = entries_behind({}, 1, 2);
  f.receive(2, 1, LogMatch{1, {old.last, {}}, 0});
  f.receive(2, 1, Prepare{{}, old.entries, 0});
  f.hold_log = true;
  f.tick(1000 * kMs);
  f.receive(2, 2, Vote{true, true});
  f.receive(2, 2, Vote{false, true});
  REQUIRE(f.core->serving());
  f.receive(2, 2, PrepareOk{2, 2});
  CHECK(f.core->committed().seq == 0);
  f.receive(2, 2, PrepareOk{3, 3});
  CHECK(f.core->committed().seq == 0);
  f.write_log();
  CHECK(f.core->committed().seq == 3);
}

TEST_CASE("elected core: who told another to lead has no lease in that epoch any more") {
  CoreFixture f(3);
  f.start_elected();
  f.win_election();
  REQUIRE(f.core->serving());
  f.tick(50 * kMs);
  f.answer_heartbeats(2);
  CHECK(f.core->lease_valid(f.now));
  f.step(HandOver{CoreFixture::member(3)});
  CHECK(f.take<TimeoutNow>().size() == 1);
  const Epoch epoch = f.core->epoch();
  for (int i = 0; i < 9; ++i) {
    f.tick(50 * kMs);
    f.answer_heartbeats(2);
    f.sent.clear();
  }
  CHECK_FALSE(f.core->lease_valid(f.now));
  // It is given up, but TimeoutNow may still be on its way: only another epoch has a lease again.
  f.tick(100 * kMs);
  CHECK(f.core->epoch() == epoch + 1);
  const auto asked = f.take<VoteRequest>();
  REQUIRE_FALSE(asked.empty());
  CHECK(asked[0].transfer);
  f.receive(2, epoch + 1, Vote{false, true});
  CHECK(f.core->serving());
}

TEST_CASE("elected core: a leader that slept hears its members again before it resigns") {
  CoreFixture f(3);
  f.start_elected();
  f.win_election();
  f.answer_heartbeats(2);
  f.sleep(2000 * kMs);
  CHECK(f.core->serving());
  CHECK_FALSE(f.core->lease_valid(f.now));
  f.tick(200 * kMs);
  CHECK(f.core->serving());
  f.tick(100 * kMs);
  CHECK_FALSE(f.core->serving());
}

TEST_CASE("elected core: a follower that slept hears its leader again before it campaigns") {
  CoreFixture f(3);
  f.start_elected();
  f.receive(2, 1, Heartbeat{1, 0});
  f.sent.clear();
  f.sleep(2000 * kMs);
  CHECK(f.core->hears_leader(f.now));
  f.tick(200 * kMs);
  CHECK(f.take<VoteRequest>().empty());
  f.tick(400 * kMs);
  CHECK_FALSE(f.take<VoteRequest>().empty());
}

TEST_CASE("elected core: for how long a leader may be silent is an operator's choice") {
  CoreFixture f(3);
  f.options.silent_ns = 3000 * kMs;
  f.start_elected();
  f.receive(2, 1, Heartbeat{1, 0});
  f.tick(2900 * kMs);
  CHECK(f.core->hears_leader(f.now));
  CHECK(f.take<VoteRequest>().empty());
  f.tick(3200 * kMs);
  CHECK_FALSE(f.core->hears_leader(f.now));
  CHECK_FALSE(f.take<VoteRequest>().empty());
}

TEST_CASE("elected core: a member that computes is not taken for gone, nor for a copy") {
  CoreFixture f(3);
  f.start_elected();
  f.receive(2, 1, Heartbeat{1, 0});
  f.sent.clear();
  for (int i = 0; i < 20; ++i) {
    f.tick(50 * kMs);
    f.step(MemberBusy{CoreFixture::member(2)});
  }
  CHECK(f.core->hears_leader(f.now));
  CHECK(f.take<VoteRequest>().empty());
  for (int i = 0; i < 12; ++i) {
    f.tick(50 * kMs);
    f.step(MemberBusy{CoreFixture::member(3)});  // it does not lead
    f.step(MemberBusy{{2, 0x99}});               // another store than the leader's
  }
  CHECK_FALSE(f.take<VoteRequest>().empty());

  CoreFixture leader(3);
  leader.start_elected();
  leader.win_election();
  leader.answer_heartbeats(2);
  const LogPosition committed = leader.core->committed();
  for (int i = 0; i < 20; ++i) {
    leader.tick(50 * kMs);
    leader.step(MemberBusy{CoreFixture::member(2)});
  }
  CHECK(leader.core->serving());
  CHECK_FALSE(leader.core->lease_valid(leader.now));
  CHECK(leader.core->committed() == committed);
}

TEST_CASE("elected core: who cannot prove its log's end does not follow TimeoutNow") {
  CoreFixture f(3);
  ReplicaState state;
  state.trusted = false;
  f.start_elected(state);
  f.receive(2, 1, Heartbeat{1, 0});
  f.receive(2, 1, TimeoutNow{});
  CHECK(f.core->epoch() == 1);
  CHECK(f.core->role() == Role::kBackup);
}

TEST_CASE("elected core: a pre-vote after a handover's election asks like any other") {
  CoreFixture f(3);
  f.start_elected();
  f.receive(2, 1, Heartbeat{1, 0});
  f.receive(2, 1, TimeoutNow{});
  const auto asked = f.take<VoteRequest>();
  REQUIRE_FALSE(asked.empty());
  CHECK(asked[0].transfer);
  f.tick(1000 * kMs);
  const auto again = f.take<VoteRequest>();
  REQUIRE_FALSE(again.empty());
  CHECK(again[0].pre);
  CHECK_FALSE(again[0].transfer);
}

TEST_CASE("elected core: members change one at a time, and not before an own entry is committed") {
  CoreFixture f(4);
  const std::vector<Member> all = f.members;
  f.members.pop_back();
  f.start_elected();
  f.tick(1000 * kMs);
  f.receive(2, 1, Vote{true, true});
  f.receive(2, 1, Vote{false, true});
  const Membership learns{f.members, {all[3]}};
  CHECK_FALSE(f.elected->may_change(learns).ok());  // nothing of its own is committed
  f.catch_up(2);
  REQUIRE(f.elected->may_change(learns).ok());
  f.step(ChangeMembers{learns});
  CHECK(f.elected->membership() == learns);  // from when it is in the log
  CHECK_FALSE(f.elected->may_change({all, {}}).ok());
  f.acknowledge(2);
  CHECK_FALSE(f.elected->may_change({all, {}}).ok());  // the learner has nothing of the log
  f.tick(50 * kMs);
  f.catch_up(4);
  CHECK(f.elected->may_change({all, {}}).ok());
  CHECK_FALSE(f.elected->may_change({{all[0], all[3]}, {}}).ok());  // two removed, one added
  CHECK(f.elected->membership_at(1) == Membership{f.members, {}});
}

TEST_CASE("elected core: a leader that is left out needs W others for its lease, then goes") {
  CoreFixture f(4);
  f.start_elected();
  f.win_election();
  f.sent.clear();
  const std::vector<Member> rest(f.members.begin() + 1, f.members.end());
  f.step(ChangeMembers{{rest, {}}});
  CHECK(f.core->write_quorum() == 2);
  f.tick(50 * kMs);
  f.answer_heartbeats(2);
  CHECK_FALSE(f.core->lease_valid(f.now));  // 3 and 4 could elect each other
  CHECK(f.core->serving());                 // not committed yet: one of three has it
  f.sent.clear();
  f.acknowledge(3);
  CHECK_FALSE(f.core->serving());
  CHECK(f.take<TimeoutNow>().size() == 1);
}

TEST_CASE("elected core: truncating a change takes it back") {
  CoreFixture f(3);
  f.start_elected();
  const Membership two{{f.members[0], f.members[1]}, {}};
  const LogSlice change = entries_behind({}, 1, 1, EntryKind::kMembers, encode_membership(two));
  f.receive(2, 1, LogMatch{1, {change.last, {}}, 0});
  f.receive(2, 1, Prepare{{}, change.entries, 0});
  CHECK(f.elected->membership() == two);
  CHECK(f.core->write_quorum() == 2);
  const LogSlice other = entries_behind({}, 2, 1);
  f.receive(3, 2, LogMatch{1, {other.last, {}}, 0});
  f.receive(3, 2, Prepare{{}, other.entries, 0});
  CHECK(f.elected->membership().voters == f.members);
}
