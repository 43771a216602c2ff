// Server::execute: the way of one command, from its name to its reply.
//
// Order of the checks as in Redis: known, arguments, authenticated, permitted, paused, memory, then
// the handler. A refused command counts as rejected and changes nothing.
#include <algorithm>
#include <string>

#include "base/log.h"
#include "resp/errors.h"
#include "resp/redact.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr size_t kShownArguments = 128;  // bytes of arguments in "unknown command"

// As much of a client's word as an error shows: it ends at a zero byte, as in Redis.
std::string_view shown(std::string_view word, size_t most = kShownArguments) {
  return word.substr(0, std::min(most, word.find('\0')));
}

std::string unknown_command(std::span<const std::string_view> args) {
  std::string text = "ERR unknown command '";
  text.append(shown(args[0]));
  text.append("', with args beginning with: ");
  size_t used = 0;
  for (size_t i = 1; i < args.size() && used < kShownArguments; ++i) {
    const std::string_view arg = shown(args[i], kShownArguments - used);
    text.append("'").append(arg).append("' ");
    used += arg.size();
  }
  return text;
}

// A quoted, printable form: what MONITOR shows.
void append_quoted(std::string_view arg, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (const char c : arg) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '\\':
      case '"':
        out->append({'\\', c});
        break;
      case '\n':
        out->append("\\n");
        break;
      case '\r':
        out->append("\\r");
        break;
      case '\t':
        out->append("\\t");
        break;
      case '\a':
        out->append("\\a");
        break;
      case '\b':
        out->append("\\b");
        break;
      default:
        if (byte >= 0x20 && byte < 0x7f) {
          out->push_back(c);
        } else {
          out->append({'\\', 'x', kHex[byte >> 4], kHex[byte & 15]});
        }
    }
  }
  out->push_back('"');
}

// The command or subcommand to run; null when an error was replied.
const Command* resolve_subcommand(const Command& command, std::span<const std::string_view> args,
                                  ReplyWriter& reply) {
  if (command.subcommands.empty() || args.size() < 2) return &command;
  const Command* sub = command.subcommand(args[1]);
  if (sub == nullptr) {
    std::string container(command.spec.name);
    for (char& c : container) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    reply.error("ERR unknown subcommand '" + std::string(shown(args[1])) + "'. Try " + container +
                " HELP.");
  }
  return sub;
}

}  // namespace

bool Server::paused_for(const Command* command, int64_t now_ms) const {
  if (pause_.until_ms == 0 || now_ms >= pause_.until_ms || command == nullptr) return false;
  if (command->full_name == "client") return false;  // CLIENT UNPAUSE must get through
  return !pause_.writes_only || command->has(kWrite);
}

// Replies with the reason and returns false when the command may not run now.
bool Server::admit(Session& session, const Command& command,
                   std::span<const std::string_view> args) {
  if (!command.arity_ok(args.size()) || command.spec.handler == nullptr) {
    session.reply.error("ERR wrong number of arguments for '" + command.full_name + "' command");
    return false;
  }
  if (!command.has(kNoAuth) && needs_auth(session)) {
    session.reply.error(errors::kNoAuth);
    return false;
  }
  if (const AclDecision access = check_access(session, command, args); !access.allowed()) {
    record_denial(session, access, AclContext::kTopLevel, command, args);
    session.reply.error("NOPERM " +
                        acl_denial_text(access, *session.state.user, command, args, false));
    return false;
  }
  if (over_memory_limit_ && command.has(kDenyOom) && !memory_can_be_freed()) {
    session.reply.error(errors::kOutOfMemory);
    return false;
  }
  if (command.has(kDenyOom) && shard_.engine().out_of_space()) {
    session.reply.error(errors::kDeviceFull);
    return false;
  }
  if (shard_.failed() && command.has(kWrite)) {
    session.reply.error(errors::kLogFailed);
    return false;
  }
  return true;
}

void Server::execute(Session& session, Command* command, std::span<const std::string_view> args,
                     const KeyRef& key, size_t key_index, int64_t now_ms, int64_t* clock_ns) {
  const uint64_t start = session.output.position();
  const uint64_t errors_before = session.reply.error_count();
  const Command* called = nullptr;
  if (command == nullptr) {
    session.reply.error(unknown_command(args));
  } else {
    called = resolve_subcommand(*command, args, session.reply);
  }
  if (called == nullptr || !admit(session, *called, args)) {
    if (called != nullptr) ++const_cast<Command*>(called)->stats.rejected;
    count_error(session.reply.last_error_code());
    finish_reply(session, start, 0);
    return;
  }
  const bool monitored = !called->has(kSkipMonitor) && !called->has(kAdmin);
  session.set_last_command(called);
  CommandContext context(*this, session, *called, args, now_ms);
  context.set_first_key(key, key_index);
  const int64_t start_ns = *clock_ns;
  shard_.begin_command(now_ms);
  try {
    called->spec.handler(context);
  } catch (const ValueUnreadable&) {
    session.output.rewind(start);
    session.reply.error(errors::kUnreadable);
  }
  const Seq written = shard_.end_command();
  *clock_ns = clock().mono_ns();
  record_call(session, *const_cast<Command*>(called), context, errors_before, start_ns, *clock_ns);
  finish_reply(session, start, std::max(written, context.observed()));
  if (monitored && !monitors_.empty()) feed_monitors(session, args, clock().wall_us());
}

void Server::record_call(Session& session, Command& command, CommandContext& context,
                         uint64_t errors_before, int64_t start_ns, int64_t end_ns) {
  const auto took_ns = static_cast<uint64_t>(end_ns - start_ns);
  ++stats_.commands_processed;
  ++command.stats.calls;
  command.stats.nanoseconds += took_ns;
  if (command.stats.latency_ns == nullptr) command.stats.latency_ns = std::make_unique<Histogram>();
  command.stats.latency_ns->record(took_ns);
  if (session.reply.error_count() != errors_before) {
    ++command.stats.failed;
    count_error(session.reply.last_error_code());
  }
  const auto took_us = static_cast<int64_t>(took_ns / 1000);
  if (options_.slowlog_slower_than_us >= 0 && took_us >= options_.slowlog_slower_than_us &&
      !command.has(kSkipSlowlog)) {
    slowlog_.record(context.args, context.now_ms / 1000, took_us, options_.slowlog_slower_than_us,
                    options_.slowlog_max_len, session.conn().peer().to_string(),
                    session.state.name);
  }
  if (options_.latency_threshold_ms > 0) {
    latency_.record(command.has(kFast) ? "fast-command" : "command", context.now_ms / 1000,
                    took_us / 1000, options_.latency_threshold_ms);
  }
}

// Holds the reply until everything it shows is committed, or drops it if the client wants none.
void Server::finish_reply(Session& session, uint64_t start, Seq depends_on) {
  switch (session.state.reply_mode) {
    case ReplyMode::kOn:
      break;
    case ReplyMode::kSkipNext:  // CLIENT REPLY SKIP itself
      session.output.rewind(start);
      session.state.reply_mode = ReplyMode::kSkip;
      return;
    case ReplyMode::kSkip:
      session.output.rewind(start);
      session.state.reply_mode = ReplyMode::kOn;
      return;
    case ReplyMode::kOff:
      session.output.rewind(start);
      return;
  }
  if (depends_on > shard_.commit_seq()) {
    if (shard_.failed()) {  // it never will be
      session.close_now("the log failed: the outcome is unknown");
      return;
    }
    session.output.hold_from(start, depends_on);
    ++stats_.replies_held;
  }
  session.flush_soon();
  session.check_output_limit(start);
}

void Server::feed_monitors(const Session& session, std::span<const std::string_view> args,
                           int64_t now_us) {
  char head[64];
  std::snprintf(head, sizeof head, "%lld.%06lld [%d ", static_cast<long long>(now_us / 1000000),
                static_cast<long long>(now_us % 1000000), session.state.db);
  std::string line = head + session.conn().peer().to_string() + "]";
  for (const std::string_view arg : redact(args)) {
    line.push_back(' ');
    append_quoted(arg, &line);
  }
  for (const uint64_t id : monitors_) {
    Session* monitor = this->session(id);
    if (monitor == nullptr || monitor->closing()) continue;
    const uint64_t start = monitor->output.position();
    monitor->reply.simple(line);
    monitor->flush_soon();
    monitor->check_output_limit(start);
  }
}

void Server::count_error(const std::string& code) {
  ++stats_.error_replies;
  if (stats_.errors.size() < kMaxErrorCodes || stats_.errors.contains(code)) ++stats_.errors[code];
}

}  // namespace holdfast
