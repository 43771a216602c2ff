// What Keyspace knows of the time at which keys, and fields of hashes, expire: their heaps.
#include <algorithm>

#include "store/keyspace.h"
#include "store/types/hash.h"

namespace holdfast {

Object* Keyspace::next_due(DbId db, int64_t now_ms) {
  Database& database = databases_[db];
  if (database.with_expiry == 0) return nullptr;
  for (int steps = 0; steps < kSlotCount; ++steps) {
    const uint32_t s = database.due_cursor;
    if (database.next_expiry_ms[s] <= now_ms) return database.slots[s].heap->first();
    database.due_cursor = (s + 1) & (kSlotCount - 1);
  }
  return nullptr;
}

void Keyspace::refresh_next_expiry(Database& database, SlotId s) {
  database.next_expiry_ms[s] = database.slots[s].heap->first_ms();
}

void Keyspace::enter_heap(DbId db, SlotId s, Object* object) {
  Database& database = databases_[db];
  if (database.next_expiry_ms == nullptr) {
    database.next_expiry_ms = std::make_unique<int64_t[]>(kSlotCount);
    std::fill_n(database.next_expiry_ms.get(), kSlotCount, ExpiryHeap::kNever);
  }
  auto& heap = database.slots[s].heap;
  if (heap == nullptr) heap = std::make_unique<ExpiryHeap>();
  heap->add(object);
  ++database.with_expiry;
  refresh_next_expiry(database, s);
}

void Keyspace::leave_heap(DbId db, SlotId s, Object* object) {
  Database& database = databases_[db];
  auto& heap = database.slots[s].heap;
  heap->remove(object);
  --database.with_expiry;
  refresh_next_expiry(database, s);
  if (heap->size() == 0) heap.reset();
}

void Keyspace::set_expiry(DbId db, const KeyRef& key, int64_t expire_at_ms, Seq seq) {
  Object** place = slot(db, key.slot).table.find(key);
  if (place == nullptr) return;  // replay over a newer image; see effect.h
  if ((*place)->cold()) warm_now(db, key, place);
  Object* object = *place;
  const bool in_heap = object->expire_at_ms() != 0;
  if (expire_at_ms == 0) {
    if (in_heap) {
      leave_heap(db, key.slot, object);
      object->set_expire_at_ms(0);
    }
  } else if (in_heap) {
    object->set_expire_at_ms(expire_at_ms);
    databases_[db].slots[key.slot].heap->update(object);
    refresh_next_expiry(databases_[db], key.slot);
  } else {
    if (object->has_prefix()) {
      object->set_expire_at_ms(expire_at_ms);
    } else {
      *place = object = Object::into_prefixed(object, expire_at_ms);
      if (may_track_fields(*object)) track_fields(db, object);
    }
    enter_heap(db, key.slot, object);
  }
  note_change(db, object, seq);
}

int64_t Keyspace::average_ttl_ms(DbId db, int64_t now_ms) const {
  constexpr uint32_t kSample = 256;
  const Database& database = databases_[db];
  int64_t total = 0;
  uint32_t seen = 0;
  for (size_t s = 0; s < kSlotCount && seen < kSample && database.with_expiry > 0; ++s) {
    const auto& heap = database.slots[s].heap;
    if (heap == nullptr) continue;
    // Not the soonest, which would say too little: the last of the heap is an ordinary one.
    total += std::max<int64_t>(0, heap->last_ms() - now_ms);
    ++seen;
  }
  return seen == 0 ? 0 : total / seen;
}

int64_t Keyspace::HashAccess::expire_at_ms(const Object* hash) {
  return hash_next_expiry_ms(hash->collection());
}
uint32_t Keyspace::HashAccess::heap_index(const Object* hash) {
  return hash_place_in_keyspace(hash->collection());
}
void Keyspace::HashAccess::set_heap_index(Object* hash, uint32_t index) {
  set_hash_place_in_keyspace(hash->collection(), index);
}

// After any change of a hash, or of where its object is.
void Keyspace::track_fields(DbId db, Object* object) {
  const Collection hash = object->collection();
  const bool tracked = hash_place_in_keyspace(hash) != UINT32_MAX;
  if (hash_next_expiry_ms(hash) == kNoFieldExpires) {
    if (tracked) forget_fields(db, object);
    return;
  }
  auto& hashes = databases_[db].hashes;
  if (hashes == nullptr) hashes = std::make_unique<HashHeap>();
  if (tracked) {
    hashes->moved(object);
    hashes->update(object);
  } else {
    hashes->add(object);
  }
}

// Before the object goes, or when none of its fields expires any more.
void Keyspace::forget_fields(DbId db, Object* object) {
  if (hash_place_in_keyspace(object->collection()) == UINT32_MAX) return;
  auto& hashes = databases_[db].hashes;
  hashes->remove(object);
  set_hash_place_in_keyspace(object->collection(), UINT32_MAX);
  if (hashes->size() == 0) hashes.reset();
}

Object* Keyspace::next_hash_due(DbId db, int64_t now_ms) {
  const auto& hashes = databases_[db].hashes;
  return hashes != nullptr && hashes->first_ms() <= now_ms ? hashes->first() : nullptr;
}

}  // namespace holdfast
