// ElectedCore: a replica whose group elects its leader (Raft: Ongaro and Ousterhout 2014). The
// epoch is the term; the promise and the vote are one durable record.
//
// Pre-vote and check-quorum together: who hears a leader refuses to vote, and a leader that hears
// no majority steps down, so a member with half a network can neither depose nor block anyone.
// Members change one at a time, from when the entry is in the log, and not before the leader has
// committed an entry of its own epoch (Ongaro's correction of 2015). Every epoch's first entry
// names the members too.
#pragma once

#include <set>

#include "replica/replica_core.h"

namespace holdfast {

std::string encode_membership(const Membership& members);
Result<Membership> decode_membership(std::string_view bytes);

class ElectedCore final : public ReplicaCore {
 public:
  // `members`: as of the base, or of a new group. The log behind the base may change them. An
  // election begins when no leader was heard for options.silent_ns to twice that, drawn anew each
  // time. REQUIRES: that is longer than a lease.
  ElectedCore(const ReplicaOptions& options, ReplicaState state, Membership members,
              LogSource& source, Random& random, int64_t now_ns);

  const Membership& membership() const override { return configs_.back().members; }
  const Membership& membership_at(Seq seq) const override;
  Status may_change(const Membership& to) const override;

 private:
  struct Config {
    Seq seq;  // of the entry
    Membership members;
  };

  void policy_tick() override;
  bool policy_message(const Message& message) override;
  void policy_promised() override;
  void policy_handover() override;
  void policy_durable_start() override {}
  void policy_committed() override;
  void policy_log_changed(Seq from) override;
  void policy_released() override;
  void policy_snapshot(const SnapshotInstalled& snapshot) override;
  void policy_found(const Membership& members) override;
  void policy_change(const Membership& to) override;
  void policy_not_whole() override;

  void vote_request(const Message& message, const VoteRequest& request);
  void vote(const Message& message, const Vote& vote);
  void begin_election(bool transfer);
  void ask_for_votes(Epoch epoch);
  void count_votes();
  void wait_for_leader();
  void read_configs(Seq from);
  void adopt();
  bool hears_leader() const;
  bool is_voter() const { return has(self()); }
  bool may_campaign() const;

  std::vector<Config> configs_;  // the one of the base, then those behind it, in order
  int64_t deadline_ns_ = 0;      // of the election timer
  bool pre_ = false;
  bool transfer_ = false;
  std::set<Member> votes_;
  bool transfer_sent_ = false;
};

}  // namespace holdfast
