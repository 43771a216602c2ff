// Backend: one connection to a storage node, over which commands of many clients go, one behind the
// other, and their answers come back in that order.
//
// It connects when the first command is there, and again after it broke. What happens to a command
// when the connection breaks follows from how far it got: if its last byte was never handed to the
// kernel it was refused for certain, else its outcome is unknown (B1). Commands of one session over
// one backend are carried out in the order of send() (B2).
//
// Threads: the reactor's only. Its owner destroys it at the end of a turn, never inside a callback.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/net.h"
#include "base/reactor.h"
#include "gateway/call.h"
#include "gateway/reply_framer.h"
#include "gateway/wire_chunks.h"

namespace holdfast {

class Backend;

struct GatewayStats {
  Counter connections_received = 0;
  Counter connections_rejected = 0;
  Counter commands = 0;
  Counter errors = 0;     // error replies, of nodes or of this gateway
  Counter forwarded = 0;  // commands sent to nodes, parts of split ones each
  Counter splits = 0;     // commands that were split, or sent to all shards
  Counter retries = 0;    // commands sent again
  Counter moved = 0;      // of these: the slot was elsewhere
  Counter asked = 0;
  Counter given_up = 0;  // refused until their time was over
  Counter unknown = 0;   // clients closed: nobody knows whether a write was carried out
  Counter suspects = 0;  // reports of a primary that cannot be reached
  Counter backend_breaks = 0;
  Counter throttled = 0;  // times that a client was not read because a node was behind
  Counter output_closed = 0;
  Counter input_bytes = 0, output_bytes = 0;
  Counter backend_input_bytes = 0, backend_output_bytes = 0;
  Histogram answer_us;  // from a request's bytes to its whole answer
};

// What all backends of a gateway share.
struct BackendContext {
  static constexpr size_t kReadBufferBytes = 128 * 1024;

  BackendContext(Reactor& reactor_in, Net& net_in) : reactor(reactor_in), net(net_in) {}

  Reactor& reactor;
  Net& net;
  CallPool calls;
  GatewayStats stats;
  std::unique_ptr<char[]> read_buffer = std::make_unique<char[]>(kReadBufferBytes);
  std::list<Backend*> backends;  // all that there are, in the order they were made
  std::vector<Backend*> unflushed;
  // The node behind a backend cannot be reached, broke the connection, or does not answer.
  std::function<void(const std::string& address)> on_trouble;
  // What is queued for the backend is little again.
  std::function<void(Backend&)> on_relief;
  uint64_t queue_limit = 0;  // bytes that may wait for one backend
  int64_t silence_ns = 0;    // a node that answers nothing for so long is suspected
};

struct BackendOptions {
  int protocol = 2;
  std::string user;      // empty: default
  std::string password;  // empty: it authenticates with nothing
  std::string setup;     // commands to be sent once it is connected
  uint32_t setup_replies = 0;
  bool may_be_silent = false;  // commands that wait go over it
  bool quiet = false;          // that it broke is told by its owner
  // RESP3 pushes; null: they are dropped.
  std::function<void(std::string_view push)> on_push;
  // It broke, with or without commands on it.
  std::function<void()> on_break;
};

class Backend final : public ConnHandler {
 public:
  Backend(BackendContext& context, std::string address, BackendOptions options);
  ~Backend() override;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  const std::string& address() const { return address_; }

  // False: the last attempt to connect failed a moment ago.
  bool may_send(int64_t now_ns) const { return now_ns >= not_before_ns_; }
  // Sends `bytes`, which may be those of call.bytes. `asking`: behind an ASKING. `head`: what goes
  // before and has no answer.
  void send(Call& call, std::string_view bytes, bool asking, std::string_view head = {});
  // Sends what has no answers but pushes.
  void send_plain(std::string_view bytes);
  // The sink is not interested any more; it does not own the call any more either.
  static void abandon(Call& call) { call.sink = nullptr; }

  // Bytes and commands that are not answered.
  uint64_t unanswered_bytes() const {
    return first_ == nullptr ? 0 : queue_.appended() - answered_;
  }
  size_t unanswered() const { return unanswered_; }
  bool full() const { return unanswered_bytes() > context_.queue_limit; }
  bool was_full = false;  // somebody waits for relief
  bool connected() const { return state_ == State::kReady; }
  // A command is there, and nothing has come back for so long.
  bool silent_for(int64_t ns, int64_t now_ns) const {
    return connected() && first_ != nullptr && now_ns - since_ns_ > ns;
  }

  // Writes what was sent in this turn.
  void flush();
  // Regularly: notices what takes too long.
  void check(int64_t now_ns);
  // The node computes, and will answer: its silence begins now.
  void is_busy(int64_t now_ns);
  // Ends the connection; commands on it are refused or lost.
  void close(std::string_view reason);

  void on_readable() override;
  void on_writable() override;

 private:
  enum class State : uint8_t { kClosed, kConnecting, kGreeting, kReady };
  static constexpr int64_t kConnectNs = 1'000'000'000;
  static constexpr int64_t kBackoffNs = 20'000'000;
  static constexpr size_t kMaxErrorBytes = 64 * 1024;

  void connect();
  void connected_now();
  void greeted();
  void flush_soon();
  bool take(std::string_view bytes, int64_t now_ns);
  bool take_greeting(std::string_view piece, bool done);
  void take_piece(Call& call, std::string_view piece, bool done, int64_t now_ns);
  void take_prelude(Call& call, std::string_view piece, bool done);
  bool take_error(Call& call);
  Call* pop();
  void fail_all(std::string_view reason);

  BackendContext& context_;
  const std::string address_;
  const BackendOptions options_;
  std::list<Backend*>::iterator self_;  // among the context's
  State state_ = State::kClosed;
  std::unique_ptr<Conn> conn_;
  int64_t since_ns_ = 0;  // of the state; in kReady: of the last bytes, or of the oldest call
  int64_t not_before_ns_ = 0;
  std::string greeting_;
  uint32_t greetings_ = 0;  // answers to it
  uint32_t greetings_left_ = 0;
  bool greeting_failed_ = false;

  SendQueue queue_;
  Call* first_ = nullptr;
  Call* last_ = nullptr;
  size_t unanswered_ = 0;
  uint64_t answered_ = 0;  // position behind the last answered call
  ReplyFramer framer_;
  std::string kept_;           // an error, a greeting or a push in the making
  std::string prelude_error_;  // the first among the answers before the one that counts
  bool flush_pending_ = false;
  bool write_wanted_ = false;
  bool suspected_ = false;
};

// "HOST:PORT".
bool parse_address(std::string_view text, Address* address);
// *N $... of the words.
void append_command(std::string* out, std::span<const std::string_view> words);

}  // namespace holdfast
