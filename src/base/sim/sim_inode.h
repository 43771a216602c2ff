// SimInode: the content of one file of SimDisk. Internal to base/sim.
//
// Invariant: `seen` is `durable` with every unflushed change applied in order (but for a
// misdirected write, which both tell in the same wrong way, and rot, which turns the bit in both).
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/sim/cow_bytes.h"

namespace holdfast {

class SimInode {
 public:
  explicit SimInode(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }  // it was made under, for messages
  const CowBytes& seen() const { return seen_; }
  const CowBytes& durable() const { return durable_; }

  // `certain`: survives a crash at once, whatever older unflushed changes do.
  void write(uint64_t offset, std::span<const char> data, bool certain);
  void resize(uint64_t size, bool certain);
  void flush();
  // The number of the newest change; settle() makes that one certain, alone.
  uint64_t last_change() const { return changes_; }
  void settle(uint64_t change);
  void crash(Random& random);
  void turn_bit(uint64_t offset, int bit);

  bool poisoned = false;
  bool misdirect_next = false;
  std::vector<std::pair<uint64_t, uint64_t>> bad_ranges;  // offset, size: reads fail

 private:
  struct Change {
    enum Kind : uint8_t { kWrite, kResize } kind;
    bool certain;
    uint64_t number;
    uint64_t offset;  // or the new size
    std::string bytes;
  };

  void add(Change change);
  static void apply(const Change& change, CowBytes& content);
  static void apply_torn(const Change& change, CowBytes& content, Random& random, uint64_t keep);

  std::string path_;
  CowBytes durable_;
  CowBytes seen_;
  std::deque<Change> unflushed_;
  uint64_t changes_ = 0;
};

}  // namespace holdfast
