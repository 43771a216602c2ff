// WatchedKeys: which sessions watch which keys (WATCH), told of every change by the shards.
//
// A session whose watched key changes is marked (Transaction::spoil) and watches nothing more: its
// EXEC runs nothing. Keys are watched under their logical database, as a client sees it: SWAPDB
// changes a watched key when the key is in one of the two databases.
//
// A key that had already expired when it was watched is absent to its watcher, so that its erasure
// changes nothing.
//
// Cost: none while nobody watches (no shard then has an observer), else one lookup per effect.
#pragma once

#include <cstdint>
#include <list>
#include <utility>
#include <vector>

#include "replica/shards.h"
#include "resp/commit_point.h"
#include "resp/key_registry.h"
#include "store/effect.h"

namespace holdfast {

class Session;

class WatchedKeys final : public EffectObserver {
 public:
  struct Watch {
    Session* session;
    bool expired;  // it was when the watch began
  };
  using Watchers = std::list<Watch>;
  using Registry = KeyRegistry<Watchers>;

  // The shards outlive this.
  explicit WatchedKeys(Shards& shards) : shards_(shards) {}
  ~WatchedKeys() override;
  WatchedKeys(const WatchedKeys&) = delete;
  WatchedKeys& operator=(const WatchedKeys&) = delete;

  // Twice is once. The session unwatches before it ends.
  void watch(Session& session, int db, const KeyRef& key, int64_t now_ms);
  void unwatch_all(Session& session);
  // True if one of the session's keys has expired since it is watched.
  bool any_expired(const Session& session, int64_t now_ms) const;
  size_t keys() const { return registry_.size(); }

  void before(Shard& shard, const Effect& effect, Seq seq) override;
  // Another shard is here.
  void added(Shard& shard) { shard.observe_effects(registry_.empty() ? nullptr : this); }

 private:
  void key_changes(Shard& shard, const Effect& effect, Seq seq);
  void database_flushed(Shard& shard, DbId db, Seq seq);
  void databases_mapped(Shard& shard, const Effect& effect, Seq seq);
  void replaced(Watchers& watchers, const Object* old, const Object* now, int64_t now_ms);
  void spoil_marked(const CommitPoint& by);
  void observe_if_needed();
  // Null: there is none, or its slot is not here.
  const Object* find(int db, const KeyRef& key) const;

  Shards& shards_;
  Registry registry_;
  std::vector<Session*> marked_;  // to be spoiled; empty between calls
};

// What one session watches: its places in the registry.
using WatchList =
    std::vector<std::pair<WatchedKeys::Registry::value_type*, WatchedKeys::Watchers::iterator>>;

}  // namespace holdfast
