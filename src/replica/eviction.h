// Eviction: erases keys of a data set that is a cache, by one of Redis's policies, so that memory
// stays within its limit. An erase is a logged effect like any other.
//
// A hand goes through all keys. The policies of recent use (lru) erase what was not used since the
// hand came by the last time: the clock algorithm (Corbato 1968), which needs one bit a key where
// sampling needs a clock. lfu is the same here: use is remembered, not counted. random erases what
// the hand meets, in the order of hashes; ttl the soonest to expire of some tens.
//
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <vector>

#include "base/options.h"
#include "base/reactor.h"
#include "replica/shard.h"

namespace holdfast {

class Eviction {
 public:
  // Both outlive this.
  Eviction(Reactor& reactor, Shard& shard) : reactor_(reactor), shard_(shard) {}

  // Erases keys until about `bytes` are free, nothing is left to erase or `budget_us` is over;
  // gives the bytes. `evicting` is told of each key before it goes. REQUIRES: !shard.failed(), a
  // policy that evicts.
  uint64_t evict(EvictionPolicy policy, uint64_t bytes, int64_t now_ms, int64_t budget_us,
                 const Shard::KeyVisitor& evicting);
  uint64_t evicted() const { return evicted_; }  // keys, since start
  // The last two rounds through all keys found nothing.
  bool exhausted() const { return rounds_ >= fruitful_round_ + 2; }

 private:
  static constexpr size_t kTtlSample = 32;
  static constexpr size_t kTtlShare = 4;  // of a sample: one in as many goes

  void step(EvictionPolicy policy);
  void choose_soonest();
  uint64_t erase_victims(const Shard::KeyVisitor& evicting);

  Reactor& reactor_;
  Shard& shard_;
  DbId db_ = 0;  // the hand: a database, and a scan's cursor in it
  uint64_t cursor_ = 0;
  uint64_t rounds_ = 0;
  uint64_t fruitful_round_ = 0;
  uint64_t evicted_ = 0;
  std::vector<Object*> victims_;  // of db_
};

}  // namespace holdfast
