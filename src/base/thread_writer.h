// ThreadWriter: a BlockWriter for where io_uring is refused: one thread that writes and reads in
// order.
//
// Threads: `file` is used by the writer's own thread only; the queues are shared under one lock.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/block_writer.h"
#include "base/disk.h"
#include "base/reactor.h"

namespace holdfast {

class ThreadWriter final : public BlockWriter {
 public:
  // `file` was opened direct and write_through. `reactor` outlives the writer.
  ThreadWriter(Reactor& reactor, std::unique_ptr<File> file);
  ~ThreadWriter() override;
  ThreadWriter(const ThreadWriter&) = delete;
  ThreadWriter& operator=(const ThreadWriter&) = delete;

  void write(uint64_t offset, AlignedBuffer data, Done done) override;
  void read(uint64_t offset, size_t size, ReadDone done) override;
  void drain() override;

 private:
  struct Transfer {
    bool read = false;
    uint64_t offset = 0;
    AlignedBuffer data;
    ReadDone done;  // of a write, gets no buffer
  };
  struct Completed {
    Transfer transfer;
    Status status;
  };

  void begin(Transfer transfer);
  void work();
  void run_completed();

  Reactor& reactor_;
  std::unique_ptr<File> file_;
  // Tells tasks still posted when the writer is gone that it is.
  std::shared_ptr<ThreadWriter*> self_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Transfer> queue_;
  std::vector<Completed> completed_;
  bool working_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace holdfast
