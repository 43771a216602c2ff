// SlotTable: the hash table of one slot of one database. Linear hashing (Litwin 1980) over
// cache-line buckets.
//
// A bucket is one 64-byte line: seven one-byte tags (hash bits 56..63) and seven objects; when it
// overflows, the seventh place links another bucket. The table grows and shrinks one bucket at a
// time, as keys come and go, so no operation ever touches more than two buckets' chains: growth
// cannot stall, at any number of keys.
//
// Invariants:
//   T1  an object is in the chain of exactly one bucket, the one its hash's low bits address;
//   T2  a scan that goes from cursor to cursor returns every object that was present all along.
//       A bucket covers a contiguous range of bit-reversed hashes; splitting and merging refine
//       and join ranges, so a cursor (a bit-reversed position) stays a boundary.
//
// The table does not own its objects' memory policy: Keyspace creates and destroys them.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/segmented_array.h"
#include "store/key.h"
#include "store/object.h"

namespace holdfast {

class SlotTable {
 public:
  SlotTable() = default;
  ~SlotTable() { free_buckets(); }

  uint32_t size() const { return count_; }

  // The place that holds the key's object, or null. Valid until the table changes.
  Object** find(const KeyRef& key);
  // REQUIRES: the key is absent. `seed` is the keyspace's, to rehash keys when a bucket splits.
  void insert(const KeyRef& key, Object* object, uint64_t seed);
  // REQUIRES: `place` came from find(key) just now. Does not destroy the object.
  void erase(const KeyRef& key, Object** place);

  // Room for `keys` in all, so that they are inserted without a split. REQUIRES: size() == 0.
  void reserve(uint64_t keys);

  // Cache hints for pipelines, in this order with other work in between.
  void prefetch_bucket(uint64_t hash) const;
  void prefetch_object(uint64_t hash) const;

  // Visits all objects of the bucket at `position` and returns the next position; 0 when the scan
  // is complete. Positions are below 2^kScanBits.
  static constexpr int kScanBits = 48;
  uint64_t scan(uint64_t position, const std::function<void(Object*)>& visit) const;
  // Any object, each being about equally likely. REQUIRES: size() > 0.
  Object* random_object(const std::function<uint64_t(uint64_t below)>& random) const;

  // Takes up to `limit` objects out, in any order, for a table that is being thrown away.
  // Returns how many; none are left when it is less than `limit`.
  uint32_t drain(uint32_t limit, const std::function<void(Object*)>& take);

  size_t memory() const;

 private:
  static constexpr int kPlaces = 7;
  struct alignas(64) Bucket {
    uint8_t tags[kPlaces];
    uint8_t used;  // bit i: places[i] holds an object; bit 7: places[6] links a Bucket, bit 6 is 0
    void* places[kPlaces];
  };
  static_assert(sizeof(Bucket) == 64);
  static constexpr uint8_t kLinked = 0x80;
  static constexpr uint8_t kObjects = 0x7f;     // bits of places with objects
  static constexpr uint8_t kFullLinked = 0x3f;  // all of them, in a bucket with a link
  static constexpr uint32_t kGrowLoad = 4;      // objects per bucket, on average, before one splits

  static Bucket* link(Bucket* b) {
    return (b->used & kLinked) != 0 ? static_cast<Bucket*>(b->places[kPlaces - 1]) : nullptr;
  }
  static Object** object_at(Bucket* b, int i) { return reinterpret_cast<Object**>(&b->places[i]); }
  static uint8_t tag_of(uint64_t hash) { return static_cast<uint8_t>(hash >> 56); }
  static unsigned matches(const Bucket& bucket, uint8_t tag);

  uint32_t address(uint64_t hash) const;
  uint32_t split_mask() const;
  void put(Bucket* bucket, uint8_t tag, Object* object);
  void remove(Bucket* head, Bucket* bucket, int index);
  void split(uint64_t seed);
  void merge();
  void free_buckets();

  SegmentedArray<Bucket> buckets_;
  uint32_t count_ = 0;
  uint32_t overflow_ = 0;  // linked buckets
};

}  // namespace holdfast
