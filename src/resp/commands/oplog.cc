// OPLOG: a command of our own: what is in a shard's log, in words. Entries that are committed and
// still kept: those behind the checkpoint before the last in a group, behind the last one alone.
#include <algorithm>
#include <string>
#include <vector>

#include "resp/commands/families.h"
#include "resp/commands/operator_rows.h"
#include "resp/commands/which_shard.h"
#include "resp/context.h"
#include "resp/facts.h"
#include "resp/help.h"
#include "resp/server.h"
#include "store/entry_text.h"

namespace holdfast {
namespace {

constexpr int64_t kMostEntries = 1000;  // of one reply: they are read in one go

void reply_entry(ReplyWriter& reply, const EntryText& entry) {
  const Facts facts{reply};
  reply.map(9);
  facts.number("seq", entry.header.seq);
  facts.number("epoch", entry.header.epoch);
  facts.text("kind", entry_kind_name(entry.header.kind));
  facts.number("time_ms", static_cast<uint64_t>(entry.header.log_clock_ms));
  facts.number("checksum", entry.header.crc);
  facts.number("previous_checksum", entry.header.previous_crc);
  facts.number("bytes", entry.header.length);
  facts.number("effect_count", entry.header.effects);
  reply.bulk("effects");
  reply.array(entry.effects.size());
  for (const std::string& effect : entry.effects) reply.bulk(effect);
}

// False, and the reason is replied.
bool read_entries(CommandContext& c, Seq from, Seq to, std::vector<EntryText>* entries) {
  Status damaged;
  const Status read = c.shard().read_committed(from, to, [&](Seq, std::string_view bytes) {
    Result<EntryText> entry = describe_entry(bytes, c.keyspace());
    damaged = entry.status();
    if (damaged.ok()) entries->push_back(std::move(entry.value()));
    return damaged.ok();
  });
  if (read.ok() && damaged.ok()) return true;
  std::string kept = "nothing";
  if (const Seq first = c.shard().first_logged(); first != 0) {
    kept = std::to_string(first) + " to " + std::to_string(c.shard().commit_seq());
  }
  c.fail("ERR " + (read.ok() ? damaged : read).message() + "; it has " + kept);
  return false;
}

// Whether the command ends with SHARD id behind at most `most` arguments, or with none of that; the
// shard is bound then, and `count` is of the arguments before it.
bool arguments(CommandContext& c, size_t most, size_t* count) {
  const bool names_shard = c.argc() >= 4 && c.is(c.argc() - 2, "SHARD");
  *count = c.argc() - (names_shard ? 2 : 0);
  if (*count > most) {
    c.fail();
    return false;
  }
  if (!bind_shard(c, names_shard ? c.argc() - 1 : 0)) return false;
  if (!c.has_shard()) c.fail("ERR this server hosts no shard");
  return c.has_shard();
}

void reply_entries(CommandContext& c, Seq from, Seq to) {
  std::vector<EntryText> entries;
  if (!read_entries(c, from, to, &entries)) return;
  c.reply.array(entries.size());
  for (const EntryText& entry : entries) reply_entry(c.reply, entry);
}

// OPLOG TAIL [count] [SHARD id]
void tail(CommandContext& c) {
  size_t count = 0;
  int64_t most = 10;
  if (!arguments(c, 3, &count)) return;
  if (count == 3 && !c.integer_between(2, 1, kMostEntries, &most)) return;
  const Seq first = c.shard().first_logged();
  const Seq last = c.shard().commit_seq();
  if (first == 0) return c.reply.array(0);
  const auto wanted = static_cast<Seq>(most);
  reply_entries(c, last - first < wanted ? first : last - wanted + 1, last);
}

// OPLOG RANGE from to [SHARD id]
void range(CommandContext& c) {
  size_t count = 0;
  int64_t from = 0, to = 0;
  if (!arguments(c, 4, &count)) return;
  if (count != 4) return c.fail();
  if (!c.integer_between(2, 1, INT64_MAX, &from) || !c.integer_between(3, 1, INT64_MAX, &to))
    return;
  if (to - from >= kMostEntries) {
    return c.fail("ERR at most " + std::to_string(kMostEntries) + " entries at a time");
  }
  reply_entries(c, static_cast<Seq>(from), static_cast<Seq>(to));
}

// OPLOG ENTRY seq [SHARD id]
void entry(CommandContext& c) {
  size_t count = 0;
  int64_t seq = 0;
  if (!arguments(c, 3, &count)) return;
  if (count != 3) return c.fail();
  if (!c.integer_between(2, 1, INT64_MAX, &seq)) return;
  std::vector<EntryText> entries;
  const auto at = static_cast<Seq>(seq);
  if (read_entries(c, at, at, &entries)) reply_entry(c.reply, entries.at(0));
}

void help(CommandContext& c) {
  reply_help(c, {"ENTRY <seq> [SHARD <id>]", "    Return one entry of the shard's log, in words.",
                 "RANGE <from> <to> [SHARD <id>]", "    Return the entries from..to.",
                 "TAIL [<count>] [SHARD <id>]", "    Return the last committed entries."});
}

constexpr CommandSpec kOplog[] = {
    operator_row("tail", -2, kOperatorLook, tail,
                 "Returns the last committed entries of a shard's log.", "[count] [SHARD id]"),
    operator_row("range", -4, kOperatorLook, range, "Returns entries of a shard's log.",
                 "from to [SHARD id]"),
    operator_row("entry", -3, kOperatorLook, entry, "Returns an entry of a shard's log.",
                 "seq [SHARD id]"),
    operator_help(help),
};

constexpr CommandSpec kCommands[] = {
    operator_container("oplog", "A container for commands about a shard's log.", kOplog),
};

}  // namespace

std::span<const CommandSpec> oplog_commands() { return kCommands; }

}  // namespace holdfast
