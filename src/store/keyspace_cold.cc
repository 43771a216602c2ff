// What Keyspace does with values that are on the device only: reads them, takes them back, and
// forgets those that were not used for long.
#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "store/keyspace.h"
#include "store/types/hash.h"

namespace holdfast {
namespace {

// Roughly, of a collection.
uint64_t value_size(const Object& object) {
  return object.is_collection() ? collection_type(object.type()).memory(object.collection())
                                : object.string_size();
}

}  // namespace

Object* Keyspace::find_value(DbId db, const KeyRef& key) {
  Object* object = find(db, key);
  if (object == nullptr || !object->cold()) return object;
  Object** place = databases_[db].slots[key.slot].table.find(key);
  warm_now(db, key, place);
  return *place;
}

std::string Keyspace::read_cold(DbId db, const Object& object) const {
  HF_ASSERT(source_);
  Result<std::string> value = source_(db, key(object.key()), object);
  if (!value.ok()) throw ValueUnreadable(value.status().message());
  return std::move(value.value());
}

// `object` with its value; null, and nothing is changed, when that cannot be decoded.
Object* Keyspace::warmed(Object* object, std::string_view value) const {
  if (!object->is_collection()) return Object::into_warm(object, value);
  ObjectType type;
  Collection collection;
  if (!decode_collection(value, limits_, &type, &collection)) return nullptr;
  if (type == object->type()) return Object::into_warm(object, collection);
  destroy_collection(type, collection);
  return nullptr;
}

void Keyspace::warm_now(DbId db, const KeyRef& key, Object** place) {
  Object* warm = warmed(*place, read_cold(db, **place));
  if (warm == nullptr) throw ValueUnreadable("a collection cannot be decoded");
  replace(db, key, place, warm);
  warm->set_used();
}

void Keyspace::warm(DbId db, const KeyRef& key, RecordRef ref, std::string_view value) {
  Database& database = databases_[db];
  if (database.slots == nullptr) return;
  Object** place = database.slots[key.slot].table.find(key);
  if (place == nullptr || !(*place)->cold() || (*place)->ref() != ref) return;
  Object* warm = warmed(*place, value);
  if (warm == nullptr) return;  // it is reported when the value is asked for
  replace(db, key, place, warm);
  warm->set_used();
}

Object* Keyspace::put_cold(DbId db, const KeyRef& key, ObjectType type, uint64_t size,
                           int64_t expire_at_ms) {
  HF_ASSERT(find(db, key) == nullptr);
  may_be_cold_ = true;
  Object* object = Object::create_cold(key.bytes, type, size, expire_at_ms);
  insert(db, key, object);
  return object;
}

uint64_t Keyspace::cool_some(const std::function<bool(RecordRef)>& on_device) {
  cool_candidates_.clear();
  const DbId db = cool_db_;
  cool_cursor_ = scan(db, cool_cursor_, [&](Object* object) {
    if (!object->has_ref() || object->cold() || value_size(*object) < kMinCold) return;
    // Who would know when its fields are due?
    if (may_track_fields(*object) && hash_place_in_keyspace(object->collection()) != UINT32_MAX) {
      return;
    }
    if (object->used()) {
      object->clear_used();
    } else if (on_device(object->ref())) {
      cool_candidates_.push_back(object);
    }
  });
  if (cool_cursor_ == 0) step_cool_hand();
  uint64_t freed = 0;
  for (Object* object : cool_candidates_) {
    const KeyRef key = this->key(object->key());
    Object** place = databases_[db].slots[key.slot].table.find(key);
    const size_t before = object->memory();
    Object* cold = Object::into_cold(object, object->is_collection() ? 0 : object->string_size());
    replace(db, key, place, cold);
    freed += before - std::min(before, cold->memory());
    may_be_cold_ = true;
  }
  return freed;
}

void Keyspace::step_cool_hand() {
  cool_db_ = static_cast<DbId>((cool_db_ + 1) % kDbCount);
  if (cool_db_ == 0) ++cool_rounds_;
}

}  // namespace holdfast
