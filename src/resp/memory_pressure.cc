// What a server does under memory.limit: values that were not used for long stay on the device
// only, and are read again when a command wants them. Commands that could need more memory wait
// while some can be freed, and are refused when none can.
#include <algorithm>

#include "resp/errors.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr int64_t kWatchMs = 5;
constexpr int64_t kCoolBudgetUs = 1000;
constexpr uint64_t kCheckpointShare = 8;  // of the limit: as much log makes a checkpoint due
constexpr size_t kMaxFetching = 256;      // values on their way ahead of their turn

// Values are forgotten from here on, so that commands seldom have to wait.
uint64_t low_mark(uint64_t limit) { return limit - limit / 16; }

}  // namespace

size_t Server::fetch_values(Session& session, const Command* command,
                            std::span<const std::string_view> args, bool waits) {
  if (command == nullptr || !command->reads_values) return 0;
  if (!waits && shard_.cold_values().fetching() >= kMaxFetching) return 0;
  std::vector<FoundKey> keys;
  if (!command->arity_ok(args.size()) || !find_keys(command->spec, args, &keys)) return 0;
  const DbId db = keyspace().physical(session.state.db);
  size_t wanted = 0;
  for (const FoundKey& found : keys) {
    const KeyRef key = keyspace().key(args[found.index]);
    const Object* object = keyspace().find(db, key);
    if (object == nullptr || !object->cold()) continue;
    ++wanted;
    std::function<void()> done;
    if (waits) {
      done = [alive = alive_, this, id = session.id()] {
        Session* waiter = *alive ? this->session(id) : nullptr;
        if (waiter != nullptr) waiter->value_arrived();
      };
    }
    shard_.cold_values().fetch(db, key, *object, std::move(done));
  }
  return wanted;
}

// While there is a limit: a server without one sleeps when it is idle.
void Server::watch_memory() {
  relieve_memory();
  if (options_.memory_limit == 0 || watches_memory_) return;
  watches_memory_ = true;
  reactor_.run_after(kWatchMs, [alive = alive_, this] {
    if (!*alive) return;
    watches_memory_ = false;
    watch_memory();
  });
}

void Server::relieve_memory() {
  const uint64_t limit = options_.memory_limit;
  uint64_t used = limit > 0 ? memory_used() : 0;
  const bool supported = shard_.cold_values().supported() && !shard_.failed();
  Checkpoint& checkpoint = shard_.checkpoint();
  if (supported && used > low_mark(limit)) {
    const uint64_t freed = shard_.cold_values().cool(used - low_mark(limit), kCoolBudgetUs);
    used -= std::min(used, freed);
    if (freed > 0) fruitful_round_ = keyspace().cool_rounds();
    const bool fruitless = keyspace().cool_rounds() >= fruitful_round_ + 2;
    // What was changed since the last checkpoint can only be forgotten after the next one.
    const bool changed = shard_.changes_since_checkpoint() > 0;
    const bool much = shard_.engine().log_bytes() > limit / kCheckpointShare;
    if (!checkpoint.running() && changed && (fruitless || much)) checkpoint.start();
    memory_exhausted_ = fruitless && !changed && !checkpoint.running();
  } else {
    memory_exhausted_ = false;
  }
  over_memory_limit_ = limit > 0 && used > limit;
  if (over_memory_limit_ && memory_can_be_freed()) return;
  for (const auto& [id, session] : sessions_) {
    if (session->block_reason() == BlockReason::kMemory) session->unblock();
  }
}

}  // namespace holdfast
