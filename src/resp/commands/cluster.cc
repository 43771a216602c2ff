// CLUSTER and its kin. A storage node of a cluster answers from the map that the coordinators have
// sent it, in the forms of Redis Cluster. A server that is no part of a cluster refuses each, by
// which clients tell that they need no cluster mode.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "resp/commands/families.h"
#include "resp/commands/known_map.h"
#include "resp/context.h"
#include "resp/facts.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/key.h"

namespace holdfast {
namespace {

void disabled(CommandContext& c) { c.fail("ERR This instance has cluster support disabled"); }

// Null, and the error is replied: this server is no node of a cluster.
const ClusterMap* cluster(CommandContext& c) {
  const ServerHooks& hooks = c.server.hooks();
  const ClusterMap* map = hooks.cluster_map ? hooks.cluster_map() : nullptr;
  if (map == nullptr) disabled(c);
  return map;
}

// What Redis's own cluster bus would change: here the coordinators do.
void decided_elsewhere(CommandContext& c) {
  if (cluster(c) != nullptr) {
    c.fail("ERR the coordinators decide this; see VIEW HELP, NODE HELP and SHARD HELP");
  }
}

// --- nodes as clients know them ---

// 40 hexadecimal digits; another store is another node.
std::string node_name(const Member& member) {
  char name[41];
  std::snprintf(name, sizeof name, "%08x%016llx%016llx", member.node,
                static_cast<unsigned long long>(member.store),
                static_cast<unsigned long long>(member.store ^ member.node));
  return name;
}

std::string shard_name(ShardId shard) {
  char name[41];
  std::snprintf(name, sizeof name, "%040x", shard);
  return name;
}

Member self_of(CommandContext& c) { return c.server.hooks().cluster_self(); }

Address client_address(const ClusterMap& map, NodeId node) {
  const NodeRecord* known = map.node(node);
  const Result<Address> address =
      Address::parse(known == nullptr ? std::string_view() : known->resp_address);
  return address.ok() ? address.value() : Address{};
}

bool is_down(const ClusterMap& map, NodeId node) {
  const NodeRecord* known = map.node(node);
  return known == nullptr || known->state == NodeState::kDown;
}

bool leads_any(const ClusterMap& map, const Member& member) {
  return std::ranges::any_of(map.shards,
                             [&](const ClusterShard& shard) { return shard.primary() == member; });
}

// The members of a shard, its primary first.
std::vector<Member> members_of(const ClusterShard& shard) {
  std::vector<Member> members = shard.record.active.members;
  const auto primary = std::ranges::find(members, shard.primary());
  if (primary != members.end()) std::rotate(members.begin(), primary, primary + 1);
  return members;
}

bool served(const ClusterShard& shard) { return shard.primary().valid(); }

// --- what clients ask for ---

void slots(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  const auto late = c.reply.late();
  uint64_t count = 0;
  for (const ClusterShard& shard : map->shards) {
    if (!served(shard)) continue;
    const std::vector<Member> members = members_of(shard);
    for (const SlotRange& range : shard.slots) {
      ++count;
      c.reply.array(2 + members.size());
      c.reply.integer(range.first);
      c.reply.integer(range.last);
      for (const Member& member : members) {
        const Address address = client_address(*map, member.node);
        c.reply.array(4);
        c.reply.bulk(address.host);
        c.reply.integer(address.port);
        c.reply.bulk(node_name(member));
        c.reply.array(0);
      }
    }
  }
  c.reply.array_was(late, count);
}

void reply_shard_node(CommandContext& c, const ClusterMap& map, const ClusterShard& shard,
                      const Member& member) {
  const Address address = client_address(map, member.node);
  const Facts facts{c.reply};
  c.reply.map(7);
  facts.text("id", node_name(member));
  facts.number("port", address.port);
  facts.text("ip", address.host);
  facts.text("endpoint", address.host);
  facts.text("role", member == shard.primary() ? "master" : "replica");
  const Shard* here = c.server.shards().find(shard.id);
  facts.number("replication-offset",
               member == self_of(c) && here != nullptr ? here->commit_seq() : 0);
  facts.text("health", is_down(map, member.node) ? "fail" : "online");
}

void shards(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  c.reply.array(map->shards.size());
  for (const ClusterShard& shard : map->shards) {
    const std::vector<Member> members = members_of(shard);
    c.reply.map(2);
    c.reply.bulk("slots");
    c.reply.array(2 * shard.slots.size());
    for (const SlotRange& range : shard.slots) {
      c.reply.integer(range.first);
      c.reply.integer(range.last);
    }
    c.reply.bulk("nodes");
    c.reply.array(members.size());
    for (const Member& member : members) reply_shard_node(c, *map, shard, member);
  }
}

// A line of CLUSTER NODES. A node that leads nothing follows the primary of a shard it has.
std::string node_line(CommandContext& c, const ClusterMap& map, const NodeRecord& node) {
  const Member member{node.id, node.store};
  const Address address = client_address(map, node.id);
  const bool master = leads_any(map, member);
  Member follows;
  Epoch epoch = 0;
  std::string owned;
  for (const ClusterShard& shard : map.shards) {
    const View& view = shard.record.active;
    if (view.primary == member) {
      epoch = std::max(epoch, view.epoch);
      for (const SlotRange& range : shard.slots) {
        owned += ' ' + std::to_string(range.first);
        if (range.last != range.first) owned += '-' + std::to_string(range.last);
      }
    } else if (!master && !follows.valid() && view.has(member)) {
      follows = view.primary;
      epoch = view.epoch;
    }
  }
  std::string line = node_name(member) + ' ' + address.to_string();
  const Result<Address> link = Address::parse(node.address);
  line += '@' + std::to_string(link.ok() ? link.value().port : 0) + ' ';
  if (member == self_of(c)) line += "myself,";
  line += follows.valid() ? "slave" : "master";
  if (node.state == NodeState::kDown) line += ",fail";
  line += ' ' + (follows.valid() ? node_name(follows) : std::string("-"));
  line += " 0 0 " + std::to_string(epoch);
  line += node.state == NodeState::kDown ? " disconnected" : " connected";
  return line + owned + '\n';
}

void nodes(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  std::string text;
  for (const NodeRecord& node : map->nodes) text += node_line(c, *map, node);
  c.reply.verbatim("txt", text);
}

// CLUSTER REPLICAS node-id
void replicas(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  const NodeRecord* master = nullptr;
  for (const NodeRecord& node : map->nodes) {
    if (node_name({node.id, node.store}) == c.args[2]) master = &node;
  }
  if (master == nullptr) return c.fail("ERR Unknown node " + std::string(c.args[2]));
  const Member primary{master->id, master->store};
  if (!leads_any(*map, primary)) return c.fail("ERR The specified node is not a master");
  std::vector<std::string> lines;
  for (const NodeRecord& node : map->nodes) {
    const Member member{node.id, node.store};
    const bool follows = std::ranges::any_of(map->shards, [&](const ClusterShard& shard) {
      return shard.primary() == primary && member != primary && shard.record.active.has(member);
    });
    if (follows) lines.push_back(node_line(c, *map, node));
  }
  c.reply.array(lines.size());
  for (std::string& line : lines) {
    line.pop_back();
    c.reply.bulk(line);
  }
}

void info(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  uint64_t assigned = 0, ok = 0, masters = 0;
  Epoch newest = 0;
  for (const ClusterShard& shard : map->shards) {
    uint64_t here = 0;
    for (const SlotRange& range : shard.slots) here += uint64_t{range.last} - range.first + 1;
    assigned += here;
    if (served(shard)) ok += here;
    newest = std::max(newest, shard.record.active.epoch);
  }
  for (const NodeRecord& node : map->nodes) {
    if (leads_any(*map, {node.id, node.store})) ++masters;
  }
  const auto line = [](std::string_view name, const std::string& value) {
    return std::string(name) + ':' + value + "\r\n";
  };
  std::string text = line("cluster_state", ok == kSlotCount ? "ok" : "fail");
  text += line("cluster_slots_assigned", std::to_string(assigned));
  text += line("cluster_slots_ok", std::to_string(ok));
  text += line("cluster_slots_pfail", "0");
  text += line("cluster_slots_fail", std::to_string(assigned - ok));
  text += line("cluster_known_nodes", std::to_string(map->nodes.size()));
  text += line("cluster_size", std::to_string(masters));
  text += line("cluster_current_epoch", std::to_string(newest));
  text += line("cluster_my_epoch", std::to_string(newest));
  text += line("cluster_stats_messages_publish_sent", std::to_string(c.server.relay().sent()));
  text += line("cluster_stats_messages_publish_received",
               std::to_string(c.server.stats().messages_from_nodes));
  text +=
      line("cluster_stats_messages_publish_dropped", std::to_string(c.server.relay().dropped()));
  text += line("cluster_map_revision", std::to_string(map->revision));
  c.reply.verbatim("txt", text);
}

void myid(CommandContext& c) {
  if (cluster(c) != nullptr) c.reply.bulk(node_name(self_of(c)));
}

void myshardid(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  const Member self = self_of(c);
  const auto mine = std::ranges::find_if(
      map->shards, [&](const ClusterShard& shard) { return shard.record.active.has(self); });
  c.reply.bulk(shard_name(mine == map->shards.end() ? 0 : mine->id));
}

void keyslot(CommandContext& c) {
  if (cluster(c) != nullptr) c.reply.integer(slot_of(c.args[2]));
}

bool slot_argument(CommandContext& c, size_t i, SlotId* slot) {
  int64_t number = 0;
  if (!c.integer(i, &number)) return false;
  if (number < 0 || number >= kSlotCount) {
    c.fail("ERR Invalid slot");
    return false;
  }
  *slot = static_cast<SlotId>(number);
  return true;
}

void count_keys_in_slot(CommandContext& c) {
  SlotId slot = 0;
  if (cluster(c) == nullptr || !slot_argument(c, 2, &slot)) return;
  Shard* shard = c.server.shards().of_slot(slot);
  if (shard == nullptr) return c.reply.integer(0);
  c.observe_database(*shard, c.db());
  c.reply.integer(static_cast<int64_t>(shard->keyspace().size_of_slot(c.db(), slot)));
}

void get_keys_in_slot(CommandContext& c) {
  SlotId slot = 0;
  int64_t most = 0;
  if (cluster(c) == nullptr || !slot_argument(c, 2, &slot) || !c.integer(3, &most)) return;
  if (most < 0) return c.fail("ERR Invalid number of keys");
  std::vector<std::string_view> keys;
  if (Shard* shard = c.server.shards().of_slot(slot)) {
    shard->keyspace().visit_slot(c.db(), slot, [&](const Object& object) {
      if (keys.size() < static_cast<uint64_t>(most)) keys.push_back(object.key());
    });
    c.observe_database(*shard, c.db());
  }
  c.reply.array(keys.size());
  for (const std::string_view key : keys) c.reply.bulk(key);
}

void links(CommandContext& c) {
  const ClusterMap* map = cluster(c);
  if (map == nullptr) return;
  const auto& peer = c.server.hooks().group_peer;
  const auto late = c.reply.late();
  uint64_t count = 0;
  for (const NodeRecord& node : map->nodes) {
    const GroupPeer link = peer ? peer(node.id) : GroupPeer{};
    if (!link.up) continue;
    ++count;
    const Facts facts{c.reply};
    c.reply.map(6);
    facts.text("direction", node.id > self_of(c).node ? "to" : "from");
    facts.text("node", node_name({node.id, node.store}));
    facts.number("create-time", 0);
    facts.text("events", "rw");
    facts.number("send-buffer-allocated", 0);
    facts.number("send-buffer-used", 0);
  }
  c.reply.array_was(late, count);
}

// CLUSTER COUNT-FAILURE-REPORTS node-id: nobody votes on failures here, the coordinators decide:
// one of them says how many of those who report to it, and whether itself, miss the node. Who only
// has the map knows what was decided.
void count_failure_reports(CommandContext& c) {
  const ClusterAdmin* admin = c.server.hooks().admin;
  const ClusterMap* map = admin != nullptr ? known_map(c) : cluster(c);
  if (map == nullptr) return;
  const auto node = std::ranges::find_if(map->nodes, [&c](const NodeRecord& each) {
    return node_name({each.id, each.store}) == c.args[2];
  });
  if (node == map->nodes.end()) return c.fail("ERR Unknown node " + std::string(c.args[2]));
  if (admin != nullptr) return c.reply.integer(admin->failure_reports(node->id));
  c.reply.integer(node->state == NodeState::kDown ? 1 : 0);
}

void help(CommandContext& c) {
  reply_help(
      c, {"COUNT-FAILURE-REPORTS <node-id>",
          "    Return number of failure reports for <node-id>.",
          "COUNTKEYSINSLOT <slot>",
          "    Return the number of keys in <slot>.",
          "GETKEYSINSLOT <slot> <count>",
          "    Return key names stored by current node in a slot.",
          "INFO",
          "    Return information about the cluster.",
          "KEYSLOT <key>",
          "    Return the hash slot for <key>.",
          "LINKS",
          "    Return information about all network links between this node and its peers.",
          "MYID",
          "    Return the node id.",
          "MYSHARDID",
          "    Return the node's shard id.",
          "NODES",
          "    Return cluster configuration seen by node. Output format:",
          "    <id> <ip:port@bus-port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
          "REPLICAS <node-id>",
          "    Return <node-id> replicas.",
          "SHARDS",
          "    Return information about slot range mappings and the nodes associated with them.",
          "SLOTS",
          "    Return information about slots range mappings. Each range is made of:",
          "    start, end, master and replicas IP addresses, ports and ids"});
}

void asking(CommandContext& c) {
  if (cluster(c) != nullptr) c.reply.ok();
}

// After READONLY backups answer reads too; see Server::not_served.
void read_mode(CommandContext& c) {
  if (cluster(c) == nullptr) return;
  c.session.state.reads_backups = c.is(0, "readonly");
  c.reply.ok();
}

constexpr uint32_t kChange = kAdmin | kStale | kNoAsyncLoading;

constexpr CommandSpec row(std::string_view name, int arity, uint32_t flags, std::string_view since,
                          std::string_view complexity, std::string_view summary,
                          std::string_view syntax = {},
                          void (*handler)(CommandContext&) = decided_elsewhere) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .handler = handler,
          .group = "cluster",
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax};
}

constexpr CommandSpec kSubcommands[] = {
    row("addslots", -3, kChange, "3.0.0", "O(N) where N is the total number of hash slot arguments",
        "Assigns new hash slots to a node.", "slot [slot ...]"),
    row("addslotsrange", -4, kChange, "7.0.0",
        "O(N) where N is the total number of the slots between the start slot and end slot "
        "arguments.",
        "Assigns new hash slot ranges to a node.", "start-slot end-slot [start-slot end-slot ...]"),
    row("bumpepoch", 2, kChange, "3.0.0", "O(1)", "Advances the cluster config epoch."),
    row("count-failure-reports", 3, kAdmin | kStale, "3.0.0",
        "O(N) where N is the number of failure reports",
        "Returns the number of active failure reports active for a node.", "node-id",
        count_failure_reports),
    row("countkeysinslot", 3, kStale, "3.0.0", "O(1)", "Returns the number of keys in a hash slot.",
        "slot", count_keys_in_slot),
    row("delslots", -3, kChange, "3.0.0", "O(N) where N is the total number of hash slot arguments",
        "Sets hash slots as unbound for a node.", "slot [slot ...]"),
    row("delslotsrange", -4, kChange, "7.0.0",
        "O(N) where N is the total number of the slots between the start slot and end slot "
        "arguments.",
        "Sets hash slot ranges as unbound for a node.",
        "start-slot end-slot [start-slot end-slot ...]"),
    row("failover", -2, kChange, "3.0.0", "O(1)",
        "Forces a replica to perform a manual failover of its master.", "[FORCE | TAKEOVER]"),
    row("flushslots", 2, kChange, "3.0.0", "O(1)", "Deletes all slots information from a node."),
    row("forget", 3, kChange, "3.0.0", "O(1)", "Removes a node from the nodes table.", "node-id"),
    row("getkeysinslot", 4, kStale, "3.0.0", "O(log(N)) where N is the number of requested keys",
        "Returns the key names in a hash slot.", "slot count", get_keys_in_slot),
    row("help", 2, kLoading | kStale, "5.0.0", "O(1)",
        "Returns helpful text about the different subcommands.", {}, help),
    row("info", 2, kStale, "3.0.0", "O(1)", "Returns information about the state of a node.", {},
        info),
    row("keyslot", 3, kStale, "3.0.0", "O(N) where N is the number of bytes in the key",
        "Returns the hash slot for a key.", "key", keyslot),
    row("links", 2, kStale, "7.0.0", "O(N) where N is the total number of Cluster nodes",
        "Returns a list of all TCP links to and from peer nodes.", {}, links),
    row("meet", -4, kChange, "3.0.0", "O(1)", "Forces a node to handshake with another node.",
        "ip port [cluster-bus-port]"),
    row("myid", 2, kStale, "3.0.0", "O(1)", "Returns the ID of a node.", {}, myid),
    row("myshardid", 2, kStale, "7.2.0", "O(1)", "Returns the shard ID of a node.", {}, myshardid),
    row("nodes", 2, kStale, "3.0.0", "O(N) where N is the total number of Cluster nodes",
        "Returns the cluster configuration for a node.", {}, nodes),
    row("replicas", 3, kAdmin | kStale, "5.0.0", "O(1)",
        "Lists the replica nodes of a master node.", "node-id", replicas),
    row("replicate", 3, kChange, "3.0.0", "O(1)", "Configure a node as replica of a master node.",
        "node-id"),
    row("reset", -2, kAdmin | kNoScript | kStale, "3.0.0",
        "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side "
        "effect.",
        "Resets a node.", "[HARD | SOFT]"),
    row("saveconfig", 2, kChange, "3.0.0", "O(1)",
        "Forces a node to save the cluster configuration to disk."),
    row("set-config-epoch", 3, kChange, "3.0.0", "O(1)",
        "Sets the configuration epoch for a new node.", "config-epoch"),
    row("setslot", -4, kChange, "3.0.0", "O(1)", "Binds a hash slot to a node.",
        "slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>"),
    row("shards", 2, kStale, "7.0.0", "O(N) where N is the total number of cluster nodes",
        "Returns the mapping of cluster slots to shards.", {}, shards),
    row("slaves", 3, kAdmin | kStale, "3.0.0", "O(1)", "Lists the replica nodes of a master node.",
        "node-id", replicas),
    row("slots", 2, kStale, "3.0.0", "O(N) where N is the total number of Cluster nodes",
        "Returns the mapping of cluster slots to nodes.", {}, slots),
};

constexpr CommandSpec connection_row(std::string_view name, uint32_t flags,
                                     std::string_view summary, void (*handler)(CommandContext&)) {
  CommandSpec spec = row(name, 1, flags, "3.0.0", "O(1)", summary, {}, handler);
  spec.categories = kCatConnection;
  return spec;
}

constexpr CommandSpec kCommands[] = {
    {.name = "cluster",
     .arity = -2,
     .group = "cluster",
     .since = "3.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Redis Cluster commands.",
     .subcommands = kSubcommands},
    connection_row("asking", kFast, "Sent by cluster clients after an -ASK redirect", asking),
    connection_row("readonly", kLoading | kStale | kFast,
                   "Enables read queries for a connection to a cluster replica node", read_mode),
    connection_row("readwrite", kLoading | kStale | kFast,
                   "Disables read queries for a connection to a cluster replica node", read_mode),
};

}  // namespace

std::span<const CommandSpec> cluster_commands() { return kCommands; }

}  // namespace holdfast
