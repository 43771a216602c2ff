// See session.h.
#include "resp/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "resp/commands/trace.h"
#include "resp/commands/transactions.h"
#include "resp/errors.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr size_t kBatch = 64;          // commands parsed ahead, for the cache hints
constexpr size_t kMaxWriteParts = 64;  // chunks in one writev
constexpr size_t kReadsPerTurn = 4;    // of one session, so that one cannot starve the others

}  // namespace

Session::Session(Server& server, uint64_t id, std::unique_ptr<Conn> conn, int64_t now_ms)
    : server_(server),
      id_(id),
      conn_(std::move(conn)),
      created_ms_(now_ms),
      last_active_ms_(now_ms) {
  conn_->set_handler(this);
}

Session::~Session() {
  server_.reactor().cancel(block_timer_);
  server_.watched_keys().unwatch_all(*this);
  forget_key_wait();
}

uint32_t Session::effective_flags(const Command& command) const {
  const bool runs_queue = in_multi() && command.spec.handler == exec_command;
  return command.spec.flags | (runs_queue ? transaction_->flags() : 0);
}

size_t Session::memory() const {
  return sizeof(*this) + buffer_.capacity() + output.allocated_bytes() +
         (has_transaction() ? transaction_->memory() : 0) +
         (key_wait_ != nullptr ? key_wait_->memory() : 0) +
         (subscribed() ? subscriptions->memory() : 0);
}

// Reads behind what is kept of an unfinished request: in the server's shared buffer when it all
// fits there, else (a large argument) in the session's own.
IoResult Session::read_more(std::string_view* input) {
  const size_t had = buffer_.size();
  const size_t wanted = parser_.bytes_wanted();
  if (std::max(had, wanted) <= Server::kReadBufferBytes / 2) {
    std::memcpy(server_.read_buffer(), buffer_.data(), had);
    const IoResult result =
        conn_->read(server_.read_buffer() + had, Server::kReadBufferBytes - had);
    if (result.kind == IoResult::kDone) *input = {server_.read_buffer(), had + result.bytes};
    return result;
  }
  const size_t room =
      wanted > had ? std::min(wanted - had, size_t{1} << 20) : Server::kReadBufferBytes;
  if (had + room > buffer_.capacity()) {
    // Grow as the argument arrives, not on the client's word alone.
    buffer_.reserve(std::max(had + room, std::min(wanted, had * 2)));
  }
  buffer_.resize(had + room);
  const IoResult result = conn_->read(buffer_.data() + had, room);
  buffer_.resize(had + (result.kind == IoResult::kDone ? result.bytes : 0));
  *input = buffer_;
  return result;
}

// What waits for room must not take more of it: the rest stays with the client.
bool Session::may_read() const {
  const bool waits = block_reason_ == BlockReason::kMemory || block_reason_ == BlockReason::kRoom ||
                     block_reason_ == BlockReason::kLog;
  return !closing_ && !waits && !server_.stopping();
}

void Session::on_readable() {
  for (size_t reads = 0; reads < kReadsPerTurn && may_read(); ++reads) {
    std::string_view input;
    const IoResult result = read_more(&input);
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) {
      close_now("the client closed the connection");
      return;
    }
    server_.stats().net_input_bytes += result.bytes;
    const size_t used = may_run() ? process(input) : 0;
    drop_input(input, closing() ? input.size() : used);
    if (query_buffer_over_limit()) return;
    // A short read means that the socket is empty: do not ask again.
    if (result.bytes < Server::kReadBufferBytes / 2 && parser_.bytes_wanted() == 0) return;
  }
}

bool Session::query_buffer_over_limit() {
  const size_t bytes = buffer_.size() + parser_.partial_arguments() * sizeof(std::string_view);
  if (bytes <= server_.options().resp_query_buffer_bytes) return false;
  ++server_.stats().query_buffer_closed;
  log_warning("client closed: its query buffer is over resp.query_buffer_bytes",
              {{"client", id_}, {"address", conn_->peer().to_string()}});
  close_now("query buffer limit");
  return true;
}

// Keeps what is behind the first `used` bytes of `input` (the shared buffer or buffer_ itself).
void Session::drop_input(std::string_view input, size_t used) {
  if (used == input.size()) {
    std::string().swap(buffer_);  // an idle session costs no buffer
  } else if (input.data() == buffer_.data()) {
    buffer_.erase(0, used);
  } else {
    buffer_.assign(input.substr(used));
  }
}

void Session::process_buffered() {
  if (buffer_.empty() || !may_run()) return;
  const size_t used = process(buffer_);
  drop_input(buffer_, closing() ? buffer_.size() : used);
}

// `before`: the request before it, or null. In a pipeline its command is often the same.
void Session::resolve(ParsedRequest& parsed, const ParsedRequest* before) {
  const auto& args = server_.batch().args;
  const std::string_view name = args[parsed.first_arg];
  parsed.key_index = 0;
  const bool same = before != nullptr && args[before->first_arg] == name;
  parsed.command = same ? before->command : server_.commands().find(name);
  if (parsed.command == nullptr) return;
  if (!same && is_trace_of_another(*parsed.command,
                                   std::span(args).subspan(parsed.first_arg, parsed.argc))) {
    ++parsed.first_arg;
    --parsed.argc;
    parsed.traced = true;
    return resolve(parsed, nullptr);
  }
  const KeySpec& spec = parsed.command->spec.keys[0];
  if (spec.find != KeySpec::kRange || !spec.has_keys() ||
      static_cast<size_t>(spec.first) >= parsed.argc)
    return;
  parsed.key_index = static_cast<uint32_t>(spec.first);
  parsed.key = server_.shards().key(args[parsed.first_arg + parsed.key_index]);
}

// False when parsing ended in a protocol error, which is answered after the batch ran.
bool Session::parse_batch(std::string_view input, size_t* offset) {
  auto& args = server_.batch().args;
  auto& batch = server_.batch().requests;
  args.clear();
  batch.clear();
  // Before AUTH each command may change the limits for the next.
  const bool trusted = !server_.needs_auth(*this);
  const ParserLimits limits{server_.options().resp_max_bulk_bytes, trusted};
  const size_t most = trusted ? kBatch : 1;
  while (batch.size() < most) {
    const size_t first = args.size();
    switch (parser_.parse(input, offset, &args, limits)) {
      case RequestParser::Outcome::kCommand:
        batch.push_back({nullptr, first, args.size() - first, *offset, {}, 0, false});
        break;
      case RequestParser::Outcome::kIncomplete:
        return true;
      case RequestParser::Outcome::kError:
        return false;
    }
  }
  return true;
}

// Each pass asks for the line that the next pass needs, for all keys of the batch, so that the
// fetches overlap instead of following one another.
void Session::prefetch_batch() {
  if (Shard* only = server_.shards().only()) {
    prefetch_keys([&keyspace = only->keyspace()](SlotId) { return &keyspace; });
  } else {
    prefetch_keys([&shards = server_.shards()](SlotId slot) {
      Shard* shard = shards.of_slot(slot);
      return shard == nullptr ? nullptr : &shard->keyspace();
    });
  }
}

template <typename KeyspaceOf>
void Session::prefetch_keys(const KeyspaceOf& keyspace_of) {
  auto& batch = server_.batch().requests;
  const DbId db = server_.shards().physical(state.db);
  const ParsedRequest* before = nullptr;
  for (ParsedRequest& parsed : batch) {
    resolve(parsed, std::exchange(before, &parsed));
    if (parsed.key_index == 0) continue;
    if (auto* keyspace = keyspace_of(parsed.key.slot)) {
      keyspace->prefetch_slot(db, parsed.key.slot);
    }
  }
  if (batch.size() == 1) return;
  for (const ParsedRequest& parsed : batch) {
    if (parsed.key_index == 0) continue;
    if (auto* keyspace = keyspace_of(parsed.key.slot)) keyspace->prefetch_bucket(db, parsed.key);
  }
  for (const ParsedRequest& parsed : batch) {
    if (parsed.key_index == 0) continue;
    if (auto* keyspace = keyspace_of(parsed.key.slot)) keyspace->prefetch_object(db, parsed.key);
  }
}

// Runs all complete requests of `input`; returns how many bytes they took.
size_t Session::process(std::string_view input) {
  auto& args = server_.batch().args;
  auto& batch = server_.batch().requests;
  size_t used = 0;
  int64_t clock_ns = server_.clock().mono_ns();
  const int64_t now_ms = server_.clock().wall_ms();
  server_.shards().set_access_clock(static_cast<uint32_t>(now_ms / 1000));
  last_active_ms_ = now_ms;
  const int64_t read_ns = clock_ns;
  received_ns_ = waits_since_ns_ != 0 ? waits_since_ns_ : read_ns;
  while (may_run()) {
    size_t parsed_to = used;
    const bool well_formed = parse_batch(input, &parsed_to);
    prefetch_batch();
    const size_t count = batch.size();
    for (size_t i = 0; i < count && may_run(); ++i) {
      const ParsedRequest parsed = batch[i];
      const auto request_args = std::span(args).subspan(parsed.first_arg, parsed.argc);
      const Route route = server_.route(*this, parsed.command, request_args);
      const BlockReason reason = reason_to_wait(i, route, now_ms);
      if (reason != BlockReason::kNone) {  // the request stays in the buffer
        waits_since_ns_ = received_ns_;
        block(reason, 0, {});
        break;
      }
      used = parsed.end;
      server_.execute(*this, parsed, request_args, route, now_ms, &clock_ns);
      if (waits_since_ns_ != 0) {
        received_ns_ = read_ns;
        waits_since_ns_ = 0;
      }
    }
    parser_.forget_inline();
    if (!may_run()) break;
    if (!well_formed) {
      protocol_error();
      return input.size();
    }
    used = parsed_to;  // empty requests too
    if (count == 0) return used;
  }
  // Requests behind the one that stopped us are parsed again later.
  parser_.reset();
  return used;
}

// Waiting for values again for the same request could go on for ever where memory is very short:
// what is not here then is read at once.
BlockReason Session::reason_to_wait(size_t request, const Route& route, int64_t now_ms) {
  const Command* command = server_.batch().requests[request].command;
  if (server_.paused_for(*this, command, now_ms)) return BlockReason::kPause;
  if (server_.waits_for_lease(*this, command, route)) return BlockReason::kLease;
  if (server_.waits_for_log(*this, command, route)) return BlockReason::kLog;
  if (server_.waits_for_memory(*this, command)) return BlockReason::kMemory;
  if (!server_.may_be_cold(route) || std::exchange(values_arrived_, false)) {
    return BlockReason::kNone;
  }
  values_awaited_ = fetch_values(request);
  if (values_awaited_ == 0) return BlockReason::kNone;
  return server_.makes_room() ? BlockReason::kRoom : BlockReason::kValues;
}

// Has the values read that are on the device only: those of this request, whose number it gives,
// and ahead of their turn those of the rest of the batch.
size_t Session::fetch_values(size_t request) {
  const auto& batch = server_.batch().requests;
  const auto args_of = [this](const ParsedRequest& parsed) {
    return std::span<const std::string_view>(server_.batch().args)
        .subspan(parsed.first_arg, parsed.argc);
  };
  const Command* command = batch[request].command;
  size_t awaited = 0;
  if (!in_multi()) {
    awaited = server_.fetch_values(*this, command, args_of(batch[request]), true);
  } else if (command != nullptr && command->spec.handler == exec_command) {
    for (const Transaction::Queued& queued : transaction_->commands()) {
      awaited += server_.fetch_values(*this, queued.command, transaction_->args(queued), true);
    }
  }
  for (size_t i = request + 1; i < batch.size() && awaited > 0; ++i) {
    server_.fetch_values(*this, batch[i].command, args_of(batch[i]), false);
  }
  return awaited;
}

void Session::value_arrived() {
  if (block_reason_ != BlockReason::kValues || --values_awaited_ > 0) return;
  values_arrived_ = true;
  unblock();
}

void Session::protocol_error() {
  log_debug("protocol error", {{"client", id_}, {"error", parser_.error()}});
  reply.error("ERR " + parser_.error());
  close_after_reply();
}

void Session::block(BlockReason reason, int64_t timeout_ms, std::function<void()> on_timeout) {
  block_reason_ = reason;
  on_block_timeout_ = std::move(on_timeout);
  update_reading();
  if (timeout_ms <= 0) return;
  block_timer_ = server_.reactor().run_after(timeout_ms, [this] {
    block_timer_ = 0;
    end_block({});
  });
}

void Session::wait_for_keys(const Command& command, Shard& shard, int slot,
                            std::span<const std::string_view> args,
                            std::span<const std::string_view> keys, int64_t timeout_ms,
                            const AwaitedKeys& awaited) {
  HF_ASSERT(key_wait_ == nullptr);
  key_wait_ = std::make_unique<KeyWait>(command, shard, slot, awaited, wants_reply());
  key_wait_->keep(args);
  server_.blocked_keys().add(*this, *key_wait_, state.db, keys);
  block(BlockReason::kKeys, timeout_ms, [this] { server_.key_wait_ends(*this, {}); });
}

void Session::forget_key_wait() {
  if (key_wait_ == nullptr) return;
  server_.blocked_keys().remove(*key_wait_);
  key_wait_.reset();
}

bool Session::end_block(std::string_view error) {
  if (!blocked()) return false;
  const std::function<void()> answer = std::move(on_block_timeout_);
  if (!error.empty() && key_wait_ != nullptr) {
    server_.key_wait_ends(*this, error);
  } else if (!error.empty()) {
    reply.error(error);
  } else if (answer) {
    answer();
  }
  flush_soon();
  unblock();
  return true;
}

void Session::unblock() {
  server_.reactor().cancel(block_timer_);
  block_timer_ = 0;
  block_reason_ = BlockReason::kNone;
  update_reading();
  on_block_timeout_ = nullptr;
  forget_key_wait();
  server_.resume_later(*this);
}

void Session::close_after_reply() {
  if (closing()) return;
  close_after_reply_ = true;
  flush_soon();
}

void Session::close_now(std::string_view reason) {
  if (closing_) return;
  closing_ = true;
  forget_key_wait();  // what comes is for those behind it
  log_debug("client closed", {{"client", id_}, {"reason", reason}});
  conn_->want_read(false);
  conn_->want_write(false);
  server_.free_later(*this);
}

void Session::flush_soon() {
  if (flush_pending_) return;
  flush_pending_ = true;
  server_.flush_later(*this);
}

void Session::flush() {
  flush_pending_ = false;
  if (closing_) return;
  output.release([](const CommitPoint& what) { return what.committed(); });
  iovec parts[kMaxWriteParts];
  bool full = false;
  while (!full) {
    const size_t count = output.gather(parts);
    if (count == 0) break;
    const IoResult result = conn_->writev(std::span(parts, count));
    if (result.kind == IoResult::kClosed) {
      close_now("the client closed the connection");
      return;
    }
    full = result.kind == IoResult::kWouldBlock;
    if (!full) {
      server_.stats().net_output_bytes += result.bytes;
      output.consume(result.bytes);
    }
  }
  if (full != write_wanted_) {
    write_wanted_ = full;
    conn_->want_write(full);
  }
  if (close_after_reply_ && output.empty()) close_now("closed by the server");
}

void Session::on_writable() { flush_soon(); }

// The reply in the making may be larger than the limit by itself (a large value); what had piled
// up before it may not.
void Session::check_output_limit(uint64_t before_reply) {
  const OutputLimit& limit =
      server_.options().resp_output_limits[static_cast<size_t>(client_class())];
  const uint64_t now = output.unsent_bytes();
  const uint64_t piled_up = now - (output.position() - before_reply);
  if (limit.hard_bytes == 0 || piled_up <= limit.hard_bytes) return;
  ++server_.stats().output_buffer_closed;
  log_warning("client closed: it does not read its replies",
              {{"client", id_}, {"address", conn_->peer().to_string()}, {"unsent_bytes", now}});
  output.clear();
  close_now("output limit");
}

void Session::check_limits(int64_t now_ms) {
  const Options& options = server_.options();
  if (options.resp_idle_timeout_s > 0 && !blocked() && !state.monitor && !subscribed() &&
      now_ms - last_active_ms_ > options.resp_idle_timeout_s * 1000) {
    close_now("idle timeout");
    return;
  }
  const OutputLimit& limit = options.resp_output_limits[static_cast<size_t>(client_class())];
  if (limit.soft_bytes == 0 || output.unsent_bytes() <= limit.soft_bytes) {
    soft_limit_since_ms_ = 0;
  } else if (soft_limit_since_ms_ == 0) {
    soft_limit_since_ms_ = now_ms;
  } else if (now_ms - soft_limit_since_ms_ > limit.soft_seconds * 1000) {
    ++server_.stats().output_buffer_closed;
    output.clear();
    close_now("soft output limit");
  }
}

}  // namespace holdfast
