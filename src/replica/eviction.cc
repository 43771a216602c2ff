// See eviction.h.
#include "replica/eviction.h"

#include <algorithm>

namespace holdfast {
namespace {

bool volatile_only(EvictionPolicy policy) {
  return policy == EvictionPolicy::kVolatileLru || policy == EvictionPolicy::kVolatileRandom ||
         policy == EvictionPolicy::kVolatileTtl;
}

bool by_use(EvictionPolicy policy) {
  return policy == EvictionPolicy::kAllKeysLru || policy == EvictionPolicy::kVolatileLru;
}

}  // namespace

uint64_t Eviction::evict(EvictionPolicy policy, uint64_t bytes, int64_t now_ms, int64_t budget_us,
                         const Shard::KeyVisitor& evicting) {
  constexpr int kStepsPerLook = 16;
  const int64_t deadline_ns = reactor_.clock().mono_ns() + budget_us * 1000;
  if (exhausted()) fruitful_round_ = rounds_;  // there may be new keys
  uint64_t freed = 0;
  shard_.begin_command(now_ms);
  for (int steps = 1; freed < bytes && !exhausted(); ++steps) {
    step(policy);
    freed += erase_victims(evicting);
    if (steps % kStepsPerLook == 0 && reactor_.clock().mono_ns() >= deadline_ns) break;
  }
  shard_.end_own_command("eviction-cycle");
  return freed;
}

// Moves the hand over the next keys and gathers those that have to go.
void Eviction::step(EvictionPolicy policy) {
  victims_.clear();
  const Keyspace& keyspace = shard_.keyspace();
  const size_t wanted = policy == EvictionPolicy::kVolatileTtl ? kTtlSample : 1;
  do {
    cursor_ = keyspace.scan(db_, cursor_, [&](Object* object) {
      if (volatile_only(policy) && object->expire_at_ms() == 0) return;
      if (by_use(policy) && object->used()) {
        object->clear_used();
      } else {
        victims_.push_back(object);
      }
    });
  } while (cursor_ != 0 && victims_.size() < wanted && volatile_only(policy));
  if (policy == EvictionPolicy::kVolatileTtl) choose_soonest();
}

void Eviction::choose_soonest() {
  if (victims_.empty()) return;
  const size_t going = std::max<size_t>(1, victims_.size() / kTtlShare);
  std::ranges::partial_sort(victims_, victims_.begin() + static_cast<std::ptrdiff_t>(going), {},
                            &Object::expire_at_ms);
  victims_.resize(going);
}

uint64_t Eviction::erase_victims(const Shard::KeyVisitor& evicting) {
  uint64_t freed = 0;
  for (Object* object : victims_) {
    const KeyRef key = shard_.keyspace().key(object->key());
    freed += object->memory();
    evicting(db_, key);
    shard_.emit(Effect::erase(db_, key));
  }
  evicted_ += victims_.size();
  if (!victims_.empty()) fruitful_round_ = rounds_;
  if (cursor_ == 0) {
    db_ = static_cast<DbId>((db_ + 1) % kDbCount);
    if (db_ == 0) ++rounds_;
  }
  return freed;
}

}  // namespace holdfast
