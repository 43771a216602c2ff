// Administration: MONITOR, WAIT, WAITAOF, SHUTDOWN, checkpoints under the names of Redis's saves,
// ROLE, REPLICAOF, FAILOVER, TIME.
//
// SAVE, BGSAVE and BGREWRITEAOF all mean a checkpoint: the log alone already makes every answered
// write durable, a checkpoint makes the log shorter. LASTSAVE is when the last one ended.
#include <algorithm>
#include <string>

#include "replica/shard.h"
#include "resp/commands/checkpoint_wait.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

void monitor(CommandContext& c) {
  if (!c.may_block()) return c.fail("ERR MONITOR isn't allowed for DENY BLOCKING client");
  c.server.set_monitor(c.session, true);
  c.reply.ok();
}

// --- waiting for copies of writes ---

void wait(CommandContext& c) {
  int64_t replicas, timeout_ms;
  if (!c.integer(1, &replicas) || !timeout_argument(c, 2, &timeout_ms)) return;
  if (replicas <= 0 || !c.may_block()) return c.reply.integer(0);
  // There are no replicas that could come in time.
  Session& session = c.session;
  session.block(BlockReason::kWait, timeout_ms, [&session, answer = session.wants_reply()] {
    if (answer) session.reply.integer(0);
  });
}

bool is_durable(CommandContext& c) {
  return c.has_shard() && c.shard().engine().info().durable &&
         c.options().durability == Durability::kAlways;
}

void wait_aof(CommandContext& c) {
  int64_t local, timeout_ms;
  uint64_t replicas;
  if (!c.integer_between(1, 0, 1, &local)) return;
  if (!c.number_from(2, 0, errors::kNotPositive, &replicas)) return;
  if (!timeout_argument(c, 3, &timeout_ms)) return;
  const bool durable = is_durable(c);
  if (local > 0 && !durable) {
    return c.fail("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
  }
  // Committed is durable: this reply waits for all that was written before it.
  for (Shard* shard : c.server.shards().served()) c.observe(*shard, shard->last_seq());
  Session& session = c.session;
  const auto answer = [durable](ReplyWriter& reply) {
    reply.array(2);
    reply.integer(durable ? 1 : 0);
    reply.integer(0);
  };
  if (replicas == 0 || !c.may_block()) return answer(c.reply);
  session.block(BlockReason::kWait, timeout_ms, [&session, answer, wanted = session.wants_reply()] {
    if (wanted) answer(session.reply);
  });
}

// --- stopping ---

// SHUTDOWN's words. What is saved does not depend on them: every answered write is in the log.
struct ShutdownWords {
  bool save = false, no_save = false, now = false, force = false, abort = false;
};

bool parse_shutdown(CommandContext& c, ShutdownWords* words) {
  for (size_t i = 1; i < c.argc(); ++i) {
    if (c.is(i, "SAVE")) {
      words->save = true;
    } else if (c.is(i, "NOSAVE")) {
      words->no_save = true;
    } else if (c.is(i, "NOW")) {
      words->now = true;
    } else if (c.is(i, "FORCE")) {
      words->force = true;
    } else if (c.is(i, "ABORT")) {
      words->abort = true;
    } else {
      return false;
    }
  }
  const bool others = words->save || words->no_save || words->now || words->force;
  return !(words->save && words->no_save) && !(words->abort && others);
}

void shutdown(CommandContext& c) {
  ShutdownWords words;
  if (!parse_shutdown(c, &words)) return c.fail();
  if (words.abort) return c.fail("ERR No shutdown in progress.");
  if (c.server.running_script() != nullptr) {
    if (!words.no_save) return c.fail(c.server.busy_error());
    // The script's turn never ends: what it wrote is in no entry yet and is gone, as after a crash.
    if (c.server.hooks().exit_now) c.server.hooks().exit_now();
  }
  if (!c.server.hooks().shutdown) return c.fail("ERR this server cannot be stopped by a client");
  // No reply: the client sees the connection close when the server has ended.
  c.session.block(BlockReason::kSave, 0, {});
  c.server.hooks().shutdown();
}

// --- checkpoints, of all shards that are here ---

constexpr std::string_view kSaveRunning = "ERR Background save already in progress";

void start_checkpoints(CommandContext& c) {
  for (Shard* shard : c.server.shards().all()) shard->checkpoint().start();
}

void save(CommandContext& c) {
  if (c.server.shards().checkpoint_runs()) return c.fail(kSaveRunning);
  wait_for_checkpoint(c);
}

void background_save(CommandContext& c) {
  const bool schedule = c.argc() == 2 && c.is(1, "SCHEDULE");
  if (c.argc() > 1 && !schedule) return c.fail();
  if (c.server.shards().checkpoint_runs()) return c.fail(kSaveRunning);
  start_checkpoints(c);
  c.reply.simple("Background saving started");
}

void rewrite_log(CommandContext& c) {
  if (c.server.shards().checkpoint_runs()) {
    return c.fail("ERR Background append only file rewriting already in progress");
  }
  start_checkpoints(c);
  c.reply.simple("Background append only file rewriting started");
}

void last_save(CommandContext& c) {
  int64_t finished = 0;  // of the shard that was longest ago
  for (Shard* shard : c.server.shards().all()) {
    const int64_t at = shard->checkpoint().finished_wall_ms();
    finished = finished == 0 ? at : std::min(finished, at);
  }
  c.reply.integer((finished != 0 ? finished : c.server.start_wall_ms()) / 1000);
}

// --- replication ---

void role(CommandContext& c) {
  c.reply.array(3);
  c.reply.bulk("master");
  c.reply.integer(0);
  c.reply.array(0);
}

void replica_of(CommandContext& c) {
  if (c.is(1, "NO") && c.is(2, "ONE")) return c.reply.ok();
  c.fail("ERR this server cannot follow a Redis server; only NO ONE is accepted");
}

// Redis's answers on a server without replicas, after its check of the arguments.
void failover(CommandContext& c) {
  if (c.argc() == 2 && c.is(1, "ABORT")) return c.fail("ERR No failover in progress.");
  size_t i = 1;
  while (i < c.argc()) {
    const size_t more = c.argc() - 1 - i;
    if (c.is(i, "TO") && more >= 2) {
      i += 3;
    } else if (c.is(i, "TIMEOUT") && more >= 1) {
      i += 2;
    } else if (c.is(i, "FORCE") || c.is(i, "ABORT")) {
      i += 1;
    } else {
      return c.fail();
    }
  }
  c.fail("ERR FAILOVER requires connected replicas.");
}

void time_of_day(CommandContext& c) {
  const int64_t now_us = c.server.clock().wall_us();
  c.reply.array(2);
  c.reply.bulk_integer(now_us / 1'000'000);
  c.reply.bulk_integer(now_us % 1'000'000);
}

constexpr uint32_t kSaving = kAdmin | kNoScript | kNoAsyncLoading;

constexpr CommandSpec kCommands[] = {
    {.name = "monitor",
     .arity = 1,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .handler = monitor,
     .group = "server",
     .since = "1.0.0",
     .complexity = {},
     .summary = "Listens for all requests received by the server in real-time."},
    {.name = "wait",
     .arity = 3,
     .flags = kBlocking,
     .categories = kCatConnection,
     .handler = wait,
     .group = "generic",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Blocks until the asynchronous replication of all preceding write commands sent "
                "by the connection is completed.",
     .syntax = "numreplicas timeout"},
    {.name = "waitaof",
     .arity = 4,
     .flags = kBlocking,
     .categories = kCatConnection,
     .handler = wait_aof,
     .group = "generic",
     .since = "7.2.0",
     .complexity = "O(1)",
     .summary = "Blocks until all of the preceding write commands sent by the connection are "
                "written to the append-only file of the master and/or replicas.",
     .syntax = "numlocal numreplicas timeout"},
    {.name = "shutdown",
     .arity = -1,
     .flags = kAdmin | kNoScript | kLoading | kStale | kNoMulti | kAllowBusy,
     .handler = shutdown,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(N) when saving, where N is the total number of keys in all databases when "
                   "saving data, otherwise O(1)",
     .summary = "Synchronously saves the database(s) to disk and shuts down the Redis server.",
     .syntax = "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]"},
    {.name = "save",
     .arity = 1,
     .flags = kSaving | kNoMulti,
     .handler = save,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of keys in all databases",
     .summary = "Synchronously saves the database(s) to disk."},
    {.name = "bgsave",
     .arity = -1,
     .flags = kSaving,
     .handler = background_save,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Asynchronously saves the database(s) to disk.",
     .syntax = "[SCHEDULE]"},
    {.name = "bgrewriteaof",
     .arity = 1,
     .flags = kSaving,
     .handler = rewrite_log,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Asynchronously rewrites the append-only file to disk."},
    {.name = "lastsave",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .categories = kCatAdmin | kCatDangerous,
     .handler = last_save,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the Unix timestamp of the last successful save to disk."},
    {.name = "role",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast,
     .categories = kCatAdmin | kCatDangerous,
     .handler = role,
     .group = "server",
     .since = "2.8.12",
     .complexity = "O(1)",
     .summary = "Returns the replication role."},
    {.name = "replicaof",
     .arity = 3,
     .flags = kAdmin | kNoScript | kStale | kNoAsyncLoading,
     .handler = replica_of,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Configures a server as replica of another, or promotes it to a master.",
     .syntax = "<host port | NO ONE>"},
    {.name = "slaveof",
     .arity = 3,
     .flags = kAdmin | kNoScript | kStale | kNoAsyncLoading,
     .handler = replica_of,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Sets a Redis server as a replica of another, or promotes it to being a master.",
     .syntax = "<host port | NO ONE>"},
    {.name = "failover",
     .arity = -1,
     .flags = kAdmin | kNoScript | kStale,
     .handler = failover,
     .group = "server",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Starts a coordinated failover from a server to one of its replicas.",
     .syntax = "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]"},
    {.name = "time",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .handler = time_of_day,
     .group = "server",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Returns the server time."},
};

}  // namespace

std::span<const CommandSpec> admin_commands() { return kCommands; }

}  // namespace holdfast
