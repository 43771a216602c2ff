// ENGINE: a command of our own: what the storage engine is doing, and what an operator may ask of
// it. What it says of its parts is the engine's own (Engine::describe); here nothing is known of
// any engine.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"

namespace holdfast {
namespace {

using Facts = std::vector<EngineFact>;

// False, and the error is replied, when nothing is stored here. Shards share the engine.
bool has_engine(CommandContext& c) {
  if (!c.has_shard()) c.fail("ERR this server hosts no shard");
  return c.has_shard();
}

std::string engine_name(CommandContext& c) { return std::string(c.shard().engine().info().name); }

void reply_facts(CommandContext& c, const Facts& facts) {
  c.reply.map(facts.size());
  for (const EngineFact& fact : facts) {
    c.reply.bulk(fact.name);
    if (const auto* number = std::get_if<uint64_t>(&fact.value)) {
      c.reply.integer(static_cast<int64_t>(*number));
    } else {
      c.reply.bulk(std::get<std::string>(fact.value));
    }
  }
}

void reply_part(CommandContext& c, EnginePart part, const char* what) {
  if (!has_engine(c)) return;
  const Facts facts = c.shard().engine().describe(part);
  if (facts.empty()) return c.fail("ERR the engine '" + engine_name(c) + "' has no " + what);
  reply_facts(c, facts);
}

void info(CommandContext& c) {
  if (!has_engine(c)) return;
  const Engine& engine = c.shard().engine();
  const EngineStats stats = engine.stats();
  Facts facts = {{"engine", engine_name(c)},
                 {"durability", find_option("durability")->get(c.options())},
                 {"data_dir", c.options().data_dir},
                 {"appended_groups", stats.appended_groups},
                 {"appended_bytes", stats.appended_bytes},
                 {"flushes", stats.flushes},
                 {"flush_usec_last", stats.flush_ns_last / 1000},
                 {"flush_usec_max", stats.flush_ns_max / 1000},
                 {"log_bytes", stats.log_bytes},
                 {"record_bytes", stats.record_bytes},
                 {"scrub_damaged_records", stats.damaged_records},
                 {"out_of_space", uint64_t{engine.out_of_space()}},
                 {"poisoned", uint64_t{c.shard().failed()}}};
  for (EngineFact& fact : engine.describe(EnginePart::kFiles)) facts.push_back(std::move(fact));
  reply_facts(c, facts);
}

void superblock(CommandContext& c) { reply_part(c, EnginePart::kSuperblock, "superblock"); }
void wal(CommandContext& c) { reply_part(c, EnginePart::kLog, "log of its own"); }
void segments(CommandContext& c) { reply_part(c, EnginePart::kSegments, "segments"); }

// ENGINE SCRUB [START | STOP]
void scrub(CommandContext& c) {
  if (c.argc() > 3) return c.fail();
  if (c.argc() == 2) return reply_part(c, EnginePart::kScrub, "scrub");
  if (!has_engine(c)) return;
  Engine& engine = c.shard().engine();
  if (c.is(2, "STOP")) {
    engine.stop_scrub();
    return c.reply.ok();
  }
  if (!c.is(2, "START")) return c.fail();
  const Status status = engine.start_scrub(c.options().engine_scrub_mb_per_second << 20);
  if (status.code() == Code::kNotFound) {
    return c.fail("ERR the engine '" + engine_name(c) + "' has no scrub");
  }
  if (!status.ok()) return c.fail("ERR " + status.message());
  c.reply.ok();
}

// ENGINE CHECKPOINT [NOW]
void checkpoint(CommandContext& c) {
  if (c.argc() > 3) return c.fail();
  const Shards& shards = c.server.shards();
  if (c.argc() == 2) {
    const auto sum = [&shards](auto number) { return shards.sum(number); };
    int64_t finished_ms = 0;
    for (Shard* shard : shards.all()) {
      finished_ms = std::max(finished_ms, shard->checkpoint().finished_wall_ms());
    }
    return reply_facts(
        c, {{"last_seq", sum([](Shard& s) { return s.checkpoint().finished_seq(); })},
            {"last_time", static_cast<uint64_t>(finished_ms / 1000)},
            {"finished", sum([](Shard& s) { return s.checkpoint().finished_count(); })},
            {"changes_since", sum([](Shard& s) { return s.changes_since_checkpoint(); })},
            {"running", sum([](Shard& s) { return s.checkpoint().running() ? 1 : 0; })},
            {"keys_left", sum([](Shard& s) { return s.checkpoint().keys_left(); })}});
  }
  if (!c.is(2, "NOW")) return c.fail();
  if (shards.checkpoint_runs()) return c.fail("ERR a checkpoint is running");
  for (Shard* shard : shards.all()) shard->checkpoint().start();
  c.reply.simple("Checkpoint started");
}

void help(CommandContext& c) {
  reply_help(c, {"CHECKPOINT", "    Return the last checkpoint and how far a running one is.",
                 "CHECKPOINT NOW", "    Start a checkpoint in the background, as BGSAVE does.",
                 "INFO", "    Return what the engine is, has written and has room for.", "SCRUB",
                 "    Return how far the scrub is, and what it found damaged.", "SCRUB START",
                 "    Begin to check everything on the device, beside all else.", "SCRUB STOP",
                 "    End that.", "SEGMENTS",
                 "    Return how many records the data file holds, and how many are live.",
                 "SUPERBLOCK", "    Return the newest superblock and the one before it.", "WAL",
                 "    Return the state of the log's ring."});
}

constexpr uint32_t kFlags = kAdmin | kNoScript | kLoading | kStale;
constexpr std::string_view kSince = "0.1.0";  // of Holdfast: Redis has none of this

constexpr CommandSpec kEngine[] = {
    {.name = "info",
     .arity = 2,
     .flags = kFlags,
     .handler = info,
     .group = "server",
     .since = kSince,
     .complexity = "O(1)",
     .summary = "Returns what the storage engine is, has written and has room for."},
    {.name = "superblock",
     .arity = 2,
     .flags = kFlags,
     .handler = superblock,
     .group = "server",
     .since = kSince,
     .complexity = "O(1)",
     .summary = "Returns the newest superblock and the one before it."},
    {.name = "wal",
     .arity = 2,
     .flags = kFlags,
     .handler = wal,
     .group = "server",
     .since = kSince,
     .complexity = "O(1)",
     .summary = "Returns the state of the log's ring."},
    {.name = "segments",
     .arity = 2,
     .flags = kFlags,
     .handler = segments,
     .group = "server",
     .since = kSince,
     .complexity = "O(N) where N is the number of segments",
     .summary = "Returns how many records the data file holds, and how many of them are live."},
    {.name = "scrub",
     .arity = -2,
     .flags = kFlags,
     .handler = scrub,
     .group = "server",
     .since = kSince,
     .complexity = "O(1)",
     .summary = "Checks everything on the device in the background, or tells what it found.",
     .syntax = "[START | STOP]"},
    {.name = "checkpoint",
     .arity = -2,
     .flags = kFlags,
     .handler = checkpoint,
     .group = "server",
     .since = kSince,
     .complexity = "O(1)",
     .summary = "Tells of the last checkpoint, or starts one in the background.",
     .syntax = "[NOW]"},
    {.name = "help",
     .arity = 2,
     .flags = kLoading | kStale,
     .handler = help,
     .group = "server",
     .since = kSince,
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
};

constexpr CommandSpec kCommands[] = {
    {.name = "engine",
     .arity = -2,
     .group = "server",
     .since = kSince,
     .complexity = "Depends on subcommand.",
     .summary = "A container for storage engine commands.",
     .subcommands = kEngine},
};

}  // namespace

std::span<const CommandSpec> engine_commands() { return kCommands; }

}  // namespace holdfast
