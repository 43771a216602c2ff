// Lua libraries that scripts expect and that no Debian package has: cmsgpack and struct, with the
// formats, limits and error texts of those that Redis ships.
//
// Errors are raised as C++ exceptions (liblua5.1-c++), so destructors run.
#pragma once

struct lua_State;

namespace holdfast {

// Each sets a global table of its name and leaves it on the stack.
int open_cmsgpack(lua_State* lua);
int open_struct(lua_State* lua);

}  // namespace holdfast
