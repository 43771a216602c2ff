// See watched_keys.h.
#include "resp/watched_keys.h"

#include <algorithm>

#include "resp/session.h"
#include "resp/transaction.h"

namespace holdfast {
namespace {

bool has_expired(const Object* object, int64_t now_ms) {
  return object != nullptr && object->expire_at_ms() != 0 && object->expire_at_ms() <= now_ms;
}

}  // namespace

WatchedKeys::~WatchedKeys() {
  for (Shard* shard : shards_.all()) shard->observe_effects(nullptr);
}

void WatchedKeys::observe_if_needed() {
  for (Shard* shard : shards_.all()) added(*shard);
}

const Object* WatchedKeys::find(int db, const KeyRef& key) const {
  Shard* shard = shards_.of_slot(key.slot);
  if (shard == nullptr) return nullptr;
  return shard->keyspace().find(shard->keyspace().physical(db), key);
}

void WatchedKeys::watch(Session& session, int db, const KeyRef& key, int64_t now_ms) {
  auto* entry = &registry_.entry(db, key);
  WatchList& own = session.transaction().watches;
  const bool known =
      std::any_of(own.begin(), own.end(), [entry](const auto& w) { return w.first == entry; });
  if (known) return;
  entry->second.push_front({&session, has_expired(find(db, key), now_ms)});
  own.emplace_back(entry, entry->second.begin());
  observe_if_needed();
}

void WatchedKeys::unwatch_all(Session& session) {
  if (!session.has_transaction()) return;
  for (const auto& [entry, place] : session.transaction().watches) {
    entry->second.erase(place);
    if (entry->second.empty()) registry_.erase(registry_.find(entry->first));
  }
  WatchList().swap(session.transaction().watches);
  observe_if_needed();
}

bool WatchedKeys::any_expired(const Session& session, int64_t now_ms) const {
  if (!session.has_transaction()) return false;
  for (const auto& [entry, place] : session.transaction().watches) {
    if (place->expired) continue;
    if (has_expired(find(entry->first.db, shards_.key(entry->first.bytes)), now_ms)) return true;
  }
  return false;
}

void WatchedKeys::before(Shard& shard, const Effect& effect, Seq seq) {
  switch (effect.type) {
    case EffectType::kFlushDb:
      database_flushed(shard, effect.db, seq);
      break;
    case EffectType::kMapDatabases:
      databases_mapped(shard, effect, seq);
      break;
    default:
      if (has_key(effect.type)) key_changes(shard, effect, seq);
  }
}

void WatchedKeys::key_changes(Shard& shard, const Effect& effect, Seq seq) {
  const auto found = registry_.find_key(shard.keyspace().logical(effect.db), effect.key);
  if (found == registry_.end()) return;
  for (Watch& watch : found->second) {
    if (watch.expired && effect.type == EffectType::kErase) {
      watch.expired = false;
    } else {
      marked_.push_back(watch.session);
    }
  }
  spoil_marked({&shard, seq});
}

// What the key was to its watchers and what it is from now on.
void WatchedKeys::replaced(Watchers& watchers, const Object* old, const Object* now,
                           int64_t now_ms) {
  if (old == nullptr && now == nullptr) return;
  const bool stays_expired = has_expired(now, now_ms);
  for (Watch& watch : watchers) {
    if (watch.expired && now == nullptr) {
      watch.expired = false;
    } else if ((watch.expired || old == nullptr) && stays_expired) {
      watch.expired = true;
    } else {
      marked_.push_back(watch.session);
    }
  }
}

void WatchedKeys::database_flushed(Shard& shard, DbId db, Seq seq) {
  Keyspace& keyspace = shard.keyspace();
  for (auto& [key, watchers] : registry_) {
    if (keyspace.physical(key.db) != db) continue;
    const KeyRef ref = keyspace.key(key.bytes);
    if (shards_.of_slot(ref.slot) != &shard) continue;
    replaced(watchers, keyspace.find(db, ref), nullptr, shard.now_ms());
  }
  spoil_marked({&shard, seq});
}

// There is only one shard.
void WatchedKeys::databases_mapped(Shard& shard, const Effect& effect, Seq seq) {
  Keyspace& keyspace = shard.keyspace();
  DbMap next;
  if (!parse_db_map(effect.value, &next)) return;
  for (auto& [key, watchers] : registry_) {
    const DbId old_db = keyspace.physical(key.db);
    const DbId new_db = next[static_cast<size_t>(key.db)];
    if (old_db == new_db) continue;
    const KeyRef ref = keyspace.key(key.bytes);
    replaced(watchers, keyspace.find(old_db, ref), keyspace.find(new_db, ref), shard.now_ms());
  }
  spoil_marked({&shard, seq});
}

// Apart from the loops above: a session that is spoiled leaves the registry.
void WatchedKeys::spoil_marked(const CommitPoint& by) {
  for (Session* session : marked_) {
    if (session->transaction().spoiled()) continue;
    session->transaction().spoil(by);
    unwatch_all(*session);
  }
  marked_.clear();
}

}  // namespace holdfast
