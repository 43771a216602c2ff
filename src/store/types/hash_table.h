// HashTable: the fields of a large hash, each with its value in one allocation.
//
//   [varint: size of the field * 2, + 1 if it expires]
//   [expires at 8 B, place in the heap 4 B]            only of a field that expires
//   [varint: size of the value] field value
//
// A field of 10 bytes with a value of 20 takes 32 bytes. The fields that expire are in a heap,
// soonest first, so that they are found when they are due and nothing has to be searched.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "store/expiry_heap.h"
#include "store/linear_table.h"
#include "store/types/member.h"

namespace holdfast {

class HashEntry {
 public:
  // `expire_at_ms` 0: never. Throws std::bad_alloc only.
  static HashEntry* create(std::string_view field, std::string_view value, int64_t expire_at_ms);
  static void destroy(HashEntry* entry);

  std::string_view field() const;
  std::string_view value() const;
  bool expires() const { return (*bytes() & 1) != 0; }
  int64_t expire_at_ms() const;  // 0: never
  // REQUIRES: expires().
  void set_expire_at_ms(int64_t at);
  uint32_t heap_index() const;
  void set_heap_index(uint32_t index);

  // Writes the value within this allocation. False: it does not fit; nothing changed.
  bool assign(std::string_view value);
  size_t memory() const;

 private:
  struct Layout;
  Layout layout() const;
  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  char* bytes() { return reinterpret_cast<char*>(this); }
  char* expiry() const;
};

struct HashEntryTraits {
  using Key = MemberRef;
  static bool equal(const HashEntry& entry, const MemberRef& key) {
    return entry.field() == key.bytes;
  }
  static uint64_t hash_of(const HashEntry& entry, uint64_t seed) {
    return holdfast::hash_of(entry.field(), seed);
  }
};

class HashTable {
 public:
  using Table = LinearTable<HashEntry, HashEntryTraits>;
  using FieldHeap = BasicExpiryHeap<HashEntry>;

  explicit HashTable(uint64_t seed) : seed_(seed) {}
  ~HashTable();
  HashTable(const HashTable&) = delete;
  HashTable& operator=(const HashTable&) = delete;

  const Table& table() const { return table_; }
  uint32_t size() const { return table_.size(); }
  void reserve(uint64_t fields) { table_.reserve(fields); }
  const HashEntry* find(std::string_view field) const {
    return table_.find(MemberRef(field, seed_));
  }

  // Puts the value; true when the field is new. Its expiry becomes none, or stays if `keep_expiry`.
  bool set(std::string_view field, std::string_view value, bool keep_expiry);
  // False when there is no such field. 0: never.
  bool set_expiry(std::string_view field, int64_t at_ms);
  bool erase(std::string_view field);

  uint32_t expiring() const { return heap_ == nullptr ? 0 : heap_->size(); }
  int64_t next_expiry_ms() const {
    return heap_ == nullptr ? FieldHeap::kNever : heap_->first_ms();
  }
  // Calls visit(entry) for up to `limit` of the fields that are due.
  template <typename Visit>
  void visit_due(int64_t now_ms, uint32_t limit, Visit&& visit) const {
    if (heap_ != nullptr) heap_->visit_due(now_ms, limit, visit);
  }

  // Frees up to `limit` fields; the number freed, less than `limit` when none are left.
  uint32_t drain(uint32_t limit);
  size_t memory() const;

  // Where the keyspace keeps this hash among those whose fields expire.
  uint32_t place_in_keyspace = UINT32_MAX;

 private:
  void replace(HashEntry** place, HashEntry* entry);
  void leave_heap(HashEntry* entry);
  void enter_heap(HashEntry* entry);

  Table table_;
  const uint64_t seed_;
  uint64_t entry_bytes_ = 0;  // of all entries
  std::unique_ptr<FieldHeap> heap_;
};

}  // namespace holdfast
