// See set_table.h.
#include "store/types/set_table.h"

#include <malloc.h>

#include <cstdlib>
#include <cstring>
#include <new>

#include "base/codec.h"

namespace holdfast {

SetEntry* SetEntry::create(std::string_view member) {
  char head[kMaxVarintBytes];
  const auto head_size = static_cast<size_t>(store_varint(head, member.size()) - head);
  char* block = static_cast<char*>(std::malloc(head_size + member.size()));
  if (block == nullptr) throw std::bad_alloc();
  std::memcpy(block, head, head_size);
  if (!member.empty()) std::memcpy(block + head_size, member.data(), member.size());
  return reinterpret_cast<SetEntry*>(block);
}

void SetEntry::destroy(SetEntry* entry) { std::free(entry); }

std::string_view SetEntry::member() const {
  const auto* at = reinterpret_cast<const char*>(this);
  uint64_t size = static_cast<unsigned char>(*at++);
  if (size >= 0x80) {
    size &= 0x7f;
    for (int shift = 7;; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at++);
      size |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
  }
  return {at, size};
}

size_t SetEntry::memory() const { return malloc_usable_size(const_cast<SetEntry*>(this)); }

bool SetTable::add(std::string_view member) {
  const MemberRef key(member, seed_);
  if (table_.find(key) != nullptr) return false;
  SetEntry* entry = SetEntry::create(member);
  entry_bytes_ += entry->memory();
  table_.insert(key, entry, seed_);
  return true;
}

bool SetTable::remove(std::string_view member) {
  const MemberRef key(member, seed_);
  SetEntry** place = table_.find(key);
  if (place == nullptr) return false;
  SetEntry* entry = *place;
  table_.erase(key, place);
  entry_bytes_ -= entry->memory();
  SetEntry::destroy(entry);
  return true;
}

uint32_t SetTable::drain(uint32_t limit) {
  return table_.drain(limit, [this](SetEntry* entry) {
    entry_bytes_ -= entry->memory();
    SetEntry::destroy(entry);
  });
}

}  // namespace holdfast
