// Connection commands: PING, ECHO, QUIT, RESET, SELECT, AUTH, HELLO.
#include <charconv>
#include <optional>
#include <string>

#include "base/version.h"
#include "resp/client_line.h"
#include "resp/commands/families.h"
#include "resp/commands/transactions.h"
#include "resp/context.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

constexpr std::string_view kDefaultUser = "default";
constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you "
    "sure your configuration is correct?";
constexpr std::string_view kHelloNeedsAuth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    "protocol version at the same time";

void ping(CommandContext& c) {
  if (c.argc() > 2) return c.fail("ERR wrong number of arguments for 'ping' command");
  if (c.session.subscribed() && !c.reply.resp3()) {
    c.reply.array(2);
    c.reply.bulk("pong");
    c.reply.bulk(c.argc() == 2 ? c.args[1] : std::string_view());
    return;
  }
  if (c.argc() == 2) {
    c.reply.bulk(c.args[1]);
  } else {
    c.reply.simple("PONG");
  }
}

void echo(CommandContext& c) { c.reply.bulk(c.args[1]); }

void quit(CommandContext& c) {
  c.reply.ok();
  c.session.close_after_reply();
}

void reset(CommandContext& c) {
  c.server.set_monitor(c.session, false);
  discard_transaction(c.server, c.session);
  c.server.pubsub().leave(c.session);
  c.server.tracking().disable(c.session);
  c.session.state = SessionState{};
  c.server.reset_user(c.session);
  c.reply.set_protocol(2);
  c.reply.simple("RESET");
}

void select(CommandContext& c) {
  int64_t db;
  if (!c.integer(1, &db)) return;
  if (db != 0 && c.server.shards().in_cluster()) {
    return c.fail("ERR SELECT is not allowed in cluster mode");
  }
  if (db < 0 || db >= kDbCount) return c.fail(errors::kDbIndex);
  c.session.state.db = static_cast<int>(db);
  c.reply.ok();
}

// Replies with an error and returns false when the pair is wrong.
bool authenticate(CommandContext& c, std::string_view user, std::string_view password) {
  if (c.server.authenticate(c.session, user, password, c.args[0])) return true;
  c.fail(errors::kWrongPass);
  return false;
}

void auth(CommandContext& c) {
  if (c.argc() > 3) return c.fail();
  if (c.argc() == 2 && c.server.acl().default_user().no_password()) return c.fail(kNoPassword);
  const bool named = c.argc() == 3;
  if (authenticate(c, named ? c.args[1] : kDefaultUser, c.args[named ? 2 : 1])) c.reply.ok();
}

// What HELLO asks for. Nothing is done before all of it is known to be well-formed.
struct Hello {
  int64_t protocol = 0;  // 0: as it is
  std::optional<std::string_view> user;
  std::string_view password;
  std::optional<std::string_view> name;
};

bool parse_hello(CommandContext& c, Hello* hello) {
  if (c.argc() == 1) return true;
  if (!c.integer(1, &hello->protocol, "ERR Protocol version is not an integer or out of range")) {
    return false;
  }
  if (hello->protocol < 2 || hello->protocol > 3) {
    c.fail(errors::kNoProto);
    return false;
  }
  for (size_t i = 2; i < c.argc(); ++i) {
    const size_t more = c.argc() - 1 - i;
    if (c.is(i, "AUTH") && more >= 2) {
      hello->user = c.args[i + 1];
      hello->password = c.args[i + 2];
      i += 2;
    } else if (c.is(i, "SETNAME") && more >= 1) {
      if (!is_client_text(c.args[i + 1])) {
        c.fail(kBadClientName);
        return false;
      }
      hello->name = c.args[++i];
    } else {
      c.fail("ERR Syntax error in HELLO option '" + std::string(c.args[i].substr(0, 128)) + "'");
      return false;
    }
  }
  return true;
}

void reply_greeting(CommandContext& c) {
  c.reply.map(7);
  c.reply.bulk("server");
  c.reply.bulk("redis");
  c.reply.bulk("version");
  c.reply.bulk(kRedisVersion);
  c.reply.bulk("proto");
  c.reply.integer(c.reply.protocol());
  c.reply.bulk("id");
  c.reply.integer(static_cast<int64_t>(c.session.id()));
  c.reply.bulk("mode");
  c.reply.bulk(c.server.shards().in_cluster() ? "cluster" : "standalone");
  c.reply.bulk("role");
  c.reply.bulk("master");
  c.reply.bulk("modules");
  c.reply.array(0);
}

void hello(CommandContext& c) {
  Hello wanted;
  if (!parse_hello(c, &wanted)) return;
  if (wanted.user && !authenticate(c, *wanted.user, wanted.password)) return;
  if (c.server.needs_auth(c.session)) return c.fail(kHelloNeedsAuth);
  if (wanted.name) c.session.state.name = *wanted.name;
  if (wanted.protocol != 0) c.reply.set_protocol(static_cast<int>(wanted.protocol));
  reply_greeting(c);
}

// Answers nothing, whatever happens: it goes in front of a command, which is answered.
void tag(CommandContext& c) {
  uint64_t words[4] = {};
  for (size_t i = 0; i < 4; ++i) {
    const std::string_view text = c.args[i + 1];
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), words[i]);
    if (error != std::errc() || end != text.data() + text.size()) {
      return c.session.close_now("a tag that is none");
    }
  }
  const WriteTag tag{words[0], words[1], words[2], words[3]};
  if (!tag.given() || tag.first > tag.number) return c.session.close_now("a tag that is none");
  c.session.tag = tag;
}

constexpr uint32_t kAnyTime = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy;

constexpr CommandSpec kCommands[] = {
    {.name = "ping",
     .arity = -1,
     .flags = kFast,
     .categories = kCatConnection,
     .handler = ping,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the server's liveliness response.",
     .syntax = "[message]"},
    {.name = "echo",
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .categories = kCatConnection,
     .handler = echo,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Returns the given string.",
     .syntax = "message"},
    {.name = "quit",
     .arity = -1,
     .flags = kAnyTime,
     .categories = kCatConnection,
     .handler = quit,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Closes the connection."},
    {.name = "reset",
     .arity = 1,
     .flags = kAnyTime,
     .categories = kCatConnection,
     .handler = reset,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Resets the connection."},
    {.name = "select",
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .categories = kCatConnection,
     .handler = select,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Changes the selected database.",
     .syntax = "index"},
    {.name = "auth",
     .arity = -2,
     .flags = kAnyTime,
     .categories = kCatConnection,
     .handler = auth,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticates the connection.",
     .syntax = "[username] password"},
    {.name = "tag",
     .arity = 5,
     .flags = kAnyTime | kSkipMonitor | kSkipSlowlog,
     .categories = kCatConnection,
     .handler = tag,
     .group = "connection",
     .since = "0.4.0",
     .complexity = "O(1)",
     .summary = "Numbers the next write, which is then done once. For gateways: it has no answer.",
     .syntax = "gateway session number first"},
    {.name = "hello",
     .arity = -1,
     .flags = kAnyTime,
     .categories = kCatConnection,
     .handler = hello,
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Handshakes with the Redis server.",
     .syntax = "[protover [AUTH username password] [SETNAME clientname]]"},
};

}  // namespace

std::span<const CommandSpec> connection_commands() { return kCommands; }

}  // namespace holdfast
