// See pubsub.h.
#include "resp/pubsub.h"

#include "resp/session.h"
#include "store/glob.h"
#include "store/object.h"

namespace holdfast {

size_t Subscriptions::memory() const {
  size_t bytes = sizeof(*this);
  for (const Table& table : tables_) {
    bytes += table.size() * (sizeof(Table::value_type) + sizeof(void*)) +
             table.bucket_count() * sizeof(void*);
  }
  return bytes;
}

PubSub::PubSub(uint64_t hash_seed, Deliveries& deliveries)
    : seed_(hash_seed),
      deliveries_(deliveries),
      tables_{Table(0, NameHash{hash_seed}), Table(0, NameHash{hash_seed}),
              Table(0, NameHash{hash_seed})} {}

bool PubSub::subscribe(Session& session, SubscriptionKind kind, std::string_view name) {
  if (session.subscriptions == nullptr) {
    session.subscriptions = std::make_unique<Subscriptions>(seed_);
  }
  Subscriptions::Table& own = session.subscriptions->of(kind);
  if (own.contains(name)) return false;
  const auto [entry, is_new] = table(kind).try_emplace(std::string(name));
  Channel& channel = entry->second;
  if (is_new) channel.name = entry->first;
  own.emplace(channel.name, Subscriptions::Place{&channel, channel.subscribers.size()});
  channel.subscribers.push_back(&session);
  return true;
}

// The last subscriber takes the free place.
void PubSub::remove(SubscriptionKind kind, const Subscriptions::Place& place) {
  Channel& channel = *place.channel;
  Session* last = channel.subscribers.back();
  channel.subscribers[place.index] = last;
  last->subscriptions->of(kind).find(channel.name)->second.index = place.index;
  channel.subscribers.pop_back();
}

bool PubSub::unsubscribe(Session& session, SubscriptionKind kind, std::string_view name) {
  if (session.subscriptions == nullptr) return false;
  Subscriptions::Table& own = session.subscriptions->of(kind);
  const auto found = own.find(name);
  if (found == own.end()) return false;
  Channel& channel = *found->second.channel;
  remove(kind, found->second);
  own.erase(found);
  if (channel.subscribers.empty()) table(kind).erase(table(kind).find(channel.name));
  if (session.subscriptions->empty()) session.subscriptions = nullptr;
  return true;
}

void PubSub::leave(Session& session) {
  for (size_t i = 0; i < kSubscriptionKinds; ++i) {
    const auto kind = static_cast<SubscriptionKind>(i);
    while (session.subscriptions != nullptr && session.subscriptions->count(kind) > 0) {
      unsubscribe(session, kind, session.subscriptions->of(kind).begin()->first);
    }
  }
}

uint64_t PubSub::send(std::string_view word, const Channel& to, std::string_view message) {
  Push push([&](int protocol) {
    std::string bytes;
    bytes.reserve(word.size() + to.name.size() + message.size() + 64);
    append_push_header(protocol, 3, &bytes);
    append_bulk(word, &bytes);
    append_bulk(to.name, &bytes);
    append_bulk(message, &bytes);
    return bytes;
  });
  uint64_t sent = 0;
  for (Session* session : to.subscribers) sent += deliveries_.push(*session, push) ? 1 : 0;
  return sent;
}

uint64_t PubSub::publish(std::string_view channel, std::string_view message) {
  uint64_t sent = 0;
  const Table& channels = table(SubscriptionKind::kChannel);
  const auto found = channels.find(channel);
  if (found != channels.end()) sent += send("message", found->second, message);
  for (const auto& [pattern, subscribed] : table(SubscriptionKind::kPattern)) {
    if (!glob_match(pattern, channel)) continue;
    Push push([&, &pattern = pattern](int protocol) {
      std::string bytes;
      bytes.reserve(pattern.size() + channel.size() + message.size() + 80);
      append_push_header(protocol, 4, &bytes);
      append_bulk("pmessage", &bytes);
      append_bulk(pattern, &bytes);
      append_bulk(channel, &bytes);
      append_bulk(message, &bytes);
      return bytes;
    });
    for (Session* session : subscribed.subscribers) {
      sent += deliveries_.push(*session, push) ? 1 : 0;
    }
  }
  return sent;
}

uint64_t PubSub::publish_to_shard_channel(std::string_view channel, std::string_view message) {
  const Table& channels = table(SubscriptionKind::kShard);
  const auto found = channels.find(channel);
  return found == channels.end() ? 0 : send("smessage", found->second, message);
}

void PubSub::publish_event(NotifyMask classes, int logical_db, std::string_view event,
                           std::string_view key) {
  if (table(SubscriptionKind::kChannel).empty() && table(SubscriptionKind::kPattern).empty()) {
    return;
  }
  char number[24];
  const std::string_view db = format_int64(logical_db, number);
  if ((classes & mask_of(NotifyClass::kKeyspace)) != 0) {
    event_channel_.assign("__keyspace@").append(db).append("__:").append(key);
    publish(event_channel_, event);
  }
  if ((classes & mask_of(NotifyClass::kKeyevent)) != 0) {
    event_channel_.assign("__keyevent@").append(db).append("__:").append(event);
    publish(event_channel_, key);
  }
}

size_t PubSub::subscribers(SubscriptionKind kind, std::string_view name) const {
  const auto found = channels(kind).find(name);
  return found == channels(kind).end() ? 0 : found->second.subscribers.size();
}

}  // namespace holdfast
