// DEBUG: the subcommands that tests and client libraries use. None of them can harm the server:
// SLEEP stops the caller alone, RELOAD waits for a checkpoint (this server's memory is never ahead
// of its log, so there is nothing to reload).
#include <cstdlib>

#include "base/log.h"
#include "replica/shard.h"
#include "resp/command_table.h"
#include "resp/commands/checkpoint_wait.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/dataset_digest.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/glob.h"
#include "store/rdb_value.h"

namespace holdfast {
namespace {

constexpr double kMaxSleepSeconds = 24.0 * 3600;
constexpr uint64_t kMaxPackedBytes = 4ULL << 30;  // Redis's bound

void sleep_caller(CommandContext& c) {
  const double seconds = std::strtod(std::string(c.args[2]).c_str(), nullptr);
  const auto ms = static_cast<int64_t>(std::min(seconds, kMaxSleepSeconds) * 1000);
  if (!(seconds > 0) || ms == 0) return c.reply.ok();
  if (!c.may_block()) return c.fail("ERR DEBUG SLEEP can't wait in a transaction");
  Session& session = c.session;
  session.block(BlockReason::kSleep, ms, [&session, answer = session.wants_reply()] {
    if (answer) session.reply.ok();
  });
}

void set_active_expire(CommandContext& c) {
  c.server.set_active_expire(std::atoi(std::string(c.args[2]).c_str()) != 0);
  c.reply.ok();
}

void reload(CommandContext& c) { wait_for_checkpoint(c); }

void cool(CommandContext& c) {
  constexpr int64_t kNoHurryUs = 60'000'000;
  const auto cool_all = [](Shard& shard) {
    return shard.cold_values().cool(UINT64_MAX, kNoHurryUs);
  };
  c.reply.integer(static_cast<int64_t>(c.server.shards().sum(cool_all)));
}

// The payload of DUMP without its type byte, version and checksum: what Redis calls the length.
size_t serialized_length(const Object& object) { return dump_value(object).size() - 11; }

// Null: there is none, or it is not here. These commands' keys are not known to be keys.
Object* find(CommandContext& c, size_t i) {
  const KeyRef key = c.server.shards().key(c.args[i]);
  Shard* shard = c.server.shards().of_slot(key.slot);
  if (shard == nullptr) return nullptr;
  if (shard != &c.shard()) c.bind(key.slot, *shard);
  return c.find_value(key);
}

void object(CommandContext& c) {
  const Object* found = find(c, 2);
  if (found == nullptr) return c.fail(errors::kNoSuchKey);
  const int64_t idle = std::max<int64_t>(0, c.now_ms / 1000 - found->access());
  // No address: it would tell an attacker where memory is and differ from run to run.
  c.reply.simple("Value at:0x0 refcount:1 encoding:" + std::string(found->encoding_name()) +
                 " serializedlength:" + std::to_string(serialized_length(*found)) +
                 " lru:" + std::to_string(found->access() & 0xffffff) +
                 " lru_seconds_idle:" + std::to_string(idle));
}

void digest(CommandContext& c) {
  for (int db = 0; db < kDbCount; ++db) c.observe_database(static_cast<DbId>(db));
  std::vector<const Keyspace*> keyspaces;
  for (Shard* shard : c.server.shards().served()) keyspaces.push_back(&shard->keyspace());
  c.reply.simple(to_hex(dataset_digest(keyspaces)));
}

void digest_value(CommandContext& c) {
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    c.reply.simple(to_hex(value_digest(find(c, i))));
  }
}

void protocol_attribute(ReplyWriter& reply) {
  if (reply.resp3()) {
    reply.attribute(1);
    reply.bulk("key-popularity");
    reply.array(2);
    reply.bulk("key:123");
    reply.integer(90);
  }
  reply.bulk("Some real reply following the attribute");
}

void protocol_push(ReplyWriter& reply) {
  if (!reply.resp3()) return reply.error("ERR RESP2 is not supported by this command");
  reply.push(2);
  reply.bulk("server-cpu-usage");
  reply.integer(42);
  reply.bulk("Some real reply following the push reply");
}

void three_integers(ReplyWriter& reply) {
  for (int i = 0; i < 3; ++i) reply.integer(i);
}

void protocol_map(ReplyWriter& reply) {
  reply.map(3);
  for (int i = 0; i < 3; ++i) {
    reply.integer(i);
    reply.boolean(i == 1);
  }
}

// One row a type of reply: the values are Redis's, since client libraries check them.
struct ProtocolSample {
  std::string_view type;
  void (*write)(ReplyWriter&);
};

constexpr ProtocolSample kSamples[] = {
    {"string", [](ReplyWriter& r) { r.bulk("Hello World"); }},
    {"integer", [](ReplyWriter& r) { r.integer(12345); }},
    {"double", [](ReplyWriter& r) { r.real(3.141); }},
    {"bignum", [](ReplyWriter& r) { r.big_number("1234567999999999999999999999999999999"); }},
    {"null", [](ReplyWriter& r) { r.null(); }},
    {"array",
     [](ReplyWriter& r) {
       r.array(3);
       three_integers(r);
     }},
    {"set",
     [](ReplyWriter& r) {
       r.set(3);
       three_integers(r);
     }},
    {"map", protocol_map},
    {"attrib", protocol_attribute},
    {"push", protocol_push},
    {"verbatim", [](ReplyWriter& r) { r.verbatim("txt", "This is a verbatim\nstring"); }},
    {"true", [](ReplyWriter& r) { r.boolean(true); }},
    {"false", [](ReplyWriter& r) { r.boolean(false); }},
};

void protocol(CommandContext& c) {
  std::string names;
  for (const ProtocolSample& sample : kSamples) {
    if (c.is(2, sample.type)) return sample.write(c.reply);
    names.append(names.empty() ? "" : "|").append(sample.type);
  }
  c.fail("ERR Wrong protocol type name. Please use one of the following: " + names);
}

void string_match(CommandContext& c) { c.reply.integer(glob_match(c.args[2], c.args[3]) ? 1 : 0); }

void error(CommandContext& c) { c.fail(c.args[2]); }

void log(CommandContext& c) {
  log_warning("DEBUG LOG", {{"message", c.args[2]}});
  c.reply.ok();
}

void struct_size(CommandContext& c) {
  c.reply.bulk("bits:" + std::to_string(sizeof(void*) * 8) +
               " object:" + std::to_string(sizeof(Object)) +
               " session:" + std::to_string(sizeof(Session)) + " ");
}

// A setting of Redis's lists that has no meaning here; tests set it before they use big elements.
void packed_threshold(CommandContext& c) {
  auto bytes = parse_bytes(c.args[2]);
  if (!bytes.ok() || bytes.value() > kMaxPackedBytes) {
    return c.fail("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
  }
  c.reply.ok();
}

void help(CommandContext& c) {
  reply_help(c, {
                    "DIGEST",
                    "    A hash of all data, equal to that of a Redis server with the same data.",
                    "DIGEST-VALUE <key> [<key> ...]",
                    "    A hash of each of the keys' values.",
                    "COOL",
                    "    Forgets all values that the device holds; the reply is the bytes freed.",
                    "ERROR <string>",
                    "    Replies the error <string>.",
                    "LOG <message>",
                    "    Writes <message> to the server's log.",
                    "OBJECT <key>",
                    "    How the value of <key> is stored.",
                    "PROTOCOL <type>",
                    "    A reply of the type: string, integer, double, bignum, null, array, set,",
                    "    map, attrib, push, verbatim, true, false.",
                    "QUICKLIST-PACKED-THRESHOLD <size>",
                    "    Accepted and without effect.",
                    "RELOAD",
                    "    Waits for a checkpoint.",
                    "SET-ACTIVE-EXPIRE <0|1>",
                    "    Whether expired keys are erased without being asked for.",
                    "SLEEP <seconds>",
                    "    Makes this connection wait. Decimals allowed.",
                    "STRINGMATCH-LEN <pattern> <string>",
                    "    1 if the glob pattern matches the string, else 0.",
                    "STRUCTSIZE",
                    "    Sizes of some structures of the server.",
                });
}

struct Subcommand {
  std::string_view name;
  size_t least, most;  // arguments, all counted
  Handler handler;
};

constexpr size_t kAnyNumber = ~size_t{0};

constexpr Subcommand kSubcommands[] = {
    {"cool", 2, 2, cool},
    {"digest", 2, 2, digest},
    {"digest-value", 2, kAnyNumber, digest_value},
    {"error", 3, 3, error},
    {"help", 2, 2, help},
    {"log", 3, 3, log},
    {"object", 3, 4, object},
    {"protocol", 3, 3, protocol},
    {"quicklist-packed-threshold", 3, 3, packed_threshold},
    {"reload", 2, kAnyNumber, reload},
    {"set-active-expire", 3, 3, set_active_expire},
    {"sleep", 3, 3, sleep_caller},
    {"stringmatch-len", 4, 4, string_match},
    {"structsize", 2, 2, struct_size},
};

// In Redis too these are no subcommands in the command table's sense.
void debug(CommandContext& c) {
  for (const Subcommand& sub : kSubcommands) {
    if (c.is(1, sub.name) && c.argc() >= sub.least && c.argc() <= sub.most) return sub.handler(c);
  }
  fail_subcommand(c);
}

constexpr CommandSpec kCommands[] = {
    {.name = "debug",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .handler = debug,
     .group = "server",
     .since = "1.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for debugging commands."},
};

}  // namespace

std::span<const CommandSpec> debug_commands() { return kCommands; }

}  // namespace holdfast
