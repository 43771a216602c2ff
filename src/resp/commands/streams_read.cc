// XREAD and XREADGROUP: entries of one stream or several, read on from an id.
//
// XREADGROUP hands entries out: what it gives to whom is an effect, with the ids, the time and how
// far the group has come. ">" asks for entries that nobody has got yet; any other id for those that
// this consumer has got and not acknowledged.
#include <vector>

#include "resp/commands/streams.h"
#include "resp/help.h"

namespace holdfast {
namespace {

struct ReadOptions {
  bool grouped = false;
  int64_t timeout_ms = -1;  // -1: does not wait
  uint64_t count = 0;       // 0: any number
  bool no_ack = false;
  size_t group_at = 0;  // the consumer's name is behind it
  size_t streams_at = 0;
  size_t streams = 0;
};

struct ReadStream {
  KeyRef key;
  StreamId after;
  bool fresh = false;  // ">"
};

bool fail(CommandContext& c, std::string_view error) {
  c.fail(error);
  return false;
}

bool fail_without_group(CommandContext& c, std::string_view option) {
  return fail(c, "ERR The " + std::string(option) +
                     " option is only supported by XREADGROUP. You called XREAD instead.");
}

bool take_streams(CommandContext& c, size_t at, ReadOptions* options) {
  options->streams_at = at;
  const size_t left = c.argc() - at;
  options->streams = left / 2;
  if (left % 2 == 0) return true;
  return fail(c,
              "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
              "specified.");
}

bool parse_options(CommandContext& c, ReadOptions* options) {
  for (size_t i = 1; i < c.argc() && options->streams_at == 0; ++i) {
    const size_t more = c.argc() - i - 1;
    if (c.is(i, "block") && more > 0) {
      if (c.in_script()) {
        return fail(c, "ERR " + std::string(c.args[0]) +
                           " command is not allowed with BLOCK option from scripts");
      }
      if (!timeout_argument(c, ++i, &options->timeout_ms)) return false;
    } else if (c.is(i, "count") && more > 0) {
      int64_t count;
      if (!c.integer(++i, &count)) return false;
      options->count = count < 0 ? 0 : static_cast<uint64_t>(count);
    } else if (c.is(i, "streams") && more > 0) {
      if (!take_streams(c, i + 1, options)) return false;
    } else if (c.is(i, "group") && more >= 2) {
      if (!options->grouped) return fail_without_group(c, "GROUP");
      options->group_at = i + 1;
      i += 2;
    } else if (c.is(i, "noack")) {
      if (!options->grouped) return fail_without_group(c, "NOACK");
      options->no_ack = true;
    } else {
      return fail(c, errors::kSyntax);
    }
  }
  if (options->streams_at == 0) return fail(c, errors::kSyntax);
  if (options->grouped && options->group_at == 0) {
    return fail(c, "ERR Missing GROUP option for XREADGROUP");
  }
  return true;
}

// From where one stream is read, by the id in argument `id_at`.
bool parse_id(CommandContext& c, const ReadOptions& options, size_t id_at, const Object* object,
              ReadStream* read) {
  const std::string_view text = c.args[id_at];
  if (text == "$") {
    if (options.grouped) {
      return fail(c,
                  "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the "
                  "history of this consumer by specifying a proper ID, or use the > ID to get new "
                  "messages. The $ ID would just return an empty result set.");
    }
    if (object != nullptr) read->after = Stream::of(*object).last_id();
    return true;
  }
  if (text == ">") {
    if (!options.grouped) {
      return fail(c,
                  "ERR The > ID can be specified only when calling XREADGROUP using the GROUP "
                  "<group> <consumer> option.");
    }
    read->fresh = true;
    return true;
  }
  if (!stream_id_argument(c, id_at, &read->after)) return false;
  read->fresh = options.grouped && read->after == StreamId::max();
  return true;
}

bool find_streams(CommandContext& c, const ReadOptions& options, std::vector<ReadStream>* reads) {
  reads->resize(options.streams);
  for (size_t i = 0; i < options.streams; ++i) {
    const size_t key_at = options.streams_at + i;
    ReadStream& read = (*reads)[i];
    read.key = c.key(key_at);
    const Object* object = c.find_read(read.key);
    if (!c.expect_type(object, ObjectType::kStream)) return false;
    if (options.grouped) {
      FoundGroup found;
      found.name = c.args[options.group_at];
      if (!found.find(object)) {
        return fail(c, "NOGROUP No such key '" + std::string(c.args[key_at]) +
                           "' or consumer group '" + std::string(found.name) +
                           "' in XREADGROUP with GROUP option");
      }
    }
    if (!parse_id(c, options, key_at + options.streams, object, &read)) return false;
  }
  return true;
}

// The head of what a stream gives: an element of an array, or a pair of a map.
void begin_stream(CommandContext& c, const ReadStream& read) {
  if (!c.reply.resp3()) c.reply.array(2);
  c.reply.bulk(read.key.bytes);
}

bool read_entries(CommandContext& c, const ReadOptions& options, const ReadStream& read) {
  const Object* object = c.find_write(read.key);
  if (object == nullptr) return false;
  const Stream& stream = Stream::of(*object);
  if (stream.length() == 0 || stream.top_id() <= read.after) return false;
  begin_stream(c, read);
  StreamId low = read.after;
  low.step_forward();
  reply_stream_range(c.reply, stream, low, StreamId::max(), options.count);
  return true;
}

// --- XREADGROUP ---

// Replies entries that the group has not handed out yet, and hands them out.
void read_fresh(CommandContext& c, const ReadOptions& options, const FoundGroup& found,
                std::string_view consumer) {
  const Stream& stream = *found.stream;
  StreamId last = found.group->last_id;
  int64_t entries_read = found.group->entries_read;
  std::vector<StreamId> ids;
  StreamId low = last;
  low.step_forward();
  const ReplyWriter::Late entries = c.reply.late();
  uint64_t replied = 0;
  StreamIterator entry(stream, low, StreamId::max());
  while (entry.next()) {
    last = entry.id();
    if (entries_read != StreamGroup::kUnknownRead && !stream.has_deleted_from(last)) {
      ++entries_read;
    } else if (stream.entries_added() > 0) {
      entries_read = stream.entries_up_to(last);
    }
    reply_entry(c.reply, entry);
    if (!options.no_ack) ids.push_back(last);
    if (++replied == options.count) break;
  }
  c.reply.array_was(entries, replied);

  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  put_stream_id(operands, last);
  put_count_or_none(operands, entries_read);
  put_bytes(operands, consumer);
  put_varint(operands, static_cast<uint64_t>(c.now_ms));
  StreamIdWriter writer(operands);
  for (const StreamId& id : ids) writer.put(id);
  c.edit(EffectType::kStreamRead, found.key, operands);
}

// Replies what is pending with the consumer, of which an entry may be gone.
void read_history(CommandContext& c, const ReadOptions& options, const FoundGroup& found,
                  std::string_view consumer, const StreamId& after) {
  const auto& pending = found.group->consumer(consumer)->second.pending;
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  put_bytes(operands, consumer);
  put_varint(operands, static_cast<uint64_t>(c.now_ms));
  operands.push_back(0);  // it does not count as active
  put_varint(operands, static_cast<uint64_t>(c.now_ms));
  StreamIdWriter writer(operands);
  bool delivered = false;
  StreamId low = after;
  low.step_forward();
  const ReplyWriter::Late entries = c.reply.late();
  uint64_t replied = 0;
  for (auto at = pending.at_or_after(low); at; at.next()) {
    if (options.count != 0 && replied == options.count) break;
    ++replied;
    if (reply_entry_of(c.reply, *found.stream, at.id())) {
      writer.put(at.id());
      put_varint(operands, found.group->pending.find(at.id())->deliveries + 1);
      delivered = true;
    } else {
      c.reply.array(2);
      reply_stream_id(c.reply, at.id());
      c.reply.null_array();
    }
  }
  c.reply.array_was(entries, replied);
  if (delivered) c.edit(EffectType::kStreamClaim, found.key, operands);
}

bool read_for_group(CommandContext& c, const ReadOptions& options, const ReadStream& read) {
  FoundGroup found;
  found.key = read.key;
  found.name = c.args[options.group_at];
  if (!found.find(c.find_write(read.key))) return false;
  const std::string_view consumer = c.args[options.group_at + 1];
  consumer_asks(c, found, consumer);
  if (!read.fresh) {
    begin_stream(c, read);
    read_history(c, options, found, consumer, read.after);
    return true;
  }
  const Stream& stream = *found.stream;
  if (stream.length() == 0 || stream.top_id() <= found.group->last_id) return false;
  begin_stream(c, read);
  read_fresh(c, options, found, consumer);
  return true;
}

// The command runs again when something is added to one of the streams. "$" means what it means
// now.
void wait_for_entries(CommandContext& c, const ReadOptions& options,
                      const std::vector<ReadStream>& reads) {
  std::vector<std::string_view> args(c.args.begin(), c.args.end());
  std::vector<StreamIdScratch> ids(reads.size());
  for (size_t i = 0; i < reads.size(); ++i) {
    std::string_view& id = args[options.streams_at + options.streams + i];
    if (id == "$") id = format_stream_id(reads[i].after, ids[i]);
  }
  const auto on_timeout = [](ReplyWriter& reply) { reply.null_array(); };
  // Who reads for a group is told when the key, or the group, is gone.
  const AwaitedKeys awaited{ObjectType::kStream, on_timeout, options.grouped};
  c.block_on(c.args.subspan(options.streams_at, options.streams), options.timeout_ms, awaited,
             args);
}

void read_streams(CommandContext& c, bool grouped) {
  ReadOptions options;
  options.grouped = grouped;
  std::vector<ReadStream> reads;
  if (!parse_options(c, &options) || !find_streams(c, options, &reads)) return;
  const uint64_t start = c.reply.output().position();
  const ReplyWriter::Late streams = c.reply.late();
  uint64_t replied = 0;
  for (const ReadStream& read : reads) {
    const bool any = grouped ? read_for_group(c, options, read) : read_entries(c, options, read);
    if (any) ++replied;
  }
  if (replied > 0) {
    if (c.reply.resp3()) {
      c.reply.map_was(streams, replied);
    } else {
      c.reply.array_was(streams, replied);
    }
    return;
  }
  c.reply.output().rewind(start);
  if (options.timeout_ms >= 0 && c.may_block()) return wait_for_entries(c, options, reads);
  c.reply.null_array();
}

}  // namespace

void xread_command(CommandContext& c) { read_streams(c, false); }
void xreadgroup_command(CommandContext& c) { read_streams(c, true); }

}  // namespace holdfast
