// The faults of ProtocolWorld, and their end.
#include <algorithm>

#include "tests/sim/protocol_world.h"

namespace holdfast {
namespace {

constexpr int64_t kCalmNs = 60'000 * ProtocolWorld::kMs;
constexpr int64_t kLateNs = 2'500 * ProtocolWorld::kMs;  // what was sent before has arrived

}  // namespace

void ProtocolWorld::schedule_fault() {
  after(1 + up_to(fault_every_ns_), [this] {
    if (calm_) return;
    one_fault();
    schedule_fault();
  });
}

void ProtocolWorld::one_fault() {
  const int kind = static_cast<int>(random_.below(kFaultKinds));
  if (!enabled_.contains(kind)) return;
  ++faults_;
  SimReplica& replica = any();
  switch (kind) {
    case 0:
    case 1:
      crash(replica);
      break;
    case 2:
      mark("crashes of all");
      for (const auto& each : replicas_) crash(*each);
      break;
    case 3:
      mark("pauses");
      replica.pause_for(up_to(random_.one_in(5) ? 8000 * kMs : 700 * kMs));
      break;
    case 4:
      mark("slow disks");
      replica.disk_ns = 1 + up_to(random_.one_in(4) ? 4000 * kMs : 50 * kMs);
      break;
    case 5:
    case 6:
      partition();
      break;
    case 7:
      swizzle();
      break;
    case 8:
    case 9:
      damage(replica);
      break;
    case 10:
      mark("false suspicions");
      primary_seen_ns_ = now_ - 1000 * kMs;
      break;
    case 11:
      if (!coordinated_) break;
      mark("crashes of the coordinator");
      coordinator_.reset();
      ++coordinator_life_;
      after(1 + up_to(800 * kMs), [this, life = coordinator_life_] {
        if (life != coordinator_life_) return;
        coordinator_ = std::make_unique<ViewChange>(ViewChange::Options{}, record_);
      });
      break;
    case 12:
      for (const auto& each : replicas_) {
        if (each->running()) each->step(HandOver{replica.self()});
      }
      break;
    case 13:
      for (int tries = 0; tries < 3; ++tries) change_members();
      break;
    case 14:
      replica.checkpoint();
      if (SimReplica* leads = leader()) leads->checkpoint();
      break;
    case 16:
      coup();
      break;
    case 17:
      slow_node(replica.self().node);
      break;
    case 18:
      if (SimReplica* leads = leader()) {
        leads->step(HandOver{replica.self()});
        const int64_t begin = up_to(40 * kMs);
        cut_off(leads->self().node, begin, begin + up_to(400 * kMs));
      }
      break;
    case 19:
      if (SimReplica* leads = leader()) crash(*leads, 1 + up_to(60 * kMs));
      break;
    default:
      draw_knobs();
      mark("other weather");
  }
}

void ProtocolWorld::crash(SimReplica& replica) {
  crash(replica, 1 + up_to(random_.one_in(4) ? 5000 * kMs : 300 * kMs));
}

void ProtocolWorld::crash(SimReplica& replica, int64_t down_ns) {
  if (!replica.alive()) return;
  mark("crashes");
  note(replica.self(), "crashes");
  replica.crash();
  after(down_ns, [this, &replica, life = replica.life()] {
    if (replica.life() == life) replica.start();
  });
}

void ProtocolWorld::cut_off(NodeId node, int64_t begin_ns, int64_t end_ns) {
  const auto set = [this, node](bool cut) {
    for (NodeId other = 0; other <= replicas_.size(); ++other) {
      for (const auto& link : {std::pair(node, other), std::pair(other, node)}) {
        if (cut) {
          cut_.insert(link);
        } else {
          cut_.erase(link);
        }
      }
    }
  };
  after(begin_ns, [set] { set(true); });
  after(end_ns, [set] { set(false); });
}

// Another leader is made while the present one hears of nothing: the time of leases.
void ProtocolWorld::coup() {
  SimReplica* leads = leader();
  if (leads == nullptr) return;
  mark("leaders cut off");
  primary_seen_ns_ = now_ - 1000 * kMs;
  cut_off(leads->self().node, 0, up_to(1000 * kMs));
}

void ProtocolWorld::slow_node(NodeId node) {
  mark("slow links");
  const int64_t in = up_to(300 * kMs), out = up_to(300 * kMs);
  for (NodeId other = 0; other <= replicas_.size(); ++other) {
    slow_[{node, other}] = out;
    slow_[{other, node}] = in;
  }
  after(1 + up_to(5000 * kMs), [this] { slow_.clear(); });
}

void ProtocolWorld::partition() {
  mark("partitions");
  const bool one_way = random_.one_in(3);
  std::vector<bool> side;
  for (size_t i = 0; i <= replicas_.size(); ++i) side.push_back(random_.one_in(2));
  for (NodeId a = 0; a <= replicas_.size(); ++a) {
    for (NodeId b = 0; b <= replicas_.size(); ++b) {
      if (side[a] != side[b] && (!one_way || side[a])) cut_.insert({a, b});
    }
  }
  after(1 + up_to(random_.one_in(4) ? 6000 * kMs : 800 * kMs), [this] { cut_.clear(); });
}

// Links are closed one by one and opened in another order (FoundationDB's swizzle-clogging).
void ProtocolWorld::swizzle() {
  mark("clogs");
  int64_t at = 0;
  for (const auto& replica : replicas_) {
    if (random_.one_in(3)) continue;
    const NodeId node = replica->self().node;
    at += up_to(200 * kMs);
    after(at, [this, node] {
      for (NodeId other = 0; other <= replicas_.size(); ++other) {
        cut_.insert({node, other});
        cut_.insert({other, node});
      }
    });
    after(500 * kMs + up_to(2000 * kMs), [this, node] {
      for (NodeId other = 0; other <= replicas_.size(); ++other) {
        cut_.erase({node, other});
        cut_.erase({other, node});
      }
    });
  }
}

// Replicas whose disk has all that was committed, and can testify.
size_t ProtocolWorld::whole_copies() const {
  size_t copies = 0;
  const LogPosition newest = ledger_.empty() ? LogPosition{} : ledger_.rbegin()->second;
  for (const auto& replica : replicas_) {
    const SimLog& log = replica->durable();
    const bool has = log.base.last.seq > newest.seq || log.position(newest.seq) == newest;
    if (has && replica->trusted() && replica->alive()) ++copies;
  }
  return copies;
}

// A disk that lost the end of its log, or all. Never so much that nothing could be recovered.
void ProtocolWorld::damage(SimReplica& replica) {
  // One at a time, if the others are enough to testify: any R of them include one of the W - 1.
  if (!replica.alive() || (coordinated_ && write_quorum_ < 2)) return;
  for (const auto& each : replicas_) {
    if (!each->trusted()) return;
  }
  for (const Member& member : record_.active.members) {
    if (find(member) == nullptr) return;
  }
  if (!coordinated_) {  // a change of members may be under way: who leads knows
    size_t voters = 0;
    for (const auto& each : replicas_) {
      if (each->running() && each->core()->serving()) voters = each->core()->members().size();
    }
    if (voters < 3) return;
  }
  note(replica.self(), "loses something of its disk");
  replica.crash();
  if (random_.one_in(2) || !coordinated_) {
    mark("unproven ends of logs");
    replica.damage_tail(random_.below(10));
  } else {
    mark("disks replaced");
    replica.wipe(next_store_++);
  }
  replica.start();
}

// Elected groups: somebody leaves, or comes back by way of a learner.
void ProtocolWorld::change_members() {
  for (const auto& replica : replicas_) {
    ElectedCore* core = replica->elected();
    if (core == nullptr || !replica->running() || !core->serving()) continue;
    Membership to = core->membership();
    const Member member = any().self();
    const auto voter = std::find(to.voters.begin(), to.voters.end(), member);
    const auto learner = std::find(to.learners.begin(), to.learners.end(), member);
    if (voter != to.voters.end()) {
      if (to.voters.size() < 3 || whole_copies() != replicas_.size()) continue;
      to.voters.erase(voter);
    } else if (learner != to.learners.end()) {
      to.learners.erase(learner);
      to.voters.push_back(member);
    } else {
      to.learners.push_back(member);
    }
    if (!core->may_change(to).ok()) continue;
    mark("changes of members");
    replica->step(ChangeMembers{to});
    return;
  }
}

void ProtocolWorld::heal() {
  calm_ = true;
  cut_.clear();
  slow_.clear();
  for (const auto& replica : replicas_) {
    replica->disk_ns = kMs;
    if (!replica->alive()) replica->start();
    replica->pause_for(0);
  }
  if (coordinated_ && coordinator_ == nullptr) {
    ++coordinator_life_;
    coordinator_ = std::make_unique<ViewChange>(ViewChange::Options{}, record_);
  }
}

bool ProtocolWorld::converged() {
  SimReplica* leads = leader();
  if (leads == nullptr) return false;
  const ReplicaCore& core = *leads->core();
  if (core.committed() != core.last()) return false;
  for (const Member& member : core.members()) {
    SimReplica* replica = find(member);
    if (replica == nullptr || replica->core()->committed() != core.committed()) return false;
  }
  return true;
}

// Without faults something is committed, and then all members have the same log.
void ProtocolWorld::come_together() {
  const size_t before = ledger_.size();
  const int64_t end = now_ + kCalmNs;
  quiet_ = false;
  while (now_ < end) {
    heal();
    run_until(now_ + 200 * kMs);
    quiet_ = ledger_.size() > before;
    if (quiet_ && converged()) return;
  }
  for (const auto& replica : replicas_) note(replica->self(), replica->state());
  violation("no progress within 60 s after the faults ended");
}

void ProtocolWorld::calm() {
  calm_ = true;
  come_together();
  run_until(now_ + kLateNs);
  come_together();
  if (leader()->core()->members().size() < 3) return;
  half_connect();
  come_together();
  stall_leader();
  come_together();
}

// I39: a voter hears nothing of the leader, but all the others.
void ProtocolWorld::half_connect() {
  SimReplica* leads = leader();
  const SimReplica& half = any();
  if (coordinated_ || leads == nullptr || &half == leads) return;
  mark("half connected voters");
  quiet_ =
      !random_.one_in(4);  // else its log is the shorter one soon, and nobody would vote for it
  const Epoch epoch = leads->core()->epoch();
  cut_.insert({leads->self().node, half.self().node});
  if (random_.one_in(2)) cut_.insert({half.self().node, leads->self().node});
  run_until(now_ + 2000 * kMs);
  cut_.clear();
  run_until(now_ + 1000 * kMs);
  if (leader() == leads && leads->core()->epoch() == epoch) return;
  violation("I39: the leader of epoch " + std::to_string(epoch) +
            " was deposed by a voter that it could not reach");
}

// I18: what was proposed is not written any more.
void ProtocolWorld::stall_leader() {
  SimReplica* leads = leader();
  if (leads == nullptr) return;
  const size_t others = leads->core()->members().size() - 1;
  const View& view = record_.active;
  if (coordinated_ && (view.write_quorum > others || view.fence_quorum() > others)) return;
  mark("stalled leaders");
  quiet_ = false;
  leads->stall_for(5000 * kMs);
  run_until(now_ + leads->options.disk_stall_ns + 2000 * kMs);
  const SimReplica* next = leader();
  if (next != nullptr && next != leads && !leads->core()->serving()) return;
  violation("I18: " + name(leads->self()) + " still leads although its disk stalled");
}

}  // namespace holdfast
