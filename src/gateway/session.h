// GatewaySession: one client of a gateway: its requests on their way to nodes, and the answers in
// the order of the requests.
//
// G1 Answers leave in the order of the requests, however many nodes they come from.
// G2 Commands of one client on one key are carried out in the order in which the client sent them,
//    also when some are refused and sent again: nothing new is sent while one waits to be sent
//    again, it is sent again only when all others have been answered, and a command that a later
//    one on its keys has overtaken meanwhile is answered with its refusal.
// G3 A command that changes something is sent again only if it was certainly not carried out, or if
//    it has a number, by which the nodes know it again and do it once. If neither is so and nobody
//    knows, the client's connection is closed, which is how clients learn of it.
//
// Threads: the reactor's. Owned by the Gateway; closing is deferred to the end of the turn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "gateway/backend.h"
#include "gateway/command_plan.h"
#include "gateway/subscriber.h"
#include "gateway/topology.h"
#include "resp/output.h"
#include "resp/parser.h"
#include "resp/reply_writer.h"

namespace holdfast {

class Gateway;

// What is queued between MULTI and EXEC. It goes to its node as a whole, when EXEC comes.
struct GatewayTransaction {
  bool open = false;
  bool spoiled = false;
  bool writes = false;
  int slot = -1;  // of its keys; -1: none yet
  uint32_t count = 0;
  std::string bytes;
};

enum class GatewayReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkip };

class GatewaySession final : public ConnHandler, public ReplySink {
 public:
  GatewaySession(Gateway& gateway, uint64_t id, std::unique_ptr<Conn> conn, int64_t now_ms);
  ~GatewaySession() override;

  // --- for the handlers of what is answered here ---
  uint64_t id() const { return id_; }
  Gateway& gateway() { return gateway_; }
  const Conn& conn() const { return *conn_; }
  int protocol() const { return writer_.protocol(); }
  void set_protocol(int protocol);
  // Adds an answer of the gateway's own: `write` is given a ReplyWriter.
  template <typename Write>
  void answer(Write&& write);
  void answer_error(std::string_view text);
  void answer_ok();
  bool idle() const { return in_flight_ == 0 && waiting_.empty(); }

  bool authenticated = false;
  GatewayReplyMode reply_mode = GatewayReplyMode::kOn;
  std::string name, library_name, library_version;
  GatewayTransaction transaction;
  const Command* last_command = nullptr;
  int64_t created_ms() const { return created_ms_; }
  int64_t last_active_ms() const { return last_active_ms_; }
  const Output& output() const { return output_; }
  size_t buffered_bytes() const { return buffer_.size(); }
  size_t calls_waiting() const { return in_flight_ + waiting_.size(); }

  // To the node of the slot. The answer is the client's. `call` may be prepared (take_call()).
  void forward(Call& call, SlotId slot, std::string_view bytes, const CommandPlan& plan);
  Call& take_call();
  // One part to each of the slots, with the same bytes.
  Fanout& forward_to_all(std::string_view bytes, const CommandPlan& plan, bool fails_fast);
  std::string_view raw() const { return raw_; }  // of the command that is being run
  const CommandPlan& plan() const { return *plan_; }

  // Commands go over connections of this session's own: they watch keys, or are another user's.
  void authenticate_at_nodes(std::string_view user, std::string_view password);
  bool has_own_user() const { return !user_.empty(); }
  const std::string& user() const { return user_; }
  const std::string& password() const { return password_; }
  void set_user(std::string user, std::string password);
  void set_tracking(std::string setup);  // empty: off
  bool tracking() const { return !tracking_.empty(); }
  void set_watching(SlotId slot);
  void end_watching();
  void drop_watch();
  void exec();
  // The next command waits until all that is on its way is answered.
  void stall_until_idle() { wants_idle_ = true; }
  bool watching() const { return watched_slot_ >= 0; }
  int watched_slot() const { return watched_slot_; }
  bool watch_lost() const { return watch_lost_; }
  void reset_transaction() { transaction = {}; }
  // The last slot that a write went to; -1: none.
  int written_slot() const { return written_slot_; }

  Subscriber& subscriber();
  size_t subscription_count(int kind) const {
    return subscriber_ == nullptr ? 0 : subscriber_->count(static_cast<Subscriber::Kind>(kind));
  }
  bool subscribed() const { return subscriber_ != nullptr && subscriber_->count() > 0; }
  // SUBSCRIBE waits for nodes; nothing else runs meanwhile.
  void set_subscribing(bool on);
  // Out of band, between two answers.
  void push(std::string_view frame);

  // --- closing ---
  bool closing() const { return closing_ || close_after_reply_; }
  void close_after_reply();
  void close_now(std::string_view reason);

  // --- called by the gateway ---
  void flush_soon();
  void flush();
  void process_buffered();
  void check(int64_t now_ms);
  // Sends again what waits for that. True: some of it still waits.
  bool retry(int64_t now_ns);
  // The soonest that makes sense: at once, after a redirect; or at the next look.
  bool retry_at_once() const;
  bool waits_for_retry() const { return in_flight_ == 0 && !waiting_.empty() && !closing_; }
  void end_throttle();
  void update_reading();
  // The map has changed: subscriptions move.
  void topology_changed();
  bool has_subscriber() const { return subscriber_ != nullptr; }
  bool in_retry_list = false;

  void on_readable() override;
  void on_writable() override;
  void on_reply(Call& call, std::string_view piece, bool done) override;
  void on_refused(Call& call, const NodeRefusal& refusal, std::string_view line) override;
  void on_lost(Call& call) override;

 private:
  static constexpr size_t kMaxInFlight = 20'000;       // commands of one client
  static constexpr size_t kMaxStalledBytes = 1 << 20;  // read ahead while nothing may run
  static constexpr int kMaxRedirects = 5;              // in a row, without a pause
  // A node that had a command that waits for so long had taken it: no connecting takes as long.
  static constexpr int64_t kTakenNs = 2'000'000'000;

  struct OwnLink {
    GatewayNode* node;
    std::unique_ptr<Backend> backend;
  };

  // session.cc
  size_t process(std::string_view input);
  IoResult read_more(std::string_view* input);
  void drop_input(std::string_view input, size_t used);
  bool may_run() const {
    return !closing() && !wants_idle_ && !throttled_ && !subscribing_ && waiting_.empty();
  }
  bool may_read() const;
  void protocol_error();
  void check_output_limit();
  void wake();
  void append(Call* call);
  void advance();
  void settle(Call& call);
  void complete(Call& whole, std::string text);
  void part_settled(Call& part);
  void free_calls();
  void close_unknown(std::string_view reason);
  // session_dispatch.cc
  bool execute(CommandArgs args, std::string_view raw);
  bool refuse(const Command* command, std::string_view text);
  bool run_plan(const Command& command, const CommandPlan& plan, CommandArgs args);
  bool traceable(const Command& command, const CommandPlan& plan, CommandArgs args);
  bool one_slot(const Command& command, CommandArgs args, int* slot);
  bool queue(const Command& command, const CommandPlan& plan, CommandArgs args);
  bool split(const CommandPlan& plan, CommandArgs args);
  bool scan(const CommandPlan& plan, CommandArgs args);
  bool to_slot(SlotId slot, bool keyed, const CommandPlan& plan, CommandArgs args);
  Fanout& start_fanout(const CommandPlan& plan);
  Call& add_part(Fanout& fanout, SlotId slot, const CommandPlan& plan);
  // session_retry.cc
  void send(Call& call, std::string_view bytes);
  bool try_send(Call& call, std::string_view bytes, std::string* why);
  void give_number(Call& call, const CommandPlan& plan);
  std::string_view tag_of(const Call& call);
  void wait_for_retry(Call& call, RefusalKind kind, std::string_view line);
  bool resend(Call& call, int64_t now_ns);
  void give_up(Call& call);
  void answer_unwatched(Call& call);
  void note_overtaking(const Call& done);
  Backend* own_link(GatewayNode& node);
  void drop_own_links();
  bool own_mode() const { return watching() || tracking() || has_own_user(); }

  Gateway& gateway_;
  const uint64_t id_;
  std::unique_ptr<Conn> conn_;
  const int64_t created_ms_;
  int64_t last_active_ms_;
  int64_t now_ns_ = 0;  // when the input at hand was read

  RequestParser parser_;
  std::string buffer_;
  std::string encoded_;  // an inline request
  std::string_view raw_;
  bool traced_ = false;  // it begins with TRACE
  const CommandPlan* plan_ = nullptr;

  Output output_;
  ReplyWriter writer_{&output_};
  Output aside_;  // an answer that is not next
  ReplyWriter aside_writer_{&aside_};
  std::string pushes_;       // that wait for the end of the answer in the making
  uint64_t kept_bytes_ = 0;  // of answers that came before their turn

  Call* first_ = nullptr;  // requests that were not answered to the client, in order
  Call* last_ = nullptr;
  size_t in_flight_ = 0;        // calls at backends
  std::vector<Call*> waiting_;  // refused ones
  uint64_t next_sequence_ = 1;
  uint64_t next_number_ = 1;  // of a write that is numbered
  uint64_t generation_ = 0;   // of the topology, when something was sent last

  std::string user_, password_;  // empty: the gateway's own
  Call* auth_call_ = nullptr;
  std::string auth_user_, auth_password_;
  std::string tracking_;  // CLIENT TRACKING ON ...
  int watched_slot_ = -1;
  bool watch_lost_ = false;
  int written_slot_ = -1;
  const Backend* last_sent_ = nullptr;  // that try_send() used
  std::vector<OwnLink> own_links_;
  std::vector<std::unique_ptr<Backend>> old_links_;  // freed when nothing is called back any more
  std::unique_ptr<Subscriber> subscriber_;

  bool wants_idle_ = false;  // the next command waits until nothing is on its way
  bool throttled_ = false;
  bool subscribing_ = false;
  bool closing_ = false;
  bool close_after_reply_ = false;
  bool flush_pending_ = false;
  bool write_wanted_ = false;
  bool resume_pending_ = false;
  int64_t soft_limit_since_ms_ = 0;

  friend class Gateway;
};

template <typename Write>
void GatewaySession::answer(Write&& write) {
  const bool silent = reply_mode != GatewayReplyMode::kOn;
  if (first_ == nullptr) {
    const uint64_t start = output_.position();
    write(writer_);
    if (silent) output_.rewind(start);
    flush_soon();
    return;
  }
  write(aside_writer_);
  Call& call = take_call();
  if (!silent) aside_.copy_to(&call.reply);
  aside_.clear();
  kept_bytes_ += call.reply.size();
  call.done = true;
  append(&call);
}

}  // namespace holdfast
