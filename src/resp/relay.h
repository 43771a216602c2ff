// Relay: published messages on their way to the other nodes of a cluster, which clients may have
// subscribed at.
//
// A message leaves when all is committed that its publisher wrote or saw (D1 of deliveries.h),
// those of one publisher in their order. What never will be is dropped, and so is what comes while
// kMaxWaiting messages or kMaxWaitingBytes wait, but for a single larger one: another node gets a
// message at most once.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>

#include "replica/message.h"
#include "resp/commit_point.h"

namespace holdfast {

class Relay {
 public:
  // False: a node did not get it, as what it was sent before fills its link.
  using Send = std::function<bool(const Published&)>;
  static constexpr size_t kMaxWaiting = 10'000;
  static constexpr size_t kMaxWaitingBytes = 32 << 20;

  // To all other nodes; null: there are none.
  explicit Relay(Send send) : send_(std::move(send)) {}

  // By the command that runs.
  void add(std::string_view channel, std::string_view message);
  // Something was added that is not settled.
  bool pending() const { return unsettled_ > 0; }
  // What was added since the last call waits for `depends_on`, or leaves at once.
  void settle(const Dependency& depends_on);
  // Once a turn, when nothing is pending.
  void send_committed();

  uint64_t sent() const { return sent_; }
  // Not sent, or not to all nodes whose link is up.
  uint64_t dropped() const { return dropped_; }

 private:
  struct Waiting {
    Published message;
    Dependency depends_on;
  };

  const Send send_;
  std::deque<Waiting> waiting_;  // the last unsettled_ of them are not settled, and not counted
  size_t unsettled_ = 0;
  size_t bytes_ = 0;  // of waiting_
  uint64_t sent_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace holdfast
