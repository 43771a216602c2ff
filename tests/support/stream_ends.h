// The two ends of test connections: Echo gives back what it reads, Peer sends what it is given and
// keeps what it gets. Both handle short reads and writes, as real sessions must.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/net.h"

namespace holdfast {

inline IoResult write_some(Conn& conn, const char* data, size_t size) {
  // In two parts, so that gathering is always exercised.
  const size_t half = size / 2;
  iovec parts[2] = {{const_cast<char*>(data), half}, {const_cast<char*>(data) + half, size - half}};
  return conn.writev(half == 0 ? std::span<const iovec>(parts + 1, 1)
                               : std::span<const iovec>(parts, 2));
}

class Peer : public ConnHandler {
 public:
  explicit Peer(std::unique_ptr<Conn> conn_in) : conn(std::move(conn_in)) {
    conn->set_handler(this);
  }

  void send(std::string bytes) {
    outgoing += bytes;
    flush();
  }

  void on_readable() override {
    for (;;) {
      char buffer[4096];
      const IoResult got = conn->read(buffer, sizeof buffer);
      if (got.kind == IoResult::kWouldBlock) return;
      if (got.kind == IoResult::kClosed) {
        closed = true;
        conn->want_read(false);
        return;
      }
      CHECK(got.bytes > 0);
      received.append(buffer, got.bytes);
    }
  }

  void on_writable() override {
    ++writable_calls;
    connected = true;
    flush();
  }

  void flush() {
    while (sent < outgoing.size()) {
      const IoResult put = write_some(*conn, outgoing.data() + sent, outgoing.size() - sent);
      if (put.kind == IoResult::kClosed) {
        broken = true;
        break;
      }
      if (put.kind == IoResult::kWouldBlock) {
        blocked = true;
        conn->want_write(true);
        return;
      }
      sent += put.bytes;
    }
    conn->want_write(false);
  }

  std::unique_ptr<Conn> conn;
  std::string outgoing;
  std::string received;
  size_t sent = 0;
  int writable_calls = 0;
  bool connected = false;
  bool closed = false;   // a read said so
  bool broken = false;   // a write said so
  bool blocked = false;  // a write ever said kWouldBlock
};

class Echo final : public Peer {
 public:
  using Peer::Peer;
  void on_readable() override {
    Peer::on_readable();
    outgoing += std::exchange(received, {});
    flush();
  }
};

// Accepts everything at one address.
template <typename End>
struct Server {
  Server(Net& net, const Address& address, const ListenOptions& options = {}) {
    auto made = net.listen(address, options, [this](std::unique_ptr<Conn> conn) {
      ends.push_back(std::make_unique<End>(std::move(conn)));
    });
    REQUIRE(made.ok());
    listener = std::move(made.value());
  }
  Address address() const { return listener->address(); }

  std::unique_ptr<Listener> listener;
  std::vector<std::unique_ptr<End>> ends;
};

inline std::unique_ptr<Peer> connect_to(Net& net, const Address& address) {
  auto conn = net.connect(address);
  REQUIRE(conn.ok());
  return std::make_unique<Peer>(std::move(conn.value()));
}

// Bytes that differ at every offset modulo a large prime, so that loss, repetition and reordering
// all show.
inline std::string pattern_bytes(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i % 65521) * 31 >> 3);
  return bytes;
}

}  // namespace holdfast
