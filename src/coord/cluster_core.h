// ClusterCore: what the coordinators' leader does for the whole cluster, without any I/O: it hears
// what the nodes report, notices which primary is of no use any more, and changes views, places
// shards and replaces members. What it decides is a new ClusterMap, which counts when the
// coordinators' group has committed it.
//
// What must hold:
//  - nothing is sent that says "it is decided" before it is: a decision is proposed, and acted upon
//    in decided(). One proposal is on its way at a time; what is wished for meanwhile is the next
//    one. Each has a revision one higher;
//  - suspicion may be wrong: only fencing makes a view change safe (ViewChange);
//  - who leads the coordinators anew begins with the committed map; what nodes are is learnt from
//    their reports again, which they send to every coordinator.
//
// Time: as in replica_core.h. Threads: the owner's.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "coord/view_change.h"
#include "replica/cluster_map.h"
#include "replica/message.h"

namespace holdfast {

// As reasons and the history call them.
inline std::string of_node(NodeId node) { return "node " + std::to_string(node); }
inline std::string of_shard(ShardId shard) { return "shard " + std::to_string(shard); }

class ClusterCore {
 public:
  struct Options {
    static constexpr int64_t kMs = 1'000'000;

    uint32_t shards = 1;             // of a new cluster
    uint32_t replicas = 3;           //
    uint32_t first_nodes = 0;        // storage nodes that it waits for; 0: `replicas`
    int64_t suspect_ns = 250 * kMs;  // a primary that was not heard from for so long
    // Its connection broke, or others cannot reach it, and it did not report within this time.
    int64_t lost_ns = 60 * kMs;
    int64_t unreached_ns = 120 * kMs;
    int64_t down_ns = 1000 * kMs;       // a node that was not heard from is marked so
    int64_t replace_ns = 30'000 * kMs;  // so long after that its copies are made elsewhere
    // More view changes of a shard than this within a minute: the next ones wait, a second at
    // first, then twice as long each. Not where the primary's process is gone for certain.
    size_t hasty_changes = 3;
    ViewChange::Options view_change = {};
  };
  // Make this the group's map; then call decided(). `why`: for the history.
  struct Propose {
    ClusterMap map;
    std::string why;
  };
  // The committed map is a newer one: tell everybody.
  struct Publish {};
  using Action = std::variant<Send, Propose, Publish>;
  using Actions = std::vector<Action>;

  explicit ClusterCore(const Options& options) : options_(options) {}

  // This coordinator leads from now on, with what is committed. Everything from before is
  // forgotten, but for what the nodes reported.
  void lead(ClusterMap map, int64_t now_ns, Actions* actions);
  void resign() { leading_ = false; }
  bool leading() const { return leading_; }

  // Every coordinator hears them, and remembers them for when it leads.
  void report(const Member& from, const NodeReport& report, int64_t now_ns, Actions* actions);
  // It computes and cannot report meanwhile (beacon.h): what it reported last still holds.
  void busy(const Member& from, int64_t now_ns);
  // The connection to a node broke.
  void link_lost(NodeId node, int64_t now_ns);
  // FenceOk, Ready, HandedOver.
  void receive(const Message& message, int64_t now_ns, Actions* actions);
  void decided(int64_t now_ns, Actions* actions);
  void tick(int64_t now_ns, Actions* actions);

  // --- for operators. REQUIRES: leading(). A refusal says why. What is not refused is proposed at
  // once: while another proposal is on its way, they are kUnavailable. ---
  // Let `to` (0: any other) be the shard's primary: in order, if the present one can.
  Status hand_over(ShardId shard, NodeId to, int64_t now_ns, Actions* actions);
  // A new view without asking the present primary.
  Status fail_over(ShardId shard, NodeId to, int64_t now_ns, Actions* actions);
  // The same if the shard's active epoch is still the expected one; else kStale, and nothing is
  // done. So one who has looked decides by what he saw, and of several the first.
  Status compare_and_set(ShardId shard, Epoch expected, NodeId to, int64_t now_ns,
                         Actions* actions);
  // Whether the cluster goes on without that node, with the loss of no write quorum; ok: yes.
  Status can_stop(NodeId node, int64_t now_ns) const;
  // While draining, a node is nobody's primary as far as that can be, and gets no new copies.
  Status drain(NodeId node, bool on, int64_t now_ns, Actions* actions);
  // Takes a node that is gone for good out of the map. It must have no copies; if it reports again,
  // it is a new node.
  Status forget(NodeId node, int64_t now_ns, Actions* actions);

  const ClusterMap& map() const { return map_; }
  // What does not go on, and why; empty: everything does. For operators.
  const std::string& waits_for() const { return waits_for_; }
  // Null: it has not reported.
  const NodeReport* last_report(NodeId node) const;
  // Since when it was not heard from; negative: never.
  int64_t silent_ns(NodeId node, int64_t now_ns) const;
  // Of those who report lately, how many say that they do not reach the node; and one more if this
  // coordinator does not hear it.
  int64_t failure_reports(NodeId node, int64_t now_ns) const;

 private:
  struct Node {
    Member member;
    NodeReport report;
    int64_t heard_ns = 0;
    int64_t lost_ns = 0;  // the connection broke then; 0: it did not since the last report
  };
  struct Shard {
    std::unique_ptr<ViewChange> change;
    int64_t since_ns = 0;           // of the last activation
    std::deque<int64_t> changes;    // when view changes began, of the last minute
    int64_t handover_asked_ns = 0;  // of the primary; 0: not
    int64_t member_missing_ns = 0;  // 0: none is
  };

  void passed(int64_t now_ns);
  bool alive(NodeId node, int64_t within_ns) const;
  bool fresh(const Member& member) const;
  int64_t missed_by(NodeId node, int64_t now_ns) const;
  bool gone(NodeId node) const;
  const ReplicaReport* replica_report(const Member& member, ShardId shard) const;
  // Why the shard needs another primary; empty: it does not.
  std::string suspicion(const ClusterShard& shard, const Shard& state) const;
  bool hasty(Shard& state) const;
  void look_at(const ClusterShard& shard, Shard& state, Actions* actions);
  Result<ClusterShard> idle_shard(ShardId shard) const;
  Result<Member> successor(const ClusterShard& shard, NodeId to) const;
  Status may_propose() const;
  Status change_view(ShardId id, NodeId to, const std::string& why, Actions* actions);
  bool replace_missing(const ClusterShard& shard, Shard& state, Actions* actions);
  Member choose_replacement(const ClusterShard& shard) const;
  Member choose_preferred(const ClusterShard& shard, NodeId not_this) const;
  void begin(const ClusterShard& shard, Shard& state, std::vector<Member> members, Member preferred,
             const std::string& why, Actions* actions);
  void run(ShardId shard, const ViewChange::Actions& done, Actions* actions);
  void note_node(NodeId id, const Node& heard);
  void bootstrap();
  void waits(const std::string& why);
  bool keeps_data_already() const;
  void propose(Actions* actions);
  void wish(const std::string& why);
  uint32_t first_nodes() const {
    return options_.first_nodes != 0 ? options_.first_nodes : options_.replicas;
  }

  const Options options_;
  bool leading_ = false;
  int64_t now_ = 0;
  int64_t led_since_ns_ = 0;
  ClusterMap map_;       // committed
  ClusterMap wished_;    // what the next proposal is
  ClusterMap proposed_;  // on its way
  bool proposing_ = false;
  bool dirty_ = false;  // wished_ is not what was proposed last
  std::string why_;
  std::string waits_for_;
  std::vector<ShardId> deciding_;        // whose records are in the proposal on its way
  std::vector<ShardId> wants_decision_;  // whose are in wished_
  std::map<ShardId, Shard> shards_;
  std::map<NodeId, Node> nodes_;
};

}  // namespace holdfast
