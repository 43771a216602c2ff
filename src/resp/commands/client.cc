// CLIENT: what a client tells of itself and what it may do to others.
//
// A session killed in this turn is gone for every command behind it, although it is freed at the
// turn's end only.
#include "resp/client_line.h"
#include "resp/commands/families.h"
#include "resp/commands/tracking.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

// --- choosing clients ---

// TYPE's argument: a class of clients, or one that this server never has.
struct TypeFilter {
  bool given = false;
  bool matches_none = false;
  ClientClass type = ClientClass::kNormal;

  bool matches(const Session& session) const {
    return !given || (!matches_none && session.client_class() == type);
  }
};

bool parse_type(CommandContext& c, size_t i, TypeFilter* filter) {
  filter->given = true;
  if (c.is(i, "normal")) {
    filter->type = ClientClass::kNormal;
  } else if (c.is(i, "replica") || c.is(i, "slave")) {
    filter->type = ClientClass::kReplica;
  } else if (c.is(i, "pubsub")) {
    filter->type = ClientClass::kPubSub;
  } else if (c.is(i, "master")) {
    filter->matches_none = true;
  } else {
    c.fail("ERR Unknown client type '" + std::string(c.args[i].substr(0, 128)) + "'");
    return false;
  }
  return true;
}

struct KillFilter {
  uint64_t id = 0;
  int64_t min_age_s = 0;
  std::string_view address, local_address, user;
  TypeFilter type;
  bool skip_me = true;

  bool matches(const Session& session, int64_t now_ms) const {
    return (id == 0 || session.id() == id) && type.matches(session) &&
           (address.empty() || session.conn().peer().to_string() == address) &&
           (local_address.empty() || session.conn().local().to_string() == local_address) &&
           (user.empty() || session.state.user->name() == user) &&
           (min_age_s == 0 || (now_ms - session.created_ms()) / 1000 >= min_age_s);
  }
};

bool positive(CommandContext& c, size_t i, std::string_view not_integer,
              std::string_view not_positive, int64_t* out) {
  if (!c.integer(i, out, not_integer)) return false;
  if (*out > 0) return true;
  c.fail(not_positive);
  return false;
}

// One option of CLIENT KILL and its value at i and i + 1.
bool parse_kill_option(CommandContext& c, size_t i, KillFilter* filter) {
  const std::string_view value = c.args[i + 1];
  int64_t number;
  if (c.is(i, "ID")) {
    constexpr std::string_view kBadId = "ERR client-id should be greater than 0";
    if (!positive(c, i + 1, kBadId, kBadId, &number)) return false;
    filter->id = static_cast<uint64_t>(number);
  } else if (c.is(i, "TYPE")) {
    return parse_type(c, i + 1, &filter->type);
  } else if (c.is(i, "ADDR")) {
    filter->address = value;
  } else if (c.is(i, "LADDR")) {
    filter->local_address = value;
  } else if (c.is(i, "USER")) {
    if (c.server.acl().find(value) == nullptr) {
      c.fail("ERR No such user '" + std::string(value.substr(0, 128)) + "'");
      return false;
    }
    filter->user = value;
  } else if (c.is(i, "MAXAGE")) {
    return positive(c, i + 1, "ERR maxage is not an integer or out of range",
                    "ERR maxage should be greater than 0", &filter->min_age_s);
  } else if (c.is(i, "SKIPME") && (c.is(i + 1, "yes") || c.is(i + 1, "no"))) {
    filter->skip_me = c.is(i + 1, "yes");
  } else {
    c.fail();
    return false;
  }
  return true;
}

int64_t kill_matching(CommandContext& c, const KillFilter& filter) {
  int64_t killed = 0;
  for (const auto& [id, session] : c.server.sessions()) {
    const bool me = session.get() == &c.session;
    if (session->closing() || (me && filter.skip_me) || !filter.matches(*session, c.now_ms)) {
      continue;
    }
    ++killed;
    if (me) {
      session->close_after_reply();
    } else {
      session->close_now("CLIENT KILL");
    }
  }
  return killed;
}

void kill_clients(CommandContext& c) {
  KillFilter filter;
  if (c.argc() == 3) {  // the form that was there first: an address, and it must match
    filter.address = c.args[2];
    filter.skip_me = false;
    if (kill_matching(c, filter) == 0) return c.fail("ERR No such client");
    return c.reply.ok();
  }
  for (size_t i = 2; i < c.argc(); i += 2) {
    if (i + 1 >= c.argc()) return c.fail();
    if (!parse_kill_option(c, i, &filter)) return;
  }
  c.reply.integer(kill_matching(c, filter));
}

// --- showing clients ---

void list_by_id(CommandContext& c) {
  std::string lines;
  for (size_t i = 3; i < c.argc(); ++i) {
    int64_t id;
    if (!c.integer(i, &id, "ERR Invalid client ID")) return;
    const Session* session = id > 0 ? c.server.session(static_cast<uint64_t>(id)) : nullptr;
    if (session != nullptr && !session->closing()) lines += client_line(*session, c.now_ms);
  }
  c.reply.verbatim("txt", lines);
}

void list(CommandContext& c) {
  TypeFilter type;
  if (c.argc() == 4 && c.is(2, "TYPE")) {
    if (!parse_type(c, 3, &type)) return;
  } else if (c.argc() > 3 && c.is(2, "ID")) {
    return list_by_id(c);
  } else if (c.argc() != 2) {
    return c.fail();
  }
  std::string lines;
  for (const auto& [id, session] : c.server.sessions()) {
    if (!session->closing() && type.matches(*session)) lines += client_line(*session, c.now_ms);
  }
  c.reply.verbatim("txt", lines);
}

void info(CommandContext& c) { c.reply.verbatim("txt", client_line(c.session, c.now_ms)); }

void id(CommandContext& c) { c.reply.integer(static_cast<int64_t>(c.session.id())); }

// --- what a client says of itself ---

void set_name(CommandContext& c) {
  if (!is_client_text(c.args[2])) return c.fail(kBadClientName);
  c.session.state.name = c.args[2];
  c.reply.ok();
}

void get_name(CommandContext& c) {
  if (c.session.state.name.empty()) return c.reply.null();
  c.reply.bulk(c.session.state.name);
}

void set_info(CommandContext& c) {
  const bool is_name = c.is(2, "lib-name");
  const std::string attribute(c.args[2].substr(0, 128));
  if (!is_name && !c.is(2, "lib-ver")) {
    return c.fail("ERR Unrecognized option '" + attribute + "'");
  }
  if (!is_client_text(c.args[3])) {
    return c.fail("ERR " + attribute + " cannot contain spaces, newlines or special characters.");
  }
  (is_name ? c.session.library_name : c.session.library_version) = c.args[3];
  c.reply.ok();
}

void reply_mode(CommandContext& c) {
  ReplyMode& mode = c.session.state.reply_mode;
  if (c.is(2, "ON")) {
    mode = ReplyMode::kOn;
    c.reply.ok();
  } else if (c.is(2, "OFF")) {
    mode = ReplyMode::kOff;
  } else if (c.is(2, "SKIP")) {
    if (mode != ReplyMode::kOff) mode = ReplyMode::kSkipNext;
  } else {
    c.fail();
  }
}

void set_switch(CommandContext& c, bool* what) {
  if (!c.is(2, "ON") && !c.is(2, "OFF")) return c.fail();
  *what = c.is(2, "ON");
  c.reply.ok();
}

void no_evict(CommandContext& c) { set_switch(c, &c.session.state.no_evict); }
void no_touch(CommandContext& c) { set_switch(c, &c.session.state.no_touch); }

// --- holding and releasing clients ---

void pause(CommandContext& c) {
  bool writes_only = false;
  if (c.argc() == 4) {
    writes_only = c.is(3, "WRITE");
    if (!writes_only && !c.is(3, "ALL")) {
      return c.fail("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  if (c.argc() > 4) return fail_subcommand(c);
  int64_t timeout_ms;
  if (!timeout_argument(c, 2, &timeout_ms)) return;
  // A pause on top of another only makes it longer or stricter, never the opposite.
  Pause& running = c.server.pause();
  const bool paused = running.until_ms > c.now_ms;
  running.writes_only = writes_only && (!paused || running.writes_only);
  running.until_ms = std::max(paused ? running.until_ms : 0, c.now_ms + timeout_ms);
  c.reply.ok();
}

void unpause(CommandContext& c) {
  c.server.end_pause();
  c.reply.ok();
}

void unblock(CommandContext& c) {
  bool with_error = false;
  if (c.argc() > 4) return fail_subcommand(c);
  if (c.argc() == 4) {
    with_error = c.is(3, "ERROR");
    if (!with_error && !c.is(3, "TIMEOUT")) {
      return c.fail("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  int64_t client_id;
  if (!c.integer(2, &client_id)) return;
  Session* session = client_id > 0 ? c.server.session(static_cast<uint64_t>(client_id)) : nullptr;
  const bool waits = session != nullptr && session->waits_by_command();
  const std::string_view error = with_error ? errors::kUnblocked : std::string_view();
  c.reply.integer(waits && session->end_block(error) ? 1 : 0);
}

void help(CommandContext& c) {
  reply_help(c, {
                    "CACHING (YES|NO)",
                    "    Whether the keys of the next command are tracked (tracking only).",
                    "GETNAME",
                    "    The name of this connection.",
                    "GETREDIR",
                    "    The client that invalidations are sent to, -1 if there is none.",
                    "ID",
                    "    The id of this connection.",
                    "INFO",
                    "    One line about this connection.",
                    "KILL <ip:port>",
                    "    Close the connection from <ip:port>.",
                    "KILL <option> <value> [<option> <value> [...]]",
                    "    Close the connections that match all options:",
                    "    * ID <client-id>",
                    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                    "    * USER <username>",
                    "    * ADDR (<ip:port>|<unixsocket>:0)",
                    "    * LADDR (<ip:port>|<unixsocket>:0)",
                    "    * MAXAGE <seconds>: connections at least this old",
                    "    * SKIPME (YES|NO): spare this connection (default: yes)",
                    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> ...]",
                    "    One line about each connection.",
                    "NO-EVICT (ON|OFF)",
                    "    Never close this connection to free memory.",
                    "NO-TOUCH (ON|OFF)",
                    "    Commands of this connection leave the access times of keys alone.",
                    "PAUSE <timeout> [WRITE|ALL]",
                    "    Hold back all commands, or just writes, for <timeout> milliseconds.",
                    "REPLY (ON|OFF|SKIP)",
                    "    Whether this connection gets replies.",
                    "SETINFO (LIB-NAME <name>|LIB-VER <version>)",
                    "    The library that made this connection.",
                    "SETNAME <name>",
                    "    Name this connection.",
                    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
                    "         [OPTIN] [OPTOUT] [NOLOOP]",
                    "    Tell this connection when keys that it read change.",
                    "TRACKINGINFO",
                    "    The state of client-side caching of this connection.",
                    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
                    "    End the wait of a blocked connection.",
                    "UNPAUSE",
                    "    End CLIENT PAUSE.",
                });
}

constexpr uint32_t kPlain = kNoScript | kLoading | kStale;
constexpr uint32_t kPrivileged = kPlain | kAdmin;

constexpr CommandSpec row(std::string_view name, int arity, uint32_t flags, Handler handler,
                          std::string_view since, std::string_view complexity,
                          std::string_view summary, std::string_view syntax = {}) {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .categories = kCatConnection,
          .handler = handler,
          .group = "connection",
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax};
}

constexpr std::string_view kAllClients = "O(N) where N is the number of client connections";
constexpr std::string_view kAllPaused = "O(N) Where N is the number of paused clients";
constexpr std::string_view kSomeUnblock = "O(log N) where N is the number of client connections";
constexpr std::string_view kKillSyntax =
    "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | "
    "[USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage] "
    "[[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | "
    "[ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage] ...]>>";

constexpr CommandSpec kSubcommands[] = {
    row("caching", 3, kPlain, client_caching, "6.0.0", "O(1)",
        "Instructs the server whether to track the keys in the next request.", "<YES | NO>"),
    row("getname", 2, kPlain, get_name, "2.6.9", "O(1)", "Returns the name of the connection."),
    row("getredir", 2, kPlain, client_getredir, "6.0.0", "O(1)",
        "Returns the client ID to which the connection's tracking notifications are redirected."),
    row("help", 2, kLoading | kStale, help, "5.0.0", "O(1)",
        "Returns helpful text about the different subcommands."),
    row("id", 2, kPlain, id, "5.0.0", "O(1)", "Returns the unique client ID of the connection."),
    row("info", 2, kPlain, info, "6.2.0", "O(1)", "Returns information about the connection."),
    row("kill", -3, kPrivileged, kill_clients, "2.4.0", kAllClients, "Terminates open connections.",
        kKillSyntax),
    row("list", -2, kPrivileged, list, "2.4.0", kAllClients, "Lists open connections.",
        "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]"),
    row("no-evict", 3, kPrivileged, no_evict, "7.0.0", "O(1)",
        "Sets the client eviction mode of the connection.", "<ON | OFF>"),
    row("no-touch", 3, kPlain, no_touch, "7.2.0", "O(1)",
        "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
        "<ON | OFF>"),
    row("pause", -3, kPrivileged, pause, "2.9.50", "O(1)", "Suspends commands processing.",
        "timeout [WRITE | ALL]"),
    row("reply", 3, kPlain, reply_mode, "3.2.0", "O(1)",
        "Instructs the server whether to reply to commands.", "<ON | OFF | SKIP>"),
    row("setinfo", 4, kPlain, set_info, "7.2.0", "O(1)",
        "Sets information specific to the client or connection.",
        "<LIB-NAME libname | LIB-VER libver>"),
    row("setname", 3, kPlain, set_name, "2.6.9", "O(1)", "Sets the connection name.",
        "connection-name"),
    row("tracking", -3, kPlain, client_tracking, "6.0.0",
        "O(1). Some options may introduce additional complexity.",
        "Controls server-assisted client-side caching for the connection.",
        "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] "
        "[OPTOUT] [NOLOOP]"),
    row("trackinginfo", 2, kPlain, client_tracking_info, "6.2.0", "O(1)",
        "Returns information about server-assisted client-side caching for the connection."),
    row("unblock", -3, kPrivileged, unblock, "5.0.0", kSomeUnblock,
        "Unblocks a client blocked by a blocking command from a different connection.",
        "client-id [TIMEOUT | ERROR]"),
    row("unpause", 2, kPrivileged, unpause, "6.2.0", kAllPaused,
        "Resumes processing commands from paused clients."),
};

constexpr CommandSpec kCommands[] = {
    {.name = "client",
     .arity = -2,
     .group = "connection",
     .since = "2.4.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for client connection commands.",
     .subcommands = kSubcommands},
};

}  // namespace

std::span<const CommandSpec> client_commands() { return kCommands; }

}  // namespace holdfast
