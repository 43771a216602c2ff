// Keyspace: all keys of a shard, in 16 databases of 16384 slots with a table each.
//
// The state machine that the oplog drives: it changes only through effects (store/effect.h), each
// under the seq of its entry, on the primary, on backups and in recovery alike. Reading is free.
//
// Invariants:
//   K1  every change sets the object's mod_seq to its entry's seq; an erase is noted in the erase
//       filter; so for any key, `last_change` is at least the seq of the newest change that a read
//       of it can observe.
//   K2  a database number in this interface is physical. SWAPDB only swaps the map from logical
//       numbers, so it moves no key and is safe to replay.
//   K3  nothing takes time in proportion to the number of keys, except `visit_all`-like reads that
//       the caller asked for; dropping a database hands its tables to `collect_garbage`.
//   K4  a value that is on the device only (Object::cold) is in memory again before anything
//       changes it or writes a record of it.
//
// What concerns expiry is in keyspace_expiry.cc, values on the device in keyspace_cold.cc.
//
// Threads: the reactor's only.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/status.h"
#include "base/types.h"
#include "store/collection.h"
#include "store/dirty_keys.h"
#include "store/expiry_heap.h"
#include "store/key.h"
#include "store/object.h"
#include "store/outcomes.h"
#include "store/slot_table.h"

namespace holdfast {

// A value cannot be read from the device: thrown by what needs it, answered as an error.
struct ValueUnreadable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using DbMap = std::array<DbId, kDbCount>;  // logical number -> physical number
// Reads a map from bytes that came from outside; false unless it names each database once.
bool parse_db_map(std::string_view bytes, DbMap* map);

class Keyspace {
 public:
  explicit Keyspace(uint64_t hash_seed);
  ~Keyspace();
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  KeyRef key(std::string_view bytes) const { return make_key(bytes, seed_); }
  uint64_t hash_seed() const { return seed_; }
  DbId physical(int logical) const { return db_map_[static_cast<size_t>(logical)]; }
  int logical(DbId physical) const;
  const DbMap& db_map() const { return db_map_; }
  // The seq of the newest change of the map: what any answer about a logical database rests on.
  Seq mapped_at() const { return mapped_at_; }

  // --- libraries of functions ---
  // Their code by name.
  const std::map<std::string, std::string, std::less<>>& libraries() const { return libraries_; }
  // The seq of their newest change, and how many changes there were.
  Seq libraries_at() const { return libraries_at_; }
  uint64_t libraries_version() const { return libraries_version_; }

  // --- writes that gateways numbered ---
  const Outcomes& outcomes() const { return outcomes_; }

  // --- reading ---
  // The object, expired or not; null when absent. Its value may be on the device only.
  Object* find(DbId db, const KeyRef& key);
  // The same with its value, read from the device now if need be. Throws ValueUnreadable.
  Object* find_value(DbId db, const KeyRef& key);
  void prefetch_slot(DbId db, SlotId slot) const;
  void prefetch_bucket(DbId db, const KeyRef& key) const;
  void prefetch_object(DbId db, const KeyRef& key) const;

  // Upper bound of the seq at which an absent key was last erased (K1); 0: never.
  Seq erased_at(DbId db, const KeyRef& key) const;
  // The seq at which the database was last dropped, or mapped to another logical number.
  Seq replaced_at(DbId db) const { return databases_[db].flushed_at; }
  // The seq of the newest change of anything in the database.
  Seq last_change(DbId db) const { return databases_[db].last_change; }

  uint64_t size(DbId db) const { return databases_[db].size; }
  uint64_t size_with_expiry(DbId db) const { return databases_[db].with_expiry; }
  uint64_t size_of_slot(DbId db, SlotId slot) const;
  // Milliseconds that keys with an expiry have left, on average, from a sample; 0 without any.
  int64_t average_ttl_ms(DbId db, int64_t now_ms) const;

  // Visits the next few keys; returns the next cursor, 0 when done. Redis's guarantee: what was
  // there from the first call to the last is visited at least once.
  uint64_t scan(DbId db, uint64_t cursor, const std::function<void(Object*)>& visit) const;
  // Every object of a slot, each once.
  void visit_slot(DbId db, SlotId slot, const std::function<void(const Object&)>& visit) const;
  // Null when the database is empty.
  Object* random_object(DbId db, Random& random) const;
  // An object of the database whose expiry is at or before now, or null.
  Object* next_due(DbId db, int64_t now_ms);
  // A hash with fields whose expiry is at or before now, or null. Of those that are on the device
  // only nothing is known.
  Object* next_hash_due(DbId db, int64_t now_ms);

  // Seconds that objects get as their access clock from now on.
  void set_access_clock(uint32_t seconds) { access_now_ = seconds; }
  uint32_t access_clock() const { return access_now_; }

  // Makes room for `keys` that will follow, evenly over all slots. REQUIRES: the database is empty.
  void reserve(DbId db, uint64_t keys);

  // Up to where collections that change from now on stay compact. Their seed stays what it is.
  void set_limits(const CollectionLimits& limits) {
    limits_ = limits;
    limits_.hash_seed = seed_;
  }
  const CollectionLimits& limits() const { return limits_; }

  // --- changing: called by apply() in store/effect.cc only ---
  Object* put_string(DbId db, const KeyRef& key, std::string_view value, int64_t expire_at_ms,
                     Seq seq);
  // Takes over the collection.
  Object* put_collection(DbId db, const KeyRef& key, ObjectType type, Collection value,
                         int64_t expire_at_ms, Seq seq);
  // Changes a part of a collection, which is made if it is absent and the effect may make it, and
  // erased when nothing is left in it (but a stream). Gives the object; null when there is none.
  Object* edit(DbId db, const KeyRef& key, EffectType type, std::string_view operands, Seq seq);
  void write_range(DbId db, const KeyRef& key, uint64_t offset, std::string_view bytes, Seq seq);
  void set_expiry(DbId db, const KeyRef& key, int64_t expire_at_ms, Seq seq);
  void erase(DbId db, const KeyRef& key, Seq seq);
  void flush(DbId db, Seq seq);
  void map_databases(const DbMap& map, Seq seq);
  void put_library(std::string_view name, std::string_view code, Seq seq);
  void erase_library(std::string_view name, Seq seq);  // an empty name: all

  void remember(const Remembered& remembered, Seq seq) { outcomes_.note(remembered, seq); }

  // --- checkpoints ---
  // From now on changed keys and dropped databases are listed. Owned by the caller; null turns it
  // off.
  void track_dirty(DirtyKeys* dirty) { dirty_ = dirty; }
  // The record `ref` of the key is to be given back at the next checkpoint, which writes the key
  // anew if it is there.
  void replace_record(DbId db, const KeyRef& key, RecordRef ref);
  // Puts the key into `list`, if `ref` is its record, to have it written elsewhere.
  // `value` is the record's, if it can be read; without it a value that is on the device only
  // stays.
  void move_record(DbId db, const KeyRef& key, RecordRef ref, std::optional<std::string_view> value,
                   DirtyKeys* list);

  // --- values on the device only ---
  // Gives the value in a record, and waits for it. Without one no value may be cooled.
  using ValueSource =
      std::function<Result<std::string>(DbId db, const KeyRef& key, const Object& object)>;
  void set_value_source(ValueSource source) { source_ = std::move(source); }
  static constexpr uint64_t kMinCold = 64;  // bytes of a value that is worth it
  // The value, which stays on the device. Throws ValueUnreadable. REQUIRES: object.cold().
  std::string read_cold(DbId db, const Object& object) const;
  // True once any value was cooled.
  bool may_be_cold() const { return may_be_cold_; }
  // The value has been read from `ref`: taken, if that is still where the object's value is.
  void warm(DbId db, const KeyRef& key, RecordRef ref, std::string_view value);
  // Puts the object of a record into the keyspace without its value.
  Object* put_cold(DbId db, const KeyRef& key, ObjectType type, uint64_t size,
                   int64_t expire_at_ms);
  // Looks at the next objects, some tens, and forgets the values of those that were not used since
  // the last look, if `on_device` says so of their record. Gives the bytes freed.
  uint64_t cool_some(const std::function<bool(RecordRef)>& on_device);
  // Rounds that cool_some() has made through all keys.
  uint64_t cool_rounds() const { return cool_rounds_; }

  // Frees up to `limit` objects of dropped databases, and elements of large collections that are
  // gone; true while there is more.
  bool collect_garbage(uint32_t limit);
  uint64_t garbage_count() const { return garbage_count_; }
  uint64_t garbage_freed() const { return garbage_freed_; }  // since start

  // Bytes of the tables and heaps (not of the objects).
  size_t table_memory(DbId db) const;

 private:
  struct Slot {
    SlotTable table;
    std::unique_ptr<ExpiryHeap> heap;
  };
  // How the hashes whose fields expire are kept in a heap.
  struct HashAccess {
    static int64_t expire_at_ms(const Object* hash);
    static uint32_t heap_index(const Object* hash);
    static void set_heap_index(Object* hash, uint32_t index);
  };
  using HashHeap = BasicExpiryHeap<Object, HashAccess>;
  struct Database {
    std::unique_ptr<Slot[]> slots;              // null while the database was never used
    std::unique_ptr<int64_t[]> next_expiry_ms;  // per slot; null while no key expires
    std::unique_ptr<HashHeap> hashes;           // whose fields expire; null while there is none
    uint64_t size = 0;
    uint64_t with_expiry = 0;
    Seq last_change = 0;
    Seq flushed_at = 0;
    uint32_t due_cursor = 0;
  };

  Slot& slot(DbId db, SlotId slot);
  Object* warmed(Object* object, std::string_view value) const;
  void warm_now(DbId db, const KeyRef& key, Object** place);
  void step_cool_hand();
  void insert(DbId db, const KeyRef& key, Object* object);
  void replace(DbId db, const KeyRef& key, Object** place, Object* object);
  Object* overwrite(DbId db, const KeyRef& key, Object** place, Object* fresh);
  void discard(Object* object);
  void note_change(DbId db, Object* object, Seq seq);
  void note_dirty(DbId db, std::string_view key, RecordRef ref) {
    if (dirty_ != nullptr) dirty_->add(db, key, ref);
  }
  void enter_heap(DbId db, SlotId slot, Object* object);
  void leave_heap(DbId db, SlotId slot, Object* object);
  void refresh_next_expiry(Database& db, SlotId slot);
  // A hash with a place for when its fields expire.
  static bool may_track_fields(const Object& object) {
    return object.type() == ObjectType::kHash && !object.cold() &&
           object.encoding() != Encoding::kListpack;
  }
  void track_fields(DbId db, Object* object);
  void forget_fields(DbId db, Object* object);
  static size_t filter_place(DbId db, const KeyRef& key);

  const uint64_t seed_;
  uint32_t access_now_ = 0;
  DbMap db_map_;
  Seq mapped_at_ = 0;
  std::array<Database, kDbCount> databases_;
  DirtyKeys* dirty_ = nullptr;

  std::map<std::string, std::string, std::less<>> libraries_;
  Seq libraries_at_ = 0;
  uint64_t libraries_version_ = 0;

  Outcomes outcomes_;

  ValueSource source_;
  bool may_be_cold_ = false;
  DbId cool_db_ = 0;  // the clock's hand: a database, and a scan's cursor in it
  uint64_t cool_cursor_ = 0;
  uint64_t cool_rounds_ = 0;
  std::vector<Object*> cool_candidates_;

  // Newest erase per place, a place being shared by the keys that hash to it: the answer for a key
  // may be too high, never too low. That can only make a read wait that need not.
  static constexpr size_t kFilterPlaces = 1 << 14;
  std::unique_ptr<Seq[]> erased_;

  CollectionLimits limits_;

  static constexpr uint64_t kFreedAtOnce = 64;  // elements
  struct GarbageValue {
    ObjectType type;
    Collection value;
  };
  std::deque<GarbageValue> garbage_values_;
  std::deque<Database> garbage_;
  uint32_t garbage_slot_ = 0;  // next slot of the first garbage database
  uint64_t garbage_count_ = 0;
  uint64_t garbage_freed_ = 0;
};

}  // namespace holdfast
