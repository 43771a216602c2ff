// Extents: which blocks of the data file are free. Never read from the device: at open it follows
// from what the checkpoint and the log name, and everything else is free.
//
// Invariant: free runs do not touch each other and do not overlap what is taken; taking a block
// twice is kCorrupt at open, and a broken assertion afterwards.
// Threads: the reactor's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "engine/disk/layout.h"

namespace holdfast::disk {

class Extents {
 public:
  // All `blocks` are free.
  explicit Extents(uint64_t blocks);

  // At open: what a checkpoint or the log names.
  Status take(const Extent& extent);
  // First fit, from the front: what is free at the back stays in one piece.
  std::optional<Extent> allocate(uint64_t blocks);
  void release(const Extent& extent);
  // The file has `blocks` now.
  void grow(uint64_t blocks);

  uint64_t blocks() const { return blocks_; }
  uint64_t free_blocks() const { return free_blocks_; }

 private:
  uint64_t blocks_;
  uint64_t free_blocks_;
  std::map<uint64_t, uint64_t> free_;  // first block -> count
};

}  // namespace holdfast::disk
