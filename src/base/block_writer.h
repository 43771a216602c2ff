// BlockWriter: several writes in flight to one file, each of them on stable media when it
// completes (O_DIRECT and O_DSYNC), and reads beside them. How a device is used by a thread that
// may not wait.
//
// Real: UringWriter where the kernel has io_uring, else ThreadWriter. Simulated: SimDisk's.
//
// Rules: writes in flight complete in any order, and until one completes, any part of its sectors
// may be on the medium. After the first failure nothing is known of the writes in flight; the
// caller stops the node, and nothing is retried (docs/ONDISK.md).
// Threads: the reactor's. No completion runs inside write().
#pragma once

#include <cstdint>
#include <functional>

#include "base/aligned_buffer.h"
#include "base/status.h"

namespace holdfast {

class BlockWriter {
 public:
  using Done = std::function<void(Status)>;
  using ReadDone = std::function<void(Status, AlignedBuffer)>;

  // Completions that have not run are dropped; the writes themselves are waited for.
  virtual ~BlockWriter() = default;

  // Takes `data` over and frees it before `done` runs. REQUIRES: offset is a multiple of kBlock.
  virtual void write(uint64_t offset, AlignedBuffer data, Done done) = 0;
  // REQUIRES: offset and size are multiples of kBlock, size > 0. A read of what is being written
  // gives any mixture of old and new.
  virtual void read(uint64_t offset, size_t size, ReadDone done) = 0;
  // Waits for all that is in flight and runs the completions.
  virtual void drain() = 0;
};

}  // namespace holdfast
