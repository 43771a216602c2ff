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

// That the write was carried out, and what it answered: the output from `reply_start` on.
void remember(Shard& shard, const WriteTag& tag, const Output& output, uint64_t reply_start) {
  if (shard.failed() || !shard.accepts_writes()) return;
  const uint64_t size = output.position() - reply_start;
  std::string reply;
  Remembered remembered{tag, size <= Remembered::kMaxReplyBytes, {}};
  if (remembered.has_reply) {
    output.copy_from(reply_start, &reply);
    if (tells_to_go_elsewhere(reply)) return;
    remembered.reply = reply;
  }
  shard.emit(Effect::remember(remembered.encode()));
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

// If a copy of it waits already, the gateway has given up the connection of one of the two: that of
// the older number, or of the copy that was there first. False: it is this one.
bool Server::take_over_wait(Session& session, const WriteTag& tag) {
  Session* const waiting = blocked_keys_.numbered(tag);
  if (waiting == nullptr || waiting == &session) return true;
  const bool late = waiting->key_wait()->tag.number > tag.number;
  (late ? session : *waiting).close_now("its gateway asked again elsewhere");
  return !late;
}

void Server::remember_outcome(CommandContext& context, const Route& route, const WriteTag& tag,
                              uint64_t reply_start) {
  Session& session = context.session;
  if (session.in_multi()) {  // it was MULTI
    session.tag = tag;
  } else if (session.key_wait() != nullptr && context.waits()) {
    blocked_keys_.set_number(session, tag);
  } else if (route.shard != nullptr) {
    remember(*route.shard, tag, session.output, reply_start);
  }
}

// A wait came to nothing: that too is said once. Within the entry that another command has begun,
// if it was that which ended the wait, or as one of its own.
void Server::remember_timeout(const Session& session, uint64_t reply_start) {
  const KeyWait& wait = *session.key_wait();
  const bool own = !wait.shard.entry_open();
  if (own) wait.shard.begin_command(clock().wall_ms());
  remember(wait.shard, wait.tag, session.output, reply_start);
  if (own) wait.shard.end_own_command(wait.command.spec.name);
}

}  // namespace holdfast
