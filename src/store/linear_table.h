// LinearTable: the hash table of everything here that has many members: the keys of a slot, the
// fields of a large hash, the members of a large set or sorted set. Linear hashing (Litwin 1980)
// over cache-line buckets.
//
// A bucket is one 64-byte line: seven one-byte tags (hash bits 56..63) and seven pointers to
// entries; when it overflows, the seventh place links another bucket. The table grows and shrinks
// one bucket at a time, as entries come and go, so no operation ever touches more than two buckets'
// chains: growth cannot stall, at any number of entries.
//
// Invariants:
//   T1  an entry is in the chain of exactly one bucket, the one its hash's low bits address;
//   T2  a scan that goes from cursor to cursor returns every entry that was present all along.
//       A bucket covers a contiguous range of bit-reversed hashes; splitting and merging refine
//       and join ranges, so a cursor (a bit-reversed position) stays a boundary.
//
// The table does not own its entries: who uses it creates and destroys them.
//
//   struct Traits {
//     using Key = ...;                                    // has a member `hash`
//     static bool equal(const Entry&, const Key&);        // their bytes, not their hashes
//     static uint64_t hash_of(const Entry&, uint64_t seed);  // what its Key's `hash` is
//   };
//
// The seed is the same through the life of a table. Hashes decide places, so it must be one that
// clients do not know.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "base/assert.h"
#include "base/segmented_array.h"

namespace holdfast {

template <typename Entry, typename Traits>
class LinearTable {
 public:
  using Key = typename Traits::Key;

  LinearTable() = default;
  ~LinearTable() { free_buckets(); }
  LinearTable(const LinearTable&) = delete;
  LinearTable& operator=(const LinearTable&) = delete;

  uint32_t size() const { return count_; }

  // The place that holds the key's entry, or null. Valid until the table changes; another entry of
  // the same key may be put there.
  Entry** find(const Key& key);
  const Entry* find(const Key& key) const {
    Entry** place = const_cast<LinearTable*>(this)->find(key);
    return place == nullptr ? nullptr : *place;
  }
  // REQUIRES: the key is absent.
  void insert(const Key& key, Entry* entry, uint64_t seed);
  // REQUIRES: `place` came from find(key) just now. Does not destroy the entry.
  void erase(const Key& key, Entry** place);

  // Room for `entries` in all, so that they are inserted without a split. REQUIRES: size() == 0.
  void reserve(uint64_t entries);

  // Cache hints for pipelines, in this order with other work in between.
  void prefetch_bucket(uint64_t hash) const;
  void prefetch_entry(uint64_t hash) const;

  // Calls visit(Entry*) for all entries of the bucket at `position` and returns the next position;
  // 0 when the scan is complete. Positions are below 2^kScanBits.
  static constexpr int kScanBits = 48;
  template <typename Visit>
  uint64_t scan(uint64_t position, Visit&& visit) const;

  // Any entry, each being about equally likely, with `random(uint64_t below)`. O(1).
  // REQUIRES: size() > 0.
  template <typename RandomBelow>
  Entry* random_entry(RandomBelow&& random) const;

  // Takes up to `limit` entries out, in any order, with take(Entry*), for a table that is being
  // thrown away. Returns how many; none are left when it is less than `limit`.
  template <typename Take>
  uint32_t drain(uint32_t limit, Take&& take);

  // All entries, one after the other, in the order of the buckets: the one in which entries can be
  // put into another table of the same seed while it grows without piling up in it (that of scan()
  // would). REQUIRES: the table does not change meanwhile.
  class Iterator;
  Iterator begin() const { return Iterator(this); }

  // Bytes of the buckets, not of the entries.
  size_t memory() const { return buckets_.memory() + overflow_ * sizeof(Bucket); }

 private:
  static constexpr int kPlaces = 7;
  struct alignas(64) Bucket {
    uint8_t tags[kPlaces];
    uint8_t used;  // bit i: places[i] holds an entry; bit 7: places[6] links a Bucket, bit 6 is 0
    void* places[kPlaces];
  };
  static_assert(sizeof(Bucket) == 64);
  static constexpr uint8_t kLinked = 0x80;
  static constexpr uint8_t kEntries = 0x7f;     // bits of places with entries
  static constexpr uint8_t kFullLinked = 0x3f;  // all of them, in a bucket with a link
  static constexpr uint32_t kGrowLoad = 4;      // entries per bucket, on average, before one splits

  static Bucket* link(Bucket* b) {
    return (b->used & kLinked) != 0 ? static_cast<Bucket*>(b->places[kPlaces - 1]) : nullptr;
  }
  static Entry** entry_at(Bucket* b, int i) { return reinterpret_cast<Entry**>(&b->places[i]); }
  static uint8_t tag_of(uint64_t hash) { return static_cast<uint8_t>(hash >> 56); }
  static int last_used(const Bucket* b) {
    return 7 - std::countl_zero(static_cast<uint8_t>(b->used & kEntries));
  }
  static unsigned matches(const Bucket& bucket, uint8_t tag);
  static uint64_t reverse_bits(uint64_t v);
  Bucket& bucket_at(uint32_t i) const { return const_cast<SegmentedArray<Bucket>&>(buckets_)[i]; }

  uint32_t address(uint64_t hash) const;
  uint32_t split_mask() const;
  void put(Bucket* bucket, uint8_t tag, Entry* entry);
  void remove(Bucket* head, Bucket* bucket, int index);
  void split(uint64_t seed);
  void merge();
  void free_linked(Bucket* b) {
    std::free(b);
    --overflow_;
  }
  void free_buckets();

  SegmentedArray<Bucket> buckets_;
  uint32_t count_ = 0;
  uint32_t overflow_ = 0;  // linked buckets
};

template <typename Entry, typename Traits>
class LinearTable<Entry, Traits>::Iterator {
 public:
  Iterator() = default;  // of nothing
  explicit Iterator(const LinearTable* table) : table_(table) { enter(0); }
  // The next entry; null behind the last one.
  Entry* next() {
    while (in_ == 0) {
      if (bucket_ == nullptr) return nullptr;
      bucket_ = link(bucket_);
      if (bucket_ == nullptr) {
        enter(index_ + 1);
      } else {
        in_ = bucket_->used & kEntries;
      }
    }
    const int i = std::countr_zero(in_);
    in_ &= in_ - 1;
    return *entry_at(bucket_, i);
  }

 private:
  static constexpr uint32_t kAhead = 3;  // buckets whose entries are asked for before their turn

  Bucket* bucket_at(uint32_t index) const {
    return index < table_->buckets_.size() ? &table_->bucket_at(index) : nullptr;
  }
  void enter(uint32_t index) {
    index_ = index;
    bucket_ = bucket_at(index);
    in_ = bucket_ == nullptr ? 0 : bucket_->used & kEntries;
    // Not in a function of its own: gcc takes a call that does nothing else for none.
    Bucket* ahead = bucket_at(index + kAhead);
    for (unsigned in = ahead == nullptr ? 0 : ahead->used & kEntries; in != 0; in &= in - 1) {
      __builtin_prefetch(*entry_at(ahead, std::countr_zero(in)));
    }
  }

  const LinearTable* table_ = nullptr;
  Bucket* bucket_ = nullptr;
  uint32_t index_ = 0;
  unsigned in_ = 0;
};

// Bits of the places whose tag equals `tag` and which hold an entry.
template <typename Entry, typename Traits>
inline unsigned LinearTable<Entry, Traits>::matches(const Bucket& bucket, uint8_t tag) {
  const __m128i tags = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&bucket));
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  const auto equal = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted)));
  return equal & bucket.used & kEntries;
}

template <typename Entry, typename Traits>
inline uint64_t LinearTable<Entry, Traits>::reverse_bits(uint64_t v) {
  v = ((v >> 1) & 0x5555555555555555ULL) | ((v & 0x5555555555555555ULL) << 1);
  v = ((v >> 2) & 0x3333333333333333ULL) | ((v & 0x3333333333333333ULL) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fULL) | ((v & 0x0f0f0f0f0f0f0f0fULL) << 4);
  return __builtin_bswap64(v);
}

// The mask of the level that has been reached everywhere: with n buckets, 2^k <= n < 2^(k+1),
// every hash is addressed by k bits, and by k+1 where that bucket exists already.
template <typename Entry, typename Traits>
inline uint32_t LinearTable<Entry, Traits>::split_mask() const {
  return std::bit_floor(buckets_.size()) - 1;
}

template <typename Entry, typename Traits>
inline uint32_t LinearTable<Entry, Traits>::address(uint64_t hash) const {
  const uint32_t low = split_mask();
  const auto a = static_cast<uint32_t>(hash) & (low << 1 | 1);
  return a < buckets_.size() ? a : a & low;
}

template <typename Entry, typename Traits>
Entry** LinearTable<Entry, Traits>::find(const Key& key) {
  if (count_ == 0) return nullptr;
  const uint8_t tag = tag_of(key.hash);
  for (Bucket* b = &buckets_[address(key.hash)]; b != nullptr; b = link(b)) {
    for (unsigned hit = matches(*b, tag); hit != 0; hit &= hit - 1) {
      Entry** place = entry_at(b, std::countr_zero(hit));
      if (Traits::equal(**place, key)) return place;
    }
  }
  return nullptr;
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::prefetch_bucket(uint64_t hash) const {
  if (count_ != 0) buckets_.prefetch(address(hash));
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::prefetch_entry(uint64_t hash) const {
  if (count_ == 0) return;
  const Bucket& bucket = buckets_[address(hash)];
  const unsigned hit = matches(bucket, tag_of(hash));
  if (hit != 0) {
    // What is in front of a short value often spans two lines.
    const auto* entry = static_cast<const char*>(bucket.places[std::countr_zero(hit)]);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 63);
  } else if ((bucket.used & kLinked) != 0) {
    __builtin_prefetch(bucket.places[kPlaces - 1]);
  }
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::put(Bucket* bucket, uint8_t tag, Entry* entry) {
  while (true) {
    const bool linked = (bucket->used & kLinked) != 0;
    const auto full = static_cast<uint8_t>(linked ? kFullLinked : kEntries);
    const auto free = static_cast<unsigned>(full & ~bucket->used);
    if (free != 0) {
      const int i = std::countr_zero(free);
      bucket->tags[i] = tag;
      bucket->places[i] = entry;
      bucket->used |= static_cast<uint8_t>(1 << i);
      return;
    }
    if (!linked) {
      auto* next = static_cast<Bucket*>(std::aligned_alloc(alignof(Bucket), sizeof(Bucket)));
      if (next == nullptr) throw std::bad_alloc();
      // The last place becomes the link; its entry moves on.
      *next = {};
      next->tags[0] = bucket->tags[kPlaces - 1];
      next->places[0] = bucket->places[kPlaces - 1];
      next->used = 1;
      bucket->places[kPlaces - 1] = next;
      bucket->used = kLinked | kFullLinked;
      ++overflow_;
    }
    bucket = static_cast<Bucket*>(bucket->places[kPlaces - 1]);
  }
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::insert(const Key& key, Entry* entry, uint64_t seed) {
  if (buckets_.empty()) buckets_.push_back({});
  put(&buckets_[address(key.hash)], tag_of(key.hash), entry);
  ++count_;
  if (count_ > uint64_t{buckets_.size()} * kGrowLoad) split(seed);
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::reserve(uint64_t entries) {
  HF_ASSERT(count_ == 0);
  while (uint64_t{buckets_.size()} * kGrowLoad < entries) buckets_.push_back({});
}

// Takes one place out and fills the hole from the end of the chain, so that chains stay dense.
template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::remove(Bucket* head, Bucket* bucket, int index) {
  Bucket* before = nullptr;
  Bucket* last = head;
  while (Bucket* next = link(last)) {
    before = last;
    last = next;
  }
  const int last_index = last_used(last);
  bucket->tags[index] = last->tags[last_index];
  bucket->places[index] = last->places[last_index];
  last->used = static_cast<uint8_t>(last->used & ~(1U << last_index));
  if ((last->used & kEntries) == 0 && before != nullptr) {
    free_linked(last);
    before->used = static_cast<uint8_t>(before->used & kFullLinked);
  }
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::erase(const Key& key, Entry** place) {
  Bucket* head = &buckets_[address(key.hash)];
  for (Bucket* b = head; b != nullptr; b = link(b)) {
    const auto index = place - entry_at(b, 0);
    if (index < 0 || index >= kPlaces) continue;
    remove(head, b, static_cast<int>(index));
    --count_;
    if (count_ == 0) {
      free_buckets();
    } else if (buckets_.size() > 1 && count_ < buckets_.size()) {
      merge();
    }
    return;
  }
  HF_ASSERT(false);  // T1
}

// Adds one bucket and moves to it, from its lower buddy, the entries with the new address bit.
template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::split(uint64_t seed) {
  const uint32_t target = buckets_.size();
  const uint32_t source = target - std::bit_floor(target);
  buckets_.push_back({});
  Bucket moved_chain = buckets_[source];
  buckets_[source] = {};
  Bucket* b = &moved_chain;
  while (b != nullptr) {
    Bucket* next = link(b);
    for (unsigned in = b->used & kEntries; in != 0; in &= in - 1) {
      Entry* entry = *entry_at(b, std::countr_zero(in));
      const uint64_t hash = Traits::hash_of(*entry, seed);
      put(&buckets_[address(hash)], tag_of(hash), entry);
    }
    if (b != &moved_chain) free_linked(b);
    b = next;
  }
}

// The reverse of split: the last bucket's chain joins its lower buddy's.
template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::merge() {
  const uint32_t last = buckets_.size() - 1;
  const uint32_t buddy = last - std::bit_floor(last);
  Bucket chain = buckets_[last];
  buckets_.pop_back();
  Bucket* b = &chain;
  while (b != nullptr) {
    Bucket* next = link(b);
    for (unsigned in = b->used & kEntries; in != 0; in &= in - 1) {
      const int i = std::countr_zero(in);
      put(&buckets_[buddy], b->tags[i], *entry_at(b, i));
    }
    if (b != &chain) free_linked(b);
    b = next;
  }
}

template <typename Entry, typename Traits>
template <typename Visit>
uint64_t LinearTable<Entry, Traits>::scan(uint64_t position, Visit&& visit) const {
  if (count_ == 0) return 0;
  const uint64_t hash = reverse_bits(position) >> (64 - kScanBits);
  const uint32_t a = address(hash);
  for (Bucket* b = &bucket_at(a); b != nullptr; b = link(b)) {
    for (unsigned in = b->used & kEntries; in != 0; in &= in - 1) {
      visit(*entry_at(b, std::countr_zero(in)));
    }
  }
  // The bucket is addressed by one bit more if it, or its upper buddy, exists at that level.
  const uint32_t level = std::bit_floor(buckets_.size());
  const bool split_already = a >= level || a + level < buckets_.size();
  const int bits = std::countr_zero(level) + (split_already ? 1 : 0);
  if (bits == 0) return 0;
  const uint64_t next = ((position >> (kScanBits - bits)) + 1) << (kScanBits - bits);
  return next >> kScanBits != 0 ? 0 : next;
}

template <typename Entry, typename Traits>
template <typename RandomBelow>
Entry* LinearTable<Entry, Traits>::random_entry(RandomBelow&& random) const {
  HF_ASSERT(count_ > 0);
  while (true) {
    // A random place in a random bucket's chain, until one is hit that is taken. Chains longer
    // than four buckets, which a good hash hardly makes, lose their tail's share.
    Bucket* b = &bucket_at(static_cast<uint32_t>(random(buckets_.size())));
    uint64_t skip = random(overflow_ == 0 ? kPlaces : uint64_t{kPlaces} * 4);
    for (; b != nullptr; b = link(b)) {
      const auto here = static_cast<uint64_t>(std::popcount(unsigned{b->used} & kEntries));
      if (skip < here) return *entry_at(b, static_cast<int>(skip));
      skip -= here;
    }
  }
}

template <typename Entry, typename Traits>
template <typename Take>
uint32_t LinearTable<Entry, Traits>::drain(uint32_t limit, Take&& take) {
  uint32_t taken = 0;
  while (taken < limit && !buckets_.empty()) {
    Bucket* head = &buckets_[buckets_.size() - 1];
    while ((head->used & kEntries) != 0 && taken < limit) {
      Bucket* last = head;
      while (Bucket* next = link(last)) last = next;
      const int i = last_used(last);
      take(*entry_at(last, i));
      remove(head, last, i);
      --count_;
      ++taken;
    }
    if (head->used == 0) buckets_.pop_back();
  }
  return taken;
}

template <typename Entry, typename Traits>
void LinearTable<Entry, Traits>::free_buckets() {
  for (uint32_t i = 0; i < buckets_.size() && overflow_ > 0; ++i) {
    Bucket* b = link(&buckets_[i]);
    while (b != nullptr) {
      Bucket* next = link(b);
      free_linked(b);
      b = next;
    }
  }
  buckets_.clear();
}

}  // namespace holdfast
