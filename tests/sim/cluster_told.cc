// See cluster_told.h.
#include "tests/sim/cluster_told.h"

#include <algorithm>
#include <string>
#include <variant>

#include "tests/sim/violation.h"

namespace holdfast {
namespace {

std::string text(const Member& member) { return "node " + std::to_string(member.node); }

}  // namespace

void Told::sends(const Message& message) {
  StoreId vote = 0;
  Seq durable = 0;
  if (const auto* answer = std::get_if<Vote>(&message.body)) {
    if (answer->pre || !answer->granted) return;
    vote = message.to.store;
  } else if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    if (request->pre) return;
    vote = message.from.store;
  } else if (const auto* copied = std::get_if<PrepareOk>(&message.body)) {
    durable = copied->durable;
  } else if (const auto* beat = std::get_if<HeartbeatOk>(&message.body)) {
    durable = beat->durable;
  } else if (!std::holds_alternative<FenceOk>(message.body)) {
    return;
  }
  Words& words = words_[message.from];
  if (message.epoch > words.promised) words = {message.epoch, 0, 0};
  if (message.epoch < words.promised) return;
  if (vote != 0) words.voted_for = vote;
  words.durable = std::max(words.durable, durable);
}

// What is behind the last word of an older epoch may be cut by the leader of a later one.
void Told::starts(const ReplicaCore& core) const {
  const auto found = words_.find(core.self());
  if (found == words_.end()) return;
  const Words& words = found->second;
  const HardState& knows = core.promised();
  const std::string epoch = " in epoch " + std::to_string(words.promised);
  if (knows.promised_epoch < words.promised) {
    throw Violation("C7: " + text(core.self()) + " has forgotten its promise" + epoch);
  }
  if (knows.promised_epoch > words.promised) return;
  if (words.voted_for != 0 && knows.voted_for != words.voted_for) {
    throw Violation("C7: " + text(core.self()) + " has forgotten its vote" + epoch);
  }
  if (core.trusted() && core.last().seq < words.durable) {
    throw Violation("C7: " + text(core.self()) + " has its log to entry " +
                    std::to_string(core.last().seq) + ", and acknowledged entry " +
                    std::to_string(words.durable) + epoch);
  }
}

void Told::leads(Epoch epoch, const Member& member) {
  const auto [known, fresh] = primaries_.emplace(epoch, member);
  if (fresh || known->second == member) return;
  throw Violation("C7: epoch " + std::to_string(epoch) + " has two primaries, " +
                  text(known->second) + " and " + text(member));
}

}  // namespace holdfast
