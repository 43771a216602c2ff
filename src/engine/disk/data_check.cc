// What the scrub asks of a DataStore; see data_store.h and scrub.h.
#include "engine/disk/data_store.h"

namespace holdfast::disk {

Status DataStore::read_blocks(const Extent& part, const Extent& next, AlignedBuffer* bytes) {
  *bytes = AlignedBuffer::uninitialized(part.bytes());
  const Status status = file_.read_at(part.offset(), bytes->span());
  if (next.count > 0) file_.will_read(next.offset(), next.bytes());
  return status;
}

Status DataStore::check_page(const Segment& segment) {
  AlignedBuffer page(kBlock);
  Status status = file_.read_at(segment.page.offset(), page.span());
  if (status.ok() && hash64(page.span(), page_seed(segment.id)) != segment.page_hash) {
    status = Status::corrupt("data file at " + std::to_string(segment.page.offset()) +
                             ": the page of segment " + std::to_string(segment.id) + " is damaged");
  }
  return status;
}

uint64_t DataStore::waiting_blocks() const {
  uint64_t blocks = 0;
  for (const Extent& extent : dropped_) blocks += extent.count;
  for (const Extent& extent : waiting_) blocks += extent.count;
  return blocks;
}

}  // namespace holdfast::disk
