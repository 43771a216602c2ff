// See session.h: input, answers in order, closing. What a command does is in session_dispatch.cc,
// sending and sending again in session_retry.cc.
#include "gateway/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/merge.h"
#include "resp/errors.h"

namespace holdfast {
namespace {

constexpr size_t kMaxWriteParts = 64;
constexpr size_t kReadsPerTurn = 4;

}  // namespace

GatewaySession::GatewaySession(Gateway& gateway, uint64_t id, std::unique_ptr<Conn> conn,
                               int64_t now_ms)
    : gateway_(gateway),
      id_(id),
      conn_(std::move(conn)),
      created_ms_(now_ms),
      last_active_ms_(now_ms) {
  conn_->set_handler(this);
}

GatewaySession::~GatewaySession() { free_calls(); }

void GatewaySession::free_calls() {
  const auto free_one = [this](Call* call) {
    if (call->backend != nullptr) {
      Backend::abandon(*call);
    } else {
      gateway_.context().calls.give_back(call);
    }
  };
  while (first_ != nullptr) {
    Call* call = std::exchange(first_, first_->next_of_session);
    if (call->fanout != nullptr) {
      for (Call* part : call->fanout->parts) free_one(part);
    }
    free_one(call);
  }
}

void GatewaySession::set_protocol(int protocol) {
  if (protocol == writer_.protocol()) return;
  writer_.set_protocol(protocol);
  aside_writer_.set_protocol(protocol);
  drop_own_links();
}

void GatewaySession::answer_error(std::string_view text) {
  ++gateway_.context().stats.errors;
  answer([text](ReplyWriter& reply) { reply.error(text); });
}

void GatewaySession::answer_ok() {
  answer([](ReplyWriter& reply) { reply.ok(); });
}

// --- input ---

IoResult GatewaySession::read_more(std::string_view* input) {
  constexpr size_t kBuffer = Gateway::kReadBufferBytes;
  const size_t had = buffer_.size();
  const size_t wanted = parser_.bytes_wanted();
  if (std::max(had, wanted) <= kBuffer / 2) {
    char* shared = gateway_.read_buffer();
    std::memcpy(shared, buffer_.data(), had);
    const IoResult result = conn_->read(shared + had, kBuffer - had);
    if (result.kind == IoResult::kDone) *input = {shared, had + result.bytes};
    return result;
  }
  // As the argument arrives, not on the client's word alone.
  const size_t room = wanted > had ? std::min(wanted - had, size_t{1} << 20) : kBuffer;
  if (had + room > buffer_.capacity()) {
    buffer_.reserve(std::max(had + room, std::min(wanted, had * 2)));
  }
  buffer_.resize(had + room);
  const IoResult result = conn_->read(buffer_.data() + had, room);
  buffer_.resize(had + (result.kind == IoResult::kDone ? result.bytes : 0));
  *input = buffer_;
  return result;
}

bool GatewaySession::may_read() const {
  return !closing() && !gateway_.stopping() && (may_run() || buffer_.size() < kMaxStalledBytes);
}

void GatewaySession::update_reading() { conn_->want_read(may_read()); }

void GatewaySession::on_readable() {
  for (size_t reads = 0; reads < kReadsPerTurn && may_read(); ++reads) {
    std::string_view input;
    const IoResult result = read_more(&input);
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) return close_now("the client closed the connection");
    gateway_.context().stats.input_bytes += result.bytes;
    const size_t used = may_run() && !resume_pending_ ? process(input) : 0;
    drop_input(input, closing() ? input.size() : used);
    if (buffer_.size() > gateway_.options().resp_query_buffer_bytes) {
      return close_now("query buffer limit");
    }
    if (result.bytes < Gateway::kReadBufferBytes / 2 && parser_.bytes_wanted() == 0) break;
  }
  update_reading();
}

void GatewaySession::drop_input(std::string_view input, size_t used) {
  if (used == input.size()) {
    std::string().swap(buffer_);
  } else if (input.data() == buffer_.data()) {
    buffer_.erase(0, used);
  } else {
    buffer_.assign(input.substr(used));
  }
}

void GatewaySession::process_buffered() {
  resume_pending_ = false;
  if (!buffer_.empty() && may_run()) {
    const size_t used = process(buffer_);
    drop_input(buffer_, closing() ? buffer_.size() : used);
  }
  if (!closing_) update_reading();
}

size_t GatewaySession::process(std::string_view input) {
  std::vector<std::string_view>& args = gateway_.args();
  const Options& options = gateway_.options();
  now_ns_ = gateway_.clock().mono_ns();
  last_active_ms_ = gateway_.clock().wall_ms();
  parser_.forget_inline();
  size_t used = 0;
  while (may_run()) {
    args.clear();
    size_t at = used;
    const ParserLimits limits{options.resp_max_bulk_bytes, authenticated};
    switch (parser_.parse(input, &at, &args, limits)) {
      case RequestParser::Outcome::kIncomplete:
        return at;
      case RequestParser::Outcome::kError:
        if (idle()) {
          protocol_error();
          return input.size();
        }
        wants_idle_ = true;  // what stands before it is answered first
        parser_.reset();
        return used;
      case RequestParser::Outcome::kCommand:
        break;
    }
    const bool ran = execute(args, input.substr(used, at - used));
    if (input[used] != '*') parser_.forget_inline();
    if (!ran) {
      parser_.reset();
      return used;
    }
    used = at;
    if (in_flight_ >= kMaxInFlight) wants_idle_ = true;
  }
  parser_.reset();
  return used;
}

void GatewaySession::protocol_error() {
  log_debug("protocol error", {{"client", id_}, {"error", parser_.error()}});
  answer_error("ERR " + parser_.error());
  close_after_reply();
}

// --- answers ---

Call& GatewaySession::take_call() {
  Call* call = gateway_.context().calls.take();
  call->sink = this;
  call->sequence = next_sequence_++;
  call->started_ns = call->sent_ns = now_ns_;
  call->silent = reply_mode != GatewayReplyMode::kOn;
  call->command = last_command;
  call->next_number = next_number_;
  return *call;
}

void GatewaySession::append(Call* call) {
  call->next_of_session = nullptr;
  (last_ == nullptr ? first_ : last_->next_of_session) = call;
  last_ = call;
}

void GatewaySession::on_reply(Call& call, std::string_view piece, bool done) {
  if (closing()) {
    if (done) {
      --in_flight_;
      call.done = true;
    }
    return;
  }
  if (call.lost && done && call.failed && piece.starts_with("-UNKNOWN ")) {
    --in_flight_;
    call.done = true;
    return close_unknown("its node does not remember the answer");
  }
  if (&call == first_ && !call.silent) {
    output_.append(piece);
    call.streamed = true;
    flush_soon();
  } else if (!call.silent || call.part_of != nullptr) {
    call.reply.append(piece);
    kept_bytes_ += piece.size();
  }
  if (done) settle(call);
  check_output_limit();
}

void GatewaySession::settle(Call& call) {
  --in_flight_;
  if (!waiting_.empty()) note_overtaking(call);
  call.bytes.reset();
  call.done = true;
  if (&call == auth_call_) {
    auth_call_ = nullptr;
    drop_own_links();
    if (!call.failed) set_user(std::move(auth_user_), std::move(auth_password_));
  }
  if (call.part_of != nullptr) {
    part_settled(call);
  } else if (&call == first_) {
    advance();
  }
  wake();
}

// Moves what is complete at the head of the line into the output.
void GatewaySession::advance() {
  CallPool& pool = gateway_.context().calls;
  while (first_ != nullptr && first_->done) {
    Call* call = first_;
    first_ = call->next_of_session;
    if (first_ == nullptr) last_ = nullptr;
    kept_bytes_ -= call->reply.size();
    output_.append(call->reply);
    pool.give_back(call);
  }
  // The next one's answer may have begun.
  if (first_ != nullptr && first_->fanout == nullptr && first_->refused == RefusalKind::kNone &&
      !first_->reply.empty()) {
    output_.append(first_->reply);
    kept_bytes_ -= first_->reply.size();
    first_->reply.clear();
    first_->streamed = true;
  }
  if (!pushes_.empty() && (first_ == nullptr || !first_->streamed)) {
    output_.append(pushes_);
    pushes_.clear();
  }
  flush_soon();
}

void GatewaySession::part_settled(Call& part) {
  Fanout& fanout = *part.part_of;
  if (--fanout.left > 0) return;
  Call& whole = *fanout.whole;
  std::vector<std::string_view> answers;
  for (const Call* each : fanout.parts) answers.emplace_back(each->reply);
  std::string text = gateway_.merge(*this, static_cast<Merge>(fanout.merge), whole, answers);
  for (Call* each : fanout.parts) {
    kept_bytes_ -= each->reply.size();
    gateway_.context().calls.give_back(each);
  }
  fanout.parts.clear();
  complete(whole, std::move(text));
}

void GatewaySession::complete(Call& whole, std::string text) {
  if (!whole.silent) {
    kept_bytes_ += text.size();
    whole.reply = std::move(text);
  }
  whole.done = true;
  if (&whole == first_) advance();
}

void GatewaySession::push(std::string_view frame) {
  if (closing()) return;
  if (first_ != nullptr && first_->streamed) {
    pushes_.append(frame);
  } else {
    output_.append(frame);
    flush_soon();
  }
  check_output_limit();
}

void GatewaySession::wake() {
  if (in_flight_ > 0 || closing()) return;
  if (!waiting_.empty()) {
    gateway_.retry_later(*this);
    return;
  }
  if (!wants_idle_) return;
  wants_idle_ = false;
  if (!old_links_.empty()) gateway_.clean_later(*this);
  if (resume_pending_) return;
  resume_pending_ = true;
  gateway_.resume_later(*this);
}

void GatewaySession::end_throttle() {
  throttled_ = false;
  if (closing() || resume_pending_) return;
  resume_pending_ = true;
  gateway_.resume_later(*this);
}

void GatewaySession::set_subscribing(bool on) {
  subscribing_ = on;
  if (on || closing() || resume_pending_) return;
  resume_pending_ = true;
  gateway_.resume_later(*this);
}

Subscriber& GatewaySession::subscriber() {
  if (subscriber_ == nullptr) subscriber_ = std::make_unique<Subscriber>(gateway_, *this);
  return *subscriber_;
}

void GatewaySession::topology_changed() {
  // EXEC may go to another node than WATCH did.
  if (watching()) watch_lost_ = true;
  if (subscriber_ != nullptr && !closing()) subscriber_->place_all();
}

// --- closing, writing ---

void GatewaySession::close_after_reply() {
  if (closing()) return;
  close_after_reply_ = true;
  flush_soon();
}

void GatewaySession::close_now(std::string_view reason) {
  if (closing_) return;
  closing_ = true;
  log_debug("client closed", {{"client", id_}, {"reason", reason}});
  conn_->want_read(false);
  conn_->want_write(false);
  gateway_.free_later(*this);
}

void GatewaySession::close_unknown(std::string_view reason) {
  if (closing()) return;
  ++gateway_.context().stats.unknown;
  log_info("client closed: nobody knows whether its command was carried out",
           {{"client", id_},
            {"address", conn_->peer().to_string()},
            {"command", last_command == nullptr ? "" : last_command->full_name},
            {"reason", reason}});
  close_after_reply();
}

void GatewaySession::flush_soon() {
  if (flush_pending_) return;
  flush_pending_ = true;
  gateway_.flush_later(*this);
}

void GatewaySession::flush() {
  flush_pending_ = false;
  if (closing_) return;
  iovec parts[kMaxWriteParts];
  bool full = false;
  while (!full) {
    const size_t count = output_.gather(parts);
    if (count == 0) break;
    const IoResult result = conn_->writev(std::span(parts, count));
    if (result.kind == IoResult::kClosed) return close_now("the client closed the connection");
    full = result.kind == IoResult::kWouldBlock;
    if (!full) {
      gateway_.context().stats.output_bytes += result.bytes;
      output_.consume(result.bytes);
    }
  }
  if (full != write_wanted_) {
    write_wanted_ = full;
    conn_->want_write(full);
  }
  if (close_after_reply_ && output_.empty()) close_now("closed by the gateway");
}

void GatewaySession::on_writable() { flush_soon(); }

void GatewaySession::check_output_limit() {
  const auto type = subscribed() ? ClientClass::kPubSub : ClientClass::kNormal;
  const OutputLimit& limit = gateway_.options().resp_output_limits[static_cast<size_t>(type)];
  const uint64_t held = output_.unsent_bytes() + kept_bytes_ + pushes_.size();
  if (closing_ || limit.hard_bytes == 0 || held <= limit.hard_bytes) return;
  ++gateway_.context().stats.output_closed;
  log_warning("client closed: it does not read its replies",
              {{"client", id_}, {"address", conn_->peer().to_string()}, {"unsent_bytes", held}});
  close_now("output limit");
}

void GatewaySession::check(int64_t now_ms) {
  const Options& options = gateway_.options();
  if (options.resp_idle_timeout_s > 0 && idle() && !subscribed() &&
      now_ms - last_active_ms_ > options.resp_idle_timeout_s * 1000) {
    return close_now("idle timeout");
  }
  const auto type = subscribed() ? ClientClass::kPubSub : ClientClass::kNormal;
  const OutputLimit& limit = options.resp_output_limits[static_cast<size_t>(type)];
  if (limit.soft_bytes == 0 || output_.unsent_bytes() <= limit.soft_bytes) {
    soft_limit_since_ms_ = 0;
  } else if (soft_limit_since_ms_ == 0) {
    soft_limit_since_ms_ = now_ms;
  } else if (now_ms - soft_limit_since_ms_ > limit.soft_seconds * 1000) {
    ++gateway_.context().stats.output_closed;
    close_now("soft output limit");
  }
}

}  // namespace holdfast
