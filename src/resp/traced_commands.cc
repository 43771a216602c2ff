// Server: commands that are traced (TRACE): what is answered is the command's reply and what became
// of the command, step by step.
//
// TRACE is taken off where the request is parsed (Session::resolve): the command finds its way as
// if it had come alone. Its reply is kept until what it wrote or saw is committed, and is then a
// part of the trace.
#include <memory>

#include "resp/commands/trace.h"
#include "resp/commands/transactions.h"
#include "resp/server.h"

namespace holdfast {

std::string Server::trace_refusal(Session& session, const Command& command, const Route& route) {
  const Command* trace = commands_.find("trace");
  const std::string_view words[] = {"trace"};
  if (std::string denied = denial(session, *trace, words); !denied.empty()) return denied;
  if (session.in_multi() && !runs_inside_multi(command)) {
    return "ERR TRACE is not possible inside a transaction: TRACE EXEC traces all of it";
  }
  const uint32_t flags = session.effective_flags(command);
  const bool works_on_data = (flags & (kWrite | kReadonly | kNoMandatoryKeys)) != 0;
  const bool on_one_shard = !shards_.in_cluster() || route.shard != nullptr;
  if (!works_on_data || command.has(kBlocking) || !on_one_shard) {
    return "ERR TRACE takes commands on keys of one shard that do not block";
  }
  return {};
}

void Server::trace_reply(CommandContext& context, const CommitPoint& wrote, const CallTimes& times,
                         uint64_t start) {
  Session& session = context.session;
  std::string reply;
  session.output.copy_from(start, &reply);
  session.output.rewind(start);
  if (!wants_reply(session, &context.command)) return;
  TracedCall call{&context.shard(), context.slot(), wrote.seq, 0, times, std::move(reply)};
  call.saw = context.observed().of(call.shard);
  if (context.observed().committed()) {
    reply_trace(session.reply, call, clock().mono_ns());
    session.flush_soon();
    session.check_output_limit(start);
    return;
  }
  send_reply(session, start,
             context.observed());  // nothing yet; whoever loses its commit is closed
  if (session.closing()) return;
  call.waited = true;
  session.block(BlockReason::kTrace, 0, {});
  auto rests_on = std::make_shared<Dependency>();
  rests_on->add(context.observed());
  look_each_turn(session, [this, rests_on, call = std::move(call)](Session& waiting) {
    if (!rests_on->committed()) return false;
    const uint64_t from = waiting.output.position();
    reply_trace(waiting.reply, call, clock().mono_ns());
    waiting.check_output_limit(from);
    return true;
  });
}

void Server::keep_slow_traces(Shard& shard) {
  shard.traces().keep_slow(options_.slowlog_slower_than_us, options_.slowlog_max_len);
}

}  // namespace holdfast
