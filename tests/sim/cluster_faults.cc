// The faults of ClusterWorld, and their end.
#include <algorithm>

#include "tests/sim/cluster_world.h"

namespace holdfast {

namespace {

constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

void ClusterWorld::schedule_fault() {
  after(1 + up_to(fault_every_ms_), [this] {
    if (calm_) return;
    one_fault();
    schedule_fault();
  });
}

// Half of the seeds mix anything; the others are made for leases, votes, members, devices.
void ClusterWorld::draw_faults() {
  const std::vector<int> kMadeFor[] = {{4, 16, 24, 25, 26, 26},
                                       {0, 2, 8, 27, 28},
                                       {0, 2, 14, 29, 30, 33},
                                       {2, 3, 8, 10, 31, 32},
                                       {0, 14, 15, 34, 34, 35}};
  if (nodes_.size() > 1 && random_.one_in(2)) {
    enabled_ = kMadeFor[random_.below(std::size(kMadeFor))];
    return;
  }
  for (int fault = 0; fault < kFaultKinds; ++fault) {
    if (random_.one_in(2)) enabled_.push_back(fault);
  }
  if (enabled_.empty()) enabled_ = {0};
}

// Faults by number: 0-7 of processes, 8-13 of disks and clocks, 14-23 of the network, 24-28 aimed,
// 29-35 what an operator does, or has to do with.
void ClusterWorld::one_fault() {
  const int kind = enabled_[random_.below(enabled_.size())];
  ++faults_;
  if (kind < 8) {
    process_fault(kind);
  } else if (kind < 14) {
    disk_fault(kind);
  } else if (kind < 24) {
    network_fault(kind);
  } else if (kind < 29) {
    aimed_fault(kind);
  } else {
    operator_fault(kind);
  }
}

void ClusterWorld::process_fault(int kind) {
  ClusterNode* leads = primary();
  ClusterNode& node = kind % 2 == 0 && leads != nullptr ? *leads : any();
  switch (kind) {
    case 0:
    case 1:
      kill(node);
      break;
    case 2:
    case 3:
      lose_power(node);
      break;
    case 4:
    case 5: {
      const int64_t ms = 1 + up_to(random_.one_in(4) ? 5000 : 1200);
      note(node.host() + " stands still for " + std::to_string(ms) + " ms");
      mark("pauses");
      node.pause_for(ms * kNsPerMs);
      if (ms % 2 == 0) {
        mark("long tasks");
        tell_busy(node, reactor_.clock().mono_ns() + ms * kNsPerMs);
      }
      break;
    }
    case 6:
      node.disk().power_off_after(1 + random_.below(20));
      power_off_soon(node);
      break;
    default:
      if (!random_.one_in(3)) break;
      mark("power lost everywhere");
      for (const auto& each : nodes_) lose_power(*each);
  }
}

// The node stands still because it computes, and tells others so.
void ClusterWorld::tell_busy(ClusterNode& node, int64_t until_ns) {
  after(50, [this, &node, until_ns, life = node.life()] {
    if (!node.running() || node.life() != life) return;
    if (reactor_.clock().mono_ns() >= until_ns) return;
    node.say_busy();
    tell_busy(node, until_ns);
  });
}

// The disk stops at a write; that the machine is gone shows a moment later.
void ClusterWorld::power_off_soon(ClusterNode& node) {
  after(1, [this, &node, life = node.life()] {
    if (calm_ || !node.running() || node.life() != life) return;
    if (node.disk().powered()) {
      power_off_soon(node);
      return;
    }
    mark("power lost in a write");
    lose_power(node);
  });
}

void ClusterWorld::disk_fault(int kind) {
  ClusterNode& node = any();
  switch (kind) {
    case 8:
      mark("slow disks");
      node.disk().set_delay(up_to(random_.one_in(4) ? 300 : 20));
      break;
    case 9: {
      const int64_t ms = up_to(random_.one_in(4) ? 4000 : 700);
      note(node.host() + ": the disk stalls for " + std::to_string(ms) + " ms");
      mark("stalled disks");
      node.disk().stall_until(reactor_.clock().mono_ns() + ms * kNsPerMs);
      break;
    }
    case 10:
    case 11:
      if (!node.running()) break;
      mark("writes failed");
      node.disk().fail_sync(1 + random_.below(20));
      break;
    default:
      clock_step(node);
  }
}

void ClusterWorld::clock_step(ClusterNode& node) {
  mark("wall clock steps");
  const int64_t hour_us = 3'600'000'000;
  node.step_wall(up_to(2 * hour_us) - hour_us);
}

void ClusterWorld::network_fault(int kind) {
  switch (kind) {
    case 14:
    case 15:
    case 16:
      partition();
      break;
    case 17:
      swizzle();
      break;
    case 18:
    case 19:
      mark("resets");
      net_.reset(any().host(), any().host());
      break;
    case 20:
      mark("resets of clients");
      net_.reset(any().host(), "client" + std::to_string(random_.below(clients_.size())));
      break;
    case 21: {
      mark("clients cut off");
      const std::string client = "client" + std::to_string(random_.below(clients_.size()));
      const std::string host = any().host();
      net_.cut(host, client);
      after(1 + up_to(2000), [this, host, client] { net_.heal(host, client); });
      break;
    }
    case 22:
      mark("clients that do not read");
      clients_[random_.below(clients_.size())]->pause_reading(up_to(1000));
      break;
    default:
      mark("other weather");
      draw_weather();
  }
}

void ClusterWorld::draw_weather() {
  net_.set_latency(1 + up_to(200), 300 + up_to(random_.one_in(4) ? 60'000 : 2000));
}

void ClusterWorld::partition() {
  mark("partitions");
  const bool one_way = random_.one_in(3);
  std::string text = one_way ? "cut off one way:" : "cut off:";
  std::vector<std::pair<std::string, std::string>> cuts;
  std::vector<bool> side;
  for (const auto& node : nodes_) {
    side.push_back(random_.one_in(2));
    if (side.back()) text += " " + node->host();
  }
  for (size_t a = 0; a < nodes_.size(); ++a) {
    for (size_t b = 0; b < nodes_.size(); ++b) {
      if (side[a] == side[b] || (one_way && !side[a])) continue;
      cuts.emplace_back(nodes_[a]->host(), nodes_[b]->host());
    }
  }
  note(text);
  cut_for(std::move(cuts), 1 + up_to(random_.one_in(4) ? 5000 : 900));
}

void ClusterWorld::cut_for(std::vector<std::pair<std::string, std::string>> links, int64_t ms) {
  for (const auto& [from, to] : links) net_.cut_one_way(from, to);
  after(ms, [this, links = std::move(links)] {
    for (const auto& [from, to] : links) net_.heal(from, to);
  });
}

// Links are closed one by one and opened in another order (FoundationDB's swizzle-clogging).
void ClusterWorld::swizzle() {
  mark("clogs");
  int64_t at = 0;
  for (const auto& node : nodes_) {
    if (random_.one_in(3)) continue;
    at += up_to(200);
    const std::string host = node->host();
    after(at, [this, host] {
      if (calm_) return;
      note(host + " is clogged");
      for (const auto& other : nodes_) net_.cut(host, other->host());
    });
    after(at + up_to(2500), [this, host] {
      for (const auto& other : nodes_) net_.heal(host, other->host());
    });
  }
}

void ClusterWorld::heal() {
  net_.heal_all();
  net_.set_latency(50, 500);
  for (const auto& node : nodes_) {
    node->disk().set_delay(3);
    node->disk().stall_until(0);
    node->disk().fail_sync(0);
    node->disk().set_capacity(UINT64_MAX);
    if (!node->disk().powered()) lose_power(*node);
    node->disk().power_off_after(UINT64_MAX);
  }
}

}  // namespace holdfast
