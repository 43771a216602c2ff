// CommitPoint: an entry of a shard's log, which something waits for. Dependency: all that a reply
// or a push waits for: the newest such entry of each shard.
//
// Nearly every reply rests on one shard: that costs no more than the number of the entry. Commands
// on all shards of a node, and pushes of clients that work on several, rest on more.
#pragma once

#include <memory>
#include <vector>

#include "base/mutant.h"
#include "base/types.h"
#include "replica/shard.h"

namespace holdfast {

struct CommitPoint {
  const Shard* shard = nullptr;  // null: nothing, which is committed
  Seq seq = 0;

  bool committed() const {
    return seq == 0 || seq <= shard->commit_seq() || mutant(Mutant::kReplyBeforeCommit);
  }
  // It never will be.
  bool lost() const { return !committed() && shard->failed(); }
};

class Dependency {
 public:
  Dependency() = default;
  // Of nothing yet; add() is cheap for this shard.
  explicit Dependency(const Shard* shard) : first_{shard, 0} {}

  void add(const Shard* shard, Seq seq) {
    if (shard == first_.shard) {
      if (seq > first_.seq) first_.seq = seq;
    } else if (seq != 0) {
      add_other({shard, seq});
    }
  }
  void add(const CommitPoint& point) { add(point.shard, point.seq); }
  void add(const Dependency& other) {
    add(other.first_);
    if (other.more_ == nullptr) return;
    for (const CommitPoint& point : *other.more_) add(point);
  }

  // Of each shard once, in the order in which they came.
  template <typename Visit>
  void visit(Visit visit) const {
    visit(first_);
    if (more_ == nullptr) return;
    for (const CommitPoint& point : *more_) visit(point);
  }
  bool committed() const { return first_.committed() && (more_ == nullptr || others_committed()); }
  bool lost() const;
  // The newest entry of this shard; 0: none.
  Seq of(const Shard* shard) const;

 private:
  void add_other(const CommitPoint& point);
  bool others_committed() const;

  CommitPoint first_;
  std::unique_ptr<std::vector<CommitPoint>> more_;  // of other shards; null as a rule
};

}  // namespace holdfast
