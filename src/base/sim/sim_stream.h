// SimStream: one connection inside SimNet, with its two ends; SimFabric: what all streams of one
// network share. Internal to base/sim.
//
// Side 0 connected, side 1 accepted. Pipe i carries what side i writes.
// Invariants:
//  - pipe.used == bytes in pipe.flight + unread bytes in pipe.arrived <= buffer_bytes;
//  - at most one delivery event per pipe and one readiness event per side is outstanding;
//  - a handler is called only from an event, never from inside a call of its own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/net.h"
#include "base/sim/sim_net.h"

namespace holdfast {

class SimStream;
class SimListener;

struct SimFabric {
  SimReactor& reactor;
  Random& random;
  SimNetOptions options;
  std::map<uint64_t, std::weak_ptr<SimStream>> streams = {};  // by number: a fixed order
  std::map<std::string, SimListener*> listeners = {};
  std::set<std::pair<std::string, std::string>> cuts = {};  // from, to
  std::set<std::string> silent = {};
  std::map<std::string, int64_t> paused = {};  // until when
  uint64_t next_stream = 1;
  uint16_t next_port = 40000;

  int64_t latency_ns();
  // 0: it is not.
  int64_t paused_for_ns(const std::string& host) const;
  bool blocked(const std::string& from, const std::string& to) const;
  void for_each_stream(const std::function<void(SimStream&)>& visit);
};

class SimStream : public std::enable_shared_from_this<SimStream> {
 public:
  struct End {
    std::string host;
    Address address;
    Conn* conn = nullptr;  // null: not there yet, or destroyed
    ConnHandler* handler = nullptr;
    bool connected = false;
    bool told = false;   // of the connect's outcome
    bool ended = false;  // refused or reset
    bool dead = false;   // its host lost power
    bool want_read = true;
    bool want_write = false;
    bool ready_queued = false;
  };

  SimStream(std::shared_ptr<SimFabric> fabric, End client, End server);
  ~SimStream();

  End& end(int side) { return ends_[side]; }
  IoResult read(int side, char* out, size_t capacity);
  IoResult writev(int side, std::span<const iovec> parts);
  void close(int side);
  // To be called when what a side wants, or may have, has changed.
  void queue_ready(int side, int64_t delay_ns = 0);

  // The connection's first steps.
  void start_connect();
  void establish();

  bool joins(const std::string& a, const std::string& b) const;
  void after_heal();
  void reset();
  void power_lost(const std::string& host);
  void power_back(const std::string& host);

 private:
  enum class Kind : uint8_t { kData, kEnd, kReset };
  struct Segment {
    Kind kind;
    int64_t due_ns;
    std::string bytes;
  };
  struct Pipe {
    std::deque<Segment> flight;
    std::string arrived;
    size_t used = 0;
    int64_t last_due_ns = 0;
    bool delivery_queued = false;
    bool finished = false;  // the end has arrived
  };

  void send(int side, Kind kind, std::string bytes);
  void queue_delivery(int side);
  void deliver(int side);
  void arrive(int side, const Segment& segment);
  void arrive_at_nobody(int side, Kind kind);
  void lose_tail(int side, size_t keep);
  void knock(int64_t give_up_ns);
  void greet();
  void refuse(const char* why);
  void run_ready(int side);
  bool readable(int side) const;
  bool writable(int side) const;
  void trace(const char* what, int side, std::string_view bytes);

  std::shared_ptr<SimFabric> fabric_;
  uint64_t number_;
  End ends_[2];
  Pipe pipes_[2];
};

// One end of a stream, as its owner holds it.
class SimConn final : public Conn {
 public:
  SimConn(std::shared_ptr<SimStream> stream, int side);
  ~SimConn() override { stream_->close(side_); }
  SimConn(const SimConn&) = delete;
  SimConn& operator=(const SimConn&) = delete;

  void set_handler(ConnHandler* handler) override { stream_->end(side_).handler = handler; }
  IoResult read(char* out, size_t capacity) override { return stream_->read(side_, out, capacity); }
  IoResult writev(std::span<const iovec> parts) override { return stream_->writev(side_, parts); }
  void want_read(bool on) override;
  void want_write(bool on) override;
  void set_keepalive(int) override {}
  const Address& peer() const override { return stream_->end(1 - side_).address; }
  const Address& local() const override { return stream_->end(side_).address; }
  int fd() const override { return -1; }

 private:
  std::shared_ptr<SimStream> stream_;
  int side_;
};

class SimListener final : public Listener {
 public:
  SimListener(std::shared_ptr<SimFabric> fabric, std::string key, Address address,
              Net::OnAccept on_accept);
  ~SimListener() override { fabric_->listeners.erase(key_); }
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;

  const Address& address() const override { return address_; }
  void accept(std::unique_ptr<Conn> conn);

 private:
  std::shared_ptr<SimFabric> fabric_;
  std::string key_;
  Address address_;
  std::shared_ptr<Net::OnAccept> on_accept_;
};

// Under which a listener of `host` is found.
std::string listener_key(const std::string& host, const Address& address);

}  // namespace holdfast
