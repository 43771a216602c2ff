// See sim_writer.h.
#include "base/sim/sim_writer.h"

#include <utility>

#include "base/sim/sim_inode.h"

namespace holdfast {

SimWriter::SimWriter(SimDisk& disk, std::shared_ptr<SimInode> inode, Reactor& reactor)
    : disk_(disk), inode_(std::move(inode)), reactor_(reactor), generation_(disk.generation_) {}

SimWriter::~SimWriter() {
  for (auto& [number, read] : reads_) reactor_.cancel(read.timer);
  for (auto& [number, write] : writes_) {
    reactor_.cancel(write.timer);
    if (write.status.ok()) (void)disk_.end_write(*inode_, write.change, generation_);
  }
}

void SimWriter::write(uint64_t offset, AlignedBuffer data, Done done) {
  HF_ASSERT(offset % kBlock == 0);
  const uint64_t number = next_++;
  Write& write = writes_[number];
  write.status = disk_.begin_write(*inode_, offset, data.span(), generation_, &write.change);
  write.done = std::move(done);
  write.timer = reactor_.run_after(static_cast<int64_t>(disk_.random_.below(disk_.delays_)),
                                   [this, number] { complete_in_time(number); });
}

void SimWriter::complete_in_time(uint64_t number) {
  if (reactor_.clock().mono_ns() >= disk_.stalled_until_ns_) {
    complete(number);
    return;
  }
  const int64_t left_ns = disk_.stalled_until_ns_ - reactor_.clock().mono_ns();
  writes_[number].timer =
      reactor_.run_after(left_ns / 1'000'000 + 1, [this, number] { complete_in_time(number); });
}

void SimWriter::complete(uint64_t number) {
  auto node = writes_.extract(number);
  Write& write = node.mapped();
  if (write.status.ok()) write.status = disk_.end_write(*inode_, write.change, generation_);
  if (disk_.powered_ && generation_ == disk_.generation_) write.done(write.status);
}

void SimWriter::read(uint64_t offset, size_t size, ReadDone done) {
  HF_ASSERT(offset % kBlock == 0 && size % kBlock == 0 && size > 0);
  const uint64_t number = next_++;
  const auto delay = static_cast<int64_t>(disk_.random_.below(disk_.delays_));
  Read& read = reads_[number];
  read.offset = offset;
  read.data = AlignedBuffer(size);
  read.done = std::move(done);
  read.timer = reactor_.run_after(delay, [this, number] { complete_read_in_time(number); });
  if (delay % 2 == 1) read.status = disk_.read(*inode_, offset, read.data.span());
}

void SimWriter::complete_read_in_time(uint64_t number) {
  Read& read = reads_.at(number);
  if (read.data.size() < disk_.held_reads_) return complete_read(number);
  read.timer = reactor_.run_after(1, [this, number] { complete_read_in_time(number); });
}

void SimWriter::complete_read(uint64_t number) {
  auto node = reads_.extract(number);
  Read& read = node.mapped();
  if (!read.status) read.status = disk_.read(*inode_, read.offset, read.data.span());
  if (disk_.powered_ && generation_ == disk_.generation_) {
    read.done(*read.status, std::move(read.data));
  }
}

void SimWriter::drain() {
  while (!reads_.empty()) {
    reactor_.cancel(reads_.begin()->second.timer);
    complete_read(reads_.begin()->first);
  }
  while (!writes_.empty()) {
    reactor_.cancel(writes_.begin()->second.timer);
    complete(writes_.begin()->first);
  }
}

}  // namespace holdfast
