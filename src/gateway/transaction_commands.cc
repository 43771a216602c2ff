// MULTI, EXEC, WATCH, WAIT and AUTH of other users: what goes to one node as a whole, or over a
// connection of the session's own.
//
// What is queued stays here until EXEC, which sends all of it at once: until then nothing has
// happened anywhere, so that a node that is lost meanwhile costs nothing.
#include "gateway/gateway.h"
#include "resp/errors.h"
#include "store/key.h"

namespace holdfast {
namespace {

constexpr std::string_view kCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot";
constexpr std::string_view kMulti = "*1\r\n$5\r\nMULTI\r\n";
constexpr std::string_view kExec = "*1\r\n$4\r\nEXEC\r\n";
constexpr std::string_view kUnwatch = "*1\r\n$7\r\nUNWATCH\r\n";

}  // namespace

void GatewaySession::authenticate_at_nodes(std::string_view user, std::string_view password) {
  auth_user_ = user;
  auth_password_ = password;
  drop_own_links();
  Call& call = take_call();
  auth_call_ = &call;
  CommandPlan plan;
  plan.writes = false;
  wants_idle_ = true;  // everything behind it is that user's
  forward(call, gateway_.any_slot(), raw_, plan);
}

namespace here {

void multi(GatewaySession& session, CommandArgs) {
  if (session.transaction.open) return session.answer_error("ERR MULTI calls can not be nested");
  session.transaction.open = true;
  session.answer_ok();
}

void discard(GatewaySession& session, CommandArgs) {
  if (!session.transaction.open) return session.answer_error("ERR DISCARD without MULTI");
  session.reset_transaction();
  session.drop_watch();
  session.answer_ok();
}

void exec(GatewaySession& session, CommandArgs) {
  if (!session.transaction.open) return session.answer_error("ERR EXEC without MULTI");
  session.exec();
}

void watch(GatewaySession& session, CommandArgs args) {
  if (session.transaction.open)
    return session.answer_error("ERR WATCH inside MULTI is not allowed");
  SlotId slot = slot_of(args[1]);
  for (const std::string_view key : args.subspan(1)) {
    if (slot_of(key) != slot) return session.answer_error(kCrossSlot);
  }
  if (session.watching() && session.watched_slot() != slot) {
    return session.answer_error(kCrossSlot);
  }
  session.set_watching(slot);
  CommandPlan plan;
  plan.writes = false;
  session.forward(session.take_call(), slot, session.raw(), plan);
}

void unwatch(GatewaySession& session, CommandArgs) {
  session.drop_watch();
  session.answer_ok();
}

// It says how many copies have the last write: of the shard that it went to.
void wait(GatewaySession& session, CommandArgs) {
  CommandPlan plan;
  plan.writes = false;
  plan.waits = true;
  Call& call = session.take_call();
  call.own_link = true;
  const int slot = session.written_slot();
  session.forward(call, slot < 0 ? session.gateway().any_slot() : static_cast<SlotId>(slot),
                  session.raw(), plan);
  session.stall_until_idle();
}

}  // namespace here

// The watched keys are forgotten by the node too, unless its connection is gone.
void GatewaySession::drop_watch() {
  if (!watching()) return;
  const auto slot = static_cast<SlotId>(watched_slot_);
  if (!watch_lost_) {
    Call& call = take_call();
    call.silent = true;
    CommandPlan plan;
    plan.writes = false;
    forward(call, slot, kUnwatch, plan);
    wants_idle_ = true;
  }
  end_watching();
}

void GatewaySession::exec() {
  GatewayTransaction queued = std::move(transaction);
  transaction = {};
  if (queued.spoiled) {
    drop_watch();
    return answer_error("EXECABORT Transaction discarded because of previous errors.");
  }
  const bool elsewhere = watching() && queued.slot >= 0 && queued.slot != watched_slot_;
  if (elsewhere) {
    drop_watch();
    return answer_error(kCrossSlot);
  }
  if (watching() && watch_lost_) {  // as if a watched key had been changed
    end_watching();
    return answer([](ReplyWriter& reply) { reply.null_array(); });
  }
  if (queued.count == 0) {
    drop_watch();
    return answer([](ReplyWriter& reply) { reply.array(0); });
  }
  std::string unit;
  unit.reserve(queued.bytes.size() + kMulti.size() + kExec.size());
  unit.append(kMulti).append(queued.bytes).append(kExec);
  Call& call = take_call();
  call.preludes = queued.count + 1;
  call.watched = watching();
  CommandPlan plan;
  plan.writes = queued.writes;
  const int slot = queued.slot >= 0 ? queued.slot
                   : watching()     ? watched_slot_
                                    : gateway_.any_slot();
  if (queued.slot >= 0 && !watching()) give_number(call, plan);
  if (watching()) wants_idle_ = true;
  forward(call, static_cast<SlotId>(slot), unit, plan);
  end_watching();
}

}  // namespace holdfast
