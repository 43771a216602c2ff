// XLEN, XRANGE, XREVRANGE, XDEL, XSETID; and the rows of all commands on streams.
#include "resp/commands/streams.h"

#include <algorithm>
#include <vector>

#include "resp/commands/families.h"

namespace holdfast {
namespace {

void xlen_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kStream)) return;
  c.reply.integer(object == nullptr ? 0 : static_cast<int64_t>(Stream::of(*object).length()));
}

void reply_range(CommandContext& c, bool backward) {
  StreamId low, high;
  if (!range_low_argument(c, backward ? 3 : 2, &low)) return;
  if (!range_high_argument(c, backward ? 2 : 3, &high)) return;
  int64_t count = -1;
  for (size_t i = 4; i < c.argc(); i += 2) {
    if (!c.is(i, "count") || i + 1 == c.argc()) return c.fail();
    if (!c.integer(i + 1, &count)) return;
    count = std::max<int64_t>(count, 0);
  }
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kStream)) return;
  if (object == nullptr) return c.reply.array(0);
  if (count == 0) return c.reply.null_array();
  const uint64_t most = count < 0 ? 0 : static_cast<uint64_t>(count);
  reply_stream_range(c.reply, Stream::of(*object), low, high, most, backward);
}

void xrange_command(CommandContext& c) { reply_range(c, false); }
void xrevrange_command(CommandContext& c) { reply_range(c, true); }

void xdel_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kStream)) return;
  if (object == nullptr) return c.reply.integer(0);
  std::vector<StreamId> ids(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    if (!stream_id_argument(c, i, &ids[i - 2])) return;
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  const Stream& stream = Stream::of(*object);
  std::string& operands = c.operands();
  StreamIdWriter writer(operands);
  int64_t removed = 0;
  for (const StreamId& id : ids) {
    if (!stream.contains(id)) continue;
    writer.put(id);
    ++removed;
  }
  if (removed > 0) {
    c.edit(EffectType::kStreamRemove, key, operands);
    c.notify(NotifyClass::kStream, "xdel", key);
  }
  c.reply.integer(removed);
}

struct SetIdOptions {
  StreamId last;
  int64_t entries_added = -1;
  StreamId max_deleted;  // 0-0: not given
};

bool parse_options(CommandContext& c, SetIdOptions* options) {
  if (!stream_id_argument(c, 2, &options->last)) return false;
  for (size_t i = 3; i < c.argc(); i += 2) {
    const bool more = i + 1 < c.argc();
    if (c.is(i, "entriesadded") && more) {
      if (!c.integer(i + 1, &options->entries_added)) return false;
      if (options->entries_added < 0) {
        c.fail("ERR entries_added must be positive");
        return false;
      }
    } else if (c.is(i, "maxdeletedid") && more) {
      if (!stream_id_argument(c, i + 1, &options->max_deleted)) return false;
      if (options->last < options->max_deleted) {
        c.fail("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
        return false;
      }
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

void xsetid_command(CommandContext& c) {
  SetIdOptions options;
  if (!parse_options(c, &options)) return;
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (object == nullptr) return c.fail(errors::kNoSuchKey);
  if (!c.expect_type(object, ObjectType::kStream)) return;
  const Stream& stream = Stream::of(*object);
  if (options.last < stream.max_deleted_id()) {
    return c.fail("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  }
  const bool added_given = options.entries_added != -1;
  if (stream.length() > 0) {
    if (options.last < stream.top_id()) {
      return c.fail("ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if (added_given && static_cast<uint64_t>(options.entries_added) < stream.length()) {
      return c.fail(
          "ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
  }
  std::string& operands = c.operands();
  put_stream_id(operands, options.last);
  put_varint(operands,
             added_given ? static_cast<uint64_t>(options.entries_added) : stream.entries_added());
  put_stream_id(operands,
                options.max_deleted.zero() ? stream.max_deleted_id() : options.max_deleted);
  c.edit(EffectType::kStreamSetIds, key, operands);
  c.reply.ok();
  c.notify(NotifyClass::kStream, "xsetid", key);
}

constexpr CommandSpec kGroup[] = {
    {"create",
     -5,
     kWrite | kDenyOom,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     xgroup_create_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Creates a consumer group.",
     "key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read:integer]"},
    {"createconsumer",
     5,
     kWrite | kDenyOom,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyInsert, 2, 2)},
     xgroup_createconsumer_command,
     "stream",
     "6.2.0",
     "O(1)",
     "Creates a consumer in a consumer group.",
     "key group consumer"},
    {"delconsumer",
     5,
     kWrite,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyDelete, 2, 2)},
     xgroup_delconsumer_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Deletes a consumer from a consumer group.",
     "key group consumer"},
    {"destroy",
     4,
     kWrite,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyDelete, 2, 2)},
     xgroup_destroy_command,
     "stream",
     "5.0.0",
     "O(N) where N is the number of entries in the group's pending entries list (PEL).",
     "Destroys a consumer group.",
     "key group"},
    {"help",
     2,
     kLoading | kStale,
     kCatStream,
     {},
     xgroup_help_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Returns helpful text about the different subcommands."},
    {"setid",
     -5,
     kWrite,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyUpdate, 2, 2)},
     xgroup_setid_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Sets the last-delivered ID of a consumer group.",
     "key group <id | $> [ENTRIESREAD entries-read:integer]"},
};

constexpr CommandSpec kInfo[] = {
    {"consumers",
     4,
     kReadonly,
     kCatStream,
     {KeySpec::range(kKeyRO | kKeyAccess, 2, 2)},
     xinfo_consumers_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Returns a list of the consumers in a consumer group.",
     "key group"},
    {"groups",
     3,
     kReadonly,
     kCatStream,
     {KeySpec::range(kKeyRO | kKeyAccess, 2, 2)},
     xinfo_groups_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Returns a list of the consumer groups of a stream.",
     "key"},
    {"help",
     2,
     kLoading | kStale,
     kCatStream,
     {},
     xinfo_help_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Returns helpful text about the different subcommands."},
    {"stream",
     -3,
     kReadonly,
     kCatStream,
     {KeySpec::range(kKeyRO | kKeyAccess, 2, 2)},
     xinfo_stream_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Returns information about a stream.",
     "key [FULL [COUNT count]]"},
};

constexpr CommandSpec kCommands[] = {
    {"xack",
     -4,
     kWrite | kFast,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     xack_command,
     "stream",
     "5.0.0",
     "O(1) for each message ID processed.",
     "Returns the number of messages that were successfully acknowledged by the consumer group "
     "member of a stream.",
     "key group id [id ...]"},
    {"xadd",
     -5,
     kWrite | kDenyOom | kFast,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     xadd_command,
     "stream",
     "5.0.0",
     "O(1) when adding a new entry, O(N) when trimming where N being the number of entries "
     "evicted.",
     "Appends a new message to a stream. Creates the key if it doesn't exist.",
     "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value "
     "[field value ...]"},
    {"xautoclaim",
     -6,
     kWrite | kFast,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     xautoclaim_command,
     "stream",
     "6.2.0",
     "O(1) if COUNT is small.",
     "Changes, or acquires, ownership of messages in a consumer group, as if the messages were "
     "delivered to as consumer group member.",
     "key group consumer min-idle-time start:string [COUNT count] [JUSTID]"},
    {"xclaim",
     -6,
     kWrite | kFast,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     xclaim_command,
     "stream",
     "5.0.0",
     "O(log N) with N being the number of messages in the PEL of the consumer group.",
     "Changes, or acquires, ownership of a message in a consumer group, as if the message was "
     "delivered a consumer group member.",
     "key group consumer min-idle-time id [id ...] [IDLE ms:integer] [TIME unix-time-milliseconds] "
     "[RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]"},
    {"xdel",
     -3,
     kWrite | kFast,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     xdel_command,
     "stream",
     "5.0.0",
     "O(1) for each single item to delete in the stream, regardless of the stream size.",
     "Returns the number of messages after removing them from a stream.",
     "key id [id ...]"},
    {"xgroup",
     -2,
     0,
     0,
     {},
     nullptr,
     "stream",
     "5.0.0",
     "Depends on subcommand.",
     "A container for consumer groups commands.",
     {},
     kGroup},
    {"xinfo",
     -2,
     0,
     0,
     {},
     nullptr,
     "stream",
     "5.0.0",
     "Depends on subcommand.",
     "A container for stream introspection commands.",
     {},
     kInfo},
    {"xlen",
     2,
     kReadonly | kFast,
     kCatStream,
     {KeySpec::range(kKeyRO, 1, 1)},
     xlen_command,
     "stream",
     "5.0.0",
     "O(1)",
     "Return the number of messages in a stream.",
     "key"},
    {"xpending",
     -3,
     kReadonly,
     kCatStream,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     xpending_command,
     "stream",
     "5.0.0",
     "O(N) with N being the number of elements returned, so asking for a small fixed number of "
     "entries per call is O(1). O(M), where M is the total number of entries scanned when used "
     "with the IDLE filter. When the command returns just the summary and the list of consumers is "
     "small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every "
     "consumer.",
     "Returns the information and entries from a stream consumer group's pending entries list.",
     "key group [[IDLE min-idle-time:integer] start:string end:string count [consumer]]"},
    {"xrange",
     -4,
     kReadonly,
     kCatStream,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     xrange_command,
     "stream",
     "5.0.0",
     "O(N) with N being the number of elements being returned. If N is constant (e.g. always "
     "asking for the first 10 elements with COUNT), you can consider it O(1).",
     "Returns the messages from a stream within a range of IDs.",
     "key start:string end:string [COUNT count]"},
    {"xread",
     -4,
     kReadonly | kBlocking | kMovableKeys,
     kCatStream,
     {KeySpec::half_behind(kKeyRO | kKeyAccess, "STREAMS", 1)},
     xread_command,
     "stream",
     "5.0.0",
     "For each stream mentioned: O(N) with N being the number of elements being returned, it means "
     "that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD "
     "will pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
     "Returns messages from multiple streams with IDs greater than the ones requested. Blocks "
     "until a message is available otherwise.",
     "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]"},
    {"xreadgroup",
     -7,
     kWrite | kBlocking | kMovableKeys,
     kCatStream,
     {KeySpec::half_behind(kKeyRO | kKeyAccess, "STREAMS", 4)},
     xreadgroup_command,
     "stream",
     "5.0.0",
     "For each stream mentioned: O(M) with M being the number of elements returned. If M is "
     "constant (e.g. always asking for the first 10 elements with COUNT), you can consider it "
     "O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to "
     "serve the N clients blocked on the stream getting new data.",
     "Returns new or historical messages from a stream for a consumer in a group. Blocks until a "
     "message is available otherwise.",
     "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id "
     "...]"},
    {"xrevrange",
     -4,
     kReadonly,
     kCatStream,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     xrevrange_command,
     "stream",
     "5.0.0",
     "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for "
     "the first 10 elements with COUNT), you can consider it O(1).",
     "Returns the messages from a stream within a range of IDs in reverse order.",
     "key end:string start:string [COUNT count]"},
    {"xsetid",
     -3,
     kWrite | kDenyOom | kFast,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyUpdate, 1, 1)},
     xsetid_command,
     "stream",
     "5.0.0",
     "O(1)",
     "An internal command for replicating stream values.",
     "key last-id [ENTRIESADDED entries-added:integer] [MAXDELETEDID max-deleted-id]"},
    {"xtrim",
     -4,
     kWrite,
     kCatStream,
     {KeySpec::range(kKeyRW | kKeyDelete, 1, 1)},
     xtrim_command,
     "stream",
     "5.0.0",
     "O(N), with N being the number of evicted entries. Constant times are very small however, "
     "since entries are organized in macro nodes containing multiple entries that can be released "
     "with a single deallocation.",
     "Deletes messages from the beginning of a stream.",
     "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]"},
};

}  // namespace

std::span<const CommandSpec> stream_commands() { return kCommands; }

}  // namespace holdfast
