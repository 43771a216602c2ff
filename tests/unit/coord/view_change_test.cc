// ViewChange, step by step: what each step waits for, whose word counts, and what a retry does.
#include "coord/view_change.h"

#include <doctest/doctest.h>

using namespace holdfast;

namespace {

constexpr int64_t kMs = 1'000'000;
const Member kA{1, 1}, kB{2, 2}, kC{3, 3};

struct Change {
  explicit Change(uint32_t quorum = 2)
      : change({}, {{4, ViewPhase::kActive, kA, {kA, kB, kC}, quorum}, 4, {}}) {}

  void begin(const Member& preferred = kB) {
    change.begin({kA, kB, kC}, 2, preferred, now, &actions);
  }
  bool deciding() const {
    return !actions.empty() && std::holds_alternative<ViewChange::Decide>(actions.back());
  }
  void decide() {
    REQUIRE(deciding());
    actions.clear();
    change.decided(now, &actions);
  }
  void testify(const Member& from, const LogPosition& last, bool trusted = true,
               uint32_t lease_left_us = 0, Epoch epoch = 0) {
    if (epoch == 0) epoch = change.record().allocated;
    const FenceOk ok{last, 0, trusted, lease_left_us};
    change.receive({0, epoch, from, kCoordinatorMember, ok}, now, &actions);
  }
  void tick(int64_t ns) {
    now += ns;
    actions.clear();
    change.tick(now, &actions);
  }
  const Member& candidate() const { return change.record().forming.primary; }

  int64_t now = 0;
  ViewChange change;
  ViewChange::Actions actions;
};

}  // namespace

TEST_CASE("view change: allocate, fence, choose the furthest, form, activate") {
  Change c;
  c.begin();
  CHECK(std::get<ViewChange::Decide>(c.actions.back()).record.allocated == 5);
  c.decide();
  CHECK(c.actions.size() == 3);  // fences
  c.testify(kB, {3, 9, 0});
  CHECK_FALSE(c.deciding());  // R is 2
  c.testify(kC, {4, 7, 0});   // a later epoch outranks a longer log
  c.decide();
  CHECK(c.candidate() == kC);
  c.change.receive({0, 5, kB, kCoordinatorMember, Ready{}}, c.now, &c.actions);
  CHECK_FALSE(c.deciding());  // not the candidate's
  c.change.receive({0, 5, kC, kCoordinatorMember, Ready{}}, c.now, &c.actions);
  c.decide();
  CHECK(c.change.idle());
  CHECK(c.change.record().active.epoch == 5);
  CHECK(c.change.record().active.phase == ViewPhase::kActive);
}

TEST_CASE("view change: an equal log leads if it is preferred") {
  Change c;
  c.begin(kC);
  c.decide();
  c.testify(kB, {4, 7, 1});
  c.testify(kC, {4, 7, 1});
  c.decide();
  CHECK(c.candidate() == kC);
}

TEST_CASE("view change: the preferred one's word is waited for, but not long") {
  Change c;
  c.begin(kC);
  c.decide();
  c.testify(kA, {4, 7, 1});
  c.testify(kB, {4, 7, 1});
  CHECK_FALSE(c.deciding());
  SUBCASE("it comes") {
    c.testify(kC, {4, 7, 1});
    c.decide();
    CHECK(c.candidate() == kC);
  }
  SUBCASE("it does not") {
    c.tick(31 * kMs);
    c.decide();
    CHECK(c.candidate() == kA);
  }
}

TEST_CASE("view change: who cannot prove its log, another epoch's or a stranger's word is none") {
  Change c;
  c.begin();
  c.decide();
  c.testify(kB, {4, 7, 1});
  c.testify(kC, {4, 9, 1}, false);
  c.testify(kA, {4, 9, 1}, true, 0, 4);
  c.testify({3, 30}, {4, 9, 1});  // another store on a member's node
  CHECK_FALSE(c.deciding());
  c.testify(kA, {4, 8, 1});
  c.decide();
  CHECK(c.candidate() == kA);
}

TEST_CASE("view change: it waits for the leases that were granted to older primaries") {
  Change c;
  c.begin();
  c.decide();
  c.testify(kB, {4, 7, 1}, true, 150'000);
  c.testify(kC, {4, 7, 1});
  c.decide();
  c.change.receive({0, 5, c.candidate(), kCoordinatorMember, Ready{}}, c.now, &c.actions);
  CHECK_FALSE(c.deciding());
  c.tick(150 * kMs);
  CHECK_FALSE(c.deciding());  // clocks drift
  c.tick(kMs);
  CHECK(c.deciding());
}

TEST_CASE("view change: ... unless the last primary is fenced itself, which may be told late") {
  Change c;
  c.begin();
  c.decide();
  c.testify(kB, {4, 7, 1}, true, 150'000);
  c.testify(kC, {4, 7, 1}, true, 150'000);
  c.decide();
  c.change.receive({0, 5, c.candidate(), kCoordinatorMember, Ready{}}, c.now, &c.actions);
  CHECK_FALSE(c.deciding());
  c.testify(kA, {4, 7, 1}, true, 0, 4);  // of another epoch
  c.testify({1, 10}, {4, 7, 1});         // another store on its node
  CHECK_FALSE(c.deciding());
  c.testify(kA, {4, 7, 1});
  CHECK(c.deciding());
}

TEST_CASE("view change: evidence stays that of the last active view, however many tries") {
  Change c;
  c.begin();
  c.decide();
  c.testify(kB, {4, 7, 1});
  c.testify(kC, {4, 7, 1});
  c.decide();
  c.tick(1100 * kMs);  // the candidate is not ready
  c.decide();
  CHECK(c.change.record().allocated == 6);
  CHECK(c.change.record().active.epoch == 4);
  CHECK(c.actions.size() == 3);
  c.testify(kB, {5, 8, 1}, true, 0, 5);  // a late answer to the first fence
  c.testify(kC, {4, 7, 1});
  CHECK_FALSE(c.deciding());
}

TEST_CASE("view change: each try may take twice as long; a newer wish does not wait for that") {
  Change c;
  c.begin();
  c.decide();
  c.tick(1100 * kMs);
  c.decide();
  c.tick(1100 * kMs);
  CHECK_FALSE(c.deciding());
  c.change.begin({kA, kB, {3, 30}}, 2, kA, c.now, &c.actions);
  c.tick(kMs);
  c.decide();
  c.testify(kA, {4, 7, 1});
  c.testify(kB, {4, 7, 1});
  c.decide();
  CHECK(c.change.record().forming.members == std::vector<Member>{kA, kB, {3, 30}});
}

TEST_CASE("view change: after a restart what was forming is left, with its number") {
  ShardRecord record{{4, ViewPhase::kActive, kA, {kA, kB, kC}, 2}, 6, {}};
  record.forming = {6, ViewPhase::kForming, kB, {kA, kB, kC}, 2};
  ViewChange change({}, record);
  ViewChange::Actions actions;
  change.receive({0, 6, kB, kCoordinatorMember, Ready{}}, 0, &actions);
  CHECK(actions.empty());
  change.begin({kA, kB, kC}, 2, kA, 0, &actions);
  CHECK(std::get<ViewChange::Decide>(actions.back()).record.allocated == 7);
}
