// CoordinatedCore: a replica whose views the coordinator makes (Vertical Paxos).
//
// A change of views, as the coordinator sees it: allocate an epoch; Fence the members of the last
// active view, of whom R must answer; choose the furthest log among them; Form the view with its
// owner as the candidate, who brings W members to its log and the epoch's first entry; Ready; wait
// until no older lease can last; Activate. Only then does anything of the epoch count.
//
// A primary that restarts never leads its epoch again: its log may lack what it acknowledged.
#pragma once

#include "replica/replica_core.h"

namespace holdfast {

class CoordinatedCore final : public ReplicaCore {
 public:
  CoordinatedCore(const ReplicaOptions& options, ReplicaState state, LogSource& source,
                  Random& random, int64_t now_ns);

  const View& view() const { return view_; }  // the newest that named this replica its primary

 private:
  void policy_tick() override;
  bool policy_message(const Message& message) override;
  void policy_handover() override;
  void policy_durable_start() override;

  void fence(const Message& message);
  void form(const Message& message, const View& view);
  void activate_view(const View& view);

  const Epoch restored_epoch_;  // promised before the start
  View view_;
  int64_t ready_sent_ns_ = kNever;
};

}  // namespace holdfast
