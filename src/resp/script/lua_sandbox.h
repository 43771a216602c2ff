// A Lua state as scripts get it: Redis's libraries, no way out, and globals that cannot be changed.
//
// Lua 5.1 as packaged has no read-only tables, so each protected table is an empty one whose
// metatable leads to the real one, and the functions that look past metatables (rawset, next,
// table.insert, ...) are replaced by such as know them. Scripts see the tables as Redis's: they can
// be read and walked through, and a change is "Attempt to modify a readonly table".
//
// The library is linked as liblua5.1-c++: errors are C++ exceptions, destructors run.
// Threads: the reactor's only.
#pragma once

#include <cstddef>
#include <string_view>

struct lua_State;

namespace holdfast {

// Makes a state with the libraries; null when there is no memory. `count` points to where bytes in
// use are counted, and outlives the state.
lua_State* open_sandbox(size_t* memory);

// Compiles text and leaves the function, or the message, on the stack. Compiled code is refused
// like any text that makes no sense: it could do anything.
bool load_text(lua_State* lua, std::string_view text, const char* name);

// The table on top of the stack becomes the global `name`, read-only, with every table in it. Taken
// from the stack.
void set_protected_global(lua_State* lua, const char* name);
// A changeable global of the script's (KEYS, ARGV): the value on top of the stack, which is taken.
void set_script_global(lua_State* lua, const char* name);

// Ends the setting up: all that is global now can be read only, and reading what is not there is an
// error.
void lock_globals(lua_State* lua);
// Puts the read-only globals in place for code compiled from now on, and for the function on top of
// the stack. A script that ran before may have changed both.
void reset_environment(lua_State* lua);

// While a library is loaded scripts see one global, `redis`: the table on top of the stack, which
// is taken.
void make_load_globals(lua_State* lua);
void use_load_globals(lua_State* lua, bool on);

// Leaves what is on top of the stack as the error of lua_pcall: a table with `err`, `source` and
// `line`. For lua_pcall's error function.
int describe_error(lua_State* lua);

}  // namespace holdfast
