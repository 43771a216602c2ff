// See replica_core.h. What every replica does: events, promises, roles, what its store completes.
#include "replica/replica_core.h"

#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"

namespace holdfast {
namespace {

const Membership kNoMembership;

constexpr size_t kMostDeferred = 64;  // messages; who asks again and again gets one answer each

}  // namespace

const Membership& ReplicaCore::membership() const { return kNoMembership; }

const Membership& ReplicaCore::membership_at(Seq) const { return kNoMembership; }

Status ReplicaCore::may_change(const Membership&) const {
  return Status::invalid("the coordinator decides who is a member");
}

ReplicaCore::ReplicaCore(const ReplicaOptions& options, ReplicaState state, LogSource& source,
                         Random& random, int64_t now_ns)
    : options_(options),
      random_(random),
      now_(now_ns),
      tail_(source, state.base, std::move(state.log), options.memory_bytes),
      promised_(state.hard_state),
      saved_(state.hard_state),
      committed_(state.base),
      durable_(tail_.last().seq),
      trusted_(state.trusted && !state.hard_state.distrusted),
      whole_(state.whole),
      started_epoch_(promised_.promised_epoch),
      leader_heard_ns_(now_ns),
      granted_ns_(now_ns) {
  if (!trusted_) trust_asks_ = random_.next() | 1;
}

void ReplicaCore::step(const Event& event, int64_t now_ns, Actions* actions) {
  if (now_ns - now_ > kAsleepNs) slept(now_ns - now_);
  now_ = std::max(now_, now_ns);
  actions_ = actions;
  if (role_ == Role::kPoisoned) {
    if (const auto* read = std::get_if<ReadAsked>(&event)) act(ReadReady{read->token, false});
    return;
  }
  struct Visitor {
    ReplicaCore& core;
    void operator()(const Tick&) const {
      if (core.leading()) core.leader_tick();
      core.policy_tick();
    }
    void operator()(const Received& received) const { core.receive(received.message); }
    void operator()(const Proposed& proposed) const { core.propose(proposed.slice); }
    void operator()(const Written& written) const { core.written(written.write); }
    void operator()(const ReadAsked& read) const {
      if (core.serving()) {
        core.reads_.push_back({read.token, core.round_ + 1});
      } else {
        core.act(ReadReady{read.token, false});
      }
    }
    void operator()(const HandOver& handover) const {
      if (!core.serving() || !core.has(handover.to) || handover.to == core.self()) return;
      core.handover_ = handover;
      core.handover_since_ns_ = core.now_;
      core.check_handover();
    }
    void operator()(const Found& found) const {
      if (core.last().seq == 0) core.policy_found(found.members);
    }
    void operator()(const ChangeMembers& change) const { core.policy_change(change.to); }
    void operator()(const StoreFailed&) const {
      core.stop_leading();
      core.set_role(Role::kPoisoned);
    }
    void operator()(const Released& released) const {
      HF_ASSERT(released.upto.seq <= core.committed_.seq && released.upto.seq <= core.durable_);
      core.tail_.release(released.upto);
      core.policy_released();
    }
    void operator()(const SnapshotInstalled& snapshot) const {
      HF_ASSERT(core.log_writes_.empty() && !core.leading());
      HF_ASSERT(core.wants_snapshot(snapshot.log.last));
      core.tail_.reset(snapshot.log);
      core.committed_ = snapshot.log.last;
      core.durable_ = snapshot.log.last.seq;
      core.matched_ = 0;
      core.policy_snapshot(snapshot);
    }
    void operator()(const SnapshotSent& snapshot) const {
      const auto peer = core.peers_.find(snapshot.to);
      if (!core.leading() || peer == core.peers_.end()) return;
      if (peer->second.state == Peer::kSnapshot) core.begin_match(peer->first, peer->second);
    }
    void operator()(const LogRead& read) const { core.take(read); }
    // Only its silence counts anew: no lease is longer for this, and nothing is committed by it.
    void operator()(const MemberBusy& busy) const {
      if (core.leader_ == busy.member) core.leader_heard_ns_ = core.now_;
      const auto peer = core.peers_.find(busy.member);
      if (peer != core.peers_.end()) peer->second.heard_ns = core.now_;
    }
    void operator()(const StateWhole& state) const {
      core.whole_ = state.whole;
      if (!state.whole) core.policy_not_whole();
    }
    void operator()(const LeftOut& view) const { core.left_out(view.epoch); }
  };
  std::visit(Visitor{*this}, event);
  answer_reads();
}

// Nothing can be heard, nor seen to be written, by who does not run: that time tells nothing of the
// other members nor of the device. Leases run on.
void ReplicaCore::slept(int64_t ns) {
  leader_heard_ns_ += ns;
  for (auto& [id, peer] : peers_) peer.heard_ns += ns;
  for (Outstanding& each : log_writes_) each.since_ns += ns;
  for (auto& [write, save] : saves_) save.second += ns;
}

void ReplicaCore::receive(const Message& message) {
  const bool to_node = mutant(Mutant::kIgnoreStore) && message.to.node == self().node;
  if (message.shard != options_.shard || (message.to != self() && !to_node)) return;
  if (policy_message(message)) return;
  std::visit(
      [&](const auto& body) {
        using Body = std::decay_t<decltype(body)>;
        constexpr bool kFromLeader = std::is_same_v<Body, Prepare> ||
                                     std::is_same_v<Body, Heartbeat> ||
                                     std::is_same_v<Body, LogMatch>;
        constexpr bool kToLeader =
            std::is_same_v<Body, PrepareOk> || std::is_same_v<Body, PrepareReject> ||
            std::is_same_v<Body, HeartbeatOk> || std::is_same_v<Body, MatchPoint>;
        if constexpr (kFromLeader) {
          if (from_leader(message)) on(message, body);
        } else if constexpr (kToLeader) {
          const bool current = message.epoch == epoch() || mutant(Mutant::kCountOldAcks);
          if (leading() && current && peers_.contains(message.from)) on(message, body);
        } else if constexpr (std::is_same_v<Body, Stale>) {
          if (body.promised > epoch()) promise(body.promised, 0);
        }
      },
      message.body);
}

// Whether to obey it; a later epoch is promised on the way.
bool ReplicaCore::from_leader(const Message& message) {
  if (message.epoch < epoch() && !mutant(Mutant::kObeyOldEpoch)) {
    send(message.from, Stale{epoch()});
    return false;
  }
  if (message.epoch > epoch()) promise(message.epoch, 0);
  if (leader_ != message.from) {
    HF_ASSERT(!leader_.valid() || mutant(Mutant::kObeyOldEpoch));  // R5
    follow(message.from);
  }
  leader_heard_ns_ = now_;
  return true;
}

void ReplicaCore::send(const Member& to, Epoch epoch, MessageBody body) {
  act(Send{{options_.shard, epoch, self(), to, std::move(body)}});
}

void ReplicaCore::send_when_promised(const Member& to, MessageBody body) {
  Message message{options_.shard, epoch(), self(), to, std::move(body)};
  if (promise_durable() || mutant(Mutant::kPromiseUnsaved)) {
    act(Send{std::move(message)});
  } else if (deferred_.size() < kMostDeferred) {
    deferred_.push_back(std::move(message));
  }
}

void ReplicaCore::promise(Epoch epoch, StoreId vote) {
  HF_ASSERT(epoch > promised_.promised_epoch ||
            (epoch == promised_.promised_epoch && promised_.voted_for == 0));  // R1
  stop_leading();
  deferred_.clear();
  promised_ = {epoch, vote, promised_.distrusted};
  leader_ = {};
  matched_ = 0;
  acknowledged_ = 0;
  leader_commit_ = 0;
  save_promise();
  set_role(Role::kFenced);
}

void ReplicaCore::save_promise() {
  const uint64_t write = next_write_++;
  saves_[write] = {promised_, now_};
  act(SaveHardState{write, promised_});
}

void ReplicaCore::set_role(Role role) {
  role_ = role;
  act(RoleChanged{role, epoch()});
}

void ReplicaCore::follow(const Member& leader) {
  leader_ = leader;
  matched_ = 0;
  acknowledged_ = 0;
  leader_commit_ = 0;
  leader_heard_ns_ = now_;
  set_role(Role::kBackup);
}

void ReplicaCore::resign() {
  stop_leading();
  set_role(Role::kFenced);
}

void ReplicaCore::written(uint64_t write) {
  if (const auto save = saves_.find(write); save != saves_.end()) {
    const HardState state = save->second.first;
    saves_.erase(saves_.begin(), std::next(save));
    saved_ = state;
    if (!promise_durable()) return;
    for (Message& message : deferred_) act(Send{std::move(message)});
    deferred_.clear();
    policy_promised();
    if (leading()) {
      advance_commit();
    } else {
      acknowledge(false);
    }
    return;
  }
  HF_ASSERT(!log_writes_.empty() && log_writes_.front().write == write);
  durable_ = std::max(durable_, log_writes_.front().last);
  log_writes_.pop_front();
  tail_.on_device(durable_);
  if (leading()) {
    advance_commit();
  } else {
    regain_trust();
    acknowledge(false);
  }
}

void ReplicaCore::append_local(const LogSlice& slice) {
  tail_.append(slice);
  const uint64_t write = next_write_++;
  log_writes_.push_back({write, now_, slice.last.seq});
  act(AppendLog{write, slice});
}

void ReplicaCore::commit_to(Seq seq) {
  if (seq <= committed_.seq) return;
  const Result<LogPosition> position = tail_.position(seq);
  if (!position.ok()) return;  // the entry is damaged on the device
  committed_ = position.value();
  act(Committed{committed_});
}

bool ReplicaCore::has(const Member& member) const {
  return std::find(members_.begin(), members_.end(), member) != members_.end();
}

bool ReplicaCore::wants_snapshot(const LogPosition& upto) const {
  if (upto.seq < committed_.seq) return false;
  if (mutant(Mutant::kInstallOverNewer)) return true;
  const Result<LogPosition> own = tail_.position(upto.seq);
  return !own.ok() || own.value() != upto;
}

int64_t ReplicaCore::disk_stalls_ns() const {
  int64_t oldest = INT64_MAX;
  if (!log_writes_.empty()) oldest = log_writes_.front().since_ns;
  if (!saves_.empty()) oldest = std::min(oldest, saves_.begin()->second.second);
  return oldest == INT64_MAX ? oldest : oldest + options_.disk_stall_ns;
}

int64_t ReplicaCore::lease_left_ns() const {
  const int64_t most = options_.lease_ns + options_.lease_ns / ReplicaOptions::kDrift;
  return std::max<int64_t>(0, granted_ns_ + most - now_);
}

}  // namespace holdfast
