// Streams as a CollectionType: effects, and the forms of RDB.
//
//   15  blocks, length, last id, groups
//   19  ... last id, first id, highest id removed, entries added; a group has its entries read
//   21  ... a consumer has the time when it was active, beside when it was seen
//
// A block is its id (16 bytes, big-endian) and its listpack, both strings. Ids elsewhere are two
// lengths, but those of pending entries: 16 bytes as they are. Times are 8 bytes, little-endian.
#include <algorithm>
#include <memory>
#include <string>

#include "base/assert.h"
#include "store/rdb_codec.h"
#include "store/types/stream.h"
#include "store/types/stream_effects.h"

namespace holdfast {
namespace {

constexpr uint8_t kRdbWithAdded = 19, kRdbWithActive = 21;
constexpr size_t kRawIdBytes = 16;
constexpr uint64_t kMaxNameBytes = 512 << 20;
// Above what is ever written, with room for a block's numbers to grow.
constexpr uint64_t kMaxBlockBytes = Listpack::kFullBytes + (1 << 19);

const Stream& stream_in(const Collection& value) { return *static_cast<Stream*>(value.data); }

// --- writing ---

void put_raw_id(const StreamId& id, std::string* out) {
  put_fixed(*out, __builtin_bswap64(id.ms));
  put_fixed(*out, __builtin_bswap64(id.seq));
}

void put_length_id(const StreamId& id, std::string* out) {
  put_rdb_length(id.ms, out);
  put_rdb_length(id.seq, out);
}

void put_consumer(const StreamConsumers::value_type& consumer, uint8_t rdb_type, std::string* out) {
  const StreamConsumer& state = consumer.second;
  put_rdb_string(consumer.first, out);
  put_fixed(*out, state.seen_ms);
  if (rdb_type >= kRdbWithActive) put_fixed(*out, state.active_ms);
  put_rdb_length(state.pending.size(), out);
  for (auto at = state.pending.first(); at; at.next()) put_raw_id(at.id(), out);
}

void put_group(const StreamGroups::value_type& named, uint8_t rdb_type, std::string* out) {
  const StreamGroup& group = named.second;
  put_rdb_string(named.first, out);
  put_length_id(group.last_id, out);
  if (rdb_type >= kRdbWithAdded) put_rdb_length(static_cast<uint64_t>(group.entries_read), out);
  put_rdb_length(group.pending.size(), out);
  for (auto at = group.pending.first(); at; at.next()) {
    put_raw_id(at.id(), out);
    put_fixed(*out, at.value().delivered_ms);
    put_rdb_length(at.value().deliveries, out);
  }
  put_rdb_length(group.consumers.size(), out);
  for (const auto& consumer : group.consumers) put_consumer(consumer, rdb_type, out);
}

}  // namespace

void encode_stream(const Stream& stream, uint8_t rdb_type, bool compress, std::string* out) {
  out->push_back(static_cast<char>(rdb_type));
  put_rdb_length(stream.blocks_.size(), out);
  for (auto at = stream.blocks_.first(); at; at.next()) {
    put_rdb_length(kRawIdBytes, out);
    put_raw_id(at.id(), out);
    const std::string_view block = Listpack(at.value()).bytes();
    if (compress) {
      put_rdb_compressed(block, out);
    } else {
      put_rdb_string(block, out);
    }
  }
  put_rdb_length(stream.length_, out);
  put_length_id(stream.last_id_, out);
  if (rdb_type >= kRdbWithAdded) {
    put_length_id(stream.first_id_, out);
    put_length_id(stream.max_deleted_id_, out);
    put_rdb_length(stream.entries_added_, out);
  }
  put_rdb_length(stream.groups_.size(), out);
  for (const auto& group : stream.groups_) put_group(group, rdb_type, out);
}

namespace {

void encode(const Collection& value, std::string* out) {
  encode_stream(stream_in(value), kRdbWithActive, false, out);
}

void dump(const Collection& value, std::string* out) {
  encode_stream(stream_in(value), kRdbWithAdded, true, out);
}

// --- reading ---

StreamId take_raw_id(Reader& in) {
  const uint64_t ms = __builtin_bswap64(in.fixed<uint64_t>());
  return {ms, __builtin_bswap64(in.fixed<uint64_t>())};
}

bool take_length_id(Reader& in, StreamId* id) {
  return take_rdb_length(in, &id->ms) && take_rdb_length(in, &id->seq);
}

// Times and counts of other writers may be any bytes; nobody has written one below `least`.
int64_t take_time(Reader& in, int64_t least = 0) { return std::max(in.fixed<int64_t>(), least); }

bool take_block(Reader& in, Stream* stream) {
  std::string bytes;
  if (!take_rdb_string(in, kRawIdBytes, &bytes) || bytes.size() != kRawIdBytes) return false;
  Reader id_bytes(bytes);
  const StreamId id = take_raw_id(id_bytes);
  if (!take_rdb_string(in, kMaxBlockBytes, &bytes) || !Listpack::valid(bytes)) return false;
  char* block = Listpack::copy(bytes);
  if (StreamBlock::valid(block, id) && stream->append_block(id, block)) return true;
  Listpack::destroy(block);
  return false;
}

bool take_consumer(Reader& in, uint8_t rdb_type, StreamGroup* group) {
  std::string name;
  if (!take_rdb_string(in, kMaxNameBytes, &name)) return false;
  if (group->consumer(name) != nullptr) return false;
  auto* consumer = Stream::make_consumer(*group, name);
  consumer->second.seen_ms = take_time(in);
  consumer->second.active_ms =
      rdb_type >= kRdbWithActive ? take_time(in, StreamConsumer::kNever) : consumer->second.seen_ms;
  uint64_t count = 0;
  if (!take_rdb_length(in, &count)) return false;
  for (; count > 0; --count) {
    const StreamId id = take_raw_id(in);
    if (!in.ok()) return false;
    StreamPending* pending = group->pending.find(id);
    if (pending == nullptr || pending->consumer != nullptr) return false;
    pending->consumer = consumer;
    consumer->second.pending.insert(id, {});
  }
  return true;
}

bool take_pending(Reader& in, StreamGroup* group, uint64_t count) {
  for (; count > 0; --count) {
    const StreamId id = take_raw_id(in);
    StreamPending pending{take_time(in), 0, nullptr};
    if (!take_rdb_length(in, &pending.deliveries)) return false;
    if (!group->pending.insert(id, pending).second) return false;
  }
  return true;
}

bool take_group(Reader& in, uint8_t rdb_type, Stream* stream) {
  std::string name;
  if (!take_rdb_string(in, kMaxNameBytes, &name) || stream->group(name) != nullptr) return false;
  StreamGroup* group = stream->make_group(name);
  if (!take_length_id(in, &group->last_id)) return false;
  uint64_t read = 0;
  if (rdb_type < kRdbWithAdded) {
    group->entries_read = stream->entries_up_to(group->last_id);
  } else if (take_rdb_length(in, &read)) {
    group->entries_read = std::max(static_cast<int64_t>(read), StreamGroup::kUnknownRead);
  }
  uint64_t pending = 0, consumers = 0;
  if (!take_rdb_length(in, &pending) || !take_pending(in, group, pending)) return false;
  if (!take_rdb_length(in, &consumers)) return false;
  uint64_t owned = 0;
  for (; consumers > 0; --consumers) {
    if (!take_consumer(in, rdb_type, group)) return false;
  }
  for (const auto& consumer : group->consumers) owned += consumer.second.pending.size();
  return owned == group->pending.size();  // X3
}

bool take_stream(Reader& in, uint8_t rdb_type, Stream* stream) {
  uint64_t count = 0, length = 0;
  if (!take_rdb_length(in, &count)) return false;
  for (; count > 0; --count) {
    if (!take_block(in, stream)) return false;
  }
  StreamId last, first, max_deleted;
  if (!take_rdb_length(in, &length) || length != stream->length()) return false;
  if (!take_length_id(in, &last) || last < stream->top_id()) return false;
  uint64_t added = length;
  if (rdb_type >= kRdbWithAdded) {
    if (!take_length_id(in, &first) || !take_length_id(in, &max_deleted)) return false;
    if (!take_rdb_length(in, &added) || added > INT64_MAX) return false;
  }
  stream->set_ids(last, added, max_deleted);
  if (!take_rdb_length(in, &count)) return false;
  for (; count > 0; --count) {
    if (!take_group(in, rdb_type, stream)) return false;
  }
  return in.ok();
}

bool decode(uint8_t rdb_type, Reader& in, const CollectionLimits& /*limits*/, Collection* out) {
  auto stream = std::make_unique<Stream>();
  if (!take_stream(in, rdb_type, stream.get())) return false;
  *out = {Encoding::kStream, stream.release()};
  return true;
}

// --- effects ---

void apply_add(Reader& in, const CollectionLimits& limits, Stream& stream) {
  const StreamId id = take_stream_id(in);
  StreamPairs pairs;
  pairs.count = in.varint();
  pairs.bytes = in.bytes(in.left());
  stream.add(id, pairs, limits);
}

void apply_set_ids(Reader& in, Stream& stream) {
  const StreamId last = take_stream_id(in);
  const uint64_t added = in.varint();
  stream.set_ids(last, added, take_stream_id(in));
}

void set_group(Reader& in, StreamGroup* group) {
  const StreamId last = take_stream_id(in);
  const int64_t read = take_count_or_none(in);
  if (group == nullptr) return;
  group->last_id = last;
  group->entries_read = read;
}

void apply_consumer_create(Reader& in, StreamGroup* group) {
  const std::string_view name = in.sized_bytes();
  const auto seen_ms = static_cast<int64_t>(in.varint());
  if (group == nullptr || group->consumer(name) != nullptr) return;
  Stream::make_consumer(*group, name)->second.seen_ms = seen_ms;
}

void apply_read(Reader& in, StreamGroup* group) {
  set_group(in, group);
  const std::string_view name = in.sized_bytes();
  const auto now_ms = static_cast<int64_t>(in.varint());
  auto* consumer = group == nullptr ? nullptr : Stream::make_consumer(*group, name);
  if (consumer != nullptr) {
    consumer->second.seen_ms = now_ms;
    if (!in.at_end()) consumer->second.active_ms = now_ms;
  }
  StreamIdReader ids(in);
  while (!in.at_end() && in.ok()) {
    const StreamId id = ids.take();
    if (consumer != nullptr) Stream::assign(*group, *consumer, id, now_ms, 1);
  }
}

void apply_claim(Reader& in, StreamGroup* group) {
  const std::string_view name = in.sized_bytes();
  const auto seen_ms = static_cast<int64_t>(in.varint());
  const bool active = in.fixed<uint8_t>() != 0;
  const auto delivered_ms = static_cast<int64_t>(in.varint());
  auto* consumer = group == nullptr ? nullptr : Stream::make_consumer(*group, name);
  if (consumer != nullptr) {
    consumer->second.seen_ms = seen_ms;
    if (active) consumer->second.active_ms = seen_ms;
  }
  StreamIdReader ids(in);
  while (!in.at_end() && in.ok()) {
    const StreamId id = ids.take();
    const uint64_t deliveries = in.varint();
    if (consumer != nullptr) Stream::assign(*group, *consumer, id, delivered_ms, deliveries);
  }
}

// The effects on a group; those of none are over here.
void apply_to_group(EffectType type, Reader& in, Stream& stream) {
  const std::string_view name = in.sized_bytes();
  StreamGroup* group =
      type == EffectType::kStreamGroupCreate ? stream.make_group(name) : stream.find_group(name);
  switch (type) {
    case EffectType::kStreamGroupCreate:
    case EffectType::kStreamGroupSet:
      return set_group(in, group);
    case EffectType::kStreamGroupDrop:
      return stream.drop_group(name);
    case EffectType::kStreamConsumerCreate:
      return apply_consumer_create(in, group);
    case EffectType::kStreamConsumerDrop: {
      const std::string_view consumer = in.sized_bytes();
      if (group != nullptr) Stream::drop_consumer(*group, consumer);
      return;
    }
    case EffectType::kStreamRead:
      return apply_read(in, group);
    case EffectType::kStreamClaim:
      return apply_claim(in, group);
    case EffectType::kStreamAck: {
      StreamIdReader ids(in);
      while (!in.at_end() && in.ok()) {
        const StreamId id = ids.take();
        if (group != nullptr) Stream::acknowledge(*group, id);
      }
      return;
    }
    default:
      HF_ASSERT(false);
  }
}

void apply(EffectType type, Reader& in, const CollectionLimits& limits, Collection* value) {
  Stream& stream = *static_cast<Stream*>(value->data);
  switch (type) {
    case EffectType::kStreamAdd:
      return apply_add(in, limits, stream);
    case EffectType::kStreamRemove: {
      StreamIdReader ids(in);
      while (!in.at_end() && in.ok()) stream.remove(ids.take());
      return;
    }
    case EffectType::kStreamTrim:
      return stream.trim(take_stream_id(in));
    case EffectType::kStreamSetIds:
      return apply_set_ids(in, stream);
    default:
      return apply_to_group(type, in, stream);
  }
}

// --- the rest ---

Collection create() { return {Encoding::kStream, new Stream}; }

bool destroy_some(Collection& value, uint64_t* budget) {
  auto* stream = static_cast<Stream*>(value.data);
  if (!stream->destroy_some(budget)) return false;
  delete stream;
  value.data = nullptr;
  return true;
}

uint64_t size(const Collection& value) { return stream_in(value).length(); }
size_t memory(const Collection& value) { return stream_in(value).memory(); }

bool creates(EffectType type) {
  return type == EffectType::kStreamAdd || type == EffectType::kStreamGroupCreate;
}

}  // namespace

const CollectionType kStreamType = {create, destroy_some, size,  memory,         encode,
                                    decode, creates,      apply, "\x0f\x13\x15", dump};

}  // namespace holdfast
