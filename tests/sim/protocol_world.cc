// See protocol_world.h.
#include "tests/sim/protocol_world.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr int64_t kChaosNs = 20'000 * ProtocolWorld::kMs;
constexpr size_t kTimelineKept = 400;

}  // namespace

std::string ProtocolWorld::name(const Member& member) {
  if (member.node == 0) return "coordinator";
  return std::to_string(member.node) + "/" + std::to_string(member.store);
}

ProtocolWorld::ProtocolWorld(uint64_t seed) : random_(seed) {
  coordinated_ = random_.one_in(2);
  draw_profile();
  const bool several = profile_ != Profile::kMixed;
  const auto count = static_cast<uint32_t>(several ? 3 + random_.below(3) : 1 + random_.below(5));
  std::vector<Member> members;
  for (uint32_t i = 1; i <= count; ++i) members.push_back({i, i});
  first_members_ = committed_members_ = {members, {}};
  spare_ = coordinated_ && seed % 3 == 0;
  write_quorum_ = majority(count);
  if (coordinated_ && random_.one_in(3))
    write_quorum_ = 1 + static_cast<uint32_t>(random_.below(count));
  draw_knobs();
  ReplicaOptions options;
  options.lease_reads = profile_ == Profile::kLeases || random_.one_in(2);
  options.memory_bytes = random_.one_in(2) ? 300 : 16 << 20;
  options.prepare_bytes = random_.one_in(2) ? 200 : 256 << 10;
  options.window_prepares = 1 + random_.below(8);
  std::vector<Member> nodes = members;
  if (spare_) nodes.push_back({count + 1, count + 1});
  for (const Member& member : nodes) {
    replicas_.push_back(std::make_unique<SimReplica>(*this, member));
    SimReplica& replica = *replicas_.back();
    replica.options = options;
    replica.clock_offset_ns = up_to(1'000'000 * kMs);
    replica.drift_ppm = up_to(900) - 450;
    replica.disk_ns = 1 + up_to(random_.one_in(4) ? 30 * kMs : 3 * kMs);
  }
  if (coordinated_) record_.active = {0, ViewPhase::kActive, members[0], members, write_quorum_};
}

ProtocolWorld::~ProtocolWorld() = default;

void ProtocolWorld::draw_profile() {
  constexpr Profile kProfiles[] = {Profile::kMixed, Profile::kMixed,  Profile::kMixed,
                                   Profile::kMixed, Profile::kLeases, Profile::kElections,
                                   Profile::kDisks, Profile::kCatchUp};
  profile_ = kProfiles[random_.below(std::size(kProfiles))];
  if (profile_ == Profile::kElections) coordinated_ = false;
}

void ProtocolWorld::draw_knobs() {
  loss_percent_ = random_.one_in(2) ? random_.below(30) : 0;
  double_percent_ = random_.one_in(2) ? random_.below(30) : 0;
  delay_ns_ = 1 + up_to(random_.one_in(3) ? 40 * kMs : 2 * kMs);
  rarely_delay_ns_ = 1 + up_to(2000 * kMs);
  late_one_in_ = random_.one_in(4) ? 5 : 50;
  snapshot_ns_ = 1 + up_to(random_.one_in(2) ? 50 * kMs : 1000 * kMs);
  for (int fault = 0; fault < kFaultKinds; ++fault) {
    if (random_.one_in(2)) enabled_.insert(fault);
  }
  fault_every_ns_ = 20 * kMs + up_to(1500 * kMs);
  if (profile_ == Profile::kMixed) return;
  if (profile_ == Profile::kLeases) enabled_ = {3, 5, 10, 12, 15, 16, 17, 18};
  if (profile_ == Profile::kElections) enabled_ = {0, 1, 4, 5, 7, 12, 13, 15, 16, 19};
  if (profile_ == Profile::kDisks) enabled_ = {0, 2, 4, 8, 9, 10, 14, 16, 19};
  if (profile_ == Profile::kCatchUp) {
    enabled_ = {0, 4, 5, 7, 14, 15, 17, 19};
    late_one_in_ = 4;
    snapshot_ns_ = 1 + up_to(1500 * kMs);
  }
  fault_every_ns_ = 20 * kMs + up_to(400 * kMs);
}

// --- the machine ---

void ProtocolWorld::after(int64_t ns, std::function<void()> task) {
  tasks_.push({now_ + std::max<int64_t>(ns, 0), ++order_, std::move(task)});
}

void ProtocolWorld::run_until(int64_t ns) {
  while (!tasks_.empty() && tasks_.top().at <= ns) {
    Task task = tasks_.top();
    tasks_.pop();
    now_ = task.at;
    task.run();
  }
  now_ = ns;
}

void ProtocolWorld::note(const Member& who, const std::string& what) {
  const std::string line = std::to_string(now_ / kMs) + " ms  " + name(who) + " " + what;
  for (const char c : line) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  timeline_.push_back(line);
  if (timeline_.size() > kTimelineKept) timeline_.pop_front();
}

void ProtocolWorld::violation(const std::string& what) { throw ProtocolViolation(what); }

SimReplica* ProtocolWorld::find(const Member& member) {
  for (const auto& replica : replicas_) {
    if (replica->self() == member) return replica.get();
  }
  return nullptr;
}

SimReplica* ProtocolWorld::leader() {
  SimReplica* found = nullptr;
  for (const auto& replica : replicas_) {
    if (!replica->running() || !replica->core()->accepting(replica->local_ns())) continue;
    if (found == nullptr || found->core()->epoch() < replica->core()->epoch())
      found = replica.get();
  }
  return found;
}

SimReplica& ProtocolWorld::any() { return *replicas_[random_.below(replicas_.size())]; }

void ProtocolWorld::send(const Message& message) {
  hash_ = hash_ * 31 + message.body.index() + uint64_t(now_);
  if (cut_.contains({message.from.node, message.to.node})) return;
  if (!calm_ && random_.below(100) < loss_percent_) {
    mark("messages lost");
    return;
  }
  const int copies = !calm_ && random_.below(100) < double_percent_ ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    const bool late = !calm_ && random_.one_in(late_one_in_);
    int64_t delay = 1 + up_to(calm_ ? kMs : late ? rarely_delay_ns_ : delay_ns_);
    const auto slow = slow_.find({message.from.node, message.to.node});
    if (slow != slow_.end()) delay += slow->second;
    // To the node: whether its store is the one that is meant is for the core to see.
    after(delay, [this, message] {
      if (message.to == kCoordinatorMember) {
        to_coordinator(message);
      } else if (SimReplica* replica = on_node(message.to.node)) {
        replica->step(Received{message});
      }
    });
  }
}

void ProtocolWorld::run() {
  for (const auto& replica : replicas_) replica->start();
  if (coordinated_) {
    coordinator_ = std::make_unique<ViewChange>(ViewChange::Options{}, record_);
    coordinator_tick();
  }
  if (spare_) tell_views();
  client();
  schedule_fault();
  run_until(kChaosNs);
  calm();
}

// --- clients ---

void ProtocolWorld::client() {
  after(1 + up_to(20 * kMs), [this] {
    SimReplica& replica = any();
    if (replica.running()) {
      if (!quiet_ && replica.core()->accepting(replica.local_ns())) propose(replica);
      if (random_.one_in(2)) ask_read(any());
      if (profile_ == Profile::kCatchUp && random_.one_in(8)) any().checkpoint();
    }
    client();
  });
}

void ProtocolWorld::propose(SimReplica& replica) {
  const ReplicaCore& core = *replica.core();
  std::string bytes;
  LogPosition last = core.last();
  for (uint64_t count = 1 + random_.below(4); count > 0; --count) {
    EntryHeader header;
    header.kind = EntryKind::kCommand;
    header.epoch = core.epoch();
    header.seq = last.seq + 1;
    header.previous_crc = last.crc;
    const uint32_t crc = append_entry(header, std::to_string(next_value_++), &bytes);
    last = {header.epoch, header.seq, crc};
  }
  mark("proposals");
  replica.step(Proposed{{core.last(), std::make_shared<const std::string>(bytes), last}});
}

void ProtocolWorld::ask_read(SimReplica& replica) {
  if (!replica.running() || !replica.core()->serving()) return;
  if (replica.core()->lease_valid(replica.local_ns())) {
    mark("reads under a lease");
    if (replica.core()->committed().seq < acked_) violation("I21: a stale read under a lease");
    return;
  }
  const uint64_t token = next_token_++;
  reads_[token] = {acked_, replica.self()};
  replica.step(ReadAsked{token});
}

void ProtocolWorld::read_ready(SimReplica& replica, uint64_t token, bool ok) {
  const auto read = reads_.find(token);
  if (read == reads_.end()) violation("a read was answered twice");
  const Seq floor = read->second.floor;
  reads_.erase(read);
  if (!ok) return;
  mark("reads confirmed");
  if (replica.core()->committed().seq < floor) {
    violation("I19: a read at " + std::to_string(replica.core()->committed().seq) + ", but " +
              std::to_string(floor) + " had been acknowledged before");
  }
}

// --- oracles ---

void ProtocolWorld::committed(SimReplica& replica, const LogPosition& position) {
  const auto [known, fresh] = ledger_.emplace(position.seq, position);
  if (!fresh && known->second != position) {
    violation("I4: " + name(replica.self()) + " commits another entry " +
              std::to_string(position.seq) + " than was committed before");
  }
  if (fresh && position.seq > 1 && !ledger_.contains(position.seq - 1) &&
      ledger_.begin()->first != position.seq) {
    violation("I4: a gap before " + std::to_string(position.seq));
  }
  if (fresh) mark("entries committed");
  const ReplicaCore* core = replica.core();
  if (core == nullptr || core->leader() != replica.self()) return;
  if (coordinated_ && record_.active.epoch < core->epoch()) {
    violation("I14: commits in epoch " + std::to_string(core->epoch()) + ", which is not active");
  }
  if (position == core->committed() && position.epoch != core->epoch()) {
    violation("I5: commits " + std::to_string(position.seq) + " of an older epoch by count");
  }
  if (fresh && position == core->committed()) check_copies(replica, position);
  if (replica.elected() != nullptr)
    committed_members_ = replica.elected()->membership_at(position.seq);
  // Whoever leads answers its clients now.
  if (!core->serving() || position.seq <= acked_) return;
  acked_ = position.seq;
  check_leases(replica);
}

// What is committed is durable on W members, but for those whose disks lost it since.
void ProtocolWorld::check_copies(SimReplica& leader, const LogPosition& position) {
  const ReplicaCore& core = *leader.core();
  size_t copies = 0;
  for (const Member& member : core.members()) {
    const SimReplica* replica = find(member);
    const bool damaged = replica == nullptr || !replica->trusted();
    if (damaged || replica->keeps(position)) ++copies;
  }
  if (copies >= core.write_quorum()) return;
  violation("I1: " + std::to_string(position.seq) + " is committed with " + std::to_string(copies) +
            " copies");
}

// A leader believes of nobody who follows it that it has more than it has.
void ProtocolWorld::heard_copies(SimReplica& leader) {
  for (const PeerStatus& peer : leader.core()->peer_status()) {
    SimReplica* replica = find(peer.member);
    if (replica == nullptr || !replica->alive() || !replica->trusted() || peer.durable == 0)
      continue;
    if (replica->core()->epoch() != leader.core()->epoch()) continue;
    if (peer.durable > replica->durable().last().seq ||
        !leader.has(replica->durable().position(peer.durable))) {
      violation("I3: " + name(leader.self()) + " counts entry " + std::to_string(peer.durable) +
                " of " + name(peer.member) + ", which has not the same");
    }
  }
}

void ProtocolWorld::check_leases(const SimReplica& leader) {
  for (const auto& other : replicas_) {
    if (other.get() == &leader || !other->running()) continue;
    const ReplicaCore& core = *other->core();
    if (core.committed().seq < acked_ && core.lease_valid(other->local_ns())) {
      violation("I21: " + name(other->self()) + " holds a lease without " + std::to_string(acked_));
    }
  }
}

// The newest leader's: one that was deposed knows nothing of later changes.
void ProtocolWorld::changed_members(SimReplica& replica) {
  if (replica.core()->epoch() < primaries_.rbegin()->first) return;
  const std::vector<Member>& before = committed_members_.voters;
  const std::vector<Member>& voters = replica.elected()->membership().voters;
  size_t differ = 0;
  for (const auto& [one, other] : {std::pair(&before, &voters), std::pair(&voters, &before)}) {
    for (const Member& member : *one) {
      if (std::find(other->begin(), other->end(), member) == other->end()) ++differ;
    }
  }
  if (differ > 1) violation("I35: two changes of members at once");
}

void ProtocolWorld::became_primary(SimReplica& replica) {
  const Epoch epoch = replica.core()->epoch();
  const auto [known, fresh] = primaries_.emplace(epoch, replica.self());
  if (!fresh && known->second != replica.self()) {
    violation("I13: two primaries of epoch " + std::to_string(epoch));
  }
  mark("primaries");
  if (ledger_.empty()) return;
  const LogPosition& newest = ledger_.rbegin()->second;
  if (newest.epoch > epoch) return;  // told so late that it was deposed already: it can do nothing
  if (!replica.has(newest)) {
    violation("I1: " + name(replica.self()) + " is primary without entry " +
              std::to_string(newest.seq));
  }
}

void ProtocolWorld::send_snapshot(SimReplica& from, const Member& to) {
  const int64_t takes = 1 + up_to(snapshot_ns_);
  after(takes, [this, leader = from.self(), to, life = from.life(), log = from.durable()] {
    SimReplica* source = find(leader);
    SimReplica* target = find(to);
    if (source == nullptr || source->life() != life) return;
    const bool reached =
        target != nullptr && target->running() && !cut_.contains({leader.node, to.node}) &&
        target->core()->leader() == leader && target->core()->epoch() == source->core()->epoch();
    const bool installed = reached && target->install(log);
    if (installed) mark("snapshots installed");
    source->step(SnapshotSent{to, installed});
  });
}

// --- the coordinator ---

void ProtocolWorld::coordinator_tick() {
  after(10 * kMs, [this] {
    if (coordinator_ != nullptr) {
      ViewChange::Actions actions;
      coordinator_->tick(now_, &actions);
      const bool lost = primary_lost();
      const bool replace = wanted_members() != record_.active.members && random_.one_in(20);
      if (lost || replace) {
        const Member preferred =
            record_.active.members[random_.below(record_.active.members.size())];
        coordinator_->begin(wanted_members(), write_quorum_, preferred, now_, &actions);
      }
      coordinator_does(actions);
      if (spare_ && !calm_ && random_.one_in(100)) exchange_member();
    }
    coordinator_tick();
  });
}

// The one that is no member takes the place of another. It may have to stay for its log's sake:
// then there is one member more, until another one leaves.
void ProtocolWorld::exchange_member() {
  std::vector<Member> members = wanted_members();
  if (!coordinator_->idle() || members != record_.active.members) return;
  const auto leaves = members.begin() + int(random_.below(members.size()));
  mark("members exchanged");
  if (members.size() > first_members_.voters.size()) {
    members.erase(leaves);
  } else {
    for (const auto& replica : replicas_) {
      if (!record_.active.has(replica->self())) *leaves = replica->self();
    }
  }
  ViewChange::Actions actions;
  coordinator_->begin(members, write_quorum_, record_.active.primary, now_, &actions);
  coordinator_does(actions);
}

// A node hears of views that it is no member of, of the newest or late of another one.
void ProtocolWorld::tell_views() {
  after(1 + up_to(60 * kMs), [this] {
    SimReplica& replica = any();
    const ShardRecord& told =
        told_.empty() || random_.one_in(2) ? record_ : told_[random_.below(told_.size())];
    const bool member = told.active.has(replica.self()) || told.forming.has(replica.self());
    if (!member && told.active.epoch != 0 && replica.running()) {
      const LogPosition before = replica.core()->last();
      replica.step(LeftOut{told.active.epoch});
      if (replica.running() && replica.core()->last() != before)
        mark("logs of who was left out cut");
    }
    tell_views();
  });
}

// The members of the view, with a replaced disk in place of the one it replaced.
std::vector<Member> ProtocolWorld::wanted_members() {
  std::vector<Member> members;
  for (const Member& member : record_.active.members) members.push_back(member);
  for (Member& member : members) {
    if (find(member) == nullptr) {
      for (const auto& replica : replicas_) {
        if (replica->self().node == member.node) member = replica->self();
      }
    }
  }
  return members;
}

bool ProtocolWorld::primary_lost() {
  SimReplica* primary = find(record_.active.primary);
  const bool seen = primary != nullptr && primary->running() && primary->core()->serving() &&
                    primary->core()->epoch() == record_.active.epoch &&
                    primary->core()->accepting(primary->local_ns()) &&
                    !cut_.contains({record_.active.primary.node, 0});
  if (seen) primary_seen_ns_ = now_;
  return now_ - primary_seen_ns_ > 250 * kMs;
}

void ProtocolWorld::coordinator_does(const ViewChange::Actions& actions) {
  for (const ViewChange::Action& action : actions) {
    if (const auto* send_it = std::get_if<Send>(&action)) {
      send(send_it->message);
      continue;
    }
    const ShardRecord record = std::get<ViewChange::Decide>(action).record;
    after(1 + up_to(20 * kMs), [this, record, life = coordinator_life_] {
      if (life != coordinator_life_) {  // it crashed meanwhile: proposed in vain, or not
        if (coordinator_ == nullptr && random_.one_in(2)) record_ = record;
        return;
      }
      record_ = record;
      if (spare_) told_.push_back(record);
      primary_seen_ns_ = now_;
      note(kCoordinatorMember, "decides: active " + std::to_string(record.active.epoch) + " of " +
                                   name(record.active.primary) + ", allocated " +
                                   std::to_string(record.allocated) + ", forming " +
                                   std::to_string(record.forming.epoch) + " of " +
                                   name(record.forming.primary));
      ViewChange::Actions next;
      coordinator_->decided(now_, &next);
      coordinator_does(next);
    });
  }
}

void ProtocolWorld::to_coordinator(const Message& message) {
  if (coordinator_ == nullptr) return;
  ViewChange::Actions actions;
  if (const auto* handed = std::get_if<HandedOver>(&message.body)) {
    if (message.epoch != record_.active.epoch || message.from != record_.active.primary) return;
    mark("handovers");
    coordinator_->begin(wanted_members(), write_quorum_, handed->to, now_, &actions);
  } else {
    coordinator_->receive(message, now_, &actions);
  }
  coordinator_does(actions);
}

}  // namespace holdfast
