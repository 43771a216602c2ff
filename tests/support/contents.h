// contents() tells what a keyspace holds, of every type and however it is kept, so that two
// keyspaces can be compared; unsound() tells where its own bookkeeping disagrees with that.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "store/keyspace.h"
#include "store/types/hash.h"
#include "store/types/list.h"
#include "store/types/set.h"
#include "store/types/stream.h"
#include "store/types/zset.h"

namespace holdfast {

// (physical db, key) -> value; libraries: (-1, name) -> code.
using Model = std::map<std::pair<int, std::string>, std::string>;

namespace contents_detail {

inline void add(std::string& text, std::string_view part) { put_bytes(text, part); }
inline void add(std::string& text, const StreamId& id) {
  text += std::to_string(id.ms) + "-" + std::to_string(id.seq) + " ";
}
inline void add(std::string& text, int64_t number) { text += std::to_string(number) + " "; }

// Of what has no order, by name.
inline std::string sorted(const std::map<std::string, std::string>& parts) {
  std::string text;
  for (const auto& [name, value] : parts) {
    add(text, name);
    text += value;
  }
  return text;
}

inline std::string hash_text(const Collection& hash) {
  std::map<std::string, std::string> fields;
  HashCursor cursor(hash);
  while (cursor.next()) {
    std::string value;
    add(value, cursor.value());
    add(value, cursor.expire_at_ms());
    fields[std::string(cursor.field())] = value;
  }
  return sorted(fields);
}

inline std::string set_text(const Collection& set) {
  std::map<std::string, std::string> members;
  SetCursor cursor(set);
  while (cursor.next()) members[std::string(cursor.member())];
  return sorted(members);
}

inline std::string list_text(const Collection& list) {
  std::string text;
  IntScratch scratch;
  for (ListCursor at(list, 0, true); at.valid(); at.step()) {
    add(text, element_text(at.get(), scratch));
  }
  return text;
}

inline std::string zset_text(const Collection& zset) {
  std::string text;
  for (Zset::Cursor at = Zset(zset).at(0); at.valid(); at.next()) {
    const ZsetItem item = at.item();
    add(text, item.member);
    put_fixed(text, item.score);
  }
  return text;
}

// All but when consumers were seen, which may change without an effect.
inline std::string group_text(const StreamGroup& group) {
  std::string text;
  add(text, group.last_id);
  add(text, group.entries_read);
  for (auto at = group.pending.first(); at; at.next()) {
    add(text, at.id());
    add(text, at.value().delivered_ms);
    add(text, static_cast<int64_t>(at.value().deliveries));
    add(text, at.value().consumer->first);
  }
  for (const auto& [name, consumer] : group.consumers) {
    add(text, name);
    add(text, consumer.active_ms);
    for (auto at = consumer.pending.first(); at; at.next()) add(text, at.id());
  }
  return text;
}

inline std::string stream_text(const Stream& stream) {
  std::string text;
  for (const StreamId& id : {stream.last_id(), stream.first_id(), stream.max_deleted_id()}) {
    add(text, id);
  }
  add(text, static_cast<int64_t>(stream.entries_added()));
  add(text, static_cast<int64_t>(stream.length()));
  StreamIterator entry(stream, StreamId(), StreamId::max());
  while (entry.next()) {
    add(text, entry.id());
    for (uint64_t i = 0; i < entry.pairs(); ++i) {
      std::string_view field, value;
      entry.pair(&field, &value);
      add(text, field);
      add(text, value);
    }
  }
  for (const auto& [name, group] : stream.groups()) {
    add(text, name);
    add(text, group_text(group));
  }
  return text;
}

inline std::string collection_text(ObjectType type, const Collection& value) {
  switch (type) {
    case ObjectType::kHash:
      return "hash " + hash_text(value);
    case ObjectType::kList:
      return "list " + list_text(value);
    case ObjectType::kSet:
      return "set " + set_text(value);
    case ObjectType::kZset:
      return "zset " + zset_text(value);
    case ObjectType::kStream:
      return "stream " + stream_text(*static_cast<const Stream*>(value.data));
    case ObjectType::kString:
      break;
  }
  HF_ASSERT(false);
}

// A cold value is read, and left where it is.
inline std::string value_text(const Keyspace& keyspace, DbId db, const Object& object) {
  IntScratch scratch;
  if (!object.is_collection()) {
    return object.cold() ? keyspace.read_cold(db, object) : std::string(object.string(scratch));
  }
  if (!object.cold()) return collection_text(object.type(), object.collection());
  ObjectType type;
  Collection value;
  const std::string encoded = keyspace.read_cold(db, object);
  HF_ASSERT(decode_collection(encoded, keyspace.limits(), &type, &value));
  std::string text = collection_text(type, value);
  destroy_collection(type, value);
  return text;
}

template <typename Visit>
void visit_objects(const Keyspace& keyspace, DbId db, Visit&& visit) {
  uint64_t cursor = 0;
  do {
    cursor = keyspace.scan(db, cursor, [&](Object* object) { visit(*object); });
  } while (cursor != 0);
}

}  // namespace contents_detail

inline Model contents(const Keyspace& keyspace) {
  Model all;
  for (const auto& [name, code] : keyspace.libraries()) all[{-1, name}] = code;
  for (int db = 0; db < kDbCount; ++db) {
    const auto id = static_cast<DbId>(db);
    contents_detail::visit_objects(keyspace, id, [&](const Object& object) {
      all[{db, std::string(object.key())}] = contents_detail::value_text(keyspace, id, object) +
                                             "@" + std::to_string(object.expire_at_ms());
    });
  }
  return all;
}

// Whether what the keyspace knows of sizes and of the next expiries is what its objects say. Empty,
// or what is wrong.
inline std::string unsound(Keyspace& keyspace) {
  for (int db = 0; db < kDbCount; ++db) {
    const auto id = static_cast<DbId>(db);
    uint64_t size = 0, with_expiry = 0;
    int64_t first_field_ms = kNoFieldExpires;
    bool empty = false;
    contents_detail::visit_objects(keyspace, id, [&](const Object& object) {
      ++size;
      if (object.expire_at_ms() != 0) ++with_expiry;
      if (object.cold() || !object.is_collection()) return;
      const Collection value = object.collection();
      empty = empty || (object.type() != ObjectType::kStream &&
                        collection_type(object.type()).size(value) == 0);
      if (object.type() != ObjectType::kHash) return;
      first_field_ms = std::min(first_field_ms, hash_next_expiry_ms(value));
    });
    const std::string where = " in database " + std::to_string(db);
    if (empty) return "a collection without elements" + where;
    if (size != keyspace.size(id)) return "the number of keys" + where;
    if (with_expiry != keyspace.size_with_expiry(id)) return "the number of expiries" + where;
    const Object* due = keyspace.next_hash_due(id, INT64_MAX - 1);
    const int64_t known = due == nullptr ? kNoFieldExpires : hash_next_expiry_ms(due->collection());
    if (known != first_field_ms) return "which hash's fields are due first" + where;
  }
  return {};
}

}  // namespace holdfast
