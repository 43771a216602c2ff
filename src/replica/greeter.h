// Greeter: brings a fresh connection through its handshake, within a time.
//
// Held by a shared_ptr. `on_end` is called once, not inside start(); it takes the connection out,
// or the Greeter goes away with it. Threads: the reactor's.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/net.h"
#include "base/reactor.h"
#include "replica/handshake.h"

namespace holdfast {

class Greeter final : public ConnHandler, public std::enable_shared_from_this<Greeter> {
 public:
  using End = std::function<void(Greeter&)>;

  Greeter(Reactor& reactor, std::unique_ptr<Conn> conn, Handshake handshake, int64_t timeout_ms,
          End on_end);
  ~Greeter() override;
  Greeter(const Greeter&) = delete;
  Greeter& operator=(const Greeter&) = delete;

  void start();

  // When it has ended: the handshake is done, and the other side has been sent all of it.
  bool ok() const { return ok_; }
  bool refused() const { return handshake_.state() == Handshake::State::kRefused; }
  const Handshake& handshake() const { return handshake_; }
  // For log lines, when it is not ok.
  std::string why() const;
  const Address& address() const { return address_; }
  std::unique_ptr<Conn> take_conn() { return std::move(conn_); }
  // What came behind the handshake.
  const std::string& early() const { return early_; }

  void on_readable() override;
  void on_writable() override;

 private:
  void write();
  void end(const char* failure);

  Reactor& reactor_;
  std::unique_ptr<Conn> conn_;
  Handshake handshake_;
  const Address address_;
  End on_end_;
  TimerId timer_ = 0;
  std::string output_;
  std::string early_;
  std::string failure_;
  bool connected_ = false;
  bool ok_ = false;
};

}  // namespace holdfast
