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
                                 MarkCounts& marks, Connect connect)
    : nodes_(nodes),
      reactor_(reactor),
      random_(random),
      marks_(marks),
      connect_(std::move(connect)) {}

void ClusterOperator::start() { look_later(); }

void ClusterOperator::look_later() {
  reactor_.run_after(1 + static_cast<int64_t>(random_.below(kLookMs)), [this] {
    look();
    look_later();
  });
}

void ClusterOperator::look() {
  if (idle() && !watches_ && hand_over_ == 0) return;
  if (conn_ == nullptr) {
    connect();
  } else if (asked_.empty()) {
    send({"SHARD", "INFO"});
  } else if (reactor_.clock().mono_ns() - asked_ns_ > kPatienceNs) {
    disconnect();
  }
}

// --- what is to be done ---

// The store of a disk that is gone may be taken out before or after the new one is put in.
std::optional<ClusterOperator::Request> ClusterOperator::next_step(
    const std::vector<Listed>& members) {
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
    disconnect();
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
    send(*step);
  } else if (hand_over_ != 0) {
    send({"SHARD", "HANDOVER", std::to_string(hand_over_)});
    hand_over_ = 0;
  }
}

void ClusterOperator::take(const Reply& reply) {
  const Request asked = std::exchange(asked_, {});
  if (asked[1] == "INFO") {
    if (reply.error()) throw Violation("SHARD INFO: " + reply.text);
    take_info(reply);
  } else if (!reply.error()) {
    ++marks_["SHARD " + asked[1]];
  } else if (reply.code() == "MOVED" || reply.code() == "CLUSTERDOWN") {
    disconnect();
  } else {
    ++marks_["SHARD refused"];  // as when another change is under way: later again
  }
}

// --- the connection ---

void ClusterOperator::send(Request request) {
  asked_ = std::move(request);
  asked_ns_ = reactor_.clock().mono_ns();
  out_bytes_ += request_bytes(asked_);
  conn_->want_write(true);
}

void ClusterOperator::connect() {
  conn_ = connect_(cluster_host(node_ + 1));
  if (conn_ == nullptr) {
    node_ = random_.below(nodes_);
    return;
  }
  conn_->set_handler(this);
  send({"SHARD", "INFO"});
}

void ClusterOperator::disconnect() {
  const bool in_vain = !asked_.empty();
  conn_.reset();
  out_bytes_.clear();
  in_.clear();
  asked_.clear();
  if (in_vain) node_ = random_.below(nodes_);
}

void ClusterOperator::on_writable() {
  while (!out_bytes_.empty()) {
    const iovec part{out_bytes_.data(), out_bytes_.size()};
    const IoResult result = conn_->writev(std::span(&part, 1));
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) {
      disconnect();
      return;
    }
    out_bytes_.erase(0, result.bytes);
  }
  conn_->want_write(false);
}

void ClusterOperator::on_readable() {
  char buffer[4096];
  while (true) {
    const IoResult result = conn_->read(buffer, sizeof buffer);
    if (result.kind == IoResult::kWouldBlock) break;
    if (result.kind == IoResult::kClosed) {
      disconnect();
      return;
    }
    in_.append(buffer, result.bytes);
  }
  Reply reply;
  while (const size_t length = parse_reply(in_, &reply)) {
    in_.erase(0, length);
    if (asked_.empty()) throw Violation("the operator is told what was not asked: " + reply.text);
    take(reply);
    if (conn_ == nullptr) return;
  }
}

}  // namespace holdfast
