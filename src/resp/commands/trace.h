// TRACE, and traces as replies.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "resp/command.h"
#include "resp/facts.h"
#include "resp/server.h"

namespace holdfast {

class CommandContext;

// The row's handler: TRACE HELP. With anything else behind it TRACE is taken off before.
void trace_command(CommandContext& c);
// `command`, that of args[0], is TRACE with a command behind it.
bool is_trace_of_another(const Command& command, std::span<const std::string_view> args);

struct TracedCall {
  Shard* shard = nullptr;
  int slot = -1;  // of its keys, in a cluster
  Seq wrote = 0;  // the entry; 0: nothing
  Seq saw = 0;    // the newest that it saw or wrote there
  CallTimes times;
  std::string reply;    // encoded
  bool waited = false;  // for the commit of what it saw
};
// `answered_ns`: now.
void reply_trace(ReplyWriter& reply, const TracedCall& call, int64_t answered_ns);

// How a write went and when: its group and steps, as far as they are known. `write` and
// `group` may be null. `answered_ns`: 0 if that is not known.
void trace_facts(ReplyWriter& reply, CountedFacts& facts, const WriteTrace* write,
                 const GroupTrace* group, int64_t answered_ns);
// "client", "client_name", "command" of who wrote.
void origin_facts(const Server& server, CountedFacts& facts, const WriteTrace& write);

// SLOWLOG TRACES [count]
void slowlog_traces_command(CommandContext& c);

}  // namespace holdfast
