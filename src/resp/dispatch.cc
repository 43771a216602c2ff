// Server::execute: the way of one command, from its name to its reply.
//
// Order of the checks as in Redis: known, arguments, authenticated, permitted, paused, memory, then
// the handler, or the queue of MULTI. A refused command counts as rejected and changes nothing.
#include <algorithm>
#include <string>

#include "base/assert.h"
#include "base/log.h"
#include "base/quoted.h"
#include "resp/commands/pubsub.h"
#include "resp/commands/transactions.h"
#include "resp/errors.h"
#include "resp/redact.h"
#include "resp/script/functions.h"
#include "resp/script/scripts.h"
#include "resp/server.h"
#include "resp/unknown_command.h"

namespace holdfast {
namespace {

// It tells a client of a cluster where else to ask, or to ask otherwise.
bool is_redirection(std::string_view reason) {
  return reason.starts_with("MOVED ") || reason.starts_with("CROSSSLOT ") ||
         reason.starts_with("CLUSTERDOWN ");
}

// A numbered write that is remembered: it needs no room to be answered again.
bool done_before(const Route& route, const WriteTag& tag) {
  return tag.given() && route.shard != nullptr &&
         route.shard->keyspace().outcomes().find(tag).found != Outcomes::Found::kNothing;
}

// What a script does is known only when it has run.
bool may_write(uint32_t flags) {
  const bool script = (flags & kNoMandatoryKeys) != 0 && (flags & kReadonly) == 0;
  return script || (flags & kWrite) != 0;
}

}  // namespace

bool Server::paused_for(const Session& session, const Command* command, int64_t now_ms) const {
  if (!paused(now_ms) || command == nullptr) return false;
  if (command->full_name == "client") return false;  // CLIENT UNPAUSE must get through
  return !pause_.writes_only || may_write(session.effective_flags(*command));
}

// What is going to be refused for want of room need not wait.
bool Server::waits_for_log(const Session& session, const Command* command,
                           const Route& route) const {
  if (behind_.empty() || command == nullptr) return false;
  const uint32_t flags = session.effective_flags(*command);
  if (!may_write(flags)) return false;
  const auto holds_up = [flags](Shard* shard) {
    return (flags & kDenyOom) == 0 || !shard->engine().out_of_space();
  };
  if (route.slot != Route::kNoSlot || route.shard != nullptr) {
    return std::ranges::find(behind_, route.shard) != behind_.end() && holds_up(route.shard);
  }
  return std::ranges::any_of(behind_, holds_up);
}

std::string Server::denial(Session& session, const Command& command,
                           std::span<const std::string_view> args) {
  const AclDecision access = check_access(session, command, args);
  if (access.allowed()) return {};
  record_denial(session, access, session.in_multi() ? AclContext::kMulti : AclContext::kTopLevel,
                command, args);
  return "NOPERM " + acl_denial_text(access, *session.state.user, command, args, false);
}

std::string Server::refusal(Session& session, const Command& command,
                            std::span<const std::string_view> args, const Route& route,
                            const WriteTag& tag) {
  if (!command.arity_ok(args.size()) || command.spec.handler == nullptr) {
    return "ERR wrong number of arguments for '" + command.full_name + "' command";
  }
  if (!command.has(kNoAuth) && needs_auth(session)) return std::string(errors::kNoAuth);
  const bool queues = session.in_multi() && !runs_inside_multi(command);
  if (queues && command.has(kNoMulti)) return "ERR Command not allowed inside a transaction";
  if (std::string denied = denial(session, command, args); !denied.empty()) return denied;
  const uint32_t flags = session.effective_flags(command);
  if (route.shard == nullptr || route.shard->replica() != nullptr || route.crosses_slots) {
    std::string reason = not_served(session, route, flags, command, args);
    if (!reason.empty()) return reason;
  }
  // Whatever is queued takes memory.
  const bool needs_memory = (flags & kDenyOom) != 0 || queues;
  Shard* shard = route.shard != nullptr ? route.shard : shards_.first();
  std::string_view no_room;
  if (needs_memory && out_of_memory()) {
    no_room = errors::kOutOfMemory;
  } else if ((flags & kDenyOom) != 0 && shard != nullptr && shard->engine().out_of_space()) {
    no_room = errors::kDeviceFull;
  }
  if (!no_room.empty() && !done_before(route, tag)) return std::string(no_room);
  if ((flags & kWrite) != 0) {
    const bool failed = route.shard != nullptr
                            ? route.shard->failed()
                            : shards_.any([](const Shard& one) { return one.failed(); });
    if (failed) return std::string(errors::kLogFailed);
  }
  if (session.subscribed() && !session.reply.resp3() && !allowed_while_subscribed(command)) {
    return "ERR Can't execute '" + command.full_name +
           "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
           "context";
  }
  if (running_script_ != nullptr && !command.has(kAllowBusy)) return std::string(busy_error());
  return {};
}

void Server::refuse(Session& session, const Command* command, std::string_view reason) {
  const uint64_t start = session.output.position();
  if (command != nullptr) ++const_cast<Command*>(command)->stats.rejected;
  const bool ends =
      session.in_multi() && command != nullptr && command->spec.handler == exec_command;
  if (ends && shards_.in_cluster() && is_redirection(reason)) {
    discard_transaction(*this, session);
    session.reply.error(reason);  // as clients of a cluster expect it
  } else if (ends) {
    abort_exec(*this, session, reason);
  } else {
    if (session.in_multi()) session.transaction().refuse();
    session.reply.error(reason);
  }
  count_error(session.reply.last_error_code());
  finish_reply(session, nullptr, start, {});
  Tracking::end_caching(session, command);
}

void Server::execute(Session& session, const ParsedRequest& request,
                     std::span<const std::string_view> args, const Route& route, int64_t now_ms,
                     int64_t* clock_ns) {
  const Command* command = request.command;
  if (command == nullptr) return refuse(session, nullptr, unknown_command(args));
  const Command* called = command;
  if (!command->subcommands.empty() && args.size() >= 2) {
    called = command->subcommand(args[1]);
    if (called == nullptr) return refuse(session, nullptr, unknown_subcommand(*command, args[1]));
  }
  const WriteTag tag = std::exchange(session.tag, {});
  std::string reason = refusal(session, *called, args, route, tag);
  if (request.traced && reason.empty()) reason = trace_refusal(session, *called, route);
  if (!reason.empty()) return refuse(session, called, reason);
  const uint64_t start = session.output.position();
  if (session.in_multi() && !runs_inside_multi(*called)) {
    session.tag = tag;  // it is EXEC's
    session.transaction().queue(*called, args, route.slot);
    session.reply.simple("QUEUED");
    finish_reply(session, nullptr, start, {});
    return;
  }
  CommandContext context(*this, session, *called, args, route, now_ms);
  context.set_first_key(request.key, request.key_index);
  session.set_last_command(called);
  if (running_script_ != nullptr) {  // another client's, whose entry is open: this writes nothing
    run(context, clock_ns);
    finish_reply(session, called, start, context.observed());
    return;
  }
  if (tag.given() && answer_again(context, route, tag)) return;
  if (tag.given() && called->has(kBlocking) && !take_over_wait(session, tag)) return;
  begin_entries(context, route);
  deliveries_.begin(session);
  CallTimes times{session.received_ns(), *clock_ns};
  run(context, clock_ns);
  times.applied_ns = *clock_ns;
  if (tag.given()) remember_outcome(context, route, tag, start);
  const CommitPoint wrote = end_entries(context, route, times);
  session.depends_on.add(context.observed());
  if (request.traced) {
    trace_reply(context, wrote, times, start);
  } else {
    finish_reply(session, called, start, context.observed());
  }
  settle_pushes(session);
  Tracking::end_caching(session, called);
  // What has to follow a whole command, transaction or script, and not the parts of one, belongs
  // here: its entry is complete and new ones may be begun.
  if (blocked_keys_.any_ready()) {
    serve_ready_keys();
    *clock_ns = clock().mono_ns();
  }
}

// A command with keys has one shard; others may have any of them.
void Server::begin_entries(const CommandContext& context, const Route& route) {
  if (!route.everywhere) return context.shard().begin_command(context.now_ms);
  for (Shard* shard : shards_.all()) shard->begin_command(context.now_ms);
}

CommitPoint Server::end_entries(CommandContext& context, const Route& route,
                                const CallTimes& times) {
  CommitPoint wrote;
  const auto end = [&](Shard& shard) {
    const Seq seq = shard.end_command();
    if (seq == 0) return;
    context.observe(shard, seq);
    shard.traces().wrote({seq, context.session.id(), context.command.full_name, times.received_ns,
                          times.started_ns, times.applied_ns});
    wrote = {&shard, seq};
  };
  if (!route.everywhere) {
    end(context.shard());
  } else {
    for (Shard* shard : shards_.all()) end(*shard);
  }
  return wrote;
}

// What the command had to tell to others, and to its own client behind the reply.
void Server::settle_pushes(Session& session) {
  deliveries_.replied();
  tracking_.after_reply(session);
  deliveries_.settle(session.depends_on);
  if (relay_.pending()) relay_.settle(session.depends_on);
}

void Server::serve_ready_keys() {
  const int64_t now_ms = clock().wall_ms();
  if (paused(now_ms)) return;  // end_pause() asks again
  while (blocked_keys_.any_ready()) {
    blocked_keys_.begin_serving();
    while (Session* session = blocked_keys_.next_to_serve()) run_again(*session, now_ms);
  }
}

// As one command more, with an entry of its own.
void Server::run_again(Session& session, int64_t now_ms) {
  KeyWait& wait = *session.key_wait();
  auto& command = const_cast<Command&>(wait.command);
  const uint64_t start = session.output.position();
  const Route route{.shard = &wait.shard, .slot = wait.slot};
  Dependency depends_on;
  wait.found_nothing = false;
  const std::string reason = refusal(session, command, wait.args, route, {});
  if (!reason.empty()) {
    ++command.stats.rejected;
    session.reply.error(reason);
    count_error(session.reply.last_error_code());
  } else {
    CommandContext context(*this, session, command, wait.args, route, now_ms);
    int64_t clock_ns = clock().mono_ns();
    CallTimes times{clock_ns, clock_ns};
    begin_entries(context, route);
    deliveries_.begin(session);
    run(context, &clock_ns);
    times.applied_ns = clock_ns;
    if (wait.tag.given()) remember_outcome(context, route, wait.tag, start);
    end_entries(context, route, times);
    depends_on.add(context.observed());
    session.depends_on.add(depends_on);
  }
  const bool goes_on = !wait.found_nothing;  // else it keeps its places
  if (goes_on && !wait.wants_reply) {
    session.output.rewind(start);
  } else if (goes_on) {
    send_reply(session, start, depends_on);
  }
  settle_pushes(session);
  if (goes_on && !session.closing()) session.unblock();
}

void Server::key_wait_ends(Session& session, std::string_view error) {
  const KeyWait& wait = *session.key_wait();
  auto& command = const_cast<Command&>(wait.command);
  ++command.stats.calls;
  ++stats_.commands_processed;
  if (!error.empty()) {
    ++command.stats.failed;
    count_error("UNBLOCKED");
  }
  if (!wait.wants_reply) return;
  const uint64_t start = session.output.position();
  if (!error.empty()) {
    session.reply.error(error);
  } else {
    wait.awaited.on_timeout(session.reply);
    if (wait.tag.given()) remember_timeout(session, start);
  }
  // That there is nothing is as much of an answer as what there is.
  Keyspace& keyspace = wait.shard.keyspace();
  Dependency depends_on(&wait.shard);
  if (wait.tag.given()) depends_on.add(&wait.shard, wait.shard.last_seq());
  for (const auto& [entry, place] : wait.places) {
    const DbId db = keyspace.physical(entry->first.db);
    const KeyRef key = keyspace.key(entry->first.bytes);
    const Object* object = keyspace.find(db, key);
    depends_on.add(&wait.shard, keyspace.replaced_at(db));
    depends_on.add(&wait.shard,
                   object == nullptr ? keyspace.erased_at(db, key) : object->mod_seq());
  }
  session.depends_on.add(depends_on);
  send_reply(session, start, depends_on);
}

void Server::run(CommandContext& context, int64_t* clock_ns) {
  const Command& command = context.command;
  const bool monitored = !command.has(kSkipMonitor) && !command.has(kAdmin);
  const uint64_t start = context.reply.output().position();
  const uint64_t errors_before = context.reply.error_count();
  const int64_t start_ns = *clock_ns;
  // A command that waits for keys is shown when it comes and counted when it goes.
  const bool runs_again = context.session.key_wait() != nullptr;
  try {
    command.spec.handler(context);
  } catch (const ValueUnreadable&) {
    context.reply.output().rewind(start);
    context.reply.error(errors::kUnreadable);
  } catch (const AskPrimary&) {
    context.reply.output().rewind(start);
    const Route route{.shard = &context.shard(), .slot = context.slot()};
    context.reply.error(moved(route, command, context.args));
  }
  Session& session = context.session;
  if (session.tracking != nullptr) tracking_.remember(session, command, context.args);
  *clock_ns = clock().mono_ns();
  if (!context.waits()) record_call(context, errors_before, start_ns, *clock_ns);
  if (monitored && !runs_again) show_to_monitors(context);
}

void Server::run_nested(CommandContext& outer, ReplyWriter& reply, const Command& command,
                        std::span<const std::string_view> args, bool in_script) {
  if (command.has(kWrite) && outer.has_shard() && outer.shard().entry_is_full()) {
    ++const_cast<Command&>(command).stats.rejected;
    reply.error(errors::kEntryFull);
    return;
  }
  if (shards_.in_cluster() && route_of_keys(command, args).slot == Route::kNoSlot &&
      !may_look_everywhere(command)) {
    ++const_cast<Command&>(command).stats.rejected;
    reply.error(errors::kNotServed);
    return;
  }
  CommandContext context(outer, reply, command, args, in_script);
  int64_t clock_ns = clock().mono_ns();
  const uint64_t errors_before = reply.error_count();
  run(context, &clock_ns);
  outer.take_from_nested(context, reply.error_count() - errors_before);
}

void Server::record_call(CommandContext& context, uint64_t errors_before, int64_t start_ns,
                         int64_t end_ns) {
  auto& command = const_cast<Command&>(context.command);
  const Session& session = context.session;
  const auto took_ns = static_cast<uint64_t>(end_ns - start_ns);
  ++stats_.commands_processed;
  ++command.stats.calls;
  command.stats.nanoseconds += took_ns;
  if (command.stats.latency_ns == nullptr) command.stats.latency_ns = std::make_unique<Histogram>();
  command.stats.latency_ns->record(took_ns);
  // Errors of nested commands are theirs.
  if (context.reply.error_count() - errors_before > context.nested_errors()) {
    ++command.stats.failed;
    count_error(context.reply.last_error_code());
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

// False when the client wants none. What SUBSCRIBE and its kin answer are pushes, which are never
// unwanted.
bool Server::wants_reply(Session& session, const Command* ran) {
  const bool pushes = ran != nullptr && answers_with_pushes(*ran);
  switch (session.state.reply_mode) {
    case ReplyMode::kOn:
      return true;
    case ReplyMode::kSkipNext:  // CLIENT REPLY SKIP itself
      session.state.reply_mode = ReplyMode::kSkip;
      return false;
    case ReplyMode::kSkip:
      session.state.reply_mode = ReplyMode::kOn;
      return pushes;
    case ReplyMode::kOff:
      break;
  }
  return pushes;
}

// Holds the reply until everything it shows is committed, or drops it if the client wants none.
// `ran`: null when the command was refused.
void Server::finish_reply(Session& session, const Command* ran, uint64_t start,
                          const Dependency& depends_on) {
  if (!wants_reply(session, ran)) {
    session.output.rewind(start);
    return;
  }
  send_reply(session, start, depends_on);
}

void Server::send_reply(Session& session, uint64_t start, const Dependency& depends_on) {
  if (!depends_on.committed()) {
    if (depends_on.lost()) {
      session.close_now("the log failed: the outcome is unknown");
      return;
    }
    depends_on.visit([&](const CommitPoint& point) {
      if (!point.committed()) session.output.hold_from(start, point);
    });
    ++stats_.replies_held;
  }
  session.flush_soon();
  session.check_output_limit(start);
}

void Server::show_to_monitors(const CommandContext& context) {
  if (monitors_.empty()) return;
  const int64_t now_us = clock().wall_us();
  char head[64];
  std::snprintf(head, sizeof head, "%lld.%06lld [%d ", static_cast<long long>(now_us / 1000000),
                static_cast<long long>(now_us % 1000000), context.session.state.db);
  std::string line =
      head + (context.in_script() ? "lua" : context.session.conn().peer().to_string()) + "]";
  for (const std::string_view arg : redact(context.args)) {
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

void Server::count_refused(const Command* command, std::string_view reason) {
  if (command != nullptr) ++const_cast<Command*>(command)->stats.rejected;
  const bool coded = reason.starts_with('-');
  count_error(std::string(coded ? reason.substr(1, reason.find(' ') - 1) : "ERR"));
}

Scripts& Server::scripts() {
  if (scripts_ == nullptr) scripts_ = std::make_unique<Scripts>(*this);
  return *scripts_;
}

Functions& Server::functions(Shard& shard) {
  for (const auto& hosted : hosted_) {
    if (&hosted->shard != &shard) continue;
    if (hosted->functions == nullptr) {
      hosted->functions = std::make_unique<Functions>(*this, shard.keyspace());
    }
    return *hosted->functions;
  }
  HF_ASSERT(false);
}

const Functions* Server::known_functions(const Shard& shard) const {
  for (const auto& hosted : hosted_) {
    if (&hosted->shard == &shard) return hosted->functions.get();
  }
  return nullptr;
}

void Server::count_error(const std::string& code) {
  ++stats_.error_replies;
  if (stats_.errors.size() < kMaxErrorCodes || stats_.errors.contains(code)) ++stats_.errors[code];
}

}  // namespace holdfast
