// See quicklist.h.
#include "store/types/quicklist.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace holdfast {
namespace {

constexpr size_t kChunkBytes[] = {4096, 8192, 16384, 32768, 65536};  // of -1, -2, ...
// With a limit on elements, this many bytes end a chunk all the same.
constexpr size_t kSafeBytes = 8192;
constexpr size_t kElementOverhead = 11;  // at most: head and length behind it

char* copy_bytes(std::string_view bytes) {
  auto* data = static_cast<char*>(std::malloc(bytes.size()));
  if (data == nullptr) throw std::bad_alloc();
  std::memcpy(data, bytes.data(), bytes.size());
  return data;
}

bool has_room(const Quicklist::Chunk* chunk, size_t element, const ChunkLimit& limit) {
  return chunk != nullptr && !chunk->plain() &&
         limit.allows(chunk->pack().total() + element + kElementOverhead, chunk->count + 1ULL);
}

bool is_large(std::string_view element, const ChunkLimit& limit) {
  return element.size() > limit.bytes;
}

void append_element(Listpack* pack, const Listpack::Element& element) {
  if (element.is_number) {
    pack->append_integer(element.number);
  } else {
    pack->append(element.text);
  }
}

}  // namespace

ChunkLimit ChunkLimit::of(const CollectionLimits& limits) {
  const int64_t size = limits.list_max_listpack_size;
  if (size >= 0) return {kSafeBytes, static_cast<uint64_t>(std::max<int64_t>(size, 1))};
  const auto step = static_cast<size_t>(std::min<int64_t>(-(size + 1), 4));
  return {kChunkBytes[step], UINT64_MAX};
}

Quicklist::~Quicklist() { drop_chunks(UINT64_MAX); }

uint64_t Quicklist::drop_chunks(uint64_t limit) {
  uint64_t dropped = 0;
  for (; dropped < limit && first_ != nullptr; ++dropped) {
    size_ -= first_->count;
    drop(first_);
  }
  return dropped;
}

Quicklist::Place Quicklist::find(uint64_t index) const {
  HF_ASSERT(index < size_);
  if (index < size_ / 2) {
    Chunk* chunk = first_;
    for (; index >= chunk->count; chunk = chunk->next) index -= chunk->count;
    return {chunk, static_cast<uint32_t>(index)};
  }
  uint64_t behind = size_ - index;  // elements from the place to the end
  Chunk* chunk = last_;
  for (; behind > chunk->count; chunk = chunk->prev) behind -= chunk->count;
  return {chunk, static_cast<uint32_t>(chunk->count - behind)};
}

size_t Quicklist::memory() const {
  constexpr uint64_t kSample = 5;
  size_t seen = 0;
  uint64_t chunks = 0;
  for (const Chunk* chunk = first_; chunk != nullptr && chunks < kSample; chunk = chunk->next) {
    seen += malloc_usable_size(chunk->data) + sizeof(Chunk);
    ++chunks;
  }
  return sizeof(*this) + (chunks == 0 ? 0 : seen * chunks_ / chunks);
}

// --- the chain ---

// Before that chunk; null: behind all.
void Quicklist::link(Chunk* chunk, Chunk* before) {
  chunk->next = before;
  chunk->prev = before == nullptr ? last_ : before->prev;
  (chunk->prev == nullptr ? first_ : chunk->prev->next) = chunk;
  (before == nullptr ? last_ : before->prev) = chunk;
  ++chunks_;
}

char* Quicklist::unlink(Chunk* chunk) {
  (chunk->prev == nullptr ? first_ : chunk->prev->next) = chunk->next;
  (chunk->next == nullptr ? last_ : chunk->next->prev) = chunk->prev;
  --chunks_;
  char* data = chunk->data;
  delete chunk;
  return data;
}

void Quicklist::drop(Chunk* chunk) { std::free(unlink(chunk)); }

Quicklist::Chunk* Quicklist::new_chunk(Chunk* before, std::string_view element, bool plain) {
  auto* chunk = new Chunk();
  chunk->count = 1;
  if (plain) {
    chunk->data = copy_bytes(element);
    chunk->plain_size = static_cast<uint32_t>(element.size());
  } else {
    Listpack pack(Listpack::create());
    pack.append(element);
    chunk->data = pack.block();
  }
  link(chunk, before);
  ++size_;
  return chunk;
}

void Quicklist::append_pack(char* data, const ChunkLimit& limit) {
  Listpack pack(data);
  if (pack.total() > std::max(limit.bytes, kMaxForeignBytes)) {
    IntScratch scratch;
    for (auto at = pack.first(); at != pack.end(); at = pack.next(at)) {
      push(false, pack.text(at, scratch), limit);
    }
    Listpack::destroy(data);
    return;
  }
  if (pack.empty()) {
    Listpack::destroy(data);
    return;
  }
  auto* chunk = new Chunk();
  chunk->data = data;
  chunk->count = pack.count();
  link(chunk, nullptr);
  size_ += chunk->count;
}

char* Quicklist::take_only_pack() {
  HF_ASSERT(only_pack() != nullptr);
  size_ = 0;
  return unlink(first_);
}

// --- changes ---

void Quicklist::put(Chunk* chunk, Listpack::Pos at, std::string_view element) {
  Listpack pack = chunk->pack();
  pack.insert(at, element);
  chunk->data = pack.block();
  ++chunk->count;
  ++size_;
}

void Quicklist::push(bool front, std::string_view element, const ChunkLimit& limit) {
  Chunk* end = front ? first_ : last_;
  if (!is_large(element, limit) && has_room(end, element.size(), limit)) {
    put(end, front ? end->pack().first() : end->pack().end(), element);
  } else {
    new_chunk(front ? first_ : nullptr, element, is_large(element, limit));
  }
}

void Quicklist::pop(bool front, uint64_t count) {
  HF_ASSERT(count <= size_);
  while (count > 0) {
    Chunk* end = front ? first_ : last_;
    if (end->count <= count) {
      count -= end->count;
      size_ -= end->count;
      drop(end);
      continue;
    }
    Listpack pack = end->pack();
    const auto few = static_cast<uint32_t>(count);
    pack.erase(front ? pack.first() : pack.seek(-static_cast<int64_t>(few)), few);
    end->data = pack.block();
    end->count -= few;
    size_ -= few;
    return;
  }
}

void Quicklist::erase_at(Chunk* chunk, uint32_t offset) {
  --size_;
  if (--chunk->count == 0) {
    drop(chunk);
    return;
  }
  Listpack pack = chunk->pack();
  pack.erase(pack.seek(offset));
  chunk->data = pack.block();
}

void Quicklist::set(uint64_t index, std::string_view element, const ChunkLimit& limit) {
  const auto [chunk, offset] = find(index);
  if (!is_large(element, limit) && !chunk->plain()) {
    Listpack pack = chunk->pack();
    const Listpack::Pos at = pack.seek(offset);
    const size_t rest = pack.total() - (pack.next(at) - at);
    if (limit.allows(rest + element.size() + kElementOverhead, chunk->count)) {
      pack.replace(at, element);
      chunk->data = pack.block();
      return;
    }
  }
  insert(index, element, limit);
  const Place old = find(index + 1);
  erase_at(old.chunk, old.offset);
}

void Quicklist::insert(uint64_t index, std::string_view element, const ChunkLimit& limit) {
  if (index == 0) return push(true, element, limit);
  if (index == size_) return push(false, element, limit);
  const bool large = is_large(element, limit);
  auto [chunk, offset] = find(index);
  if (!large && has_room(chunk, element.size(), limit)) {
    put(chunk, chunk->pack().seek(offset), element);
    return;
  }
  Chunk* right = chunk;
  if (offset > 0) right = split(chunk, offset);
  Chunk* left = right->prev;
  if (!large && has_room(left, element.size(), limit)) {
    put(left, left->pack().end(), element);
  } else if (!large && has_room(right, element.size(), limit)) {
    put(right, right->pack().first(), element);
  } else {
    new_chunk(right, element, large);
  }
  if (offset > 0) {
    merge_small(right, limit);
    merge_small(left->prev, limit);
  }
}

// Elements from `offset` on go into a chunk of their own, behind this one, which is given.
Quicklist::Chunk* Quicklist::split(Chunk* chunk, uint32_t offset) {
  Listpack pack = chunk->pack();
  const Listpack::Pos from = pack.seek(offset);
  Listpack moved(Listpack::create(pack.end() - from + Listpack::kHeaderBytes + 1));
  for (Listpack::Pos at = from; at != pack.end(); at = pack.next(at)) {
    append_element(&moved, pack.get(at));
  }
  auto* right = new Chunk();
  right->data = moved.block();
  right->count = chunk->count - offset;
  pack.erase(from, right->count);
  chunk->data = pack.block();
  chunk->count = offset;
  link(right, chunk->next);
  return right;
}

// Joins the chunk with the next one if both are small, so that splits at the same places again and
// again leave no crumbs. Half of the limit: what was joined is not split at once again.
void Quicklist::merge_small(Chunk* chunk, const ChunkLimit& limit) {
  if (chunk == nullptr || chunk->next == nullptr) return;
  Chunk* next = chunk->next;
  if (chunk->plain() || next->plain()) return;
  const size_t total = chunk->bytes() + next->bytes();
  if (total > limit.bytes / 2 || uint64_t{chunk->count} + next->count > limit.count / 2) return;
  Listpack pack = chunk->pack();
  const Listpack more = next->pack();
  for (Listpack::Pos at = more.first(); at != more.end(); at = more.next(at)) {
    append_element(&pack, more.get(at));
  }
  chunk->data = pack.block();
  chunk->count += next->count;
  drop(next);
}

uint64_t remove_from_pack(Listpack* pack, bool front, uint64_t count, std::string_view element) {
  uint64_t removed = 0;
  if (front) {
    Listpack::Pos at = pack->first();
    while (removed < count && (at = pack->find(at, element)) != pack->end()) {
      // Equal neighbours go at once, so that what is behind them is moved once.
      uint32_t run = 1;
      for (auto next = pack->next(at);
           removed + run < count && next != pack->end() && pack->equals(next, element);
           next = pack->next(next)) {
        ++run;
      }
      pack->erase(at, run);
      removed += run;
    }
    return removed;
  }
  for (Listpack::Pos at = pack->end(); removed < count && at != pack->first();) {
    at = pack->prev(at);
    if (!pack->equals(at, element)) continue;
    pack->erase(at);
    ++removed;
  }
  return removed;
}

void Quicklist::remove(bool front, uint64_t count, std::string_view element) {
  Chunk* next = nullptr;
  for (Chunk* chunk = front ? first_ : last_; chunk != nullptr && count > 0; chunk = next) {
    next = front ? chunk->next : chunk->prev;
    uint64_t removed = 0;
    if (chunk->plain()) {
      removed = chunk->plain_bytes() == element ? 1 : 0;
    } else {
      Listpack pack = chunk->pack();
      removed = remove_from_pack(&pack, front, count, element);
      chunk->data = pack.block();
    }
    count -= removed;
    size_ -= removed;
    chunk->count -= static_cast<uint32_t>(removed);
    if (chunk->count == 0) drop(chunk);
  }
}

}  // namespace holdfast
