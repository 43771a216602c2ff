// Server: writes that a gateway numbered (TAG): each is carried out once, however often it comes,
// and answered as it was the first time. What is remembered, and for how long: store/outcomes.h.
//
// Whatever a numbered write does is remembered, nothing and errors included: was it carried out a
// second time because it had changed nothing, it could come after later ones of the same client.
#include "base/mutant.h"
#include "resp/commands/transactions.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr std::string_view kForgotten =
    "UNKNOWN this write was carried out before, or may have been; what it answered is not known";

// Within a script that asked for what is not here; it may run elsewhere.
bool tells_to_go_elsewhere(std::string_view reply) {
  return reply.starts_with("-MOVED ") || reply.starts_with("-CLUSTERDOWN ");
}

}  // namespace

// True: it was carried out before, and has its answer.
bool Server::answer_again(CommandContext& context, const Route& route, const WriteTag& tag) {
  Session& session = context.session;
  if (route.shard == nullptr) return false;
  const Outcomes::Outcome outcome = route.shard->keyspace().outcomes().find(tag);
  if (outcome.found == Outcomes::Found::kNothing || mutant(Mutant::kDoAgain)) return false;
  if (session.in_multi()) discard_transaction(*this, session);
  const uint64_t start = session.output.position();
  if (outcome.found == Outcomes::Found::kReply) {
    session.output.append(outcome.reply);
  } else {
    session.reply.error(kForgotten);
  }
  // Its entry may not be committed yet.
  context.observe(*route.shard, outcome.seq);
  session.depends_on.add(context.observed());
  finish_reply(session, &context.command, start, context.observed());
  return true;
}

void Server::remember_outcome(CommandContext& context, const Route& route, const WriteTag& tag,
                              uint64_t reply_start) {
  if (context.session.in_multi()) {  // it was MULTI
    context.session.tag = tag;
    return;
  }
  if (route.shard == nullptr || context.waits()) return;
  if (route.shard->failed() || !route.shard->accepts_writes()) return;
  const Output& output = context.session.output;
  const uint64_t size = output.position() - reply_start;
  std::string reply;
  Remembered remembered{tag, size <= Remembered::kMaxReplyBytes, {}};
  if (remembered.has_reply) {
    output.copy_from(reply_start, &reply);
    if (tells_to_go_elsewhere(reply)) return;
    remembered.reply = reply;
  }
  route.shard->emit(Effect::remember(remembered.encode()));
}

}  // namespace holdfast
