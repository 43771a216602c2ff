// Every command of the table has its way through a gateway.
#include "gateway/command_plan.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace holdfast {

TEST_CASE("command plans: every command of the table is routed, or refused on purpose") {
  const CommandTable commands;
  const CommandPlans plans(commands);
  // Containers are decided by their subcommands.
  const std::vector<std::string_view> refused = {
      "bgrewriteaof", "bgsave", "debug",    "pfselftest", "asking", "failover", "monitor", "move",
      "replicaof",    "save",   "shutdown", "slaveof",    "swapdb", "epoch",    "tag"};
  for (const auto& command : commands.commands()) {
    if (!command->subcommands.empty()) continue;
    const bool expected =
        std::find(refused.begin(), refused.end(), command->full_name) != refused.end();
    INFO(command->full_name);
    CHECK((plans.of(*command).route == CommandRoute::kRefused) == expected);
  }
  const auto route = [&](std::string_view name) {
    const Command* command = commands.find_full(name);
    REQUIRE(command != nullptr);
    return plans.of(*command).route;
  };
  CHECK(route("get") == CommandRoute::kOneKey);
  CHECK(route("sunion") == CommandRoute::kKeys);
  CHECK(route("eval") == CommandRoute::kKeys);
  CHECK(route("mget") == CommandRoute::kSplit);
  CHECK(route("object|encoding") == CommandRoute::kOneKey);
  CHECK(route("xinfo|stream") == CommandRoute::kOneKey);
  CHECK(route("memory|usage") == CommandRoute::kOneKey);
  CHECK(route("debug") == CommandRoute::kRefused);
  CHECK(route("config|set") == CommandRoute::kRefused);
  CHECK(plans.of(*commands.find("set")).writes);
  CHECK_FALSE(plans.of(*commands.find("get")).writes);
  CHECK(plans.of(*commands.find("blpop")).waits);
}

}  // namespace holdfast
