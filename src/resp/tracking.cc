// See tracking.h.
#include "resp/tracking.h"

#include <algorithm>

#include "resp/server.h"

namespace holdfast {
namespace {

constexpr std::string_view kChannel = "__redis__:invalidate";  // to RESP2 clients
constexpr size_t kTrimmedAtOnce = 100;

// The head of an invalidation; what is invalid follows.
std::string invalidation(int protocol) {
  std::string bytes;
  append_push_header(protocol, protocol == 3 ? 2 : 3, &bytes);
  if (protocol == 3) {
    append_bulk("invalidate", &bytes);
  } else {
    append_bulk("message", &bytes);
    append_bulk(kChannel, &bytes);
  }
  return bytes;
}

std::string invalidation_of_key(int protocol, std::string_view key) {
  std::string bytes = invalidation(protocol);
  append_array_header(1, &bytes);
  append_bulk(key, &bytes);
  return bytes;
}

}  // namespace

bool ClientIds::insert(uint64_t id) {
  if (many_ != nullptr) return many_->insert(id).second;
  if (std::find(few_.begin(), few_.end(), id) != few_.end()) return false;
  few_.push_back(id);
  if (few_.size() > kFew) {
    many_ = std::make_unique<std::unordered_set<uint64_t>>(few_.begin(), few_.end());
    std::vector<uint64_t>().swap(few_);
  }
  return true;
}

Tracking::Tracking(Server& server, Deliveries& deliveries)
    : server_(server), deliveries_(deliveries), places_(0, NameHash{server.shards().hash_seed()}) {}

// --- on and off ---

void Tracking::enable(Session& session, const ClientTracking& options) {
  if (session.tracking == nullptr) {
    ++clients_;
    session.tracking = std::make_unique<ClientTracking>();
  }
  std::set<std::string, std::less<>> prefixes = std::move(session.tracking->prefixes);
  prefixes.insert(options.prefixes.begin(), options.prefixes.end());
  *session.tracking = options;
  session.tracking->prefixes = std::move(prefixes);
  const NameHash hash{server_.shards().hash_seed()};
  for (const std::string& prefix : session.tracking->prefixes) {
    Broadcasts& of_length = broadcasts_.try_emplace(prefix.size(), 0, hash).first->second;
    const auto [entry, is_new] = of_length.try_emplace(prefix);
    if (is_new) entry->second.prefix = entry->first;
    entry->second.clients[session.id()] = &session;
  }
}

void Tracking::disable(Session& session) {
  if (session.tracking == nullptr) return;
  leave_broadcasts(session);
  session.tracking = nullptr;
  if (--clients_ > 0) return;
  places_.clear();
  keys_.clear();
  items_ = 0;
}

void Tracking::leave_broadcasts(Session& session) {
  for (const std::string& prefix : session.tracking->prefixes) {
    const auto of_length = broadcasts_.find(prefix.size());
    const auto found = of_length->second.find(prefix);
    Broadcast& broadcast = found->second;
    broadcast.clients.erase(session.id());
    if (!broadcast.clients.empty()) continue;
    std::erase(to_send_, &broadcast);
    of_length->second.erase(found);
    if (of_length->second.empty()) broadcasts_.erase(of_length);
  }
}

uint64_t Tracking::prefix_count() const {
  uint64_t count = 0;
  for (const auto& [length, of_length] : broadcasts_) count += of_length.size();
  return count;
}

// --- what clients read ---

void Tracking::remember(Session& session, const Command& command,
                        std::span<const std::string_view> args) {
  const ClientTracking& tracking = *session.tracking;
  if (tracking.broadcast || !command.has(kReadonly)) return;
  if (tracking.opt_in ? !tracking.caching : tracking.opt_out && tracking.caching) return;
  found_.clear();
  if (!find_keys(command.spec, args, &found_)) return;
  for (const FoundKey& found : found_) {
    const std::string_view name = args[found.index];
    auto place = places_.find(name);
    if (place == places_.end()) {
      keys_.push_back({std::string(name), {}});
      place = places_.emplace(keys_.back().name, std::prev(keys_.end())).first;
    }
    if (place->second->clients.insert(session.id())) ++items_;
  }
  trim(found_.size());
}

// The work of one call is bounded, for the limit can be lowered by much.
void Tracking::trim(size_t added) {
  const uint64_t limit = server_.options().tracking_table_max_keys;
  if (limit == 0) return;
  for (size_t left = added + kTrimmedAtOnce; left > 0 && keys_.size() > limit; --left) {
    invalidate(keys_.begin());
  }
}

void Tracking::end_caching(Session& session, const Command* command) {
  if (session.tracking == nullptr || !session.tracking->caching || session.in_multi()) return;
  if (command != nullptr && command->full_name.starts_with("client|")) return;
  session.tracking->caching = false;
}

// --- what changes ---

void Tracking::changed(std::string_view key, Session* by) {
  if (!broadcasts_.empty()) note_broadcast(key, by);
  if (keys_.empty()) return;
  const auto place = places_.find(key);
  if (place != places_.end()) invalidate(place->second);
}

void Tracking::invalidate(std::list<Key>::iterator key) {
  Session* caller = deliveries_.caller();
  Push message([&key](int protocol) { return invalidation_of_key(protocol, key->name); });
  key->clients.visit([&](uint64_t id) {
    Session* session = server_.session(id);
    if (session == nullptr || session->tracking == nullptr || session->tracking->broadcast) return;
    if (session->tracking->no_loop && session == caller) return;
    if (session == caller) {
      for_caller_.emplace_back(key->name);
    } else {
      send(*session, message);
    }
  });
  items_ -= key->clients.size();
  places_.erase(places_.find(key->name));
  keys_.erase(key);
}

void Tracking::flushed() {
  if (clients_ == 0) return;
  for (const auto& [id, session] : server_.sessions()) {
    if (session->tracking == nullptr) continue;
    if (session.get() == deliveries_.caller()) {
      for_caller_.emplace_back(std::nullopt);
    } else {
      send_null(*session);
    }
  }
  places_.clear();
  keys_.clear();
  items_ = 0;
}

void Tracking::after_reply(Session& session) {
  if (for_caller_.empty()) return;
  for (const std::optional<std::string>& key : std::exchange(for_caller_, {})) {
    if (session.tracking == nullptr) continue;  // it has turned it off meanwhile
    if (!key) {
      send_null(session);
      continue;
    }
    Push message([&key](int protocol) { return invalidation_of_key(protocol, *key); });
    send(session, message);
  }
}

void Tracking::send(Session& session, Push& message) {
  Session* to = &session;
  if (session.tracking->redirect != 0) {
    to = server_.session(session.tracking->redirect);
    if (to == nullptr || to->closing()) {
      session.tracking->redirect_broken = true;
      if (!session.reply.resp3()) return;
      Push broken([&session](int protocol) {
        std::string bytes;
        append_push_header(protocol, 2, &bytes);
        append_bulk("tracking-redir-broken", &bytes);
        return bytes + ":" + std::to_string(session.tracking->redirect) + "\r\n";
      });
      deliveries_.push(session, broken);
      return;
    }
  }
  // RESP2 has no pushes: there the other connection must listen for messages.
  const bool can_be_told = to->reply.resp3() || (to != &session && to->subscribed());
  if (can_be_told) deliveries_.push(*to, message);
}

// The null is that of the client's own protocol, also where it redirects to another, as in Redis.
void Tracking::send_null(Session& session) {
  const bool resp3 = session.reply.resp3();
  Push message(
      [resp3](int protocol) { return invalidation(protocol) + (resp3 ? "_\r\n" : "$-1\r\n"); });
  send(session, message);
}

// --- broadcasts ---

void Tracking::note_broadcast(std::string_view key, Session* by) {
  for (auto& [length, of_length] : broadcasts_) {
    if (length > key.size()) return;
    const auto found = of_length.find(key.substr(0, length));
    if (found == of_length.end()) continue;
    Broadcast& broadcast = found->second;
    if (broadcast.keys.empty()) to_send_.push_back(&broadcast);
    const auto place = broadcast.keys.try_emplace(std::string(key)).first;
    place->second = by == nullptr ? 0 : by->id();
  }
}

void Tracking::broadcast() {
  if (to_send_.empty()) return;
  std::ranges::sort(to_send_, {}, &Broadcast::prefix);  // Redis's order
  for (Broadcast* broadcast : std::exchange(to_send_, {})) send_broadcast(*broadcast);
}

void Tracking::send_broadcast(Broadcast& broadcast) {
  // `but_by` leaves out the keys that this client changed itself.
  const auto encode = [&broadcast](int protocol, uint64_t but_by) {
    uint64_t count = 0;
    std::string keys;
    for (const auto& [key, by] : broadcast.keys) {
      if (but_by != 0 && by == but_by) continue;
      append_bulk(key, &keys);
      ++count;
    }
    std::string bytes = invalidation(protocol);
    append_array_header(count, &bytes);
    return bytes + keys;
  };
  Push to_all([&encode](int protocol) { return encode(protocol, 0); });
  for (const auto& [id, session] : broadcast.clients) {
    if (session->tracking->no_loop) {
      const auto by_other = [own = id](const auto& entry) { return entry.second != own; };
      if (std::ranges::none_of(broadcast.keys, by_other)) continue;
      Push others([&encode, own = id](int protocol) { return encode(protocol, own); });
      send(*session, others);
    } else {
      send(*session, to_all);
    }
  }
  broadcast.keys.clear();
}

}  // namespace holdfast
