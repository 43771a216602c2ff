// CommandPlan: what a gateway does with each command of the table: where it goes, and how the
// answers of several nodes become one.
//
// Most follows from the command's row: keys decide. What has no keys is named in one list
// (command_plan.cc); what is not named there is refused, so that a new command is never answered by
// a node that happens to be asked.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/command_table.h"

namespace holdfast {

class GatewaySession;
using CommandArgs = std::span<const std::string_view>;

enum class CommandRoute : uint8_t {
  kRefused,   //
  kOneKey,    // to the node of the key at CommandPlan::key
  kKeys,      // to the node of all its keys, which must have one slot; without keys: to any
  kSplit,     // to the nodes of its keys, each a part
  kAll,       // to every primary
  kAny,       // to any node: all answer alike
  kChannel,   // to the node of the channel that it names
  kScan,      // from one node to the next
  kHere,      // answered by the gateway
  kContainer  // by its subcommand
};

enum class Merge : uint8_t {
  kNone,
  kSum,      // of integers
  kAllTrue,  // arrays of 0 and 1, element by element
  kSums,     // arrays of name and integer: the integers are added
  kOk,       // OK if all are, else the first error
  kFirst,    // the first answer, if there is no error
  kGather,   // elements in the order of the keys
  kConcat,   // arrays, one behind the other
  kUnion,    // the same, each element once
  kRandom,   // one of those that are not null
  kScan,     // the cursor of the next step
  kInfo,     // the gateway's own text with totals
};

struct CommandPlan {
  CommandRoute route = CommandRoute::kRefused;
  Merge merge = Merge::kNone;
  uint8_t key = 0;       // kOneKey, kChannel: the argument; kSplit: the first key
  uint8_t step = 1;      // kSplit: arguments a key has
  bool alone = false;    // nothing else of the session may be on its way
  bool waits = false;    // it may wait for others (BLPOP): on a connection of its own
  bool writes = true;    // sending it twice may do it twice
  bool in_multi = true;  // it may be queued
  void (*here)(GatewaySession&, CommandArgs) = nullptr;
};

class CommandPlans {
 public:
  explicit CommandPlans(const CommandTable& commands);
  const CommandPlan& of(const Command& command) const { return plans_[command.id]; }

 private:
  void plan(const Command& command);
  std::vector<CommandPlan> plans_;  // by Command::id
};

// Handlers of what is answered here (own_commands.cc, cluster_commands.cc, ...).
namespace here {
void ping(GatewaySession& session, CommandArgs args);
void echo(GatewaySession& session, CommandArgs args);
void quit(GatewaySession& session, CommandArgs args);
void reset(GatewaySession& session, CommandArgs args);
void select(GatewaySession& session, CommandArgs args);
void auth(GatewaySession& session, CommandArgs args);
void hello(GatewaySession& session, CommandArgs args);
void time_now(GatewaySession& session, CommandArgs args);
void readonly(GatewaySession& session, CommandArgs args);
void role(GatewaySession& session, CommandArgs args);
void client_id(GatewaySession& session, CommandArgs args);
void client_info(GatewaySession& session, CommandArgs args);
void client_list(GatewaySession& session, CommandArgs args);
void client_kill(GatewaySession& session, CommandArgs args);
void client_getname(GatewaySession& session, CommandArgs args);
void client_setname(GatewaySession& session, CommandArgs args);
void client_setinfo(GatewaySession& session, CommandArgs args);
void client_reply(GatewaySession& session, CommandArgs args);
void client_flag(GatewaySession& session, CommandArgs args);
void client_tracking(GatewaySession& session, CommandArgs args);
void client_getredir(GatewaySession& session, CommandArgs args);
void config_get(GatewaySession& session, CommandArgs args);
void config_resetstat(GatewaySession& session, CommandArgs args);
void empty_list(GatewaySession& session, CommandArgs args);
void zero(GatewaySession& session, CommandArgs args);
void acl_whoami(GatewaySession& session, CommandArgs args);
void cluster_info(GatewaySession& session, CommandArgs args);
void cluster_slots(GatewaySession& session, CommandArgs args);
void cluster_shards(GatewaySession& session, CommandArgs args);
void cluster_nodes(GatewaySession& session, CommandArgs args);
void cluster_keyslot(GatewaySession& session, CommandArgs args);
void cluster_myid(GatewaySession& session, CommandArgs args);
void cluster_of_slot(GatewaySession& session, CommandArgs args);
void multi(GatewaySession& session, CommandArgs args);
void exec(GatewaySession& session, CommandArgs args);
void discard(GatewaySession& session, CommandArgs args);
void watch(GatewaySession& session, CommandArgs args);
void unwatch(GatewaySession& session, CommandArgs args);
void subscribe(GatewaySession& session, CommandArgs args);
void unsubscribe(GatewaySession& session, CommandArgs args);
void wait(GatewaySession& session, CommandArgs args);
void info(GatewaySession& session, CommandArgs args);
}  // namespace here

}  // namespace holdfast
