// See redis_library.h.
#include "resp/script/redis_library.h"

#include <lua.hpp>
#include <string>

#include "base/log.h"
#include "base/sha.h"
#include "base/version.h"
#include "resp/script/lua_machine.h"
#include "resp/script/lua_reply.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

enum ScriptLogLevel : int { kDebug = 0, kVerbose = 1, kNotice = 2, kWarning = 3 };
enum Propagation : int { kReplNone = 0, kReplLog = 1, kReplReplica = 2 };

int fail(lua_State* lua, std::string_view text) {
  push_error(lua, text);
  return lua_error(lua);
}

int sha1hex(lua_State* lua) {
  if (lua_gettop(lua) != 1) return fail(lua, "wrong number of arguments");
  size_t size;
  const char* text = lua_tolstring(lua, 1, &size);
  const std::string digest =
      to_hex(sha1(text == nullptr ? std::string_view() : std::string_view(text, size)));
  lua_pushlstring(lua, digest.data(), digest.size());
  return 1;
}

// These two do not raise: what is wrong is the value they give.
bool is_one_string(lua_State* lua) {
  if (lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING) return true;
  push_error(lua, "wrong number or type of arguments");
  return false;
}

int error_reply(lua_State* lua) {
  if (!is_one_string(lua)) return 1;
  const std::string_view text = lua_tostring(lua, 1);
  push_error(lua, text.starts_with('-') ? std::string(text) : std::string("-").append(text));
  return 1;
}

int status_reply(lua_State* lua) {
  if (!is_one_string(lua)) return 1;
  lua_createtable(lua, 0, 1);
  lua_pushvalue(lua, 1);
  lua_setfield(lua, -2, "ok");
  return 1;
}

int log(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count < 2) return fail(lua, "redis.log() requires two arguments or more.");
  if (lua_isnumber(lua, 1) == 0) {
    return fail(lua, "First argument must be a number (log level).");
  }
  const auto level = static_cast<int>(lua_tonumber(lua, 1));
  if (level < kDebug || level > kWarning) return fail(lua, "Invalid debug level.");
  std::string text;
  for (int i = 2; i <= count; ++i) {
    size_t size;
    const char* part = lua_tolstring(lua, i, &size);
    if (part == nullptr) continue;
    if (i > 2) text.push_back(' ');
    text.append(part, size);
  }
  switch (level) {
    case kDebug:
    case kVerbose:
      log_debug("script", {{"text", text}});
      break;
    case kNotice:
      log_info("script", {{"text", text}});
      break;
    default:
      log_warning("script", {{"text", text}});
  }
  return 0;
}

// There is no debugger to stop in.
int breakpoint(lua_State* lua) {
  lua_pushboolean(lua, 0);
  return 1;
}

int debug(lua_State*) { return 0; }

// Effects are what is replicated, whatever a script asks for.
int replicate_commands(lua_State* lua) {
  lua_pushboolean(lua, 1);
  return 1;
}

void set_number(lua_State* lua, const char* name, int value) {
  lua_pushinteger(lua, value);
  lua_setfield(lua, -2, name);
}

// "7.2.4" is 0x00070204.
int version_number(std::string_view version) {
  int number = 0, part = 0;
  for (const char c : version) {
    if (c == '.') {
      number = (number << 8) | part;
      part = 0;
    } else {
      part = part * 10 + (c - '0');
    }
  }
  return (number << 8) | part;
}

}  // namespace

LuaMachine& RedisLibrary::machine_of(lua_State* lua) {
  return *static_cast<LuaMachine*>(lua_touserdata(lua, lua_upvalueindex(1)));
}

int RedisLibrary::call(lua_State* lua) { return machine_of(lua).call_command(lua, true); }
int RedisLibrary::pcall(lua_State* lua) { return machine_of(lua).call_command(lua, false); }

int RedisLibrary::set_protocol(lua_State* lua) {
  LuaMachine& machine = machine_of(lua);
  if (machine.run_ == nullptr) {
    return fail(lua, "redis.setresp can only be called inside a script invocation");
  }
  if (lua_gettop(lua) != 1) return fail(lua, "redis.setresp() requires one argument.");
  const auto protocol = static_cast<int>(lua_tonumber(lua, 1));
  if (protocol != 2 && protocol != 3) return fail(lua, "RESP version must be 2 or 3.");
  machine.reply_.set_protocol(protocol);
  return 0;
}

int RedisLibrary::set_replication(lua_State* lua) {
  if (machine_of(lua).run_ == nullptr) {
    return fail(lua, "redis.set_repl can only be called inside a script invocation");
  }
  if (lua_gettop(lua) != 1) return fail(lua, "redis.set_repl() requires one argument.");
  const auto flags = static_cast<int>(lua_tonumber(lua, 1));
  if ((flags & ~(kReplLog | kReplReplica)) != 0) {
    return fail(lua,
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  // Durability is not a script's to give up: every effect is logged and replicated.
  return 0;
}

int RedisLibrary::acl_check_command(lua_State* lua) {
  LuaMachine& machine = machine_of(lua);
  if (machine.run_ == nullptr) {
    return fail(lua, "redis.acl_check_cmd can only be called inside a script invocation");
  }
  if (!machine.take_arguments(lua)) return lua_error(lua);
  const Command* command = machine.server_.commands().find(machine.args_[0]);
  if (command != nullptr && !command->subcommands.empty() && machine.args_.size() > 1) {
    command = command->subcommand(machine.args_[1]);
  }
  if (command == nullptr) return fail(lua, "Invalid command passed to redis.acl_check_cmd()");
  const Session& session = machine.run_->context->session;
  const bool allowed = machine.server_.check_access(session, *command, machine.args_).allowed();
  lua_pushboolean(lua, allowed ? 1 : 0);
  return 1;
}

void RedisLibrary::fill(LuaMachine& machine) {
  lua_State* lua = machine.lua();
  constexpr luaL_Reg kOfMachine[] = {{"call", call},
                                     {"pcall", pcall},
                                     {"setresp", set_protocol},
                                     {"set_repl", set_replication},
                                     {"acl_check_cmd", acl_check_command}};
  for (const luaL_Reg& row : kOfMachine) {
    lua_pushlightuserdata(lua, &machine);
    lua_pushcclosure(lua, row.func, 1);
    lua_setfield(lua, -2, row.name);
  }
  constexpr luaL_Reg kPlain[] = {
      {"sha1hex", sha1hex}, {"error_reply", error_reply}, {"status_reply", status_reply}};
  for (const luaL_Reg& row : kPlain) {
    lua_pushcfunction(lua, row.func);
    lua_setfield(lua, -2, row.name);
  }
  set_number(lua, "REPL_NONE", kReplNone);
  set_number(lua, "REPL_AOF", kReplLog);
  set_number(lua, "REPL_SLAVE", kReplReplica);
  set_number(lua, "REPL_REPLICA", kReplReplica);
  set_number(lua, "REPL_ALL", kReplLog | kReplReplica);
  fill_for_loading(machine);
}

void RedisLibrary::fill_for_loading(LuaMachine& machine) {
  lua_State* lua = machine.lua();
  lua_pushcfunction(lua, log);
  lua_setfield(lua, -2, "log");
  set_number(lua, "LOG_DEBUG", kDebug);
  set_number(lua, "LOG_VERBOSE", kVerbose);
  set_number(lua, "LOG_NOTICE", kNotice);
  set_number(lua, "LOG_WARNING", kWarning);
  set_number(lua, "REDIS_VERSION_NUM", version_number(kRedisVersion));
  lua_pushlstring(lua, kRedisVersion.data(), kRedisVersion.size());
  lua_setfield(lua, -2, "REDIS_VERSION");
}

void RedisLibrary::add_eval_functions(LuaMachine& machine) {
  machine.add_function("breakpoint", breakpoint);
  machine.add_function("debug", debug);
  machine.add_function("replicate_commands", replicate_commands);
}

}  // namespace holdfast
