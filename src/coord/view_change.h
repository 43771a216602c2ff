// ViewChange: how the coordinator changes the view of one coordinated shard, without any I/O.
//
//   allocate   a number that no view had
//   fence      the members of the last active view: each promises it, durably, and testifies
//   choose     the furthest log among the trusted testimonies, of which there must be R
//   form       its owner becomes the candidate, with the members and the write quorum from now on
//   wait       until it is ready and no lease of an older primary can last: they are over, or it is
//              fenced
//   activate   it
//
// Every decision (allocate, form, activate) is an action that the coordinator's group commits
// before it counts: decided() comes back. Evidence is always of the last *active* view, however
// many tries there were since, and is taken only from who has promised the new epoch.
//
// After a restart of the coordinator the record says how far the change was: what was forming is
// abandoned and begun anew with a new number.
//
// Time: as in replica_core.h. Threads: the owner's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "replica/cluster_map.h"
#include "replica/replica_core.h"

namespace holdfast {

class ViewChange {
 public:
  struct Options {
    ShardId shard = 0;
    int64_t retry_ns = 30'000'000;  // fences and forms are sent anew
    // Testimonies enough, but not the preferred one's: it is waited for so long.
    int64_t preferred_ns = 30'000'000;
    // A candidate that is not ready, or too few testimonies: another try, which may take twice as
    // long: a long catch-up must be able to end.
    int64_t give_up_ns = 1'000'000'000;
    int64_t most_patience_ns = 64'000'000'000;
  };
  // Make the record this one; then call decided().
  struct Decide {
    ShardRecord record;
  };
  using Action = std::variant<Send, Decide>;
  using Actions = std::vector<Action>;

  ViewChange(const Options& options, ShardRecord record);

  // Begins a change; while one is under way, its next try goes by this. `members`, `write_quorum`:
  // of the new view; its candidate is taken from both the old and the new members. `preferred`:
  // leads if its log is as far as the furthest.
  void begin(std::vector<Member> members, uint32_t write_quorum, Member preferred, int64_t now_ns,
             Actions* actions);
  void receive(const Message& message, int64_t now_ns, Actions* actions);
  void decided(int64_t now_ns, Actions* actions);
  void tick(int64_t now_ns, Actions* actions);

  bool idle() const { return step_ == Step::kIdle; }
  const ShardRecord& record() const { return record_; }

 private:
  enum class Step : uint8_t { kIdle, kAllocating, kFencing, kDecidingForm, kForming, kActivating };
  struct Wanted {
    std::vector<Member> members;
    uint32_t write_quorum = 0;
    Member preferred;
  };
  struct Testimony {
    FenceOk ok;
    int64_t lease_until_ns;
  };

  void decide(ShardRecord record, Step step, Actions* actions);
  void send(const Member& to, Epoch epoch, MessageBody body, Actions* actions) const;
  void allocate(Actions* actions);
  void try_again(Actions* actions);
  void send_fences(Actions* actions);
  void choose(Actions* actions);
  void maybe_activate(Actions* actions);

  const Options options_;
  ShardRecord record_;
  ShardRecord deciding_;
  Step step_ = Step::kIdle;
  int64_t now_ = 0;
  int64_t since_ns_ = 0;
  int64_t patience_ns_ = 0;
  int64_t sent_ns_ = 0;
  Wanted wanted_;  // by the present try
  Wanted next_;
  std::map<Member, Testimony> testimonies_;
  bool ready_ = false;
};

}  // namespace holdfast
