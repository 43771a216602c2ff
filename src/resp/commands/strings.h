// Handlers of the string family that live outside strings.cc, for its rows.
#pragma once

namespace holdfast {

class CommandContext;

void incr_command(CommandContext& c);
void decr_command(CommandContext& c);
void incrby_command(CommandContext& c);
void decrby_command(CommandContext& c);
void incrbyfloat_command(CommandContext& c);
void lcs_command(CommandContext& c);

}  // namespace holdfast
