// The library `redis` of scripts: redis.call and its like.
#pragma once

struct lua_State;

namespace holdfast {

class LuaMachine;

struct RedisLibrary {
  // Adds the functions and constants to the table on top of the machine's stack.
  static void fill(LuaMachine& machine);
  // The part of them that there is while a library is loaded.
  static void fill_for_loading(LuaMachine& machine);
  // Those that only EVAL's scripts have.
  static void add_eval_functions(LuaMachine& machine);

 private:
  static LuaMachine& machine_of(lua_State* lua);
  static int call(lua_State* lua);
  static int pcall(lua_State* lua);
  static int set_protocol(lua_State* lua);
  static int set_replication(lua_State* lua);
  static int acl_check_command(lua_State* lua);
};

}  // namespace holdfast
