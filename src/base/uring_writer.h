// UringWriter: a BlockWriter on io_uring. Writes are handed to the kernel in write(), completions
// come through an eventfd into the reactor's loop.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/block_writer.h"
#include "base/libevent_reactor.h"

namespace holdfast {

class UringWriter final : public BlockWriter {
 public:
  // `fd` was opened with O_DIRECT and O_DSYNC and belongs to the writer from then on, unless null
  // is given back: the kernel refuses io_uring. `path` is for messages.
  static std::unique_ptr<UringWriter> create(LibeventReactor& reactor, int fd, std::string path);
  ~UringWriter() override;
  UringWriter(const UringWriter&) = delete;
  UringWriter& operator=(const UringWriter&) = delete;

  void write(uint64_t offset, AlignedBuffer data, Done done) override;
  void read(uint64_t offset, size_t size, ReadDone done) override;
  void drain() override;

 private:
  static constexpr unsigned kDepth = 64;

  struct Transfer {
    bool read = false;
    uint64_t offset = 0;
    size_t moved = 0;  // bytes, so far
    AlignedBuffer data;
    ReadDone done;  // of a write, gets no buffer
  };

  UringWriter(LibeventReactor& reactor, int fd, std::string path);
  void begin(Transfer transfer);
  void start(uint32_t place);
  bool reap();
  void completed(uint32_t place, int result);
  void finish(uint32_t place, Status status);

  LibeventReactor& reactor_;
  const int fd_;
  const std::string path_;
  io_uring ring_{};
  int event_fd_ = -1;
  event* watcher_ = nullptr;
  std::vector<Transfer> transfers_;  // places; those in free_ are unused
  std::vector<uint32_t> free_;       //
  std::deque<Transfer> waiting_;     // for a place
};

}  // namespace holdfast
