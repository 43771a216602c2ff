// KeyRegistry: what sessions have to do with keys, by the logical database they named them in.
//
// It is looked into for every effect while it is not empty: without copying the key.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/key.h"

namespace holdfast {

struct RegisteredKey {
  uint64_t hash;
  int db;
  std::string bytes;
};

struct RegisteredKeyView {
  uint64_t hash;
  int db;
  std::string_view bytes;
};

struct RegisteredKeyHash {
  using is_transparent = void;
  template <typename Key>
  size_t operator()(const Key& key) const {
    return key.hash + static_cast<size_t>(key.db);
  }
};

struct RegisteredKeyEqual {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return a.hash == b.hash && a.db == b.db && a.bytes == b.bytes;
  }
};

template <typename Value>
class KeyRegistry
    : public std::unordered_map<RegisteredKey, Value, RegisteredKeyHash, RegisteredKeyEqual> {
 public:
  auto find_key(int db, const KeyRef& key) {
    return this->find(RegisteredKeyView{key.hash, db, key.bytes});
  }
  // Made if need be; where it is does not change.
  auto& entry(int db, const KeyRef& key) {
    auto found = find_key(db, key);
    if (found == this->end()) {
      found = this->try_emplace(RegisteredKey{key.hash, db, std::string(key.bytes)}).first;
    }
    return *found;
  }
};

}  // namespace holdfast
