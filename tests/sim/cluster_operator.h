// ClusterOperator: who looks after the group of a ClusterWorld, as a person with a client would: by
// SHARD INFO, ADDMEMBER, REMOVEMEMBER and HANDOVER, sent to whichever node, again until it is as it
// should be. One request at a time.
//
// It wants every node to be a voter, with the store it has now; but for those that it was told to
// take out for a while.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/sim/sim_reactor.h"
#include "replica/message.h"
#include "tests/sim/asker.h"
#include "tests/sim/campaign.h"

namespace holdfast {

class ClusterOperator {
 public:
  // All references outlive it, but for events.
  ClusterOperator(size_t nodes, SimReactor& reactor, Random& random, MarkCounts& marks,
                  ConnectTo connect);

  void start();

  void take_out(NodeId node) {
    out_.insert(node);
    content_ = false;
  }
  void take_back(NodeId node) {
    if (out_.erase(node) != 0) content_ = false;
  }
  // All are to be members. From now on it looks again and again: a change that it asked for in vain
  // may still come to be, after a primary that knows nothing of it said that all is well (seed
  // 830).
  void take_all_back() {
    content_ = false;
    out_.clear();
    watches_ = true;
  }
  // The node's disk is gone, and with it that store.
  void replaced(const Member& gone) {
    gone_.insert(gone);
    content_ = false;
  }
  void hand_over(NodeId to) { hand_over_ = to; }
  // A primary said that every node is a voter, and nobody else.
  bool idle() const { return content_ && out_.empty(); }

 private:
  struct Listed {
    Member member;
    bool votes;
  };

  void look_later();
  void look();
  void ask(Request request);
  void take(const Request& asked, const Reply& reply);
  void take_info(const Reply& reply);
  std::optional<Request> next_step(const std::vector<Listed>& members);

  const size_t nodes_;
  SimNodeReactor reactor_;
  Random& random_;
  MarkCounts& marks_;
  Asker asker_;
  size_t node_ = 0;
  std::set<NodeId> out_;
  std::set<Member> gone_;
  NodeId hand_over_ = 0;  // 0: nobody
  bool content_ = true;   // a primary said that all is as it should be
  bool watches_ = false;  // even when it is content
};

}  // namespace holdfast
