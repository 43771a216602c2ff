// Session: one client connection: its read buffer, its state and its replies.
//
// Requests are parsed in batches from the server's shared read buffer (only an unfinished request
// is copied into a buffer of the session's own), the tables are asked to be fetched into the cache
// for all of a batch's keys, then the commands run one by one. Replies are written once at the end
// of the turn, as far as they may leave (Output).
//
// A session that must wait (WAIT, CLIENT PAUSE, a blocking command) is blocked: its further input
// stays unparsed until it is unblocked.
//
// Threads: the reactor's only. Owned by Server; closing is deferred to the end of the turn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/options.h"
#include "base/reactor.h"
#include "resp/blocked_keys.h"
#include "resp/command.h"
#include "resp/commit_point.h"
#include "resp/output.h"
#include "resp/parser.h"
#include "resp/pubsub.h"
#include "resp/reply_writer.h"
#include "resp/route.h"
#include "resp/tracking.h"
#include "resp/transaction.h"
#include "store/key.h"
#include "store/outcomes.h"

namespace holdfast {

class AclUser;
class Server;

// kSave: a checkpoint or the end of the server. kValues: values that are on the device only.
// kLease: a primary that is not sure to be one.
// kLog: the log, which is too far behind for more. kMemory: memory to be freed. kRoom: the same,
// for values that are to be read. kKeys: keys that have what a command waits for. kMap: a newer map
// of the cluster. kTrace: the commit of what is traced.
enum class BlockReason : uint8_t {
  kNone,
  kWait,
  kPause,
  kLease,
  kSleep,
  kSave,
  kValues,
  kLog,
  kMemory,
  kRoom,
  kKeys,
  kMap,
  kTrace
};
enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkip };

// What a client has set for itself; RESET puts it back.
struct SessionState {
  int db = 0;  // logical number
  bool authenticated = false;
  bool monitor = false;
  ReplyMode reply_mode = ReplyMode::kOn;
  bool no_evict = false;
  bool no_touch = false;
  bool reads_backups = false;  // READONLY
  AclUser* user = nullptr;     // never null in a session; Server::reset_user() sets it
  std::string name;
};

// One request of a batch, its arguments being in Batch::args.
struct ParsedRequest {
  Command* command = nullptr;  // null: unknown
  size_t first_arg = 0;
  size_t argc = 0;
  size_t end = 0;  // offset behind the request
  KeyRef key;
  uint32_t key_index = 0;  // 0: no key was hashed ahead
  bool traced = false;     // TRACE was in front of it
};

// Requests parsed ahead. One for the whole server: a batch is parsed and run without a break.
struct Batch {
  std::vector<std::string_view> args;
  std::vector<ParsedRequest> requests;
};

class Session final : public ConnHandler {
 public:
  Session(Server& server, uint64_t id, std::unique_ptr<Conn> conn, int64_t now_ms);
  ~Session() override;

  uint64_t id() const { return id_; }
  const Conn& conn() const { return *conn_; }

  SessionState state;
  std::string library_name;  // CLIENT SETINFO
  std::string library_version;
  Output output;
  ReplyWriter reply{&output};
  std::unique_ptr<Subscriptions> subscriptions;  // null: none. Changed by PubSub only
  std::unique_ptr<ClientTracking> tracking;      // null: off. Made and ended by Tracking only
  // When the request that runs was read, though it may have waited since: Clock::mono_ns().
  int64_t received_ns() const { return received_ns_; }
  // Of the next write (TAG).
  WriteTag tag;
  Dependency depends_on;  // the newest changes that any command of this session wrote or saw

  int64_t created_ms() const { return created_ms_; }
  int64_t last_active_ms() const { return last_active_ms_; }
  const Command* last_command() const { return last_command_; }
  void set_last_command(const Command* command) { last_command_ = command; }
  size_t query_buffer_bytes() const { return buffer_.size(); }
  size_t query_buffer_capacity() const { return buffer_.capacity(); }
  bool subscribed() const { return subscriptions != nullptr; }
  size_t subscription_count(SubscriptionKind kind) const {
    return subscribed() ? subscriptions->count(kind) : 0;
  }
  ClientClass client_class() const {
    return subscribed() ? ClientClass::kPubSub : ClientClass::kNormal;
  }
  // Rough bytes that this session costs.
  size_t memory() const;

  // MULTI and WATCH. Made when it is first asked for: most sessions have none.
  bool has_transaction() const { return transaction_ != nullptr; }
  Transaction& transaction() {
    if (transaction_ == nullptr) transaction_ = std::make_unique<Transaction>();
    return *transaction_;
  }
  const Transaction& transaction() const { return *transaction_; }  // REQUIRES: has_transaction()
  bool in_multi() const { return has_transaction() && transaction_->open(); }
  // Flags of the command; of EXEC with those of all that it will run.
  uint32_t effective_flags(const Command& command) const;

  // CLIENT REPLY. A command that answers after its handler has returned asks before.
  bool wants_reply() const { return state.reply_mode == ReplyMode::kOn; }

  // --- blocking ---
  bool blocked() const { return block_reason_ != BlockReason::kNone; }
  BlockReason block_reason() const { return block_reason_; }
  bool has_block_timeout() const { return block_timer_ != 0; }
  // As the client asked for: WAIT, BLPOP, ... It can be unblocked by another.
  bool waits_by_command() const {
    return block_reason_ == BlockReason::kWait || block_reason_ == BlockReason::kKeys ||
           block_reason_ == BlockReason::kMap;
  }
  // Stops parsing until unblock(). After `timeout_ms` (<= 0: never) `on_timeout` runs, which writes
  // the reply; the session is then unblocked.
  void block(BlockReason reason, int64_t timeout_ms, std::function<void()> on_timeout);
  // The input that arrived meanwhile is run later in this turn or in the next.
  void unblock();
  // Runs on_timeout now, or replies the error if there is one. False if it is not blocked.
  bool end_block(std::string_view error);

  // Blocks until one of the keys has what is awaited; then the command runs again with `args`.
  // `shard`: that has the keys; `slot`: theirs, in a cluster.
  void wait_for_keys(const Command& command, Shard& shard, int slot,
                     std::span<const std::string_view> args, std::span<const std::string_view> keys,
                     int64_t timeout_ms, const AwaitedKeys& awaited);
  // Null when it does not wait for keys.
  KeyWait* key_wait() const { return key_wait_.get(); }

  // One of the values that the next request waits for has been read.
  void value_arrived();

  // --- closing ---
  bool closing() const { return closing_ || close_after_reply_; }
  // Sends what is in the output, then closes. Further input is dropped.
  void close_after_reply();
  // At the end of this turn, output dropped.
  void close_now(std::string_view reason);

  // Writes what may leave at the end of this turn.
  void flush_soon();
  // Called by the server at the end of a turn.
  void flush();
  bool in_held_list = false;      // the server's own mark
  uint64_t touched_in_round = 0;  // that of Deliveries
  // Called whenever may_read() could have changed.
  void update_reading() { conn_->want_read(may_read()); }
  // Parses and runs what is buffered (after unblocking).
  void process_buffered();
  // Called regularly: closes on idle timeout and on a soft output limit held too long.
  void check_limits(int64_t now_ms);
  // After a reply was appended: closes on the hard output limit.
  void check_output_limit(uint64_t before_reply);

  void on_readable() override;
  void on_writable() override;

 private:
  size_t process(std::string_view input);
  BlockReason reason_to_wait(size_t request, const Route& route, int64_t now_ms);
  size_t fetch_values(size_t request);
  bool parse_batch(std::string_view input, size_t* offset);
  void prefetch_batch();
  template <typename KeyspaceOf>
  void prefetch_keys(const KeyspaceOf& keyspace_of);
  void resolve(ParsedRequest& parsed, const ParsedRequest* before);
  void protocol_error();
  bool may_run() const { return !closing() && !blocked(); }
  bool may_read() const;
  IoResult read_more(std::string_view* input);
  void drop_input(std::string_view input, size_t used);
  void forget_key_wait();
  bool query_buffer_over_limit();

  Server& server_;
  const uint64_t id_;
  std::unique_ptr<Conn> conn_;
  const int64_t created_ms_;
  int64_t last_active_ms_;
  const Command* last_command_ = nullptr;
  std::unique_ptr<Transaction> transaction_;

  RequestParser parser_;
  std::string buffer_;  // an unfinished or not yet parsed request

  BlockReason block_reason_ = BlockReason::kNone;
  TimerId block_timer_ = 0;
  std::function<void()> on_block_timeout_;

  std::unique_ptr<KeyWait> key_wait_;

  int64_t received_ns_ = 0;
  int64_t waits_since_ns_ = 0;  // the first request of the buffer; 0: it does not wait
  size_t values_awaited_ = 0;
  bool values_arrived_ = false;  // the next request runs in any case

  bool closing_ = false;
  bool close_after_reply_ = false;
  bool write_wanted_ = false;
  bool flush_pending_ = false;
  int64_t soft_limit_since_ms_ = 0;
};

}  // namespace holdfast
