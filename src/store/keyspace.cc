// See keyspace.h.
#include "store/keyspace.h"

#include <algorithm>
#include <bitset>

#include "base/assert.h"

namespace holdfast {
namespace {

// A scan's cursor: position within the slot's table (48 bits), then the slot (14 bits).
constexpr int kSlotBits = 14;
static_assert(1 << kSlotBits == kSlotCount);
// Empty slots that one scan call may step over.
constexpr int kScanSlotsPerCall = kSlotCount;

}  // namespace

bool parse_db_map(std::string_view bytes, DbMap* map) {
  if (bytes.size() != map->size()) return false;
  std::bitset<kDbCount> named;
  for (size_t i = 0; i < map->size(); ++i) {
    (*map)[i] = static_cast<DbId>(bytes[i]);
    if ((*map)[i] >= kDbCount) return false;
    named.set((*map)[i]);
  }
  return named.all();
}

Keyspace::Keyspace(uint64_t hash_seed)
    : seed_(hash_seed), erased_(std::make_unique<Seq[]>(kFilterPlaces)) {
  for (int i = 0; i < kDbCount; ++i) db_map_[static_cast<size_t>(i)] = static_cast<DbId>(i);
  limits_.hash_seed = seed_;
}

Keyspace::~Keyspace() {
  dirty_ = nullptr;  // its owner may be gone already
  for (int db = 0; db < kDbCount; ++db) flush(static_cast<DbId>(db), 0);
  while (collect_garbage(1 << 20)) {
  }
}

Keyspace::Slot& Keyspace::slot(DbId db, SlotId slot) {
  Database& database = databases_[db];
  if (database.slots == nullptr) database.slots = std::make_unique<Slot[]>(kSlotCount);
  return database.slots[slot];
}

Object* Keyspace::find(DbId db, const KeyRef& key) {
  Database& database = databases_[db];
  if (database.slots == nullptr) return nullptr;
  Object** place = database.slots[key.slot].table.find(key);
  return place == nullptr ? nullptr : *place;
}

void Keyspace::prefetch_slot(DbId db, SlotId slot) const {
  const Database& database = databases_[db];
  if (database.slots != nullptr) __builtin_prefetch(&database.slots[slot]);
}

void Keyspace::prefetch_bucket(DbId db, const KeyRef& key) const {
  const Database& database = databases_[db];
  if (database.slots != nullptr) database.slots[key.slot].table.prefetch_bucket(key.hash);
}

void Keyspace::prefetch_object(DbId db, const KeyRef& key) const {
  const Database& database = databases_[db];
  if (database.slots != nullptr) database.slots[key.slot].table.prefetch_entry(key.hash);
}

size_t Keyspace::filter_place(DbId db, const KeyRef& key) {
  return static_cast<size_t>(key.hash + db * 0x9e3779b97f4a7c15ULL) >> 20 & (kFilterPlaces - 1);
}

Seq Keyspace::erased_at(DbId db, const KeyRef& key) const {
  return std::max(erased_[filter_place(db, key)], databases_[db].flushed_at);
}

int Keyspace::logical(DbId physical) const {
  const auto found = std::find(db_map_.begin(), db_map_.end(), physical);
  HF_ASSERT(found != db_map_.end());
  return static_cast<int>(found - db_map_.begin());
}

uint64_t Keyspace::size_of_slot(DbId db, SlotId slot) const {
  const Database& database = databases_[db];
  return database.slots == nullptr ? 0 : database.slots[slot].table.size();
}

uint64_t Keyspace::scan(DbId db, uint64_t cursor, const std::function<void(Object*)>& visit) const {
  const Database& database = databases_[db];
  if (database.slots == nullptr) return 0;
  uint64_t slot = cursor & (kSlotCount - 1);
  uint64_t position = cursor >> kSlotBits & ((1ULL << SlotTable::kScanBits) - 1);
  for (int steps = 0; steps < kScanSlotsPerCall && slot < kSlotCount; ++steps) {
    const SlotTable& table = database.slots[slot].table;
    if (table.size() > 0) {
      position = table.scan(position, visit);
      if (position != 0) return position << kSlotBits | slot;
      return slot + 1 < kSlotCount ? slot + 1 : 0;
    }
    ++slot;
    position = 0;
  }
  return slot < kSlotCount ? slot : 0;
}

void Keyspace::visit_slot(DbId db, SlotId slot,
                          const std::function<void(const Object&)>& visit) const {
  const Database& database = databases_[db];
  if (database.slots == nullptr || database.slots[slot].table.size() == 0) return;
  uint64_t position = 0;
  do {
    position = database.slots[slot].table.scan(position, [&](Object* object) { visit(*object); });
  } while (position != 0);
}

Object* Keyspace::random_object(DbId db, Random& random) const {
  const Database& database = databases_[db];
  if (database.size == 0) return nullptr;
  uint64_t skip = random.below(database.size);
  for (int s = 0; s < kSlotCount; ++s) {
    const SlotTable& table = database.slots[static_cast<size_t>(s)].table;
    if (skip < table.size()) {
      return table.random_entry([&random](uint64_t below) { return random.below(below); });
    }
    skip -= table.size();
  }
  HF_ASSERT(false);  // the slots' sizes add up to the database's
}

void Keyspace::note_change(DbId db, Object* object, Seq seq) {
  const RecordRef ref = object->take_ref();
  object->set_mod_seq(seq);
  object->set_used();
  databases_[db].last_change = seq;
  if (dirty_ != nullptr && !object->dirty()) {
    object->set_dirty(dirty_->odd());
    dirty_->add(db, object->key(), ref);
  }
}

void Keyspace::insert(DbId db, const KeyRef& key, Object* object) {
  slot(db, key.slot).table.insert(key, object, seed_);
  ++databases_[db].size;
  if (object->expire_at_ms() != 0) enter_heap(db, key.slot, object);
}

// Puts `object`, made from the one at `place`, in its stead; the old one is destroyed already.
// The heap position was carried over.
void Keyspace::replace(DbId db, const KeyRef& key, Object** place, Object* object) {
  *place = object;
  if (object->expire_at_ms() != 0) databases_[db].slots[key.slot].heap->moved(object);
  if (may_track_fields(*object)) track_fields(db, object);
}

void Keyspace::reserve(DbId db, uint64_t keys) {
  if (keys < kSlotCount) return;
  for (int s = 0; s < kSlotCount; ++s) {
    slot(db, static_cast<SlotId>(s)).table.reserve(keys / kSlotCount);
  }
}

Object* Keyspace::put_string(DbId db, const KeyRef& key, std::string_view value,
                             int64_t expire_at_ms, Seq seq) {
  Object** place = slot(db, key.slot).table.find(key);
  if (place == nullptr) {
    Object* object = Object::create_string(key.bytes, value, expire_at_ms);
    insert(db, key, object);
    object->set_access(access_now_);
    note_change(db, object, seq);
    return object;
  }
  Object* object = *place;
  const bool fits = expire_at_ms == 0 || object->has_prefix();
  if (fits && object->type() == ObjectType::kString && object->assign_string(value)) {
    if (object->expire_at_ms() != expire_at_ms) set_expiry(db, key, expire_at_ms, seq);
  } else {
    object = overwrite(db, key, place, Object::create_string(key.bytes, value, expire_at_ms));
  }
  object->set_access(access_now_);
  note_change(db, object, seq);
  return object;
}

// Puts another value in the place of the object there.
Object* Keyspace::overwrite(DbId db, const KeyRef& key, Object** place, Object* fresh) {
  Object* old = *place;
  if (old->expire_at_ms() != 0) leave_heap(db, key.slot, old);
  if (may_track_fields(*old)) forget_fields(db, old);
  fresh->inherit_place(*old);
  discard(old);
  *place = fresh;
  if (fresh->expire_at_ms() != 0) enter_heap(db, key.slot, fresh);
  return fresh;
}

// A large collection is freed in slices.
void Keyspace::discard(Object* object) {
  const bool large = object->is_collection() && !object->cold() &&
                     collection_type(object->type()).size(object->collection()) > kFreedAtOnce;
  if (!large) {
    Object::destroy(object);
    return;
  }
  const ObjectType type = object->type();
  garbage_values_.push_back({type, Object::destroy_around_collection(object)});
  ++garbage_count_;
}

Object* Keyspace::put_collection(DbId db, const KeyRef& key, ObjectType type, Collection value,
                                 int64_t expire_at_ms, Seq seq) {
  Object* object = Object::create_collection(key.bytes, type, value, expire_at_ms);
  Object** place = slot(db, key.slot).table.find(key);
  if (place == nullptr) {
    insert(db, key, object);
  } else {
    overwrite(db, key, place, object);
  }
  if (may_track_fields(*object)) track_fields(db, object);
  object->set_access(access_now_);
  note_change(db, object, seq);
  return object;
}

Object* Keyspace::edit(DbId db, const KeyRef& key, EffectType type, std::string_view operands,
                       Seq seq) {
  const ObjectType object_type = edited_type(type);
  const CollectionType& functions = collection_type(object_type);
  Object** place = slot(db, key.slot).table.find(key);
  if (place != nullptr && (*place)->cold()) warm_now(db, key, place);
  Object* object;
  if (place != nullptr) {
    object = *place;
    // Emitted on an object of its type; a replay may meet a stale one (entry_replay.h).
    if (object->type() != object_type) return object;
  } else {
    if (!functions.creates(type)) return nullptr;
    object = Object::create_collection(key.bytes, object_type, functions.create(), 0);
    insert(db, key, object);
  }
  Collection value = object->collection();
  Reader in(operands);
  functions.apply(type, in, limits_, &value);
  HF_ASSERT(in.ok() && in.at_end());
  object->set_collection(value);
  if (object_type != ObjectType::kStream && functions.size(value) == 0) {
    erase(db, key, seq);
    return nullptr;
  }
  if (may_track_fields(*object)) track_fields(db, object);
  object->set_access(access_now_);
  note_change(db, object, seq);
  return object;
}

void Keyspace::write_range(DbId db, const KeyRef& key, uint64_t offset, std::string_view bytes,
                           Seq seq) {
  Object** place = slot(db, key.slot).table.find(key);
  if (place == nullptr) {
    insert(db, key, Object::create_string(key.bytes, "", 0));
    place = slot(db, key.slot).table.find(key);
  }
  if ((*place)->is_collection()) return;  // see edit()
  if ((*place)->cold()) warm_now(db, key, place);
  if ((*place)->encoding() != Encoding::kRaw) {
    replace(db, key, place, Object::into_raw(*place, offset + bytes.size()));
  }
  (*place)->write_range(offset, bytes);
  (*place)->set_access(access_now_);
  note_change(db, *place, seq);
}

void Keyspace::replace_record(DbId db, const KeyRef& key, RecordRef ref) {
  HF_ASSERT(dirty_ != nullptr);
  Object* object = find(db, key);
  if (object != nullptr && !object->dirty()) {
    HF_ASSERT(!object->has_ref() || (object->ref() == ref && !object->cold()));
    object->take_ref();
    object->set_dirty(dirty_->odd());
  }
  dirty_->add(db, key.bytes, ref);
}

void Keyspace::move_record(DbId db, const KeyRef& key, RecordRef ref,
                           std::optional<std::string_view> value, DirtyKeys* list) {
  Object* object = find(db, key);
  if (object == nullptr || object->ref() != ref) return;
  if (object->cold()) {
    if (!value) return;
    warm(db, key, ref, *value);
    object = find(db, key);
  }
  list->add(db, key.bytes, object->take_ref());
  object->set_dirty(list->odd());
}

void Keyspace::erase(DbId db, const KeyRef& key, Seq seq) {
  Database& database = databases_[db];
  Seq& erased = erased_[filter_place(db, key)];
  erased = std::max(erased, seq);
  database.last_change = std::max(database.last_change, seq);
  SlotTable& table = slot(db, key.slot).table;
  Object** place = table.find(key);
  if (place == nullptr) {
    note_dirty(db, key.bytes, 0);
    return;
  }
  Object* object = *place;
  if (!object->dirty()) note_dirty(db, key.bytes, object->take_ref());
  if (object->expire_at_ms() != 0) leave_heap(db, key.slot, object);
  if (may_track_fields(*object)) forget_fields(db, object);
  table.erase(key, place);
  --database.size;
  discard(object);
}

void Keyspace::flush(DbId db, Seq seq) {
  Database& database = databases_[db];
  if (database.slots != nullptr) {
    garbage_count_ += database.size;
    garbage_.push_back(std::move(database));
    database = Database();
  }
  database.flushed_at = seq;
  database.last_change = seq;
  if (dirty_ != nullptr) dirty_->add_flush(db, seq);
}

void Keyspace::map_databases(const DbMap& map, Seq seq) {
  for (size_t i = 0; i < map.size(); ++i) {
    if (db_map_[i] == map[i]) continue;
    // Every answer about this database changes.
    databases_[map[i]].flushed_at = seq;
    databases_[map[i]].last_change = seq;
  }
  db_map_ = map;
  mapped_at_ = seq;
}

bool Keyspace::collect_garbage(uint32_t limit) {
  uint64_t budget = limit;
  while (!garbage_values_.empty() && budget > 0) {
    GarbageValue& garbage = garbage_values_.front();
    if (!collection_type(garbage.type).destroy_some(garbage.value, &budget)) break;
    garbage_values_.pop_front();
    --garbage_count_;
    ++garbage_freed_;
  }
  limit = static_cast<uint32_t>(budget);
  while (!garbage_.empty() && limit > 0) {
    Database& database = garbage_.front();
    while (garbage_slot_ < kSlotCount && limit > 0) {
      Slot& s = database.slots[garbage_slot_];
      s.heap.reset();
      const uint32_t freed = s.table.drain(limit, [this](Object* object) { discard(object); });
      garbage_count_ -= freed;
      garbage_freed_ += freed;
      limit -= freed;
      if (s.table.size() == 0) ++garbage_slot_;
    }
    if (garbage_slot_ == kSlotCount) {
      garbage_.pop_front();
      garbage_slot_ = 0;
    }
  }
  return !garbage_.empty() || !garbage_values_.empty();
}

size_t Keyspace::table_memory(DbId db) const {
  const Database& database = databases_[db];
  if (database.slots == nullptr) return 0;
  size_t total = sizeof(Slot) * kSlotCount;
  for (size_t s = 0; s < kSlotCount; ++s) {
    total += database.slots[s].table.memory();
    if (database.slots[s].heap != nullptr) total += database.slots[s].heap->memory();
  }
  return total;
}

void Keyspace::put_library(std::string_view name, std::string_view code, Seq seq) {
  libraries_.insert_or_assign(std::string(name), std::string(code));
  libraries_at_ = seq;
  ++libraries_version_;
}

void Keyspace::erase_library(std::string_view name, Seq seq) {
  if (name.empty()) {
    libraries_.clear();
  } else if (const auto found = libraries_.find(name); found != libraries_.end()) {
    libraries_.erase(found);
  }
  libraries_at_ = seq;
  ++libraries_version_;
}

}  // namespace holdfast
