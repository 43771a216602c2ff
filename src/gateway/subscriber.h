// Subscriber: what one client listens to, on connections of its own, one to each node that matters.
//
// A channel is listened to at the node of its slot, to which PUBLISH goes as well; a pattern at
// every node, of which each counts for the channels of its own slots only. So a message is
// delivered once, also where nodes tell each other of every message. Channels of keyspace events,
// which no node tells another, are listened to everywhere.
//
// When slots move or a connection breaks, subscriptions are made anew; what was published meanwhile
// is missed, as with any broken connection. Threads: the reactor's.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/backend.h"
#include "gateway/topology.h"

namespace holdfast {

class Gateway;
class GatewaySession;

class Subscriber {
 public:
  enum Kind : uint8_t { kChannel, kPattern, kShard };
  static constexpr int kKinds = 3;

  Subscriber(Gateway& gateway, GatewaySession& session);
  ~Subscriber();

  // Answers when every node that matters has confirmed it. Until then the session runs nothing.
  void subscribe(Kind kind, std::vector<std::string> names);
  // Answers at once. No names: all of that kind.
  void unsubscribe(Kind kind, std::vector<std::string> names);
  void leave_all();  // without an answer
  // Listens where it should, as the slots lie now.
  void place_all();

  size_t count() const { return count(kChannel) + count(kPattern) + count(kShard); }
  size_t count(Kind kind) const { return subscriptions_[kind].size(); }

 private:
  static constexpr int64_t kAgainMs = 50;
  using Name = std::pair<Kind, std::string>;

  struct Link {
    GatewayNode* node = nullptr;
    std::unique_ptr<Backend> backend;
    std::map<Name, bool> placed;  // true: confirmed
  };
  struct Pending {
    Kind kind = kChannel;
    std::vector<std::string> names;  // empty: nothing is pending
    int64_t since_ns = 0;
  };

  static bool everywhere(Kind kind, std::string_view name);
  std::vector<GatewayNode*> nodes_for(Kind kind, const std::string& name) const;
  Link& link(GatewayNode& node);
  void place(Kind kind, const std::string& name);
  bool ready(Kind kind, const std::string& name) const;
  void on_push(Link& link, std::string_view frame);
  void deliver(std::string_view frame);
  void link_broke(Link& link);
  void place_later();
  void look_at_pending();
  void drop_unused();
  uint64_t counted(Kind kind) const;

  Gateway& gateway_;
  GatewaySession& session_;
  // Names, and whether the client was told.
  std::array<std::map<std::string, bool>, kKinds> subscriptions_;
  std::map<std::string, std::unique_ptr<Link>> links_;  // by address
  std::vector<std::unique_ptr<Link>> old_links_;
  Pending pending_;
  bool place_posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace holdfast
