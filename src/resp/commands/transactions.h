// MULTI, EXEC, DISCARD, WATCH, UNWATCH: what the dispatcher needs to know of them.
#pragma once

#include "resp/context.h"

namespace holdfast {

void exec_command(CommandContext& c);
// True for the commands that run at once between MULTI and EXEC.
bool runs_inside_multi(const Command& command);
// Ends MULTI, drops what is queued and watched (DISCARD, RESET).
void discard_transaction(Server& server, Session& session);
// EXEC was refused before it ran, for `reason` (an error line).
void abort_exec(Server& server, Session& session, std::string_view reason);

}  // namespace holdfast
