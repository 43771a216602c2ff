// What a server does under memory.limit: values that were not used for long stay on the device
// only, and are read again when a command wants them; or, by memory.policy, keys are erased.
// Commands that could need more memory wait while some can be freed, and are refused when none can.
#include <algorithm>

#include "resp/errors.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr int64_t kWatchMs = 5;
constexpr int64_t kCoolBudgetUs = 1000;
constexpr int64_t kUrgentBudgetUs = 3000;  // when commands wait
constexpr int64_t kEvictBudgetUs = 2000;
constexpr uint64_t kCheckpointShare = 8;  // of the limit: as much log makes a checkpoint due
constexpr int64_t kExhaustedMs = 100;     // after nothing was left that could be forgotten

// Values are forgotten from here on, so that commands seldom have to wait.
uint64_t low_mark(uint64_t limit) { return limit - limit / 16; }
// Keys are erased down to here.
uint64_t evict_mark(uint64_t limit) { return limit - limit / 64; }

}  // namespace

size_t Server::fetch_values(Session& session, const Command* command,
                            std::span<const std::string_view> args, bool waits) {
  if (command == nullptr || !command->reads_values) return 0;
  std::vector<FoundKey> keys;
  if (!command->arity_ok(args.size()) || !find_keys(command->spec, args, &keys)) return 0;
  const DbId db = shards_.physical(session.state.db);
  size_t wanted = 0;
  for (const FoundKey& found : keys) {
    const KeyRef key = shards_.key(args[found.index]);
    Shard* shard = shards_.of_slot(key.slot);
    if (shard == nullptr) continue;
    if (!waits && shard->cold_values().fetching() >= ColdValues::kMaxAhead) continue;
    const Object* object = shard->keyspace().find(db, key);
    if (object == nullptr || !object->cold()) continue;
    ++wanted;
    if (makes_room()) continue;
    std::function<void()> done;
    if (waits) {
      done = [alive = alive_, this, id = session.id()] {
        Session* waiter = *alive ? this->session(id) : nullptr;
        if (waiter != nullptr) waiter->value_arrived();
      };
    }
    shard->cold_values().fetch(db, key, *object, std::move(done));
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

// Gives the bytes that were freed. Each shard gets its share of the work and of the time, whether
// it is served here or a backup: a backup has as many values as its primary.
uint64_t Server::cool_values(uint64_t used) {
  const int64_t now_ns = clock().mono_ns();
  if (memory_exhausted_ && now_ns < cool_again_ns_) return 0;
  const auto shards = hosted_.size();
  const uint64_t wanted = used - low_mark(options_.memory_limit);
  const int64_t budget_us = used > options_.memory_limit ? kUrgentBudgetUs : kCoolBudgetUs;
  uint64_t freed = 0;
  bool exhausted = true;
  for (const auto& hosted : hosted_) {
    if (hosted->shard.failed()) continue;
    freed +=
        cool_values(*hosted, wanted / shards, budget_us / static_cast<int64_t>(shards), &exhausted);
  }
  memory_exhausted_ = exhausted;
  cool_again_ns_ = now_ns + kExhaustedMs * 1'000'000;
  return freed;
}

// False in *exhausted when there may be more.
uint64_t Server::cool_values(Hosted& hosted, uint64_t bytes, int64_t budget_us, bool* exhausted) {
  Shard& shard = hosted.shard;
  Keyspace& keyspace = shard.keyspace();
  Checkpoint& checkpoint = shard.checkpoint();
  const uint64_t freed = shard.cold_values().cool(bytes, budget_us);
  if (freed > 0) {
    hosted.fruitful_round = keyspace.cool_rounds();
    hosted.fruitful_checkpoint = checkpoint.finished_count();
  }
  const bool fruitless = keyspace.cool_rounds() >= hosted.fruitful_round + 2;
  // What was changed since the last checkpoint can only be forgotten after the next one.
  const bool changed = shard.changes_since_checkpoint() > 0;
  const bool much =
      shard.engine().log_bytes_of(shard.id()) > options_.memory_limit / kCheckpointShare;
  if (!checkpoint.running() && changed && (fruitless || much)) checkpoint.start();
  // A checkpoint that began since would have found it. Others may change a backup without end.
  const bool looked = checkpoint.finished_count() >= hosted.fruitful_checkpoint + 2;
  const bool may_find = !looked && (changed || checkpoint.running());
  if (!fruitless || may_find) *exhausted = false;
  return freed;
}

uint64_t Server::evict_keys(uint64_t used) {
  const int64_t start_ns = clock().mono_ns();
  const auto served = shards_.served().size();
  const uint64_t wanted = used - evict_mark(options_.memory_limit);
  uint64_t freed = 0;
  bool exhausted = true;
  for (const auto& hosted : hosted_) {
    Shard& shard = hosted->shard;
    if (!shard.serves() || shard.failed()) continue;
    Eviction& eviction = hosted->eviction;
    const uint64_t before = eviction.evicted();
    freed += eviction.evict(options_.memory_policy, wanted / served, clock().wall_ms(),
                            kEvictBudgetUs / static_cast<int64_t>(served),
                            [this](DbId db, const KeyRef& key) { key_evicted(db, key); });
    stats_.evicted_keys += eviction.evicted() - before;
    exhausted = exhausted && eviction.exhausted();
    settle_pushes_of(shard);
  }
  if (freed > 0) {
    memory_exhausted_ = false;
  } else if (exhausted) {
    memory_exhausted_ = true;
  }
  latency_.record("eviction-cycle", clock().wall_ms() / 1000,
                  (clock().mono_ns() - start_ns) / 1'000'000, options_.latency_threshold_ms);
  return freed;
}

void Server::key_evicted(DbId db, const KeyRef& key) {
  if ((options_.notify_events & mask_of(NotifyClass::kEvicted)) != 0) {
    pubsub_.publish_event(options_.notify_events, shards_.logical(db), "evicted", key.bytes);
  }
  tracking_.changed(key.bytes, nullptr);
}

void Server::relieve_memory() {
  const uint64_t limit = options_.memory_limit;
  uint64_t used = limit > 0 ? memory_used() : 0;
  uint64_t freed = 0;
  const uint64_t mark = evicts() ? limit : low_mark(limit);
  const auto serves = [](Shard& shard) { return shard.serves() && !shard.failed(); };
  if (used <= mark || !(evicts() ? shards_.any(serves) : can_cool())) {
    memory_exhausted_ = false;
    for (const auto& hosted : hosted_) {  // checkpoints before the need for one do not count
      hosted->fruitful_checkpoint = hosted->shard.checkpoint().finished_count();
    }
  } else {
    freed = evicts() ? evict_keys(used) : cool_values(used);
    used -= std::min(used, freed);
  }
  over_memory_limit_ = limit > 0 && used > limit;
  frees_memory_ = freed > 0;
  const bool memory_waits = over_memory_limit_ && memory_can_be_freed();
  for (const auto& [id, session] : sessions_) {
    const BlockReason reason = session->block_reason();
    const bool goes_on = (reason == BlockReason::kMemory && !memory_waits) ||
                         (reason == BlockReason::kRoom && !makes_room());
    if (goes_on) session->unblock();
  }
}

}  // namespace holdfast
