// See elected_core.h.
#include "replica/elected_core.h"

#include <algorithm>

#include "base/assert.h"
#include "base/codec.h"
#include "base/mutant.h"

namespace holdfast {
namespace {

constexpr uint64_t kMostMembers = 64;
constexpr Seq kNearEntries = 4096;  // behind, of a learner that may become a voter

void put_members(std::string& out, const std::vector<Member>& members) {
  put_varint(out, members.size());
  for (const Member& member : members) {
    put_varint(out, member.node);
    put_fixed(out, member.store);
  }
}

std::vector<Member> read_members(Reader& reader) {
  std::vector<Member> members;
  const uint64_t count = std::min(reader.varint(), kMostMembers + 1);
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    const auto node = static_cast<NodeId>(reader.varint());
    members.push_back({node, reader.fixed<StoreId>()});
  }
  return members;
}

// It is sent the log, and has nearly all of it durably.
bool nearly_caught_up(const ReplicaCore& leader, const Member& member) {
  const std::vector<PeerStatus> peers = leader.peer_status();
  return std::any_of(peers.begin(), peers.end(), [&](const PeerStatus& peer) {
    return peer.member == member && peer.state == "replicating" && peer.durable != 0 &&
           peer.durable + kNearEntries > leader.last().seq;
  });
}

// Members of `a` that are not in `b`.
std::vector<Member> without(const std::vector<Member>& a, const std::vector<Member>& b) {
  std::vector<Member> rest;
  for (const Member& member : a) {
    if (std::find(b.begin(), b.end(), member) == b.end()) rest.push_back(member);
  }
  return rest;
}

}  // namespace

std::string encode_membership(const Membership& members) {
  std::string out;
  put_members(out, members.voters);
  put_members(out, members.learners);
  return out;
}

Result<Membership> decode_membership(std::string_view bytes) {
  Reader reader(bytes);
  Membership members;
  members.voters = read_members(reader);
  members.learners = read_members(reader);
  const bool fits = members.voters.size() + members.learners.size() <= kMostMembers;
  if (reader.at_end() && reader.ok() && fits && !members.voters.empty()) return members;
  return Status::corrupt("the members of a group cannot be decoded");
}

ElectedCore::ElectedCore(const ReplicaOptions& options, ReplicaState state, Membership members,
                         LogSource& source, Random& random, int64_t now_ns)
    : ReplicaCore(options, std::move(state), source, random, now_ns) {
  HF_ASSERT(options.silent_ns > options.lease_ns + options.lease_ns / ReplicaOptions::kDrift);
  configs_.push_back({log().base().seq, std::move(members)});
  read_configs(log().base().seq + 1);
  adopt();
  wait_for_leader();
}

// --- members ---

void ElectedCore::read_configs(Seq from) {
  while (from <= last().seq) {
    const Result<LogSlice> slice = log().slice(from, 1 << 20);
    HF_ASSERT(slice.ok());
    visit_entries(*slice.value().entries, [&](const EntryHeader& header, std::string_view entry) {
      const std::string_view payload = entry.substr(kEntryHeaderBytes);
      const bool named = header.kind == EntryKind::kMembers ||
                         (header.kind == EntryKind::kEpochStart && !payload.empty());
      if (!named) return true;
      Result<Membership> members = decode_membership(payload);
      HF_ASSERT(members.ok());
      configs_.push_back({header.seq, std::move(members.value())});
      return true;
    });
    from = slice.value().last.seq + 1;
  }
}

void ElectedCore::adopt() {
  const Membership& members =
      mutant(Mutant::kMembersAtCommit) ? membership_at(committed().seq) : membership();
  set_members(members.voters, members.learners, majority(members.voters.size()));
}

const Membership& ElectedCore::membership_at(Seq seq) const {
  auto at = configs_.rbegin();
  while (at->seq > seq && std::next(at) != configs_.rend()) ++at;
  return at->members;
}

void ElectedCore::policy_log_changed(Seq from) {
  const Seq newest = configs_.back().seq;
  while (configs_.size() > 1 && configs_.back().seq >= from) configs_.pop_back();
  read_configs(from);
  if (configs_.back().seq != newest || newest >= from) adopt();
}

void ElectedCore::policy_released() {
  while (configs_.size() > 1 && configs_[1].seq <= log().base().seq) {
    configs_.erase(configs_.begin());
  }
}

void ElectedCore::policy_snapshot(const SnapshotInstalled& snapshot) {
  configs_ = {{snapshot.log.last.seq, snapshot.members}};
  adopt();
}

Status ElectedCore::may_change(const Membership& to) const {
  if (!serving()) return Status::unavailable("this replica does not lead");
  if (!mutant(Mutant::kChangeMembersEarly)) {
    if (!start_committed()) return Status::unavailable("the leader has committed nothing yet");
    if (configs_.back().seq > committed().seq) {
      return Status::unavailable("another change is under way");
    }
  }
  const Membership& from = membership();
  const std::vector<Member> added = without(to.voters, from.voters);
  if (added.size() + without(from.voters, to.voters).size() > 1) {
    return Status::invalid("one voter may be added or removed at a time");
  }
  if (to.voters.empty()) return Status::invalid("a group needs a voter");
  if (!without(added, from.learners).empty()) {
    return Status::invalid("a new voter must have been a learner");
  }
  // Each commit would wait for what it lacks, if it is needed for a majority.
  if (!added.empty() && !nearly_caught_up(*this, added.front())) {
    return Status::unavailable("the learner lacks too much of the log yet");
  }
  if (without(to.learners, to.voters).size() != to.learners.size()) {
    return Status::invalid("a member is either a voter or a learner");
  }
  return {};
}

// Every first member writes the same first entry, of epoch 0, so their logs have it in common.
void ElectedCore::policy_found(const Membership& members) {
  EntryHeader header;
  header.kind = EntryKind::kMembers;
  header.seq = 1;
  std::string bytes;
  const uint32_t crc = append_entry(header, encode_membership(members), &bytes);
  append_local({{}, std::make_shared<const std::string>(std::move(bytes)), {0, 1, crc}});
  policy_log_changed(1);
}

void ElectedCore::policy_change(const Membership& to) {
  if (may_change(to).ok()) append_own(EntryKind::kMembers, encode_membership(to));
}

// A leader that was removed goes when that is committed; the furthest member follows it at once.
void ElectedCore::policy_committed() {
  if (mutant(Mutant::kMembersAtCommit)) adopt();
  if (is_voter() || configs_.back().seq > committed().seq) return;
  const Peer* best = nullptr;
  Member next;
  for (const auto& [id, peer] : peers()) {
    if (!has(id) || (best != nullptr && best->durable >= peer.durable)) continue;
    best = &peer;
    next = id;
  }
  if (best != nullptr) send(next, TimeoutNow{});
  resign();
}

// A leader that cannot apply its log would lead for ever without serving.
void ElectedCore::policy_not_whole() {
  if (!leading()) return;
  resign();
  wait_for_leader();
}

// --- elections ---

bool ElectedCore::hears_leader() const {
  if (leading()) return true;
  return leader().valid() && now() - leader_heard_ns() < options().silent_ns;
}

// Whoever its own log removes campaigns all the same until that is committed: it may be the only
// one whose log is far enough (Ongaro's thesis, 4.2.2).
bool ElectedCore::may_campaign() const {
  if (!whole()) return false;
  const std::vector<Member>& before = membership_at(committed().seq).voters;
  return is_voter() || std::find(before.begin(), before.end(), self()) != before.end();
}

void ElectedCore::wait_for_leader() {
  const auto spread = static_cast<uint64_t>(options().silent_ns);
  deadline_ns_ = now() + options().silent_ns + static_cast<int64_t>(random().below(spread));
}

void ElectedCore::policy_tick() {
  if (handing_over() == nullptr && transfer_sent_) {
    transfer_sent_ = false;
    // Who was told to lead does not, and this epoch has no lease any more: the next one has.
    if (leading() && may_campaign() && trusted() && !disk_stalled(now())) begin_election(true);
  }
  if (leading()) {
    const int64_t since = now() - options().silent_ns;
    if (led_since_ns() < since && !heard_from(write_quorum(), since)) {
      resign();
      wait_for_leader();
    }
    return;
  }
  if (hears_leader()) {
    pre_ = false;
    deadline_ns_ = std::max(deadline_ns_, leader_heard_ns() + options().silent_ns);
  }
  if (now() < deadline_ns_ || !may_campaign() || !trusted()) return;
  // The lease that it granted binds its own vote too; nor could it vote with a disk that is stuck.
  if (lease_left_ns() > 0 || !promise_durable() || disk_stalled(now())) return;
  wait_for_leader();
  pre_ = true;
  transfer_ = false;
  votes_ = {self()};
  ask_for_votes(epoch() + 1);
  count_votes();
}

void ElectedCore::ask_for_votes(Epoch epoch) {
  for (const Member& member : members()) {
    if (member != self()) send(member, epoch, VoteRequest{pre_, transfer_, last()});
  }
}

void ElectedCore::begin_election(bool transfer) {
  pre_ = false;
  transfer_ = transfer;
  votes_.clear();
  promise(epoch() + 1, self().store);
  set_role(Role::kCandidate);
  wait_for_leader();
}

void ElectedCore::policy_promised() {
  if (role() != Role::kCandidate || promised().voted_for != self().store) return;
  votes_.insert(self());
  ask_for_votes(epoch());
  count_votes();
}

void ElectedCore::count_votes() {
  const auto granted = std::count_if(votes_.begin(), votes_.end(),
                                     [this](const Member& member) { return has(member); });
  if (granted < static_cast<std::ptrdiff_t>(write_quorum())) return;
  if (pre_) {
    begin_election(false);
  } else {
    lead(Role::kCandidate, encode_membership(membership()));
    activate();
  }
}

bool ElectedCore::policy_message(const Message& message) {
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    vote_request(message, *request);
  } else if (const auto* answer = std::get_if<Vote>(&message.body)) {
    vote(message, *answer);
  } else if (std::holds_alternative<TimeoutNow>(message.body)) {
    const bool from_leader = message.epoch == epoch() && message.from == leader() && !leading();
    if (from_leader && is_voter() && trusted() && whole()) begin_election(true);
  } else {
    return false;
  }
  return true;
}

void ElectedCore::vote_request(const Message& message, const VoteRequest& request) {
  // Who asks for an epoch that is not new here would never learn of it otherwise.
  if (message.epoch < epoch() || (request.pre && message.epoch == epoch())) {
    send(message.from, Stale{epoch()});
    return;
  }
  const bool bound = (hears_leader() || lease_left_ns() > 0) && !request.transfer;
  if (bound && !mutant(Mutant::kVoteDespiteLeader)) return;
  if (!trusted() && !mutant(Mutant::kTestifyUntrusted)) return;
  const bool enough = !last().further_than(request.last) || mutant(Mutant::kVoteForOlderLog);
  if (request.pre) {
    send(message.from, message.epoch, Vote{true, enough});
    return;
  }
  const StoreId candidate = message.from.store;
  if (message.epoch > epoch()) {
    promise(message.epoch, enough ? candidate : 0);
    wait_for_leader();
  } else if (promised().voted_for == 0 && !leader().valid() && enough) {
    promise(epoch(), candidate);
    wait_for_leader();
  }
  const bool granted =
      promised().voted_for == candidate || (mutant(Mutant::kVoteTwice) && enough && !leading());
  send_when_promised(message.from, Vote{false, granted});
}

void ElectedCore::vote(const Message& message, const Vote& vote) {
  if (!vote.granted) return;
  const bool free = !hears_leader() && lease_left_ns() <= 0;
  const bool wanted = vote.pre ? pre_ && message.epoch == epoch() + 1 && free
                               : role() == Role::kCandidate && message.epoch == epoch();
  if (!wanted || (vote.pre != pre_)) return;
  votes_.insert(message.from);
  count_votes();
}

void ElectedCore::policy_handover() {
  if (transfer_sent_) return;
  transfer_sent_ = true;
  if (!mutant(Mutant::kHandoverKeepsLease)) renounce_lease();
  send(handing_over()->to, TimeoutNow{});
}

}  // namespace holdfast
