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
  std::lock_guard lock(mutex_);
  queue_.push_back({offset, std::move(data), std::move(done)});
  changed_.notify_all();
}

void ThreadWriter::drain() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.empty() && !writing_; });
  }
  run_completed();
}

void ThreadWriter::run_completed() {
  std::vector<Completed> completed;
  {
    std::lock_guard lock(mutex_);
    completed.swap(completed_);
  }
  for (Completed& one : completed) one.done(one.status);
}

// What is queued is written before the thread ends.
void ThreadWriter::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !queue_.empty() || ending_; });
    if (queue_.empty()) return;
    Write write = std::move(queue_.front());
    queue_.pop_front();
    writing_ = true;
    lock.unlock();
    Status status = file_->write_at(write.offset, write.data.span());
    write.data = AlignedBuffer();
    lock.lock();
    writing_ = false;
    const bool post = completed_.empty();
    completed_.push_back({std::move(write.done), std::move(status)});
    changed_.notify_all();
    if (!post) continue;
    reactor_.post([self = self_] {
      if (*self != nullptr) (*self)->run_completed();
    });
  }
}

}  // namespace holdfast
