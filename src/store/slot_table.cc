// See slot_table.h.
#include "store/slot_table.h"

#include <emmintrin.h>

#include <bit>
#include <cstdlib>
#include <new>

#include "base/assert.h"

namespace holdfast {
namespace {

uint64_t reverse_bits(uint64_t v) {
  v = ((v >> 1) & 0x5555555555555555ULL) | ((v & 0x5555555555555555ULL) << 1);
  v = ((v >> 2) & 0x3333333333333333ULL) | ((v & 0x3333333333333333ULL) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0fULL) | ((v & 0x0f0f0f0f0f0f0f0fULL) << 4);
  return __builtin_bswap64(v);
}

}  // namespace

// Bits of the places whose tag equals `tag` and which hold an object.
inline unsigned SlotTable::matches(const Bucket& bucket, uint8_t tag) {
  const __m128i tags = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&bucket));
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(tag));
  const auto equal = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(tags, wanted)));
  return equal & bucket.used & kObjects;
}

// The mask of the level that has been reached everywhere: with n buckets, 2^k <= n < 2^(k+1),
// every hash is addressed by k bits, and by k+1 where that bucket exists already.
inline uint32_t SlotTable::split_mask() const { return std::bit_floor(buckets_.size()) - 1; }

inline uint32_t SlotTable::address(uint64_t hash) const {
  const uint32_t low = split_mask();
  const auto a = static_cast<uint32_t>(hash) & (low << 1 | 1);
  return a < buckets_.size() ? a : a & low;
}

Object** SlotTable::find(const KeyRef& key) {
  if (count_ == 0) return nullptr;
  const uint8_t tag = tag_of(key.hash);
  for (Bucket* b = &buckets_[address(key.hash)]; b != nullptr; b = link(b)) {
    for (unsigned hit = matches(*b, tag); hit != 0; hit &= hit - 1) {
      Object** place = object_at(b, std::countr_zero(hit));
      if ((*place)->key() == key.bytes) return place;
    }
  }
  return nullptr;
}

void SlotTable::prefetch_bucket(uint64_t hash) const {
  if (count_ != 0) buckets_.prefetch(address(hash));
}

void SlotTable::prefetch_object(uint64_t hash) const {
  if (count_ == 0) return;
  const Bucket& bucket = buckets_[address(hash)];
  const unsigned hit = matches(bucket, tag_of(hash));
  if (hit != 0) {
    // Header, key and a short value often span two lines.
    const auto* object = static_cast<const char*>(bucket.places[std::countr_zero(hit)]);
    __builtin_prefetch(object);
    __builtin_prefetch(object + 63);
  } else if ((bucket.used & kLinked) != 0) {
    __builtin_prefetch(bucket.places[kPlaces - 1]);
  }
}

void SlotTable::put(Bucket* bucket, uint8_t tag, Object* object) {
  while (true) {
    const bool linked = (bucket->used & kLinked) != 0;
    const auto full = static_cast<uint8_t>(linked ? kFullLinked : kObjects);
    const auto free = static_cast<unsigned>(full & ~bucket->used);
    if (free != 0) {
      const int i = std::countr_zero(free);
      bucket->tags[i] = tag;
      bucket->places[i] = object;
      bucket->used |= static_cast<uint8_t>(1 << i);
      return;
    }
    if (!linked) {
      auto* next = static_cast<Bucket*>(std::aligned_alloc(alignof(Bucket), sizeof(Bucket)));
      if (next == nullptr) throw std::bad_alloc();
      // The last place becomes the link; its object moves on.
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

void SlotTable::insert(const KeyRef& key, Object* object, uint64_t seed) {
  if (buckets_.empty()) buckets_.push_back({});
  put(&buckets_[address(key.hash)], tag_of(key.hash), object);
  ++count_;
  if (count_ > uint64_t{buckets_.size()} * kGrowLoad) split(seed);
}

void SlotTable::reserve(uint64_t keys) {
  HF_ASSERT(count_ == 0);
  while (uint64_t{buckets_.size()} * kGrowLoad < keys) buckets_.push_back({});
}

// Takes one place out and fills the hole from the end of the chain, so that chains stay dense.
void SlotTable::remove(Bucket* head, Bucket* bucket, int index) {
  Bucket* before = nullptr;
  Bucket* last = head;
  while (Bucket* next = link(last)) {
    before = last;
    last = next;
  }
  const int last_index = 7 - std::countl_zero(static_cast<uint8_t>(last->used & kObjects));
  bucket->tags[index] = last->tags[last_index];
  bucket->places[index] = last->places[last_index];
  last->used = static_cast<uint8_t>(last->used & ~(1U << last_index));
  if ((last->used & kObjects) == 0 && before != nullptr) {
    std::free(last);
    --overflow_;
    before->used = static_cast<uint8_t>(before->used & kFullLinked);
  }
}

void SlotTable::erase(const KeyRef& key, Object** place) {
  Bucket* head = &buckets_[address(key.hash)];
  for (Bucket* b = head; b != nullptr; b = link(b)) {
    const auto index = place - object_at(b, 0);
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

// Adds one bucket and moves to it, from its lower buddy, the keys with the new address bit.
void SlotTable::split(uint64_t seed) {
  const uint32_t target = buckets_.size();
  const uint32_t source = target - std::bit_floor(target);
  buckets_.push_back({});
  Bucket moved_chain = buckets_[source];
  buckets_[source] = {};
  Bucket* b = &moved_chain;
  while (b != nullptr) {
    Bucket* next = link(b);
    for (unsigned in = b->used & kObjects; in != 0; in &= in - 1) {
      Object* object = *object_at(b, std::countr_zero(in));
      const uint64_t hash = hash_of(object->key(), seed);
      put(&buckets_[address(hash)], tag_of(hash), object);
    }
    if (b != &moved_chain) {
      std::free(b);
      --overflow_;
    }
    b = next;
  }
}

// The reverse of split: the last bucket's chain joins its lower buddy's.
void SlotTable::merge() {
  const uint32_t last = buckets_.size() - 1;
  const uint32_t buddy = last - std::bit_floor(last);
  Bucket chain = buckets_[last];
  buckets_.pop_back();
  Bucket* b = &chain;
  while (b != nullptr) {
    Bucket* next = link(b);
    for (unsigned in = b->used & kObjects; in != 0; in &= in - 1) {
      const int i = std::countr_zero(in);
      put(&buckets_[buddy], b->tags[i], *object_at(b, i));
    }
    if (b != &chain) {
      std::free(b);
      --overflow_;
    }
    b = next;
  }
}

uint64_t SlotTable::scan(uint64_t position, const std::function<void(Object*)>& visit) const {
  if (count_ == 0) return 0;
  auto& buckets = const_cast<SegmentedArray<Bucket>&>(buckets_);
  const uint64_t hash = reverse_bits(position) >> (64 - kScanBits);
  const uint32_t a = address(hash);
  for (Bucket* b = &buckets[a]; b != nullptr; b = link(b)) {
    for (unsigned in = b->used & kObjects; in != 0; in &= in - 1) {
      visit(*object_at(b, std::countr_zero(in)));
    }
  }
  // The bucket is addressed by one bit more if it, or its upper buddy, exists at that level.
  const uint32_t level = std::bit_floor(buckets.size());
  const bool split_already = a >= level || a + level < buckets.size();
  const int bits = std::countr_zero(level) + (split_already ? 1 : 0);
  if (bits == 0) return 0;
  const uint64_t next = ((position >> (kScanBits - bits)) + 1) << (kScanBits - bits);
  return next >> kScanBits != 0 ? 0 : next;
}

Object* SlotTable::random_object(const std::function<uint64_t(uint64_t)>& random) const {
  HF_ASSERT(count_ > 0);
  auto& buckets = const_cast<SegmentedArray<Bucket>&>(buckets_);
  while (true) {
    // A random place in a random bucket's chain, until one is hit that is taken. Chains longer
    // than four buckets, which a good hash hardly makes, lose their tail's share.
    Bucket* b = &buckets[static_cast<uint32_t>(random(buckets.size()))];
    uint64_t skip = random(overflow_ == 0 ? kPlaces : uint64_t{kPlaces} * 4);
    for (; b != nullptr; b = link(b)) {
      const auto here = static_cast<uint64_t>(std::popcount(unsigned{b->used} & kObjects));
      if (skip < here) return *object_at(b, static_cast<int>(skip));
      skip -= here;
    }
  }
}

uint32_t SlotTable::drain(uint32_t limit, const std::function<void(Object*)>& take) {
  uint32_t taken = 0;
  while (taken < limit && !buckets_.empty()) {
    Bucket* head = &buckets_[buckets_.size() - 1];
    while ((head->used & kObjects) != 0 && taken < limit) {
      Bucket* last = head;
      while (Bucket* next = link(last)) last = next;
      const int i = 7 - std::countl_zero(static_cast<uint8_t>(last->used & kObjects));
      take(*object_at(last, i));
      remove(head, last, i);
      --count_;
      ++taken;
    }
    if (head->used == 0) buckets_.pop_back();
  }
  return taken;
}

void SlotTable::free_buckets() {
  for (uint32_t i = 0; i < buckets_.size() && overflow_ > 0; ++i) {
    Bucket* b = link(&buckets_[i]);
    while (b != nullptr) {
      Bucket* next = link(b);
      std::free(b);
      --overflow_;
      b = next;
    }
  }
  buckets_.clear();
}

size_t SlotTable::memory() const { return buckets_.memory() + overflow_ * sizeof(Bucket); }

}  // namespace holdfast
