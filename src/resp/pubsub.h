// PubSub: who listens to which channels and patterns, and the way of a message to them.
//
// Three name spaces, one table each: channels, patterns of channels, and shard channels. A message
// to a channel costs one look into the table of channels and one match for each pattern; a change
// of a subscription costs the same whatever the number of subscribers.
//
// Threads: the reactor's only. A session must leave() before it is freed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/notify_class.h"
#include "base/types.h"
#include "resp/deliveries.h"
#include "store/key.h"

namespace holdfast {

class Session;

enum class SubscriptionKind : uint8_t { kChannel, kPattern, kShard };
inline constexpr size_t kSubscriptionKinds = 3;

// Hashes names under a seed of this process, so that nobody outside can choose names that collide.
struct NameHash {
  using is_transparent = void;
  uint64_t seed;
  size_t operator()(std::string_view name) const noexcept { return hash_of(name, seed); }
};
template <typename Name, typename Value>
using NameTable = std::unordered_map<Name, Value, NameHash, std::equal_to<>>;

// A channel or pattern with at least one subscriber. Its address is fixed.
struct Channel {
  std::string_view name;  // the table's
  std::vector<Session*> subscribers;
};

// What one session listens to: the channel, and the session's place among its subscribers.
class Subscriptions {
 public:
  struct Place {
    Channel* channel;
    size_t index;
  };
  using Table = NameTable<std::string_view, Place>;  // names are the channel's

  explicit Subscriptions(uint64_t seed)
      : tables_{Table(0, NameHash{seed}), Table(0, NameHash{seed}), Table(0, NameHash{seed})} {}

  Table& of(SubscriptionKind kind) { return tables_[static_cast<size_t>(kind)]; }
  const Table& of(SubscriptionKind kind) const { return tables_[static_cast<size_t>(kind)]; }
  size_t count(SubscriptionKind kind) const { return of(kind).size(); }
  bool empty() const { return tables_[0].empty() && tables_[1].empty() && tables_[2].empty(); }
  size_t memory() const;  // rough bytes

 private:
  std::array<Table, kSubscriptionKinds> tables_;
};

class PubSub {
 public:
  using Table = NameTable<std::string, Channel>;

  PubSub(uint64_t hash_seed, Deliveries& deliveries);
  PubSub(const PubSub&) = delete;
  PubSub& operator=(const PubSub&) = delete;

  // False when nothing changed.
  bool subscribe(Session& session, SubscriptionKind kind, std::string_view name);
  bool unsubscribe(Session& session, SubscriptionKind kind, std::string_view name);
  // Ends all subscriptions of the session.
  void leave(Session& session);

  // Sends the message to all who listen to the channel; gives how many deliveries that were.
  uint64_t publish(std::string_view channel, std::string_view message);
  uint64_t publish_to_shard_channel(std::string_view channel, std::string_view message);
  // Publishes a keyspace event on the channels that `classes` ask for.
  void publish_event(NotifyMask classes, int logical_db, std::string_view event,
                     std::string_view key);

  const Table& channels(SubscriptionKind kind) const { return tables_[static_cast<size_t>(kind)]; }
  size_t subscribers(SubscriptionKind kind, std::string_view name) const;

 private:
  Table& table(SubscriptionKind kind) { return tables_[static_cast<size_t>(kind)]; }
  uint64_t send(std::string_view word, const Channel& to, std::string_view message);
  void remove(SubscriptionKind kind, const Subscriptions::Place& place);

  const uint64_t seed_;
  Deliveries& deliveries_;
  std::array<Table, kSubscriptionKinds> tables_;
  std::string event_channel_;  // kept, so that an event allocates nothing
};

}  // namespace holdfast
