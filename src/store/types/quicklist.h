// Quicklist: a long list as a doubly linked chain of chunks, each a listpack up to the configured
// size. Both ends are O(1); a place inside is found by skipping whole chunks from the nearer end.
//
// An element that is too large for a chunk is kept plain, in a chunk of its own.
//
// What must hold: no chunk is empty; size() is the sum of the chunks' counts. Chunks may be smaller
// than they could be (what is taken out of the middle leaves room), and one that came with a
// payload may be larger than the limit, but not than kMaxForeignBytes.
//
// Views into a chunk live until the next change.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/collection_limits.h"
#include "store/types/listpack.h"

namespace holdfast {

// What list_max_listpack_size allows for one listpack.
struct ChunkLimit {
  size_t bytes;
  uint64_t count;

  static ChunkLimit of(const CollectionLimits& limits);
  bool allows(size_t total, uint64_t elements) const { return total <= bytes && elements <= count; }
};

class Quicklist {
 public:
  static constexpr size_t kMaxForeignBytes = 64 * 1024;

  struct Chunk {
    Chunk* prev = nullptr;
    Chunk* next = nullptr;
    char* data = nullptr;     // a listpack, or the bytes of one plain element
    uint32_t count = 0;       // elements
    uint32_t plain_size = 0;  // 0: a listpack

    bool plain() const { return plain_size != 0; }
    Listpack pack() const { return Listpack(data); }
    std::string_view plain_bytes() const { return {data, plain_size}; }
    size_t bytes() const { return plain() ? plain_size : pack().total(); }
  };

  // An element's chunk, and how many elements of the chunk are before it.
  struct Place {
    Chunk* chunk;
    uint32_t offset;
  };

  Quicklist() = default;
  ~Quicklist();
  Quicklist(const Quicklist&) = delete;
  Quicklist& operator=(const Quicklist&) = delete;

  uint64_t size() const { return size_; }
  uint64_t chunks() const { return chunks_; }
  Chunk* first() const { return first_; }
  Chunk* last() const { return last_; }
  // REQUIRES: index < size().
  Place find(uint64_t index) const;
  size_t memory() const;  // estimated from some chunks

  // Puts a listpack, which is taken over, behind all. An empty one is freed.
  void append_pack(char* pack, const ChunkLimit& limit);

  void push(bool front, std::string_view element, const ChunkLimit& limit);
  // REQUIRES: count <= size().
  void pop(bool front, uint64_t count);
  // Replaces the element at the index. REQUIRES: index < size().
  void set(uint64_t index, std::string_view element, const ChunkLimit& limit);
  // Puts the element before the one at the index. REQUIRES: index <= size().
  void insert(uint64_t index, std::string_view element, const ChunkLimit& limit);
  // Removes up to `count` elements equal to this one, from the front or from the back.
  void remove(bool front, uint64_t count, std::string_view element);
  // Frees up to `limit` chunks from the front; gives how many.
  uint64_t drop_chunks(uint64_t limit);

  // If all elements are in one listpack: the only chunk, else null.
  const Chunk* only_pack() const {
    return first_ != nullptr && first_ == last_ && !first_->plain() ? first_ : nullptr;
  }
  // Gives that listpack away; the list is empty then.
  char* take_only_pack();

 private:
  Chunk* new_chunk(Chunk* before, std::string_view element, bool plain);
  void link(Chunk* chunk, Chunk* before);
  char* unlink(Chunk* chunk);  // gives its data; the chunk is freed
  void drop(Chunk* chunk);
  void put(Chunk* chunk, Listpack::Pos at, std::string_view element);
  void erase_at(Chunk* chunk, uint32_t offset);
  Chunk* split(Chunk* chunk, uint32_t offset);
  void merge_small(Chunk* chunk, const ChunkLimit& limit);

  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  uint64_t size_ = 0;
  uint64_t chunks_ = 0;
};

// Removes up to `count` elements equal to this one from a listpack; gives how many.
uint64_t remove_from_pack(Listpack* pack, bool front, uint64_t count, std::string_view element);

}  // namespace holdfast
