// Handlers of the string family by file; their rows are in strings.cc.
#pragma once

namespace holdfast {

class CommandContext;

// strings_value.cc: whole values
void set_command(CommandContext& c);
void setnx_command(CommandContext& c);
void setex_command(CommandContext& c);
void psetex_command(CommandContext& c);
void get_command(CommandContext& c);
void getset_command(CommandContext& c);
void getdel_command(CommandContext& c);
void getex_command(CommandContext& c);
void mget_command(CommandContext& c);
void mset_command(CommandContext& c);
void msetnx_command(CommandContext& c);

// strings_number.cc
void incr_command(CommandContext& c);
void decr_command(CommandContext& c);
void incrby_command(CommandContext& c);
void decrby_command(CommandContext& c);
void incrbyfloat_command(CommandContext& c);

// lcs.cc
void lcs_command(CommandContext& c);

}  // namespace holdfast
