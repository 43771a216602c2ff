// See subscriber.h.
#include "gateway/subscriber.h"

#include <algorithm>

#include "base/notify_class.h"
#include "gateway/gateway.h"
#include "gateway/session.h"
#include "store/key.h"

namespace holdfast {
namespace {

constexpr std::string_view kOn[] = {"subscribe", "psubscribe", "ssubscribe"};
constexpr std::string_view kOff[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};
constexpr std::string_view kCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot";

std::string command(std::string_view word, std::string_view name) {
  std::string bytes;
  const std::string_view words[] = {word, name};
  append_command(&bytes, words);
  return bytes;
}

Subscriber::Kind kind_of(std::string_view name) {
  if (name[0] == 'p') return Subscriber::kPattern;
  return name.starts_with("ss") || name.starts_with("sun") ? Subscriber::kShard
                                                           : Subscriber::kChannel;
}

}  // namespace

Subscriber::Subscriber(Gateway& gateway, GatewaySession& session)
    : gateway_(gateway), session_(session) {}

Subscriber::~Subscriber() { *alive_ = false; }

uint64_t Subscriber::counted(Kind kind) const {
  return kind == kShard ? count(kShard) : count(kChannel) + count(kPattern);
}

bool Subscriber::everywhere(Kind kind, std::string_view name) {
  return kind == kPattern || (kind == kChannel && is_event_channel(name));
}

// Empty: nobody serves it now.
std::vector<GatewayNode*> Subscriber::nodes_for(Kind kind, const std::string& name) const {
  const Topology& topology = gateway_.topology();
  if (everywhere(kind, name)) return topology.primaries();
  GatewayNode* owner = topology.owner(slot_of(name));
  return owner == nullptr ? std::vector<GatewayNode*>() : std::vector<GatewayNode*>{owner};
}

Subscriber::Link& Subscriber::link(GatewayNode& node) {
  std::unique_ptr<Link>& link = links_[node.address];
  if (link != nullptr) return *link;
  link = std::make_unique<Link>();
  link->node = &node;
  BackendOptions options;
  options.protocol = 3;
  options.user = session_.has_own_user() ? session_.user() : gateway_.options().gateway_user;
  options.password =
      session_.has_own_user() ? session_.password() : gateway_.options().gateway_password;
  options.may_be_silent = true;
  Link* self = link.get();
  options.on_push = [this, self](std::string_view frame) { on_push(*self, frame); };
  options.on_break = [this, self] { link_broke(*self); };
  link->backend = std::make_unique<Backend>(gateway_.context(), node.address, std::move(options));
  return *link;
}

void Subscriber::place(Kind kind, const std::string& name) {
  for (GatewayNode* node : nodes_for(kind, name)) {
    Link& at = link(*node);
    if (at.placed.contains({kind, name})) continue;
    if (!at.backend->may_send(gateway_.clock().mono_ns())) {
      place_later();
      continue;
    }
    at.placed[{kind, name}] = false;
    at.backend->send_plain(command(kOn[kind], name));
  }
}

void Subscriber::place_all() {
  for (const auto& [address, link] : links_) {
    auto* const at = link.get();
    std::erase_if(at->placed, [&](const auto& entry) {
      const auto& [kind, name] = entry.first;
      const std::vector<GatewayNode*> wanted = nodes_for(kind, name);
      const bool stays = subscriptions_[kind].contains(name) &&
                         std::find(wanted.begin(), wanted.end(), at->node) != wanted.end();
      if (!stays) at->backend->send_plain(command(kOff[kind], name));
      return !stays;
    });
  }
  for (int kind = 0; kind < kKinds; ++kind) {
    for (const auto& [name, told] : subscriptions_[static_cast<size_t>(kind)]) {
      place(static_cast<Kind>(kind), name);
    }
  }
  drop_unused();
}

// Not inside a callback of theirs: they go with the next look.
void Subscriber::drop_unused() {
  for (auto it = links_.begin(); it != links_.end();) {
    if (it->second->placed.empty()) {
      old_links_.push_back(std::move(it->second));
      it = links_.erase(it);
    } else {
      ++it;
    }
  }
  if (old_links_.empty()) return;
  gateway_.post([this, alive = alive_] {
    if (*alive) old_links_.clear();
  });
}

bool Subscriber::ready(Kind kind, const std::string& name) const {
  const std::vector<GatewayNode*> nodes = nodes_for(kind, name);
  return !nodes.empty() && std::all_of(nodes.begin(), nodes.end(), [&](const GatewayNode* node) {
    const auto found = links_.find(node->address);
    if (found == links_.end()) return false;
    const auto placed = found->second->placed.find({kind, name});
    return placed != found->second->placed.end() && placed->second;
  });
}

void Subscriber::subscribe(Kind kind, std::vector<std::string> names) {
  pending_ = {kind, std::move(names), gateway_.clock().mono_ns()};
  session_.set_subscribing(true);
  for (const std::string& name : pending_.names) {
    subscriptions_[kind].emplace(name, false);
    place(kind, name);
  }
  place_later();  // looks whether it takes too long
  look_at_pending();
}

void Subscriber::look_at_pending() {
  if (pending_.names.empty()) return;
  const bool all = std::all_of(pending_.names.begin(), pending_.names.end(),
                               [&](const std::string& name) { return ready(pending_.kind, name); });
  const int64_t limit_ns = gateway_.options().gateway_retry_ms * 1'000'000;
  if (!all && gateway_.clock().mono_ns() - pending_.since_ns < limit_ns) return;
  const Pending done = std::exchange(pending_, {});
  if (all) {
    // As many answers as names, each with the count that it had by then.
    size_t later = 0;
    std::set<std::string_view> fresh;
    for (const std::string& name : done.names) {
      if (!subscriptions_[done.kind][name] && fresh.insert(name).second) ++later;
    }
    for (const std::string& name : done.names) {
      if (fresh.erase(name) > 0) --later;
      subscriptions_[done.kind][name] = true;
      const uint64_t count = counted(done.kind) - later;
      session_.answer([&](ReplyWriter& reply) {
        reply.push(3);
        reply.bulk(kOn[done.kind]);
        reply.bulk(name);
        reply.integer(static_cast<int64_t>(count));
      });
    }
  } else {
    for (const std::string& name : done.names) {
      const auto found = subscriptions_[done.kind].find(name);
      if (found != subscriptions_[done.kind].end() && !found->second) {
        subscriptions_[done.kind].erase(found);
      }
    }
    place_all();
    session_.answer_error("CLUSTERDOWN The node of a channel cannot be reached");
  }
  session_.set_subscribing(false);
}

void Subscriber::unsubscribe(Kind kind, std::vector<std::string> names) {
  if (names.empty()) {
    for (const auto& [name, told] : subscriptions_[kind]) names.push_back(name);
  }
  const auto answer = [&](const std::string* name) {
    session_.answer([&](ReplyWriter& reply) {
      reply.push(3);
      reply.bulk(kOff[kind]);
      if (name == nullptr) {
        reply.null();
      } else {
        reply.bulk(*name);
      }
      reply.integer(static_cast<int64_t>(counted(kind)));
    });
  };
  if (names.empty()) return answer(nullptr);
  for (const std::string& name : names) {
    subscriptions_[kind].erase(name);
    answer(&name);
  }
  place_all();
}

void Subscriber::leave_all() {
  for (auto& names : subscriptions_) names.clear();
  place_all();
}

void Subscriber::deliver(std::string_view frame) {
  std::string bytes(frame);
  if (session_.protocol() == 2) bytes[0] = '*';
  session_.push(bytes);
}

void Subscriber::on_push(Link& link, std::string_view frame) {
  ReplyCursor cursor(frame);
  ReplyElement header, type, name, channel;
  if (!cursor.next(&header) || !cursor.next(&type) || !cursor.next(&name)) return;
  const auto told = [&](Kind kind) {
    const auto found = subscriptions_[kind].find(std::string(name.text));
    return found != subscriptions_[kind].end() && found->second;
  };
  if (type.text == "message") {
    if (told(kChannel)) deliver(frame);
  } else if (type.text == "smessage") {
    if (told(kShard)) deliver(frame);
  } else if (type.text == "pmessage") {
    if (!cursor.next(&channel) || !told(kPattern)) return;
    const bool its_own = gateway_.topology().owner(slot_of(channel.text)) == link.node;
    if (its_own || is_event_channel(channel.text)) deliver(frame);
  } else if (type.text.ends_with("unsubscribe")) {
    // By itself only when its slot has moved.
    if (type.text != "sunsubscribe" || !subscriptions_[kShard].contains(std::string(name.text))) {
      return;
    }
    link.placed.erase({kShard, std::string(name.text)});
    gateway_.refresh_map();
    place_later();
  } else if (type.text.ends_with("subscribe")) {
    const auto placed = link.placed.find({kind_of(type.text), std::string(name.text)});
    if (placed != link.placed.end()) placed->second = true;
    look_at_pending();
  }
}

void Subscriber::link_broke(Link& link) {
  link.placed.clear();
  place_later();
}

void Subscriber::place_later() {
  if (place_posted_) return;
  place_posted_ = true;
  gateway_.run_after(kAgainMs, [this, alive = alive_] {
    if (!*alive) return;
    place_posted_ = false;
    if (session_.closing()) return;
    place_all();
    look_at_pending();
    if (!pending_.names.empty()) place_later();
  });
}

namespace here {

void subscribe(GatewaySession& session, CommandArgs args) {
  const Subscriber::Kind kind = kind_of(session.last_command->spec.name);
  std::vector<std::string> names(args.begin() + 1, args.end());
  if (session.transaction.open) return session.answer_error("ERR not possible inside MULTI");
  for (const std::string& name : names) {
    if (kind == Subscriber::kShard && slot_of(name) != slot_of(names[0])) {
      return session.answer_error(kCrossSlot);
    }
  }
  session.subscriber().subscribe(kind, std::move(names));
}

void unsubscribe(GatewaySession& session, CommandArgs args) {
  session.subscriber().unsubscribe(kind_of(session.last_command->spec.name),
                                   {args.begin() + 1, args.end()});
}

}  // namespace here
}  // namespace holdfast
