// Arrivals: the snapshots that shards of one node are being sent. What an installed one needs, that
// the node starts anew, would take from the others what they have so far: it waits for them.
//
// Threads: the reactor's.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/reactor.h"

namespace holdfast {

class Arrivals {
 public:
  void expect() { ++expected_; }
  // One of them is installed; `then` runs when all are, maybe inside the call. One that is given up
  // does not come here: it has the node start anew at once.
  void arrived(Task then) {
    waiting_.push_back(std::move(then));
    if (waiting_.size() < expected_) return;
    expected_ = 0;
    for (const Task& each : std::exchange(waiting_, {})) each();
  }

 private:
  size_t expected_ = 0;
  std::vector<Task> waiting_;
};

}  // namespace holdfast
