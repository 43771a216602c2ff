// PeerConn: a connection to another node behind its handshake: queues, frames, reads, pings.
//
// What must hold:
//  - messages with bulk leave in the order in which they were sent; urgent ones and pings overtake
//    them, between two frames;
//  - what waits to be sent is bounded: bulk by max_queue_bytes (a single larger message passes when
//    nothing else waits), urgent messages by kMaxUrgentQueueBytes;
//  - the connection is given up when no whole frame came for silence_ms, or none of our bytes were
//    taken for as long. If it was we who did not run, the count begins anew;
//  - nothing is written and nobody is called back inside send(); nobody is called back inside
//    flush().
//
// Held by a shared_ptr, so that a callback may close it. Threads: the reactor's, but for
// say_busy().
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/reactor.h"
#include "replica/wire.h"

namespace holdfast {

struct PeerOptions {
  int64_t ping_ms = 250;
  int64_t silence_ms = 2000;    // at least twice ping_ms
  int64_t handshake_ms = 2000;  // for connect and handshake together
  int64_t min_retry_ms = 20;    // between attempts to connect; doubles with each
  int64_t max_retry_ms = 1000;
  size_t max_queue_bytes = 64 << 20;
  bool lz4 = false;  // offered; used when both sides offer it
  // Sees what is sent, before it is; null: nobody looks.
  std::function<void(const Message&)> watch = {};
};

// Of all connections to one node, since it was added.
struct PeerStats {
  uint64_t connects = 0;  // handshakes that succeeded
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t messages_in = 0;
  uint64_t messages_out = 0;
  uint64_t dropped_full = 0;    // not sent: the queue was full
  uint64_t dropped_down = 0;    // not sent, or lost in a queue: no connection
  uint64_t dropped_member = 0;  // not sent: another store than the message was for
  int64_t rtt_us = 0;           // smoothed; 0: not known
  int64_t last_rtt_us = 0;
};

class PeerConn;

// What the connections of one reactor share.
struct PeerConnShared {
  explicit PeerConnShared(size_t read_bytes) : read_buffer(read_bytes) {}

  std::vector<char> read_buffer;
  std::mutex sending;           // held while any of them writes, begins or ends
  std::vector<PeerConn*> open;  // under `sending`
};

class PeerConn final : public ConnHandler, public std::enable_shared_from_this<PeerConn> {
 public:
  static constexpr size_t kMaxUrgentQueueBytes = 1 << 20;

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_message(Message message) = 0;
    virtual void on_pong() = 0;  // the other side has read what we sent
    // A send() was refused, and now half of the queue is free.
    virtual void on_drained() = 0;
    // The connection is closed. Not called for close().
    virtual void on_lost(const std::string& why) = 0;
  };

  // All outlive the connection or its close().
  PeerConn(Reactor& reactor, std::unique_ptr<Conn> conn, const LinkSession& session,
           const PeerOptions& options, PeerConnShared& shared, PeerStats& stats, Owner& owner);
  ~PeerConn() override;
  PeerConn(const PeerConn&) = delete;
  PeerConn& operator=(const PeerConn&) = delete;

  // `early`: bytes that came behind the handshake.
  void start(std::string_view early);
  // No callback afterwards.
  void close();

  const LinkSession& session() const { return session_; }
  // False: the queue is full. flush() must follow in this turn.
  bool send(Payload payload);
  void flush() { pump(); }
  // Any thread: writes the message at once, if the other side knows it and nothing is half written.
  // It counts in no statistics. REQUIRES: PeerConnShared::sending is held; `busy` is a Busy.
  void say_busy(const Payload& busy);
  // How much more bulk send() takes.
  size_t writable_bytes() const;
  size_t queued_bytes() const { return bulk_bytes_ + urgent_bytes_ + writing_bytes_; }

  void on_readable() override;
  void on_writable() override;

 private:
  static constexpr size_t kWriteAheadBytes = 256 << 10;  // framed, and not yet with the kernel
  static constexpr int kUnsentBytes = 256 << 10;         // with the kernel, and not sent
  static constexpr size_t kTurnBytes = 4 << 20;  // moved at a time, so that others get their turn
  static constexpr size_t kMaxParts = 64;

  void arm_tick();
  void tick();
  void lost(const std::string& why);
  void take(std::string_view bytes);
  void take_pong(uint64_t token);
  bool frame_next();
  void refill();
  bool write_some(size_t* moved);
  void pump();
  int64_t now_ns() { return reactor_.clock().mono_ns(); }

  Reactor& reactor_;
  std::unique_ptr<Conn> conn_;  // null: closed
  const LinkSession session_;
  const PeerOptions options_;
  PeerConnShared& shared_;
  PeerStats& stats_;
  Owner& owner_;
  Encoder encoder_;
  Decoder decoder_;
  TimerId tick_timer_ = 0;

  std::deque<Payload> urgent_;
  std::deque<Payload> bulk_;
  size_t bulk_sent_ = 0;  // of the first one's bulk, framed
  std::deque<Frame> writing_;
  size_t written_ = 0;  // of the first one
  std::vector<iovec> parts_;
  size_t urgent_bytes_ = 0;   // in urgent_
  size_t bulk_bytes_ = 0;     // in bulk_, not framed
  size_t writing_bytes_ = 0;  // in writing_, not written
  bool refused_ = false;      // a send() since the queue was half empty
  bool write_failed_ = false;
  std::string busy_rest_;  // what say_busy() could not write yet

  int64_t last_tick_ns_ = 0;
  int64_t heard_ns_ = 0;      // the last whole frame
  int64_t moved_ns_ = 0;      // the last byte written, or the time when there was nothing to write
  uint64_t ping_ = 0;         // the last one's token
  bool ping_due_ = false;     // to be framed
  int64_t ping_sent_ns_ = 0;  // 0: no pong is expected
  std::optional<uint64_t> pong_due_;
};

}  // namespace holdfast
