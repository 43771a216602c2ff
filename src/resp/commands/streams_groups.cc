// XGROUP, XACK, XPENDING: consumer groups and what is pending in them.
#include <algorithm>
#include <vector>

#include "resp/commands/streams.h"
#include "resp/help.h"

namespace holdfast {
namespace {

// --- XGROUP ---

struct GroupOptions {
  bool make_key = false;
  int64_t entries_read = StreamGroup::kUnknownRead;
};

bool parse_options(CommandContext& c, bool creates, GroupOptions* options) {
  for (size_t i = 5; i < c.argc(); ++i) {
    if (creates && c.is(i, "mkstream")) {
      options->make_key = true;
    } else if (c.is(i, "entriesread") && i + 1 < c.argc()) {
      if (!c.integer(++i, &options->entries_read)) return false;
      if (options->entries_read < 0 && options->entries_read != StreamGroup::kUnknownRead) {
        c.fail("ERR value for ENTRIESREAD must be positive or -1");
        return false;
      }
    } else {
      fail_subcommand(c);
      return false;
    }
  }
  return true;
}

// Finds the stream of XGROUP; null, and an error, when it can't be. It may be absent if `may_be`.
bool find_stream(CommandContext& c, bool may_be_absent, FoundGroup* found) {
  found->key = c.key(2);
  found->name = c.args[3];
  const Object* object = c.find_write(found->key);
  if (!c.expect_type(object, ObjectType::kStream)) return false;
  found->find(object);
  if (object != nullptr || may_be_absent) return true;
  c.fail(
      "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
      "use the MKSTREAM option to create an empty stream automatically.");
  return false;
}

bool find_group_of_stream(CommandContext& c, FoundGroup* found) {
  if (!find_stream(c, false, found)) return false;
  if (found->group != nullptr) return true;
  c.fail("NOGROUP No such consumer group '" + std::string(c.args[3]) + "' for key name '" +
         std::string(c.args[2]) + "'");
  return false;
}

void set_group(CommandContext& c, EffectType effect, const FoundGroup& found, const StreamId& last,
               int64_t entries_read) {
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  put_stream_id(operands, last);
  put_count_or_none(operands, entries_read);
  c.edit(effect, found.key, operands);
}

}  // namespace

void xgroup_create_command(CommandContext& c) {
  GroupOptions options;
  FoundGroup found;
  if (!parse_options(c, true, &options)) return;
  if (!find_stream(c, options.make_key, &found)) return;
  constexpr size_t kMostArguments = 8;
  if (c.argc() > kMostArguments) return fail_subcommand(c);
  StreamId last;
  if (c.args[4] == "$") {
    if (found.stream != nullptr) last = found.stream->last_id();
  } else if (!stream_id_argument(c, 4, &last)) {
    return;
  }
  if (found.group != nullptr) return c.fail("BUSYGROUP Consumer Group name already exists");
  set_group(c, EffectType::kStreamGroupCreate, found, last, options.entries_read);
  c.reply.ok();
  c.notify(NotifyClass::kStream, "xgroup-create", found.key);
}

void xgroup_setid_command(CommandContext& c) {
  GroupOptions options;
  FoundGroup found;
  if (!parse_options(c, false, &options)) return;
  if (!find_group_of_stream(c, &found)) return;
  if (c.argc() != 5 && c.argc() != 7) return fail_subcommand(c);
  StreamId last;
  if (c.args[4] == "$") {
    last = found.stream->last_id();
  } else if (!any_stream_id_argument(c, 4, 0, &last)) {
    return;
  }
  set_group(c, EffectType::kStreamGroupSet, found, last, options.entries_read);
  c.reply.ok();
  c.notify(NotifyClass::kStream, "xgroup-setid", found.key);
}

void xgroup_destroy_command(CommandContext& c) {
  FoundGroup found;
  if (!find_stream(c, false, &found)) return;
  if (found.group == nullptr) return c.reply.integer(0);
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  c.edit(EffectType::kStreamGroupDrop, found.key, operands);
  c.reply.integer(1);
  c.notify(NotifyClass::kStream, "xgroup-destroy", found.key);
}

void xgroup_createconsumer_command(CommandContext& c) {
  FoundGroup found;
  if (!find_group_of_stream(c, &found)) return;
  const bool there = found.group->consumer(c.args[4]) != nullptr;
  if (!there) consumer_asks(c, found, c.args[4]);
  c.reply.integer(there ? 0 : 1);
}

void xgroup_delconsumer_command(CommandContext& c) {
  FoundGroup found;
  if (!find_group_of_stream(c, &found)) return;
  const auto* consumer = found.group->consumer(c.args[4]);
  if (consumer == nullptr) return c.reply.integer(0);
  c.reply.integer(static_cast<int64_t>(consumer->second.pending.size()));
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  put_bytes(operands, c.args[4]);
  c.edit(EffectType::kStreamConsumerDrop, found.key, operands);
  c.notify(NotifyClass::kStream, "xgroup-delconsumer", found.key);
}

void xgroup_help_command(CommandContext& c) {
  reply_help(c,
             {"CREATE <key> <groupname> <id|$> [option]",
              "    Make a group that reads on behind the id. Options are:", "    * MKSTREAM",
              "      Make the stream if there is none.", "    * ENTRIESREAD entries_read",
              "      How many entries up to the id were ever added, if it is known.",
              "CREATECONSUMER <key> <groupname> <consumer>", "    Make a consumer in the group.",
              "DELCONSUMER <key> <groupname> <consumer>",
              "    Remove the consumer, and what is pending with it.", "DESTROY <key> <groupname>",
              "    Remove the group.", "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
              "    Let the group read on behind another id."});
}

// --- XACK ---

void xack_command(CommandContext& c) {
  FoundGroup found;
  found.key = c.key(1);
  found.name = c.args[2];
  const Object* object = c.find_read(found.key);
  if (!c.expect_type(object, ObjectType::kStream)) return;
  if (!found.find(object)) return c.reply.integer(0);
  std::vector<StreamId> ids(c.argc() - 3);
  for (size_t i = 3; i < c.argc(); ++i) {
    if (!stream_id_argument(c, i, &ids[i - 3])) return;
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::string& operands = c.operands();
  put_bytes(operands, found.name);
  StreamIdWriter writer(operands);
  int64_t acknowledged = 0;
  for (const StreamId& id : ids) {
    if (found.group->pending.find(id) == nullptr) continue;
    writer.put(id);
    ++acknowledged;
  }
  if (acknowledged > 0) c.edit(EffectType::kStreamAck, found.key, operands);
  c.reply.integer(acknowledged);
}

// --- XPENDING ---

namespace {

void reply_summary(CommandContext& c, const StreamGroup& group) {
  c.reply.array(4);
  c.reply.integer(static_cast<int64_t>(group.pending.size()));
  if (group.pending.empty()) {
    c.reply.null();
    c.reply.null();
    c.reply.null_array();
    return;
  }
  reply_stream_id(c.reply, group.pending.first().id());
  reply_stream_id(c.reply, group.pending.last().id());
  const ReplyWriter::Late consumers = c.reply.late();
  uint64_t count = 0;
  for (const auto& [name, consumer] : group.consumers) {
    if (consumer.pending.empty()) continue;
    c.reply.array(2);
    c.reply.bulk(name);
    c.reply.bulk_integer(static_cast<int64_t>(consumer.pending.size()));
    ++count;
  }
  c.reply.array_was(consumers, count);
}

struct PendingOptions {
  int64_t min_idle_ms = 0;
  StreamId low;
  StreamId high;
  int64_t count = 0;
  size_t consumer_at = 0;  // 0: of all
};

bool parse_options(CommandContext& c, PendingOptions* options) {
  size_t at = 3;
  if (c.is(at, "idle")) {
    if (!c.integer(4, &options->min_idle_ms)) return false;
    if (c.argc() < 8) {
      c.fail();
      return false;
    }
    at += 2;
  }
  if (!c.integer(at + 2, &options->count)) return false;
  if (!range_low_argument(c, at, &options->low)) return false;
  if (!range_high_argument(c, at + 1, &options->high)) return false;
  if (at + 3 < c.argc()) options->consumer_at = at + 3;
  return true;
}

bool reply_pending(CommandContext& c, const PendingOptions& options, const StreamId& id,
                   const StreamPending& pending) {
  const int64_t idle_ms = c.now_ms - pending.delivered_ms;
  if (options.min_idle_ms != 0 && idle_ms < options.min_idle_ms) return false;
  c.reply.array(4);
  reply_stream_id(c.reply, id);
  c.reply.bulk(pending.consumer->first);
  c.reply.integer(std::max<int64_t>(idle_ms, 0));
  c.reply.integer(static_cast<int64_t>(pending.deliveries));
  return true;
}

// Goes over the ids of `tree`, a group's or a consumer's.
template <typename Tree>
void reply_pending_of(CommandContext& c, const PendingOptions& options, const StreamGroup& group,
                      const Tree& tree) {
  const ReplyWriter::Late entries = c.reply.late();
  int64_t count = 0;
  for (auto at = tree.at_or_after(options.low); at && at.id() <= options.high; at.next()) {
    if (count >= options.count) break;
    if (reply_pending(c, options, at.id(), *group.pending.find(at.id()))) ++count;
  }
  c.reply.array_was(entries, static_cast<uint64_t>(count));
}

}  // namespace

void xpending_command(CommandContext& c) {
  const bool summary = c.argc() == 3;
  if (!summary && (c.argc() < 6 || c.argc() > 9)) return c.fail();
  PendingOptions options;
  if (!summary && !parse_options(c, &options)) return;
  FoundGroup found;
  if (!find_group(c, 1, 2, &found)) return;
  if (summary) return reply_summary(c, *found.group);
  if (options.consumer_at == 0) {
    return reply_pending_of(c, options, *found.group, found.group->pending);
  }
  const auto* consumer = found.group->consumer(c.args[options.consumer_at]);
  if (consumer == nullptr) return c.reply.array(0);
  reply_pending_of(c, options, *found.group, consumer->second.pending);
}

}  // namespace holdfast
