// CLUSTER and its kin, as a server answers that is no part of a cluster: each subcommand is known
// and refused, by which clients tell that they need no cluster mode.
#include "resp/commands/families.h"
#include "resp/context.h"

namespace holdfast {
namespace {

void disabled(CommandContext& c) { c.fail("ERR This instance has cluster support disabled"); }

constexpr uint32_t kChange = kAdmin | kStale | kNoAsyncLoading;

constexpr CommandSpec row(std::string_view name, int arity, uint32_t flags, std::string_view since,
                          std::string_view complexity, std::string_view summary,
                          std::string_view syntax = {}) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .handler = disabled,
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
        "Returns the number of active failure reports active for a node.", "node-id"),
    row("countkeysinslot", 3, kStale, "3.0.0", "O(1)", "Returns the number of keys in a hash slot.",
        "slot"),
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
        "Returns the key names in a hash slot.", "slot count"),
    row("help", 2, kLoading | kStale, "5.0.0", "O(1)",
        "Returns helpful text about the different subcommands."),
    row("info", 2, kStale, "3.0.0", "O(1)", "Returns information about the state of a node."),
    row("keyslot", 3, kStale, "3.0.0", "O(N) where N is the number of bytes in the key",
        "Returns the hash slot for a key.", "key"),
    row("links", 2, kStale, "7.0.0", "O(N) where N is the total number of Cluster nodes",
        "Returns a list of all TCP links to and from peer nodes."),
    row("meet", -4, kChange, "3.0.0", "O(1)", "Forces a node to handshake with another node.",
        "ip port [cluster-bus-port]"),
    row("myid", 2, kStale, "3.0.0", "O(1)", "Returns the ID of a node."),
    row("myshardid", 2, kStale, "7.2.0", "O(1)", "Returns the shard ID of a node."),
    row("nodes", 2, kStale, "3.0.0", "O(N) where N is the total number of Cluster nodes",
        "Returns the cluster configuration for a node."),
    row("replicas", 3, kAdmin | kStale, "5.0.0", "O(1)",
        "Lists the replica nodes of a master node.", "node-id"),
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
        "Returns the mapping of cluster slots to shards."),
    row("slaves", 3, kAdmin | kStale, "3.0.0", "O(1)", "Lists the replica nodes of a master node.",
        "node-id"),
    row("slots", 2, kStale, "3.0.0", "O(N) where N is the total number of Cluster nodes",
        "Returns the mapping of cluster slots to nodes."),
};

constexpr CommandSpec connection_row(std::string_view name, uint32_t flags,
                                     std::string_view summary) {
  CommandSpec spec = row(name, 1, flags, "3.0.0", "O(1)", summary);
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
    connection_row("asking", kFast, "Sent by cluster clients after an -ASK redirect"),
    connection_row("readonly", kLoading | kStale | kFast,
                   "Enables read queries for a connection to a cluster replica node"),
    connection_row("readwrite", kLoading | kStale | kFast,
                   "Disables read queries for a connection to a cluster replica node"),
};

}  // namespace

std::span<const CommandSpec> cluster_commands() { return kCommands; }

}  // namespace holdfast
