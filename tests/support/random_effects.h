// RandomEffects: random effects of every type on one key, as commands would emit them: an effect
// that edits a collection is only made for a key of its type. Names of fields, members and groups
// are few, so that effects meet; sizes go to and fro over the limits of small_limits().
//
// What is drawn depends on the random numbers and on what the keyspace holds, not on how.
#pragma once

#include <string>

#include "base/codec.h"
#include "base/random.h"
#include "store/collection.h"
#include "store/effect.h"
#include "store/keyspace.h"
#include "store/types/hash.h"
#include "store/types/list.h"
#include "store/types/stream.h"
#include "store/types/stream_effects.h"

namespace holdfast {

// So small that collections of a few elements change their form.
inline CollectionLimits small_limits() {
  CollectionLimits limits;
  limits.hash_max_listpack_entries = 6;
  limits.list_max_listpack_size = 5;
  limits.set_max_intset_entries = 6;
  limits.set_max_listpack_entries = 6;
  limits.zset_max_listpack_entries = 6;
  limits.stream_node_max_entries = 4;
  return limits;
}

template <typename Emit>
class RandomEffects {
 public:
  // `emit` applies the effect. The key's bytes outlive this.
  RandomEffects(Random& random, Keyspace& keyspace, DbId db, const KeyRef& key, Emit emit)
      : random_(random), keyspace_(keyspace), db_(db), key_(key), emit_(emit) {}

  // Makes the key, of a random type. REQUIRES: it is absent.
  void make() {
    switch (random_.below(5)) {
      case 0:
        return hash_set(EffectType::kHashSet);
      case 1:
        return list_push();
      case 2:
        return set_add();
      case 3:
        return zset_add();
      default:
        return random_.one_in(3) ? group_create() : stream_add();
    }
  }

  // Changes a part of a collection, or empties it, which may make it again at once.
  void change(const Object& object) {
    switch (object.type()) {
      case ObjectType::kHash:
        return change_hash();
      case ObjectType::kList:
        return change_list(list_size(object.collection()));
      case ObjectType::kSet:
        return change_set();
      case ObjectType::kZset:
        return change_zset();
      case ObjectType::kStream:
        return change_stream(Stream::of(object));
      case ObjectType::kString:
        break;
    }
    HF_ASSERT(false);
  }

 private:
  static constexpr uint64_t kNames = 20;  // fields of a hash, members of a set
  static constexpr uint64_t kListMax = 40;

  void edit(EffectType type, const std::string& operands) {
    emit_(Effect::edit(type, db_, key_, operands));
  }

  // Numbers, short and long texts.
  static std::string name(uint64_t number) {
    if (number % 3 == 0) return std::to_string(number);
    return "n" + std::to_string(number) + std::string(number % 7 == 1 ? 80 : 3, 'n');
  }
  std::string name() { return name(random_.below(kNames)); }
  std::string value() {
    if (random_.one_in(3)) return std::to_string(random_.below(1000));
    const uint64_t size = random_.one_in(30) ? random_.below(9000) : random_.below(100);
    return std::to_string(random_.below(10)) + std::string(size, 'e');
  }
  uint64_t few() { return 1 + random_.below(4); }

  // --- hashes ---

  void hash_set(EffectType type) {
    std::string operands;
    for (uint64_t i = few(); i > 0; --i) {
      put_bytes(operands, name());
      put_bytes(operands, value());
    }
    edit(type, operands);
  }

  void change_hash() {
    std::string operands;
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2:
        return hash_set(EffectType::kHashSet);
      case 3:
      case 4:
        return hash_set(EffectType::kHashUpdate);
      case 5:
      case 6:
      case 7:
        for (uint64_t i = few(); i > 0; --i) {
          put_varint(operands, random_.one_in(4) ? 0 : 5000 + random_.below(1000));
          put_bytes(operands, name());
        }
        return edit(EffectType::kHashExpire, operands);
      case 8:
        for (uint64_t i = few(); i > 0; --i) put_bytes(operands, name());
        return edit(EffectType::kHashDelete, operands);
      default:
        for (uint64_t i = 0; i < kNames; ++i) put_bytes(operands, name(i));
        edit(EffectType::kHashDelete, operands);
        make_again();
    }
  }

  // --- lists ---

  ListSide side() { return random_.one_in(2) ? ListSide::kFront : ListSide::kBack; }

  void list_push() {
    std::string operands;
    put_fixed(operands, side());
    for (uint64_t i = few(); i > 0; --i) put_bytes(operands, random_.one_in(3) ? value() : name());
    edit(EffectType::kListPush, operands);
  }

  void list_pop(uint64_t count) {
    std::string operands;
    put_list_pop(operands, side(), count);
    edit(EffectType::kListPop, operands);
  }

  void change_list(uint64_t size) {
    std::string operands;
    if (size > kListMax) return list_pop(size / 2);
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return list_push();
      case 4:
      case 5:
        return list_pop(few());
      case 6:
      case 7:
        put_list_element(operands, random_.below(size), value());
        return edit(EffectType::kListSet, operands);
      case 8:
      case 9:
        put_list_element(operands, random_.below(size + 1), value());
        return edit(EffectType::kListInsert, operands);
      case 10:
        put_list_remove(operands, side(), random_.one_in(3) ? UINT64_MAX : few(), name());
        return edit(EffectType::kListRemove, operands);
      default:
        list_pop(size);
        make_again();
    }
  }

  // --- sets and sorted sets ---

  std::string members(uint64_t count) {
    std::string operands;
    for (; count > 0; --count) put_bytes(operands, name());
    return operands;
  }
  static std::string all_members() {
    std::string operands;
    for (uint64_t i = 0; i < kNames; ++i) put_bytes(operands, name(i));
    return operands;
  }

  void set_add() {
    if (random_.one_in(2)) return edit(EffectType::kSetAdd, members(few()));
    std::string operands;  // numbers only
    for (uint64_t i = few(); i > 0; --i) put_bytes(operands, name(random_.below(kNames / 3) * 3));
    edit(EffectType::kSetAdd, operands);
  }

  void change_set() {
    const uint64_t what = random_.below(12);
    if (what < 6) return set_add();
    if (what < 11) return edit(EffectType::kSetRemove, members(few()));
    edit(EffectType::kSetRemove, all_members());
    make_again();
  }

  void zset_add() {
    std::string operands;
    for (uint64_t i = few(); i > 0; --i) {
      double score = static_cast<double>(random_.below(10)) / 2 - 2;
      if (random_.one_in(20)) score = random_.one_in(2) ? __builtin_inf() : -__builtin_inf();
      put_fixed(operands, score);
      put_bytes(operands, name());
    }
    edit(EffectType::kZsetAdd, operands);
  }

  void change_zset() {
    const uint64_t what = random_.below(12);
    if (what < 6) return zset_add();
    if (what < 11) return edit(EffectType::kZsetRemove, members(few()));
    edit(EffectType::kZsetRemove, all_members());
    make_again();
  }

  // --- streams ---

  std::string group() { return "group" + std::to_string(random_.below(3)); }
  std::string consumer() { return "consumer" + std::to_string(random_.below(3)); }
  int64_t time() { return static_cast<int64_t>(1000 + random_.below(100)); }

  const Stream* stream() {
    const Object* object = keyspace_.find_value(db_, key_);
    const bool there = object != nullptr && object->type() == ObjectType::kStream;
    return there ? &Stream::of(*object) : nullptr;
  }

  // Near what is there, most often there.
  StreamId some_id(const Stream& stream) {
    const StreamId first = stream.first_id(), last = stream.last_id();
    if (last.ms <= first.ms) return last;
    return {first.ms + random_.below(last.ms - first.ms + 1), 0};
  }
  void put_ids(std::string& operands, const Stream& stream, bool deliveries) {
    StreamIdWriter writer(operands);
    for (uint64_t i = few(); i > 0; --i) {
      writer.put(some_id(stream));
      if (deliveries) put_varint(operands, random_.below(5));
    }
  }

  void stream_add() {
    const Stream* old = stream();
    std::string operands;
    const StreamId last = old == nullptr ? StreamId{10, 0} : old->last_id();
    put_stream_id(operands, {last.ms + 1 + random_.below(3) / 2, 0});
    const uint64_t pairs = few();
    put_varint(operands, pairs);
    for (uint64_t i = 0; i < pairs; ++i) {
      put_bytes(operands, random_.one_in(4) ? name() : "field" + std::to_string(i));
      put_bytes(operands, value());
    }
    edit(EffectType::kStreamAdd, operands);
  }

  void put_group(std::string& operands) {
    put_bytes(operands, group());
    const Stream* there = stream();
    put_stream_id(operands, there == nullptr ? StreamId{} : some_id(*there));
    put_count_or_none(operands, random_.one_in(3) ? -1 : static_cast<int64_t>(random_.below(50)));
  }
  void group_create() {
    std::string operands;
    put_group(operands);
    edit(EffectType::kStreamGroupCreate, operands);
  }

  void change_stream(const Stream& stream) {
    std::string operands;
    const uint64_t what = random_.below(24);
    if (what < 6) return stream_add();
    if (what < 8) {
      put_ids(operands, stream, false);
      return edit(EffectType::kStreamRemove, operands);
    }
    if (what == 8 || stream.length() > 3 * kNames) {
      put_stream_id(operands, some_id(stream));
      return edit(EffectType::kStreamTrim, operands);
    }
    if (what == 9) {
      put_stream_id(operands, {stream.last_id().ms + random_.below(2), 0});
      put_varint(operands, stream.entries_added() + random_.below(3));
      put_stream_id(operands, random_.one_in(2) ? stream.max_deleted_id() : some_id(stream));
      return edit(EffectType::kStreamSetIds, operands);
    }
    if (what == 10) {
      emit_(Effect::erase(db_, key_));
      return make_again();
    }
    change_group(what, stream);
  }

  void change_group(uint64_t what, const Stream& stream) {
    std::string operands;
    if (what < 13) return group_create();
    if (what == 13) {
      put_group(operands);
      return edit(EffectType::kStreamGroupSet, operands);
    }
    put_bytes(operands, group());
    if (what == 14) return edit(EffectType::kStreamGroupDrop, operands);
    if (what < 17) {
      put_bytes(operands, consumer());
      if (what == 15) return edit(EffectType::kStreamConsumerDrop, operands);
      put_varint(operands, static_cast<uint64_t>(time()));
      return edit(EffectType::kStreamConsumerCreate, operands);
    }
    if (what < 19) {
      put_ids(operands, stream, false);
      return edit(EffectType::kStreamAck, operands);
    }
    if (what < 22) {
      put_stream_id(operands, some_id(stream));
      put_count_or_none(operands, static_cast<int64_t>(random_.below(50)));
      put_bytes(operands, consumer());
      put_varint(operands, static_cast<uint64_t>(time()));
      if (!random_.one_in(4)) put_ids(operands, stream, false);
      return edit(EffectType::kStreamRead, operands);
    }
    put_bytes(operands, consumer());
    put_varint(operands, static_cast<uint64_t>(time()));
    operands.push_back(static_cast<char>(random_.below(2)));
    put_varint(operands, static_cast<uint64_t>(time()));
    put_ids(operands, stream, true);
    edit(EffectType::kStreamClaim, operands);
  }

  // In the same entry, if the collection is gone; half of the time.
  void make_again() {
    if (keyspace_.find(db_, key_) == nullptr && random_.one_in(2)) make();
  }

  Random& random_;
  Keyspace& keyspace_;
  const DbId db_;
  const KeyRef key_;
  Emit emit_;
};

}  // namespace holdfast
