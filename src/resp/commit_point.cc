// See commit_point.h.
#include "resp/commit_point.h"

#include <algorithm>

namespace holdfast {

void Dependency::add_other(const CommitPoint& point) {
  if (first_.seq == 0) {
    first_ = point;
    return;
  }
  if (more_ == nullptr) more_ = std::make_unique<std::vector<CommitPoint>>();
  const auto found = std::ranges::find(*more_, point.shard, &CommitPoint::shard);
  if (found == more_->end()) {
    more_->push_back(point);
  } else {
    found->seq = std::max(found->seq, point.seq);
  }
}

bool Dependency::others_committed() const {
  return std::ranges::all_of(*more_, &CommitPoint::committed);
}

bool Dependency::lost() const {
  bool any = false;
  visit([&any](const CommitPoint& point) { any = any || point.lost(); });
  return any;
}

Seq Dependency::of(const Shard* shard) const {
  Seq seq = 0;
  visit([&](const CommitPoint& point) {
    if (point.shard == shard) seq = point.seq;
  });
  return seq;
}

}  // namespace holdfast
