// The leader's half of ReplicaCore: sending its log, counting copies, leases and reads.
#include <algorithm>

#include "base/assert.h"
#include "base/mutant.h"
#include "replica/replica_core.h"

namespace holdfast {
namespace {

constexpr size_t kRoundsKept = 64;

}  // namespace

// --- beginning and ending ---

void ReplicaCore::set_members(std::vector<Member> members, std::vector<Member> learners,
                              uint32_t quorum) {
  members_ = std::move(members);
  learners_ = std::move(learners);
  write_quorum_ = quorum;
  if (!leading()) return;
  const auto named = [this](const Member& member) {
    return has(member) || std::find(learners_.begin(), learners_.end(), member) != learners_.end();
  };
  std::erase_if(peers_, [&](const auto& peer) { return !named(peer.first); });
  for (const std::vector<Member>* group : {&members_, &learners_}) {
    for (const Member& member : *group) {
      if (member != self()) peers_.try_emplace(member);
    }
  }
}

void ReplicaCore::lead(Role role, std::string_view start_payload) {
  leader_ = self();
  peers_.clear();
  set_members(std::move(members_), std::move(learners_), write_quorum_);
  active_ = false;
  start_durable_ = false;
  rounds_.clear();
  beat_ns_ = 0;
  led_since_ns_ = now_;
  lease_renounced_ = false;
  epoch_start_ = last().seq + 1;
  set_role(role);
  append_own(EntryKind::kEpochStart, start_payload);
  for (auto& [id, peer] : peers_) begin_match(id, peer);
}

void ReplicaCore::activate() {
  active_ = true;
  set_role(Role::kPrimary);
  advance_commit();
}

void ReplicaCore::stop_leading() {
  if (!leading()) return;
  leader_ = {};
  peers_.clear();
  epoch_start_ = 0;
  active_ = false;
  handover_.reset();
  for (const Read& read : reads_) act(ReadReady{read.token, false});
  reads_.clear();
}

// --- the log ---

void ReplicaCore::append_own(EntryKind kind, std::string_view payload) {
  EntryHeader header;
  header.kind = kind;
  header.epoch = epoch();
  header.seq = last().seq + 1;
  header.previous_crc = last().crc;
  std::string bytes;
  const uint32_t crc = append_entry(header, payload, &bytes);
  propose({last(),
           std::make_shared<const std::string>(std::move(bytes)),
           {header.epoch, header.seq, crc}});
  policy_log_changed(header.seq);
}

void ReplicaCore::propose(const LogSlice& slice) {
  HF_ASSERT(leading() && slice.previous == last() && slice.last.epoch == epoch());
  append_local(slice);
  for (auto& [id, peer] : peers_) replicate(id, peer);
}

void ReplicaCore::begin_match(const Member& id, Peer& peer) {
  peer.state = Peer::kMatching;
  peer.in_flight.clear();
  peer.in_flight_bytes = 0;
  peer.read = 0;
  peer.match_round = ++match_round_;
  send_match(id, peer);
}

// Sent again it is the same round: the answer may take longer than the patience.
void ReplicaCore::send_match(const Member& id, Peer& peer) {
  peer.match_sent_ns = now_;
  send(id, LogMatch{peer.match_round, tail_.summary(), peer.asked});
}

void ReplicaCore::on(const Message& message, const MatchPoint& point) {
  Peer& peer = peers_[message.from];
  peer.heard_ns = now_;
  if (peer.state != Peer::kMatching || point.round != peer.match_round) return;
  if (point.asks != 0 && point.asks != peer.asked) {
    peer.asked = point.asks;
    begin_match(message.from, peer);
    return;
  }
  if (!tail_.may_hold(point.at)) {
    peer.state = Peer::kSnapshot;
    act(SendSnapshot{message.from});
    return;
  }
  peer.state = Peer::kReplicating;
  peer.sent = point.at;
  peer.rounds.clear();
  // Even without an entry: it tells the follower what it has in common with its leader.
  if (peer.sent == last()) send(message.from, Prepare{last(), nullptr, committed_.seq});
  replicate(message.from, peer);
}

void ReplicaCore::replicate(const Member& id, Peer& peer) {
  while (peer.state == Peer::kReplicating && peer.read == 0 && peer.sent.seq < last().seq) {
    if (peer.in_flight.size() >= options_.window_prepares) return;
    if (peer.in_flight_bytes >= options_.window_bytes) return;
    const Seq next = peer.sent.seq + 1;
    if (tail_.in_memory(next)) {
      send_entries(id, peer, tail_.slice(next, options_.prepare_bytes).value());
    } else {
      peer.read = ++reads_asked_;
      act(ReadLog{peer.read, next, options_.prepare_bytes});
    }
  }
}

void ReplicaCore::send_entries(const Member& id, Peer& peer, const LogSlice& slice) {
  send(id, Prepare{slice.previous, slice.entries, committed_.seq});
  peer.sent = slice.last;
  peer.in_flight.push_back({slice.last.seq, slice.entries->size()});
  peer.in_flight_bytes += slice.entries->size();
}

// Nobody may wait for it any more.
void ReplicaCore::take(const LogRead& read) {
  const auto found = std::find_if(peers_.begin(), peers_.end(),
                                  [&](const auto& peer) { return peer.second.read == read.read; });
  if (found == peers_.end()) return;
  auto& [id, peer] = *found;
  peer.read = 0;
  using Parts = Result<std::vector<LogSlice>>;
  const Parts parts = read.status.ok()
                          ? tail_.read_back(peer.sent, read.entries, options_.window_bytes)
                          : Parts(read.status);
  if (parts.ok()) {
    for (const LogSlice& part : parts.value()) send_entries(id, peer, part);
    replicate(id, peer);
  } else {
    peer.state = Peer::kSnapshot;
    act(SendSnapshot{id});
  }
}

void ReplicaCore::peer_has(Peer& peer, Seq durable, Seq matched) {
  if (durable > last().seq) return;  // it cannot know so much
  peer.durable = std::max(peer.durable, durable);
  // Who does not trust the end of its own log acknowledges nothing, but has to be sent it.
  const Seq taken = durable != 0 ? durable : matched;
  while (!peer.in_flight.empty() && peer.in_flight.front().last <= taken) {
    peer.in_flight_bytes -= peer.in_flight.front().bytes;
    peer.in_flight.pop_front();
  }
}

void ReplicaCore::on(const Message& message, const PrepareOk& ok) {
  Peer& peer = peers_[message.from];
  peer.heard_ns = now_;
  peer_has(peer, ok.durable, ok.matched);
  copied(message.from);
}

void ReplicaCore::copied(const Member& id) {
  advance_commit();
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;  // committing may end its membership, or the leader's
  replicate(id, peer->second);
  check_handover();
}

void ReplicaCore::on(const Message& message, const PrepareReject&) {
  Peer& peer = peers_[message.from];
  peer.heard_ns = now_;
  if (peer.state == Peer::kReplicating) begin_match(message.from, peer);
}

Seq ReplicaCore::quorum_durable() const {
  std::vector<Seq> copies;
  for (const Member& member : members_) {
    if (member == self()) {
      copies.push_back(mutant(Mutant::kCountOwnUnflushed) ? last().seq : durable_);
    } else if (const auto peer = peers_.find(member); peer != peers_.end()) {
      copies.push_back(peer->second.durable);
    }
  }
  const size_t quorum =
      mutant(Mutant::kQuorumTooSmall) ? std::max(1U, write_quorum_ - 1) : write_quorum_;
  if (copies.size() < quorum || quorum == 0) return 0;
  std::sort(copies.begin(), copies.end(), std::greater<>());
  return copies[quorum - 1];
}

void ReplicaCore::advance_commit() {
  if (!leading() || !promise_durable()) return;
  const Seq seq = quorum_durable();
  if (!start_durable_ && seq >= epoch_start_) {
    start_durable_ = true;
    policy_durable_start();
  }
  if (!active_ && !mutant(Mutant::kCommitForming)) return;                    // R3
  if (seq < epoch_start_ && !mutant(Mutant::kCommitOldEpochByCount)) return;  // R3
  if (seq <= committed_.seq) return;
  commit_to(seq);
  policy_committed();
}

// --- rounds: heartbeats, leases, reads ---

void ReplicaCore::beat() {
  beat_ns_ = now_;
  const uint64_t round = ++round_;
  // Reads may have rounds follow each other fast: not each is remembered.
  const bool kept = rounds_.empty() || now_ - rounds_.back().second >= options_.heartbeat_ns / 2;
  if (kept) rounds_.emplace_back(round, now_);
  if (rounds_.size() > kRoundsKept) rounds_.pop_front();
  for (auto& [id, peer] : peers_) {
    if (kept) peer.rounds.push_back({round, peer.sent.seq + 1});
    if (peer.rounds.size() > kRoundsKept) peer.rounds.pop_front();
    send(id, Heartbeat{round, committed_.seq});
  }
}

void ReplicaCore::on(const Message& message, const HeartbeatOk& ok) {
  Peer& peer = peers_[message.from];
  peer.heard_ns = now_;
  peer_has(peer, ok.durable, ok.matched);
  if (ok.round > peer.round_ok && ok.round <= round_) {
    peer.round_ok = ok.round;
    // A round that is not remembered was sent after the one before it that is.
    const auto sent = std::find_if(rounds_.rbegin(), rounds_.rend(),
                                   [&](const auto& round) { return round.first <= ok.round; });
    if (sent != rounds_.rend()) {
      peer.round_ok_sent_ns = mutant(Mutant::kLeaseFromReply) ? now_ : sent->second;
    }
  }
  while (peer.rounds.size() > 1 && peer.rounds[1].number <= ok.round) peer.rounds.pop_front();
  const bool missed = !peer.rounds.empty() && peer.rounds.front().number <= ok.round &&
                      ok.matched + 1 < peer.rounds.front().next;
  if (peer.state == Peer::kReplicating && missed) {
    begin_match(message.from, peer);
    return;
  }
  copied(message.from);
}

void ReplicaCore::leader_tick() {
  if (handover_ && now_ - handover_since_ns_ > options_.handover_ns) handover_.reset();
  if (disk_stalled(now_) && !mutant(Mutant::kBeatWithStalledDisk)) return;  // look dead (I18)
  for (auto& [id, peer] : peers_) {
    const bool waiting = peer.state == Peer::kMatching;
    if (waiting && now_ - peer.match_sent_ns >= 2 * options_.heartbeat_ns) send_match(id, peer);
  }
  if (now_ - beat_ns_ >= options_.heartbeat_ns) beat();
}

std::vector<PeerStatus> ReplicaCore::peer_status() const {
  constexpr std::string_view kStates[] = {"matching", "replicating", "snapshot"};
  std::vector<PeerStatus> all;
  for (const auto& [id, peer] : peers_) {
    all.push_back({id, kStates[peer.state], peer.sent.seq + 1, peer.durable, peer.in_flight_bytes,
                   peer.heard_ns});
  }
  return all;
}

bool ReplicaCore::heard_from(uint32_t members, int64_t since_ns) const {
  uint32_t heard = has(self()) ? 1 : 0;
  for (const auto& [id, peer] : peers_) {
    if (has(id) && peer.heard_ns > since_ns) ++heard;
  }
  return heard >= members;
}

bool ReplicaCore::accepting(int64_t now_ns) const {
  if (!serving() || !start_committed() || handover_ || disk_stalled(now_ns)) return false;
  const int64_t since = awake(now_ns) - options_.quorum_lost_ns;
  return led_since_ns_ > since || heard_from(write_quorum_, since);
}

int64_t ReplicaCore::lease_end_ns() const {
  if (mutant(Mutant::kReadWithoutLease) && serving() && start_committed()) return INT64_MAX;
  if (!options_.lease_reads || lease_renounced_ || !serving()) return kNever;
  if (handover_ && !mutant(Mutant::kHandoverKeepsLease)) return kNever;
  if (!start_committed() && !mutant(Mutant::kReadBeforeStart)) return kNever;
  std::vector<int64_t> sent;
  for (const Member& member : members_) {
    const auto peer = peers_.find(member);
    if (peer != peers_.end()) sent.push_back(peer->second.round_ok_sent_ns);
  }
  // A leader whom the newest members leave out is none of the W.
  const size_t others = write_quorum_ - (has(self()) && write_quorum_ != 0 ? 1 : 0);
  if (others == 0) return disk_stalls_ns();  // whoever could lead instead has to ask this one first
  if (sent.size() < others) return kNever;
  std::sort(sent.begin(), sent.end(), std::greater<>());
  const int64_t lasts = options_.lease_ns - options_.lease_ns / ReplicaOptions::kDrift;
  return std::min(sent[others - 1] + lasts, disk_stalls_ns());
}

// The newest round that W members, self counted, have answered.
uint64_t ReplicaCore::confirmed_round() const {
  std::vector<uint64_t> rounds;
  for (const Member& member : members_) {
    const auto peer = peers_.find(member);
    if (member == self()) rounds.push_back(round_);
    if (peer != peers_.end()) rounds.push_back(peer->second.round_ok);
  }
  if (rounds.size() < write_quorum_ || write_quorum_ == 0) return 0;
  std::sort(rounds.begin(), rounds.end(), std::greater<>());
  return rounds[write_quorum_ - 1];
}

// Answers the reads that are confirmed (R6), and has the others asked for: with one round at a
// time, so that any number of reads costs no more than that.
void ReplicaCore::answer_reads() {
  if (reads_.empty() || !leading()) return;
  if (!start_committed() && !mutant(Mutant::kReadBeforeStart)) return;
  const uint64_t confirmed = confirmed_round();
  const bool leased = lease_valid(now_);
  while (!reads_.empty()) {
    // Who is alone with its quorum needs no round.
    const bool known = write_quorum_ <= 1 && has(self());
    const bool older = mutant(Mutant::kReadFromOlderRound) && confirmed > 0;
    if (!leased && !known && !older && confirmed < reads_.front().round) break;
    act(ReadReady{reads_.front().token, true});
    reads_.pop_front();
  }
  const bool ask = !reads_.empty() && reads_.back().round > round_;
  if (ask && confirmed == round_ && !disk_stalled(now_)) beat();
}

void ReplicaCore::check_handover() {
  if (!handover_) return;
  const auto peer = peers_.find(handover_->to);
  if (peer == peers_.end() || peer->second.durable != last().seq) return;
  policy_handover();
}

}  // namespace holdfast
