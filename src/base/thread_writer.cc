// See thread_writer.h.
#include "base/thread_writer.h"

#include <utility>

namespace holdfast {

ThreadWriter::ThreadWriter(Reactor& reactor, std::unique_ptr<File> file)
    : reactor_(reactor),
      file_(std::move(file)),
      self_(std::make_shared<ThreadWriter*>(this)),
      thread_([this] { work(); }) {}

ThreadWriter::~ThreadWriter() {
  *self_ = nullptr;
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void ThreadWriter::write(uint64_t offset, AlignedBuffer data, Done done) {
  begin({false, offset, std::move(data),
         [done = std::move(done)](Status status, AlignedBuffer) { done(std::move(status)); }});
}

void ThreadWriter::read(uint64_t offset, size_t size, ReadDone done) {
  begin({true, offset, AlignedBuffer::uninitialized(size), std::move(done)});
}

void ThreadWriter::begin(Transfer transfer) {
  std::lock_guard lock(mutex_);
  queue_.push_back(std::move(transfer));
  changed_.notify_all();
}

void ThreadWriter::drain() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.empty() && !working_; });
  }
  run_completed();
}

void ThreadWriter::run_completed() {
  std::vector<Completed> completed;
  {
    std::lock_guard lock(mutex_);
    completed.swap(completed_);
  }
  for (Completed& one : completed) {
    one.transfer.done(std::move(one.status), std::move(one.transfer.data));
  }
}

// What is queued is written before the thread ends.
void ThreadWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !queue_.empty() || ending_; });
    if (queue_.empty()) return;
    Transfer transfer = std::move(queue_.front());
    queue_.pop_front();
    working_ = true;
    lock.unlock();
    Status status = transfer.read ? file_->read_at(transfer.offset, transfer.data.span())
                                  : file_->write_at(transfer.offset, transfer.data.span());
    if (!transfer.read) transfer.data = {};
    lock.lock();
    working_ = false;
    const bool post = completed_.empty();
    completed_.push_back({std::move(transfer), std::move(status)});
    changed_.notify_all();
    if (!post) continue;
    reactor_.post([self = self_] {
      if (*self != nullptr) (*self)->run_completed();
    });
  }
}

}  // namespace holdfast
