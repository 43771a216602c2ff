// See libevent_net.h. This file: listeners; connections are in libevent_conn.
#include "base/libevent_net.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/libevent_conn.h"
#include "base/log.h"
#include "base/socket_address.h"

namespace holdfast {
namespace {

constexpr int kAcceptsPerTurn = 64;  // so that a storm of new clients leaves turns for the others
constexpr int64_t kAcceptPauseMs = 100;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

bool out_of_resources(int error_number) {
  return error_number == EMFILE || error_number == ENFILE || error_number == ENOBUFS ||
         error_number == ENOMEM;
}

class LibeventListener final : public Listener {
 public:
  LibeventListener(LibeventReactor& reactor, int fd, Address address, Net::OnAccept on_accept)
      : reactor_(reactor),
        fd_(fd),
        address_(std::move(address)),
        on_accept_(std::make_shared<Net::OnAccept>(std::move(on_accept))) {
    if (address_.is_unix() && ::lstat(address_.path.c_str(), &bound_) != 0) bound_ = {};
    event_ = event_new(
        reactor_.base(), fd, EV_READ | EV_PERSIST,
        [](int, short, void* self) { static_cast<LibeventListener*>(self)->accept_some(); }, this);
    HF_ASSERT(event_ != nullptr);
    resume();
  }

  ~LibeventListener() override {
    if (destroyed_ != nullptr) *destroyed_ = true;
    reactor_.cancel(pause_);
    event_free(event_);
    if (address_.is_unix()) remove_socket_file();
  }

  const Address& address() const override { return address_; }
  void accept_waiting() override { accept_some(); }

 private:
  void accept_some() {
    reactor_.note_event();
    bool destroyed = false;
    destroyed_ = &destroyed;
    const auto on_accept = on_accept_;  // a callback that destroys the listener keeps running
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      SocketAddress from;
      from.size = sizeof from.storage;
      const int fd = ::accept4(fd_.get(), from.raw(), &from.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (!continue_after(errno)) break;
        continue;
      }
      short_of_resources_ = false;
      Address peer = address_.is_unix() ? address_ : to_address(from);
      Address local = address_.is_unix() ? address_ : local_address(fd);
      (*on_accept)(std::make_unique<LibeventConn>(reactor_, fd, std::move(peer), std::move(local)));
      if (destroyed) return;
    }
    destroyed_ = nullptr;
  }

  // After a failed accept: whether to try the next client at once.
  bool continue_after(int error_number) {
    if (error_number == EAGAIN || error_number == EWOULDBLOCK) return false;
    if (!out_of_resources(error_number)) return true;  // that one client went away
    if (!std::exchange(short_of_resources_, true)) {
      log_warning("accepting clients paused",
                  {{"address", address_.to_string()},
                   {"reason", Status::from_errno("accept", error_number).message()},
                   {"retry_ms", kAcceptPauseMs}});
    }
    HF_ASSERT(event_del(event_) == 0);
    pause_ = reactor_.run_after(kAcceptPauseMs, [this] { resume(); });
    return false;
  }

  void resume() { HF_ASSERT(event_add(event_, nullptr) == 0); }

  // Not if another server has meanwhile put its own socket there.
  void remove_socket_file() {
    struct stat now {};
    const bool ours = ::lstat(address_.path.c_str(), &now) == 0 && now.st_ino == bound_.st_ino &&
                      now.st_dev == bound_.st_dev;
    if (ours) ::unlink(address_.path.c_str());
  }

  LibeventReactor& reactor_;
  Descriptor fd_;
  Address address_;
  std::shared_ptr<Net::OnAccept> on_accept_;
  event* event_ = nullptr;
  TimerId pause_ = 0;
  bool short_of_resources_ = false;
  bool* destroyed_ = nullptr;  // set while accepting
  struct stat bound_ {};       // the unix socket file as we made it
};

Status in_use(const Address& address) {
  return {Code::kExists, "listen " + address.to_string() + ": address in use"};
}

// Removes the socket file of a server that is gone. kExists if it is alive, or no socket at all.
Status remove_stale_socket(const Address& address, const SocketAddress& to) {
  struct stat info {};
  if (::lstat(address.path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return Status::from_errno("listen " + address.to_string(), errno);
  }
  if (!S_ISSOCK(info.st_mode)) return in_use(address);
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (probe.get() < 0) return Status::from_errno("socket", errno);
  if (::connect(probe.get(), to.raw(), to.size) == 0 || errno != ECONNREFUSED) {
    return in_use(address);
  }
  if (::unlink(address.path.c_str()) != 0 && errno != ENOENT) {
    return Status::from_errno("remove stale " + address.path, errno);
  }
  return {};
}

Status bind_and_listen(int fd, const Address& address, const SocketAddress& to,
                       const ListenOptions& options) {
  const int on = 1;
  if (address.is_unix()) {
    if (Status status = remove_stale_socket(address, to); !status.ok()) return status;
    // Before bind the mode of the socket becomes that of the file: never open wider than asked.
    (void)::fchmod(fd, options.unix_mode);
  } else {
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // "::" and "0.0.0.0" can both be listened on, at one port.
    if (to.family() == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd, to.raw(), to.size) != 0 || ::listen(fd, options.backlog) != 0) {
    if (errno == EADDRINUSE) return in_use(address);
    return Status::from_errno("listen " + address.to_string(), errno);
  }
  if (address.is_unix() && ::chmod(address.path.c_str(), options.unix_mode) != 0) {
    return Status::from_errno("set mode of " + address.path, errno);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Listener>> LibeventNet::listen(const Address& address,
                                                      const ListenOptions& options,
                                                      OnAccept on_accept) {
  auto found = resolve(address, true);
  if (!found.ok()) return found.status();
  const SocketAddress& to = found.value().front();
  Descriptor fd(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return Status::from_errno("socket for " + address.to_string(), errno);
  if (Status status = bind_and_listen(fd.get(), address, to, options); !status.ok()) {
    return status;
  }
  Address bound = address.is_unix() ? address : local_address(fd.get());
  return std::unique_ptr<Listener>(std::make_unique<LibeventListener>(
      reactor_, fd.release(), std::move(bound), std::move(on_accept)));
}

Result<std::unique_ptr<Conn>> LibeventNet::connect(const Address& address) {
  auto candidates = resolve(address, false);
  if (!candidates.ok()) return candidates.status();
  auto conn = std::make_unique<LibeventConn>(reactor_, address, std::move(candidates.value()));
  if (Status status = conn->start(); !status.ok()) return status;
  return std::unique_ptr<Conn>(std::move(conn));
}

}  // namespace holdfast
