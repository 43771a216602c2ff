// See cluster_operator.h.
#include "tests/sim/cluster_operator.h"

#include <algorithm>
#include <cstdlib>

#include "tests/sim/cluster_node.h"
#include "tests/sim/violation.h"

namespace holdfast {
namespace {

constexpr int64_t kPatienceNs = 1'500'000'000;
constexpr uint64_t kLookMs = 150;

// Of a map of RESP2.
const Reply& field(const Reply& map, std::string_view name) {
  for (size_t i = 0; i + 1 < map.elements.size(); i += 2) {
    if (map.elements[i].text == name) return map.elements[i + 1];
  }
  throw Violation("SHARD INFO says nothing of " + std::string(name));
}

std::string hex(StoreId store) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[store >> shift & 15];
  return text;
}

}  // namespace

ClusterOperator::ClusterOperator(size_t nodes, SimReactor& reactor, Random& random,
                                 MarkCounts& marks, ConnectTo connect)
    : nodes_(nodes),
      reactor_(reactor),
      random_(random),
      marks_(marks),
      asker_(std::move(connect),
             {[this](const Request& asked, const Reply& reply) { take(asked, reply); },
              [this] { node_ = random_.below(nodes_); }}) {}

void ClusterOperator::start() { look_later(); }

void ClusterOperator::look_later() {
  reactor_.run_after(1 + static_cast<int64_t>(random_.below(kLookMs)), [this] {
    look();
    look_later();
  });
}

void ClusterOperator::look() {
  if (idle() && !watches_ && hand_over_ == 0) return;
  if (!asker_.connected()) {
    if (!asker_.connect(cluster_host(node_ + 1))) {
      node_ = random_.below(nodes_);
      return;
    }
    ask({"SHARD", "INFO"});
  } else if (!asker_.waits()) {
    ask({"SHARD", "INFO"});
  } else if (reactor_.clock().mono_ns() - asker_.asked_ns() > kPatienceNs) {
    asker_.disconnect();
    node_ = random_.below(nodes_);
  }
}

void ClusterOperator::ask(Request request) {
  asker_.ask(std::move(request), reactor_.clock().mono_ns());
}

// --- what is to be done ---

// The store of a disk that is gone may be taken out before or after the new one is put in.
std::optional<Request> ClusterOperator::next_step(const std::vector<Listed>& members) {
  const auto remove = [](const Member& member) {
    return Request{"SHARD", "REMOVEMEMBER", std::to_string(member.node), hex(member.store)};
  };
  std::vector<Request> steps;
  for (const Listed& listed : members) {
    const bool unwanted = gone_.contains(listed.member) || out_.contains(listed.member.node);
    if (unwanted) steps.push_back(remove(listed.member));
  }
  for (NodeId node = 1; node <= nodes_; ++node) {
    const bool there = std::ranges::any_of(members, [&](const Listed& listed) {
      return listed.member.node == node && !gone_.contains(listed.member);
    });
    if (!there && !out_.contains(node)) {
      steps.push_back({"SHARD", "ADDMEMBER", std::to_string(node)});
    }
  }
  if (steps.empty()) return std::nullopt;
  return steps[random_.below(steps.size())];
}

void ClusterOperator::take_info(const Reply& info) {
  if (field(info, "role").text != "primary") {
    const auto leader = static_cast<size_t>(field(info, "leader").number);
    node_ = leader != 0 ? leader - 1 : random_.below(nodes_);
    asker_.disconnect();
    return;
  }
  std::vector<Listed> members;
  bool all_vote = true;
  for (const Reply& member : field(info, "members").elements) {
    const auto node = static_cast<NodeId>(field(member, "node").number);
    const StoreId store = std::strtoull(field(member, "store").text.c_str(), nullptr, 16);
    members.push_back({{node, store}, field(member, "kind").text == "voter"});
    all_vote = all_vote && members.back().votes;
  }
  const std::optional<Request> step = next_step(members);
  content_ = all_vote && !step;
  if (step) {
    ask(*step);
  } else if (hand_over_ != 0) {
    ask({"SHARD", "HANDOVER", std::to_string(hand_over_)});
    hand_over_ = 0;
  }
}

void ClusterOperator::take(const Request& asked, const Reply& reply) {
  if (asked[1] == "INFO") {
    if (reply.error()) throw Violation("SHARD INFO: " + reply.text);
    take_info(reply);
  } else if (!reply.error()) {
    ++marks_["SHARD " + asked[1]];
  } else if (reply.code() == "MOVED" || reply.code() == "CLUSTERDOWN") {
    asker_.disconnect();
  } else {
    ++marks_["SHARD refused"];  // as when another change is under way: later again
  }
}

}  // namespace holdfast
