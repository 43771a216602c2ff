// Functions: FCALL, FCALL_RO, FUNCTION. Libraries are changed by effects, so they are as durable as
// keys; FLUSHALL leaves them alone, as in Redis.
//
// Every shard keeps libraries of its own, which its replicas have too; a call uses those of the
// shard of its keys. Changes are made to all that serve here, or to none.
#include <string>
#include <vector>

#include "base/assert.h"
#include "resp/commands/families.h"
#include "resp/commands/scripting.h"
#include "resp/help.h"
#include "resp/script/functions.h"
#include "resp/server.h"
#include "resp/session.h"
#include "store/glob.h"
#include "store/rdb_value.h"

namespace holdfast {
namespace {

// The shard's functions, up to date; what they show waits for what it rests on.
Functions& functions_of(CommandContext& c, Shard& shard) {
  c.observe(shard, shard.keyspace().libraries_at());
  Functions& functions = c.server.functions(shard);
  functions.sync();
  return functions;
}
Functions& functions_of(CommandContext& c) { return functions_of(c, c.shard()); }

void call(CommandContext& c, bool read_only) {
  c.server.show_to_monitors(c);
  Functions& functions = functions_of(c);
  const Function* function = functions.find(c.args[1]);
  if (function == nullptr) return c.fail("ERR Function not found");
  std::span<const std::string_view> keys, args;
  if (!script_arguments(c, &keys, &args, "ERR Bad number of keys provided")) return;
  functions.run(c, *function, read_only, keys, args);
}

void fcall(CommandContext& c) { call(c, false); }
void fcall_ro(CommandContext& c) { call(c, true); }

// --- changes ---

// Libraries for one shard, compiled and not in use yet.
struct Compiled {
  Shard* shard;
  Functions* functions;
  std::vector<Library> libraries = {};

  void drop() {
    for (Library& library : libraries) functions->drop(library);
    libraries.clear();
  }
};

void adopt(Compiled& compiled) {
  for (Library& library : compiled.libraries) {
    CommandContext::emit_on(*compiled.shard,
                            Effect::put_library(library_image(library.name, library.code)));
    compiled.functions->adopt(std::move(library));
  }
}

void flush_libraries(Shard& shard, Functions& functions) {
  if (!functions.libraries().empty()) {
    CommandContext::emit_on(shard, Effect::erase_library({}));
  }
  functions.forget_all();
}

bool compile_new(Functions& functions, std::string_view code, bool replace, Compiled* compiled,
                 std::string* error) {
  std::string name;
  std::string_view body;
  if (!read_library_header(code, &name, &body, error)) return false;
  if (!replace && functions.libraries().contains(name)) {
    *error = "ERR Library '" + name + "' already exists";
    return false;
  }
  Library library;
  if (!functions.compile(code, &library, error)) return false;
  const Function* clash = functions.clash(library);
  if (clash != nullptr) *error = "ERR Function " + clash->name + " already exists";
  compiled->libraries.push_back(std::move(library));
  return clash == nullptr;
}

void load(CommandContext& c) {
  bool replace = false;
  for (size_t i = 2; i + 1 < c.argc(); ++i) {
    if (!c.is(i, "REPLACE")) {
      return c.fail("ERR Unknown option given: " + std::string(c.args[i]));
    }
    replace = true;
  }
  const std::string_view code = c.args[c.argc() - 1];
  std::vector<Compiled> all;
  std::string error;
  for (Shard* shard : c.server.shards().served()) {
    all.push_back({shard, &functions_of(c, *shard)});
    if (compile_new(*all.back().functions, code, replace, &all.back(), &error)) continue;
    for (Compiled& compiled : all) compiled.drop();
    return c.fail(error);
  }
  const std::string name = all.front().libraries.front().name;
  for (Compiled& compiled : all) adopt(compiled);
  c.reply.bulk(name);
}

void delete_library(CommandContext& c) {
  const std::string name(c.args[2]);
  bool found = false;
  for (Shard* shard : c.server.shards().served()) {
    Functions& functions = functions_of(c, *shard);
    if (!functions.libraries().contains(name)) continue;
    CommandContext::emit_on(*shard, Effect::erase_library(name));
    functions.forget(name);
    found = true;
  }
  if (!found) return c.fail("ERR Library not found");
  c.reply.ok();
}

void flush(CommandContext& c) {
  const bool known = c.argc() == 2 || (c.argc() == 3 && (c.is(2, "SYNC") || c.is(2, "ASYNC")));
  if (!known) return c.fail("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  for (Shard* shard : c.server.shards().served()) {
    flush_libraries(*shard, functions_of(c, *shard));
  }
  c.reply.ok();
}

// --- looking ---

void reply_function(CommandContext& c, const Function& function) {
  c.reply.map(3);
  c.reply.bulk("name");
  c.reply.bulk(function.name);
  c.reply.bulk("description");
  if (function.description) {
    c.reply.bulk(*function.description);
  } else {
    c.reply.null();
  }
  c.reply.bulk("flags");
  const std::vector<std::string_view> names = script_flag_names(function.flags);
  c.reply.set(names.size());
  for (const std::string_view name : names) c.reply.simple(name);
}

void reply_library(CommandContext& c, const Library& library, bool with_code) {
  c.reply.map(with_code ? 4 : 3);
  c.reply.bulk("library_name");
  c.reply.bulk(library.name);
  c.reply.bulk("engine");
  c.reply.bulk("LUA");
  c.reply.bulk("functions");
  c.reply.array(library.functions.size());
  for (const auto& [key, function] : library.functions) reply_function(c, function);
  if (!with_code) return;
  c.reply.bulk("library_code");
  c.reply.bulk(library.code);
}

void list(CommandContext& c) {
  bool with_code = false, has_pattern = false;
  std::string_view pattern;
  for (size_t i = 2; i < c.argc(); ++i) {
    if (!with_code && c.is(i, "WITHCODE")) {
      with_code = true;
    } else if (!has_pattern && c.is(i, "LIBRARYNAME")) {
      if (++i == c.argc()) return c.fail("ERR library name argument was not given");
      pattern = c.args[i];
      has_pattern = true;
    } else {
      return c.fail("ERR Unknown argument " + std::string(c.args[i]));
    }
  }
  std::vector<const Library*> shown;
  for (const auto& [name, library] : functions_of(c).libraries()) {
    if (!has_pattern || glob_match(pattern, name, GlobCase::kIgnore)) shown.push_back(&library);
  }
  c.reply.array(shown.size());
  for (const Library* library : shown) reply_library(c, *library, with_code);
}

void stats(CommandContext& c) {
  const ScriptRun* running = c.server.running_script();
  const bool function = running != nullptr && !running->eval;
  c.reply.map(2);
  c.reply.bulk("running_script");
  if (function) {
    c.reply.map(3);
    c.reply.bulk("name");
    c.reply.bulk(running->name);
    c.reply.bulk("command");
    c.reply.array(running->context->argc());
    for (const std::string_view arg : running->context->args) c.reply.bulk(arg);
    c.reply.bulk("duration_ms");
    c.reply.integer((c.server.clock().mono_ns() - running->start_ns) / 1'000'000);
  } else {
    c.reply.null();
  }
  if (running == nullptr) functions_of(c);
  c.reply.bulk("engines");
  c.reply.map(1);
  c.reply.bulk("LUA");
  c.reply.map(2);
  c.reply.bulk("libraries_count");
  c.reply.integer(static_cast<int64_t>(c.server.functions(c.shard()).libraries().size()));
  c.reply.bulk("functions_count");
  c.reply.integer(static_cast<int64_t>(c.server.functions(c.shard()).count()));
}

void kill(CommandContext& c) { kill_script(c, false); }

// --- DUMP, RESTORE: Redis's own form ---

void dump(CommandContext& c) {
  std::vector<std::string_view> codes;
  for (const auto& [name, library] : functions_of(c).libraries()) codes.push_back(library.code);
  c.reply.bulk(dump_functions(codes));
}

enum class Policy : uint8_t { kAppend, kReplace, kFlush };

// Compiles all; on an error nothing is changed.
bool compile_all(Functions& functions, const std::vector<std::string>& codes, Policy policy,
                 std::vector<Library>* libraries, std::string* error) {
  for (const std::string& code : codes) {
    Library library;
    if (!functions.compile(code, &library, error)) return false;
    const Function* clash = policy == Policy::kFlush ? nullptr : functions.clash(library);
    if (policy == Policy::kAppend && functions.libraries().contains(library.name)) {
      *error = "ERR Library " + library.name + " already exists";
    } else if (clash != nullptr) {
      *error = "ERR Function " + clash->name + " already exists";
    }
    libraries->push_back(std::move(library));
    if (!error->empty()) return false;
  }
  return true;
}

void restore(CommandContext& c) {
  if (c.argc() > 4) {
    return c.fail("ERR unknown subcommand or wrong number of arguments for '" +
                  std::string(c.args[1]) + "'. Try FUNCTION HELP.");
  }
  Policy policy = Policy::kAppend;
  if (c.argc() == 4) {
    if (c.is(3, "REPLACE")) {
      policy = Policy::kReplace;
    } else if (c.is(3, "FLUSH")) {
      policy = Policy::kFlush;
    } else if (!c.is(3, "APPEND")) {
      return c.fail(
          "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
    }
  }
  if (!dump_is_intact(c.args[2])) return c.fail("ERR DUMP payload version or checksum are wrong");
  std::vector<std::string> codes;
  if (!restore_functions(c.args[2], c.options().resp_max_bulk_bytes, &codes)) {
    return c.fail("ERR failed loading functions payload");
  }
  std::vector<Compiled> all;
  std::string error;
  for (Shard* shard : c.server.shards().served()) {
    all.push_back({shard, &functions_of(c, *shard)});
    Compiled& last = all.back();
    if (compile_all(*last.functions, codes, policy, &last.libraries, &error)) continue;
    for (Compiled& compiled : all) compiled.drop();
    return c.fail(error);
  }
  for (Compiled& compiled : all) {
    if (policy == Policy::kFlush) {
      compiled.drop();  // their machine goes
      flush_libraries(*compiled.shard, *compiled.functions);
      HF_ASSERT(compile_all(*compiled.functions, codes, policy, &compiled.libraries, &error));
    }
    adopt(compiled);
  }
  c.reply.ok();
}

void help(CommandContext& c) {
  reply_help(
      c,
      {"LOAD [REPLACE] <FUNCTION CODE>",
       "    Create a new library with the given library name and code.",
       "DELETE <LIBRARY NAME>",
       "    Delete the given library.",
       "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
       "    Return general information on all the libraries:",
       "    * Library name",
       "    * The engine used to run the Library",
       "    * Library description",
       "    * Functions list",
       "    * Library code (if WITHCODE is given)",
       "    It also possible to get only function that matches a pattern using LIBRARYNAME "
       "argument.",
       "STATS",
       "    Return information about the current function running:",
       "    * Function name",
       "    * Command used to run the function",
       "    * Duration in MS that the function is running",
       "    If no function is running, return nil",
       "    In addition, returns a list of available engines.",
       "KILL",
       "    Kill the current running function.",
       "FLUSH [ASYNC|SYNC]",
       "    Delete all the libraries.",
       "    When called without the optional mode argument, the behavior is determined by the",
       "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
       "    * ASYNC: Asynchronously flush the libraries.",
       "    * SYNC: Synchronously flush the libraries.",
       "DUMP",
       "    Return a serialized payload representing the current libraries, can be restored using "
       "FUNCTION RESTORE command",
       "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
       "    Restore the libraries represented by the given payload, it is possible to give a "
       "restore policy to",
       "    control how to handle existing libraries (default APPEND):",
       "    * FLUSH: delete all existing libraries.",
       "    * APPEND: appends the restored libraries to the existing libraries. On collision, "
       "abort.",
       "    * REPLACE: appends the restored libraries to the existing libraries, On collision, "
       "replace the old",
       "      libraries with the new libraries (notice that even on this option there is a chance "
       "of failure",
       "      in case of functions name collision with another library)."});
}

constexpr uint32_t kCallFlags = kNoScript | kStale | kSkipMonitor | kNoMandatoryKeys | kMovableKeys;
constexpr uint32_t kChange = kWrite | kNoScript;

constexpr CommandSpec kFunction[] = {
    {.name = "delete",
     .arity = 3,
     .flags = kChange,
     .categories = kCatScripting,
     .handler = delete_library,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Deletes a library and its functions.",
     .syntax = "library-name"},
    {.name = "dump",
     .arity = 2,
     .flags = kNoScript,
     .categories = kCatScripting,
     .handler = dump,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of functions",
     .summary = "Dumps all libraries into a serialized binary payload."},
    {.name = "flush",
     .arity = -2,
     .flags = kChange,
     .categories = kCatScripting,
     .handler = flush,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of functions deleted",
     .summary = "Deletes all libraries and functions.",
     .syntax = "[ASYNC | SYNC]"},
    {.name = "help",
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = kCatScripting,
     .handler = help,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Returns helpful text about the different subcommands."},
    {.name = "kill",
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .categories = kCatScripting,
     .handler = kill,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Terminates a function during execution."},
    {.name = "list",
     .arity = -2,
     .flags = kNoScript,
     .categories = kCatScripting,
     .handler = list,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of functions",
     .summary = "Returns information about all libraries.",
     .syntax = "[LIBRARYNAME library-name-pattern] [WITHCODE]"},
    {.name = "load",
     .arity = -3,
     .flags = kChange | kDenyOom,
     .categories = kCatScripting,
     .handler = load,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1) (considering compilation time is redundant)",
     .summary = "Creates a library.",
     .syntax = "[REPLACE] function-code"},
    {.name = "restore",
     .arity = -3,
     .flags = kChange | kDenyOom,
     .categories = kCatScripting,
     .handler = restore,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of functions on the payload",
     .summary = "Restores all libraries from a payload.",
     .syntax = "serialized-value [FLUSH | APPEND | REPLACE]"},
    {.name = "stats",
     .arity = 2,
     .flags = kNoScript | kAllowBusy,
     .categories = kCatScripting,
     .handler = stats,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Returns information about a function during execution."},
};

constexpr CommandSpec kCommands[] = {
    {.name = "fcall",
     .arity = -3,
     .flags = kCallFlags,
     .categories = kCatScripting,
     .keys = {KeySpec::counted(kKeyRW | kKeyAccess | kKeyUpdate, 2)},
     .handler = fcall,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "Depends on the function that is executed.",
     .summary = "Invokes a function.",
     .syntax = "function numkeys [key [key ...]] [arg [arg ...]]"},
    {.name = "fcall_ro",
     .arity = -3,
     .flags = kCallFlags | kReadonly,
     .categories = kCatScripting,
     .keys = {KeySpec::counted(kKeyRO | kKeyAccess, 2)},
     .handler = fcall_ro,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "Depends on the function that is executed.",
     .summary = "Invokes a read-only function.",
     .syntax = "function numkeys [key [key ...]] [arg [arg ...]]"},
    {.name = "function",
     .arity = -2,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for function commands.",
     .subcommands = kFunction},
};

}  // namespace

std::span<const CommandSpec> function_commands() { return kCommands; }

}  // namespace holdfast
