// See write_traces.h.
#include "replica/write_traces.h"

#include <algorithm>
#include <utility>

namespace holdfast {

void WriteTraces::logged(GroupTrace group) {
  group.slowest = std::exchange(slowest_, 0);
  groups_.push_back(group);
  if (groups_.size() > kGroups) groups_.pop_front();
}

void WriteTraces::flushed(Seq upto, int64_t now_ns) {
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) {
    if (group->last > upto) continue;
    if (group->flushed_ns != 0) return;
    group->flushed_ns = now_ns;
  }
}

void WriteTraces::copied(NodeId backup, Seq upto, int64_t now_ns) {
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) {
    if (group->last > upto) continue;
    const auto place = std::ranges::find_if(group->copies, [backup](const GroupTrace::Copy& copy) {
      return copy.node == backup || copy.node == 0;
    });
    // Known already, or no place for it: and so of all before.
    if (place == group->copies.end() || place->node == backup) return;
    *place = {backup, now_ns};
  }
}

void WriteTraces::committed(Seq upto, int64_t now_ns, int64_t wall_ms) {
  for (auto group = groups_.rbegin(); group != groups_.rend(); ++group) {
    if (group->last > upto) continue;
    if (group->committed_ns != 0) return;
    group->committed_ns = now_ns;
    keep_if_slow(*group, wall_ms);
  }
}

const WriteTrace* WriteTraces::write(Seq seq) const {
  const auto at = [this](size_t i) { return &writes_[(oldest_ + i) % writes_.size()]; };
  size_t begin = 0, end = writes_.size();  // the ring in order: what is sought lies between
  while (begin < end) {
    const size_t middle = begin + (end - begin) / 2;
    if (at(middle)->seq < seq) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return begin < writes_.size() && at(begin)->seq == seq ? at(begin) : nullptr;
}

const GroupTrace* WriteTraces::group_of(Seq seq) const {
  const auto at = std::partition_point(groups_.begin(), groups_.end(),
                                       [seq](const GroupTrace& one) { return one.last < seq; });
  return at != groups_.end() && at->first <= seq ? &*at : nullptr;
}

void WriteTraces::keep_slow(int64_t slower_than_us, uint64_t most) {
  slower_than_us_ = slower_than_us;
  most_slow_ = most;
  while (slow_.size() > most_slow_) slow_.pop_back();
}

void WriteTraces::keep_if_slow(const GroupTrace& group, int64_t wall_ms) {
  if (slower_than_us_ < 0 || most_slow_ == 0) return;
  const WriteTrace* slowest = write(group.slowest);
  if (slowest == nullptr) return;
  if (group.committed_ns - slowest->received_ns < slower_than_us_ * 1000) return;
  slow_.push_front({wall_ms, *slowest, group});
  if (slow_.size() > most_slow_) slow_.pop_back();
}

}  // namespace holdfast
