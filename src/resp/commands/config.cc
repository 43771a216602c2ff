// CONFIG: the option table (base/options.h) under our names and Redis's.
//
// SET is all or nothing: every pair is tried on a copy of the options, which then takes their
// place.
#include <map>
#include <string>
#include <vector>

#include "resp/command_table.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "store/glob.h"

namespace holdfast {
namespace {

bool is_pattern(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

// The settings that are asked for, sorted by name.
class Found {
 public:
  explicit Found(const CommandContext& c) : c_(c) {}

  // Under `name` if a pattern matches it; as the client wrote it if it is no pattern, as Redis
  // does.
  template <typename Get>
  void offer(std::string_view name, Get get) {
    for (const std::string_view asked : c_.args.subspan(2)) {
      if (!glob_match(asked, name, GlobCase::kIgnore)) continue;
      found_.emplace(is_pattern(asked) ? name : asked, get());
    }
  }
  void reply() const {
    c_.reply.map(found_.size());
    for (const auto& [name, value] : found_) {
      c_.reply.bulk(name);
      c_.reply.bulk(value);
    }
  }

 private:
  const CommandContext& c_;
  std::map<std::string, std::string, std::less<>> found_;
};

void get_command(CommandContext& c) {
  const Options& options = c.options();
  Found found(c);
  for (const OptionSpec& option : option_table()) {
    found.offer(option.name, [&] { return option.get(options); });
    if (option.redis_name.empty()) continue;
    found.offer(option.redis_name, [&] { return redis_text(option, options); });
    if (option.redis_old_name.empty()) continue;
    found.offer(option.redis_old_name, [&] { return redis_text(option, options); });
  }
  for (const FixedSetting& setting : fixed_settings()) {
    found.offer(setting.name, [&] { return setting.get(options); });
  }
  found.reply();
}

void refuse(CommandContext& c, std::string_view name, std::string_view reason) {
  c.fail("ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
         std::string(reason));
}

// The option of argument i; null when an error was replied.
const OptionSpec* settable(CommandContext& c, size_t i,
                           const std::vector<const OptionSpec*>& seen) {
  const OptionSpec* option = find_option(c.args[i]);
  if (option == nullptr) {
    if (find_fixed_setting(c.args[i]) != nullptr) {
      refuse(c, c.args[i], "can't set immutable config");
    } else {
      c.fail("ERR Unknown option or number of arguments for CONFIG SET - '" +
             std::string(c.args[i]) + "'");
    }
    return nullptr;
  }
  if (!option->runtime) {
    refuse(c, c.args[i], "can't set immutable config");
    return nullptr;
  }
  for (const OptionSpec* other : seen) {
    if (other != option) continue;
    refuse(c, c.args[i], "duplicate parameter");
    return nullptr;
  }
  return option;
}

void set_command(CommandContext& c) {
  if (c.argc() % 2 != 0) return c.fail();
  Options changed = c.options();
  std::vector<const OptionSpec*> options;
  for (size_t i = 2; i < c.argc(); i += 2) {
    const OptionSpec* option = settable(c, i, options);
    if (option == nullptr) return;
    if (!option->set(changed, c.args[i + 1]).ok()) {
      refuse(c, c.args[i], redis_refusal(*option, c.args[i + 1]));
      return;
    }
    options.push_back(option);
  }
  c.server.options() = std::move(changed);
  for (const OptionSpec* option : options) c.server.apply_setting(*option);
  c.reply.ok();
}

void rewrite_command(CommandContext& c) {
  if (!c.server.hooks().rewrite || c.options().config_file.empty()) {
    c.fail("ERR The server is running without a config file");
    return;
  }
  const Status status = c.server.hooks().rewrite(c.options());
  if (status.ok()) {
    c.reply.ok();
  } else {
    c.fail("ERR Rewriting config file: " + status.message());
  }
}

void resetstat_command(CommandContext& c) {
  c.server.reset_stats();
  c.reply.ok();
}

void help_command(CommandContext& c) {
  reply_help(c, {"GET <pattern>",
                 "    Return parameters matching the glob-like <pattern> and their values.",
                 "SET <directive> <value>", "    Set the configuration <directive> to <value>.",
                 "RESETSTAT", "    Reset statistics reported by the INFO command.", "REWRITE",
                 "    Rewrite the configuration file."});
}

constexpr uint32_t kFlags = kAdmin | kNoScript | kLoading | kStale;

constexpr CommandSpec kSubcommands[] = {
    {"get",
     -3,
     kFlags,
     0,
     {},
     get_command,
     "server",
     "2.0.0",
     "O(N) when N is the number of configuration parameters provided",
     "Returns the effective values of configuration parameters.",
     "parameter [parameter ...]"},
    {"set",
     -4,
     kFlags,
     0,
     {},
     set_command,
     "server",
     "2.0.0",
     "O(N) when N is the number of configuration parameters provided",
     "Sets configuration parameters in-flight.",
     "parameter value [parameter value ...]"},
    {"rewrite",
     2,
     kFlags,
     0,
     {},
     rewrite_command,
     "server",
     "2.8.0",
     "O(1)",
     "Persists the effective configuration to file."},
    {"resetstat",
     2,
     kFlags,
     0,
     {},
     resetstat_command,
     "server",
     "2.0.0",
     "O(1)",
     "Resets the server's statistics."},
    {"help",
     2,
     kLoading | kStale,
     0,
     {},
     help_command,
     "server",
     "5.0.0",
     "O(1)",
     "Returns helpful text about the different subcommands."},
};

constexpr CommandSpec kCommands[] = {
    {"config",
     -2,
     0,
     0,
     {},
     nullptr,
     "server",
     "2.0.0",
     "Depends on subcommand.",
     "A container for server configuration commands.",
     {},
     kSubcommands},
};

}  // namespace

std::span<const CommandSpec> config_commands() { return kCommands; }

}  // namespace holdfast
