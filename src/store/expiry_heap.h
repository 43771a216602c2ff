// ExpiryHeap: the objects of one slot that expire, soonest first. A binary heap whose members know
// their place in it, so that changing or removing an expiry costs O(log n) and no stale entries
// pile up when a session key's expiry is refreshed with every request.
//
// Invariant: heap[i].object->heap_index() == i, and heap[i].at_ms == heap[i].object's expiry.
#pragma once

#include <cstdint>

#include "base/segmented_array.h"
#include "store/object.h"

namespace holdfast {

class ExpiryHeap {
 public:
  static constexpr int64_t kNever = INT64_MAX;

  uint32_t size() const { return items_.size(); }
  // The soonest expiry, kNever when empty.
  int64_t first_ms() const { return items_.empty() ? kNever : items_[0].at_ms; }
  // Of the newest place in the heap; kNever when empty.
  int64_t last_ms() const { return items_.empty() ? kNever : items_[items_.size() - 1].at_ms; }
  Object* first() const { return items_[0].object; }

  // REQUIRES: object->expire_at_ms() != 0, and it is not in the heap.
  void add(Object* object);
  // REQUIRES: it is in the heap (its expiry field may have been changed already).
  void remove(const Object* object);
  // Its expiry changed. REQUIRES: it is in the heap.
  void update(Object* object);
  // Its allocation moved. REQUIRES: the index was carried over.
  void moved(Object* object) { items_[object->heap_index()].object = object; }

  size_t memory() const { return items_.memory(); }

 private:
  struct Item {
    int64_t at_ms;
    Object* object;
  };
  void place(uint32_t index, const Item& item);
  void sift(uint32_t index, Item item);

  SegmentedArray<Item> items_;
};

}  // namespace holdfast
