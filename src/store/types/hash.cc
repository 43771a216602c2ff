// See hash.h. Changes come first, then reading; RDB forms are in hash_rdb.cc.
#include "store/types/hash.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

#include "base/assert.h"
#include "store/types/hash_forms.h"

namespace holdfast {

// --- forms ---

uint32_t hash_pack_step(const Collection& hash) {
  return hash.encoding == Encoding::kListpackEx ? 3 : 2;
}

Listpack hash_pack(const Collection& hash) {
  if (hash.encoding == Encoding::kListpackEx) {
    return Listpack(static_cast<ExpiringListpack*>(hash.data)->block);
  }
  return Listpack(hash.data);
}

namespace {

bool is_pack(const Collection& hash) { return hash.encoding != Encoding::kHashtable; }

HashTable& table_of(const Collection& hash) { return *static_cast<HashTable*>(hash.data); }

ExpiringListpack& expiring(const Collection& hash) {
  return *static_cast<ExpiringListpack*>(hash.data);
}

void set_block(Collection* hash, char* block) {
  if (hash->encoding == Encoding::kListpackEx) {
    expiring(*hash).block = block;
  } else {
    hash->data = block;
  }
}

// The position of the field, or end().
Listpack::Pos find_in_pack(const Collection& hash, std::string_view field) {
  const Listpack pack = hash_pack(hash);
  return pack.find(pack.first(), field, hash_pack_step(hash) - 1);
}

void refresh_next_expiry(const Collection& hash) {
  ExpiringListpack& ex = expiring(hash);
  const Listpack pack(ex.block);
  ex.next_ms = kNoFieldExpires;
  for (Listpack::Pos at = pack.first(); at != pack.end();) {
    at = pack.next(pack.next(at));
    int64_t expires = 0;
    pack.integer(at, &expires);
    if (expires != 0 && expires < ex.next_ms) ex.next_ms = expires;
    at = pack.next(at);
  }
}

}  // namespace

void hash_into_table(Collection* hash, uint64_t fields, uint64_t seed) {
  if (!is_pack(*hash)) return;
  auto table = std::make_unique<HashTable>(seed);
  if (hash->data != nullptr) {
    table->reserve(std::max(fields, hash_size(*hash)));
    HashCursor cursor(*hash);
    while (cursor.next()) {
      table->set(cursor.field(), cursor.value(), false);
      if (cursor.expire_at_ms() != 0) table->set_expiry(cursor.field(), cursor.expire_at_ms());
    }
    table->place_in_keyspace = hash_place_in_keyspace(*hash);
    Listpack::destroy(hash_pack(*hash).block());
    if (hash->encoding == Encoding::kListpackEx) delete static_cast<ExpiringListpack*>(hash->data);
  } else {
    table->reserve(fields);
  }
  *hash = {Encoding::kHashtable, table.release()};
}

namespace {

void into_expiring(Collection* hash) {
  const Listpack old(hash->data);
  auto* ex = new ExpiringListpack{Listpack::create(old.total() + 2 * old.count())};
  Listpack pack(ex->block);
  IntScratch scratch;
  for (Listpack::Pos at = old.first(); at != old.end(); at = old.next(at)) {
    pack.append(old.text(at, scratch));
    at = old.next(at);
    pack.append(old.text(at, scratch));
    pack.append_integer(0);
  }
  ex->block = pack.block();
  Listpack::destroy(old.block());
  *hash = {Encoding::kListpackEx, ex};
}

// --- changing ---

void set_in_pack(Collection* hash, std::string_view field, std::string_view value,
                 bool keep_expiry) {
  Listpack pack = hash_pack(*hash);
  Listpack::Pos at = find_in_pack(*hash, field);
  const bool ex = hash->encoding == Encoding::kListpackEx;
  if (at == pack.end()) {
    pack.append(field);
    pack.append(value);
    if (ex) pack.append_integer(0);
    set_block(hash, pack.block());
    return;
  }
  at = pack.replace(pack.next(at), value);
  int64_t expires = 0;
  if (ex) pack.integer(pack.next(at), &expires);
  const bool persist = expires != 0 && !keep_expiry;
  if (persist) pack.replace_integer(pack.next(at), 0);
  set_block(hash, pack.block());
  if (persist) refresh_next_expiry(*hash);
}

void set(Reader& in, bool keep_expiry, const CollectionLimits& limits, Collection* hash) {
  if (hash->data == nullptr) hash->data = Listpack::create(in.left());
  while (in.ok() && !in.at_end()) {
    const std::string_view field = in.sized_bytes();
    const std::string_view value = in.sized_bytes();
    if (!in.ok()) return;
    if (is_pack(*hash)) {
      const uint64_t longest = std::max(field.size(), value.size());
      if (longest > limits.hash_max_listpack_value ||
          !hash_pack(*hash).fits(field.size() + value.size())) {
        hash_into_table(hash, 0, limits.hash_seed);
      }
    }
    if (!is_pack(*hash)) {
      table_of(*hash).set(field, value, keep_expiry);
      continue;
    }
    set_in_pack(hash, field, value, keep_expiry);
    if (hash_size(*hash) > limits.hash_max_listpack_entries) {
      hash_into_table(hash, 0, limits.hash_seed);
    }
  }
}

void erase(Reader& in, Collection* hash) {
  while (in.ok() && !in.at_end()) {
    const std::string_view field = in.sized_bytes();
    if (!in.ok() || hash->data == nullptr) return;
    if (!is_pack(*hash)) {
      table_of(*hash).erase(field);
      continue;
    }
    Listpack pack = hash_pack(*hash);
    const Listpack::Pos at = find_in_pack(*hash, field);
    if (at == pack.end()) continue;
    pack.erase(at, hash_pack_step(*hash));
    set_block(hash, pack.block());
  }
  if (hash->encoding == Encoding::kListpackEx) refresh_next_expiry(*hash);
}

constexpr uint64_t kExpiryBytes = 10;  // of a time in a listpack, at most

void expire(Reader& in, const CollectionLimits& limits, Collection* hash) {
  while (in.ok() && !in.at_end()) {
    const auto at_ms = static_cast<int64_t>(in.varint());
    const std::string_view field = in.sized_bytes();
    if (!in.ok() || hash->data == nullptr) return;
    const uint64_t needs = kExpiryBytes * hash_size(*hash);
    if (is_pack(*hash) && !hash_pack(*hash).fits(needs)) {
      hash_into_table(hash, 0, limits.hash_seed);
    }
    if (!is_pack(*hash)) {
      table_of(*hash).set_expiry(field, at_ms);
      continue;
    }
    if (find_in_pack(*hash, field) == hash_pack(*hash).end()) continue;
    if (hash->encoding != Encoding::kListpackEx) {
      if (at_ms == 0) continue;
      into_expiring(hash);
    }
    Listpack pack = hash_pack(*hash);
    pack.replace_integer(pack.next(pack.next(find_in_pack(*hash, field))), at_ms);
    set_block(hash, pack.block());
  }
  if (hash->encoding == Encoding::kListpackEx) refresh_next_expiry(*hash);
}

void apply(EffectType type, Reader& operands, const CollectionLimits& limits, Collection* hash) {
  switch (type) {
    case EffectType::kHashSet:
      return set(operands, false, limits, hash);
    case EffectType::kHashUpdate:
      return set(operands, true, limits, hash);
    case EffectType::kHashDelete:
      return erase(operands, hash);
    case EffectType::kHashExpire:
      return expire(operands, limits, hash);
    default:
      HF_ASSERT(false);
  }
}

Collection create() { return {Encoding::kListpack, nullptr}; }

bool destroy_some(Collection& hash, uint64_t* budget) {
  if (hash.data == nullptr) return true;
  if (*budget == 0) return false;
  if (is_pack(hash)) {
    Listpack::destroy(hash_pack(hash).block());
    if (hash.encoding == Encoding::kListpackEx) delete static_cast<ExpiringListpack*>(hash.data);
    --*budget;
  } else {
    const auto limit = static_cast<uint32_t>(std::min<uint64_t>(*budget, UINT32_MAX));
    const uint32_t freed = table_of(hash).drain(limit);
    *budget -= freed;
    if (table_of(hash).size() != 0) return false;
    delete static_cast<HashTable*>(hash.data);
  }
  hash.data = nullptr;
  return true;
}

size_t memory(const Collection& hash) {
  if (hash.data == nullptr) return 0;
  if (!is_pack(hash)) return table_of(hash).memory();
  const size_t head = hash.encoding == Encoding::kListpackEx ? malloc_usable_size(hash.data) : 0;
  return head + hash_pack(hash).memory();
}

bool creates(EffectType type) {
  return type == EffectType::kHashSet || type == EffectType::kHashUpdate;
}

constexpr char kRdbTypes[] = {kRdbHash, kRdbHashZipmap, kRdbHashZiplist, kRdbHashListpack,
                              kRdbHashExpiring};

}  // namespace

const CollectionType kHashType = {create,  destroy_some, hash_size,
                                  memory,  encode_hash,  decode_hash,
                                  creates, apply,        {kRdbTypes, sizeof kRdbTypes}};

// --- reading ---

uint64_t hash_size(const Collection& hash) {
  if (hash.data == nullptr) return 0;
  if (!is_pack(hash)) return table_of(hash).size();
  return hash_pack(hash).count() / hash_pack_step(hash);
}

const HashTable* hash_table(const Collection& hash) {
  return is_pack(hash) ? nullptr : &table_of(hash);
}

std::optional<std::string_view> hash_get(const Collection& hash, std::string_view field,
                                         IntScratch& scratch) {
  if (!is_pack(hash)) {
    const HashEntry* entry = table_of(hash).find(field);
    if (entry == nullptr) return std::nullopt;
    return entry->value();
  }
  const Listpack pack = hash_pack(hash);
  const Listpack::Pos at = find_in_pack(hash, field);
  if (at == pack.end()) return std::nullopt;
  return pack.text(pack.next(at), scratch);
}

std::optional<int64_t> hash_expiry(const Collection& hash, std::string_view field) {
  if (!is_pack(hash)) {
    const HashEntry* entry = table_of(hash).find(field);
    if (entry == nullptr) return std::nullopt;
    return entry->expire_at_ms();
  }
  const Listpack pack = hash_pack(hash);
  const Listpack::Pos at = find_in_pack(hash, field);
  if (at == pack.end()) return std::nullopt;
  int64_t expires = 0;
  if (hash.encoding == Encoding::kListpackEx) pack.integer(pack.next(pack.next(at)), &expires);
  return expires;
}

HashCursor::HashCursor(const Collection& hash) {
  if (!is_pack(hash)) {
    entries_ = table_of(hash).table().begin();
    return;
  }
  pack_ = hash_pack(hash);
  step_ = hash_pack_step(hash);
  at_ = pack_.first();
}

bool HashCursor::next() {
  if (step_ == 0) {
    const HashEntry* entry = entries_.next();
    if (entry == nullptr) return false;
    field_ = entry->field();
    value_ = entry->value();
    expire_at_ms_ = entry->expire_at_ms();
    return true;
  }
  if (at_ == pack_.end()) return false;
  field_ = pack_.text(at_, field_scratch_);
  at_ = pack_.next(at_);
  value_ = pack_.text(at_, value_scratch_);
  at_ = pack_.next(at_);
  if (step_ == 3) {
    pack_.integer(at_, &expire_at_ms_);
    at_ = pack_.next(at_);
  }
  return true;
}

HashField hash_random(const Collection& hash, Random& random, IntScratch& field_scratch,
                      IntScratch& value_scratch) {
  if (!is_pack(hash)) {
    const HashEntry* entry = table_of(hash).table().random_entry(
        [&random](uint64_t below) { return random.below(below); });
    return {entry->field(), entry->value()};
  }
  const Listpack pack = hash_pack(hash);
  const uint64_t index = random.below(hash_size(hash)) * hash_pack_step(hash);
  const Listpack::Pos at = pack.seek(static_cast<int64_t>(index));
  return {pack.text(at, field_scratch), pack.text(pack.next(at), value_scratch)};
}

// --- fields that expire ---

int64_t hash_next_expiry_ms(const Collection& hash) {
  if (hash.encoding == Encoding::kListpackEx) return expiring(hash).next_ms;
  if (hash.encoding == Encoding::kHashtable) return table_of(hash).next_expiry_ms();
  return kNoFieldExpires;
}

uint32_t hash_take_due(const Collection& hash, int64_t now_ms, uint32_t limit,
                       std::string* operands) {
  uint32_t taken = 0;
  if (hash_next_expiry_ms(hash) > now_ms) return 0;
  if (!is_pack(hash)) {
    table_of(hash).visit_due(now_ms, limit, [&](const HashEntry* entry) {
      put_bytes(*operands, entry->field());
      ++taken;
    });
    return taken;
  }
  HashCursor cursor(hash);
  while (taken < limit && cursor.next()) {
    if (cursor.expire_at_ms() == 0 || cursor.expire_at_ms() > now_ms) continue;
    put_bytes(*operands, cursor.field());
    ++taken;
  }
  return taken;
}

uint32_t hash_place_in_keyspace(const Collection& hash) {
  if (hash.encoding == Encoding::kListpackEx) return expiring(hash).place_in_keyspace;
  if (hash.encoding == Encoding::kHashtable) return table_of(hash).place_in_keyspace;
  return UINT32_MAX;
}

void set_hash_place_in_keyspace(const Collection& hash, uint32_t place) {
  if (hash.encoding == Encoding::kListpackEx) {
    expiring(hash).place_in_keyspace = place;
  } else {
    table_of(hash).place_in_keyspace = place;
  }
}

}  // namespace holdfast
