// VIEW, NODE, EPOCH: commands of our own, for operators of a cluster with coordinators. What is
// decided, any node of the cluster tells as far as it knows (`revision` says how far); what is
// going on, and what changes something, only the leading coordinator.
#include <algorithm>
#include <string>

#include "replica/replica.h"
#include "resp/cluster_admin.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/facts.h"
#include "resp/help.h"
#include "resp/server.h"

namespace holdfast {
namespace {

// Null, and the error is replied: this server knows of no cluster.
const ClusterMap* known_map(CommandContext& c) {
  const ServerHooks& hooks = c.server.hooks();
  if (hooks.admin != nullptr && !hooks.admin->leads()) {
    const std::string leader = hooks.admin->leader_address();
    c.fail(leader.empty() ? "CLUSTERDOWN The coordinators have no leader" : "MOVED 0 " + leader);
    return nullptr;
  }
  if (hooks.admin != nullptr) return &hooks.admin->map();
  const ClusterMap* map = hooks.cluster_map ? hooks.cluster_map() : nullptr;
  if (map == nullptr)
    c.fail("ERR this server is not part of a cluster with coordinators; see mode");
  return map;
}

ClusterAdmin* leading_admin(CommandContext& c) {
  if (known_map(c) == nullptr) return nullptr;
  ClusterAdmin* admin = c.server.hooks().admin;
  if (admin == nullptr) c.fail("ERR only coordinators do this; see cluster.coordinators");
  return admin;
}

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

void reply_view(CommandContext& c, const ClusterMap& map, const ClusterShard& shard) {
  const ShardRecord& record = shard.record;
  const Facts facts{c.reply};
  const bool forms = record.forming.epoch != 0;
  c.reply.map(9);
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
  c.reply.bulk("members");
  c.reply.array(record.active.members.size());
  for (const Member& member : record.active.members) {
    c.reply.map(3);
    facts.number("node", member.node);
    facts.text("store", store_text(member.store));
    facts.text("address", address_of(map, member.node));
  }
}

void view_list(CommandContext& c) {
  const ClusterMap* map = known_map(c);
  if (map == nullptr) return;
  const Facts facts{c.reply};
  c.reply.map(2);
  facts.number("revision", map->revision);
  c.reply.bulk("views");
  c.reply.array(map->shards.size());
  for (const ClusterShard& shard : map->shards) reply_view(c, *map, shard);
}

void view_get(CommandContext& c) {
  const ClusterMap* map = known_map(c);
  ShardId id = 0;
  if (map == nullptr || !id_argument(c, 2, &id)) return;
  const ClusterShard* shard = map->shard(id);
  if (shard == nullptr) return c.fail("ERR no such shard");
  reply_view(c, *map, *shard);
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

void view_help(CommandContext& c) {
  reply_help(
      c, {"GET <shard>", "    Return the shard's view: its epoch, primary and members.",
          "HISTORY [<count>]", "    Return what the coordinators decided last, the newest first.",
          "LIST", "    Return the views of all shards."});
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
  facts.text("store", store_text(node.store));
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
  const Status done = admin->drain(id, c.argc() == 3);
  if (!done.ok()) return c.fail("ERR " + done.message());
  c.observe(c.shard().last_seq());
  c.reply.ok();
}

void node_help(CommandContext& c) {
  reply_help(c,
             {"CAN-STOP <node>",
              "    Return whether every shard keeps enough copies without the node, or why not.",
              "DRAIN <node> [OFF]",
              "    Let other nodes lead the node's shards, and give it no new ones.", "INFO <node>",
              "    Return what the node reported last.", "LIST", "    Return all storage nodes."});
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

constexpr uint32_t kLook = kAdmin | kNoScript | kLoading | kStale;
constexpr uint32_t kChange = kLook | kNoMulti;
constexpr std::string_view kSince = "0.1.0";  // of Holdfast: Redis has none of this

constexpr CommandSpec row(std::string_view name, int arity, uint32_t flags,
                          void (*handler)(CommandContext&), std::string_view summary,
                          std::string_view syntax = {}) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .handler = handler,
          .group = "cluster",
          .since = kSince,
          .complexity = "O(N) where N is the number of nodes and shards",
          .summary = summary,
          .syntax = syntax};
}

constexpr std::string_view kHelpSummary = "Returns helpful text about the different subcommands.";

constexpr CommandSpec kView[] = {
    row("list", 2, kLook, view_list, "Returns the views of all shards."),
    row("get", 3, kLook, view_get, "Returns the view of a shard.", "shard"),
    row("history", -2, kLook, view_history, "Returns what the coordinators decided last.",
        "[count]"),
    row("help", 2, kLoading | kStale, view_help, kHelpSummary),
};

constexpr CommandSpec kNode[] = {
    row("list", 2, kLook, node_list, "Returns the storage nodes."),
    row("info", 3, kLook, node_info, "Returns what a node reported last.", "node"),
    row("can-stop", 3, kLook, node_can_stop, "Returns whether a node can be stopped.", "node"),
    row("drain", -3, kChange, node_drain, "Lets other nodes lead a node's shards.", "node [off]"),
    row("help", 2, kLoading | kStale, node_help, kHelpSummary),
};

constexpr CommandSpec container(std::string_view name, std::string_view summary,
                                std::span<const CommandSpec> subcommands) {
  return {.name = name,
          .arity = -2,
          .group = "cluster",
          .since = kSince,
          .complexity = "Depends on subcommand.",
          .summary = summary,
          .subcommands = subcommands};
}

constexpr CommandSpec kCommands[] = {
    container("view", "A container for commands about who serves which shard.", kView),
    container("node", "A container for commands about the nodes of a cluster.", kNode),
    row("epoch", 1, kLook, epoch, "Returns the epochs that this node's replicas have promised."),
};

}  // namespace

std::span<const CommandSpec> cluster_view_commands() { return kCommands; }

}  // namespace holdfast
