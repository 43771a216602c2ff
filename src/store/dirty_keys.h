// DirtyKeys: the keys changed since the last checkpoint began, each once, so that a checkpoint
// costs what was changed and not what is stored. Databases that were dropped as a whole are noted
// apart from keys.
//
// A flag in the object (Object::dirty) keeps a key from being listed twice; a key that was erased
// stays listed and is then found absent. Keys lie one behind the other in 64 KiB chunks.
#pragma once

#include <bitset>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/types.h"

namespace holdfast {

class DirtyKeys {
 public:
  // Lists follow each other as even and odd ones.
  explicit DirtyKeys(bool odd = false) : odd_(odd) {}
  bool odd() const { return odd_; }

  // `ref`: of the record that the key had until now; a checkpoint gives it back to the engine.
  void add(DbId db, std::string_view key, RecordRef ref);
  void add_flush(DbId db, Seq seq);
  bool empty() const { return count_ == 0; }
  uint64_t size() const { return count_; }
  // Takes the oldest key out. The view lives until the next call. REQUIRES: !empty().
  std::string_view take(DbId* db, RecordRef* ref);
  // Dropped databases, and the seq of the newest drop.
  std::bitset<kDbCount> flushed() const { return flushed_; }
  Seq flushed_at() const { return flushed_at_; }
  size_t memory() const;

 private:
  static constexpr size_t kChunkBytes = 64 * 1024;
  std::deque<std::string> chunks_;
  bool odd_;
  size_t read_ = 0;  // offset in the first chunk
  uint64_t count_ = 0;
  std::bitset<kDbCount> flushed_;
  Seq flushed_at_ = 0;
};

}  // namespace holdfast
