// See view_change.h.
#include "coord/view_change.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"

namespace holdfast {

ViewChange::ViewChange(const Options& options, ShardRecord record)
    : options_(options), record_(std::move(record)) {}

void ViewChange::send(const Member& to, Epoch epoch, MessageBody body, Actions* actions) const {
  actions->emplace_back(
      Send{Message{options_.shard, epoch, kCoordinatorMember, to, std::move(body)}});
}

void ViewChange::decide(ShardRecord record, Step step, Actions* actions) {
  step_ = step;
  since_ns_ = now_;
  deciding_ = std::move(record);
  actions->emplace_back(Decide{deciding_});
}

void ViewChange::begin(std::vector<Member> members, uint32_t write_quorum, Member preferred,
                       int64_t now_ns, Actions* actions) {
  HF_ASSERT(write_quorum >= 1 && write_quorum <= members.size());
  now_ = now_ns;
  next_ = {std::move(members), write_quorum, preferred};
  if (step_ != Step::kIdle) return;
  patience_ns_ = options_.give_up_ns;
  allocate(actions);
}

void ViewChange::allocate(Actions* actions) {
  ShardRecord next = record_;
  next.allocated = std::max({record_.allocated, record_.active.epoch, record_.forming.epoch}) + 1;
  if (mutant(Mutant::kReuseEpoch) && record_.allocated != 0) next.allocated = record_.allocated;
  next.forming = {};
  wanted_ = next_;
  testimonies_.clear();
  ready_ = false;
  decide(std::move(next), Step::kAllocating, actions);
}

void ViewChange::try_again(Actions* actions) {
  patience_ns_ = std::min(2 * patience_ns_, options_.most_patience_ns);
  allocate(actions);
}

void ViewChange::send_fences(Actions* actions) {
  sent_ns_ = now_;
  for (const Member& member : record_.active.members) {
    if (!testimonies_.contains(member)) send(member, record_.allocated, Fence{}, actions);
  }
}

void ViewChange::receive(const Message& message, int64_t now_ns, Actions* actions) {
  now_ = now_ns;
  if (message.shard != options_.shard) return;
  if (const auto* ok = std::get_if<FenceOk>(&message.body)) {
    const bool member = record_.active.has(message.from) || mutant(Mutant::kIgnoreStore);
    const bool decided = step_ == Step::kDecidingForm || step_ == Step::kForming;
    // Late words change nothing, but for the last primary's: that it is fenced.
    const bool counts =
        step_ == Step::kFencing || (decided && message.from == record_.active.primary);
    if (!counts || !member || message.epoch != record_.allocated) return;
    const int64_t left = int64_t{ok->lease_left_us} * 1000;
    testimonies_[message.from] = {*ok, now_ + left + left / ReplicaOptions::kDrift};
    if (step_ == Step::kFencing) choose(actions);
    maybe_activate(actions);
  } else if (std::holds_alternative<Ready>(message.body)) {
    const bool candidate = step_ == Step::kForming && message.epoch == record_.forming.epoch &&
                           message.from == record_.forming.primary;
    if (!candidate) return;
    ready_ = true;
    maybe_activate(actions);
  }
}

void ViewChange::choose(Actions* actions) {
  const Member* best = nullptr;
  uint32_t trusted = 0;
  for (const auto& [member, testimony] : testimonies_) {
    if (!testimony.ok.trusted) continue;
    ++trusted;
    if (best == nullptr) {
      best = &member;
      continue;
    }
    const FenceOk& top = testimonies_[*best].ok;
    const bool further = mutant(Mutant::kChooseByCommit) ? testimony.ok.commit > top.commit
                         : mutant(Mutant::kChooseByLength)
                             ? testimony.ok.last.seq > top.last.seq
                             : testimony.ok.last.further_than(top.last);
    const bool equal = testimony.ok.last == top.last;
    if (further || (equal && member == wanted_.preferred)) best = &member;
  }
  const uint32_t quorum = record_.active.fence_quorum();
  const uint32_t needed = mutant(Mutant::kFenceTooFew) ? std::max(1U, quorum - 1) : quorum;
  if (trusted < needed) return;
  const bool hears_preferred =
      testimonies_.contains(wanted_.preferred) || !record_.active.has(wanted_.preferred);
  // Nobody waits for a shard's first view yet.
  const int64_t wait_ns =
      record_.active.epoch == 0 ? options_.give_up_ns / 2 : options_.preferred_ns;
  if (!hears_preferred && now_ - since_ns_ < wait_ns) return;
  ShardRecord next = record_;
  next.forming = {record_.allocated, ViewPhase::kForming, *best, wanted_.members,
                  wanted_.write_quorum};
  if (!next.forming.has(*best)) next.forming.members.push_back(*best);
  decide(std::move(next), Step::kDecidingForm, actions);
}

void ViewChange::decided(int64_t now_ns, Actions* actions) {
  now_ = now_ns;
  record_ = deciding_;
  since_ns_ = now_;
  switch (step_) {
    case Step::kAllocating:
      step_ = Step::kFencing;
      send_fences(actions);
      return;
    case Step::kDecidingForm:
      step_ = Step::kForming;
      sent_ns_ = now_;
      send(record_.forming.primary, record_.forming.epoch, Form{record_.forming}, actions);
      return;
    case Step::kActivating:
      step_ = Step::kIdle;
      send(record_.active.primary, record_.active.epoch, Activate{record_.active}, actions);
      return;
    default:
      HF_ASSERT(false);
  }
}

void ViewChange::maybe_activate(Actions* actions) {
  if (step_ != Step::kForming || !ready_) return;
  // Only the last primary can have a lease. If it is fenced itself, it reads by none any more,
  // whoever granted it.
  const bool lease_is_over =
      testimonies_.contains(record_.active.primary) || mutant(Mutant::kActivateUnderLease);
  for (const auto& [member, testimony] : testimonies_) {
    if (now_ < testimony.lease_until_ns && !lease_is_over) return;
  }
  ShardRecord next = record_;
  next.active = record_.forming;
  next.active.phase = ViewPhase::kActive;
  next.forming = {};
  decide(std::move(next), Step::kActivating, actions);
}

void ViewChange::tick(int64_t now_ns, Actions* actions) {
  now_ = now_ns;
  const bool again = now_ - sent_ns_ >= options_.retry_ns;
  const bool other = next_.members != wanted_.members || next_.write_quorum != wanted_.write_quorum;
  const bool late = now_ - since_ns_ >= (other ? options_.give_up_ns : patience_ns_);
  if (step_ == Step::kIdle && record_.active.epoch != 0 && again) {
    sent_ns_ = now_;
    send(record_.active.primary, record_.active.epoch, Activate{record_.active}, actions);
  } else if (step_ == Step::kFencing) {
    choose(actions);
    if (step_ != Step::kFencing) return;
    if (late) {
      try_again(actions);
    } else if (again) {
      send_fences(actions);
    }
  } else if (step_ == Step::kForming) {
    maybe_activate(actions);
    if (step_ != Step::kForming) return;
    if (late) {
      try_again(actions);
    } else if (again && !ready_) {
      sent_ns_ = now_;
      send(record_.forming.primary, record_.forming.epoch, Form{record_.forming}, actions);
    }
  }
}

}  // namespace holdfast
