// See coordinated_core.h.
#include "replica/coordinated_core.h"

#include "base/assert.h"
#include "base/mutant.h"

namespace holdfast {

CoordinatedCore::CoordinatedCore(const ReplicaOptions& options, ReplicaState state,
                                 LogSource& source, Random& random, int64_t now_ns)
    : ReplicaCore(options, std::move(state), source, random, now_ns), restored_epoch_(epoch()) {}

bool CoordinatedCore::policy_message(const Message& message) {
  if (std::holds_alternative<Fence>(message.body)) {
    fence(message);
  } else if (const auto* body = std::get_if<Form>(&message.body)) {
    form(message, body->view);
  } else if (const auto* active = std::get_if<Activate>(&message.body)) {
    activate_view(active->view);
  } else {
    return false;
  }
  return true;
}

void CoordinatedCore::fence(const Message& message) {
  if (message.epoch < epoch()) {
    send(message.from, Stale{epoch()});
    return;
  }
  if (message.epoch > epoch() && !mutant(Mutant::kTestifyUnfenced)) promise(message.epoch, 0);
  if (leading()) return;  // a late copy of the fence that made it candidate
  const int64_t left = mutant(Mutant::kForgetLease) ? 0 : lease_left_ns();
  const bool trusted_now = trusted() || mutant(Mutant::kTestifyUntrusted);
  FenceOk ok{last(), committed().seq, trusted_now, static_cast<uint32_t>((left + 999) / 1000)};
  Message answer{options().shard, message.epoch, self(), message.from, ok};
  if (mutant(Mutant::kTestifyUnfenced)) {
    act(Send{std::move(answer)});
  } else {
    send_when_promised(message.from, ok);
  }
}

void CoordinatedCore::form(const Message& message, const View& view) {
  if (message.epoch < epoch()) {
    send(message.from, Stale{epoch()});
    return;
  }
  const bool resumes = view.epoch <= restored_epoch_ && !mutant(Mutant::kResumeEpoch);
  if (view.primary != self() || resumes || !trusted()) return;
  if (view.epoch == epoch() && leader().valid()) return;  // a copy
  // Its testimony was given with a promise of this epoch: whoever has not made that did not
  // testify.
  if (view.epoch > epoch() && !mutant(Mutant::kTestifyUnfenced)) return;
  if (view.epoch > epoch()) promise(view.epoch, 0);
  view_ = view;
  set_members(view.members, {}, view.write_quorum);
  lead(Role::kCandidate, {});
}

void CoordinatedCore::policy_durable_start() {
  ready_sent_ns_ = now();
  send_when_promised(kCoordinatorMember, Ready{});
}

void CoordinatedCore::policy_tick() {
  const bool waits = role() == Role::kCandidate && start_durable();
  if (waits && now() - ready_sent_ns_ >= options().heartbeat_ns) policy_durable_start();
}

void CoordinatedCore::activate_view(const View& view) {
  if (mutant(Mutant::kResumeEpoch) && view.epoch == restored_epoch_ && !leader().valid() &&
      view.primary == self() && epoch() == restored_epoch_) {
    set_members(view.members, {}, view.write_quorum);
    lead(Role::kCandidate, {});
  }
  if (view.epoch != epoch() && !mutant(Mutant::kStaleActivate)) return;
  if (role() != Role::kCandidate) return;
  view_ = view;
  activate();
}

void CoordinatedCore::policy_handover() {
  const Member to = handing_over()->to;
  send(kCoordinatorMember, HandedOver{to});
}

}  // namespace holdfast
