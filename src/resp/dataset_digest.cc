// See dataset_digest.h. The scheme: what has no order is combined by xor of SHA-1s, what has one by
// hashing the digest again after each part.
#include "resp/dataset_digest.h"

#include <cstdio>
#include <string>

#include "store/types/hash.h"
#include "store/types/list.h"
#include "store/types/set.h"
#include "store/types/stream.h"
#include "store/types/zset.h"

namespace holdfast {
namespace {

std::string_view bytes_of(const Sha1& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

void add_unordered(Sha1& digest, std::string_view part) {
  const Sha1 hash = sha1(part);
  for (size_t i = 0; i < digest.size(); ++i) digest[i] ^= hash[i];
}

void add_ordered(Sha1& digest, std::string_view part) {
  add_unordered(digest, part);
  digest = sha1(bytes_of(digest));
}

void add_number(Sha1& digest, uint32_t number) {  // as four bytes, big-endian
  const char bytes[4] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                         static_cast<char>(number >> 8), static_cast<char>(number)};
  add_ordered(digest, {bytes, sizeof bytes});
}

// Redis's number of a type.
uint32_t type_number(ObjectType type) {
  switch (type) {
    case ObjectType::kString:
      return 0;
    case ObjectType::kList:
      return 1;
    case ObjectType::kSet:
      return 2;
    case ObjectType::kZset:
      return 3;
    case ObjectType::kHash:
      return 4;
    case ObjectType::kStream:
      return 6;
  }
  return 0;
}

void add_stream(Sha1& digest, const Stream& stream) {
  StreamIterator entry(stream, StreamId(), StreamId::max());
  while (entry.next()) {
    std::string id(std::to_string(entry.id().ms));
    id += '.';
    id += std::to_string(entry.id().seq);
    add_ordered(digest, id);
    for (uint64_t i = 0; i < entry.pairs(); ++i) {
      std::string_view field, value;
      entry.pair(&field, &value);
      add_ordered(digest, field);
      add_ordered(digest, value);
    }
  }
}

void add_zset(Sha1& digest, const Collection& value) {
  for (Zset::Cursor i = Zset(value).at(0); i.valid(); i.next()) {
    const ZsetItem item = i.item();
    Sha1 member{};
    add_ordered(member, item.member);
    char score[32];
    const int size = std::snprintf(score, sizeof score, "%.17g", item.score);
    add_ordered(member, {score, static_cast<size_t>(size)});
    add_unordered(digest, bytes_of(member));
  }
}

void add_hash(Sha1& digest, const Collection& hash) {
  HashCursor cursor(hash);
  while (cursor.next()) {
    Sha1 field{};
    add_ordered(field, cursor.field());
    add_ordered(field, cursor.value());
    add_unordered(digest, bytes_of(field));
  }
}

void add_set(Sha1& digest, const Collection& set) {
  SetCursor cursor(set);
  while (cursor.next()) add_unordered(digest, cursor.member());
}

void add_list(Sha1& digest, const Collection& list) {
  IntScratch scratch;
  for (ListCursor at(list, 0, true); at.valid(); at.step()) {
    add_ordered(digest, element_text(at.get(), scratch));
  }
}

void add_collection(Sha1& digest, ObjectType type, const Collection& value) {
  if (type == ObjectType::kStream) add_stream(digest, *static_cast<Stream*>(value.data));
  if (type == ObjectType::kZset) add_zset(digest, value);
  if (type == ObjectType::kHash) add_hash(digest, value);
  if (type == ObjectType::kSet) add_set(digest, value);
  if (type == ObjectType::kList) add_list(digest, value);
}

// `encoded`: as CollectionType::encode() gives it.
void add_encoded(Sha1& digest, std::string_view encoded, const CollectionLimits& limits) {
  ObjectType type;
  Collection value;
  if (!decode_collection(encoded, limits, &type, &value)) return;
  add_collection(digest, type, value);
  destroy_collection(type, value);
}

void add_value(Sha1& digest, const Object& object, const Keyspace* keyspace, DbId db) {
  add_number(digest, type_number(object.type()));
  IntScratch scratch;
  if (object.is_collection()) {
    if (object.cold()) {
      add_encoded(digest, keyspace->read_cold(db, object), keyspace->limits());
    } else {
      add_collection(digest, object.type(), object.collection());
    }
  } else if (object.cold()) {
    add_ordered(digest, keyspace->read_cold(db, object));
  } else {
    add_ordered(digest, object.string(scratch));
  }
  if (object.expire_at_ms() != 0) add_unordered(digest, "!!expire!!");
}

void add_database(Sha1& all, const Keyspace& keyspace, DbId db) {
  uint64_t cursor = 0;
  do {
    // Nothing changes meanwhile, so each key is visited once.
    cursor = keyspace.scan(db, cursor, [&](Object* object) {
      Sha1 digest{};
      add_ordered(digest, object->key());
      add_value(digest, *object, &keyspace, db);
      add_unordered(all, bytes_of(digest));
    });
  } while (cursor != 0);
}

}  // namespace

Sha1 value_digest(const Object* object) {
  Sha1 digest{};
  if (object != nullptr) add_value(digest, *object, nullptr, 0);
  return digest;
}

Sha1 dataset_digest(std::span<const Keyspace* const> keyspaces) {
  Sha1 all{};
  for (int logical = 0; logical < kDbCount; ++logical) {
    bool known = false;
    for (const Keyspace* keyspace : keyspaces) {
      const DbId db = keyspace->physical(logical);
      if (keyspace->size(db) == 0) continue;
      if (!known) add_number(all, static_cast<uint32_t>(logical));
      known = true;
      add_database(all, *keyspace, db);
    }
  }
  return all;
}

}  // namespace holdfast
