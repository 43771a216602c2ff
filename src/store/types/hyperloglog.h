// HyperLogLog: how many different elements were added, within a standard error of 0.81 %, from a
// string of at most 12,304 bytes. The string is Redis's own, byte for byte, so that it moves
// between the servers as what it is: a value that GET and SET know.
//
//   magic      4 bytes "HYLL"
//   encoding   1 byte: 0 dense, 1 sparse
//   unused     3 bytes
//   count      8 bytes, little-endian: the last estimate; its top bit says that it is out of date
//   registers  dense: 16384 of 6 bits, the lowest bits first. Sparse: runs, one behind the other:
//              00xxxxxx             x+1 registers of 0
//              01xxxxxx yyyyyyyy    xy+1 registers of 0
//              1vvvvvxx             x+1 registers of v+1
//
// An element's hash (MurmurHash64A) chooses a register by its low 14 bits; the register holds the
// longest run of zeros seen in the rest, plus one. The estimate is that of Ertl (2017), as in
// Redis.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::hll {

inline constexpr int kRegisters = 1 << 14;
inline constexpr size_t kHeaderBytes = 16;
inline constexpr size_t kDenseBytes = kHeaderBytes + kRegisters * 6 / 8;
inline constexpr size_t kCountAt = 8;

using Registers = std::array<uint8_t, kRegisters>;

// A new one: sparse, empty.
std::string empty();
// Whether the string is one by its header and size. Its runs may still be damaged: what reads
// them tells by false.
bool plausible(std::string_view value);
// REQUIRES for all below: plausible(value).
bool dense(std::string_view value);

// The register of an element, and what it has to be at least.
struct Place {
  uint32_t index;
  uint8_t rank;
};
Place place_of(std::string_view element);

// Raises a register; the sparse form becomes dense when it would grow above `sparse_max_bytes` or
// can't hold the rank. *changed: whether the register was lower. False when the runs are damaged.
bool raise(std::string* value, Place place, uint64_t sparse_max_bytes, bool* changed);
// Of a dense one: where a register lies, and its bytes (one or two) if it has to be raised; else
// empty.
struct Patch {
  size_t offset = 0;
  std::string bytes;
};
Patch raised_dense(std::string_view value, Place place);

bool make_dense(std::string* value);
// Raises `registers` to those of the value.
bool merge(std::string_view value, Registers* registers);
// The runs of a sparse one as "z:12 Z:1000 v:3,1", as PFDEBUG DECODE shows them.
std::string decode_runs(std::string_view value);

uint64_t estimate(const Registers& registers);
// The stored estimate; false when it is out of date.
bool stored_count(std::string_view value, uint64_t* count);
// The eight bytes of `count`.
std::string count_bytes(uint64_t count);
// The last of the eight bytes, saying that the estimate is out of date.
char outdated_byte(std::string_view value);
void mark_outdated(std::string* value);

}  // namespace holdfast::hll
