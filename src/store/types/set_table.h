// SetTable: the members of a large set, each one allocation: [varint: size] bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "store/linear_table.h"
#include "store/types/member.h"

namespace holdfast {

class SetEntry {
 public:
  static SetEntry* create(std::string_view member);
  static void destroy(SetEntry* entry);
  std::string_view member() const;
  size_t memory() const;
};

struct SetEntryTraits {
  using Key = MemberRef;
  static bool equal(const SetEntry& entry, const MemberRef& key) {
    return entry.member() == key.bytes;
  }
  static uint64_t hash_of(const SetEntry& entry, uint64_t seed) {
    return holdfast::hash_of(entry.member(), seed);
  }
};

class SetTable {
 public:
  using Table = LinearTable<SetEntry, SetEntryTraits>;

  explicit SetTable(uint64_t seed) : seed_(seed) {}
  ~SetTable() { drain(UINT32_MAX); }
  SetTable(const SetTable&) = delete;
  SetTable& operator=(const SetTable&) = delete;

  const Table& table() const { return table_; }
  uint32_t size() const { return table_.size(); }
  void reserve(uint64_t members) { table_.reserve(members); }
  bool contains(std::string_view member) const {
    return table_.find(MemberRef(member, seed_)) != nullptr;
  }
  bool add(std::string_view member);     // false when it is there already
  bool remove(std::string_view member);  // false when it is not there

  // Frees up to `limit` members; the number freed, less than `limit` when none are left.
  uint32_t drain(uint32_t limit);
  size_t memory() const { return sizeof(SetTable) + table_.memory() + entry_bytes_; }

 private:
  Table table_;
  const uint64_t seed_;
  uint64_t entry_bytes_ = 0;  // of all entries
};

}  // namespace holdfast
