// See functions.h.
#include "resp/script/functions.h"

#include <algorithm>
#include <cctype>
#include <lua.hpp>

#include "base/log.h"
#include "resp/command_table.h"
#include "resp/script/lua_reply.h"
#include "resp/script/lua_sandbox.h"
#include "resp/script/redis_library.h"
#include "resp/server.h"

namespace holdfast {
namespace {

constexpr int64_t kLoadLimitMs = 500;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  });
}

std::string_view next_word(std::string_view* text) {
  const size_t end = text->find(' ');
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return word;
}

int fail(lua_State* lua, std::string_view text) {
  push_error(lua, text);
  return lua_error(lua);
}

// --- redis.register_function ---

bool read_flags(lua_State* lua, uint32_t* flags) {
  for (int i = 1;; ++i) {
    lua_rawgeti(lua, -1, i);
    if (lua_isnil(lua, -1)) break;
    const uint32_t flag = lua_type(lua, -1) == LUA_TSTRING ? script_flag(lua_tostring(lua, -1)) : 0;
    lua_pop(lua, 1);
    if (flag == 0) return false;
    *flags |= flag;
  }
  lua_pop(lua, 1);
  return true;
}

// register_function{function_name=.., callback=.., flags={..}, description=..}
Function described_function(lua_State* lua) {
  Function described;
  bool has_name = false, has_callback = false;
  if (!lua_istable(lua, 1)) {
    fail(lua,
         "calling redis.register_function with a single argument is only applicable to Lua table "
         "(representing named arguments).");
  }
  lua_pushnil(lua);
  while (lua_next(lua, 1) != 0) {
    if (lua_isstring(lua, -2) == 0) {
      fail(lua, "named argument key given to redis.register_function is not a string");
    }
    // A number is no argument; turning it into text would disturb lua_next.
    const std::string_view key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
    if (equals_ignoring_case(key, "function_name")) {
      if (lua_isstring(lua, -1) == 0) {
        fail(lua, "function_name argument given to redis.register_function must be a string");
      }
      lua_pushvalue(lua, -1);  // turning a number into text must not disturb lua_next
      described.name = lua_tostring(lua, -1);
      lua_pop(lua, 1);
      has_name = true;
    } else if (equals_ignoring_case(key, "description")) {
      if (lua_isstring(lua, -1) == 0) {
        fail(lua, "description argument given to redis.register_function must be a string");
      }
      lua_pushvalue(lua, -1);
      described.description = lua_tostring(lua, -1);
      lua_pop(lua, 1);
    } else if (equals_ignoring_case(key, "callback")) {
      if (!lua_isfunction(lua, -1)) {
        fail(lua, "callback argument given to redis.register_function must be a function");
      }
      if (has_callback) luaL_unref(lua, LUA_REGISTRYINDEX, described.function);
      lua_pushvalue(lua, -1);
      described.function = luaL_ref(lua, LUA_REGISTRYINDEX);
      has_callback = true;
    } else if (equals_ignoring_case(key, "flags")) {
      if (!lua_istable(lua, -1)) {
        fail(lua,
             "flags argument to redis.register_function must be a table representing function "
             "flags");
      }
      if (!read_flags(lua, &described.flags)) fail(lua, "unknown flag given");
    } else {
      fail(lua, "unknown argument given to redis.register_function");
    }
    lua_pop(lua, 1);
  }
  if (!has_name) fail(lua, "redis.register_function must get a function name argument");
  if (!has_callback) fail(lua, "redis.register_function must get a callback argument");
  return described;
}

int register_function(lua_State* lua) {
  auto* functions = static_cast<Functions*>(lua_touserdata(lua, lua_upvalueindex(1)));
  const int count = lua_gettop(lua);
  Function made;
  if (count < 1 || count > 2) {
    return fail(lua, "wrong number of arguments to redis.register_function");
  }
  if (count == 1) {
    made = described_function(lua);
  } else {
    if (lua_isstring(lua, 1) == 0) {
      return fail(lua, "first argument to redis.register_function must be a string");
    }
    made.name = lua_tostring(lua, 1);
    if (!lua_isfunction(lua, 2)) {
      return fail(lua, "second argument to redis.register_function must be a function");
    }
    lua_pushvalue(lua, 2);
    made.function = luaL_ref(lua, LUA_REGISTRYINDEX);
  }
  std::string error;
  const int reference = made.function;
  if (functions->add(std::move(made), &error)) return 0;
  luaL_unref(lua, LUA_REGISTRYINDEX, reference);
  return fail(lua, error);
}

}  // namespace

bool read_library_header(std::string_view code, std::string* name, std::string_view* body,
                         std::string* error) {
  if (!code.starts_with("#!")) {
    *error = "ERR Missing library metadata";
    return false;
  }
  const size_t end = code.find('\n');
  if (end == std::string_view::npos) {
    *error = "ERR Invalid library metadata";
    return false;
  }
  std::string_view line = code.substr(2, end - 2);
  *body = code.substr(end);
  const std::string_view engine = next_word(&line);
  std::optional<std::string_view> given;
  while (!line.empty()) {
    const std::string_view word = next_word(&line);
    if (!lower(word.substr(0, 5)).starts_with("name=")) {
      *error = "ERR Invalid metadata value given: " + std::string(word);
      return false;
    }
    if (given) {
      *error = "ERR Invalid metadata value, name argument was given multiple times";
      return false;
    }
    given = word.substr(5);
  }
  if (!given) {
    *error = "ERR Library name was not given";
  } else if (!is_name(*given)) {
    *error =
        "ERR Library names can only contain letters, numbers, or underscores(_) and must be at "
        "least one character long";
  } else if (!equals_ignoring_case(engine, "lua")) {
    *error = "ERR Engine '" + std::string(engine) + "' not found";
  } else {
    *name = *given;
    return true;
  }
  return false;
}

Functions::Functions(Server& server, const Keyspace& keyspace)
    : server_(server), keyspace_(keyspace) {
  make_machine();
}

void Functions::make_machine() {
  machine_ = std::make_unique<LuaMachine>(server_);
  machine_->lock();
  lua_State* lua = machine_->lua();
  lua_newtable(lua);
  RedisLibrary::fill_for_loading(*machine_);
  lua_pushlightuserdata(lua, this);
  lua_pushcclosure(lua, register_function, 1);
  lua_setfield(lua, -2, "register_function");
  make_load_globals(lua);
}

size_t Functions::code_bytes() const {
  size_t bytes = 0;
  for (const auto& [name, library] : libraries_) bytes += library.code.size();
  return bytes;
}

const Function* Functions::find(std::string_view name) const {
  const auto found = by_name_.find(lower(name));
  return found == by_name_.end() ? nullptr : found->second.function;
}

bool Functions::add(Function function, std::string* error) {
  if (!is_name(function.name)) {
    *error =
        "Library names can only contain letters, numbers, or underscores(_) and must be at least "
        "one character long";
    return false;
  }
  if (loading_->functions.contains(function.name)) {
    *error = "Function already exists in the library";
    return false;
  }
  std::string name = function.name;
  loading_->functions.emplace(std::move(name), std::move(function));
  return true;
}

bool Functions::compile(std::string_view code, Library* library, std::string* error) {
  std::string_view body;
  if (!read_library_header(code, &library->name, &body, error)) return false;
  library->code = code;
  lua_State* lua = machine_->lua();
  if (!machine_->compile(body, "@user_function")) {
    *error = "ERR Error compiling function: " + std::string(lua_tostring(lua, -1));
    lua_pop(lua, 1);
    return false;
  }
  loading_ = library;
  use_load_globals(lua, true);
  const bool loaded = machine_->run_alone(kLoadLimitMs);
  use_load_globals(lua, false);
  loading_ = nullptr;
  if (!loaded) {
    std::string why = "execution failure";
    if (lua_istable(lua, -1)) lua_getfield(lua, -1, "err");
    if (lua_isstring(lua, -1) != 0) why = lua_tostring(lua, -1);
    *error = "ERR Error registering functions: " + why;
    lua_settop(lua, 0);
  } else if (library->functions.empty()) {
    *error = "ERR No functions registered";
  } else {
    return true;
  }
  drop(*library);
  return false;
}

const Function* Functions::clash(const Library& library) const {
  for (const auto& [key, function] : library.functions) {
    const auto other = by_name_.find(lower(key));
    if (other != by_name_.end() && other->second.library->name != library.name) return &function;
  }
  return nullptr;
}

void Functions::drop(Library& library) {
  for (const auto& [key, function] : library.functions) {
    luaL_unref(machine_->lua(), LUA_REGISTRYINDEX, function.function);
  }
  library.functions.clear();
}

void Functions::index(const Library& library) {
  for (const auto& [key, function] : library.functions) {
    by_name_[lower(key)] = {&library, &function};
  }
}

void Functions::adopt(Library library) {
  forget(library.name);
  std::string name = library.name;
  index(libraries_.emplace(std::move(name), std::move(library)).first->second);
  version_ = keyspace_.libraries_version();
}

void Functions::forget(const std::string& name) {
  const auto found = libraries_.find(name);
  if (found != libraries_.end()) {
    for (const auto& [key, function] : found->second.functions) by_name_.erase(lower(key));
    drop(found->second);
    libraries_.erase(found);
  }
  version_ = keyspace_.libraries_version();
}

void Functions::forget_all() {
  by_name_.clear();
  libraries_.clear();
  make_machine();
  version_ = keyspace_.libraries_version();
}

void Functions::sync() {
  if (version_ == keyspace_.libraries_version()) return;
  forget_all();
  for (const auto& [name, code] : keyspace_.libraries()) {
    Library library;
    std::string error;
    if (compile(code, &library, &error)) {
      adopt(std::move(library));
    } else {
      log_error("a library that was loaded before cannot be compiled",
                {{"library", name}, {"reason", error}});
    }
  }
}

void Functions::run(CommandContext& c, const Function& function, bool read_only,
                    std::span<const std::string_view> keys,
                    std::span<const std::string_view> args) {
  // A function that may write is refused by FCALL_RO; admit() asks by the flags alone.
  if (!LuaMachine::admit(c, function.flags, read_only)) return;
  lua_rawgeti(machine_->lua(), LUA_REGISTRYINDEX, function.function);
  machine_->run(c, function.flags, read_only, false, function.name, keys, args);
}

}  // namespace holdfast
