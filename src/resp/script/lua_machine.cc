// See lua_machine.h. The library `redis` is in redis_library.cc.
#include "resp/script/lua_machine.h"

#include <cstdio>
#include <lua.hpp>
#include <new>

#include "base/assert.h"
#include "base/log.h"
#include "resp/script/lua_reply.h"
#include "resp/script/lua_sandbox.h"
#include "resp/script/redis_library.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

char g_machine_key;  // in the registry: the LuaMachine

constexpr int kHookInstructions = 100'000;
constexpr int kRunsPerCollection = 50;
constexpr size_t kNumberBytes = 32;          // of "%.17g"
constexpr size_t kKeptReplyBytes = 1 << 20;  // a larger reply buffer is given back

struct FlagName {
  uint32_t flag;
  std::string_view name;
};
constexpr FlagName kFlagNames[] = {{kScriptNoWrites, "no-writes"},
                                   {kScriptAllowOom, "allow-oom"},
                                   {kScriptAllowStale, "allow-stale"},
                                   {kScriptNoCluster, "no-cluster"},
                                   {kScriptAllowCrossSlotKeys, "allow-cross-slot-keys"}};

}  // namespace

uint32_t script_flag(std::string_view name) {
  for (const FlagName& known : kFlagNames) {
    if (known.name == name) return known.flag;
  }
  return 0;
}

std::vector<std::string_view> script_flag_names(uint32_t flags) {
  std::vector<std::string_view> names;
  for (const FlagName& known : kFlagNames) {
    if ((flags & known.flag) != 0) names.push_back(known.name);
  }
  return names;
}

LuaMachine::LuaMachine(Server& server) : server_(server), lua_(open_sandbox(&memory_)) {
  if (lua_ == nullptr) throw std::bad_alloc();
  lua_pushlightuserdata(lua_, &g_machine_key);
  lua_pushlightuserdata(lua_, this);
  lua_rawset(lua_, LUA_REGISTRYINDEX);
  lua_newtable(lua_);
  RedisLibrary::fill(*this);
  lua_setglobal(lua_, "redis");
}

LuaMachine::~LuaMachine() { lua_close(lua_); }

void LuaMachine::add_function(const char* name, int (*function)(lua_State*)) {
  lua_getglobal(lua_, "redis");
  lua_pushlightuserdata(lua_, this);
  lua_pushcclosure(lua_, function, 1);
  lua_setfield(lua_, -2, name);
  lua_pop(lua_, 1);
}

void LuaMachine::lock() {
  lua_getglobal(lua_, "redis");
  set_protected_global(lua_, "redis");
  lock_globals(lua_);
}

bool LuaMachine::compile(std::string_view text, const char* chunk_name) {
  reset_environment(lua_);
  return load_text(lua_, text, chunk_name);
}

bool LuaMachine::admit(CommandContext& c, uint32_t flags, bool read_only_command) {
  if ((flags & kScriptCompat) != 0) return true;
  if ((flags & kScriptAllowOom) == 0 && c.server.out_of_memory()) {
    c.fail(
        "OOM allow-oom flag is not set on the script, can not run it when used memory > "
        "'maxmemory'");
    return false;
  }
  if ((flags & kScriptNoWrites) != 0) return true;
  if (c.shard().failed()) {
    c.fail(errors::kLogFailed);
    return false;
  }
  if (read_only_command) {
    c.fail("ERR Can not execute a script with write flag using *_ro command.");
    return false;
  }
  return true;
}

void LuaMachine::push_strings(std::span<const std::string_view> strings) {
  lua_createtable(lua_, static_cast<int>(strings.size()), 0);
  int i = 0;
  for (const std::string_view text : strings) {
    lua_pushlstring(lua_, text.data(), text.size());
    lua_rawseti(lua_, -2, ++i);
  }
}

void LuaMachine::run(CommandContext& c, uint32_t flags, bool read_only, bool eval,
                     std::string_view name, std::span<const std::string_view> keys,
                     std::span<const std::string_view> args) {
  HF_ASSERT(run_ == nullptr);
  ScriptRun now;
  now.context = &c;
  now.name = name;
  now.eval = eval;
  now.read_only = read_only || (flags & kScriptNoWrites) != 0;
  now.allow_oom = (flags & kScriptAllowOom) != 0;
  now.out_of_memory = server_.out_of_memory();
  now.any_slot = (flags & kScriptAllowCrossSlotKeys) != 0;
  now.start_ns = server_.clock().mono_ns();
  run_ = &now;
  server_.set_running_script(run_);
  reply_.set_protocol(2);
  reset_environment(lua_);
  const int db = c.session.state.db;
  if (server_.options().script_busy_ms > 0) {
    lua_sethook(lua_, hook, LUA_MASKCOUNT, kHookInstructions);
  }
  lua_pushcfunction(lua_, describe_error);
  lua_insert(lua_, -2);
  const int error_function = lua_gettop(lua_) - 1;
  push_strings(keys);
  if (eval) set_script_global(lua_, "KEYS");
  push_strings(args);
  if (eval) set_script_global(lua_, "ARGV");
  const int status = lua_pcall(lua_, eval ? 0 : 2, 1, error_function);
  lua_sethook(lua_, nullptr, 0, 0);
  c.session.state.db = db;
  server_.set_running_script(nullptr);
  run_ = nullptr;
  finish_run(c, status, name);
  lua_settop(lua_, error_function - 1);
  if (++runs_ % kRunsPerCollection == 0) lua_gc(lua_, LUA_GCSTEP, kRunsPerCollection);
}

void LuaMachine::finish_run(CommandContext& c, int status, std::string_view name) {
  if (status != 0) {
    write_error(lua_, name, &c.reply);
  } else {
    write_value(lua_, reply_.protocol(), &c.reply);
  }
}

bool LuaMachine::run_alone(int64_t limit_ms) {
  alone_until_ns_ = server_.clock().mono_ns() + limit_ms * 1'000'000;
  lua_sethook(lua_, hook, LUA_MASKCOUNT, kHookInstructions);
  lua_pushcfunction(lua_, describe_error);
  lua_insert(lua_, -2);
  const int error_function = lua_gettop(lua_) - 1;
  const int status = lua_pcall(lua_, 0, 0, error_function);
  lua_remove(lua_, error_function);
  lua_sethook(lua_, nullptr, 0, 0);
  alone_until_ns_ = 0;
  return status == 0;
}

// --- the time a script may take ---

void LuaMachine::hook(lua_State* lua, lua_Debug*) {
  lua_pushlightuserdata(lua, &g_machine_key);
  lua_rawget(lua, LUA_REGISTRYINDEX);
  auto* machine = static_cast<LuaMachine*>(lua_touserdata(lua, -1));
  lua_pop(lua, 1);
  machine->interrupt(lua);
}

void LuaMachine::interrupt(lua_State* lua) {
  const int64_t now_ns = server_.clock().mono_ns();
  if (alone_until_ns_ != 0) {
    if (now_ns < alone_until_ns_) return;
    lua_sethook(lua, hook, LUA_MASKLINE, 0);  // no pcall of the script's goes on behind it
    push_error(lua, "FUNCTION LOAD timeout");
    lua_error(lua);
  }
  if (run_ == nullptr) return;
  if (!run_->busy) {
    const int64_t took_ms = (now_ns - run_->start_ns) / 1'000'000;
    if (took_ms < server_.options().script_busy_ms) return;
    log_warning("a script runs for long; other clients get BUSY until it ends",
                {{"script", run_->name}, {"ms", took_ms}});
    run_->busy = true;
  }
  server_.serve_while_busy(run_->context->session);
  if (!run_->killed) return;
  log_warning("script killed", {{"script", run_->name}});
  lua_sethook(lua, hook, LUA_MASKLINE, 0);
  push_error(lua, run_->eval ? "Error running script: Script killed by user with SCRIPT KILL..."
                             : "Error running function: Script killed by user with FUNCTION KILL");
  lua_error(lua);
}

// --- redis.call ---

bool LuaMachine::take_arguments(lua_State* lua) {
  const int count = lua_gettop(lua);
  if (count == 0) {
    push_error(lua, "Please specify at least one argument for this redis lib call");
    return false;
  }
  args_.resize(static_cast<size_t>(count));
  numbers_.resize(args_.size() * kNumberBytes);
  for (int i = 0; i < count; ++i) {
    std::string_view& arg = args_[static_cast<size_t>(i)];
    switch (lua_type(lua, i + 1)) {
      case LUA_TSTRING: {
        size_t size;
        const char* text = lua_tolstring(lua, i + 1, &size);  // lives while it is on the stack
        arg = {text, size};
        break;
      }
      case LUA_TNUMBER: {
        // Lua's own conversion would lose digits.
        char* text = &numbers_[static_cast<size_t>(i) * kNumberBytes];
        const int size = std::snprintf(text, kNumberBytes, "%.17g", lua_tonumber(lua, i + 1));
        arg = {text, static_cast<size_t>(size)};
        break;
      }
      default:
        push_error(lua, "Lua redis lib command arguments must be strings or integers");
        return false;
    }
  }
  return true;
}

std::string LuaMachine::refusal(const Command& command) const {
  if (!command.arity_ok(args_.size()) || command.spec.handler == nullptr) {
    return "Wrong number of args calling Redis command from script";
  }
  if (command.has(kNoScript)) return "This Redis command is not allowed from script";
  const Session& session = run_->context->session;
  if (const AclDecision access = server_.check_access(session, command, args_); !access.allowed()) {
    server_.record_denial(session, access, AclContext::kLua, command, args_);
    return "ACL failure in script: " +
           acl_denial_text(access, *session.state.user, command, args_, false);
  }
  if (command.has(kWrite) && run_->read_only) {
    return "Write commands are not allowed from read-only scripts.";
  }
  if (command.has(kWrite) && run_->context->shard().failed())
    return "-" + std::string(errors::kLogFailed);
  // A script that has begun to write is not stopped half way.
  if (command.has(kDenyOom) && !run_->wrote && !run_->allow_oom) {
    if (run_->out_of_memory) return "-OOM command not allowed when used memory > 'maxmemory'.";
    if (run_->context->shard().engine().out_of_space())
      return "-" + std::string(errors::kDeviceFull);
  }
  return {};
}

std::string LuaMachine::refusal_of_keys(const Command& command) {
  const Route route = server_.route_of_keys(command, args_);
  if (route.slot == Route::kNoSlot) return {};
  constexpr const char* kOtherSlot =
      "Script attempted to access keys that do not hash to the same slot";
  if (route.crosses_slots) return kOtherSlot;
  if (route.shard == nullptr || !route.shard->serves()) {
    return "Script attempted to access a non local key in a cluster node";
  }
  CommandContext& context = *run_->context;
  if (context.slot() == Route::kNoSlot) {
    context.bind(static_cast<SlotId>(route.slot), *route.shard);
  } else if (context.slot() != route.slot && !(run_->any_slot && &context.shard() == route.shard)) {
    return kOtherSlot;
  }
  if (command.has(kWrite) && !context.shard().failed() && !context.shard().accepts_writes()) {
    return "-" + std::string(errors::kNoReplicas);
  }
  return {};
}

int LuaMachine::call_command(lua_State* lua, bool raise) {
  if (run_ == nullptr) {
    push_error(lua, "redis.call/pcall can only be called inside a script invocation");
    return lua_error(lua);
  }
  if (!take_arguments(lua)) return raise ? lua_error(lua) : 1;
  const Command* command = server_.commands().find(args_[0]);
  if (command != nullptr && !command->subcommands.empty() && args_.size() > 1) {
    command = command->subcommand(args_[1]);
  }
  std::string reason =
      command == nullptr ? "Unknown Redis command called from script" : refusal(*command);
  if (reason.empty() && server_.shards().in_cluster()) reason = refusal_of_keys(*command);
  if (!reason.empty()) {
    server_.count_refused(command, reason);
    push_error(lua, reason, true);
    return raise ? lua_error(lua) : 1;
  }
  if (command->has(kWrite)) run_->wrote = true;
  const uint64_t start = output_.position();
  server_.run_nested(*run_->context, reply_, *command, args_, true);
  iovec parts[2];
  std::string_view reply;
  const size_t count = output_.gather(parts);
  if (count == 1) {
    reply = {static_cast<const char*>(parts[0].iov_base), parts[0].iov_len};
  } else {
    joined_.clear();
    output_.copy_to(&joined_);
    reply = joined_;
  }
  lua_settop(lua, 0);
  const bool failed = reply.starts_with('-');
  push_reply(lua, reply);
  output_.rewind(start);
  if (output_.allocated_bytes() > kKeptReplyBytes) output_.clear();
  if (joined_.capacity() > kKeptReplyBytes) std::string().swap(joined_);
  return failed && raise ? lua_error(lua) : 1;
}

}  // namespace holdfast
