// Handlers of CLIENT's subcommands for client-side caching; their rows are in client.cc.
#pragma once

namespace holdfast {

class CommandContext;

void client_tracking(CommandContext& c);
void client_tracking_info(CommandContext& c);
void client_caching(CommandContext& c);
void client_getredir(CommandContext& c);

}  // namespace holdfast
