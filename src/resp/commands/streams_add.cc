// XADD and XTRIM.
//
// What a command decides, the id of a new entry, up to where is trimmed, is in its effect; so
// applying it needs neither a clock nor the rule.
#include <algorithm>

#include "resp/commands/streams.h"

namespace holdfast {
namespace {

struct AddOptions {
  bool make_key = true;
  StreamTrim trim;
  bool id_given = false;
  bool seq_given = false;
  StreamId id;
  size_t id_at = 0;
};

// "MAXLEN [=|~] n", "MINID [=|~] id", of which *i is the first word; it becomes the last.
bool parse_strategy(CommandContext& c, size_t* i, StreamTrim* trim) {
  if (trim->strategy != StreamTrim::kNone) {
    c.fail("ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
    return false;
  }
  const bool by_length = c.is(*i, "maxlen");
  size_t at = *i + 1;
  const bool more = at + 1 < c.argc();
  trim->whole_blocks = more && c.args[at] == "~";
  if (more && (c.args[at] == "~" || c.args[at] == "=")) ++at;
  *i = at;
  if (!by_length) {
    trim->strategy = StreamTrim::kMinId;
    return stream_id_argument(c, at, &trim->min_id);
  }
  int64_t length;
  if (!c.integer(at, &length)) return false;
  if (length < 0) {
    c.fail("ERR The MAXLEN argument must be >= 0.");
    return false;
  }
  trim->strategy = StreamTrim::kMaxLength;
  trim->max_length = static_cast<uint64_t>(length);
  return true;
}

bool parse_limit(CommandContext& c, size_t i, StreamTrim* trim) {
  int64_t limit;
  if (!c.integer(i, &limit)) return false;
  if (limit < 0) {
    c.fail("ERR The LIMIT argument must be >= 0.");
    return false;
  }
  trim->limit = static_cast<uint64_t>(limit);
  return true;
}

bool check_trim(CommandContext& c, bool limit_given, StreamTrim* trim) {
  if (trim->limit != 0 && trim->strategy == StreamTrim::kNone) {
    c.fail("ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
    return false;
  }
  if (limit_given && !trim->whole_blocks) {
    c.fail("ERR syntax error, LIMIT cannot be used without the special ~ option");
    return false;
  }
  if (!limit_given && trim->whole_blocks) {
    // A hundred blocks.
    constexpr uint64_t kLeast = 10000, kMost = 1000000;
    const uint64_t most_entries = c.keyspace().limits().stream_node_max_entries;
    trim->limit = most_entries == 0 ? kLeast : std::min(kMost, 100 * std::min(kMost, most_entries));
  }
  return true;
}

// The options of XADD up to the id, or of XTRIM up to the end. `id_at` is behind the arguments when
// there is no id.
bool parse_options(CommandContext& c, bool adds, AddOptions* options) {
  bool limit_given = false;
  size_t i = 2;
  for (; i < c.argc(); ++i) {
    const bool more = i + 1 < c.argc();
    if (adds && c.args[i] == "*") break;
    if ((c.is(i, "maxlen") || c.is(i, "minid")) && more) {
      if (!parse_strategy(c, &i, &options->trim)) return false;
    } else if (c.is(i, "limit") && more) {
      if (!parse_limit(c, ++i, &options->trim)) return false;
      limit_given = true;
    } else if (adds && c.is(i, "nomkstream")) {
      options->make_key = false;
    } else if (adds) {
      if (!parse_new_stream_id(c.args[i], &options->id, &options->seq_given)) {
        c.fail("ERR Invalid stream ID specified as stream command argument");
        return false;
      }
      options->id_given = true;
      break;
    } else {
      c.fail();
      return false;
    }
  }
  options->id_at = i;
  const bool trims = options->trim.strategy != StreamTrim::kNone;
  if (!adds && !trims && options->trim.limit == 0) {
    c.fail("ERR syntax error, XTRIM must be called with a trimming strategy");
    return false;
  }
  return check_trim(c, limit_given, &options->trim);
}

// Gives how many entries are gone.
uint64_t trim_stream(CommandContext& c, const KeyRef& key, const Stream& stream,
                     const StreamTrim& trim) {
  StreamId up_to;
  uint64_t removed = 0;
  if (trim.strategy == StreamTrim::kNone || !stream.trim_point(trim, &up_to, &removed)) return 0;
  std::string& operands = c.operands();
  put_stream_id(operands, up_to);
  c.edit(EffectType::kStreamTrim, key, operands);
  c.notify(NotifyClass::kStream, "xtrim", key);
  return removed;
}

// The id of the new entry; replies why there is none.
bool choose_id(CommandContext& c, const AddOptions& options, const StreamId& last, StreamId* id) {
  if (last == StreamId::max()) {
    c.fail("ERR The stream has exhausted the last possible ID, unable to add more items");
    return false;
  }
  *id = options.id;
  if (!options.id_given) {
    *id = {static_cast<uint64_t>(c.now_ms), 0};
    if (id->ms <= last.ms) {
      *id = last;
      id->step_forward();
    }
  } else if (!options.seq_given && id->ms == last.ms) {
    id->seq = last.seq == UINT64_MAX ? last.seq : last.seq + 1;  // or not above it
  }
  if (*id > last) return true;
  c.fail("ERR The ID specified in XADD is equal or smaller than the target stream top item");
  return false;
}

}  // namespace

void xadd_command(CommandContext& c) {
  AddOptions options;
  if (!parse_options(c, true, &options)) return;
  const size_t first = options.id_at + 1;
  if (c.argc() < first + 2 || (c.argc() - first) % 2 != 0) {
    return c.fail("ERR wrong number of arguments for 'xadd' command");
  }
  if (options.id_given && options.seq_given && options.id.zero()) {
    return c.fail("ERR The ID specified in XADD must be greater than 0-0");
  }
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kStream)) return;
  if (object == nullptr && !options.make_key) return c.reply.null();
  const StreamId last = object == nullptr ? StreamId() : Stream::of(*object).last_id();
  StreamId id;
  if (!choose_id(c, options, last, &id)) return;

  std::string& operands = c.operands();
  put_stream_id(operands, id);
  StreamPairs pairs;
  pairs.count = (c.argc() - first) / 2;
  put_varint(operands, pairs.count);
  const size_t text = operands.size();
  for (size_t i = first; i < c.argc(); ++i) put_bytes(operands, c.args[i]);
  pairs.bytes = std::string_view(operands).substr(text);
  if (!pairs.storable()) return c.fail("ERR Elements are too large to be stored");
  c.edit(EffectType::kStreamAdd, key, operands);
  reply_stream_id(c.reply, id);
  c.notify(NotifyClass::kStream, "xadd", key);
  if (options.trim.strategy != StreamTrim::kNone) {
    trim_stream(c, key, Stream::of(*c.find_write(key)), options.trim);
  }
}

void xtrim_command(CommandContext& c) {
  AddOptions options;
  if (!parse_options(c, false, &options)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kStream)) return;
  if (object == nullptr) return c.reply.integer(0);
  c.reply.integer(static_cast<int64_t>(trim_stream(c, key, Stream::of(*object), options.trim)));
}

}  // namespace holdfast
