// Replies of commands as Lua values and back, by Redis's rules: nil is false in RESP2, a status is
// {ok=..}, an error {err=..}, RESP3's types are tables named after them; a number comes back as an
// integer without its fraction, an array ends before its first nil.
#pragma once

#include <string>
#include <string_view>

#include "resp/reply_writer.h"

struct lua_State;

namespace holdfast {

// Pushes the value of one whole reply. REQUIRES: it was written by a ReplyWriter.
void push_reply(lua_State* lua, std::string_view reply);

// Pushes {err="CODE text"}. The text may begin with "-CODE "; without a code it is ERR.
// `counted`: the error is in the statistics already.
void push_error(lua_State* lua, std::string_view text, bool counted = false);

// Writes the value on top of the stack and takes it. `script_protocol`: what the script has set.
void write_value(lua_State* lua, int script_protocol, ReplyWriter* reply);

// Writes the error that lua_pcall left, and takes it. `name`: the script's or function's.
void write_error(lua_State* lua, std::string_view name, ReplyWriter* reply);

}  // namespace holdfast
