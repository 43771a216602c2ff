// See backend.h.
#include "gateway/backend.h"

#include <charconv>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace holdfast {
namespace {

constexpr size_t kMaxWriteParts = 64;
constexpr int kReadsPerTurn = 4;
constexpr std::string_view kAsking = "*1\r\n$6\r\nASKING\r\n";

}  // namespace

bool parse_address(std::string_view text, Address* address) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view port = text.substr(colon + 1);
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size() || number == 0) return false;
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  *address = Address::tcp(std::string(host), number);
  return true;
}

void append_command(std::string* out, std::span<const std::string_view> words) {
  out->append("*").append(std::to_string(words.size())).append("\r\n");
  for (const std::string_view word : words) {
    out->append("$").append(std::to_string(word.size())).append("\r\n");
    out->append(word).append("\r\n");
  }
}

Backend::Backend(BackendContext& context, std::string address, BackendOptions options)
    : context_(context), address_(std::move(address)), options_(std::move(options)) {
  if (options_.protocol == 3) {
    std::vector<std::string_view> words = {"HELLO", "3"};
    const std::string_view user =
        options_.user.empty() ? "default" : std::string_view(options_.user);
    if (!options_.password.empty()) words.insert(words.end(), {"AUTH", user, options_.password});
    append_command(&greeting_, words);
    greetings_ = 1;
  } else if (!options_.password.empty()) {
    std::vector<std::string_view> words = {"AUTH"};
    if (!options_.user.empty()) words.push_back(options_.user);
    words.push_back(options_.password);
    append_command(&greeting_, words);
    greetings_ = 1;
  }
  greeting_ += options_.setup;
  greetings_ += options_.setup_replies;
  self_ = context_.backends.insert(context_.backends.end(), this);
}

Backend::~Backend() {
  context_.backends.erase(self_);
  if (flush_pending_) std::erase(context_.unflushed, this);
  while (Call* call = pop()) {
    if (call->sink != nullptr) {
      call->backend = nullptr;  // its owner goes too, and frees it
    } else {
      context_.calls.give_back(call);
    }
  }
}

void Backend::connect() {
  since_ns_ = context_.reactor.clock().mono_ns();
  Address to;
  auto conn = parse_address(address_, &to)
                  ? context_.net.connect(to)
                  : Result<std::unique_ptr<Conn>>(Status::invalid("no address: " + address_));
  state_ = State::kConnecting;
  if (!conn.ok()) {
    // Never inside send(): the caller has not linked the call yet.
    since_ns_ -= 2 * kConnectNs;
    return;
  }
  conn_ = std::move(conn.value());
  conn_->set_handler(this);
}

void Backend::send(Call& call, std::string_view bytes, bool asking, std::string_view head) {
  if (state_ == State::kClosed) connect();
  if (first_ == nullptr) {
    answered_ = queue_.appended();
    if (state_ == State::kReady) {
      since_ns_ = call.attempts == 0 ? call.started_ns : context_.reactor.clock().mono_ns();
    }
  }
  call.preludes_left = call.preludes;
  if (!head.empty()) queue_.append(head);
  if (asking) {
    queue_.append(kAsking);
    ++call.preludes_left;
  }
  call.bytes = queue_.append(bytes);
  call.end = queue_.appended();
  call.backend = this;
  call.refused = RefusalKind::kNone;
  call.next_of_backend = nullptr;
  (last_ == nullptr ? first_ : last_->next_of_backend) = &call;
  last_ = &call;
  ++unanswered_;
  ++context_.stats.forwarded;
  flush_soon();
}

void Backend::send_plain(std::string_view bytes) {
  if (state_ == State::kClosed) connect();
  queue_.append(bytes);
  flush_soon();
}

void Backend::flush_soon() {
  if (flush_pending_) return;
  flush_pending_ = true;
  context_.unflushed.push_back(this);
}

void Backend::flush() {
  flush_pending_ = false;
  if (state_ != State::kReady) return;
  iovec parts[kMaxWriteParts];
  bool full = false;
  while (!full && !queue_.empty()) {
    const size_t count = queue_.gather(parts);
    const IoResult result = conn_->writev(std::span(parts, count));
    if (result.kind == IoResult::kClosed) return close("the node closed the connection");
    full = result.kind == IoResult::kWouldBlock;
    if (!full) {
      context_.stats.backend_output_bytes += result.bytes;
      queue_.consume(result.bytes);
    }
  }
  if (full != write_wanted_) {
    write_wanted_ = full;
    conn_->want_write(full);
  }
}

void Backend::on_writable() {
  if (state_ == State::kConnecting) {
    connected_now();
  } else {
    flush_soon();
  }
}

void Backend::connected_now() {
  if (greeting_.empty()) return greeted();
  state_ = State::kGreeting;
  greetings_left_ = greetings_;
  const iovec part{greeting_.data(), greeting_.size()};
  const IoResult result = conn_->writev(std::span(&part, 1));
  // A fresh connection takes a few hundred bytes at once, or it is none.
  if (result.kind != IoResult::kDone || result.bytes != greeting_.size()) {
    close("the greeting could not be sent");
  }
}

void Backend::greeted() {
  state_ = State::kReady;
  since_ns_ = context_.reactor.clock().mono_ns();
  not_before_ns_ = 0;
  suspected_ = false;
  log_debug("connected", {{"node", address_}, {"protocol", options_.protocol}});
  flush_soon();
}

bool Backend::take_greeting(std::string_view piece, bool done) {
  if (framer_.kind() == '-') kept_.append(piece);
  if (!done) return true;
  if (framer_.kind() == '-') {
    log_warning("a node refuses this gateway",
                {{"node", address_}, {"reason", kept_.substr(0, kept_.find('\r'))}});
    kept_.clear();
    greeting_failed_ = true;
    return false;
  }
  if (--greetings_left_ == 0) greeted();
  return true;
}

void Backend::on_readable() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    char* buffer = context_.read_buffer.get();
    const IoResult result = conn_->read(buffer, BackendContext::kReadBufferBytes);
    if (result.kind == IoResult::kWouldBlock) return;
    if (result.kind == IoResult::kClosed) return close("the node closed the connection");
    context_.stats.backend_input_bytes += result.bytes;
    since_ns_ = context_.reactor.clock().mono_ns();
    suspected_ = false;
    if (!take({buffer, result.bytes}, since_ns_)) return close("what came is no answer");
    if (was_full && unanswered_bytes() < context_.queue_limit / 2) {
      was_full = false;
      context_.on_relief(*this);
    }
    if (result.bytes < BackendContext::kReadBufferBytes) return;
  }
}

bool Backend::take(std::string_view bytes, int64_t now_ns) {
  while (!bytes.empty()) {
    size_t used = 0;
    const ReplyFramer::Outcome outcome = framer_.feed(bytes, &used);
    if (outcome == ReplyFramer::Outcome::kError) return false;
    const bool done = outcome == ReplyFramer::Outcome::kDone;
    const std::string_view piece = bytes.substr(0, used);
    bytes.remove_prefix(used);
    if (framer_.kind() == '>') {
      if (!options_.on_push) continue;
      kept_.append(piece);
      if (done) options_.on_push(std::exchange(kept_, {}));
    } else if (state_ == State::kGreeting) {
      if (!take_greeting(piece, done)) return false;
    } else if (first_ == nullptr) {
      return false;
    } else if (first_->preludes_left > 0) {
      take_prelude(*first_, piece, done);
    } else {
      take_piece(*first_, piece, done, now_ns);
    }
  }
  return true;
}

Call* Backend::pop() {
  Call* call = first_;
  if (call == nullptr) return nullptr;
  first_ = call->next_of_backend;
  if (first_ == nullptr) last_ = nullptr;
  answered_ = call->end;
  call->backend = nullptr;
  --unanswered_;
  return call;
}

void Backend::take_prelude(Call& call, std::string_view piece, bool done) {
  if (framer_.kind() == '-' && kept_.size() < kMaxErrorBytes) kept_.append(piece);
  if (!done) return;
  if (framer_.kind() == '-' && prelude_error_.empty()) prelude_error_ = kept_;
  kept_.clear();
  --call.preludes_left;
}

// An error is looked at before anybody sees it. True: the call was refused, and is over here.
bool Backend::take_error(Call& call) {
  std::string_view line(kept_);
  line.remove_prefix(1);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  NodeRefusal refusal = classify_refusal(line);
  // Of a transaction: why it was discarded was said when the command was queued.
  if (refusal.kind == RefusalKind::kNone && !prelude_error_.empty() &&
      line.starts_with("EXECABORT")) {
    refusal = classify_refusal(prelude_error_);
    if (refusal.kind != RefusalKind::kNone) {
      line = std::string_view(prelude_error_).substr(1);
      while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
    }
  }
  if (refusal.kind == RefusalKind::kNone && call.lost && refused_this_time(line)) {
    refusal.kind = RefusalKind::kLater;
  }
  if (refusal.kind == RefusalKind::kNone) return false;
  if (refusal.kind == RefusalKind::kAsk && call.preludes > 0) refusal.kind = RefusalKind::kLater;
  pop();
  if (call.sink == nullptr) {
    context_.calls.give_back(&call);
  } else {
    call.sink->on_refused(call, refusal, line);
  }
  kept_.clear();
  prelude_error_.clear();
  return true;
}

void Backend::take_piece(Call& call, std::string_view piece, bool done, int64_t now_ns) {
  if (framer_.kind() == '-') {
    kept_.append(piece);
    if (!done) return;
    ++context_.stats.errors;
    call.failed = true;
    if (take_error(call)) return;
    piece = kept_;
  }
  if (!done) {
    if (call.sink != nullptr) call.sink->on_reply(call, piece, false);
    return;
  }
  pop();
  prelude_error_.clear();
  context_.stats.answer_us.record(static_cast<uint64_t>((now_ns - call.started_ns) / 1000));
  if (call.sink == nullptr) {
    context_.calls.give_back(&call);
  } else {
    call.sink->on_reply(call, piece, true);
  }
  kept_.clear();
}

void Backend::close(std::string_view reason) {
  if (state_ == State::kClosed) return;
  const bool was_ready = state_ == State::kReady;
  if (!options_.quiet && (was_ready || !suspected_)) {
    log_info("connection to a node lost", {{"node", address_},
                                           {"reason", reason},
                                           {"connected", was_ready},
                                           {"unanswered", unanswered_}});
  }
  ++context_.stats.backend_breaks;
  state_ = State::kClosed;
  conn_.reset();
  framer_ = {};
  kept_.clear();
  prelude_error_.clear();
  write_wanted_ = false;
  // One that worked may be tried again at once.
  if (!was_ready) not_before_ns_ = context_.reactor.clock().mono_ns() + kBackoffNs;
  suspected_ = true;
  fail_all(greeting_failed_ ? "the node refuses this gateway" : "it cannot be reached");
  greeting_failed_ = false;
  if (options_.on_break) options_.on_break();
  context_.on_trouble(address_);
  if (was_full) {
    was_full = false;
    context_.on_relief(*this);
  }
}

void Backend::fail_all(std::string_view reason) {
  const uint64_t sent = queue_.sent();
  queue_.clear();
  Call* call = std::exchange(first_, nullptr);
  last_ = nullptr;
  unanswered_ = 0;
  const std::string line = "CLUSTERDOWN node " + address_ + ": " + std::string(reason);
  while (call != nullptr) {
    Call* next = call->next_of_backend;
    call->backend = nullptr;
    if (call->sink == nullptr) {
      context_.calls.give_back(call);
    } else if (call->end <= sent) {
      call->sink->on_lost(*call);
    } else {
      call->sink->on_refused(*call, {RefusalKind::kLater, 0, {}}, line);
    }
    call = next;
  }
}

void Backend::is_busy(int64_t now_ns) {
  if (state_ == State::kReady || state_ == State::kGreeting) since_ns_ = now_ns;
}

void Backend::check(int64_t now_ns) {
  const bool connecting = state_ == State::kConnecting || state_ == State::kGreeting;
  if (connecting && now_ns - since_ns_ > kConnectNs) return close("it does not answer");
  if (state_ != State::kReady || first_ == nullptr || suspected_) return;
  if (options_.may_be_silent) return;
  if (now_ns - since_ns_ <= context_.silence_ns) return;
  suspected_ = true;
  context_.on_trouble(address_);
}

}  // namespace holdfast
