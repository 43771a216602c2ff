// Who answers which command, and when: a server of a cluster has some of the slots, and a shard
// that is a member of a group does not always serve.
#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "resp/commands/transactions.h"
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

// After READONLY, a follower shows what it has applied, all of which is committed. What changes is
// not told to it as to a primary: a client that caches must ask there. Scripts run there, too.
bool backup_answers(const Session& session, Shard& shard, uint32_t flags) {
  const bool reads = (flags & kReadonly) != 0 && (flags & (kWrite | kNoMandatoryKeys)) == 0;
  return session.state.reads_backups && reads && session.tracking == nullptr &&
         shard.shows_committed();
}

}  // namespace

// --- where a command runs ---

Route Server::route_in_cluster(const Session& session, const Command* command,
                               std::span<const std::string_view> args) {
  if (command != nullptr && !command->subcommands.empty() && args.size() >= 2) {
    command = command->subcommand(args[1]);
  }
  Route route{.everywhere = true};
  if (command == nullptr) return route;
  if (session.in_multi() && command->spec.handler == exec_command) {
    const Transaction& transaction = session.transaction();
    route.slot = transaction.slot();
    route.crosses_slots = transaction.crosses_slots();
    if (route.slot != Route::kNoSlot)
      route.shard = shards_.of_slot(static_cast<SlotId>(route.slot));
    return route;
  }
  return route_of_keys(*command, args);
}

Route Server::route_of_keys(const Command& command, std::span<const std::string_view> args) {
  Route route;
  const auto add = [&route](std::string_view name) {
    const int slot = slot_of(name);
    route.crosses_slots =
        route.crosses_slots || (route.slot != Route::kNoSlot && route.slot != slot);
    route.slot = slot;
  };
  found_keys_.clear();
  if (command.arity_ok(args.size()) && find_keys(command.spec, args, &found_keys_)) {
    for (const FoundKey& found : found_keys_) add(args[found.index]);
    for (const KeySpec& spec : command.spec.keys) {
      if (spec.find != KeySpec::kRange || spec.has_keys()) continue;  // channels of a shard
      const auto behind = static_cast<int>(args.size()) + (spec.last < 0 ? spec.last + 1 : 0);
      const int last = spec.last < 0 ? behind - 1 : spec.last;
      for (int i = spec.first; i <= last; i += spec.step) add(args[static_cast<size_t>(i)]);
    }
  }
  const bool script = command.has(kNoMandatoryKeys);
  route.everywhere = script || route.slot == Route::kNoSlot;
  if (route.slot != Route::kNoSlot) route.shard = shards_.of_slot(static_cast<SlotId>(route.slot));
  return route;
}

// Of a group alone, any slot will do for a command without keys.
std::string Server::moved(const Route& route, const Command& command,
                          std::span<const std::string_view> args) const {
  std::string address;
  if (route.shard != nullptr && route.shard->replica() != nullptr) {
    const ReplicaCore& core = route.shard->replica()->core();
    const Member& leader = core.leader();
    const bool elsewhere = leader.valid() && leader != core.self();
    if (elsewhere && hooks_.client_address) address = hooks_.client_address(leader.node);
  }
  int slot = route.slot;
  if (shards_.in_cluster()) {
    if (address.empty() && hooks_.moved_to) address = hooks_.moved_to(static_cast<SlotId>(slot));
  } else {
    std::vector<FoundKey> keys;
    find_keys(command.spec, args, &keys);
    slot = keys.empty() ? 0 : slot_of(args[keys[0].index]);
  }
  if (address.empty()) return std::string(errors::kNotServed);
  return "MOVED " + std::to_string(slot) + " " + address;
}

std::string Server::not_served(const Session& session, const Route& route, uint32_t flags,
                               const Command& command,
                               std::span<const std::string_view> args) const {
  if (!needs_data(flags, command)) return {};
  if (options_.mode == Mode::kCoordinator) {
    return "ERR this node is a coordinator and keeps no data; ask a storage node or a gateway";
  }
  if (route.crosses_slots) return std::string(errors::kCrossSlot);
  const bool writes = (flags & kWrite) != 0;
  const auto cannot_write = [](const Shard& shard) {
    return !shard.failed() && !shard.accepts_writes();
  };
  if (route.shard != nullptr || route.slot != Route::kNoSlot) {
    if (route.shard != nullptr && backup_answers(session, *route.shard, flags)) return {};
    if (route.shard == nullptr || !route.shard->serves()) return moved(route, command, args);
    return writes && cannot_write(*route.shard) ? std::string(errors::kNoReplicas) : std::string();
  }
  // Without keys: whatever is served here.
  const Shard* first = shards_.first();
  if (first == nullptr || (writes && !first->serves())) return std::string(errors::kNotServed);
  const bool stopped = writes && std::ranges::any_of(shards_.served(), [&](const Shard* shard) {
                         return cannot_write(*shard);
                       });
  return stopped ? std::string(errors::kNoReplicas) : std::string();
}

// --- leases ---

bool Server::waits_for_lease(const Session& session, const Command* command, const Route& route) {
  const auto in_doubt = [](const Shard& shard) { return shard.serves() && !shard.lease_valid(); };
  if (command == nullptr || mutant(Mutant::kServeWithoutLease)) return false;
  if (route.shard != nullptr) {
    if (route.shard->replica() == nullptr || !route.shard->serves()) return false;
    if (!needs_data(session.effective_flags(*command), *command)) return false;
    if (!in_doubt(*route.shard)) return false;
    look_for_lease(*route.shard);
    return true;
  }
  if (route.slot != Route::kNoSlot) return false;  // it is not here
  if (!needs_data(session.effective_flags(*command), *command)) return false;
  bool waits = false;
  for (Shard* shard : shards_.all()) {
    if (!in_doubt(*shard)) continue;
    look_for_lease(*shard);
    waits = true;
  }
  return waits;
}

// Within a transaction or a script, which was checked and has waited as far as its own keys go.
bool Server::may_look_everywhere(const Command& command) const {
  if (!needs_data(command.spec.flags, command)) return true;
  return std::ranges::all_of(shards_.served(), [&command](const Shard* shard) {
    return shard->lease_valid() && !(command.has(kWrite) && shard->failed());
  });
}

// Sessions that wait go on when a lease is there again, or when others have to answer them.
void Server::look_for_lease(Shard& of) {
  const bool looking = !without_lease_.empty();
  if (std::ranges::find(without_lease_, &of) == without_lease_.end()) {
    without_lease_.push_back(&of);
  }
  if (looking) return;
  reactor_.run_after(kLeaseLookMs, [alive = alive_, this] {
    if (!*alive) return;
    const std::vector<Shard*> looked_for = std::exchange(without_lease_, {});
    const bool all_missing = std::ranges::all_of(
        looked_for, [](const Shard* shard) { return shard->serves() && !shard->lease_valid(); });
    if (all_missing) {
      for (Shard* shard : looked_for) look_for_lease(*shard);
      return;
    }
    // Whoever waits for another of them comes back to wait.
    for (const auto& [id, session] : sessions_) {
      if (session->block_reason() == BlockReason::kLease) session->unblock();
    }
  });
}

// --- changes ---

void Server::serving_changed(Shard& shard, bool serves) {
  if (serves) return;
  // What they asked for may still be committed, or not: no answer would be true.
  for (Session* session : held_) {
    if (session->output.waits_for(shard)) {
      session->close_now("the outcome is not known: no longer primary");
    }
  }
  for (const auto& [id, session] : sessions_) {
    if (!session->waits_by_command()) continue;
    const bool reads_map = session->block_reason() == BlockReason::kMap;
    if (reads_map && hooks_.admin == nullptr) continue;  // whoever leads, this node knows the map
    const KeyWait* wait = session->key_wait();
    const bool concerned = wait != nullptr
                               ? &wait->shard == &shard
                               : !shards_.in_cluster() || session->depends_on.of(&shard) != 0;
    if (concerned) session->end_block(errors::kDemoted);
  }
}

// Who waits for keys of a slot that another shard has now must ask again.
void Server::slots_changed() {
  for (const auto& [id, session] : sessions_) {
    const KeyWait* wait = session->key_wait();
    if (wait == nullptr || wait->slot == Route::kNoSlot) continue;
    const auto slot = static_cast<SlotId>(wait->slot);
    Shard* owner = shards_.of_slot(slot);
    if (owner == &wait->shard) continue;
    const Route route{.shard = owner, .slot = slot};
    session->end_block(moved(route, wait->command, wait->args));
  }
}

}  // namespace holdfast
