// GatewaySession: sending to nodes, and again what was refused. The rules are G2 and G3.
#include <algorithm>
#include <charconv>
#include <map>

#include "base/assert.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "gateway/waits.h"
#include "store/key.h"

namespace holdfast {
namespace {

// The keys of a call that has one command; empty when it has several, or none is found.
std::vector<std::string_view> keys_of(const Call& call) {
  std::vector<std::string_view> keys;
  if (call.preludes > 0 || call.command == nullptr) return keys;
  RequestParser parser;
  std::vector<std::string_view> args;
  std::vector<FoundKey> found;
  size_t at = 0;
  ParserLimits limits;
  limits.max_bulk_bytes = SendQueue::kMaxBytes;
  if (parser.parse(call.bytes.view(), &at, &args, limits) != RequestParser::Outcome::kCommand ||
      !find_keys(call.command->spec, args, &found)) {
    return keys;
  }
  for (const FoundKey& key : found) keys.push_back(args[key.index]);
  return keys;
}

bool share_a_key(const Call& a, const Call& b) {
  if (a.slot != b.slot) return false;
  const std::vector<std::string_view> of_a = keys_of(a), of_b = keys_of(b);
  if (of_a.empty() || of_b.empty()) return true;  // who knows
  return std::any_of(of_a.begin(), of_a.end(), [&of_b](std::string_view key) {
    return std::find(of_b.begin(), of_b.end(), key) != of_b.end();
  });
}

}  // namespace

Backend* GatewaySession::own_link(GatewayNode& node) {
  for (const OwnLink& link : own_links_) {
    if (link.node == &node) return link.backend.get();
  }
  BackendOptions options;
  options.protocol = protocol();
  options.user = has_own_user() ? user_ : gateway_.options().gateway_user;
  options.password = has_own_user() ? password_ : gateway_.options().gateway_password;
  if (auth_call_ != nullptr) {  // it brings its own
    options.user = options.password = {};
    options.protocol = 2;
  }
  options.may_be_silent = true;
  if (tracking()) {
    options.setup = tracking_;
    options.setup_replies = 1;
    options.on_push = [this](std::string_view frame) { push(frame); };
  }
  options.on_break = [this] {
    if (watching()) watch_lost_ = true;
    // Nobody has told what changed meanwhile.
    if (tracking() && protocol() == 3) push(">2\r\n$10\r\ninvalidate\r\n_\r\n");
  };
  auto backend = std::make_unique<Backend>(gateway_.context(), node.address, std::move(options));
  own_links_.push_back({&node, std::move(backend)});
  return own_links_.back().backend.get();
}

// They may be in the middle of a callback: they go at the end of the turn.
void GatewaySession::drop_own_links() {
  for (OwnLink& link : own_links_) old_links_.push_back(std::move(link.backend));
  own_links_.clear();
  if (!old_links_.empty()) gateway_.clean_later(*this);
}

void GatewaySession::set_user(std::string user, std::string password) {
  user_ = std::move(user);
  password_ = std::move(password);
  authenticated = true;
  drop_own_links();
}

void GatewaySession::set_tracking(std::string setup) {
  tracking_ = std::move(setup);
  drop_own_links();
}

void GatewaySession::set_watching(SlotId slot) {
  if (watched_slot_ < 0) watch_lost_ = false;
  watched_slot_ = slot;
}

void GatewaySession::end_watching() {
  watched_slot_ = -1;
  watch_lost_ = false;
}

// A write that the nodes know again: its keys say which shard remembers it. Only nodes that a
// coordinator told of are asked to.
void GatewaySession::give_number(Call& call, const CommandPlan& plan) {
  if (plan.writes && gateway_.numbers_writes()) call.number = next_number_++;
}

// What goes to the node in front of it; empty without a number. Until the next one is asked for.
std::string_view GatewaySession::tag_of(const Call& call) {
  if (call.number == 0) return {};
  // What the client has been answered, or will be before anything that is on its way, is not asked
  // for again.
  const uint64_t first = first_ == nullptr ? call.number : first_->next_number;
  std::string& tag = gateway_.tag_scratch();
  tag.resize(gateway_.tag_head().size());
  for (const uint64_t word : {id_, call.number, std::min(first, call.number)}) {
    char digits[24];
    char* const end = std::to_chars(digits, digits + sizeof digits, word).ptr;
    const auto size = static_cast<size_t>(end - digits);
    tag.append(size < 10 ? "$" : "$1");
    tag.push_back(static_cast<char>('0' + size % 10));
    tag.append("\r\n").append(digits, size).append("\r\n");
  }
  return tag;
}

// False: it cannot go now, and *why says so. `bytes` may not be the call's own.
bool GatewaySession::try_send(Call& call, std::string_view bytes, std::string* why) {
  Topology& topology = gateway_.topology();
  GatewayNode* node = call.hint.empty() ? topology.owner(call.slot) : &topology.node(call.hint);
  last_sent_ = nullptr;
  if (node == nullptr) {
    *why = "CLUSTERDOWN Hash slot not served";
    return false;
  }
  Backend& backend = call.own_link || own_mode() || auth_call_ != nullptr
                         ? *own_link(*node)
                         : gateway_.shared(*node, protocol(), id_);
  if (!backend.may_send(now_ns_)) {
    *why = "CLUSTERDOWN node " + node->address + ": it cannot be reached";
    return false;
  }
  call.hint.clear();
  backend.send(call, bytes, call.refused == RefusalKind::kAsk, tag_of(call));
  last_sent_ = &backend;
  call.sent_ns = now_ns_;
  ++in_flight_;
  return true;
}

void GatewaySession::send(Call& call, std::string_view bytes) {
  std::string why;
  if (try_send(call, bytes, &why)) return;
  if (call.watched) return answer_unwatched(call);
  call.bytes = keep_bytes(bytes);
  wait_for_retry(call, RefusalKind::kLater, why);
  gateway_.refresh_map();
  wake();
}

void GatewaySession::wait_for_retry(Call& call, RefusalKind kind, std::string_view line) {
  kept_bytes_ -=
      std::min<uint64_t>(kept_bytes_, call.refused == RefusalKind::kNone ? call.reply.size() : 0);
  const int64_t now_ns = gateway_.clock().mono_ns();
  const bool waited = call.own_link && now_ns - call.sent_ns > kTakenNs;
  if (call.refused_ns == 0 || waited) call.refused_ns = now_ns;
  call.refused = kind;
  call.reply.assign(line);
  waiting_.push_back(&call);
}

void GatewaySession::on_refused(Call& call, const NodeRefusal& refusal, std::string_view line) {
  --in_flight_;
  if (closing()) return;
  if (call.watched) return answer_unwatched(call);
  BackendContext& context = gateway_.context();
  wait_for_retry(call, refusal.kind, line);
  call.hint = refusal.address;
  if (refusal.kind == RefusalKind::kMoved) {
    ++context.stats.moved;
    gateway_.moved(refusal.slot, refusal.address);
  } else if (refusal.kind == RefusalKind::kAsk) {
    ++context.stats.asked;
  } else {
    gateway_.refresh_map();
  }
  update_reading();
  wake();
}

void GatewaySession::on_lost(Call& call) {
  --in_flight_;
  if (closing()) return;
  if (call.streamed) return close_now("the connection to a node broke within an answer");
  if (!call.read_only && call.number == 0) {
    call.done = true;
    return close_unknown("the connection to its node broke");
  }
  call.lost = !call.read_only;
  wait_for_retry(call, RefusalKind::kLater, "CLUSTERDOWN the connection to the node broke");
  call.hint.clear();
  update_reading();
  wake();
}

// `done` was carried out although something that was sent before it is still to be.
void GatewaySession::note_overtaking(const Call& done) {
  for (Call* call : waiting_) {
    if (call->sequence > done.sequence || call->overtaken) continue;
    if (call->read_only && done.read_only) continue;
    call->overtaken = share_a_key(*call, done);
  }
}

bool GatewaySession::retry_at_once() const {
  return std::all_of(waiting_.begin(), waiting_.end(), [](const Call* call) {
    const bool redirected =
        call->refused == RefusalKind::kMoved || call->refused == RefusalKind::kAsk;
    return (redirected && call->attempts < kMaxRedirects) || call->overtaken || call->fails_fast;
  });
}

// EXEC was not carried out, and what was watched is forgotten with the connection: as if a watched
// key had been changed.
void GatewaySession::answer_unwatched(Call& call) {
  ++in_flight_;
  on_reply(call, protocol() == 3 ? "_\r\n" : "*-1\r\n", true);
}

void GatewaySession::give_up(Call& call) {
  ++gateway_.context().stats.given_up;
  // A redirect is nothing to a client that has no other place to go.
  const bool redirect = call.refused == RefusalKind::kMoved || call.refused == RefusalKind::kAsk;
  const std::string_view why =
      redirect ? std::string_view("TRYAGAIN The slot moved while this command was on its way")
               : std::string_view(call.reply);
  std::string text = "-" + std::string(why) + "\r\n";
  call.refused = RefusalKind::kNone;
  call.reply.clear();
  call.failed = true;
  ++in_flight_;  // as if it had come from a node
  on_reply(call, text, true);
}

// False: it still has to wait.
bool GatewaySession::resend(Call& call, int64_t now_ns) {
  const int64_t limit_ns = gateway_.options().gateway_retry_ms * 1'000'000;
  if (call.overtaken || call.fails_fast || now_ns - call.refused_ns > limit_ns) {
    if (call.lost) {
      close_unknown("nobody could be asked in time");
    } else {
      give_up(call);
    }
    return true;
  }
  ++call.attempts;
  ++gateway_.context().stats.retries;
  WireBytes bytes = std::move(call.bytes);
  std::string line = std::move(call.reply);
  call.reply.clear();
  std::string why, shorter;
  if (call.own_link && call.command != nullptr)
    shorter = with_time_left(*call.command, bytes.view(), (now_ns - call.sent_ns) / 1'000'000);
  if (try_send(call, shorter.empty() ? bytes.view() : shorter, &why)) return true;
  call.bytes = std::move(bytes);
  call.reply = std::move(line);
  call.refused = RefusalKind::kLater;
  call.hint.clear();
  return false;
}

bool GatewaySession::retry(int64_t now_ns) {
  if (!waits_for_retry()) return false;
  now_ns_ = now_ns;
  std::vector<Call*> calls = std::move(waiting_);
  waiting_.clear();
  std::sort(calls.begin(), calls.end(),
            [](const Call* a, const Call* b) { return a->sequence < b->sequence; });
  // Of one slot, all go to one connection, or those behind wait.
  const std::string nowhere = "-";
  std::map<SlotId, std::string> sent;
  std::vector<Call*> kept;
  for (Call* call : calls) {
    const SlotId slot = call->slot;
    const auto before = sent.find(slot);
    const GatewayNode* owner = gateway_.topology().owner(slot);
    const std::string to = !call->hint.empty() ? call->hint
                           : owner != nullptr  ? owner->address
                                               : "";
    const bool behind = before != sent.end() && before->second != to;
    last_sent_ = nullptr;
    if (behind || !resend(*call, now_ns)) {
      kept.push_back(call);
      sent[slot] = nowhere;
    } else if (last_sent_ != nullptr) {
      sent[slot] = last_sent_->address();
    }
    if (closing()) return false;
  }
  waiting_.insert(waiting_.end(), kept.begin(), kept.end());
  if (waiting_.empty()) {
    // Some may have gone to other nodes than new ones would: those come when these are answered.
    wants_idle_ = true;
    wake();
  }
  return !waiting_.empty();
}

}  // namespace holdfast
