// BlockedKeys: which sessions wait for which keys (BLPOP and its kind), in order of arrival.
//
// The shards tell of every effect once it is applied; a key that someone waits for is noted as
// ready then, whatever the effect was, and looked at after the whole command, transaction or script
// (Server::serve_waiting): whose key holds the awaited type runs its command again. A session that
// finds nothing then keeps its places.
//
// Keys are waited for under their logical database, as a client sees it: SWAPDB brings keys to
// those who wait.
//
// Cost: none while nobody waits (no shard then has a follower), else one lookup per effect.
// Threads: the reactor's only.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "replica/shards.h"
#include "resp/key_registry.h"
#include "store/effect.h"
#include "store/outcomes.h"

namespace holdfast {

class ReplyWriter;
class Session;
struct Command;

// What a command waits for, and how its wait may end.
struct AwaitedKeys {
  ObjectType type;  // another type does not end the wait
  // Replies when the time is over.
  void (*on_timeout)(ReplyWriter&);
  // The command runs again, to say what is wrong, when a key is gone or of another type too.
  bool or_gone = false;
};

struct KeyWait;

class BlockedKeys final : public EffectFollower {
 public:
  struct Waiter {
    Session* session;
    ObjectType type;
    bool or_gone;
  };
  struct Waiters {
    std::list<Waiter> list;  // oldest first
    uint32_t or_gone = 0;    // how many want to know that the key is gone
    bool ready = false;      // it is in ready_
  };
  using Registry = KeyRegistry<Waiters>;
  using Place = std::pair<Registry::value_type*, std::list<Waiter>::iterator>;

  // The shards outlive this.
  explicit BlockedKeys(Shards& shards) : shards_(shards) {}
  ~BlockedKeys() override;
  BlockedKeys(const BlockedKeys&) = delete;
  BlockedKeys& operator=(const BlockedKeys&) = delete;

  // Enters the session's wait for the keys of a logical database. A key named twice is once there.
  void add(Session& session, KeyWait& wait, int db, std::span<const std::string_view> keys);
  void remove(KeyWait& wait);
  // The session's wait is for a write that a gateway numbered. REQUIRES: nobody else waits for that
  // gateway's client.
  void set_number(Session& session, const WriteTag& tag);
  // Who waits for the same gateway's same client, or null.
  Session* numbered(const WriteTag& tag) const;

  // Keys that were changed and may have what is waited for.
  bool any_ready() const { return !ready_.empty(); }
  // Begins to serve the key that has been ready for longest. REQUIRES: any_ready().
  void begin_serving();
  // The next session in the queue of that key whose command has to run again; null at the end.
  // Sessions may be added and removed between two calls.
  Session* next_to_serve();

  size_t keys() const { return registry_.size(); }
  size_t keys_or_gone() const { return keys_or_gone_; }

  void applied(Shard& shard, const Effect& effect, bool emptied) override;
  // Another shard is here.
  void added(Shard& shard) { shard.follow_effects(registry_.empty() ? nullptr : this); }

 private:
  void key_changed(Shard& shard, const Effect& effect, bool gone);
  void mark_ready(Registry::value_type& entry);
  bool may_go_on(const Waiter& waiter, const RegisteredKey& key) const;
  void leave(const Place& place);
  void drop_if_unused(Registry::value_type* entry);
  void follow_if_needed() {
    for (Shard* shard : shards_.all()) added(*shard);
  }

  Shards& shards_;
  Registry registry_;
  std::map<std::pair<uint64_t, uint64_t>, Session*> numbered_;  // by gateway and its client
  size_t keys_or_gone_ = 0;
  std::deque<Registry::value_type*> ready_;  // pinned by Waiters::ready
  Registry::value_type* serving_ = nullptr;  // pinned too
  std::list<Waiter>::iterator next_;         // of the queue of serving_
};

// The wait of one session, and the command that will run again. Kept by the session.
struct KeyWait {
  KeyWait(const Command& waiting, Shard& has_them, int their_slot, const AwaitedKeys& wanted,
          bool replies)
      : command(waiting),
        shard(has_them),
        slot(their_slot),
        awaited(wanted),
        wants_reply(replies) {}
  KeyWait(const KeyWait&) = delete;
  KeyWait& operator=(const KeyWait&) = delete;

  const Command& command;
  Shard& shard;                        // that has the keys
  const int slot;                      // theirs, in a cluster
  std::string bytes;                   // of the arguments, one behind the other
  std::vector<std::string_view> args;  // views into them
  const AwaitedKeys awaited;
  const bool wants_reply;     // CLIENT REPLY
  WriteTag tag;               // if a gateway numbered it
  bool found_nothing = true;  // the command, running again, waits on
  std::vector<BlockedKeys::Place> places;

  void keep(std::span<const std::string_view> arguments);
  size_t memory() const;
};

}  // namespace holdfast
