// The follower's half of ReplicaCore: keeping the same log as the leader.
#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "replica/replica_core.h"

namespace holdfast {
namespace {

// The slice without its entries up to `upto`.
LogSlice behind(const LogSlice& slice, const LogPosition& upto) {
  size_t skipped = 0;
  visit_entries(*slice.entries, [&](const EntryHeader& header, std::string_view entry) {
    if (header.seq > upto.seq) return false;
    skipped += entry.size();
    return true;
  });
  return {upto, std::make_shared<const std::string>(*slice.entries, skipped), slice.last};
}

}  // namespace

void ReplicaCore::on(const Message& message, const Prepare& prepare) {
  const Result<LogSlice> slice = check_entries(prepare.previous, prepare.entries);
  if (!slice.ok()) return;  // the leader sends it again
  const Seq upto = slice.value().last.seq;
  if (prepare.previous.seq > matched_) {
    const Result<LogPosition> own = tail_.position(prepare.previous.seq);
    const bool same = own.ok() && own.value() == prepare.previous;
    if (!same && !(own.ok() && mutant(Mutant::kAppendUnmatched))) {
      send(message.from, PrepareReject{});
      return;
    }
  }
  const bool late = upto <= matched_ && !mutant(Mutant::kTruncateOverlap);
  const bool news = !late && prepare.entries != nullptr;
  if (news && !append_prepared(prepare, slice.value())) return;
  matched_ = std::max(matched_, upto);
  regain_trust();
  leader_commit_ = std::max(leader_commit_, prepare.commit);
  commit_to(std::min(prepare.commit, matched_));
  // What was appended is acknowledged when it is durable; who may not yet do that says how far it
  // is.
  acknowledge(!trusted_ || durable_ >= matched_);
}

// What this store may have acknowledged before its log lost its end is durable here again.
void ReplicaCore::regain_trust() {
  if (trusted_ || trust_from_ == 0) return;
  const Seq upto = mutant(Mutant::kTrustInMemory) ? matched_ : std::min(durable_, matched_);
  trusted_ = upto >= trust_from_;
  if (!trusted_ || !promised_.distrusted) return;
  promised_.distrusted = false;  // nothing is acknowledged before this is durable
  save_promise();
}

// Skips what is there already, and truncates what is not the leader's. False: what is there cannot
// be read.
bool ReplicaCore::append_prepared(const Prepare& prepare, const LogSlice& slice) {
  LogPosition same = slice.previous;
  if (same.seq < last().seq) {
    const Seq known = std::max(matched_, committed_.seq);
    bool readable = true;
    visit_entries(*prepare.entries, [&](const EntryHeader& header, std::string_view) {
      if (header.seq > last().seq) return false;
      if (header.seq > known) {
        const Result<LogPosition> own = tail_.position(header.seq);
        readable = own.ok();
        if (!readable || own.value() != position_of(header)) return false;
      }
      same = position_of(header);
      return true;
    });
    if (!readable) return false;
  }
  if (same == slice.last && !mutant(Mutant::kTruncateOverlap)) return true;
  if (same.seq < last().seq) {
    HF_ASSERT(same.seq >= committed_.seq || mutant(Mutant::kMatchAtCommit));  // R4
    truncate(same.seq);
  }
  if (same == slice.last) return true;
  append_local(same == slice.previous ? slice : behind(slice, same));
  policy_log_changed(same.seq + 1);
  return true;
}

void ReplicaCore::truncate(Seq last_kept) {
  tail_.truncate(last_kept);
  durable_ = std::min(durable_, last_kept);
  for (Outstanding& write : log_writes_) write.last = std::min(write.last, last_kept);
  const uint64_t write = next_write_++;
  log_writes_.push_back({write, now_, last_kept});
  act(TruncateLog{write, last_kept});
}

// Whatever was committed before that view is in the logs of its members, and nobody asks this one
// for what it has acknowledged: to be a member again it has to come to their log. So what it does
// not know to be committed is of no use, and must not keep its place on the device from other
// shards.
void ReplicaCore::left_out(Epoch active) {
  if (active < epoch() && !mutant(Mutant::kLeaveForOldView)) return;
  if (active > epoch()) promise(active, 0);
  const bool useless = !leader_.valid() && last().seq > committed_.seq;
  if (useless && tail_.position(committed_.seq).ok()) truncate(committed_.seq);
}

Seq ReplicaCore::acknowledged() const {
  if (!trusted_) return 0;
  if (mutant(Mutant::kAckUnflushed)) return matched_;
  if (mutant(Mutant::kAckUnmatched)) return durable_;
  return std::min(durable_, matched_);
}

void ReplicaCore::acknowledge(bool even_if_nothing_new) {
  if (role_ != Role::kBackup) return;
  if (!promise_durable() && !mutant(Mutant::kPromiseUnsaved)) return;  // R1
  const Seq upto = acknowledged();
  if (upto <= acknowledged_ && !even_if_nothing_new) return;
  acknowledged_ = upto;
  send(leader_, PrepareOk{upto, matched_});
}

void ReplicaCore::on(const Message& message, const Heartbeat& heartbeat) {
  leader_commit_ = std::max(leader_commit_, heartbeat.commit);
  const Seq known = mutant(Mutant::kCommitUnmatched) ? last().seq : matched_;
  commit_to(std::min(heartbeat.commit, known));
  if (!promise_durable() || disk_stalled(now_)) return;  // no copy can be counted on: look dead
  granted_ns_ = now_;
  send(message.from, HeartbeatOk{heartbeat.round, acknowledged(), matched_});
}

void ReplicaCore::on(const Message& message, const LogMatch& match) {
  // A late message may have been sent before this store acknowledged what it then lost. Not so one
  // of an epoch that it had not promised yet, or one that answers this start (I27).
  const bool fresh = message.epoch > started_epoch_ || match.answers == trust_asks_ ||
                     mutant(Mutant::kTrustLateWord);
  if (!trusted_ && fresh) trust_from_ = std::max<Seq>(match.log.last.seq, 1);
  const Seq seq = mutant(Mutant::kMatchAtCommit)
                      ? committed_.seq
                      : std::max(tail_.common_end(match.log), committed_.seq);
  const Result<LogPosition> at = seq == 0 ? LogPosition{} : tail_.position(seq);
  if (!at.ok()) return;
  const uint64_t asks = trusted_ || fresh ? 0 : trust_asks_;
  send_when_promised(message.from, MatchPoint{match.round, at.value(), asks});
}

}  // namespace holdfast
