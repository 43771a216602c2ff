// See protocol_world.h.
#include "tests/sim/protocol_world.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr int64_t kChaosNs = 20'000 * ProtocolWorld::kMs;
constexpr size_t kTimelineKept = 400;

std::string name(const Member& member) {
  if (member.node == 0) return "coordinator";
  return std::to_string(member.node) + "/" + std::to_string(member.store);
}

}  // namespace

ProtocolWorld::ProtocolWorld(uint64_t seed) : random_(seed) {
  coordinated_ = random_.one_in(2);
  const auto count = static_cast<uint32_t>(1 + random_.below(5));
  std::vector<Member> members;
  for (uint32_t i = 1; i <= count; ++i) members.push_back({i, i});
  first_members_ = {members, {}};
  write_quorum_ = majority(count);
  if (coordinated_ && random_.one_in(3))
    write_quorum_ = 1 + static_cast<uint32_t>(random_.below(count));
  draw_knobs();
  ReplicaOptions options;
  options.lease_reads = random_.one_in(2);
  options.memory_bytes = random_.one_in(2) ? 300 : 16 << 20;
  options.prepare_bytes = random_.one_in(2) ? 200 : 256 << 10;
  options.window_prepares = 1 + random_.below(8);
  for (const Member& member : members) {
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

void ProtocolWorld::draw_knobs() {
  loss_percent_ = random_.one_in(2) ? random_.below(30) : 0;
  double_percent_ = random_.one_in(2) ? random_.below(30) : 0;
  delay_ns_ = 1 + up_to(random_.one_in(3) ? 40 * kMs : 2 * kMs);
  rarely_delay_ns_ = 1 + up_to(2000 * kMs);
  for (int fault = 0; fault < 16; ++fault) {
    if (random_.one_in(2)) enabled_.insert(fault);
  }
  fault_every_ns_ = 20 * kMs + up_to(1500 * kMs);
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
    const bool late = !calm_ && random_.one_in(50);
    const int64_t delay = 1 + up_to(calm_ ? kMs : late ? rarely_delay_ns_ : delay_ns_);
    after(delay, [this, message] {
      if (message.to == kCoordinator) {
        to_coordinator(message);
      } else if (SimReplica* replica = find(message.to)) {
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
  // Whoever leads answers its clients now.
  if (replica.core() != nullptr && replica.core()->serving()) {
    acked_ = std::max(acked_, position.seq);
  }
  if (fresh) mark("entries committed");
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
  const int64_t takes = 1 + up_to(50 * kMs);
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
      if (coordinator_->idle()) {
        const bool lost = primary_lost();
        const bool replace = wanted_members() != record_.active.members && random_.one_in(20);
        if (lost || replace) {
          const Member preferred =
              record_.active.members[random_.below(record_.active.members.size())];
          coordinator_->begin(wanted_members(), write_quorum_, preferred, now_, &actions);
        }
      }
      coordinator_does(actions);
    }
    coordinator_tick();
  });
}

// The members of the view, with a replaced disk in place of the one it replaced.
std::vector<Member> ProtocolWorld::wanted_members() {
  std::vector<Member> members;
  for (const Member& member : record_.active.members) members.push_back(member);
  if (whole_copies() < write_quorum_) return members;
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
        return;
      }
      record_ = record;
      primary_seen_ns_ = now_;
      note(kCoordinator, "decides: active " + std::to_string(record.active.epoch) + " of " +
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
    mark("handovers");
    coordinator_->begin(wanted_members(), write_quorum_, handed->to, now_, &actions);
  } else {
    coordinator_->receive(message, now_, &actions);
  }
  coordinator_does(actions);
}

}  // namespace holdfast
