// Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// EXEC runs its queue as one command, so that all effects are one entry of the log: after a crash
// all of them are there or none. A command of the queue that fails undoes nothing, as in Redis.
#include "resp/commands/transactions.h"

#include <string>

#include "resp/commands/families.h"
#include "resp/server.h"
#include "resp/session.h"
#include "resp/transaction.h"

namespace holdfast {
namespace {

constexpr std::string_view kExecAbort =
    "EXECABORT Transaction discarded because of previous errors.";

void multi(CommandContext& c) {
  if (c.session.in_multi()) return c.fail("ERR MULTI calls can not be nested");
  c.session.transaction().begin();
  c.reply.ok();
}

void discard(CommandContext& c) {
  if (!c.session.in_multi()) return c.fail("ERR DISCARD without MULTI");
  discard_transaction(c.server, c.session);
  c.reply.ok();
}

void watch(CommandContext& c) {
  if (c.session.in_multi()) return c.fail("ERR WATCH inside MULTI is not allowed");
  // Once one of them has changed it makes no difference what else is watched.
  const bool spoiled = c.session.transaction().spoiled();
  for (size_t i = 1; i < c.argc() && !spoiled; ++i) {
    c.server.watched_keys().watch(c.session, c.session.state.db, c.key(i), c.now_ms);
  }
  c.reply.ok();
}

void unwatch(CommandContext& c) {
  c.server.watched_keys().unwatch_all(c.session);
  if (c.session.has_transaction()) c.session.transaction().clear_spoiled();
  c.reply.ok();
}

}  // namespace

void discard_transaction(Server& server, Session& session) {
  if (!session.has_transaction()) return;
  server.watched_keys().unwatch_all(session);
  session.transaction().end();
  session.transaction().clear_spoiled();
}

void abort_exec(Server& server, Session& session, std::string_view reason) {
  discard_transaction(server, session);
  if (reason.starts_with("ERR ")) reason.remove_prefix(4);
  session.reply.error("EXECABORT Transaction discarded because of: " + std::string(reason));
}

// What the user may do can have changed since the command was queued.
static void run_queued(CommandContext& c, const Command& command,
                       std::span<const std::string_view> args) {
  const AclDecision access = c.server.check_access(c.session, command, args);
  if (access.allowed()) return c.server.run_nested(c, c.reply, command, args, false);
  c.server.record_denial(c.session, access, AclContext::kMulti, command, args);
  c.fail(
      "NOPERM ACLs rules changed between the moment the transaction was accumulated and the "
      "EXEC call. This command is no longer allowed for the following reason: " +
      std::string(acl_exec_denial_text(access.reason)));
}

void exec_command(CommandContext& c) {
  if (!c.session.in_multi()) return c.fail("ERR EXEC without MULTI");
  Transaction& transaction = c.session.transaction();
  if (transaction.refused()) {
    discard_transaction(c.server, c.session);
    return c.fail(kExecAbort);
  }
  // The refusal tells of a change, so it waits for it like a read.
  if (transaction.spoiled()) c.observe(transaction.spoiled_by());
  if (transaction.spoiled() || c.server.watched_keys().any_expired(c.session, c.now_ms)) {
    discard_transaction(c.server, c.session);
    return c.reply.null_array();
  }
  c.server.watched_keys().unwatch_all(c.session);
  c.reply.array(transaction.commands().size());
  for (const Transaction::Queued& queued : transaction.commands()) {
    run_queued(c, *queued.command, transaction.args(queued));
  }
  discard_transaction(c.server, c.session);
}

bool runs_inside_multi(const Command& command) {
  const Handler handler = command.spec.handler;
  return handler == exec_command || handler == discard || handler == multi || handler == watch ||
         command.spec.name == "quit" || command.spec.name == "reset";
}

namespace {

constexpr uint32_t kAnyTime = kNoScript | kLoading | kStale;

constexpr CommandSpec kCommands[] = {
    {.name = "multi",
     .arity = 1,
     .flags = kAnyTime | kFast | kAllowBusy,
     .categories = kCatTransaction,
     .handler = multi,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Starts a transaction."},
    {.name = "exec",
     .arity = 1,
     .flags = kAnyTime | kSkipSlowlog,
     .categories = kCatTransaction,
     .handler = exec_command,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Executes all commands in a transaction."},
    {.name = "discard",
     .arity = 1,
     .flags = kAnyTime | kFast | kAllowBusy,
     .categories = kCatTransaction,
     .handler = discard,
     .group = "transactions",
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Discards a transaction."},
    {.name = "watch",
     .arity = -2,
     .flags = kAnyTime | kFast | kAllowBusy,
     .categories = kCatTransaction,
     .keys = {KeySpec::range(kKeyRO, 1, -1)},
     .handler = watch,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Monitors changes to keys to determine the execution of a transaction.",
     .syntax = "key [key ...]"},
    {.name = "unwatch",
     .arity = 1,
     .flags = kAnyTime | kFast | kAllowBusy,
     .categories = kCatTransaction,
     .handler = unwatch,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Forgets about watched keys of a transaction."},
};

}  // namespace

std::span<const CommandSpec> transaction_commands() { return kCommands; }

}  // namespace holdfast
