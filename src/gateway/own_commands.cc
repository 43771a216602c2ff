// What a gateway answers itself: the connection, its user, its name, a few settings.
#include <algorithm>
#include <map>

#include "base/version.h"
#include "gateway/gateway.h"
#include "resp/client_line.h"
#include "resp/errors.h"
#include "resp/unknown_command.h"
#include "store/glob.h"
#include "store/key.h"
#include "store/object.h"

namespace holdfast {
namespace {

constexpr std::string_view kNoPassword =
    "ERR AUTH <password> called without any password configured for the default user. Are you "
    "sure your configuration is correct?";
constexpr std::string_view kHelloNeedsAuth =
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    "protocol version at the same time";

bool is(std::string_view arg, std::string_view word) { return equals_ignoring_case(arg, word); }

// In constant time for one length: how much of a guess was right must not show.
bool same_secret(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

// The user default is checked here. False: an error was answered.
bool authenticate_default(GatewaySession& session, std::string_view password) {
  const std::string& wanted = session.gateway().options().resp_password;
  if (!wanted.empty() && !same_secret(password, wanted)) {
    session.answer_error(errors::kWrongPass);
    return false;
  }
  if (session.has_own_user()) session.set_user({}, {});
  session.authenticated = true;
  return true;
}

std::string client_text(const GatewaySession& session, int64_t now_ms) {
  const auto seconds = [now_ms](int64_t since) {
    return std::to_string(std::max<int64_t>(0, now_ms - since) / 1000);
  };
  const std::string multi =
      session.transaction.open ? std::to_string(session.transaction.count) : "-1";
  std::string line = "id=" + std::to_string(session.id());
  const auto add = [&line](std::string_view name, const std::string& value) {
    line.append(" ").append(name).append("=").append(value);
  };
  add("addr", session.conn().peer().to_string());
  add("laddr", session.conn().local().to_string());
  add("fd", std::to_string(session.conn().fd()));
  add("name", session.name);
  add("age", seconds(session.created_ms()));
  add("idle", seconds(session.last_active_ms()));
  add("flags", session.transaction.open ? "x" : session.subscribed() ? "P" : "N");
  add("db", "0");
  add("sub", std::to_string(session.subscription_count(0)));
  add("psub", std::to_string(session.subscription_count(1)));
  add("ssub", std::to_string(session.subscription_count(2)));
  add("multi", multi);
  add("qbuf", std::to_string(session.buffered_bytes()));
  add("qbuf-free", "0");
  add("argv-mem", "0");
  add("multi-mem", std::to_string(session.transaction.bytes.size()));
  add("rbs", std::to_string(session.output().allocated_bytes()));
  add("rbp", std::to_string(session.output().allocated_bytes()));
  add("obl", std::to_string(session.output().unsent_bytes()));
  add("oll", std::to_string(session.output().chunk_count()));
  add("omem", std::to_string(session.output().allocated_bytes()));
  add("tot-mem", std::to_string(sizeof session + session.buffered_bytes() +
                                session.output().allocated_bytes()));
  add("events", session.output().empty() ? "r" : "rw");
  add("cmd", session.last_command == nullptr ? "NULL" : session.last_command->full_name);
  add("user", session.has_own_user() ? session.user() : "default");
  add("redir", "-1");
  add("resp", std::to_string(session.protocol()));
  add("lib-name", session.library_name);
  add("lib-ver", session.library_version);
  return line + "\n";
}

bool is_pattern(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

}  // namespace

namespace here {

void ping(GatewaySession& session, CommandArgs args) {
  if (args.size() > 2) {
    return session.answer_error("ERR wrong number of arguments for 'ping' command");
  }
  const bool listens = session.subscribed() && session.protocol() == 2;
  session.answer([&](ReplyWriter& reply) {
    if (listens) {
      reply.array(2);
      reply.bulk("pong");
      reply.bulk(args.size() == 2 ? args[1] : std::string_view());
    } else if (args.size() == 2) {
      reply.bulk(args[1]);
    } else {
      reply.simple("PONG");
    }
  });
}

void echo(GatewaySession& session, CommandArgs args) {
  session.answer([&](ReplyWriter& reply) { reply.bulk(args[1]); });
}

void quit(GatewaySession& session, CommandArgs) {
  session.answer_ok();
  session.close_after_reply();
}

void reset(GatewaySession& session, CommandArgs) {
  session.reset_transaction();
  session.end_watching();
  if (session.has_subscriber()) session.subscriber().leave_all();
  session.set_user({}, {});
  session.set_tracking({});
  session.name.clear();
  session.reply_mode = GatewayReplyMode::kOn;
  session.authenticated = session.gateway().open_to_all();
  session.set_protocol(2);
  session.answer([](ReplyWriter& reply) { reply.simple("RESET"); });
}

void select(GatewaySession& session, CommandArgs args) {
  int64_t db;
  if (!parse_int64(args[1], &db)) return session.answer_error(errors::kNotInteger);
  if (db != 0) return session.answer_error("ERR SELECT is not allowed in cluster mode");
  session.answer_ok();
}

void auth(GatewaySession& session, CommandArgs args) {
  if (args.size() > 3) return session.answer_error(errors::kSyntax);
  if (args.size() == 2 && session.gateway().open_to_all()) return session.answer_error(kNoPassword);
  const std::string_view user = args.size() == 3 ? args[1] : "default";
  if (user == "default") {
    if (authenticate_default(session, args.back())) session.answer_ok();
    return;
  }
  session.authenticate_at_nodes(user, args.back());
}

void hello(GatewaySession& session, CommandArgs args) {
  int64_t protocol = 0;
  std::string_view user, password, name;
  bool named = false, known = false;
  if (args.size() > 1) {
    if (!parse_int64(args[1], &protocol)) {
      return session.answer_error("ERR Protocol version is not an integer or out of range");
    }
    if (protocol < 2 || protocol > 3) return session.answer_error(errors::kNoProto);
  }
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t more = args.size() - 1 - i;
    if (is(args[i], "AUTH") && more >= 2) {
      user = args[i + 1];
      password = args[i + 2];
      known = true;
      i += 2;
    } else if (is(args[i], "SETNAME") && more >= 1) {
      name = args[++i];
      named = true;
      if (!is_client_text(name)) return session.answer_error(kBadClientName);
    } else {
      return session.answer_error("ERR Syntax error in HELLO option '" +
                                  std::string(args[i].substr(0, 128)) + "'");
    }
  }
  if (known && user != "default") {
    return session.answer_error(
        "ERR HELLO with another user than default is not possible through a gateway: send AUTH "
        "first");
  }
  if (known && !authenticate_default(session, password)) return;
  if (!session.authenticated) return session.answer_error(kHelloNeedsAuth);
  if (named) session.name = name;
  if (protocol != 0) session.set_protocol(static_cast<int>(protocol));
  session.answer([&](ReplyWriter& reply) {
    reply.map(7);
    reply.bulk("server");
    reply.bulk("redis");
    reply.bulk("version");
    reply.bulk(kRedisVersion);
    reply.bulk("proto");
    reply.integer(reply.protocol());
    reply.bulk("id");
    reply.integer(static_cast<int64_t>(session.id()));
    reply.bulk("mode");
    reply.bulk("standalone");
    reply.bulk("role");
    reply.bulk("master");
    reply.bulk("modules");
    reply.array(0);
  });
}

void time_now(GatewaySession& session, CommandArgs) {
  const int64_t now_us = session.gateway().clock().wall_us();
  session.answer([now_us](ReplyWriter& reply) {
    reply.array(2);
    reply.bulk_integer(now_us / 1'000'000);
    reply.bulk_integer(now_us % 1'000'000);
  });
}

// Reads always go to primaries.
void readonly(GatewaySession& session, CommandArgs) { session.answer_ok(); }

void role(GatewaySession& session, CommandArgs) {
  session.answer([](ReplyWriter& reply) {
    reply.array(3);
    reply.bulk("master");
    reply.integer(0);
    reply.array(0);
  });
}

void client_id(GatewaySession& session, CommandArgs) {
  session.answer([&](ReplyWriter& reply) { reply.integer(static_cast<int64_t>(session.id())); });
}

void client_info(GatewaySession& session, CommandArgs) {
  const std::string text = client_text(session, session.gateway().clock().wall_ms());
  session.answer([&](ReplyWriter& reply) { reply.verbatim("txt", text); });
}

void client_list(GatewaySession& session, CommandArgs args) {
  std::vector<int64_t> ids;
  bool none = false;
  if (args.size() >= 4 && is(args[2], "id")) {
    for (const std::string_view arg : args.subspan(3)) {
      int64_t id;
      if (!parse_int64(arg, &id)) return session.answer_error("ERR Invalid client ID");
      ids.push_back(id);
    }
  } else if (args.size() == 4 && is(args[2], "type")) {
    none = !is(args[3], "normal");
  } else if (args.size() != 2) {
    return session.answer_error(errors::kSyntax);
  }
  std::string text;
  const int64_t now_ms = session.gateway().clock().wall_ms();
  for (const auto& [id, each] : session.gateway().sessions()) {
    const bool wanted =
        ids.empty() || std::find(ids.begin(), ids.end(), static_cast<int64_t>(id)) != ids.end();
    if (!none && wanted && !each->closing()) text += client_text(*each, now_ms);
  }
  session.answer([&](ReplyWriter& reply) { reply.verbatim("txt", text); });
}

// CLIENT KILL address, or pairs of ID, ADDR and SKIPME.
void client_kill(GatewaySession& session, CommandArgs args) {
  int64_t wanted_id = 0;
  std::string_view address = args.size() == 3 ? args[2] : std::string_view();
  bool skip_me = args.size() != 3;
  for (size_t i = 2; args.size() != 3 && i < args.size(); i += 2) {
    if (i + 1 == args.size()) return session.answer_error(errors::kSyntax);
    if (is(args[i], "id")) {
      if (!parse_int64(args[i + 1], &wanted_id) || wanted_id <= 0) {
        return session.answer_error("ERR client-id should be greater than 0");
      }
    } else if (is(args[i], "addr")) {
      address = args[i + 1];
    } else if (is(args[i], "skipme")) {
      skip_me = is(args[i + 1], "yes");
    } else {
      return session.answer_error(errors::kSyntax);
    }
  }
  int64_t killed = 0;
  for (const auto& [id, each] : session.gateway().sessions()) {
    const bool me = each.get() == &session;
    if (each->closing() || (me && skip_me)) continue;
    if (wanted_id != 0 && id != static_cast<uint64_t>(wanted_id)) continue;
    if (!address.empty() && each->conn().peer().to_string() != address) continue;
    ++killed;
    if (me) {
      each->close_after_reply();
    } else {
      each->close_now("CLIENT KILL");
    }
  }
  if (args.size() == 3 && killed == 0) return session.answer_error("ERR No such client");
  session.answer([&](ReplyWriter& reply) {
    if (args.size() == 3) {
      reply.ok();
    } else {
      reply.integer(killed);
    }
  });
}

void client_getname(GatewaySession& session, CommandArgs) {
  session.answer([&](ReplyWriter& reply) {
    if (session.name.empty()) {
      reply.null();
    } else {
      reply.bulk(session.name);
    }
  });
}

void client_setname(GatewaySession& session, CommandArgs args) {
  if (!is_client_text(args[2])) return session.answer_error(kBadClientName);
  session.name = args[2];
  session.answer_ok();
}

void client_setinfo(GatewaySession& session, CommandArgs args) {
  const bool name = is(args[2], "lib-name");
  if (!name && !is(args[2], "lib-ver")) {
    return session.answer_error("ERR Unrecognized option '" + std::string(args[2].substr(0, 128)) +
                                "'");
  }
  if (!is_client_text(args[3])) {
    return session.answer_error("ERR " + std::string(args[2]) +
                                " cannot contain spaces, newlines or special characters.");
  }
  (name ? session.library_name : session.library_version) = args[3];
  session.answer_ok();
}

void client_reply(GatewaySession& session, CommandArgs args) {
  if (is(args[2], "on")) {
    session.reply_mode = GatewayReplyMode::kOn;
    session.answer_ok();
  } else if (is(args[2], "off")) {
    session.reply_mode = GatewayReplyMode::kOff;
  } else if (is(args[2], "skip")) {
    if (session.reply_mode != GatewayReplyMode::kOff) {
      session.reply_mode = GatewayReplyMode::kSkipNext;
    }
  } else {
    session.answer_error(errors::kSyntax);
  }
}

// NO-EVICT and NO-TOUCH mean nothing here.
void client_flag(GatewaySession& session, CommandArgs args) {
  if (!is(args[2], "on") && !is(args[2], "off")) return session.answer_error(errors::kSyntax);
  session.answer_ok();
}

void client_tracking(GatewaySession& session, CommandArgs args) {
  if (is(args[2], "off")) {
    session.set_tracking({});
    return session.answer_ok();
  }
  if (!is(args[2], "on")) return session.answer_error(errors::kSyntax);
  const bool redirects = std::any_of(args.begin(), args.end(), [](std::string_view arg) {
    return is(arg, "redirect") || is(arg, "optin") || is(arg, "optout");
  });
  if (session.protocol() != 3 || redirects) {
    return session.answer_error(
        "ERR CLIENT TRACKING through a gateway needs RESP3, without REDIRECT, OPTIN and OPTOUT");
  }
  session.set_tracking(std::string(session.raw()));
  session.answer_ok();
}

void client_getredir(GatewaySession& session, CommandArgs) {
  session.answer([&](ReplyWriter& reply) { reply.integer(session.tracking() ? 0 : -1); });
}

void config_get(GatewaySession& session, CommandArgs args) {
  const Options& options = session.gateway().options();
  std::map<std::string, std::string, std::less<>> found;
  const auto offer = [&](std::string_view name, auto get) {
    for (const std::string_view asked : args.subspan(2)) {
      if (glob_match(asked, name, GlobCase::kIgnore)) {
        found.emplace(is_pattern(asked) ? name : asked, get());
      }
    }
  };
  for (const OptionSpec& option : option_table()) {
    offer(option.name, [&] { return option.get(options); });
    if (!option.redis_name.empty()) {
      offer(option.redis_name, [&] { return redis_text(option, options); });
    }
  }
  for (const FixedSetting& setting : fixed_settings()) {
    offer(setting.name, [&] { return setting.get(options); });
  }
  session.answer([&](ReplyWriter& reply) {
    reply.map(found.size());
    for (const auto& [name, value] : found) {
      reply.bulk(name);
      reply.bulk(value);
    }
  });
}

void config_resetstat(GatewaySession& session, CommandArgs) {
  session.gateway().reset_stats();
  session.answer_ok();
}

void empty_list(GatewaySession& session, CommandArgs) {
  session.answer([](ReplyWriter& reply) { reply.array(0); });
}

void zero(GatewaySession& session, CommandArgs) {
  session.answer([](ReplyWriter& reply) { reply.integer(0); });
}

void acl_whoami(GatewaySession& session, CommandArgs) {
  const std::string user = session.has_own_user() ? session.user() : "default";
  session.answer([&](ReplyWriter& reply) { reply.bulk(user); });
}

}  // namespace here
}  // namespace holdfast
