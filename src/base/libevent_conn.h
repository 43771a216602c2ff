// LibeventConn: one non-blocking stream socket with one read event and one write event, both
// persistent and added only while that readiness is wanted.
//
// States: connecting (write event on, no reads; ends in one of the others), open, failed (no
// events; reads and writes say kClosed).
// Invariant: after a callback into the handler nothing of this object is touched, because the
// handler may have destroyed it.
#pragma once

#include <vector>

#include "base/libevent_reactor.h"
#include "base/net.h"
#include "base/socket_address.h"
#include "base/status.h"

namespace holdfast {

class LibeventConn final : public Conn {
 public:
  // Takes over an accepted socket.
  LibeventConn(LibeventReactor& reactor, int fd, Address peer, Address local);
  // Connects to the first of `candidates` that accepts. start() must follow.
  LibeventConn(LibeventReactor& reactor, Address peer, std::vector<SocketAddress> candidates);
  ~LibeventConn() override;
  LibeventConn(const LibeventConn&) = delete;
  LibeventConn& operator=(const LibeventConn&) = delete;

  // Not ok when no candidate can even be tried.
  Status start();

  void set_handler(ConnHandler* handler) override { handler_ = handler; }
  IoResult read(char* out, size_t capacity) override;
  IoResult writev(std::span<const iovec> parts) override;
  void want_read(bool on) override;
  void want_write(bool on) override;
  void set_keepalive(int seconds) override;
  void limit_unsent(int bytes) override;
  const Address& peer() const override { return peer_; }
  const Address& local() const override { return local_; }
  int fd() const override { return fd_; }

 private:
  enum class State : uint8_t { kConnecting, kOpen, kFailed };

  void make_events();
  void close_socket();
  Status try_candidate(const SocketAddress& to);
  int connect_error();
  void finish_connect();
  void on_read_event();
  void on_write_event();

  LibeventReactor& reactor_;
  int fd_ = -1;
  event* read_event_ = nullptr;
  event* write_event_ = nullptr;
  ConnHandler* handler_ = nullptr;
  State state_;
  bool want_read_ = true;
  bool want_write_ = false;
  int keepalive_s_ = 0;
  Address peer_;
  Address local_;
  std::vector<SocketAddress> candidates_;  // those not tried yet, the next one last
};

}  // namespace holdfast
