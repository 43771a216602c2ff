// See peer_net.h.
#include "replica/peer_net.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"

namespace holdfast {
namespace {

Handshake::Nonce kernel_nonce() {
  Handshake::Nonce nonce;
  secure_bytes(nonce.data(), nonce.size());
  return nonce;
}

}  // namespace

PeerNet::PeerNet(Reactor& reactor, Net& net, Random& random, LinkIdentity identity,
                 const PeerOptions& options, PeerHooks hooks,
                 std::function<Handshake::Nonce()> nonce)
    : context_{reactor,
               net,
               random,
               std::move(identity),
               options,
               std::move(hooks),
               nonce ? std::move(nonce) : kernel_nonce,
               PeerConnShared(kReadBufferBytes)},
      alive_(std::make_shared<PeerNet*>(this)) {
  context_.identity.features |= kFeaturePublished | kFeatureBusy;
  if (options.lz4) context_.identity.features |= kFeatureLz4;
}

PeerNet::~PeerNet() {
  *alive_ = nullptr;
  for (const auto& [node, link] : links_) link->stop();
}

// --- who is known ---

void PeerNet::set_peer(NodeId node, const Address& address, StoreId store, Dial dial) {
  if (node == context_.identity.self.node) return;
  const auto found = links_.find(node);
  if (found != links_.end()) {
    PeerLink& link = *found->second;
    if (link.dial() == Dial::kThey && link.wanted().store == store)
      return link.learn(address, dial);
    const bool same_address = link.address().to_string() == address.to_string();
    if (same_address && link.wanted().store == store && link.dial() == dial) return;
    remove_peer(node);
  }
  const auto link = std::make_shared<PeerLink>(context_, Member{node, store}, address, dial);
  links_[node] = link;
  link->start();
}

void PeerNet::hurry(NodeId node) {
  const auto found = links_.find(node);
  if (found != links_.end()) found->second->hurry();
}

void PeerNet::remove_peer(NodeId node) {
  const auto found = links_.find(node);
  if (found == links_.end()) return;
  const auto link = found->second;
  links_.erase(found);
  const bool was_up = link->up();
  const Member peer = was_up ? link->peer() : Member{};
  link->stop();
  if (was_up) context_.hooks.on_link(peer, false);
}

const PeerLink* PeerNet::link(NodeId node) const {
  const auto found = links_.find(node);
  return found == links_.end() ? nullptr : found->second.get();
}

std::vector<NodeId> PeerNet::nodes() const {
  std::vector<NodeId> known;
  for (const auto& [node, link] : links_) known.push_back(node);
  return known;
}

// --- being dialled ---

Status PeerNet::listen(const Address& address) {
  auto listener = context_.net.listen(
      address, {}, [this](std::unique_ptr<Conn> conn) { accepted(std::move(conn)); });
  if (!listener.ok()) return listener.status();
  listener_ = std::move(listener.value());
  return {};
}

std::optional<StoreId> PeerNet::expected_store(NodeId node) const {
  const auto found = links_.find(node);
  if (found == links_.end()) return accepts_unknown_ ? std::optional<StoreId>(0) : std::nullopt;
  return found->second->wanted().store;
}

void PeerNet::accepted(std::unique_ptr<Conn> conn) {
  if (greeters_.size() >= kMaxGreeters) greeters_.pop_front();
  auto handshake = Handshake::accept(
      context_.identity, [this](NodeId node) { return expected_store(node); }, context_.nonce());
  greeters_.push_back(std::make_shared<Greeter>(context_.reactor, std::move(conn),
                                                std::move(handshake), context_.options.handshake_ms,
                                                [this](Greeter& greeter) { greeted(greeter); }));
  greeters_.back()->start();
}

void PeerNet::greeted(Greeter& greeter) {
  const auto kept = greeter.shared_from_this();
  greeters_.remove(kept);
  if (!greeter.ok()) return say_refused(greeter);
  const NodeId node = greeter.handshake().peer().node;
  if (accepts_unknown_ && !links_.contains(node)) set_peer(node, greeter.address(), 0, Dial::kThey);
  // It may have been removed since its Hello.
  const auto found = links_.find(node);
  if (found != links_.end()) std::shared_ptr<PeerLink>(found->second)->adopt(greeter);
}

void PeerNet::say_refused(const Greeter& greeter) {
  const Member peer = greeter.handshake().peer();
  const std::string what = greeter.address().host + ' ' + std::to_string(peer.node) + greeter.why();
  const int64_t now = context_.reactor.clock().mono_ns();
  if (said_.size() >= kMaxSaid) said_.clear();
  const auto [said, fresh] = said_.try_emplace(what, now);
  if (!fresh && now - said->second < kSayAgainNs) return;
  said->second = now;
  log_warning("incoming peer refused", {{"node", peer.node},
                                        {"store", peer.store},
                                        {"address", greeter.address().to_string()},
                                        {"why", greeter.why()}});
}

// --- sending ---

SendResult PeerNet::send_to(NodeId node, const Message& message) {
  const Member self = context_.identity.self;
  HF_ASSERT(message.from == self || message.from == kCoordinatorMember);
  HF_ASSERT(message.to.node == node || message.to == kCoordinatorMember);
  if (context_.options.watch) context_.options.watch(message);
  if (node == self.node) {
    if (message.to.store != 0 && message.to.store != self.store) return SendResult::kOtherMember;
    Message own = message;
    if (own.to != kCoordinatorMember) own.to = self;
    context_.reactor.post([alive = alive_, own = std::move(own)]() mutable {
      if (*alive != nullptr) (*alive)->context_.hooks.on_message(std::move(own));
    });
    return SendResult::kQueued;
  }
  const auto found = links_.find(node);
  if (found == links_.end()) return SendResult::kDown;
  const auto& link = found->second;
  const SendResult result = link->send(message);
  if (result != SendResult::kQueued) return result;
  if (std::find(unflushed_.begin(), unflushed_.end(), link) == unflushed_.end()) {
    unflushed_.push_back(link);
    flush_later();
  }
  return result;
}

void PeerNet::flush_later() {
  if (std::exchange(flush_posted_, true)) return;
  context_.reactor.post([alive = alive_] {
    if (*alive == nullptr) return;
    (*alive)->flush_posted_ = false;
    (*alive)->flush();
  });
}

void PeerNet::say_busy() {
  const Member self = context_.identity.self;
  const Payload busy = encode_message({0, 0, self, {}, Busy{self.node}});
  const std::lock_guard lock(context_.conns.sending);
  for (PeerConn* conn : context_.conns.open) conn->say_busy(busy);
}

void PeerNet::flush() {
  flushing_.swap(unflushed_);
  for (const auto& link : flushing_) link->flush();
  flushing_.clear();
}

}  // namespace holdfast
