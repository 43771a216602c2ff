// See list.h. The form in RDB: docs/ONDISK.md, "Collections".
#include "store/types/list.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/assert.h"
#include "store/rdb_codec.h"
#include "store/types/ziplist.h"

namespace holdfast {
namespace {

constexpr uint8_t kRdbList = 1, kRdbZiplist = 10, kRdbQuicklist2 = 18;
constexpr uint64_t kPlainNode = 1, kPackedNode = 2;

bool is_pack(const Collection& list) { return list.encoding == Encoding::kListpack; }
Listpack pack_of(const Collection& list) { return Listpack(list.data); }
Quicklist& chain_of(const Collection& list) { return *static_cast<Quicklist*>(list.data); }

// --- which form ---

void into_chain(Collection* list, const ChunkLimit& limit) {
  auto* chain = new Quicklist();
  chain->append_pack(static_cast<char*>(list->data), limit);
  *list = {Encoding::kQuicklist, chain};
}

// Before `elements` with `bytes` in all are added.
void grow(Collection* list, size_t bytes, uint64_t elements, const ChunkLimit& limit) {
  if (!is_pack(*list)) return;
  const Listpack pack = pack_of(*list);
  if (!limit.allows(pack.total() + bytes, pack.count() + elements)) into_chain(list, limit);
}

// A chain of one small listpack becomes that listpack. `share`: how much of the limit is small;
// less than all where a list shrinks, so that it does not go to and fro.
void shrink(Collection* list, const ChunkLimit& limit, uint64_t share) {
  if (is_pack(*list)) return;
  Quicklist& chain = chain_of(*list);
  const Quicklist::Chunk* only = chain.only_pack();
  if (only == nullptr) return;
  const ChunkLimit small{limit.bytes / share, limit.count / share};
  if (!small.allows(only->bytes(), only->count)) return;
  char* pack = chain.take_only_pack();
  delete &chain;
  *list = {Encoding::kListpack, pack};
}

// --- effects ---

void set_pack(Collection* list, const Listpack& pack) { list->data = pack.block(); }

void push(Reader& in, const ChunkLimit& limit, Collection* list) {
  const bool front = in.fixed<ListSide>() == ListSide::kFront;
  size_t bytes = 0;
  uint64_t elements = 0;
  for (Reader ahead = in; !ahead.at_end() && ahead.ok(); ++elements) {
    bytes += ahead.sized_bytes().size();
  }
  grow(list, bytes, elements, limit);
  if (is_pack(*list)) {
    Listpack pack = pack_of(*list);
    while (!in.at_end() && in.ok()) {
      pack.insert(front ? pack.first() : pack.end(), in.sized_bytes());
    }
    set_pack(list, pack);
    return;
  }
  while (!in.at_end() && in.ok()) chain_of(*list).push(front, in.sized_bytes(), limit);
}

void pop(Reader& in, const ChunkLimit& limit, Collection* list) {
  const bool front = in.fixed<ListSide>() == ListSide::kFront;
  const uint64_t count = std::min(in.varint(), list_size(*list));
  if (count == 0) return;
  if (is_pack(*list)) {
    Listpack pack = pack_of(*list);
    pack.erase(front ? pack.first() : pack.seek(-static_cast<int64_t>(count)),
               static_cast<uint32_t>(count));
    set_pack(list, pack);
    return;
  }
  chain_of(*list).pop(front, count);
  shrink(list, limit, 2);
}

void set(Reader& in, const ChunkLimit& limit, Collection* list) {
  const uint64_t index = in.varint();
  const std::string_view element = in.sized_bytes();
  if (index >= list_size(*list)) return;
  grow(list, element.size(), 1, limit);
  if (is_pack(*list)) {
    Listpack pack = pack_of(*list);
    pack.replace(pack.seek(static_cast<int64_t>(index)), element);
    set_pack(list, pack);
    return;
  }
  chain_of(*list).set(index, element, limit);
  shrink(list, limit, 2);
}

void insert(Reader& in, const ChunkLimit& limit, Collection* list) {
  const uint64_t index = in.varint();
  const std::string_view element = in.sized_bytes();
  const uint64_t size = list_size(*list);
  if (size == 0 || index > size) return;
  grow(list, element.size(), 1, limit);
  if (is_pack(*list)) {
    Listpack pack = pack_of(*list);
    pack.insert(index == size ? pack.end() : pack.seek(static_cast<int64_t>(index)), element);
    set_pack(list, pack);
    return;
  }
  chain_of(*list).insert(index, element, limit);
}

void remove(Reader& in, const ChunkLimit& limit, Collection* list) {
  const bool front = in.fixed<ListSide>() == ListSide::kFront;
  const uint64_t count = in.varint();
  const std::string_view element = in.sized_bytes();
  if (is_pack(*list)) {
    Listpack pack = pack_of(*list);
    remove_from_pack(&pack, front, count, element);
    set_pack(list, pack);
    return;
  }
  chain_of(*list).remove(front, count, element);
  shrink(list, limit, 2);
}

bool creates(EffectType type) { return type == EffectType::kListPush; }

void apply(EffectType type, Reader& operands, const CollectionLimits& limits, Collection* list) {
  const ChunkLimit limit = ChunkLimit::of(limits);
  switch (type) {
    case EffectType::kListPush:
      return push(operands, limit, list);
    case EffectType::kListPop:
      return pop(operands, limit, list);
    case EffectType::kListSet:
      return set(operands, limit, list);
    case EffectType::kListInsert:
      return insert(operands, limit, list);
    case EffectType::kListRemove:
      return remove(operands, limit, list);
    default:
      HF_ASSERT(false);
  }
}

// --- what every type has ---

Collection create() { return {Encoding::kListpack, Listpack::create()}; }

bool destroy_some(Collection& list, uint64_t* budget) {
  if (list.data == nullptr) return true;
  if (is_pack(list)) {
    if (*budget == 0) return false;
    --*budget;
    Listpack::destroy(static_cast<char*>(list.data));
    list.data = nullptr;
    return true;
  }
  Quicklist& chain = chain_of(list);
  *budget -= chain.drop_chunks(*budget);
  if (chain.chunks() > 0) return false;
  delete &chain;
  list.data = nullptr;
  return true;
}

size_t memory(const Collection& list) {
  return is_pack(list) ? pack_of(list).memory() : chain_of(list).memory();
}

using PutString = void (*)(std::string_view value, std::string* out);

void encode_with(PutString put, const Collection& list, std::string* out) {
  out->push_back(static_cast<char>(kRdbQuicklist2));
  if (is_pack(list)) {
    put_rdb_length(1, out);
    put_rdb_length(kPackedNode, out);
    put(pack_of(list).bytes(), out);
    return;
  }
  const Quicklist& chain = chain_of(list);
  put_rdb_length(chain.chunks(), out);
  for (const Quicklist::Chunk* chunk = chain.first(); chunk != nullptr; chunk = chunk->next) {
    put_rdb_length(chunk->plain() ? kPlainNode : kPackedNode, out);
    put(chunk->plain() ? chunk->plain_bytes() : chunk->pack().bytes(), out);
  }
}

void encode(const Collection& list, std::string* out) {
  encode_with(put_rdb_compressed, list, out);
}

bool take_ziplist(Reader& in, const ChunkLimit& limit, Quicklist* chain) {
  std::string bytes;
  if (!take_rdb_string(in, Listpack::kMaxBytes, &bytes)) return false;
  std::vector<std::string> elements;
  if (!read_ziplist(bytes, &elements)) return false;
  for (const std::string& element : elements) chain->push(false, element, limit);
  return true;
}

bool take_node(Reader& in, const ChunkLimit& limit, Quicklist* chain) {
  uint64_t container = 0;
  std::string bytes;
  if (!take_rdb_length(in, &container) || !take_rdb_string(in, Listpack::kMaxBytes, &bytes)) {
    return false;
  }
  if (container == kPlainNode) {
    chain->push(false, bytes, limit);
  } else if (container == kPackedNode && Listpack::valid(bytes)) {
    chain->append_pack(Listpack::copy(bytes), limit);
  } else {
    return false;
  }
  return true;
}

bool take_element(Reader& in, const ChunkLimit& limit, Quicklist* chain) {
  std::string element;
  if (!take_rdb_string(in, Listpack::kMaxBytes, &element)) return false;
  chain->push(false, element, limit);
  return true;
}

bool decode(uint8_t rdb_type, Reader& in, const CollectionLimits& limits, Collection* out) {
  const ChunkLimit limit = ChunkLimit::of(limits);
  uint64_t parts = 1;
  if (rdb_type != kRdbZiplist && !take_rdb_length(in, &parts)) return false;
  auto* chain = new Quicklist();
  bool ok = true;
  for (; parts > 0 && ok; --parts) {
    switch (rdb_type) {
      case kRdbList:
        ok = take_element(in, limit, chain);
        break;
      case kRdbQuicklist2:
        ok = take_node(in, limit, chain);
        break;
      default:
        ok = take_ziplist(in, limit, chain);
    }
  }
  if (!ok || chain->size() == 0) {
    delete chain;
    return false;
  }
  *out = {Encoding::kQuicklist, chain};
  shrink(out, limit, 1);
  return true;
}

}  // namespace

void encode_list_record(const Collection& list, std::string* out) {
  constexpr size_t kMostPlain = 1 << 30;  // an image's size is a number of 32 bits
  encode_with(memory(list) <= kMostPlain ? put_rdb_string : put_rdb_compressed, list, out);
}

uint64_t list_size(const Collection& list) {
  return is_pack(list) ? pack_of(list).count() : chain_of(list).size();
}

const CollectionType kListType = {
    .create = create,
    .destroy_some = destroy_some,
    .size = list_size,
    .memory = memory,
    .encode = encode,
    .decode = decode,
    .creates = creates,
    .apply = apply,
    .rdb_types = "\x01\x0a\x0e\x12",
};

// --- ListCursor ---

ListCursor::ListCursor(const Collection& list, int64_t index, bool forward) : forward_(forward) {
  const auto size = static_cast<int64_t>(list_size(list));
  if (index < 0) index += size;
  if (index < 0 || index >= size) return;
  if (is_pack(list)) {
    data_ = static_cast<char*>(list.data);
    at_ = pack_of(list).seek(index);
    return;
  }
  const Quicklist::Place place = chain_of(list).find(static_cast<uint64_t>(index));
  chunk_ = place.chunk;
  data_ = chunk_->data;
  plain_size_ = chunk_->plain_size;
  if (plain_size_ == 0) at_ = chunk_->pack().seek(place.offset);
}

void ListCursor::step() {
  if (plain_size_ == 0) {
    const Listpack pack(data_);
    if (forward_) {
      at_ = pack.next(at_);
      if (at_ != pack.end()) return;
    } else if (at_ != pack.first()) {
      at_ = pack.prev(at_);
      return;
    }
  }
  enter(chunk_ == nullptr ? nullptr : forward_ ? chunk_->next : chunk_->prev);
}

void ListCursor::enter(const Quicklist::Chunk* chunk) {
  chunk_ = chunk;
  data_ = chunk == nullptr ? nullptr : chunk->data;
  plain_size_ = chunk == nullptr ? 0 : chunk->plain_size;
  if (chunk == nullptr || plain_size_ != 0) return;
  at_ = forward_ ? chunk->pack().first() : chunk->pack().last();
}

}  // namespace holdfast
