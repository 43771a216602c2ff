// Tracking: client-side caching. It remembers which client has read which keys, or wants to hear
// of all keys with a prefix (broadcast), and tells them when a key changes.
//
//   T1  A key that a client may have cached is in the table with the client's id, until the client
//       was told that it changed. Ids of clients that are gone stay until then: ids are not reused.
//   T2  An invalidation leaves when the change is committed (Deliveries), behind the replies of
//       the client that made the change.
//   T3  The table holds at most tracking.table_max_keys keys: beyond, the keys remembered longest
//       are invalidated though they did not change.
//
// Keys are known by name, whatever database they are in, as in Redis. Broadcasts are gathered
// during a turn and sent at its end: one message for each client and prefix.
//
// Threads: the reactor's only.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "resp/command.h"
#include "resp/deliveries.h"
#include "resp/pubsub.h"

namespace holdfast {

class Server;
class Session;

// CLIENT TRACKING's options of one session.
struct ClientTracking {
  uint64_t redirect = 0;  // the client that gets the invalidations; 0: this one
  bool broadcast = false;
  bool opt_in = false;
  bool opt_out = false;
  bool no_loop = false;
  bool caching = false;                         // CLIENT CACHING was given for the next command
  bool redirect_broken = false;                 // the other client is gone
  std::set<std::string, std::less<>> prefixes;  // of a broadcast
};

// Ids of clients, of which there are few as a rule and many at times.
class ClientIds {
 public:
  bool insert(uint64_t id);  // false: was there
  size_t size() const { return many_ == nullptr ? few_.size() : many_->size(); }
  template <typename Visit>
  void visit(Visit visit) const {
    if (many_ == nullptr) {
      for (const uint64_t id : few_) visit(id);
    } else {
      for (const uint64_t id : *many_) visit(id);
    }
  }

 private:
  static constexpr size_t kFew = 16;  // looked through one by one
  std::vector<uint64_t> few_;
  std::unique_ptr<std::unordered_set<uint64_t>> many_;
};

class Tracking {
 public:
  Tracking(Server& server, Deliveries& deliveries);
  Tracking(const Tracking&) = delete;
  Tracking& operator=(const Tracking&) = delete;

  // --- CLIENT TRACKING ---
  // Turns it on, or changes its options; prefixes are added to those that there are.
  void enable(Session& session, const ClientTracking& options);
  void disable(Session& session);

  // --- called for every command ---
  // A command of the session has run: its keys are remembered if it read them.
  void remember(Session& session, const Command& command, std::span<const std::string_view> args);
  // Its reply is written: tells the session itself of what it changed.
  void after_reply(Session& session);
  // CLIENT CACHING holds for one command, be it refused, or for one transaction.
  static void end_caching(Session& session, const Command* command);

  // --- changes ---
  // False when nobody would be told of any change.
  bool watches() const { return !keys_.empty() || !broadcasts_.empty(); }
  // The key is about to change. `by`: the session that changes it; null for an expiry.
  void changed(std::string_view key, Session* by);
  // A whole database went away, or came: every client forgets all it has.
  void flushed();
  // Sends what was gathered. At the end of each turn.
  void broadcast();
  // Forgets keys until the table is within its limit, some more than the `added` ones at a time.
  void trim(size_t added);

  uint64_t clients() const { return clients_; }
  uint64_t key_count() const { return keys_.size(); }
  uint64_t item_count() const { return items_; }  // pairs of key and client
  uint64_t prefix_count() const;

 private:
  struct Key {
    std::string name;
    ClientIds clients;
  };
  struct Broadcast {
    std::string_view prefix;               // the table's
    std::map<uint64_t, Session*> clients;  // by id, for an order that can be repeated
    // Changed in this turn, each with the id of the session that changed it last.
    std::map<std::string, uint64_t, std::less<>> keys;
  };
  using Broadcasts = NameTable<std::string, Broadcast>;

  void leave_broadcasts(Session& session);
  void note_broadcast(std::string_view key, Session* by);
  void send_broadcast(Broadcast& broadcast);
  void invalidate(std::list<Key>::iterator key);
  // To the session or to the one it redirects to, if that can be told.
  void send(Session& session, Push& message);
  void send_null(Session& session);

  Server& server_;
  Deliveries& deliveries_;
  uint64_t clients_ = 0;
  uint64_t items_ = 0;
  std::list<Key> keys_;  // in the order in which they were first remembered
  NameTable<std::string_view, std::list<Key>::iterator> places_;
  std::map<size_t, Broadcasts> broadcasts_;  // by the length of the prefix
  std::vector<Broadcast*> to_send_;          // those with keys
  // What the session whose command runs is told of behind its reply; nothing: of everything.
  std::vector<std::optional<std::string>> for_caller_;
  std::vector<FoundKey> found_;  // kept, so that remembering allocates little
};

}  // namespace holdfast
