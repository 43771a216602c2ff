// GatewaySession: what becomes of one command: its checks, as Redis makes them and in Redis's
// words, then the way that its plan says.
#include <algorithm>
#include <charconv>
#include <map>

#include "gateway/gateway.h"
#include "gateway/merge.h"
#include "gateway/session.h"
#include "gateway/waits.h"
#include "resp/commands/trace.h"
#include "resp/errors.h"
#include "resp/unknown_command.h"
#include "store/key.h"

namespace holdfast {
namespace {

constexpr std::string_view kCrossSlot = "CROSSSLOT Keys in request don't hash to the same slot";

constexpr std::string_view kNotTraceable =
    "ERR TRACE takes commands on keys of one shard that do not block, outside of transactions";

bool goes_by_keys(const CommandPlan& plan) {
  return plan.route == CommandRoute::kOneKey || plan.route == CommandRoute::kKeys;
}

bool allowed_while_subscribed(std::string_view name) {
  return name.ends_with("subscribe") || name == "ping" || name == "quit" || name == "reset";
}

bool runs_in_multi(const CommandPlan& plan) {
  return plan.here == here::multi || plan.here == here::exec || plan.here == here::discard ||
         plan.here == here::watch || plan.here == here::quit || plan.here == here::reset;
}

}  // namespace

bool GatewaySession::refuse(const Command* command, std::string_view text) {
  last_command = command;
  if (transaction.open) transaction.spoiled = true;
  answer_error(text);
  return true;
}

// False: not now; the request stays in the buffer.
bool GatewaySession::execute(CommandArgs args, std::string_view raw) {
  const CommandArgs request = args;
  const Command* command = gateway_.commands().find(args[0]);
  traced_ = command != nullptr && is_trace_of_another(*command, args);
  if (traced_) {  // it goes the way of what is traced
    args = args.subspan(1);
    command = gateway_.commands().find(args[0]);
  }
  if (command == nullptr) return refuse(nullptr, unknown_command(args));
  if (!command->subcommands.empty() && args.size() > 1) {
    const Command* sub = command->subcommand(args[1]);
    if (sub == nullptr) return refuse(command, unknown_subcommand(*command, args[1]));
    command = sub;
  }
  if (!command->arity_ok(args.size()) || command->spec.handler == nullptr) {
    return refuse(command,
                  "ERR wrong number of arguments for '" + command->full_name + "' command");
  }
  if (!authenticated && !command->has(kNoAuth)) return refuse(command, errors::kNoAuth);
  if (subscribed() && protocol() == 2 && !allowed_while_subscribed(command->spec.name)) {
    return refuse(command, "ERR Can't execute '" + command->full_name +
                               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
                               "are allowed in this context");
  }
  const CommandPlan& plan = gateway_.plans().of(*command);
  if (traced_ && !traceable(*command, plan, args)) return refuse(command, kNotTraceable);
  const bool queues = transaction.open && !runs_in_multi(plan);
  const uint64_t generation = gateway_.topology().generation();
  if ((plan.alone && !queues) || generation_ != generation) {
    if (!idle()) {
      wants_idle_ = true;
      return false;
    }
    generation_ = generation;
  }
  const bool plain = raw[0] == '*' && raw.size() > 1 && raw[1] > '0' && raw[1] <= '9';
  if (!plain) {
    encoded_.clear();
    append_command(&encoded_, request);
    raw = encoded_;
  }
  raw_ = raw;
  last_command = command;
  const bool ran = queues ? queue(*command, plan, args) : run_plan(*command, plan, args);
  if (!ran) return false;
  ++gateway_.context().stats.commands;
  if (reply_mode == GatewayReplyMode::kSkipNext) {
    reply_mode = GatewayReplyMode::kSkip;
  } else if (reply_mode == GatewayReplyMode::kSkip) {
    reply_mode = GatewayReplyMode::kOn;
  }
  return true;
}

bool GatewaySession::run_plan(const Command& command, const CommandPlan& plan, CommandArgs args) {
  plan_ = &plan;
  switch (plan.route) {
    case CommandRoute::kOneKey:
      return to_slot(slot_of(args[plan.key]), true, plan, args);
    case CommandRoute::kChannel:
      return to_slot(slot_of(args[plan.key]), false, plan, args);
    case CommandRoute::kKeys: {
      int slot;
      if (!one_slot(command, args, &slot)) return refuse(&command, kCrossSlot);
      if (slot < 0) return to_slot(gateway_.any_slot(), false, plan, args);
      return to_slot(static_cast<SlotId>(slot), true, plan, args);
    }
    case CommandRoute::kSplit:
      return split(plan, args);
    case CommandRoute::kAny:
      return to_slot(gateway_.any_slot(), false, plan, args);
    case CommandRoute::kAll:
      forward_to_all(raw_, plan, false);
      return true;
    case CommandRoute::kScan:
      return scan(plan, args);
    case CommandRoute::kHere:
      plan.here(*this, args);
      return true;
    default:
      return refuse(&command, "ERR '" + command.full_name +
                                  "' is not possible through a gateway: ask a node");
  }
}

bool GatewaySession::traceable(const Command& command, const CommandPlan& plan, CommandArgs args) {
  if (transaction.open || plan.waits) return false;
  int slot;
  return goes_by_keys(plan) ||
         (plan.route == CommandRoute::kSplit && one_slot(command, args, &slot));
}

// *slot: -1 when it has no keys, or when a node has to say what is wrong with it. False: they have
// different slots.
bool GatewaySession::one_slot(const Command& command, CommandArgs args, int* slot) {
  std::vector<FoundKey>& keys = gateway_.found_keys();
  keys.clear();
  *slot = -1;
  if (!find_keys(command.spec, args, &keys)) return true;
  for (const FoundKey& key : keys) {
    const int of_key = slot_of(args[key.index]);
    if (*slot >= 0 && of_key != *slot) return false;
    *slot = of_key;
  }
  return true;
}

bool GatewaySession::to_slot(SlotId slot, bool keyed, const CommandPlan& plan, CommandArgs args) {
  const bool waits = plan.waits && may_wait(*last_command, args);
  if (waits && !idle()) {
    wants_idle_ = true;
    return false;
  }
  GatewayNode* node = gateway_.topology().owner(slot);
  if (node != nullptr && !waits) {
    Backend& backend = own_mode() ? *own_link(*node) : gateway_.shared(*node, protocol(), id_);
    if (backend.full()) {
      throttled_ = true;
      gateway_.throttle(*this, backend);
      return false;
    }
  }
  Call& call = take_call();
  call.own_link = waits;
  // What is remembered of a write is its own answer, not what a trace makes of it.
  if (keyed && !traced_) give_number(call, plan);
  forward(call, slot, raw_, plan);
  if (waits) wants_idle_ = true;
  return true;
}

void GatewaySession::forward(Call& call, SlotId slot, std::string_view bytes,
                             const CommandPlan& plan) {
  call.slot = slot;
  call.read_only = !plan.writes;
  if (plan.writes) written_slot_ = slot;
  append(&call);
  send(call, bytes);
}

// --- several nodes ---

Fanout& GatewaySession::start_fanout(const CommandPlan& plan) {
  Call& whole = take_call();
  whole.fanout = std::make_unique<Fanout>();
  whole.fanout->whole = &whole;
  whole.fanout->merge = static_cast<uint8_t>(plan.merge);
  append(&whole);
  ++gateway_.context().stats.splits;
  return *whole.fanout;
}

Call& GatewaySession::add_part(Fanout& fanout, SlotId slot, const CommandPlan& plan) {
  Call& part = take_call();
  part.part_of = &fanout;
  part.slot = slot;
  part.read_only = !plan.writes;
  if (plan.writes) written_slot_ = slot;
  fanout.parts.push_back(&part);
  ++fanout.left;
  return part;
}

Fanout& GatewaySession::forward_to_all(std::string_view bytes, const CommandPlan& plan,
                                       bool fails_fast) {
  Fanout& fanout = start_fanout(plan);
  for (const SlotId slot : gateway_.slots_of_all()) {
    add_part(fanout, slot, plan).fails_fast = fails_fast;
  }
  const std::vector<Call*> parts = fanout.parts;
  for (Call* part : parts) send(*part, bytes);
  return fanout;
}

bool GatewaySession::split(const CommandPlan& plan, CommandArgs args) {
  if ((args.size() - plan.key) % plan.step != 0) {
    return refuse(last_command,
                  "ERR wrong number of arguments for '" + last_command->full_name + "' command");
  }
  if (gateway_.topology().unsharded) return to_slot(gateway_.any_slot(), false, plan, args);
  struct Part {
    SlotId slot;
    std::vector<size_t> keys;
  };
  std::vector<Part> parts;
  std::vector<uint32_t> order;
  std::map<SlotId, uint32_t> part_of;
  for (size_t i = plan.key; i < args.size(); i += plan.step) {
    const SlotId slot = slot_of(args[i]);
    const auto [at, is_new] = part_of.emplace(slot, static_cast<uint32_t>(parts.size()));
    if (is_new) parts.push_back({slot, {}});
    parts[at->second].keys.push_back(i);
    order.push_back(at->second);
  }
  if (parts.size() == 1) return to_slot(parts[0].slot, true, plan, args);
  Fanout& fanout = start_fanout(plan);
  fanout.order = std::move(order);
  for (const Part& part : parts) give_number(add_part(fanout, part.slot, plan), plan);
  const std::vector<Call*> calls = fanout.parts;
  std::string& bytes = gateway_.scratch();
  for (size_t i = 0; i < parts.size(); ++i) {
    std::vector<std::string_view> words = {args[0]};
    for (const size_t key : parts[i].keys) {
      for (size_t k = key; k < key + plan.step; ++k) words.push_back(args[k]);
    }
    bytes.clear();
    append_command(&bytes, words);
    send(*calls[i], bytes);
  }
  return true;
}

bool GatewaySession::scan(const CommandPlan& plan, CommandArgs args) {
  uint64_t cursor = 0, of_node = 0;
  SlotId slot = 0;
  const auto [end, error] =
      std::from_chars(args[1].data(), args[1].data() + args[1].size(), cursor);
  if (error != std::errc() || end != args[1].data() + args[1].size()) {
    return refuse(last_command, errors::kInvalidCursor);
  }
  split_cursor(cursor, &of_node, &slot);
  if (cursor == 0) slot = gateway_.slots_of_all().front();
  Fanout& fanout = start_fanout(plan);
  fanout.whole->slot = slot;
  Call& part = add_part(fanout, slot, plan);
  const std::string digits = std::to_string(of_node);
  std::vector<std::string_view> words(args.begin(), args.end());
  words[1] = digits;
  std::string& bytes = gateway_.scratch();
  bytes.clear();
  append_command(&bytes, words);
  send(part, bytes);
  return true;
}

// --- inside MULTI ---

bool GatewaySession::queue(const Command& command, const CommandPlan& plan, CommandArgs args) {
  const bool possible = plan.in_multi && plan.route != CommandRoute::kRefused;
  if (!possible || command.has(kNoMulti)) {
    return refuse(&command, "ERR '" + command.full_name +
                                "' is not possible inside a transaction through a gateway");
  }
  int slot = -1;
  const bool keyed = goes_by_keys(plan) || plan.route == CommandRoute::kSplit;
  if (keyed && !one_slot(command, args, &slot)) return refuse(&command, kCrossSlot);
  if (slot >= 0 && transaction.slot >= 0 && slot != transaction.slot) {
    return refuse(&command, kCrossSlot);
  }
  if (transaction.bytes.size() + raw_.size() > gateway_.options().resp_query_buffer_bytes) {
    return refuse(&command, "ERR this transaction is too large");
  }
  if (slot >= 0) transaction.slot = slot;
  transaction.bytes.append(raw_);
  transaction.writes = transaction.writes || plan.writes;
  ++transaction.count;
  answer([](ReplyWriter& reply) { reply.simple("QUEUED"); });
  return true;
}

}  // namespace holdfast
