// VIEW, NODE, EPOCH: commands of our own, for operators of a cluster with coordinators. What is
// decided, any node of the cluster tells as far as it knows (`revision` says how far); what is
// going on, and what changes something, only the leading coordinator.
#include <algorithm>
#include <string>

#include "base/quoted.h"
#include "replica/replica.h"
#include "resp/commands/families.h"
#include "resp/commands/known_map.h"
#include "resp/commands/operator_rows.h"
#include "resp/context.h"
#include "resp/facts.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

bool id_argument(CommandContext& c, size_t i, uint32_t* id) {
  int64_t number = 0;
  if (!c.integer_between(i, 1, UINT32_MAX, &number)) return false;
  *id = static_cast<uint32_t>(number);
  return true;
}

std::string address_of(const ClusterMap& map, NodeId node) {
  const NodeRecord* known = map.node(node);
  return known == nullptr ? std::string() : known->resp_address;
}

std::string slots_text(const ClusterShard& shard) {
  std::string text;
  for (const SlotRange& range : shard.slots) {
    if (!text.empty()) text += ' ';
    text += std::to_string(range.first) + '-' + std::to_string(range.last);
  }
  return text;
}

// --- VIEW ---

void reply_view(ReplyWriter& reply, const ClusterMap& map, const ClusterShard& shard) {
  const ShardRecord& record = shard.record;
  const Facts facts{reply};
  const bool forms = record.forming.epoch != 0;
  reply.map(9);
  facts.number("shard", shard.id);
  facts.text("slots", slots_text(shard));
  facts.number("epoch", record.active.epoch);
  facts.text("phase", record.active.epoch == 0 && !forms       ? "new"
                      : forms                                  ? "forming"
                      : record.allocated > record.active.epoch ? "fencing"
                                                               : "active");
  facts.number("allocated", record.allocated);
  facts.number("primary", record.active.primary.node);
  facts.text("address", address_of(map, record.active.primary.node));
  facts.number("write_quorum", record.active.write_quorum);
  reply.bulk("members");
  reply.array(record.active.members.size());
  for (const Member& member : record.active.members) {
    reply.map(3);
    facts.number("node", member.node);
    facts.text("store", hex16(member.store));
    facts.text("address", address_of(map, member.node));
  }
}

// `reply`: a command that has waited answers after its context has gone.
void reply_views(ReplyWriter& reply, const ClusterMap& map, const ClusterAdmin* admin) {
  const Facts facts{reply};
  reply.map(admin != nullptr ? 3 : 2);
  facts.number("revision", map.revision);
  if (admin != nullptr) facts.text("waits_for", admin->waits_for());
  reply.bulk("views");
  reply.array(map.shards.size());
  for (const ClusterShard& shard : map.shards) reply_view(reply, map, shard);
}

void view_list(CommandContext& c) {
  const ClusterMap* map = known_map(c);
  if (map != nullptr) reply_views(c.reply, *map, c.server.hooks().admin);
}

void view_get(CommandContext& c) {
  const ClusterMap* map = known_map(c);
  ShardId id = 0;
  if (map == nullptr || !id_argument(c, 2, &id)) return;
  const ClusterShard* shard = map->shard(id);
  if (shard == nullptr) return c.fail("ERR no such shard");
  reply_view(c.reply, *map, *shard);
}

void view_history(CommandContext& c) {
  if (c.argc() > 3) return c.fail();
  int64_t most = 20;
  if (c.argc() == 3 && !c.integer_between(2, 1, 1000, &most)) return;
  ClusterAdmin* admin = leading_admin(c);
  if (admin == nullptr) return;
  const auto changes = admin->history(static_cast<size_t>(most));
  const Facts facts{c.reply};
  c.reply.array(changes.size());
  for (const auto& [revision, change] : changes) {
    c.reply.map(2);
    facts.number("revision", revision);
    facts.text("change", change);
  }
}

// VIEW WATCH [revision [timeout-ms]]: without a revision, the next change of all.
void view_watch(CommandContext& c) {
  if (c.argc() > 4) return c.fail();
  const ClusterMap* map = known_map(c);
  if (map == nullptr) return;
  uint64_t seen = map->revision;
  int64_t timeout_ms = 0;
  if (c.argc() > 2 && !c.number_from(2, 0, errors::kNotPositive, &seen)) return;
  if (c.argc() > 3 && !timeout_argument(c, 3, &timeout_ms)) return;
  if (map->revision > seen) return reply_views(c.reply, *map, c.server.hooks().admin);
  if (!c.may_block()) return c.reply.null_array();
  const bool answers = c.session.wants_reply();
  Session& session = c.session;
  session.block(BlockReason::kMap, timeout_ms, [&session, answers] {
    if (answers) session.reply.null_array();
  });
  c.server.look_each_turn(session, [&server = c.server, seen, answers](Session& waiting) {
    const ServerHooks& hooks = server.hooks();
    if (hooks.admin != nullptr && !hooks.admin->leads()) {  // it would hear of nothing any more
      if (answers) waiting.reply.error("CLUSTERDOWN This coordinator does not lead any more");
      return true;
    }
    const ClusterMap& now = hooks.admin != nullptr ? hooks.admin->map() : *hooks.cluster_map();
    const bool changed = now.revision > seen;
    if (changed && answers) reply_views(waiting.reply, now, hooks.admin);
    return changed;
  });
}

// VIEW CAS shard expected-epoch primary-node
void view_cas(CommandContext& c) {
  ClusterAdmin* admin = leading_admin(c);
  ShardId shard = 0;
  NodeId node = 0;
  uint64_t expected = 0;
  if (admin == nullptr || !id_argument(c, 2, &shard)) return;
  if (!c.number_from(3, 0, errors::kNotPositive, &expected) || !id_argument(c, 4, &node)) return;
  reply_decided(c, admin->compare_and_set(shard, expected, node));
}

void view_help(CommandContext& c) {
  reply_help(
      c, {"CAS <shard> <expected-epoch> <primary-node>",
          "    Make a new view with that primary, unless the epoch is not the expected any more.",
          "GET <shard>", "    Return the shard's view: its epoch, primary and members.",
          "HISTORY [<count>]", "    Return what the coordinators decided last, the newest first.",
          "LIST", "    Return the views of all shards.", "WATCH [<revision> [<timeout-ms>]]",
          "    Return them when they are newer than the revision; null when the time is over."});
}

// --- NODE ---

void reply_node(CommandContext& c, const ClusterMap& map, const NodeRecord& node) {
  const auto with = [&](const auto& test) {
    return static_cast<uint64_t>(std::ranges::count_if(map.shards, test));
  };
  const Member self{node.id, node.store};
  const Facts facts{c.reply};
  const ClusterAdmin* admin = c.server.hooks().admin;
  c.reply.map(admin != nullptr ? 8 : 7);
  facts.number("node", node.id);
  facts.text("state", node_state_name(node.state));
  facts.text("store", hex16(node.store));
  facts.text("address", node.resp_address);
  facts.text("link", node.address);
  facts.number("primaries",
               with([&](const auto& shard) { return shard.record.active.primary == self; }));
  facts.number("copies", with([&](const auto& shard) { return shard.record.active.has(self); }));
  if (admin != nullptr) {
    facts.number("silent_ms", static_cast<uint64_t>(admin->silent_ms(node.id)));
  }
}

void node_list(CommandContext& c) {
  const ClusterMap* map = known_map(c);
  if (map == nullptr) return;
  c.reply.array(map->nodes.size());
  for (const NodeRecord& node : map->nodes) reply_node(c, *map, node);
}

// What the node itself reported of its replicas.
void node_info(CommandContext& c) {
  ClusterAdmin* admin = leading_admin(c);
  NodeId id = 0;
  if (admin == nullptr || !id_argument(c, 2, &id)) return;
  const NodeRecord* node = admin->map().node(id);
  if (node == nullptr) return c.fail("ERR no such node");
  const NodeReport* report = admin->report(id);
  const Facts facts{c.reply};
  c.reply.map(3);
  c.reply.bulk("node");
  reply_node(c, admin->map(), *node);
  facts.number("revision", report == nullptr ? 0 : report->revision);
  c.reply.bulk("replicas");
  c.reply.array(report == nullptr ? 0 : report->replicas.size());
  if (report == nullptr) return;
  for (const ReplicaReport& replica : report->replicas) {
    c.reply.map(8);
    facts.number("shard", replica.shard);
    facts.text("role", role_name(replica.role));
    facts.number("epoch", replica.epoch);
    facts.number("last", replica.last);
    facts.number("commit", replica.committed);
    facts.number("accepting", replica.accepting ? 1 : 0);
    facts.number("stalled", replica.stalled ? 1 : 0);
    facts.number("hears_leader", replica.hears_leader ? 1 : 0);
  }
}

void node_can_stop(CommandContext& c) {
  ClusterAdmin* admin = leading_admin(c);
  NodeId id = 0;
  if (admin == nullptr || !id_argument(c, 2, &id)) return;
  const Status can = admin->can_stop(id);
  const Facts facts{c.reply};
  c.reply.map(2);
  facts.text("can_stop", can.ok() ? "yes" : "no");
  facts.text("reason", can.message());
}

void node_drain(CommandContext& c) {
  ClusterAdmin* admin = leading_admin(c);
  NodeId id = 0;
  if (admin == nullptr || !id_argument(c, 2, &id)) return;
  if (c.argc() > 4 || (c.argc() == 4 && !c.is(3, "off"))) return c.fail();
  reply_decided(c, admin->drain(id, c.argc() == 3));
}

void node_forget(CommandContext& c) {
  ClusterAdmin* admin = leading_admin(c);
  NodeId id = 0;
  if (admin == nullptr || !id_argument(c, 2, &id)) return;
  reply_decided(c, admin->forget(id));
}

void node_help(CommandContext& c) {
  reply_help(
      c,
      {"CAN-STOP <node>",
       "    Return whether every shard keeps enough copies without the node, or why not.",
       "DRAIN <node> [OFF]", "    Let other nodes lead the node's shards, and give it no new ones.",
       "FORGET <node>", "    Take a node that is gone for good, and has no copies, out of the map.",
       "INFO <node>", "    Return what the node reported last.", "LIST",
       "    Return all storage nodes."});
}

// --- EPOCH ---

void reply_epoch(CommandContext& c, const Shard& shard) {
  const Replica* replica = shard.replica();
  const ReplicaCore& core = replica->core();
  const Facts facts{c.reply};
  c.reply.map(6);
  facts.number("shard", shard.id());
  facts.text("role", role_name(core.role()));
  facts.number("promised", core.epoch());
  facts.number("leader", core.leader().node);
  facts.number("lease", replica->lease_valid() ? 1 : 0);
  facts.number("commit", core.committed().seq);
}

// Of each replica on this node.
void epoch(CommandContext& c) {
  std::vector<const Shard*> members;
  for (const Shard* shard : c.server.shards().all()) {
    if (shard->replica() != nullptr) members.push_back(shard);
  }
  c.reply.array(members.size());
  for (const Shard* shard : members) reply_epoch(c, *shard);
}

constexpr CommandSpec kView[] = {
    operator_row("list", 2, kOperatorLook, view_list, "Returns the views of all shards."),
    operator_row("get", 3, kOperatorLook, view_get, "Returns the view of a shard.", "shard"),
    operator_row("cas", 5, kOperatorChange, view_cas,
                 "Makes a new view of a shard if its epoch is still the expected.",
                 "shard expected-epoch primary-node"),
    operator_row("history", -2, kOperatorLook, view_history,
                 "Returns what the coordinators decided last.", "[count]"),
    operator_row("watch", -2, kOperatorChange | kBlocking, view_watch,
                 "Returns the views of all shards when they are newer than a revision.",
                 "[revision [timeout-ms]]"),
    operator_help(view_help),
};

constexpr CommandSpec kNode[] = {
    operator_row("list", 2, kOperatorLook, node_list, "Returns the storage nodes."),
    operator_row("info", 3, kOperatorLook, node_info, "Returns what a node reported last.", "node"),
    operator_row("can-stop", 3, kOperatorLook, node_can_stop,
                 "Returns whether a node can be stopped.", "node"),
    operator_row("drain", -3, kOperatorChange, node_drain, "Lets other nodes lead a node's shards.",
                 "node [off]"),
    operator_row("forget", 3, kOperatorChange, node_forget,
                 "Takes a node that is gone for good out of the map.", "node"),
    operator_help(node_help),
};

constexpr CommandSpec kCommands[] = {
    operator_container("view", "A container for commands about who serves which shard.", kView),
    operator_container("node", "A container for commands about the nodes of a cluster.", kNode),
    operator_row("epoch", 1, kOperatorLook, epoch,
                 "Returns the epochs that this node's replicas have promised."),
};

}  // namespace

std::span<const CommandSpec> cluster_view_commands() { return kCommands; }

}  // namespace holdfast
