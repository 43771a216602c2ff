// A server whose shard is a member of a group: who answers which command, and when.
#include <algorithm>

#include "resp/errors.h"
#include "resp/server.h"
#include "store/key.h"

namespace holdfast {
namespace {

constexpr int64_t kLeaseLookMs = 5;

// The command reads or changes data.
bool needs_data(uint32_t flags, const Command& command) {
  if ((flags & (kWrite | kReadonly | kNoMandatoryKeys)) != 0) return true;
  if (command.spec.keys[0].find != KeySpec::kNone) return true;
  return std::ranges::any_of(command.subcommands, [](const auto& subcommand) {
    return needs_data(subcommand->spec.flags, *subcommand);
  });
}

}  // namespace

std::string Server::not_served(uint32_t flags, const Command& command,
                               std::span<const std::string_view> args) const {
  if (!needs_data(flags, command)) return {};
  if (options_.mode == Mode::kCoordinator) {
    return "ERR this node is a coordinator and keeps no data; ask a storage node or a gateway";
  }
  if (!shard_.serves()) {
    const ReplicaCore& core = shard_.replica()->core();
    const Member& leader = core.leader();
    const bool elsewhere = leader.valid() && leader != core.self();
    const std::string address =
        elsewhere && hooks_.client_address ? hooks_.client_address(leader.node) : std::string();
    if (address.empty()) return "CLUSTERDOWN Hash slot not served";
    std::vector<FoundKey> keys;
    find_keys(command.spec, args, &keys);
    const SlotId slot = keys.empty() ? SlotId{0} : slot_of(args[keys[0].index]);
    return "MOVED " + std::to_string(slot) + " " + address;
  }
  if ((flags & kWrite) != 0 && !shard_.failed() && !shard_.accepts_writes()) {
    return "NOREPLICAS Not enough good replicas to write.";
  }
  return {};
}

bool Server::waits_for_lease(const Session& session, const Command* command) {
  if (shard_.replica() == nullptr || !shard_.serves() || command == nullptr) return false;
  if (!needs_data(session.effective_flags(*command), *command) || shard_.lease_valid())
    return false;
  look_for_lease();
  return true;
}

// Sessions that wait go on when the lease is there again, or when others have to answer them.
void Server::look_for_lease() {
  if (looks_for_lease_) return;
  looks_for_lease_ = true;
  reactor_.run_after(kLeaseLookMs, [alive = alive_, this] {
    if (!*alive) return;
    looks_for_lease_ = false;
    if (shard_.serves() && !shard_.lease_valid()) {
      look_for_lease();
      return;
    }
    for (const auto& [id, session] : sessions_) {
      if (session->block_reason() == BlockReason::kLease) session->unblock();
    }
  });
}

void Server::serving_changed(bool serves) {
  if (serves) return;
  // What they asked for may still be committed, or not: no answer would be true.
  for (Session* session : held_) session->close_now("the outcome is not known: no longer primary");
  for (const auto& [id, session] : sessions_) {
    if (session->waits_by_command()) session->end_block(errors::kDemoted);
  }
}

}  // namespace holdfast
