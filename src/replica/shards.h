// Shards: the shards that a process hosts, and which slots each of them has.
//
// A process that is no part of a cluster has one shard with all slots, for good. A node of a
// cluster is told while it runs which shards to host, and which slots are whose; it serves some of
// them and follows others.
//
// Invariants:
//   H1  a slot has at most one shard here.
//   H2  the keyspaces of all shards hash keys alike, so that a key is hashed before it is known
//       whose it is.
//   H3  a shard stays where it is once it is here. It outlives this.
//
// Threads: the reactor's only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/random.h"
#include "replica/shard.h"
#include "store/key.h"

namespace holdfast {

class Shards {
 public:
  // Of a process that is no part of a cluster.
  explicit Shards(Shard& only);
  // Of a node of a cluster: none yet. `hash_seed`: that of their keyspaces.
  explicit Shards(uint64_t hash_seed) : seed_(hash_seed), by_slot_(kSlotCount, 0) {}
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  // Keys that one command names have to be in one slot, and there is one database.
  bool in_cluster() const { return only_ == nullptr; }
  // The one that has everything; null in a cluster.
  Shard* only() const { return only_; }
  // Null: none that is here.
  Shard* of_slot(SlotId slot) const {
    if (only_ != nullptr) return only_;
    const uint16_t place = by_slot_[slot];
    return place == 0 ? nullptr : all_[place - 1];
  }
  Shard* find(ShardId id) const;
  // In the order in which they came.
  const std::vector<Shard*>& all() const { return all_; }
  // Those that serve clients; outside of a cluster the one that there is.
  std::vector<Shard*> served() const;
  // For what needs some shard: one that serves, else any; null when there is none.
  Shard* first() const;

  // Of a cluster. The shard has recovered, and its keyspace has the seed of all (H2).
  void add(Shard& shard);
  // These slots are its own from now on, and no others. `ranges`: each with `first` and `last`,
  // which is included.
  template <typename Ranges>
  void set_slots(Shard& shard, const Ranges& ranges) {
    take_slots(shard);
    for (const auto& range : ranges) give_slots(shard, range.first, range.last);
    slots_given();
  }
  // One at a time: told of a shard that was added, and when slots have changed hands.
  void on_added(std::function<void(Shard&)> hook) { on_added_ = std::move(hook); }
  void on_slots(std::function<void()> hook) { on_slots_ = std::move(hook); }

  uint64_t hash_seed() const { return seed_; }
  KeyRef key(std::string_view bytes) const { return make_key(bytes, seed_); }
  // The number that clients have for a database. In a cluster there is no other than 0.
  int logical(DbId db) const { return only_ != nullptr ? only_->keyspace().logical(db) : db; }
  DbId physical(int db) const {
    return only_ != nullptr ? only_->keyspace().physical(db) : static_cast<DbId>(db);
  }

  // --- all that is served here ---
  // As Keyspace::scan: goes through the slots of one shard after another.
  uint64_t scan(DbId db, uint64_t cursor, const std::function<void(Object*)>& visit) const;
  uint64_t size(DbId db) const;
  // Null when there is no key.
  Object* random_object(DbId db, Random& random) const;

  // --- all that is here ---
  template <typename Number>
  uint64_t sum(Number number) const {
    uint64_t total = 0;
    for (Shard* shard : all_) total += number(*shard);
    return total;
  }
  template <typename Is>
  bool any(Is is) const {
    return std::any_of(all_.begin(), all_.end(), [&is](Shard* shard) { return is(*shard); });
  }
  bool checkpoint_runs() const {
    return any([](Shard& shard) { return shard.checkpoint().running(); });
  }
  void set_access_clock(uint32_t seconds) {
    for (Shard* shard : all_) shard->keyspace().set_access_clock(seconds);
  }

 private:
  uint16_t place_of(const Shard& shard) const;
  void take_slots(const Shard& shard);
  void give_slots(const Shard& shard, SlotId first, SlotId last);
  void slots_given();

  Shard* const only_ = nullptr;
  const uint64_t seed_;
  std::vector<Shard*> all_;
  std::vector<uint16_t> by_slot_;  // place in all_, from 1; empty if there is only one
  std::function<void(Shard&)> on_added_;
  std::function<void()> on_slots_;
};

}  // namespace holdfast
