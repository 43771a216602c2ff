// See hash_table.h.
#include "store/types/hash_table.h"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/codec.h"

namespace holdfast {
namespace {

constexpr size_t kExpiryBytes = sizeof(int64_t) + sizeof(uint32_t);

size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

const char* load_varint(const char* in, uint64_t* value) {
  *value = static_cast<unsigned char>(*in++);
  if (*value < 0x80) return in;
  *value &= 0x7f;
  for (int shift = 7;; shift += 7) {
    const auto byte = static_cast<unsigned char>(*in++);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return in;
  }
}

char* append(char* out, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

}  // namespace

struct HashEntry::Layout {
  size_t value_head;  // where the size of the value is
  size_t field;
  uint64_t field_size;
  uint64_t value_size;
};

inline HashEntry::Layout HashEntry::layout() const {
  Layout l;
  const char* at = load_varint(bytes(), &l.field_size);
  if ((l.field_size & 1) != 0) at += kExpiryBytes;
  l.field_size >>= 1;
  l.value_head = static_cast<size_t>(at - bytes());
  at = load_varint(at, &l.value_size);
  l.field = static_cast<size_t>(at - bytes());
  return l;
}

HashEntry* HashEntry::create(std::string_view field, std::string_view value, int64_t at_ms) {
  const bool expires = at_ms != 0;
  const uint64_t first = uint64_t{field.size()} << 1 | (expires ? 1 : 0);
  const size_t total = varint_size(first) + (expires ? kExpiryBytes : 0) +
                       varint_size(value.size()) + field.size() + value.size();
  char* block = static_cast<char*>(std::malloc(total));
  if (block == nullptr) throw std::bad_alloc();
  char* out = store_varint(block, first);
  if (expires) {
    store_fixed(out, at_ms);
    store_fixed(out + sizeof at_ms, UINT32_MAX);
    out += kExpiryBytes;
  }
  out = store_varint(out, value.size());
  append(append(out, field), value);
  return reinterpret_cast<HashEntry*>(block);
}

void HashEntry::destroy(HashEntry* entry) { std::free(entry); }

std::string_view HashEntry::field() const {
  const Layout l = layout();
  return {bytes() + l.field, l.field_size};
}

std::string_view HashEntry::value() const {
  const Layout l = layout();
  return {bytes() + l.field + l.field_size, l.value_size};
}

char* HashEntry::expiry() const {
  uint64_t first;
  return const_cast<char*>(load_varint(bytes(), &first));
}

int64_t HashEntry::expire_at_ms() const { return expires() ? load_fixed<int64_t>(expiry()) : 0; }

void HashEntry::set_expire_at_ms(int64_t at) { store_fixed(expiry(), at); }

uint32_t HashEntry::heap_index() const { return load_fixed<uint32_t>(expiry() + sizeof(int64_t)); }

void HashEntry::set_heap_index(uint32_t index) { store_fixed(expiry() + sizeof(int64_t), index); }

bool HashEntry::assign(std::string_view value) {
  const Layout l = layout();
  if (value.size() != l.value_size) {
    // Reuse the allocation when the value fits and does not leave half of it idle.
    if (varint_size(value.size()) != l.field - l.value_head) return false;
    const size_t needs = l.field + l.field_size + value.size();
    const size_t usable = memory();
    if (needs > usable || needs < usable / 2) return false;
    store_varint(bytes() + l.value_head, value.size());
  }
  append(bytes() + l.field + l.field_size, value);
  return true;
}

size_t HashEntry::memory() const { return malloc_usable_size(const_cast<HashEntry*>(this)); }

HashTable::~HashTable() { drain(UINT32_MAX); }

void HashTable::enter_heap(HashEntry* entry) {
  if (heap_ == nullptr) heap_ = std::make_unique<FieldHeap>();
  heap_->add(entry);
}

void HashTable::leave_heap(HashEntry* entry) {
  heap_->remove(entry);
  if (heap_->size() == 0) heap_.reset();
}

// Puts another entry of the same field in the place of the one there.
void HashTable::replace(HashEntry** place, HashEntry* entry) {
  HashEntry* old = *place;
  if (old->expires()) leave_heap(old);
  entry_bytes_ += entry->memory() - old->memory();
  HashEntry::destroy(old);
  *place = entry;
  if (entry->expires()) enter_heap(entry);
}

bool HashTable::set(std::string_view field, std::string_view value, bool keep_expiry) {
  const MemberRef key(field, seed_);
  HashEntry** place = table_.find(key);
  if (place == nullptr) {
    HashEntry* entry = HashEntry::create(field, value, 0);
    entry_bytes_ += entry->memory();
    table_.insert(key, entry, seed_);
    return true;
  }
  HashEntry* entry = *place;
  if ((!entry->expires() || keep_expiry) && entry->assign(value)) return false;
  replace(place, HashEntry::create(field, value, keep_expiry ? entry->expire_at_ms() : 0));
  return false;
}

bool HashTable::set_expiry(std::string_view field, int64_t at_ms) {
  HashEntry** place = table_.find(MemberRef(field, seed_));
  if (place == nullptr) return false;
  HashEntry* entry = *place;
  if (entry->expires() == (at_ms != 0)) {
    if (at_ms != 0) {
      entry->set_expire_at_ms(at_ms);
      heap_->update(entry);
    }
  } else {
    replace(place, HashEntry::create(entry->field(), entry->value(), at_ms));
  }
  return true;
}

bool HashTable::erase(std::string_view field) {
  const MemberRef key(field, seed_);
  HashEntry** place = table_.find(key);
  if (place == nullptr) return false;
  HashEntry* entry = *place;
  if (entry->expires()) leave_heap(entry);
  table_.erase(key, place);
  entry_bytes_ -= entry->memory();
  HashEntry::destroy(entry);
  return true;
}

uint32_t HashTable::drain(uint32_t limit) {
  heap_.reset();
  return table_.drain(limit, [this](HashEntry* entry) {
    entry_bytes_ -= entry->memory();
    HashEntry::destroy(entry);
  });
}

size_t HashTable::memory() const {
  return sizeof(HashTable) + table_.memory() + entry_bytes_ +
         (heap_ == nullptr ? 0 : sizeof(FieldHeap) + heap_->memory());
}

}  // namespace holdfast
