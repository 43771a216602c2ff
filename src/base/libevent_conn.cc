// See libevent_conn.h.
#include "base/libevent_conn.h"

#include <event2/event.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace holdfast {
namespace {

void set_option(int fd, int level, int name, int value) {
  // Fails only where the option has no meaning (a unix socket), which is no error.
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

void apply_keepalive(int fd, int seconds) {
  constexpr int kProbes = 3;
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0 ? 1 : 0);
  if (seconds <= 0) return;
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / kProbes));
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
}

void set_event(event* which, bool on) {
  const int done = on ? event_add(which, nullptr) : event_del(which);
  HF_ASSERT(done == 0);
}

// One part is the common case, and cheaper without a message header.
ssize_t send_parts(int fd, std::span<const iovec> parts) {
  if (parts.size() == 1) return ::send(fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // only read by the kernel
  message.msg_iovlen = std::min<size_t>(parts.size(), IOV_MAX);
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

IoResult failed_io(int error_number) {
  const bool later = error_number == EAGAIN || error_number == EWOULDBLOCK;
  return {later ? IoResult::kWouldBlock : IoResult::kClosed, 0};
}

}  // namespace

LibeventConn::LibeventConn(LibeventReactor& reactor, int fd, Address peer, Address local)
    : reactor_(reactor),
      fd_(fd),
      state_(State::kOpen),
      peer_(std::move(peer)),
      local_(std::move(local)) {
  if (!peer_.is_unix()) set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  make_events();
  set_event(read_event_, true);
}

LibeventConn::LibeventConn(LibeventReactor& reactor, Address peer,
                           std::vector<SocketAddress> candidates)
    : reactor_(reactor),
      state_(State::kConnecting),
      peer_(std::move(peer)),
      candidates_(std::move(candidates)) {
  std::reverse(candidates_.begin(), candidates_.end());
}

LibeventConn::~LibeventConn() { close_socket(); }

void LibeventConn::make_events() {
  read_event_ = event_new(
      reactor_.base(), fd_, EV_READ | EV_PERSIST,
      [](int, short, void* self) { static_cast<LibeventConn*>(self)->on_read_event(); }, this);
  write_event_ = event_new(
      reactor_.base(), fd_, EV_WRITE | EV_PERSIST,
      [](int, short, void* self) { static_cast<LibeventConn*>(self)->on_write_event(); }, this);
  HF_ASSERT(read_event_ != nullptr && write_event_ != nullptr);
}

void LibeventConn::close_socket() {
  // Events first: the base must never hold a descriptor that is closed.
  if (read_event_ != nullptr) event_free(std::exchange(read_event_, nullptr));
  if (write_event_ != nullptr) event_free(std::exchange(write_event_, nullptr));
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Status LibeventConn::start() {
  Status status = Status::unavailable("connect " + peer_.to_string() + ": no address");
  while (!candidates_.empty()) {
    const SocketAddress to = candidates_.back();
    candidates_.pop_back();
    status = try_candidate(to);
    if (status.ok()) return status;
  }
  return status;
}

Status LibeventConn::try_candidate(const SocketAddress& to) {
  close_socket();
  fd_ = ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return Status::from_errno("socket for " + peer_.to_string(), errno);
  if (to.family() != AF_UNIX) set_option(fd_, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive_s_ > 0) apply_keepalive(fd_, keepalive_s_);
  if (::connect(fd_, to.raw(), to.size) != 0 && errno != EINPROGRESS) {
    return Status::from_errno("connect " + peer_.to_string(), errno);
  }
  make_events();
  set_event(write_event_, true);  // tells the outcome, also when it is known already
  return {};
}

int LibeventConn::connect_error() {
  int error_number = 0;
  socklen_t size = sizeof error_number;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error_number, &size) != 0) return errno;
  if (error_number != 0 || peer_.is_unix()) return error_number;
  // The kernel may pick the very port we connect to as our own and connect the socket to itself.
  local_ = local_address(fd_);
  const Address remote = peer_address(fd_);
  if (local_.host == remote.host && local_.port == remote.port) return ECONNREFUSED;
  return 0;
}

void LibeventConn::finish_connect() {
  const int error_number = connect_error();
  if (error_number == 0) {
    state_ = State::kOpen;
    if (peer_.is_unix()) local_ = peer_;
    if (!want_write_) set_event(write_event_, false);
    if (want_read_) set_event(read_event_, true);
    handler_->on_writable();
    return;
  }
  if (start().ok()) return;
  log_debug("connect failed", {{"peer", peer_.to_string()},
                               {"reason", Status::from_errno("connect", error_number).message()}});
  state_ = State::kFailed;
  close_socket();
  handler_->on_readable();
}

void LibeventConn::on_read_event() {
  reactor_.note_event();
  HF_ASSERT(handler_ != nullptr);
  handler_->on_readable();
}

void LibeventConn::on_write_event() {
  reactor_.note_event();
  HF_ASSERT(handler_ != nullptr);
  if (state_ == State::kConnecting) {
    finish_connect();
  } else {
    handler_->on_writable();
  }
}

IoResult LibeventConn::read(char* out, size_t capacity) {
  HF_ASSERT(capacity > 0);
  if (state_ != State::kOpen) {
    return {state_ == State::kFailed ? IoResult::kClosed : IoResult::kWouldBlock, 0};
  }
  ssize_t got = 0;
  do {
    got = ::recv(fd_, out, capacity, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return failed_io(errno);
  if (got == 0) return {IoResult::kClosed, 0};
  return {IoResult::kDone, static_cast<size_t>(got)};
}

IoResult LibeventConn::writev(std::span<const iovec> parts) {
  if (state_ != State::kOpen) {
    return {state_ == State::kFailed ? IoResult::kClosed : IoResult::kWouldBlock, 0};
  }
  ssize_t put = 0;
  do {
    put = send_parts(fd_, parts);
  } while (put < 0 && errno == EINTR);
  if (put < 0) return failed_io(errno);
  HF_ASSERT(put > 0);  // a caller with nothing to write would wait for ever
  return {IoResult::kDone, static_cast<size_t>(put)};
}

void LibeventConn::want_read(bool on) {
  if (on == want_read_) return;
  want_read_ = on;
  if (state_ == State::kOpen) set_event(read_event_, on);
}

void LibeventConn::want_write(bool on) {
  if (on == want_write_) return;
  want_write_ = on;
  if (state_ == State::kOpen) set_event(write_event_, on);
}

void LibeventConn::set_keepalive(int seconds) {
  keepalive_s_ = seconds;
  if (fd_ >= 0 && !peer_.is_unix()) apply_keepalive(fd_, seconds);
}

void LibeventConn::limit_unsent(int bytes) {
  if (fd_ >= 0 && !peer_.is_unix()) set_option(fd_, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes);
}

}  // namespace holdfast
