// Handshake: how two nodes that have a connection find out who the other one is, and agree on how
// to speak. Hello (who dials) -> Welcome (who was dialled) -> Proof. docs/PROTOCOL.md has the
// bytes.
//
// What must hold when both sides are done:
//  - same cluster, same role of the connection, a version both speak, features both have;
//  - each is the node that the other wanted, with the store that the other expects, if it expects
//    one; a node does not talk to itself;
//  - if one side has a secret, both have the same: each has proven it over both nonces and all that
//    was said, so neither an old conversation nor one with other versions can be passed off as this
//    one. Without secrets anybody who reaches the port is believed.
// A side that refuses tells why in a code (never in words: what is logged is our own), if the other
// one has at least sent a whole frame.
//
// Pure: bytes in, bytes out. The caller limits the time, and draws the nonce from a source that
// nobody can predict.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "replica/frame.h"
#include "replica/wire.h"

namespace holdfast {

// What a connection is for. Both ends must mean the same.
enum class LinkRole : uint8_t {
  kReplica = 1,  // messages between replicas of shards, and with coordinators
};

enum class Refusal : uint8_t {
  kMalformed = 1,        // bytes that are no handshake
  kOtherCluster = 2,     //
  kNoCommonVersion = 3,  //
  kOtherRole = 4,        //
  kSelf = 5,             // the other side has our own node id
  kOtherNode = 6,        // we are not the node that was wanted
  kOtherStore = 7,       // we have not the store that was wanted
  kUnknownNode = 8,      // no node of ours
  kChangedStore = 9,     // that node had another store
  kSecretMissing = 10,   // we have a secret, the other side has none
  kWrongSecret = 11,     //
};
// "other cluster": for log lines.
std::string_view refusal_text(Refusal why);

// What a node says of itself, and insists on.
struct LinkIdentity {
  uint64_t cluster = 0;
  Member self;
  LinkRole role = LinkRole::kReplica;
  uint32_t features = 0;  // offered
  std::string secret;     // empty: none. As good as it is random: 32 random bytes
};

class Handshake {
 public:
  using Nonce = std::array<char, 32>;
  enum class State : uint8_t { kRunning, kDone, kRefused };
  // Whether a node that dials us is known, and the store it must have (0: any).
  using Expect = std::function<std::optional<StoreId>(NodeId)>;

  // `wanted.store` 0: any. The identity is copied.
  static Handshake dial(const LinkIdentity& identity, Member wanted, const Nonce& nonce);
  static Handshake accept(const LinkIdentity& identity, Expect expect, const Nonce& nonce);

  // Takes bytes; gives how many of them it used. Those behind the handshake are the connection's.
  size_t feed(std::string_view bytes);
  // What is to be sent now; also after a refusal.
  std::string take_output() { return std::exchange(output_, {}); }

  State state() const { return state_; }
  // REQUIRES: kDone.
  const LinkSession& session() const { return session_; }
  // REQUIRES: kRefused. By the other side, or by us.
  Refusal refusal() const { return refusal_; }
  bool refused_by_peer() const { return refused_by_peer_; }
  // Who the other side says it is; no node while it has not said.
  Member peer() const { return session_.peer; }

 private:
  Handshake(const LinkIdentity& identity, bool dials, const Nonce& nonce);

  void send(FrameType type, std::string_view payload);
  void refuse(Refusal why);
  void take_frame(const FrameHeader& header, std::string_view payload);
  void take_hello(const FrameHeader& header, std::string_view payload);
  void take_welcome(const FrameHeader& header, std::string_view payload);
  void take_proof(std::string_view payload);
  std::optional<Refusal> judge_hello(std::string_view payload);
  std::optional<Refusal> judge_welcome(std::string_view payload);
  std::string proof(std::string_view label) const;
  void finish();

  LinkIdentity identity_;
  const bool dials_;
  Nonce nonce_;
  Member wanted_;  // by who dials
  Expect expect_;

  State state_ = State::kRunning;
  Refusal refusal_ = Refusal::kMalformed;
  bool refused_by_peer_ = false;
  std::string input_;   // of a frame that is not complete
  std::string output_;  // not taken yet
  std::string said_;    // the payloads of Hello and of Welcome up to its proof
  LinkSession session_;
};

}  // namespace holdfast
