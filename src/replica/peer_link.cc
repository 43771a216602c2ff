// See peer_link.h.
#include "replica/peer_link.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace holdfast {

PeerLink::PeerLink(PeerContext& context, Member wanted, Address address, Dial dial)
    : context_(context),
      wanted_(wanted),
      address_(std::move(address)),
      dial_(dial),
      retry_ms_(context.options.min_retry_ms) {
  HF_ASSERT(wanted_.valid() && wanted_.node != context_.identity.self.node);
}

PeerLink::~PeerLink() { stop(); }

void PeerLink::start() {
  if (dials()) connect();
}

void PeerLink::stop() {
  stopped_ = true;
  context_.reactor.cancel(std::exchange(retry_timer_, 0));
  greeter_.reset();
  if (conn_) conn_->close();
  conn_.reset();
}

// --- connecting ---

void PeerLink::hurry() {
  if (stopped_ || conn_ || greeter_ || !dials()) return;
  context_.reactor.cancel(std::exchange(retry_timer_, 0));
  retry_ms_ = context_.options.min_retry_ms;
  connect();
}

void PeerLink::learn(Address address, Dial dial) {
  address_ = std::move(address);
  dial_ = dial;
  hurry();
}

void PeerLink::connect() {
  auto conn = context_.net.connect(address_);
  if (!conn.ok()) return retry(conn.status().message(), false);
  greeter_ = std::make_shared<Greeter>(
      context_.reactor, std::move(conn.value()),
      Handshake::dial(context_.identity, wanted_, context_.nonce()), context_.options.handshake_ms,
      [this](Greeter& greeter) { greeted(greeter); });
  greeter_->start();
}

void PeerLink::greeted(Greeter& greeter) {
  const auto kept = std::exchange(greeter_, nullptr);
  if (greeter.ok()) return adopt(greeter);
  retry(greeter.why(), greeter.refused());
}

void PeerLink::retry(const std::string& why, bool refused) {
  if (why != std::exchange(last_failure_, why)) {
    log_warning(refused ? "peer refused" : "peer not reached",
                {{"node", wanted_.node}, {"address", address_.to_string()}, {"why", why}});
  }
  const int64_t most = context_.options.max_retry_ms;
  if (refused) retry_ms_ = most;
  // From half of it on: nodes that lost each other together do not come back in step.
  const int64_t half = retry_ms_ / 2;
  const auto jitter = static_cast<int64_t>(context_.random.below(static_cast<uint64_t>(half) + 1));
  retry_ms_ = std::min(2 * retry_ms_, most);
  context_.reactor.cancel(retry_timer_);
  retry_timer_ = context_.reactor.run_after(half + jitter, [this] {
    retry_timer_ = 0;
    connect();
  });
}

void PeerLink::adopt(Greeter& greeter) {
  const auto self = shared_from_this();
  if (conn_) drop_conn("the other side connected anew");
  if (stopped_) return;
  context_.reactor.cancel(std::exchange(retry_timer_, 0));
  greeter_.reset();
  last_failure_.clear();
  ++stats_.connects;
  const LinkSession& session = greeter.handshake().session();
  conn_ = std::make_shared<PeerConn>(context_.reactor, greeter.take_conn(), session,
                                     context_.options, context_.conns, stats_, *this);
  log_info("peer up", {{"node", session.peer.node},
                       {"store", session.peer.store},
                       {"address", greeter.address().to_string()},
                       {"authenticated", session.authenticated},
                       {"lz4", (session.features & kFeatureLz4) != 0}});
  const auto conn = conn_;
  context_.hooks.on_link(session.peer, true);
  if (conn == conn_) conn->start(greeter.early());
}

void PeerLink::drop_conn(const std::string& why) {
  const Member peer = conn_->session().peer;
  conn_->close();
  conn_.reset();
  log_warning("peer down", {{"node", peer.node}, {"why", why}});
  context_.hooks.on_link(peer, false);
}

// --- what the connection says ---

void PeerLink::on_message(Message message) { context_.hooks.on_message(std::move(message)); }

// Only now: a side that ends connections right behind the handshake is not dialled in a hurry.
void PeerLink::on_pong() { retry_ms_ = context_.options.min_retry_ms; }

void PeerLink::on_drained() { context_.hooks.on_drained(wanted_.node); }

void PeerLink::on_lost(const std::string& why) {
  const auto self = shared_from_this();
  drop_conn(why);
  if (!stopped_ && !conn_ && !greeter_ && dials()) retry(why, false);
}

// --- sending ---

SendResult PeerLink::send(const Message& message) {
  HF_ASSERT(message.to.node == wanted_.node || message.to == kCoordinatorMember);
  if (!conn_) {
    ++stats_.dropped_down;
    return SendResult::kDown;
  }
  if (message.to.store != 0 && message.to.store != peer().store) {
    ++stats_.dropped_member;
    return SendResult::kOtherMember;
  }
  return conn_->send(encode_message(message)) ? SendResult::kQueued : SendResult::kFull;
}

void PeerLink::flush() {
  if (conn_) conn_->flush();
}

}  // namespace holdfast
