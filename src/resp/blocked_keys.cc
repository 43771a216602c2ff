// See blocked_keys.h.
#include "resp/blocked_keys.h"

#include "base/assert.h"
#include "resp/session.h"

namespace holdfast {
namespace {

// Whether there may be more in the key than before, or less of what a wait stands on. A stream has
// readers that wait while it is there: what they do to their groups must not wake all the others.
bool may_end_a_wait(EffectType type) {
  switch (type) {
    case EffectType::kPutValue:
    case EffectType::kPutString:
    case EffectType::kWriteRange:
    case EffectType::kListPush:
    case EffectType::kZsetAdd:
    case EffectType::kStreamAdd:
    case EffectType::kStreamGroupDrop:
      return true;
    default:
      return false;
  }
}

}  // namespace

void KeyWait::keep(std::span<const std::string_view> arguments) {
  size_t total = 0;
  for (const std::string_view arg : arguments) total += arg.size();
  bytes.reserve(total);
  args.reserve(arguments.size());
  for (const std::string_view arg : arguments) {
    const size_t at = bytes.size();
    bytes.append(arg);
    args.emplace_back(bytes.data() + at, arg.size());
  }
}

size_t KeyWait::memory() const {
  return sizeof(*this) + bytes.capacity() + args.capacity() * sizeof(std::string_view) +
         places.capacity() * sizeof(BlockedKeys::Place);
}

BlockedKeys::~BlockedKeys() {
  for (Shard* shard : shards_.all()) shard->follow_effects(nullptr);
}

void BlockedKeys::add(Session& session, KeyWait& wait, int db,
                      std::span<const std::string_view> keys) {
  wait.places.reserve(keys.size());
  for (const std::string_view bytes : keys) {
    auto& entry = registry_.entry(db, shards_.key(bytes));
    Waiters& waiters = entry.second;
    // This session came last: if it is there already, it is at the end.
    if (!waiters.list.empty() && waiters.list.back().session == &session) continue;
    waiters.list.push_back({&session, wait.awaited.type, wait.awaited.or_gone});
    if (wait.awaited.or_gone && waiters.or_gone++ == 0) ++keys_or_gone_;
    wait.places.emplace_back(&entry, std::prev(waiters.list.end()));
  }
  follow_if_needed();
}

void BlockedKeys::remove(KeyWait& wait) {
  for (const Place& place : wait.places) leave(place);
  wait.places.clear();
  if (wait.tag.given()) numbered_.erase({wait.tag.gateway, wait.tag.session});
  follow_if_needed();
}

void BlockedKeys::set_number(Session& session, const WriteTag& tag) {
  session.key_wait()->tag = tag;
  Session*& waiting = numbered_[{tag.gateway, tag.session}];
  HF_ASSERT(waiting == nullptr || waiting == &session);
  waiting = &session;
}

Session* BlockedKeys::numbered(const WriteTag& tag) const {
  const auto found = numbered_.find({tag.gateway, tag.session});
  return found == numbered_.end() ? nullptr : found->second;
}

void BlockedKeys::leave(const Place& place) {
  const auto& [entry, at] = place;
  Waiters& waiters = entry->second;
  if (at->or_gone && --waiters.or_gone == 0) --keys_or_gone_;
  if (entry == serving_ && at == next_) ++next_;
  waiters.list.erase(at);
  drop_if_unused(entry);
}

void BlockedKeys::drop_if_unused(Registry::value_type* entry) {
  const Waiters& waiters = entry->second;
  if (!waiters.list.empty() || waiters.ready || entry == serving_) return;
  registry_.erase(registry_.find(entry->first));
}

void BlockedKeys::applied(Shard& shard, const Effect& effect, bool emptied) {
  switch (effect.type) {
    case EffectType::kFlushDb:
      for (auto& entry : registry_) {
        const bool here = shard.keyspace().physical(entry.first.db) == effect.db &&
                          shards_.of_slot(slot_of(entry.first.bytes)) == &shard;
        if (here && entry.second.or_gone > 0) mark_ready(entry);
      }
      return;
    case EffectType::kMapDatabases:
      for (auto& entry : registry_) mark_ready(entry);
      return;
    case EffectType::kErase:
      key_changed(shard, effect, true);
      return;
    default:
      if (emptied || may_end_a_wait(effect.type)) key_changed(shard, effect, emptied);
  }
}

void BlockedKeys::key_changed(Shard& shard, const Effect& effect, bool gone) {
  const int db = shard.keyspace().logical(effect.db);
  const auto found = registry_.find_key(db, effect.key);
  if (found == registry_.end() || (gone && found->second.or_gone == 0)) return;
  mark_ready(*found);
}

void BlockedKeys::mark_ready(Registry::value_type& entry) {
  if (entry.second.ready) return;
  entry.second.ready = true;
  ready_.push_back(&entry);
}

void BlockedKeys::begin_serving() {
  HF_ASSERT(serving_ == nullptr);
  serving_ = ready_.front();
  ready_.pop_front();
  // What its own clients do to the key may make it ready again.
  serving_->second.ready = false;
  next_ = serving_->second.list.begin();
}

Session* BlockedKeys::next_to_serve() {
  HF_ASSERT(serving_ != nullptr);
  while (next_ != serving_->second.list.end()) {
    const Waiter& waiter = *next_++;
    if (may_go_on(waiter, serving_->first)) return waiter.session;
  }
  Registry::value_type* served = serving_;
  serving_ = nullptr;
  drop_if_unused(served);
  follow_if_needed();
  return nullptr;
}

bool BlockedKeys::may_go_on(const Waiter& waiter, const RegisteredKey& key) const {
  if (waiter.or_gone) return true;
  const KeyRef ref = shards_.key(key.bytes);
  Shard* shard = shards_.of_slot(ref.slot);
  if (shard == nullptr) return false;
  const Object* object = shard->keyspace().find(shard->keyspace().physical(key.db), ref);
  return object != nullptr && object->type() == waiter.type;
}

}  // namespace holdfast
