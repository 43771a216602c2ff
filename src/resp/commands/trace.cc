// TRACE: a command of our own: what became of a command, step by step. SLOWLOG TRACES: the same of
// writes that were slow.
#include "resp/commands/trace.h"

#include <algorithm>
#include <vector>

#include "resp/commands/families.h"
#include "resp/commands/operator_rows.h"
#include "resp/context.h"
#include "resp/help.h"

namespace holdfast {
namespace {

struct Step {
  std::string name;
  int64_t at_ns;
};

std::vector<Step> steps_of(const WriteTrace* write, const GroupTrace* group, int64_t answered_ns) {
  std::vector<Step> steps;
  const auto add = [&steps](std::string name, int64_t at_ns) {
    if (at_ns != 0) steps.push_back({std::move(name), at_ns});
  };
  if (write != nullptr) {
    add("received", write->received_ns);
    add("started", write->started_ns);
    add(write->seq != 0 ? "applied" : "read", write->applied_ns);
  }
  if (group != nullptr) {
    add("logged", group->logged_ns);
    add("flushed", group->flushed_ns);
    for (const GroupTrace::Copy& copy : group->copies) {
      add("prepared_by_" + std::to_string(copy.node), copy.at_ns);
    }
    add("committed", group->committed_ns);
  }
  add("answered", answered_ns);
  std::ranges::stable_sort(steps, {}, &Step::at_ns);
  return steps;
}

}  // namespace

bool is_trace_of_another(const Command& command, std::span<const std::string_view> args) {
  if (command.spec.handler != trace_command || args.size() < 2) return false;
  return args.size() > 2 || !equals_ignoring_case(args[1], "help");
}

void trace_command(CommandContext& c) {
  reply_help(c, {"<command> [<argument> ...]",
                 "    Run the command and return its reply with what became of it: the shard and",
                 "    the entry of its log, and when each step was done, in microseconds since the",
                 "    command was received."});
}

void trace_facts(ReplyWriter& reply, CountedFacts& facts, const WriteTrace* write,
                 const GroupTrace* group, int64_t answered_ns) {
  if (group != nullptr) {
    facts.number("group_entries", group->last - group->first + 1);
    facts.number("group_bytes", group->bytes);
  }
  const std::vector<Step> steps = steps_of(write, group, answered_ns);
  facts.name("steps_usec");
  reply.map(steps.size());
  const Facts each{reply};
  for (const Step& step : steps) {
    each.number(step.name, static_cast<uint64_t>(step.at_ns - steps[0].at_ns) / 1000);
  }
}

void origin_facts(const Server& server, CountedFacts& facts, const WriteTrace& write) {
  facts.text("command", write.command);
  facts.number("client_id", write.client);
  if (write.client == 0) return;
  const ClientName client = server.client_name(write.client);
  facts.text("client", client.address);
  facts.text("client_name", client.name);
}

void reply_trace(ReplyWriter& reply, const TracedCall& call, int64_t answered_ns) {
  CountedFacts facts(reply);
  facts.name("reply");
  reply.output().append(call.reply);
  facts.number("shard", call.shard->id());
  if (call.slot >= 0) facts.number("slot", static_cast<uint64_t>(call.slot));
  const Replica* replica = call.shard->replica();
  if (replica != nullptr) facts.number("node", replica->core().self().node);
  if (call.wrote != 0) facts.number("seq", call.wrote);
  if (call.wrote == 0 && call.waited) facts.number("waited_for", call.saw);
  const WriteTrace times{call.wrote,           0, {}, call.times.received_ns, call.times.started_ns,
                         call.times.applied_ns};
  facts.number("epoch", call.shard->epoch());
  const GroupTrace* group = call.waited ? call.shard->traces().group_of(call.saw) : nullptr;
  trace_facts(reply, facts, &times, group, answered_ns);
  facts.end();
}

void slowlog_traces_command(CommandContext& c) {
  int64_t count = 10;
  if (c.argc() > 3) return fail_subcommand(c);
  if (c.argc() == 3 && !c.integer_between(2, -1, INT32_MAX, &count)) return;
  struct Row {
    const SlowWrite* slow;
    const Shard* shard;
  };
  std::vector<Row> rows;
  for (Shard* shard : c.server.shards().all()) {
    for (const SlowWrite& slow : shard->traces().slow()) rows.push_back({&slow, shard});
  }
  std::ranges::stable_sort(rows, std::greater<>(),
                           [](const Row& row) { return row.slow->wall_ms; });
  if (count >= 0 && rows.size() > static_cast<size_t>(count))
    rows.resize(static_cast<size_t>(count));
  c.reply.array(rows.size());
  for (const auto& [slow, shard] : rows) {
    CountedFacts facts(c.reply);
    facts.number("time_ms", static_cast<uint64_t>(slow->wall_ms));
    facts.number("took_usec", static_cast<uint64_t>(slow->took_ns()) / 1000);
    origin_facts(c.server, facts, slow->write);
    facts.number("shard", shard->id());
    facts.number("seq", slow->write.seq);
    facts.number("epoch", slow->group.epoch);
    trace_facts(c.reply, facts, &slow->write, &slow->group, 0);
    facts.end();
  }
}

namespace {

constexpr CommandSpec kCommands[] = {
    operator_row("trace", -2, kNoScript | kStale, trace_command,
                 "Runs a command and returns what became of it, step by step.",
                 "command [arg [arg ...]]"),
};

}  // namespace

std::span<const CommandSpec> trace_commands() { return kCommands; }

}  // namespace holdfast
