// SimClient: one client of a World. It writes its own keys with increasing numbers, reads anyone's,
// pipelines a little, and connects again when its connection ends. KeyHistory is what all clients
// together know, and where the oracles O1 to O3 (world.h) are checked.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/random.h"
#include "base/reactor.h"

namespace holdfast {

struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class KeyHistory {
 public:
  uint64_t next_value(const std::string& key) { return ++sent_[key]; }
  // The newest value that was acknowledged to, or read by, anyone.
  uint64_t floor(const std::string& key) const;
  // `value` was shown in a reply to a request sent when the floor was `floor_then`.
  void shown(const std::string& key, uint64_t value, uint64_t floor_then);

 private:
  std::map<std::string, uint64_t> sent_;
  std::map<std::string, uint64_t> floor_;
};

class SimClient final : public ConnHandler {
 public:
  using Connect = std::function<std::unique_ptr<Conn>()>;  // null: refused

  SimClient(int number, int clients, Reactor& reactor, Random& random, KeyHistory& history,
            Connect connect);

  void start() { connect_soon(); }
  void pause_reading(int64_t ms);
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t reads() const { return reads_; }

  void on_readable() override;
  void on_writable() override;

 private:
  static constexpr int kKeys = 5;
  static constexpr size_t kPipeline = 6;

  struct Sent {
    bool write;
    std::vector<std::string> keys;  // one, or the two halves of a pair
    uint64_t value;                 // of a write
    std::vector<uint64_t> floors;   // per key, when a read was sent
  };

  void connect_soon();
  void send_some();
  void send_one();
  void take_replies();
  void take(const Sent& sent, std::string_view reply);
  void disconnected();

  const int number_;
  const int clients_;
  Reactor& reactor_;
  Random& random_;
  KeyHistory& history_;
  Connect connect_;
  std::unique_ptr<Conn> conn_;
  std::string out_, in_;
  std::deque<Sent> in_flight_;
  bool connecting_ = false;
  uint64_t acknowledged_ = 0;
  uint64_t reads_ = 0;
};

}  // namespace holdfast
