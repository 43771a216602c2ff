// PeerNet: a node's links to all other nodes it knows, and the listener for those that dial it.
//
// Messages go to the node of Message::to, and reach it at most once; per node, those with bulk
// arrive in the order of send(), urgent ones may arrive earlier. What is lost, with its connection
// or for want of room, is lost silently but for send()'s result: see PeerLink.
//
// Who is known: set_peer() names each node; who else connects is refused, unless accept_unknown()
// was called. With a secret, nodes prove that they have it, and each frame carries a MAC; nothing
// is encrypted.
//
// Threads: the reactor's, but for say_busy(). The reactor, Net and Random outlive it; no hook
// destroys it.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/random.h"
#include "base/reactor.h"
#include "replica/peer_link.h"

namespace holdfast {

class PeerNet {
 public:
  // All hooks must be set. `nonce`: unpredictable bytes; the kernel's if it is not given.
  PeerNet(Reactor& reactor, Net& net, Random& random, LinkIdentity identity,
          const PeerOptions& options, PeerHooks hooks,
          std::function<Handshake::Nonce()> nonce = {});
  ~PeerNet();
  PeerNet(const PeerNet&) = delete;
  PeerNet& operator=(const PeerNet&) = delete;

  Status listen(const Address& address);
  // REQUIRES: listen() succeeded.
  const Address& address() const { return listener_->address(); }

  // Adds a node, or changes what is known of it. `store` 0: whichever it has; else a node that has
  // another one is refused. A connection that fits both as before stays up.
  void set_peer(NodeId node, const Address& address, StoreId store = 0, Dial dial = Dial::kLowerId);
  // From now on, nodes that are not known may connect (those with the secret), and are known then.
  void accept_unknown() { accepts_unknown_ = true; }
  // Somebody says that the node is there (again): it is dialled at once, if we are who dials.
  void hurry(NodeId node);
  // Forgets it and closes its connection; on_link says down.
  void remove_peer(NodeId node);

  // To the node of `to`; `to.store` 0: whichever store it has. To this node itself: delivered in a
  // later turn. Nothing is called back inside.
  // REQUIRES: `from` is this node's member or the coordinator.
  SendResult send(const Message& message) { return send_to(message.to.node, message); }
  // The same for `to` == kCoordinatorMember: to the coordinator on that node.
  SendResult send_to(NodeId node, const Message& message);
  // Writes what was sent; call it when all messages of a turn are sent. Without it that happens in
  // the next turn.
  void flush();

  // To all who know what it means: this node's thread is at a long task. Any thread; at once.
  void say_busy();

  // Null: unknown node. Until the next set_peer() or remove_peer() of it.
  const PeerLink* link(NodeId node) const;
  // Nodes known, in order.
  std::vector<NodeId> nodes() const;

 private:
  // Connections whose handshake is under way. One more closes the oldest.
  static constexpr size_t kMaxGreeters = 64;
  static constexpr size_t kReadBufferBytes = 256 << 10;
  // A refusal is not said again within this time.
  static constexpr int64_t kSayAgainNs = 10'000'000'000;
  static constexpr size_t kMaxSaid = 64;

  void accepted(std::unique_ptr<Conn> conn);
  void greeted(Greeter& greeter);
  void say_refused(const Greeter& greeter);
  std::optional<StoreId> expected_store(NodeId node) const;
  void flush_later();

  PeerContext context_;
  std::unique_ptr<Listener> listener_;
  bool accepts_unknown_ = false;
  std::map<NodeId, std::shared_ptr<PeerLink>> links_;
  std::list<std::shared_ptr<Greeter>> greeters_;  // the oldest first
  std::map<std::string, int64_t> said_;           // refusals, and when they were logged
  std::vector<std::shared_ptr<PeerLink>> unflushed_;
  std::vector<std::shared_ptr<PeerLink>> flushing_;
  bool flush_posted_ = false;
  std::shared_ptr<PeerNet*> alive_;  // what posted tasks hold on to
};

}  // namespace holdfast
