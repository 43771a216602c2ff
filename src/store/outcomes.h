// Outcomes: what became of the newest writes of each client that numbers them, so that one whose
// answer was lost can be asked for again, here or at whoever is primary then (docs/GATEWAY.md,
// "Exactly once").
//
// A part of the keyspace: it changes only through effects of type kRemember, which are in the same
// entry as the changes of the write they tell of. So a write is remembered exactly where it was
// done.
//
// O1  A client's number is carried out at most once, for as long as the client is remembered.
// O2  Numbers below the client's `first` are answered: their outcomes are gone, and they are never
//     carried out any more.
// O3  It is bounded: kMaxBytes, then the client goes that wrote longest ago.
//
// Threads: the keyspace's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/types.h"

namespace holdfast {

// Names one write of one client of a gateway.
struct WriteTag {
  uint64_t gateway = 0;  // random for each start of a gateway
  uint64_t session = 0;  // its client
  uint64_t number = 0;   // grows from 1; 0: no tag
  uint64_t first = 0;    // of those whose answers the client may still wait for; at most `number`

  bool given() const { return number != 0; }
};

// The value of an effect of type kRemember.
struct Remembered {
  // A longer reply is not kept, only that the write was done.
  static constexpr size_t kMaxReplyBytes = 4096;

  WriteTag tag;
  bool has_reply = false;
  std::string_view reply;  // as it was sent

  std::string encode() const;
  // False when it is none. The view lives as long as the bytes.
  static bool decode(std::string_view bytes, Remembered* into);
};

class Outcomes {
 public:
  static constexpr size_t kMaxBytes = 16 << 20;

  enum class Found : uint8_t {
    kNothing,    // it was not done
    kReply,      // it was, and this was the answer
    kForgotten,  // it was done, or may have been; its answer is not known
  };
  struct Outcome {
    Found found = Found::kNothing;
    Seq seq = 0;             // the entry that did it; 0: long ago
    std::string_view reply;  // until the next change
  };

  Outcome find(const WriteTag& tag) const;
  // Applying the same twice, or an older one again, changes nothing.
  void note(const Remembered& remembered, Seq seq);

  // The entry of the newest change.
  Seq newest() const { return newest_; }
  size_t clients() const { return clients_.size(); }
  size_t bytes() const { return bytes_; }

  // In a checkpoint: effects' values, of the client first that wrote longest ago.
  template <typename Visit>
  void visit(const Visit& visit) const;

 private:
  struct Key {
    uint64_t gateway, session;
    bool operator==(const Key&) const = default;
  };
  struct HashKey {
    size_t operator()(const Key& key) const {
      return key.gateway ^ (key.session * 0x9e3779b97f4a7c15ULL);
    }
  };
  struct Done {
    uint64_t number;
    Seq seq;
    bool has_reply;
    std::string reply;
  };
  struct Client {
    Key key;
    uint64_t first = 0;
    std::deque<Done> done;  // by number
  };
  using Clients = std::list<Client>;
  static constexpr size_t kClientBytes = 768;  // about what one costs, without its replies
  static constexpr size_t kDoneBytes = 64;

  void forget_below(Client& client, uint64_t first);
  void keep_within_bounds();

  Clients clients_;  // the one that wrote last is the last
  std::unordered_map<Key, Clients::iterator, HashKey> by_key_;
  size_t bytes_ = 0;
  Seq newest_ = 0;
};

template <typename Visit>
void Outcomes::visit(const Visit& visit) const {
  for (const Client& client : clients_) {
    for (const Done& done : client.done) {
      const WriteTag tag{client.key.gateway, client.key.session, done.number, client.first};
      visit(Remembered{tag, done.has_reply, done.reply});
    }
  }
}

}  // namespace holdfast
