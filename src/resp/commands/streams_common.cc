// See streams.h: what the commands on streams share.
#include "resp/commands/streams.h"

namespace holdfast {
namespace {

constexpr std::string_view kInvalidId =
    "ERR Invalid stream ID specified as stream command argument";

}  // namespace

bool stream_id_argument(CommandContext& c, size_t i, StreamId* id) {
  if (parse_stream_id(c.args[i], 0, id)) return true;
  c.fail(kInvalidId);
  return false;
}

bool any_stream_id_argument(CommandContext& c, size_t i, uint64_t missing_seq, StreamId* id) {
  if (c.args[i] == "-" || c.args[i] == "+") {
    *id = c.args[i] == "-" ? StreamId() : StreamId::max();
    return true;
  }
  if (parse_stream_id(c.args[i], missing_seq, id)) return true;
  c.fail(kInvalidId);
  return false;
}

namespace {

// `*open`: the end itself is not in the range.
bool range_end_argument(CommandContext& c, size_t i, uint64_t missing_seq, StreamId* id,
                        bool* open) {
  const std::string_view text = c.args[i];
  *open = text.size() > 1 && text[0] == '(';
  if (!*open) return any_stream_id_argument(c, i, missing_seq, id);
  if (parse_stream_id(text.substr(1), missing_seq, id)) return true;
  c.fail(kInvalidId);
  return false;
}

}  // namespace

bool range_low_argument(CommandContext& c, size_t i, StreamId* low) {
  bool open = false;
  if (!range_end_argument(c, i, 0, low, &open)) return false;
  if (!open || low->step_forward()) return true;
  c.fail("ERR invalid start ID for the interval");
  return false;
}

bool range_high_argument(CommandContext& c, size_t i, StreamId* high) {
  bool open = false;
  if (!range_end_argument(c, i, UINT64_MAX, high, &open)) return false;
  if (!open || high->step_back()) return true;
  c.fail("ERR invalid end ID for the interval");
  return false;
}

bool FoundGroup::find(const Object* object) {
  stream = object == nullptr ? nullptr : &Stream::of(*object);
  group = stream == nullptr ? nullptr : stream->group(name);
  return group != nullptr;
}

bool find_group(CommandContext& c, size_t key_at, size_t group_at, FoundGroup* found) {
  found->key = c.key(key_at);
  found->name = c.args[group_at];
  const Object* object = c.find_read(found->key);
  if (!c.expect_type(object, ObjectType::kStream)) return false;
  if (found->find(object)) return true;
  c.fail("NOGROUP No such key '" + std::string(c.args[key_at]) + "' or consumer group '" +
         std::string(c.args[group_at]) + "'");
  return false;
}

void consumer_asks(CommandContext& c, FoundGroup& found, std::string_view consumer) {
  const auto* there = found.group->consumer(consumer);
  if (there != nullptr) {
    there->second.seen_ms = c.now_ms;
    return;
  }
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  put_bytes(operands, consumer);
  put_varint(operands, static_cast<uint64_t>(c.now_ms));
  c.edit(EffectType::kStreamConsumerCreate, found.key, operands);
  c.notify(NotifyClass::kStream, "xgroup-createconsumer", found.key);
  found.find(c.find_write(found.key));
}

void reply_stream_id(ReplyWriter& reply, const StreamId& id) {
  StreamIdScratch scratch;
  reply.bulk(format_stream_id(id, scratch));
}

void reply_entry(ReplyWriter& reply, StreamIterator& entry) {
  reply.array(2);
  reply_stream_id(reply, entry.id());
  reply.array(2 * entry.pairs());
  for (uint64_t i = 0; i < entry.pairs(); ++i) {
    std::string_view field, value;
    entry.pair(&field, &value);
    reply.bulk(field);
    reply.bulk(value);
  }
}

bool reply_entry_of(ReplyWriter& reply, const Stream& stream, const StreamId& id) {
  StreamIterator entry(stream, id, id);
  if (!entry.next()) return false;
  reply_entry(reply, entry);
  return true;
}

uint64_t reply_stream_range(ReplyWriter& reply, const Stream& stream, const StreamId& low,
                            const StreamId& high, uint64_t count, bool backward) {
  const ReplyWriter::Late entries = reply.late();
  uint64_t replied = 0;
  StreamIterator entry(stream, low, high, backward);
  while (entry.next()) {
    reply_entry(reply, entry);
    if (++replied == count) break;
  }
  reply.array_was(entries, replied);
  return replied;
}

}  // namespace holdfast
