// SHARD: a command of our own: the group of replicas that this server is a member of, and what an
// operator may ask of it. Every member answers SHARD INFO; the rest is the primary's.
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "base/quoted.h"
#include "replica/replica.h"
#include "resp/commands/families.h"
#include "resp/commands/known_map.h"
#include "resp/commands/operator_rows.h"
#include "resp/commands/which_shard.h"
#include "resp/context.h"
#include "resp/facts.h"
#include "resp/help.h"
#include "resp/server.h"

namespace holdfast {
namespace {

bool parse_store(std::string_view text, StoreId* store) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *store, 16);
  return error == std::errc() && at == end;
}

// Null, and the error is replied, when this server is alone.
const ReplicaCore* group_core(CommandContext& c) {
  const bool alone = !c.has_shard() || c.shard().replica() == nullptr;
  if (!alone) return &c.shard().replica()->core();
  c.fail("ERR this server is not a member of a group; see cluster.replication");
  return nullptr;
}

// The same unless it is the primary, in which case an operator may change something.
const ReplicaCore* leading_core(CommandContext& c) {
  const ReplicaCore* core = group_core(c);
  if (core == nullptr || core->serving()) return core;
  const auto& address = c.server.hooks().client_address;
  const bool known = core->leader().valid() && core->leader() != core->self() && address;
  const std::string where = known ? address(core->leader().node) : std::string();
  c.fail(where.empty() ? "CLUSTERDOWN Hash slot not served" : "MOVED 0 " + where);
  return nullptr;
}

// Argument `i`, the number of a node.
bool node_argument(CommandContext& c, size_t i, NodeId* node) {
  int64_t number = 0;
  if (!c.integer_between(i, 1, UINT32_MAX, &number)) return false;
  *node = static_cast<NodeId>(number);
  return true;
}

std::vector<Member> members_of_node(const std::vector<Member>& members, NodeId node) {
  std::vector<Member> found;
  std::copy_if(members.begin(), members.end(), std::back_inserter(found),
               [node](const Member& member) { return member.node == node; });
  return found;
}

// --- SHARD INFO ---

void reply_member(CommandContext& c, const ReplicaCore& core, const Member& member, bool votes) {
  const std::vector<PeerStatus> peers = core.peer_status();
  const auto peer = std::find_if(peers.begin(), peers.end(), [&member](const PeerStatus& status) {
    return status.member == member;
  });
  const bool self = member == core.self();
  const ServerHooks& hooks = c.server.hooks();
  GroupPeer link;
  if (hooks.group_peer && !self) link = hooks.group_peer(member.node);
  const bool connected = link.up && link.member == member;
  const int64_t now_ns = c.server.clock().boot_ns();
  const bool heard = peer != peers.end() && peer->heard_ns > 0;
  const Facts facts{c.reply};
  c.reply.map(13);
  facts.number("node", member.node);
  facts.text("store", hex16(member.store));
  facts.text("address", hooks.client_address ? hooks.client_address(member.node) : "");
  facts.text("kind", votes ? "voter" : "learner");
  facts.text("state", self ? "self" : peer != peers.end() ? peer->state : "unknown");
  facts.number("next", self ? core.last().seq + 1 : peer != peers.end() ? peer->next : 0);
  facts.number("durable", self ? core.durable() : peer != peers.end() ? peer->durable : 0);
  c.reply.bulk("heard_ms");
  c.reply.integer(self ? 0 : heard ? (now_ns - peer->heard_ns) / 1'000'000 : -1);
  facts.number("connected", self || connected ? 1 : 0);
  facts.number("bytes_in", link.bytes_in);
  facts.number("bytes_out", link.bytes_out);
  facts.number("messages_out", link.messages_out);
  facts.number("rtt_usec", static_cast<uint64_t>(link.rtt_us));
}

// SHARD INFO [id]
void info(CommandContext& c) {
  if (c.argc() > 3) return c.fail();
  if (!bind_shard(c, c.argc() == 3 ? 2 : 0)) return;
  const ReplicaCore* core = group_core(c);
  if (core == nullptr) return;
  Membership members = core->membership();
  if (members.voters.empty()) members.voters = core->members();  // as the coordinator's view says
  const Facts facts{c.reply};
  c.reply.map(15);
  facts.number("node", core->self().node);
  facts.text("store", hex16(core->self().store));
  facts.text("role", role_name(core->role()));
  facts.number("epoch", core->epoch());
  facts.number("leader", core->leader().node);
  facts.number("first", core->tail().base().seq + 1);
  facts.number("last", core->last().seq);
  facts.number("durable", core->durable());
  facts.number("commit", core->committed().seq);
  facts.number("lease", c.shard().replica()->lease_valid() ? 1 : 0);
  facts.number("trusted", core->trusted() ? 1 : 0);
  facts.number("whole", core->whole() ? 1 : 0);
  facts.number("accepting", c.shard().accepts_writes() ? 1 : 0);
  facts.number("write_quorum", core->write_quorum());
  c.reply.bulk("members");
  c.reply.array(members.voters.size() + members.learners.size());
  for (const Member& member : members.voters) reply_member(c, *core, member, true);
  for (const Member& member : members.learners) reply_member(c, *core, member, false);
}

// --- what changes the group ---

// SHARD HANDOVER|FAILOVER shard [node], of a coordinator.
void ask_coordinator(CommandContext& c, Status (ClusterAdmin::*what)(ShardId, NodeId)) {
  ClusterAdmin* admin = leading_admin(c);
  if (admin == nullptr) return;
  ShardId shard = 0;
  NodeId node = 0;
  if (c.argc() > 4) return c.fail();
  if (!node_argument(c, 2, &shard) || (c.argc() == 4 && !node_argument(c, 3, &node))) return;
  reply_decided(c, (admin->*what)(shard, node));
}

void failover(CommandContext& c) { ask_coordinator(c, &ClusterAdmin::fail_over); }

// SHARD HANDOVER node, of a group that elects its primary.
void handover(CommandContext& c) {
  if (c.server.hooks().admin != nullptr) return ask_coordinator(c, &ClusterAdmin::hand_over);
  if (c.argc() != 3) return c.fail();
  const ReplicaCore* core = leading_core(c);
  NodeId node = 0;
  if (core == nullptr || !node_argument(c, 2, &node)) return;
  if (node == core->self().node) return c.fail("ERR this node is the primary already");
  const std::string name = "ERR node " + std::to_string(node);
  const std::vector<Member> voters = members_of_node(core->membership().voters, node);
  if (voters.empty()) return c.fail(name + " has no vote in this group");
  GroupPeer link;
  if (c.server.hooks().group_peer) link = c.server.hooks().group_peer(node);
  const auto connected = std::find(voters.begin(), voters.end(), link.member);
  if (!link.up || connected == voters.end()) return c.fail(name + " is not connected");
  c.shard().replica()->step(HandOver{*connected});
  c.reply.ok();
}

void change(CommandContext& c, const ReplicaCore& core, const Membership& to) {
  const Status may = core.may_change(to);
  if (!may.ok()) return c.fail("ERR " + may.message());
  c.shard().replica()->step(ChangeMembers{to});
  c.reply.ok();
}

// SHARD ADDMEMBER node
void add_member(CommandContext& c) {
  const ReplicaCore* core = leading_core(c);
  NodeId node = 0;
  if (core == nullptr || !node_argument(c, 2, &node)) return;
  const std::string name = "ERR node " + std::to_string(node);
  const Options& options = c.options();
  const bool coordinator = options.mode == Mode::kCoordinator;
  const auto& known = coordinator ? options.cluster_coordinators : options.cluster_members;
  if (std::none_of(known.begin(), known.end(), [node](auto& one) { return one.node == node; })) {
    return c.fail(name + " is not among " +
                  (coordinator ? "cluster.coordinators" : "cluster.members"));
  }
  GroupPeer link;
  if (c.server.hooks().group_peer) link = c.server.hooks().group_peer(node);
  Membership to = core->membership();
  for (const std::vector<Member>* members : {&to.voters, &to.learners}) {
    for (const Member& member : members_of_node(*members, node)) {
      const bool there = node == core->self().node || (link.up && link.member == member);
      if (there) return c.fail(name + " is a member already");
    }
  }
  if (!link.up) return c.fail(name + " is not connected");
  to.learners.push_back(link.member);
  change(c, *core, to);
}

// SHARD REMOVEMEMBER node [store]
void remove_member(CommandContext& c) {
  if (c.argc() > 4) return c.fail();
  const ReplicaCore* core = leading_core(c);
  NodeId node = 0;
  if (core == nullptr || !node_argument(c, 2, &node)) return;
  const std::string name = "ERR node " + std::to_string(node);
  Membership to = core->membership();
  std::vector<Member> found = members_of_node(to.voters, node);
  for (const Member& member : members_of_node(to.learners, node)) found.push_back(member);
  if (c.argc() == 4) {
    StoreId store = 0;
    if (!parse_store(c.args[3], &store)) {
      return c.fail("ERR a store is named by hexadecimal digits, as SHARD INFO shows them");
    }
    std::erase_if(found, [store](const Member& member) { return member.store != store; });
  }
  if (found.empty()) return c.fail(name + " is no member of this group with that store");
  if (found.size() > 1) return c.fail(name + " has several stores in this group; name one of them");
  std::erase(to.voters, found.front());
  std::erase(to.learners, found.front());
  change(c, *core, to);
}

void help(CommandContext& c) {
  reply_help(
      c, {"ADDMEMBER <node>",
          "    Make the store that the connected node has a member: it gets the data, and a "
          "vote",
          "    when it has nearly all of it.", "FAILOVER <shard> [<node>]",
          "    Of a coordinator: make a new view, without asking the primary.", "HANDOVER <node>",
          "    Let that member become the primary, without losing a write.",
          "HANDOVER <shard> [<node>]", "    The same, of a coordinator.", "INFO [<id>]",
          "    Return this replica's role and log, and the members of its group.",
          "REMOVEMEMBER <node> [<store>]",
          "    Make the node's store a member no more. The store must be named if the node "
          "has two."});
}

constexpr CommandSpec kShard[] = {
    operator_row("info", -2, kOperatorLook, info,
                 "Returns the role and the log of this replica, and the members of its group.",
                 "[id]"),
    operator_row("handover", -3, kOperatorChange, handover,
                 "Lets another member become the primary.", "[shard] node"),
    operator_row("failover", -3, kOperatorChange, failover,
                 "Makes a new view of a shard, without asking its primary.", "shard [node]"),
    operator_row("addmember", 3, kOperatorChange, add_member,
                 "Makes the store of a connected node a member of the group.", "node"),
    operator_row("removemember", -3, kOperatorChange, remove_member,
                 "Makes a store a member of the group no more.", "node [store]"),
    operator_help(help),
};

constexpr CommandSpec kCommands[] = {
    operator_container("shard", "A container for commands about a group of replicas.", kShard),
};

}  // namespace

std::span<const CommandSpec> shard_commands() { return kCommands; }

}  // namespace holdfast
