// See lua_sandbox.h.
#include "resp/script/lua_sandbox.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <lua.hpp>
#include <new>
#include <string>

#include "resp/script/lua_libraries.h"

extern "C" {
int luaopen_cjson(lua_State* lua);
int luaopen_bit(lua_State* lua);
}

namespace holdfast {
namespace {

// Registry and metatable keys: addresses, which no script can name.
char g_real_key;     // in a protection's metatable: the real table
char g_globals_key;  // in the registry: the protection of the globals
char g_table_key;    // in the registry: the real globals
char g_random_key;   // in the registry: the generator's state
char g_load_key;     // in the registry: the globals while a library is loaded

constexpr const char* kReadonly = "Attempt to modify a readonly table";

void* allocate(void* memory, void* block, size_t old_size, size_t new_size) {
  auto* used = static_cast<size_t*>(memory);
  if (new_size == 0) {
    std::free(block);
    *used -= old_size;
    return nullptr;
  }
  void* grown = std::realloc(block, new_size);
  if (grown != nullptr) *used += new_size - old_size;
  return grown;
}

// Pushes the real table behind the value at `index` if it is a protected one; else nothing.
bool push_real(lua_State* lua, int index) {
  if (lua_type(lua, index) != LUA_TTABLE || lua_getmetatable(lua, index) == 0) return false;
  lua_pushlightuserdata(lua, &g_real_key);
  lua_rawget(lua, -2);
  if (lua_istable(lua, -1)) {
    lua_remove(lua, -2);
    return true;
  }
  lua_pop(lua, 2);
  return false;
}

int refuse_change(lua_State* lua) { return luaL_error(lua, "%s", kReadonly); }

// Of a protected table, as Redis's C functions refuse it: without a position in front.
void check_changeable(lua_State* lua, int index) {
  if (!push_real(lua, index)) return;
  lua_pushstring(lua, kReadonly);
  lua_error(lua);
}

// Pushes an empty table that cannot be changed.
void push_sealed(lua_State* lua) {
  lua_newtable(lua);
  lua_createtable(lua, 0, 2);
  lua_pushcfunction(lua, refuse_change);
  lua_setfield(lua, -2, "__newindex");
  lua_pushboolean(lua, 0);
  lua_setfield(lua, -2, "__metatable");
  lua_setmetatable(lua, -2);
}

// Replaces the table on top by its protection. Tables within must be protected before.
void protect(lua_State* lua) {
  lua_newtable(lua);           // real, protection
  lua_createtable(lua, 0, 4);  // real, protection, meta
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "__index");
  lua_pushcfunction(lua, refuse_change);
  lua_setfield(lua, -2, "__newindex");
  push_sealed(lua);  // what getmetatable gives
  lua_setfield(lua, -2, "__metatable");
  lua_pushlightuserdata(lua, &g_real_key);
  lua_pushvalue(lua, -4);
  lua_rawset(lua, -3);
  lua_setmetatable(lua, -2);
  lua_remove(lua, -2);
}

// --- functions that look past metatables ---

int safe_rawset(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  luaL_checkany(lua, 3);
  check_changeable(lua, 1);
  lua_settop(lua, 3);
  lua_rawset(lua, 1);
  return 1;
}

int safe_rawget(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_checkany(lua, 2);
  lua_settop(lua, 2);
  if (push_real(lua, 1)) lua_replace(lua, 1);
  lua_rawget(lua, 1);
  return 1;
}

int safe_next(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_settop(lua, 2);
  if (push_real(lua, 1)) lua_replace(lua, 1);
  if (lua_next(lua, 1) != 0) return 2;
  lua_pushnil(lua);
  return 1;
}

// Upvalue 1: safe_next.
int safe_pairs(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  lua_pushvalue(lua, lua_upvalueindex(1));
  lua_pushvalue(lua, 1);
  lua_pushnil(lua);
  return 3;
}

int safe_setmetatable(lua_State* lua) {
  const int type = lua_type(lua, 2);
  luaL_checktype(lua, 1, LUA_TTABLE);
  luaL_argcheck(lua, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
  check_changeable(lua, 1);
  if (luaL_getmetafield(lua, 1, "__metatable") != 0) {
    luaL_error(lua, "cannot change a protected metatable");
  }
  lua_settop(lua, 2);
  lua_setmetatable(lua, 1);
  return 1;
}

// The most called of them: done here, not handed on.
int safe_insert(lua_State* lua) {
  luaL_checktype(lua, 1, LUA_TTABLE);
  check_changeable(lua, 1);
  int end = static_cast<int>(lua_objlen(lua, 1)) + 1;
  switch (lua_gettop(lua)) {
    case 2:
      break;
    case 3: {
      const int position = luaL_checkint(lua, 2);
      if (position > end) end = position;
      for (int i = end; i > position; --i) {
        lua_rawgeti(lua, 1, i - 1);
        lua_rawseti(lua, 1, i);
      }
      end = position;
      break;
    }
    default:
      return luaL_error(lua, "wrong number of arguments to 'insert'");
  }
  lua_rawseti(lua, 1, end);
  return 0;
}

int safe_loadstring(lua_State* lua) {
  size_t size;
  const char* text = luaL_checklstring(lua, 1, &size);
  const char* name = luaL_optstring(lua, 2, text);
  if (load_text(lua, {text, size}, name)) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

// load(function): the pieces are put together first.
int safe_load(lua_State* lua) {
  const char* name = luaL_optstring(lua, 2, "=(load)");
  luaL_checktype(lua, 1, LUA_TFUNCTION);
  std::string text;
  while (true) {
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 1);
    if (lua_isnil(lua, -1)) break;
    if (lua_isstring(lua, -1) == 0) luaL_error(lua, "reader function must return a string");
    size_t size;
    const char* piece = lua_tolstring(lua, -1, &size);
    if (size == 0) break;
    text.append(piece, size);
    lua_pop(lua, 1);
  }
  if (load_text(lua, text, name)) return 1;
  lua_pushnil(lua);
  lua_insert(lua, -2);
  return 2;
}

// An error of redis.call is a table; a script that catches it gets its text, as from older servers.
int text_pcall(lua_State* lua) {
  luaL_checkany(lua, 1);
  const int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
  if (status != 0 && lua_istable(lua, -1)) {
    lua_getfield(lua, -1, "err");
    if (lua_isstring(lua, -1) != 0) {
      lua_replace(lua, -2);
    } else {
      lua_pop(lua, 1);
    }
  }
  lua_pushboolean(lua, status == 0 ? 1 : 0);
  lua_insert(lua, 1);
  return lua_gettop(lua);
}

// --- math.random: the same numbers everywhere, for one seed ---

struct Lrand48 {
  uint64_t state = 0x1234abcd330e;  // as it is before any seed
  void seed(int32_t from) {
    state = static_cast<uint64_t>(static_cast<uint32_t>(from)) << 16 | 0x330e;
  }
  int32_t next() {
    state = (state * 0x5deece66dULL + 0xb) & ((1ULL << 48) - 1);
    return static_cast<int32_t>(state >> 17);
  }
};

Lrand48& generator(lua_State* lua) {
  lua_pushlightuserdata(lua, &g_random_key);
  lua_rawget(lua, LUA_REGISTRYINDEX);
  auto* found = static_cast<Lrand48*>(lua_touserdata(lua, -1));
  lua_pop(lua, 1);
  return *found;
}

int math_random(lua_State* lua) {
  const lua_Number r =
      static_cast<lua_Number>(generator(lua).next() % INT32_MAX) / lua_Number{INT32_MAX};
  switch (lua_gettop(lua)) {
    case 0:
      lua_pushnumber(lua, r);
      return 1;
    case 1: {
      const int most = luaL_checkint(lua, 1);
      luaL_argcheck(lua, 1 <= most, 1, "interval is empty");
      lua_pushnumber(lua, std::floor(r * most) + 1);
      return 1;
    }
    case 2: {
      const int least = luaL_checkint(lua, 1);
      const int most = luaL_checkint(lua, 2);
      luaL_argcheck(lua, least <= most, 2, "interval is empty");
      lua_pushnumber(lua, std::floor(r * (lua_Number{1} * most - least + 1)) + least);
      return 1;
    }
    default:
      return luaL_error(lua, "wrong number of arguments");
  }
}

int math_randomseed(lua_State* lua) {
  generator(lua).seed(static_cast<int32_t>(luaL_checkint(lua, 1)));
  return 0;
}

int os_clock(lua_State* lua) {
  lua_pushnumber(lua, static_cast<lua_Number>(std::clock()) / CLOCKS_PER_SEC);
  return 1;
}

int missing_global(lua_State* lua) {
  const char* name = lua_tostring(lua, 2);
  return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                    name == nullptr ? "(no name)" : name);
}

// --- putting it together ---

void open(lua_State* lua, const char* name, lua_CFunction library) {
  lua_pushcfunction(lua, library);
  lua_pushstring(lua, name);
  lua_call(lua, 1, 0);
}

void set_global(lua_State* lua, const char* name, lua_CFunction function) {
  lua_pushcfunction(lua, function);
  lua_setglobal(lua, name);
}

void replace_functions(lua_State* lua) {
  for (const char* name : {"dofile", "loadfile", "print", "getfenv", "setfenv", "newproxy"}) {
    lua_pushnil(lua);
    lua_setglobal(lua, name);
  }
  set_global(lua, "rawset", safe_rawset);
  set_global(lua, "rawget", safe_rawget);
  set_global(lua, "next", safe_next);
  set_global(lua, "setmetatable", safe_setmetatable);
  set_global(lua, "loadstring", safe_loadstring);
  set_global(lua, "load", safe_load);
  set_global(lua, "pcall", text_pcall);
  lua_getglobal(lua, "next");
  lua_pushcclosure(lua, safe_pairs, 1);
  lua_setglobal(lua, "pairs");
  lua_getglobal(lua, "table");
  lua_pushcfunction(lua, safe_insert);
  lua_setfield(lua, -2, "insert");
  lua_pop(lua, 1);
  lua_getglobal(lua, "math");
  lua_pushcfunction(lua, math_random);
  lua_setfield(lua, -2, "random");
  lua_pushcfunction(lua, math_randomseed);
  lua_setfield(lua, -2, "randomseed");
  lua_pop(lua, 1);
  lua_newtable(lua);
  lua_pushcfunction(lua, os_clock);
  lua_setfield(lua, -2, "clock");
  lua_setglobal(lua, "os");
}

int set_up(lua_State* lua) {
  open(lua, "", luaopen_base);
  open(lua, LUA_TABLIBNAME, luaopen_table);
  open(lua, LUA_STRLIBNAME, luaopen_string);
  open(lua, LUA_MATHLIBNAME, luaopen_math);
  open(lua, "cjson", luaopen_cjson);
  lua_pushcfunction(lua, luaopen_cjson);
  lua_call(lua, 0, 1);
  lua_setglobal(lua, "cjson");
  open(lua, "struct", open_struct);
  open(lua, "cmsgpack", open_cmsgpack);
  open(lua, "bit", luaopen_bit);
  lua_pushlightuserdata(lua, &g_random_key);
  new (lua_newuserdata(lua, sizeof(Lrand48))) Lrand48;
  lua_rawset(lua, LUA_REGISTRYINDEX);
  replace_functions(lua);
  lua_pushlightuserdata(lua, &g_table_key);
  lua_pushvalue(lua, LUA_GLOBALSINDEX);
  lua_rawset(lua, LUA_REGISTRYINDEX);
  return 0;
}

// To read what is not in the table on top is an error from now on.
void refuse_missing(lua_State* lua) {
  lua_createtable(lua, 0, 1);
  lua_pushcfunction(lua, missing_global);
  lua_setfield(lua, -2, "__index");
  lua_setmetatable(lua, -2);
}

void push_real_globals(lua_State* lua) {
  lua_pushlightuserdata(lua, &g_table_key);
  lua_rawget(lua, LUA_REGISTRYINDEX);
}

}  // namespace

bool load_text(lua_State* lua, std::string_view text, const char* name) {
  if (!text.starts_with(LUA_SIGNATURE[0])) {
    return luaL_loadbuffer(lua, text.data(), text.size(), name) == 0;
  }
  // Behind a space it is text, with a first symbol that the compiler refuses.
  const std::string harmless = " " + std::string(text);
  return luaL_loadbuffer(lua, harmless.data(), harmless.size(), name) == 0;
}

lua_State* open_sandbox(size_t* memory) {
  lua_State* lua = lua_newstate(allocate, memory);
  if (lua == nullptr) return nullptr;
  if (lua_cpcall(lua, set_up, nullptr) != 0) {
    lua_close(lua);
    return nullptr;
  }
  return lua;
}

void set_protected_global(lua_State* lua, const char* name) {
  protect(lua);
  set_script_global(lua, name);
}

void set_script_global(lua_State* lua, const char* name) {
  push_real_globals(lua);
  lua_insert(lua, -2);
  lua_pushstring(lua, name);
  lua_insert(lua, -2);
  lua_rawset(lua, -3);
  lua_pop(lua, 1);
}

void lock_globals(lua_State* lua) {
  for (const char* name :
       {"string", "table", "math", "coroutine", "os", "cjson", "cmsgpack", "struct", "bit"}) {
    push_real_globals(lua);
    lua_getfield(lua, -1, name);
    lua_remove(lua, -2);
    if (lua_istable(lua, -1)) {
      set_protected_global(lua, name);
    } else {
      lua_pop(lua, 1);
    }
  }
  // Methods of strings: what getmetatable('') gives is read-only too.
  lua_pushliteral(lua, "");
  lua_getmetatable(lua, -1);
  push_real_globals(lua);
  lua_getfield(lua, -1, "string");
  lua_remove(lua, -2);
  lua_setfield(lua, -2, "__index");
  lua_newtable(lua);
  lua_getfield(lua, -2, "__index");
  lua_setfield(lua, -2, "__index");
  protect(lua);
  lua_setfield(lua, -2, "__metatable");
  lua_pop(lua, 2);

  push_real_globals(lua);
  refuse_missing(lua);
  lua_pushvalue(lua, -1);
  protect(lua);
  lua_pushliteral(lua, "_G");
  lua_pushvalue(lua, -2);
  lua_rawset(lua, -4);
  lua_pushlightuserdata(lua, &g_globals_key);
  lua_insert(lua, -2);
  lua_rawset(lua, LUA_REGISTRYINDEX);
  lua_pop(lua, 1);
}

void reset_environment(lua_State* lua) {
  lua_pushlightuserdata(lua, &g_globals_key);
  lua_rawget(lua, LUA_REGISTRYINDEX);
  lua_pushvalue(lua, -1);
  lua_replace(lua, LUA_GLOBALSINDEX);
  if (lua_isfunction(lua, -2)) {
    lua_setfenv(lua, -2);
  } else {
    lua_pop(lua, 1);
  }
}

void make_load_globals(lua_State* lua) {
  refuse_missing(lua);
  protect(lua);
  lua_pushlightuserdata(lua, &g_load_key);
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, -3);
  lua_setfield(lua, -2, "redis");
  refuse_missing(lua);
  lua_rawset(lua, LUA_REGISTRYINDEX);
  lua_pop(lua, 1);
}

void use_load_globals(lua_State* lua, bool on) {
  lua_pushlightuserdata(lua, &g_globals_key);
  lua_rawget(lua, LUA_REGISTRYINDEX);
  lua_getmetatable(lua, -1);
  lua_pushlightuserdata(lua, on ? &g_load_key : &g_table_key);
  lua_rawget(lua, LUA_REGISTRYINDEX);
  lua_setfield(lua, -2, "__index");
  lua_pop(lua, 2);
}

int describe_error(lua_State* lua) {
  if (!lua_istable(lua, -1)) {
    const char* text = lua_tostring(lua, -1);
    if (text == nullptr) text = luaL_typename(lua, -1);
    lua_createtable(lua, 0, 3);
    lua_pushfstring(lua, "ERR %s", text);
    lua_setfield(lua, -2, "err");
  }
  // Who raised it: the function of the script when that was one in C.
  lua_Debug where;
  bool known = lua_getstack(lua, 1, &where) != 0 && lua_getinfo(lua, "Sl", &where) != 0;
  if (known && where.what[0] == 'C') {
    known = lua_getstack(lua, 2, &where) != 0 && lua_getinfo(lua, "Sl", &where) != 0;
  }
  if (known) {
    lua_pushstring(lua, where.source);
    lua_setfield(lua, -2, "source");
    lua_pushinteger(lua, where.currentline);
    lua_setfield(lua, -2, "line");
  }
  return 1;
}

}  // namespace holdfast
