// See extents.h.
#include "engine/disk/extents.h"

#include <iterator>
#include <string>

#include "base/assert.h"

namespace holdfast::disk {

Extents::Extents(uint64_t blocks) : blocks_(blocks), free_blocks_(blocks) {
  if (blocks > 0) free_[0] = blocks;
}

Status Extents::take(const Extent& extent) {
  const std::string name =
      "data blocks " + std::to_string(extent.block) + ".." + std::to_string(extent.end());
  if (extent.end() > blocks_ || extent.end() < extent.block) {
    return Status::corrupt(name + " lie outside of the data file");
  }
  if (extent.count == 0) return {};
  auto at = free_.upper_bound(extent.block);
  if (at == free_.begin()) return Status::corrupt(name + " are named twice");
  --at;
  const auto [first, count] = *at;
  if (first + count < extent.end()) return Status::corrupt(name + " are named twice");
  free_.erase(at);
  if (first < extent.block) free_[first] = extent.block - first;
  if (extent.end() < first + count) free_[extent.end()] = first + count - extent.end();
  free_blocks_ -= extent.count;
  return {};
}

std::optional<Extent> Extents::allocate(uint64_t blocks) {
  HF_ASSERT(blocks > 0);
  for (const auto& [first, count] : free_) {
    if (count < blocks) continue;
    const Extent extent{first, blocks};
    const Status taken = take(extent);
    HF_ASSERT(taken.ok());
    return extent;
  }
  return std::nullopt;
}

void Extents::release(const Extent& extent) {
  if (extent.count == 0) return;
  HF_ASSERT(extent.end() <= blocks_);
  const auto next = free_.lower_bound(extent.block);
  HF_ASSERT(next == free_.end() || extent.end() <= next->first);
  const auto previous = next == free_.begin() ? free_.end() : std::prev(next);
  HF_ASSERT(previous == free_.end() || previous->first + previous->second <= extent.block);
  uint64_t first = extent.block, count = extent.count;
  if (next != free_.end() && next->first == extent.end()) {
    count += next->second;
    free_.erase(next);
  }
  if (previous != free_.end() && previous->first + previous->second == extent.block) {
    first = previous->first;
    count += previous->second;
  }
  free_[first] = count;
  free_blocks_ += extent.count;
}

void Extents::grow(uint64_t blocks) {
  HF_ASSERT(blocks >= blocks_);
  if (blocks == blocks_) return;
  const Extent more{blocks_, blocks - blocks_};
  blocks_ = blocks;
  release(more);
}

}  // namespace holdfast::disk
