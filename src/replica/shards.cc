// See shards.h.
#include "replica/shards.h"

#include "base/assert.h"

namespace holdfast {

Shards::Shards(Shard& only) : only_(&only), seed_(only.keyspace().hash_seed()), all_{&only} {}

Shard* Shards::find(ShardId id) const {
  const auto found = std::ranges::find(all_, id, [](const Shard* shard) { return shard->id(); });
  return found == all_.end() ? nullptr : *found;
}

std::vector<Shard*> Shards::served() const {
  std::vector<Shard*> found;
  for (Shard* shard : all_) {
    if (shard == only_ || shard->serves()) found.push_back(shard);
  }
  return found;
}

Shard* Shards::first() const {
  if (only_ != nullptr || all_.empty()) return only_;
  const auto serving = std::ranges::find_if(all_, [](const Shard* s) { return s->serves(); });
  return serving == all_.end() ? all_.front() : *serving;
}

void Shards::add(Shard& shard) {
  HF_ASSERT(in_cluster() && shard.keyspace().hash_seed() == seed_);  // H2
  HF_ASSERT(find(shard.id()) == nullptr && all_.size() < UINT16_MAX);
  all_.push_back(&shard);
  if (on_added_) on_added_(shard);
}

uint16_t Shards::place_of(const Shard& shard) const {
  const auto found = std::find(all_.begin(), all_.end(), &shard);
  HF_ASSERT(in_cluster() && found != all_.end());
  return static_cast<uint16_t>(found - all_.begin() + 1);
}

void Shards::take_slots(const Shard& shard) {
  std::ranges::replace(by_slot_, place_of(shard), uint16_t{0});
}

void Shards::give_slots(const Shard& shard, SlotId first, SlotId last) {
  HF_ASSERT(first <= last && last < kSlotCount);
  std::fill(by_slot_.begin() + first, by_slot_.begin() + last + 1, place_of(shard));  // H1
}

void Shards::slots_given() {
  if (on_slots_) on_slots_();
}

// A cursor names a slot, and so a shard. A shard may hold keys of slots that it does not have (any
// more, or not yet): they are not shown.
uint64_t Shards::scan(DbId db, uint64_t cursor, const std::function<void(Object*)>& visit) const {
  if (only_ != nullptr) return only_->keyspace().scan(db, cursor, visit);
  constexpr int kSlotsPerCall = 1024;
  uint64_t slot = cursor & (kSlotCount - 1);
  for (int steps = 0; steps < kSlotsPerCall && slot < kSlotCount; ++steps, cursor = ++slot) {
    const Shard* shard = of_slot(static_cast<SlotId>(slot));
    if (shard == nullptr || !shard->serves()) continue;
    Keyspace& keyspace = of_slot(static_cast<SlotId>(slot))->keyspace();
    if (keyspace.size_of_slot(db, static_cast<SlotId>(slot)) == 0) continue;
    cursor = keyspace.scan(db, cursor, visit);
    // It may have come to the next slot, which can be another's.
    return cursor == 0 || (cursor & (kSlotCount - 1)) != slot ? (slot + 1) % kSlotCount : cursor;
  }
  return slot < kSlotCount ? slot : 0;
}

uint64_t Shards::size(DbId db) const {
  uint64_t keys = 0;
  for (Shard* shard : served()) keys += shard->keyspace().size(db);
  return keys;
}

Object* Shards::random_object(DbId db, Random& random) const {
  if (only_ != nullptr) return only_->keyspace().random_object(db, random);
  const uint64_t keys = size(db);
  if (keys == 0) return nullptr;
  uint64_t skip = random.below(keys);
  for (Shard* shard : served()) {
    const uint64_t here = shard->keyspace().size(db);
    if (skip < here) return shard->keyspace().random_object(db, random);
    skip -= here;
  }
  HF_ASSERT(false);  // the sizes add up
}

}  // namespace holdfast
