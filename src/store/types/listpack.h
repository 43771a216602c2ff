// Listpack: a sequence of strings and integers in one block of bytes, in Redis's own format, so
// that it costs the same and DUMP payloads and stream blocks are taken and given as they lie.
//
//   total      4 bytes, little-endian: of the whole block
//   count      2 bytes: elements; 65535 when there are as many or more
//   elements   each: encoding and content, then the length of both, to be read backwards
//   end        0xff
//
// First byte of an element:
//   0xxxxxxx             the integer 0..127
//   10xxxxxx             a string of 0..63 bytes, which follow
//   110xxxxx y           a signed integer of 13 bits, the upper five here
//   1110xxxx y           a string of up to 4095 bytes, the upper four bits of the length here
//   11110000             a string; its length in the next 4 bytes
//   11110001 .. 11110100 an integer in the next 2, 3, 4, 8 bytes, signed, little-endian
// The length behind it: groups of seven bits, the most significant first; each byte but the first
// has its top bit set (1 to 5 bytes).
//
// A string that is an integer in the sense of parse_int64 is always kept as one.
//
// The class is a handle on a block that is owned by whoever holds the pointer (a Collection): after
// a change block() may be another address. Positions are offsets; a change moves those behind it.
// Views into the block live until the next change.
#pragma once

#include <cstdint>
#include <string_view>

#include "store/object.h"

namespace holdfast {

class Listpack {
 public:
  // Where an element begins, or end(). 0 is no position.
  using Pos = uint32_t;
  static constexpr size_t kHeaderBytes = 6;
  // A block never grows above this, nor is a larger one read.
  static constexpr size_t kMaxBytes = 1 << 30;
  // Above this nothing is added; what remains is for heads of elements and numbers that change.
  static constexpr size_t kFullBytes = kMaxBytes - (1 << 20);

  struct Element {
    std::string_view text;  // when it is no integer
    int64_t number = 0;
    bool is_number = false;
  };

  // An empty block, with room for `capacity` bytes.
  static char* create(size_t capacity = 0);
  // A copy of bytes that are valid().
  static char* copy(std::string_view bytes);
  static void destroy(char* block);
  // Whether the bytes are a listpack, every element in the one form that find() looks for; for
  // bytes from outside.
  static bool valid(std::string_view bytes);

  explicit Listpack(void* block) : block_(static_cast<char*>(block)) {}

  char* block() const { return block_; }
  std::string_view bytes() const { return {block_, total()}; }
  uint32_t total() const { return load_fixed<uint32_t>(block_); }
  // O(1) below 65535 elements.
  uint32_t count() const;
  bool empty() const { return total() == kHeaderBytes + 1; }
  // Whether `more` bytes of strings can be added.
  bool fits(size_t more) const { return more < kFullBytes && total() + more < kFullBytes; }
  size_t memory() const;

  // --- going through ---
  Pos first() const { return kHeaderBytes; }  // end() when it is empty
  Pos last() const { return prev(end()); }    // REQUIRES: !empty()
  Pos end() const { return total() - 1; }
  Pos next(Pos at) const;
  Pos prev(Pos at) const;  // REQUIRES: at != first()
  // The element at `index`, from the end when negative (-1 is the last); end() when there is none.
  Pos seek(int64_t index) const;

  Element get(Pos at) const;
  // As a string; an integer is printed into `scratch`.
  std::string_view text(Pos at, IntScratch& scratch) const;
  // False when it is no integer.
  bool integer(Pos at, int64_t* out) const;
  bool equals(Pos at, std::string_view text) const;
  // The first equal element of those at `from`, and then every (skip + 1)th; end() when none is.
  Pos find(Pos from, std::string_view text, uint32_t skip = 0) const;

  // --- changing ---
  // Puts an element before the one at `at` (end(): behind all). Gives its position.
  Pos insert(Pos at, std::string_view text);
  Pos insert_integer(Pos at, int64_t value);
  void append(std::string_view text) { insert(end(), text); }
  void append_integer(int64_t value) { insert_integer(end(), value); }
  Pos replace(Pos at, std::string_view text);
  Pos replace_integer(Pos at, int64_t value);
  // Removes `count` elements (or as many as there are) from `at` on; gives the position of the one
  // that follows.
  Pos erase(Pos at, uint32_t count = 1);

 private:
  struct Encoded;

  uint32_t size_at(Pos at) const;  // of encoding and content
  Pos put(Pos at, uint32_t old_size, const Encoded& element);
  void resize(size_t total);
  void set_count(int64_t by);

  char* block_;
};

}  // namespace holdfast
