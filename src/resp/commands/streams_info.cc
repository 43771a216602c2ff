// XINFO: what streams, groups and consumers are like.
#include <algorithm>

#include "resp/commands/streams.h"
#include "resp/help.h"

namespace holdfast {
namespace {

void number(ReplyWriter& reply, std::string_view name, int64_t value) {
  reply.bulk(name);
  reply.integer(value);
}

void id_field(ReplyWriter& reply, std::string_view name, const StreamId& id) {
  reply.bulk(name);
  reply_stream_id(reply, id);
}

// Null when it is not known.
void entries_read_and_lag(ReplyWriter& reply, const Stream& stream, const StreamGroup& group) {
  reply.bulk("entries-read");
  if (group.entries_read == StreamGroup::kUnknownRead) {
    reply.null();
  } else {
    reply.integer(group.entries_read);
  }
  reply.bulk("lag");
  int64_t lag = 0;
  if (stream.lag(group, &lag)) {
    reply.integer(lag);
  } else {
    reply.null();
  }
}

const Stream* find_stream(CommandContext& c) {
  const Object* object = c.find_read(c.key(2));
  if (object == nullptr) {
    c.fail(errors::kNoSuchKey);
    return nullptr;
  }
  return c.expect_type(object, ObjectType::kStream) ? &Stream::of(*object) : nullptr;
}

// --- STREAM ---

void reply_stream_facts(ReplyWriter& reply, const Stream& stream) {
  number(reply, "length", static_cast<int64_t>(stream.length()));
  number(reply, "radix-tree-keys", static_cast<int64_t>(stream.blocks()));
  number(reply, "radix-tree-nodes", static_cast<int64_t>(stream.nodes()));
  id_field(reply, "last-generated-id", stream.last_id());
  id_field(reply, "max-deleted-entry-id", stream.max_deleted_id());
  number(reply, "entries-added", static_cast<int64_t>(stream.entries_added()));
  id_field(reply, "recorded-first-entry-id", stream.first_id());
}

void reply_edge(ReplyWriter& reply, const Stream& stream, std::string_view name, bool last) {
  reply.bulk(name);
  StreamIterator entry(stream, StreamId(), StreamId::max(), last);
  if (entry.next()) {
    reply_entry(reply, entry);
  } else {
    reply.null();
  }
}

// How many of `size` things a count of `most` (0: all) shows.
uint64_t shown(uint64_t size, uint64_t most) { return most == 0 ? size : std::min(size, most); }

void reply_pending_times(ReplyWriter& reply, const StreamPending& pending) {
  reply.integer(pending.delivered_ms);
  reply.integer(static_cast<int64_t>(pending.deliveries));
}

void reply_full_consumer(ReplyWriter& reply, const StreamGroup& group,
                         const StreamConsumers::value_type& named, uint64_t most) {
  const StreamConsumer& consumer = named.second;
  reply.map(5);
  reply.bulk("name");
  reply.bulk(named.first);
  number(reply, "seen-time", consumer.seen_ms);
  number(reply, "active-time", consumer.active_ms);
  number(reply, "pel-count", static_cast<int64_t>(consumer.pending.size()));
  reply.bulk("pending");
  uint64_t left = shown(consumer.pending.size(), most);
  reply.array(left);
  for (auto at = consumer.pending.first(); left > 0; at.next(), --left) {
    reply.array(3);
    reply_stream_id(reply, at.id());
    reply_pending_times(reply, *group.pending.find(at.id()));
  }
}

void reply_full_group(ReplyWriter& reply, const Stream& stream,
                      const StreamGroups::value_type& named, uint64_t most) {
  const StreamGroup& group = named.second;
  reply.map(7);
  reply.bulk("name");
  reply.bulk(named.first);
  id_field(reply, "last-delivered-id", group.last_id);
  entries_read_and_lag(reply, stream, group);
  number(reply, "pel-count", static_cast<int64_t>(group.pending.size()));
  reply.bulk("pending");
  uint64_t left = shown(group.pending.size(), most);
  reply.array(left);
  for (auto at = group.pending.first(); left > 0; at.next(), --left) {
    reply.array(4);
    reply_stream_id(reply, at.id());
    reply.bulk(at.value().consumer->first);
    reply_pending_times(reply, at.value());
  }
  reply.bulk("consumers");
  reply.array(group.consumers.size());
  for (const auto& consumer : group.consumers) reply_full_consumer(reply, group, consumer, most);
}

void reply_full(ReplyWriter& reply, const Stream& stream, uint64_t most) {
  reply.map(9);
  reply_stream_facts(reply, stream);
  reply.bulk("entries");
  reply_stream_range(reply, stream, StreamId(), StreamId::max(), most);
  reply.bulk("groups");
  reply.array(stream.groups().size());
  for (const auto& group : stream.groups()) reply_full_group(reply, stream, group, most);
}

}  // namespace

void xinfo_stream_command(CommandContext& c) {
  const Stream* stream = find_stream(c);
  if (stream == nullptr) return;
  if (c.argc() == 3) {
    c.reply.map(10);
    reply_stream_facts(c.reply, *stream);
    number(c.reply, "groups", static_cast<int64_t>(stream->groups().size()));
    reply_edge(c.reply, *stream, "first-entry", false);
    reply_edge(c.reply, *stream, "last-entry", true);
    return;
  }
  const bool with_count = c.argc() == 6;
  if ((c.argc() != 4 && !with_count) || !c.is(3, "full")) return fail_subcommand(c);
  constexpr int64_t kCount = 10;
  int64_t count = kCount;
  if (with_count) {
    if (!c.is(4, "count")) return fail_subcommand(c);
    if (!c.integer(5, &count)) return;
    if (count < 0) count = kCount;
  }
  reply_full(c.reply, *stream, static_cast<uint64_t>(count));
}

void xinfo_groups_command(CommandContext& c) {
  const Stream* stream = find_stream(c);
  if (stream == nullptr) return;
  c.reply.array(stream->groups().size());
  for (const auto& [name, group] : stream->groups()) {
    c.reply.map(6);
    c.reply.bulk("name");
    c.reply.bulk(name);
    number(c.reply, "consumers", static_cast<int64_t>(group.consumers.size()));
    number(c.reply, "pending", static_cast<int64_t>(group.pending.size()));
    id_field(c.reply, "last-delivered-id", group.last_id);
    entries_read_and_lag(c.reply, *stream, group);
  }
}

void xinfo_consumers_command(CommandContext& c) {
  const Stream* stream = find_stream(c);
  if (stream == nullptr) return;
  const StreamGroup* group = stream->group(c.args[3]);
  if (group == nullptr) {
    return c.fail("NOGROUP No such consumer group '" + std::string(c.args[3]) + "' for key name '" +
                  std::string(c.args[2]) + "'");
  }
  c.reply.array(group->consumers.size());
  for (const auto& [name, consumer] : group->consumers) {
    const bool was_active = consumer.active_ms != StreamConsumer::kNever;
    c.reply.map(4);
    c.reply.bulk("name");
    c.reply.bulk(name);
    number(c.reply, "pending", static_cast<int64_t>(consumer.pending.size()));
    number(c.reply, "idle", std::max<int64_t>(c.now_ms - consumer.seen_ms, 0));
    number(c.reply, "inactive",
           was_active ? c.now_ms - consumer.active_ms : StreamConsumer::kNever);
  }
}

void xinfo_help_command(CommandContext& c) {
  reply_help(c,
             {"CONSUMERS <key> <groupname>", "    Show the consumers of a group.", "GROUPS <key>",
              "    Show the groups of a stream.", "STREAM <key> [FULL [COUNT <count>]",
              "    Show what is known of a stream; with FULL, its entries and groups too."});
}

}  // namespace holdfast
