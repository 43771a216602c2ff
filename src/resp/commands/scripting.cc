// Scripts: EVAL and its variants, SCRIPT.
#include "resp/commands/scripting.h"

#include <string>

#include "resp/commands/families.h"
#include "resp/help.h"
#include "resp/script/scripts.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {

bool script_arguments(CommandContext& c, std::span<const std::string_view>* keys,
                      std::span<const std::string_view>* args, std::string_view no_number) {
  int64_t count;
  if (!c.integer(2, &count, no_number)) return false;
  if (count > static_cast<int64_t>(c.argc()) - 3) {
    c.fail("ERR Number of keys can't be greater than number of args");
    return false;
  }
  if (count < 0) {
    c.fail("ERR Number of keys can't be negative");
    return false;
  }
  *keys = c.args.subspan(3, static_cast<size_t>(count));
  *args = c.args.subspan(3 + static_cast<size_t>(count));
  return true;
}

void kill_script(CommandContext& c, bool eval) {
  ScriptRun* running = c.server.running_script();
  if (running == nullptr) return c.fail("NOTBUSY No scripts in execution right now.");
  if (running->wrote) {
    return c.fail(
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
        "either wait the script termination or kill the server in a hard way using the SHUTDOWN "
        "NOSAVE command.");
  }
  if (running->eval != eval) return c.fail(c.server.busy_error());
  running->killed = true;
  c.reply.ok();
}

namespace {

constexpr std::string_view kUnknownScript = "NOSCRIPT No matching script. Please use EVAL.";

void eval_text(CommandContext& c, bool read_only) {
  c.server.show_to_monitors(c);  // before the commands that it runs
  std::span<const std::string_view> keys, args;
  if (!script_arguments(c, &keys, &args)) return;
  std::string error;
  const Script* script = c.server.scripts().load(c.args[1], &error);
  if (script == nullptr) return c.fail(error);
  c.server.scripts().run(c, *script, read_only, keys, args);
}

void eval_known(CommandContext& c, bool read_only) {
  c.server.show_to_monitors(c);
  if (c.args[1].size() != 40) return c.fail(kUnknownScript);
  std::span<const std::string_view> keys, args;
  if (!script_arguments(c, &keys, &args)) return;
  const Script* script = c.server.scripts().find(c.args[1]);
  if (script == nullptr) return c.fail(kUnknownScript);
  c.server.scripts().run(c, *script, read_only, keys, args);
}

void eval(CommandContext& c) { eval_text(c, false); }
void eval_ro(CommandContext& c) { eval_text(c, true); }
void evalsha(CommandContext& c) { eval_known(c, false); }
void evalsha_ro(CommandContext& c) { eval_known(c, true); }

// --- SCRIPT ---

void load(CommandContext& c) {
  std::string error;
  const Script* script = c.server.scripts().load(c.args[2], &error);
  if (script == nullptr) return c.fail(error);
  c.reply.bulk(script->sha);
}

void exists(CommandContext& c) {
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    c.reply.integer(c.server.scripts().find(c.args[i]) != nullptr ? 1 : 0);
  }
}

void flush(CommandContext& c) {
  const bool known = c.argc() == 2 || (c.argc() == 3 && (c.is(2, "SYNC") || c.is(2, "ASYNC")));
  if (!known) return c.fail("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  c.server.scripts().flush();
  c.reply.ok();
}

void kill(CommandContext& c) { kill_script(c, true); }

void debug(CommandContext& c) {
  if (c.is(2, "NO")) return c.reply.ok();
  if (c.is(2, "YES") || c.is(2, "SYNC")) {
    return c.fail("ERR this server has no debugger for scripts");
  }
  c.fail("ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void help(CommandContext& c) {
  reply_help(c,
             {"DEBUG (YES|SYNC|NO)", "    Set the debug mode for subsequent scripts executed.",
              "EXISTS <sha1> [<sha1> ...]",
              "    Return information about the existence of the scripts in the script cache.",
              "FLUSH [ASYNC|SYNC]", "    Flush the Lua scripts cache. Very dangerous on replicas.",
              "    When called without the optional mode argument, the behavior is determined "
              "by the",
              "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
              "    * ASYNC: Asynchronously flush the scripts cache.",
              "    * SYNC: Synchronously flush the scripts cache.", "KILL",
              "    Kill the currently executing Lua script.", "LOAD <script>",
              "    Load a script into the scripts cache without executing it."});
}

constexpr uint32_t kEvalFlags = kNoScript | kStale | kSkipMonitor | kNoMandatoryKeys | kMovableKeys;
constexpr auto kAnyUse = KeySpec::counted(kKeyRW | kKeyAccess | kKeyUpdate, 2);
constexpr auto kReadUse = KeySpec::counted(kKeyRO | kKeyAccess, 2);
constexpr std::string_view kRunTime = "Depends on the script that is executed.";

constexpr CommandSpec kScript[] = {
    {.name = "debug",
     .arity = 3,
     .flags = kNoScript,
     .categories = kCatScripting,
     .handler = debug,
     .group = "scripting",
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Sets the debug mode of server-side Lua scripts.",
     .syntax = "<YES | SYNC | NO>"},
    {.name = "exists",
     .arity = -3,
     .flags = kNoScript,
     .categories = kCatScripting,
     .handler = exists,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(N) with N being the number of scripts to check (so checking a single script "
                   "is an O(1) operation).",
     .summary = "Determines whether server-side Lua scripts exist in the script cache.",
     .syntax = "sha1 [sha1 ...]"},
    {.name = "flush",
     .arity = -2,
     .flags = kNoScript,
     .categories = kCatScripting,
     .handler = flush,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(N) with N being the number of scripts in cache",
     .summary = "Removes all server-side Lua scripts from the script cache.",
     .syntax = "[ASYNC | SYNC]"},
    {.name = "help",
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = kCatScripting,
     .handler = help,
     .group = "scripting",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "kill",
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .categories = kCatScripting,
     .handler = kill,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Terminates a server-side Lua script during execution."},
    {.name = "load",
     .arity = 3,
     .flags = kNoScript | kStale,
     .categories = kCatScripting,
     .handler = load,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(N) with N being the length in bytes of the script body.",
     .summary = "Loads a server-side Lua script to the script cache.",
     .syntax = "script"},
};

constexpr CommandSpec kCommands[] = {
    {.name = "eval",
     .arity = -3,
     .flags = kEvalFlags,
     .categories = kCatScripting,
     .keys = {kAnyUse},
     .handler = eval,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = kRunTime,
     .summary = "Executes a server-side Lua script.",
     .syntax = "script numkeys [key [key ...]] [arg [arg ...]]"},
    {.name = "evalsha",
     .arity = -3,
     .flags = kEvalFlags,
     .categories = kCatScripting,
     .keys = {kAnyUse},
     .handler = evalsha,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = kRunTime,
     .summary = "Executes a server-side Lua script by SHA1 digest.",
     .syntax = "sha1 numkeys [key [key ...]] [arg [arg ...]]"},
    {.name = "eval_ro",
     .arity = -3,
     .flags = kEvalFlags | kReadonly,
     .categories = kCatScripting,
     .keys = {kReadUse},
     .handler = eval_ro,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = kRunTime,
     .summary = "Executes a read-only server-side Lua script.",
     .syntax = "script numkeys [key [key ...]] [arg [arg ...]]"},
    {.name = "evalsha_ro",
     .arity = -3,
     .flags = kEvalFlags | kReadonly,
     .categories = kCatScripting,
     .keys = {kReadUse},
     .handler = evalsha_ro,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = kRunTime,
     .summary = "Executes a read-only server-side Lua script by SHA1 digest.",
     .syntax = "sha1 numkeys [key [key ...]] [arg [arg ...]]"},
    {.name = "script",
     .arity = -2,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Lua scripts management commands.",
     .subcommands = kScript},
};

}  // namespace

std::span<const CommandSpec> scripting_commands() { return kCommands; }

}  // namespace holdfast
