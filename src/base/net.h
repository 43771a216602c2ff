// Net: the only way to sockets. Stream connections and listeners in readiness style: the owner is
// told that it can read or write and then moves bytes itself, so nothing is copied on the way.
//
// Real: LibeventNet (TCP and unix sockets). Simulated: SimNet (base/sim), which delays, splits,
// clogs and cuts streams under one seed.
//
// Threads: the reactor's only. Ownership: destroying a Conn or Listener closes it; neither calls
// its handler afterwards. A handler may destroy its own Conn inside a callback.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace holdfast {

// A TCP endpoint, or a unix socket when `path` is set.
struct Address {
  std::string host;
  uint16_t port = 0;
  std::string path;

  static Address tcp(std::string host, uint16_t port) { return {std::move(host), port, {}}; }
  static Address unix_socket(std::string path) { return {{}, 0, std::move(path)}; }
  // "HOST:PORT", an IPv6 host in brackets.
  static Result<Address> parse(std::string_view text);
  bool is_unix() const { return !path.empty(); }
  // "127.0.0.1:6380", "[::1]:6380", or "/run/x.sock:0" (Redis's form for unix sockets).
  std::string to_string() const;
  // True for 127.0.0.0/8, ::1 and unix sockets.
  bool is_loopback() const;
};

// Callbacks of one connection. `on_ready` after an end of stream or an error too: the read then
// reports it.
class ConnHandler {
 public:
  virtual ~ConnHandler() = default;
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;
};

// Outcome of one read or write that never blocks.
struct IoResult {
  enum Kind : uint8_t { kDone, kWouldBlock, kClosed };
  Kind kind;
  size_t bytes;  // moved, when kDone; > 0
};

class Conn {
 public:
  virtual ~Conn() = default;

  // Must be set before the first turn end; the handler outlives the Conn or destroys it.
  virtual void set_handler(ConnHandler* handler) = 0;
  // REQUIRES: capacity > 0; at least one byte in `parts`. Both kWouldBlock while connecting.
  virtual IoResult read(char* out, size_t capacity) = 0;
  virtual IoResult writev(std::span<const iovec> parts) = 0;
  // Readiness wanted. A new connection wants reads and no writes.
  virtual void want_read(bool on) = 0;
  virtual void want_write(bool on) = 0;
  virtual void set_keepalive(int seconds) = 0;  // 0 turns it off
  // The kernel keeps about so many bytes that it has not sent yet, and no more: what is written
  // next is then not behind all that fits into its buffer.
  virtual void limit_unsent(int) {}

  virtual const Address& peer() const = 0;
  virtual const Address& local() const = 0;
  virtual int fd() const = 0;  // for showing to people (CLIENT LIST); -1 when simulated
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual const Address& address() const = 0;  // the port actually bound, if 0 was asked for
  // Accepts who waits, now and not in the next turn.
  virtual void accept_waiting() {}
};

struct ListenOptions {
  int backlog = 511;
  uint32_t unix_mode = 0700;  // permissions of a unix socket's file
};

class Net {
 public:
  using OnAccept = std::function<void(std::unique_ptr<Conn>)>;

  virtual ~Net() = default;
  // kExists when the address is in use. A stale unix socket file is replaced.
  virtual Result<std::unique_ptr<Listener>> listen(const Address& address,
                                                   const ListenOptions& options,
                                                   OnAccept on_accept) = 0;
  // Starts to connect; on_writable tells that it succeeded, a read of kClosed that it failed.
  virtual Result<std::unique_ptr<Conn>> connect(const Address& address) = 0;
};

}  // namespace holdfast
