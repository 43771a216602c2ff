// PeerLink: our side of the link to one other node. One of the two dials, again and again; the
// other one waits to be dialled. Either way one connection carries both directions.
//
// What must hold:
//  - at most one connection is up. A newer one replaces it: who dials has only one, so the older
//  one
//    is dead in its eyes;
//  - messages that wait when a connection ends are lost: what matters is sent again by the
//  protocol,
//    from where its receiver then is;
//  - attempts to connect are min_retry_ms to max_retry_ms apart, with jitter; at once max_retry_ms
//    after a refusal, which time does not heal.
//
// Held by a shared_ptr. Threads: the reactor's.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/net.h"
#include "base/random.h"
#include "base/reactor.h"
#include "replica/greeter.h"
#include "replica/handshake.h"
#include "replica/peer_conn.h"

namespace holdfast {

// Called by the reactor; on_link also inside PeerNet's set_peer() and remove_peer(). They may call
// anything of PeerNet, but not destroy it.
struct PeerHooks {
  std::function<void(Message)> on_message;
  // The link is up or down. Between two ups there is a down.
  std::function<void(Member peer, bool up)> on_link;
  // A send() to this node was refused for want of room, and now there is some.
  std::function<void(NodeId)> on_drained;
};

// What all links of a node share.
struct PeerContext {
  Reactor& reactor;
  Net& net;
  Random& random;  // for jitter
  LinkIdentity identity;
  PeerOptions options;
  PeerHooks hooks;
  std::function<Handshake::Nonce()> nonce;
  PeerConnShared conns;
};

// Which of two nodes opens the connection between them. Both must mean the same.
enum class Dial : uint8_t {
  kLowerId,  // the one with the lower id
  kWe,
  kThey,
};

enum class SendResult : uint8_t {
  kQueued,       // will be sent, unless the connection ends before
  kFull,         // the queue is full: on_drained follows, unless the link goes down
  kDown,         // there is no connection, or no such node
  kOtherMember,  // the node is there with another store: that member is gone
};

class PeerLink final : public PeerConn::Owner, public std::enable_shared_from_this<PeerLink> {
 public:
  // `wanted.store` 0: whichever store the node has. The context outlives the link or its stop().
  PeerLink(PeerContext& context, Member wanted, Address address, Dial dial);
  ~PeerLink() override;
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  void start();
  void stop();  // for good
  // The node is there (again), as far as somebody knows: the next attempt is now.
  void hurry();
  // The node dialled us before we knew more of it: here it is. A connection stays.
  void learn(Address address, Dial dial);
  // An accepted connection.
  void adopt(Greeter& greeter);

  SendResult send(const Message& message);
  void flush();

  bool up() const { return conn_ != nullptr; }
  // REQUIRES: up(). With the store it has.
  Member peer() const { return conn_->session().peer; }
  Member wanted() const { return wanted_; }
  const Address& address() const { return address_; }
  Dial dial() const { return dial_; }
  // False while down.
  bool has(uint32_t feature) const {
    return conn_ != nullptr && (conn_->session().features & feature) != 0;
  }
  // 0 while down.
  size_t writable_bytes() const { return conn_ ? conn_->writable_bytes() : 0; }
  size_t queued_bytes() const { return conn_ ? conn_->queued_bytes() : 0; }
  const PeerStats& stats() const { return stats_; }

  void on_message(Message message) override;
  void on_pong() override;
  void on_drained() override;
  void on_lost(const std::string& why) override;

 private:
  bool dials() const {
    return dial_ == Dial::kLowerId ? context_.identity.self.node < wanted_.node
                                   : dial_ == Dial::kWe;
  }
  void connect();
  void greeted(Greeter& greeter);
  void retry(const std::string& why, bool refused);
  void drop_conn(const std::string& why);

  PeerContext& context_;
  const Member wanted_;
  Address address_;
  Dial dial_;
  bool stopped_ = false;
  std::shared_ptr<Greeter> greeter_;
  std::shared_ptr<PeerConn> conn_;
  TimerId retry_timer_ = 0;
  int64_t retry_ms_;
  std::string last_failure_;  // said in the log; not again until the link was up
  PeerStats stats_;
};

}  // namespace holdfast
