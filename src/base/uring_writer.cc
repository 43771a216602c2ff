// See uring_writer.h.
#include "base/uring_writer.h"

#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/assert.h"

namespace holdfast {

UringWriter::UringWriter(LibeventReactor& reactor, int fd, std::string path)
    : reactor_(reactor), fd_(fd), path_(std::move(path)), transfers_(kDepth) {
  for (uint32_t place = kDepth; place > 0; --place) free_.push_back(place - 1);
}

std::unique_ptr<UringWriter> UringWriter::create(LibeventReactor& reactor, int fd,
                                                 std::string path) {
  io_uring ring{};
  if (io_uring_queue_init(kDepth, &ring, 0) != 0) return nullptr;
  const int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (event_fd < 0 || io_uring_register_eventfd(&ring, event_fd) != 0) {
    if (event_fd >= 0) ::close(event_fd);
    io_uring_queue_exit(&ring);
    return nullptr;
  }
  std::unique_ptr<UringWriter> made(new UringWriter(reactor, fd, std::move(path)));
  made->ring_ = ring;
  made->event_fd_ = event_fd;
  made->watcher_ = event_new(
      reactor.base(), event_fd, EV_READ | EV_PERSIST,
      [](int read_fd, short, void* self) {
        uint64_t count = 0;
        [[maybe_unused]] const ssize_t got = ::read(read_fd, &count, sizeof count);
        auto* writer = static_cast<UringWriter*>(self);
        writer->reactor_.note_event();
        writer->reap();
      },
      made.get());
  HF_ASSERT(made->watcher_ != nullptr && event_add(made->watcher_, nullptr) == 0);
  return made;
}

UringWriter::~UringWriter() {
  waiting_.clear();
  for (Transfer& transfer : transfers_) transfer.done = nullptr;
  if (watcher_ != nullptr) event_free(watcher_);
  drain();  // the kernel reads the buffers until then
  io_uring_queue_exit(&ring_);
  ::close(event_fd_);
  ::close(fd_);
}

void UringWriter::write(uint64_t offset, AlignedBuffer data, Done done) {
  begin({false, offset, 0, std::move(data),
         [done = std::move(done)](Status status, AlignedBuffer) { done(std::move(status)); }});
}

void UringWriter::read(uint64_t offset, size_t size, ReadDone done) {
  begin({true, offset, 0, AlignedBuffer::uninitialized(size), std::move(done)});
}

void UringWriter::begin(Transfer transfer) {
  if (free_.empty()) {
    waiting_.push_back(std::move(transfer));
    return;
  }
  const uint32_t place = free_.back();
  free_.pop_back();
  transfers_[place] = std::move(transfer);
  start(place);
}

// Hands what is left of the transfer at `place` to the kernel. There is always a free entry: places
// and entries are equally many.
void UringWriter::start(uint32_t place) {
  Transfer& transfer = transfers_[place];
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  HF_ASSERT(entry != nullptr);
  char* at = transfer.data.data() + transfer.moved;
  const auto left = static_cast<unsigned>(transfer.data.size() - transfer.moved);
  if (transfer.read) {
    io_uring_prep_read(entry, fd_, at, left, transfer.offset + transfer.moved);
  } else {
    io_uring_prep_write(entry, fd_, at, left, transfer.offset + transfer.moved);
  }
  io_uring_sqe_set_data64(entry, place);
  int submitted = 0;
  do {
    submitted = io_uring_submit(&ring_);
  } while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
  HF_ASSERT(submitted >= 0);
}

bool UringWriter::reap() {
  bool any = false;
  io_uring_cqe* entry = nullptr;
  while (io_uring_peek_cqe(&ring_, &entry) == 0) {
    const auto place = static_cast<uint32_t>(io_uring_cqe_get_data64(entry));
    const int result = entry->res;
    io_uring_cqe_seen(&ring_, entry);
    completed(place, result);
    any = true;
  }
  return any;
}

// An interrupted or short transfer goes on: neither is a failure of the medium.
void UringWriter::completed(uint32_t place, int result) {
  Transfer& transfer = transfers_[place];
  if (result == -EINTR || result == -EAGAIN) {
    start(place);
    return;
  }
  if (result == 0 && transfer.read) {
    finish(place, Status::corrupt("read " + path_ + " at " + std::to_string(transfer.offset) +
                                  ": the file ends there"));
    return;
  }
  if (result <= 0) {
    const std::string what = std::string(transfer.read ? "read " : "write ") + path_ + " at " +
                             std::to_string(transfer.offset);
    finish(place, Status::from_errno(what, result == 0 ? ENOSPC : -result));
    return;
  }
  transfer.moved += static_cast<size_t>(result);
  if (transfer.moved < transfer.data.size()) {
    start(place);
  } else {
    finish(place, {});
  }
}

void UringWriter::finish(uint32_t place, Status status) {
  Transfer transfer = std::exchange(transfers_[place], {});
  if (!transfer.read) transfer.data = {};
  if (waiting_.empty()) {
    free_.push_back(place);
  } else {
    transfers_[place] = std::move(waiting_.front());
    waiting_.pop_front();
    start(place);
  }
  if (transfer.done) transfer.done(std::move(status), std::move(transfer.data));
}

void UringWriter::drain() {
  while (free_.size() < kDepth) {
    if (reap()) continue;
    io_uring_cqe* entry = nullptr;
    const int waited = io_uring_wait_cqe(&ring_, &entry);
    HF_ASSERT(waited == 0 || waited == -EINTR);
  }
}

}  // namespace holdfast
