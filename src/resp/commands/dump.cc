// DUMP and RESTORE: one value in Redis's serialized form, to carry it between servers.
//
// What must hold: any payload is safe. Its checksum is verified before it is decoded, and a payload
// that decodes to nothing changes nothing.
#include <algorithm>
#include <string>

#include "resp/commands/families.h"
#include "resp/context.h"
#include "store/rdb_value.h"

namespace holdfast {
namespace {

constexpr int64_t kNotGiven = -1;
constexpr int64_t kMaxFrequency = 255;

struct RestoreOptions {
  bool replace = false;
  bool absolute = false;
  int64_t idle_s = kNotGiven;
  int64_t frequency = kNotGiven;  // taken and not used: there is no LFU policy to feed
};

void dump_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (object == nullptr) {
    c.reply.null();
    return;
  }
  c.reply.bulk(dump_value(*object));
}

// Reads the number behind an option; replies with `error` unless it is within 0 .. max.
bool option_number(CommandContext& c, size_t i, int64_t max, std::string_view error, int64_t* out) {
  if (!c.integer(i, out)) return false;
  if (*out >= 0 && *out <= max) return true;
  c.fail(error);
  return false;
}

bool parse_options(CommandContext& c, RestoreOptions* options) {
  for (size_t i = 4; i < c.argc(); ++i) {
    const bool has_value = i + 1 < c.argc();
    if (c.is(i, "replace")) {
      options->replace = true;
    } else if (c.is(i, "absttl")) {
      options->absolute = true;
    } else if (c.is(i, "idletime") && has_value && options->frequency == kNotGiven) {
      if (!option_number(c, ++i, INT64_MAX, "ERR Invalid IDLETIME value, must be >= 0",
                         &options->idle_s)) {
        return false;
      }
    } else if (c.is(i, "freq") && has_value && options->idle_s == kNotGiven) {
      if (!option_number(c, ++i, kMaxFrequency, "ERR Invalid FREQ value, must be >= 0 and <= 255",
                         &options->frequency)) {
        return false;
      }
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

// Reads the value; replies why it cannot be read.
bool decode(CommandContext& c, std::string_view payload, RestoredValue* value) {
  if (!dump_is_intact(payload)) {
    c.fail("ERR DUMP payload version or checksum are wrong");
    return false;
  }
  if (!restore_value(payload, c.options().resp_max_bulk_bytes, c.keyspace().limits(), value)) {
    c.fail("ERR Bad data format");
    return false;
  }
  return true;
}

void restore_command(CommandContext& c) {
  RestoreOptions options;
  if (!parse_options(c, &options)) return;
  const KeyRef key = c.key(1);
  const Object* old = c.find_write(key);
  if (old != nullptr && !options.replace) {
    c.fail("BUSYKEY Target key name already exists.");
    return;
  }
  int64_t ttl_ms;
  if (!c.integer(2, &ttl_ms)) return;
  if (ttl_ms < 0) {
    c.fail("ERR Invalid TTL value, must be >= 0");
    return;
  }
  RestoredValue value;
  if (!decode(c, c.args[3], &value)) return;

  int64_t expire_at_ms = ttl_ms;
  // Redis lets the sum wrap, which makes it lie in the past.
  if (ttl_ms != 0 && !options.absolute) __builtin_add_overflow(ttl_ms, c.now_ms, &expire_at_ms);
  if (expire_at_ms != 0 && expire_at_ms <= c.now_ms) {
    if (old != nullptr) {
      c.erase(key);
      c.notify_generic("del", key);
    }
    c.reply.ok();
    return;
  }
  c.put_value(c.db(), key, value.type, value.bytes, expire_at_ms);
  if (old != nullptr) c.notify(NotifyClass::kNew, "new", key);
  c.notify_generic("restore", key);
  if (options.idle_s > 0) {
    const uint32_t now_s = c.keyspace().access_clock();
    const auto idle_s = static_cast<uint32_t>(std::min<int64_t>(options.idle_s, now_s));
    c.find_write(key)->set_access(now_s - idle_s);
  }
  c.reply.ok();
}

constexpr CommandSpec kCommands[] = {
    {"dump",
     2,
     kReadonly,
     kCatKeyspace,
     {KeySpec::range(kKeyRO | kKeyAccess, 1, 1)},
     dump_command,
     "generic",
     "2.6.0",
     "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis "
     "objects composing the value and M their average size. For small string values the time "
     "complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
     "Return a serialized version of the value stored at the specified key.",
     "key"},
    {"restore",
     -4,
     kWrite | kDenyOom,
     kCatKeyspace | kCatDangerous,
     {KeySpec::range(kKeyOW | kKeyUpdate, 1, 1)},
     restore_command,
     "generic",
     "2.6.0",
     "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where "
     "N is the number of Redis objects composing the value and M their average size. For small "
     "string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1). "
     "However for sorted set values the complexity is O(N*M*log(N)) because inserting values into "
     "sorted sets is O(log(N)).",
     "Create a key using the provided serialized value, previously obtained using DUMP.",
     "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]"},
};

}  // namespace

std::span<const CommandSpec> dump_commands() { return kCommands; }

}  // namespace holdfast
