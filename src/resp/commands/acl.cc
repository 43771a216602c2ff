// ACL: what can be said of the one user that there is, "default", and of the commands' categories.
// Defining users is refused.
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sha.h"
#include "resp/command_table.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

// In the order in which Redis lists them.
constexpr std::string_view kCategories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

constexpr int64_t kMaxPasswordBits = 4096;

void who_am_i(CommandContext& c) { c.reply.bulk(c.session.state.user); }

void users(CommandContext& c) {
  c.reply.array(1);
  c.reply.bulk("default");
}

void list(CommandContext& c) {
  const std::string& password = c.options().resp_password;
  c.reply.array(1);
  const std::string rules = password.empty() ? "nopass sanitize-payload"
                                             : "sanitize-payload #" + to_hex(sha256(password));
  c.reply.bulk("user default on " + rules + " ~* &* +@all");
}

// The command, or of a container its subcommands.
void collect(const Command& command, std::string_view category,
             std::vector<std::string_view>* names) {
  if (command.subcommands.empty() && in_category(command.spec, category)) {
    names->push_back(command.full_name);
  }
  for (const auto& sub : command.subcommands) collect(*sub, category, names);
}

void categories(CommandContext& c) {
  if (c.argc() > 3) return fail_subcommand(c);
  if (c.argc() == 2) {
    c.reply.array(std::size(kCategories));
    for (const std::string_view name : kCategories) c.reply.bulk(name);
    return;
  }
  bool known = false;
  for (const std::string_view name : kCategories) known = known || c.is(2, name);
  if (!known) {
    return c.fail("ERR Unknown category '" + std::string(c.args[2].substr(0, 128)) + "'");
  }
  std::vector<std::string_view> names;
  for (const auto& command : c.server.commands().commands()) collect(*command, c.args[2], &names);
  c.reply.array(names.size());
  for (const std::string_view name : names) c.reply.bulk(name);
}

void generate_password(CommandContext& c) {
  if (c.argc() > 3) return fail_subcommand(c);
  int64_t bits = 256;
  if (c.argc() == 3 && !c.integer(2, &bits)) return;
  if (bits <= 0 || bits > kMaxPasswordBits) {
    return c.fail(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
        "number up to 4096");
  }
  uint8_t bytes[kMaxPasswordBits / 8];
  const auto digits = static_cast<size_t>(bits + 3) / 4;
  secure_bytes(bytes, (digits + 1) / 2);
  c.reply.bulk(to_hex({bytes, (digits + 1) / 2}).substr(0, digits));
}

// Nothing is ever denied by rules, so there is nothing to show.
void log(CommandContext& c) {
  if (c.argc() > 3) return fail_subcommand(c);
  int64_t count;
  if (c.argc() == 3 && c.is(2, "RESET")) return c.reply.ok();
  if (c.argc() == 3 && !c.integer(2, &count)) return;
  c.reply.array(0);
}

void no_users_yet(CommandContext& c) {
  c.fail(
      "ERR users cannot be defined on this server yet: there is only 'default', whose password "
      "is requirepass");
}

void help(CommandContext& c) {
  reply_help(c, {
                    "CAT [<category>]",
                    "    The categories of commands, or the commands of one.",
                    "GENPASS [<bits>]",
                    "    A random password of 256 or <bits> bits.",
                    "LIST",
                    "    The rules of each user.",
                    "LOG [<count> | RESET]",
                    "    Denied requests: always empty so far.",
                    "USERS",
                    "    The names of all users.",
                    "WHOAMI",
                    "    The user of this connection.",
                });
}

constexpr uint32_t kPlain = kNoScript | kLoading | kStale;
constexpr uint32_t kPrivileged = kPlain | kAdmin;
constexpr std::string_view kPerUser = "O(N). Where N is the number of configured users.";

constexpr CommandSpec row(std::string_view name, int arity, uint32_t flags, Handler handler,
                          std::string_view complexity, std::string_view summary,
                          std::string_view syntax = {}, std::string_view since = "6.0.0") {
  return {.name = name,
          .arity = arity,
          .flags = flags,
          .handler = handler,
          .group = "server",
          .since = since,
          .complexity = complexity,
          .summary = summary,
          .syntax = syntax};
}

constexpr CommandSpec kSubcommands[] = {
    row("cat", -2, kPlain, categories, "O(1) since the categories and commands are a fixed set.",
        "Lists the ACL categories, or the commands inside a category.", "[category]"),
    row("deluser", -3, kPrivileged, no_users_yet,
        "O(1) amortized time considering the typical user.",
        "Deletes ACL users, and terminates their connections.", "username [username ...]"),
    row("dryrun", -4, kPrivileged, no_users_yet, "O(1).",
        "Simulates the execution of a command by a user, without executing the command.",
        "username command [arg [arg ...]]", "7.0.0"),
    row("genpass", -2, kPlain, generate_password, "O(1)",
        "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        "[bits]"),
    row("getuser", 3, kPrivileged, no_users_yet,
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
        "Lists the ACL rules of a user.", "username"),
    row("help", 2, kLoading | kStale, help, "O(1)",
        "Returns helpful text about the different subcommands."),
    row("list", 2, kPrivileged, list, kPerUser, "Dumps the effective rules in ACL file format."),
    row("load", 2, kPrivileged, no_users_yet, kPerUser,
        "Reloads the rules from the configured ACL file."),
    row("log", -2, kPrivileged, log, "O(N) with N being the number of entries shown.",
        "Lists recent security events generated due to ACL rules.", "[count | RESET]"),
    row("save", 2, kPrivileged, no_users_yet, kPerUser,
        "Saves the effective ACL rules in the configured ACL file."),
    row("setuser", -3, kPrivileged, no_users_yet, "O(N). Where N is the number of rules provided.",
        "Creates and modifies an ACL user and its rules.", "username [rule [rule ...]]"),
    row("users", 2, kPrivileged, users, kPerUser, "Lists all ACL users."),
    row("whoami", 2, kPlain, who_am_i, "O(1)",
        "Returns the authenticated username of the current connection."),
};

constexpr CommandSpec kCommands[] = {
    {.name = "acl",
     .arity = -2,
     .group = "server",
     .since = "6.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Access List Control commands.",
     .subcommands = kSubcommands},
};

}  // namespace

std::span<const CommandSpec> acl_commands() { return kCommands; }

}  // namespace holdfast
