// See command_plan.h.
#include "gateway/command_plan.h"

#include <algorithm>

namespace holdfast {
namespace {

struct Row {
  std::string_view name;  // as Command::full_name
  CommandPlan plan;
};

using Here = void (*)(GatewaySession&, CommandArgs);

constexpr CommandPlan own(Here handler, bool alone = false) {
  CommandPlan plan;
  plan.route = CommandRoute::kHere;
  plan.here = handler;
  plan.alone = alone;
  plan.in_multi = false;
  return plan;
}
// A node answers it as well as the gateway: it may be queued.
constexpr CommandPlan queued(CommandPlan plan) {
  plan.in_multi = true;
  return plan;
}
constexpr CommandPlan split(Merge merge, bool writes, uint8_t step = 1) {
  CommandPlan plan;
  plan.route = CommandRoute::kSplit;
  plan.merge = merge;
  plan.key = 1;
  plan.step = step;
  plan.writes = writes;
  return plan;
}
constexpr CommandPlan all(Merge merge, bool writes) {
  CommandPlan plan;
  plan.route = CommandRoute::kAll;
  plan.merge = merge;
  plan.writes = writes;
  plan.alone = true;
  plan.in_multi = false;
  return plan;
}
constexpr CommandPlan any() {
  CommandPlan plan;
  plan.route = CommandRoute::kAny;
  plan.writes = false;
  return plan;
}
constexpr CommandPlan channel() {
  CommandPlan plan;
  plan.route = CommandRoute::kChannel;
  plan.key = 1;
  return plan;
}
constexpr CommandPlan scan() {
  CommandPlan plan;
  plan.route = CommandRoute::kScan;
  plan.merge = Merge::kScan;
  plan.writes = false;
  plan.in_multi = false;
  return plan;
}

constexpr Row kRows[] = {
    {"mget", split(Merge::kGather, false)},
    {"mset", split(Merge::kOk, true, 2)},
    {"del", split(Merge::kSum, true)},
    {"unlink", split(Merge::kSum, true)},
    {"exists", split(Merge::kSum, false)},
    {"touch", split(Merge::kSum, false)},

    {"dbsize", all(Merge::kSum, false)},
    {"keys", all(Merge::kConcat, false)},
    {"randomkey", all(Merge::kRandom, false)},
    {"flushall", all(Merge::kOk, true)},
    {"flushdb", all(Merge::kOk, true)},
    {"scan", scan()},
    {"info", own(here::info)},
    {"script|load", all(Merge::kFirst, false)},
    {"script|exists", all(Merge::kAllTrue, false)},
    {"script|flush", all(Merge::kOk, false)},
    {"script|help", any()},
    {"function|load", all(Merge::kFirst, true)},
    {"function|delete", all(Merge::kOk, true)},
    {"function|flush", all(Merge::kOk, true)},
    {"function|restore", all(Merge::kOk, true)},
    {"function|list", any()},
    {"function|dump", any()},
    {"function|stats", any()},
    {"function|help", any()},
    {"publish", channel()},
    {"spublish", channel()},
    {"pubsub|channels", all(Merge::kUnion, false)},
    {"pubsub|shardchannels", all(Merge::kUnion, false)},
    {"pubsub|numsub", all(Merge::kSums, false)},
    {"pubsub|shardnumsub", all(Merge::kSums, false)},
    {"pubsub|numpat", all(Merge::kSum, false)},
    {"pubsub|help", any()},

    {"command", any()},
    {"command|count", any()},
    {"command|docs", any()},
    {"command|info", any()},
    {"command|list", any()},
    {"command|getkeys", any()},
    {"command|getkeysandflags", any()},
    {"command|help", any()},
    {"lolwut", any()},
    {"trace", any()},  // its help; what is traced goes its own way
    {"lastsave", any()},
    {"object|help", any()},
    {"xinfo|help", any()},
    {"xgroup|help", any()},

    {"ping", queued(own(here::ping))},
    {"echo", queued(own(here::echo))},
    {"quit", own(here::quit, true)},
    {"reset", own(here::reset, true)},
    {"select", own(here::select)},
    {"auth", own(here::auth, true)},
    {"hello", own(here::hello, true)},
    {"time", queued(own(here::time_now))},
    {"readonly", own(here::readonly)},
    {"readwrite", own(here::readonly)},
    {"role", own(here::role)},
    {"client|id", own(here::client_id)},
    {"client|info", own(here::client_info)},
    {"client|list", own(here::client_list)},
    {"client|kill", own(here::client_kill)},
    {"client|getname", own(here::client_getname)},
    {"client|setname", own(here::client_setname)},
    {"client|setinfo", own(here::client_setinfo)},
    {"client|reply", own(here::client_reply)},
    {"client|no-evict", own(here::client_flag)},
    {"client|no-touch", own(here::client_flag)},
    {"client|tracking", own(here::client_tracking, true)},
    {"client|getredir", own(here::client_getredir)},
    {"config|get", own(here::config_get)},
    {"config|resetstat", own(here::config_resetstat)},
    {"slowlog|get", own(here::empty_list)},
    {"slowlog|len", own(here::zero)},
    {"latency|latest", own(here::empty_list)},
    {"acl|whoami", own(here::acl_whoami)},
    {"cluster|info", own(here::cluster_info)},
    {"cluster|slots", own(here::cluster_slots)},
    {"cluster|shards", own(here::cluster_shards)},
    {"cluster|nodes", own(here::cluster_nodes)},
    {"cluster|keyslot", own(here::cluster_keyslot)},
    {"cluster|myid", own(here::cluster_myid)},
    {"cluster|countkeysinslot", own(here::cluster_of_slot)},
    {"cluster|getkeysinslot", own(here::cluster_of_slot)},
    {"multi", own(here::multi)},
    {"exec", own(here::exec)},
    {"discard", own(here::discard, true)},
    {"watch", own(here::watch, true)},
    {"unwatch", own(here::unwatch, true)},
    {"subscribe", own(here::subscribe, true)},
    {"psubscribe", own(here::subscribe, true)},
    {"ssubscribe", own(here::subscribe, true)},
    {"unsubscribe", own(here::unsubscribe, true)},
    {"punsubscribe", own(here::unsubscribe, true)},
    {"sunsubscribe", own(here::unsubscribe, true)},
    {"wait", own(here::wait, true)},
    {"waitaof", own(here::wait, true)},
};

// These work on all keys of a node, or on a node.
constexpr std::string_view kNever[] = {"move", "swapdb", "migrate"};

CommandPlan plan_by_keys(const Command& command) {
  CommandPlan plan;
  const CommandSpec& spec = command.spec;
  const bool keys = std::any_of(spec.keys.begin(), spec.keys.end(),
                                [](const KeySpec& key) { return key.has_keys(); });
  const bool never = std::find(std::begin(kNever), std::end(kNever), spec.name) != std::end(kNever);
  if (!keys || never) return plan;
  const KeySpec& first = spec.keys[0];
  const bool one = first.find == KeySpec::kRange && first.first == first.last && first.first > 0 &&
                   first.first < 256 && !spec.keys[1].has_keys();
  plan.route = one ? CommandRoute::kOneKey : CommandRoute::kKeys;
  plan.key = one ? static_cast<uint8_t>(first.first) : 0;
  plan.writes = !command.has(kReadonly);
  plan.waits = command.has(kBlocking);
  return plan;
}

}  // namespace

CommandPlans::CommandPlans(const CommandTable& commands) : plans_(commands.id_count()) {
  for (const auto& command : commands.commands()) {
    plan(*command);
    for (const auto& sub : command->subcommands) plan(*sub);
  }
}

void CommandPlans::plan(const Command& command) {
  const auto* row = std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& r) { return r.name == command.full_name; });
  CommandPlan& plan = plans_[command.id];
  plan = row != std::end(kRows) ? row->plan : plan_by_keys(command);
  if (!command.subcommands.empty() && plan.route == CommandRoute::kRefused)
    plan.route = CommandRoute::kContainer;
}

}  // namespace holdfast
