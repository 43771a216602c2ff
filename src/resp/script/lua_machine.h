// LuaMachine: a sandboxed Lua state with the `redis` library, and the run of one script in it.
//
// A run is part of the command that started it (EVAL, FCALL): commands that the script calls are
// nested commands, so all effects are one entry of the log and recovery runs no script.
//
// A script that runs longer than script.busy_ms serves other clients between its instructions: they
// get BUSY for all but what may end it. It can be killed as long as it wrote nothing.
//
// Threads: the reactor's only.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/context.h"
#include "resp/output.h"
#include "resp/reply_writer.h"

struct lua_State;
struct lua_Debug;

namespace holdfast {

// Flags of a script's first line, or of a function.
enum ScriptFlag : uint32_t {
  kScriptNoWrites = 1 << 0,
  kScriptAllowOom = 1 << 1,
  kScriptAllowStale = 1 << 2,
  kScriptNoCluster = 1 << 3,
  kScriptAllowCrossSlotKeys = 1 << 4,
  kScriptCompat = 1 << 5,  // an EVAL script without a first line: nothing is known about it
};
// 0 when there is no such flag.
uint32_t script_flag(std::string_view name);
// "no-writes", ... in the order of the bits.
std::vector<std::string_view> script_flag_names(uint32_t flags);

// What runs now.
struct ScriptRun {
  CommandContext* context = nullptr;
  std::string_view name;   // a script's SHA1, a function's name
  bool eval = true;        // SCRIPT KILL ends it, not FUNCTION KILL
  bool read_only = false;  // writes are refused
  bool allow_oom = false;
  bool out_of_memory = false;  // when it began
  bool wrote = false;
  bool any_slot = false;  // of its shard, in a cluster
  bool busy = false;      // over its time: others are served and refused
  bool killed = false;
  int64_t start_ns = 0;
};

class LuaMachine {
 public:
  explicit LuaMachine(Server& server);
  ~LuaMachine();
  LuaMachine(const LuaMachine&) = delete;
  LuaMachine& operator=(const LuaMachine&) = delete;

  lua_State* lua() { return lua_; }
  // Bytes that the state takes.
  size_t memory() const { return memory_; }

  // Adds a function to the library `redis` before lock(); upvalue 1 is the LuaMachine.
  void add_function(const char* name, int (*function)(lua_State*));
  void lock();

  // Compiles and leaves the function on the stack; false with the message left there.
  bool compile(std::string_view text, const char* chunk_name);

  // May the script run now? If not, the reason was replied.
  static bool admit(CommandContext& c, uint32_t flags, bool read_only_command);

  // Runs the function on top of the stack, which is taken, and writes its reply or its error.
  // EVAL's get keys and arguments as globals, others as parameters.
  void run(CommandContext& c, uint32_t flags, bool read_only, bool eval, std::string_view name,
           std::span<const std::string_view> keys, std::span<const std::string_view> args);
  // Runs it with no command around it and a limit on its time (a library that is loaded); false
  // with the error, a table, left on the stack.
  bool run_alone(int64_t limit_ms);

 private:
  friend struct RedisLibrary;

  int call_command(lua_State* lua, bool raise);
  bool take_arguments(lua_State* lua);
  // Why the command may not run; empty when it may.
  std::string refusal(const Command& command) const;
  // The same for its keys, in a cluster. The first ones that a script names decide on its shard.
  std::string refusal_of_keys(const Command& command);
  void push_strings(std::span<const std::string_view> strings);
  void finish_run(CommandContext& c, int status, std::string_view name);
  void interrupt(lua_State* lua);
  static void hook(lua_State* lua, lua_Debug*);

  Server& server_;
  size_t memory_ = 0;
  lua_State* lua_;
  ScriptRun* run_ = nullptr;
  int64_t alone_until_ns_ = 0;  // 0: not run_alone

  // Of redis.call, kept from call to call.
  std::vector<std::string_view> args_;
  std::vector<char> numbers_;
  Output output_;
  ReplyWriter reply_{&output_};
  std::string joined_;  // a reply of more than one chunk
  uint32_t runs_ = 0;
};

}  // namespace holdfast
