// BasicExpiryHeap: what expires, soonest first: the objects of one slot, the fields of one hash. A
// binary heap whose members know their place in it, so that changing or removing an expiry costs
// O(log n) and no stale entries pile up when a session key's expiry is refreshed with every
// request.
//
// Invariant: heap[i].member is told i as its place, and heap[i].at_ms is the member's expiry.
//
// Access says where a member has its expiry and its place; by default T has expire_at_ms(),
// heap_index() and set_heap_index().
#pragma once

#include <cstdint>

#include "base/assert.h"
#include "base/segmented_array.h"
#include "store/object.h"

namespace holdfast {

template <typename T>
struct ExpiryAccess {
  static int64_t expire_at_ms(const T* member) { return member->expire_at_ms(); }
  static uint32_t heap_index(const T* member) { return member->heap_index(); }
  static void set_heap_index(T* member, uint32_t index) { member->set_heap_index(index); }
};

template <typename T, typename Access = ExpiryAccess<T>>
class BasicExpiryHeap {
 public:
  static constexpr int64_t kNever = INT64_MAX;

  uint32_t size() const { return items_.size(); }
  // The soonest expiry, kNever when empty.
  int64_t first_ms() const { return items_.empty() ? kNever : items_[0].at_ms; }
  // Of the newest place in the heap; kNever when empty.
  int64_t last_ms() const { return items_.empty() ? kNever : items_[items_.size() - 1].at_ms; }
  T* first() const { return items_[0].member; }

  // REQUIRES: it expires, and it is not in the heap.
  void add(T* member) {
    const Item item{Access::expire_at_ms(member), member};
    HF_ASSERT(item.at_ms != 0);
    items_.push_back(item);
    sift(items_.size() - 1, item);
  }
  // REQUIRES: it is in the heap (its expiry may have been changed already).
  void remove(const T* member) {
    const uint32_t index = Access::heap_index(member);
    HF_ASSERT(items_[index].member == member);
    const Item last = items_[items_.size() - 1];
    items_.pop_back();
    if (index < items_.size()) sift(index, last);
  }
  // Its expiry changed. REQUIRES: it is in the heap.
  void update(T* member) {
    const uint32_t index = Access::heap_index(member);
    HF_ASSERT(items_[index].member == member);
    sift(index, {Access::expire_at_ms(member), member});
  }
  // Its allocation moved. REQUIRES: the index was carried over.
  void moved(T* member) { items_[Access::heap_index(member)].member = member; }

  // Calls visit(member) for up to `limit` of those that expire at or before now, in any order. The
  // time it takes depends on how many are visited only.
  template <typename Visit>
  void visit_due(int64_t now_ms, uint32_t limit, Visit&& visit) const {
    visit_due_below(0, now_ms, &limit, visit);
  }

  size_t memory() const { return items_.memory(); }

 private:
  struct Item {
    int64_t at_ms;
    T* member;
  };

  void place(uint32_t index, const Item& item) {
    items_[index] = item;
    Access::set_heap_index(item.member, index);
  }

  // Moves `item`, meant for `index`, up or down to where it belongs.
  void sift(uint32_t index, Item item) {
    while (index > 0 && items_[(index - 1) / 2].at_ms > item.at_ms) {
      place(index, items_[(index - 1) / 2]);
      index = (index - 1) / 2;
    }
    while (true) {
      uint32_t child = index * 2 + 1;
      if (child >= items_.size()) break;
      if (child + 1 < items_.size() && items_[child + 1].at_ms < items_[child].at_ms) ++child;
      if (items_[child].at_ms >= item.at_ms) break;
      place(index, items_[child]);
      index = child;
    }
    place(index, item);
  }

  // Recursion is as deep as the heap: 32 at most.
  template <typename Visit>
  void visit_due_below(uint32_t index, int64_t now_ms, uint32_t* left, Visit& visit) const {
    if (index >= items_.size() || *left == 0 || items_[index].at_ms > now_ms) return;
    --*left;
    visit(items_[index].member);
    visit_due_below(index * 2 + 1, now_ms, left, visit);
    visit_due_below(index * 2 + 2, now_ms, left, visit);
  }

  SegmentedArray<Item> items_;
};

using ExpiryHeap = BasicExpiryHeap<Object>;

}  // namespace holdfast
