// See expiry_heap.h.
#include "store/expiry_heap.h"

#include "base/assert.h"

namespace holdfast {

void ExpiryHeap::place(uint32_t index, const Item& item) {
  items_[index] = item;
  item.object->set_heap_index(index);
}

// Moves `item`, meant for `index`, up or down to where it belongs.
void ExpiryHeap::sift(uint32_t index, Item item) {
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

void ExpiryHeap::add(Object* object) {
  const Item item{object->expire_at_ms(), object};
  HF_ASSERT(item.at_ms != 0);
  items_.push_back(item);
  sift(items_.size() - 1, item);
}

void ExpiryHeap::remove(const Object* object) {
  const uint32_t index = object->heap_index();
  HF_ASSERT(items_[index].object == object);
  const Item last = items_[items_.size() - 1];
  items_.pop_back();
  if (index < items_.size()) sift(index, last);
}

void ExpiryHeap::update(Object* object) {
  HF_ASSERT(items_[object->heap_index()].object == object);
  sift(object->heap_index(), {object->expire_at_ms(), object});
}

}  // namespace holdfast
