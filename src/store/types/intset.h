// Intset: a sorted set of integers in one block of bytes, in Redis's own format.
//
//   width    4 bytes, little-endian: 2, 4 or 8, bytes of each element
//   count    4 bytes
//   elements signed, little-endian, ascending, none twice
//
// The width is what the largest ever needed; it does not shrink. Membership takes O(log n), a
// change O(n), which is why large ones become hash tables. Like Listpack, a handle on a block
// that is owned by who holds the pointer: after a change block() may be another address.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

class Intset {
 public:
  static char* create();  // empty
  static char* copy(std::string_view bytes);
  static void destroy(char* block);
  // Whether the bytes are an intset, sorted and without doubles; for bytes from outside.
  static bool valid(std::string_view bytes);

  explicit Intset(void* block) : block_(static_cast<char*>(block)) {}

  char* block() const { return block_; }
  std::string_view bytes() const { return {block_, size_t{kHeaderBytes} + count() * width()}; }
  uint32_t count() const;
  int64_t at(uint32_t index) const;
  int64_t min() const { return at(0); }  // REQUIRES: not empty
  int64_t max() const { return at(count() - 1); }
  bool contains(int64_t value) const;
  // False when it is there already.
  bool add(int64_t value);
  // False when it is not there.
  bool remove(int64_t value);
  size_t memory() const;

 private:
  static constexpr uint32_t kHeaderBytes = 8;

  uint32_t width() const;
  void put(uint32_t index, int64_t value);
  // Where the value is, or would be; true when it is there.
  bool search(int64_t value, uint32_t* index) const;
  void resize(uint32_t count, uint32_t width);
  void widen_and_add(int64_t value, uint32_t width);

  char* block_;
};

}  // namespace holdfast
