// SimWriter: SimDisk's BlockWriter. A write is seen by readers at once, as a device under O_DIRECT
// may show it, is on the medium when it completes, and until then is whatever a crash makes of it.
// It completes after 0 to 3 ms of virtual time (SimDisk::set_delay), so writes
// overtake each other.
//
// After power is lost nothing completes any more.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "base/block_writer.h"
#include "base/reactor.h"
#include "base/sim/sim_disk.h"

namespace holdfast {

class SimWriter final : public BlockWriter {
 public:
  SimWriter(SimDisk& disk, std::shared_ptr<SimInode> inode, Reactor& reactor);
  ~SimWriter() override;

  void write(uint64_t offset, AlignedBuffer data, Done done) override;
  void read(uint64_t offset, size_t size, ReadDone done) override;
  void drain() override;

 private:
  struct Write {
    uint64_t change = 0;  // of the inode
    Status status;        // that it began with
    Done done;
    TimerId timer = 0;
  };
  struct Read {
    uint64_t offset = 0;
    AlignedBuffer data;
    std::optional<Status> status;  // it was read when it began
    ReadDone done;
    TimerId timer = 0;
  };

  void complete_in_time(uint64_t number);  // not while the disk stalls
  void complete(uint64_t number);
  void complete_read_in_time(uint64_t number);  // not while it is held
  void complete_read(uint64_t number);

  SimDisk& disk_;
  std::shared_ptr<SimInode> inode_;
  Reactor& reactor_;
  uint64_t generation_;
  std::map<uint64_t, Write> writes_;  // in the order they were made
  std::map<uint64_t, Read> reads_;
  uint64_t next_ = 0;
};

}  // namespace holdfast
