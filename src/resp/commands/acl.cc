// ACL: users, their rules, what was denied, and the file that keeps them. What rules mean is in
// resp/acl_user.h; closing clients and the file's I/O are the server's (resp/access.cc).
#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/sha.h"
#include "resp/commands/families.h"
#include "resp/context.h"
#include "resp/help.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {
namespace {

constexpr int64_t kMaxPasswordBits = 4096;
constexpr int64_t kShownDenials = 10;  // of ACL LOG without a count
constexpr std::string_view kNoFile =
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration.";

void fail_if(CommandContext& c, const std::string& error) {
  if (error.empty()) {
    c.reply.ok();
  } else {
    c.fail("ERR " + error);
  }
}

void who_am_i(CommandContext& c) { c.reply.bulk(c.session.state.user->name()); }

void users(CommandContext& c) {
  c.reply.array(c.server.acl().users().size());
  for (const auto& [name, user] : c.server.acl().users()) c.reply.bulk(name);
}

void list(CommandContext& c) {
  c.reply.array(c.server.acl().users().size());
  for (const auto& [name, user] : c.server.acl().users()) {
    c.reply.bulk("user " + name + " " + user->describe());
  }
}

void set_user(CommandContext& c) {
  fail_if(c, c.server.set_user(c.args[2], c.args.subspan(3), c.session));
}

void delete_users(CommandContext& c) {
  for (const std::string_view name : c.args.subspan(2)) {
    if (name == "default") return c.fail("ERR The 'default' user cannot be removed");
  }
  int64_t deleted = 0;
  for (const std::string_view name : c.args.subspan(2)) {
    deleted += c.server.delete_user(name, c.session) ? 1 : 0;
  }
  c.reply.integer(deleted);
}

void reply_selector(CommandContext& c, const AclSelector& selector) {
  c.reply.bulk("commands");
  c.reply.bulk(selector.describe_commands());
  c.reply.bulk("keys");
  c.reply.bulk(selector.describe_keys());
  c.reply.bulk("channels");
  c.reply.bulk(selector.describe_channels());
}

void get_user(CommandContext& c) {
  const AclUser* user = c.server.acl().find(c.args[2]);
  if (user == nullptr) return c.reply.null();
  c.reply.map(6);
  c.reply.bulk("flags");
  const auto flags = user->flag_names();
  c.reply.set(flags.size());
  for (const std::string_view flag : flags) c.reply.bulk(flag);
  c.reply.bulk("passwords");
  c.reply.array(user->passwords().size());
  for (const std::string& hash : user->passwords()) c.reply.bulk(hash);
  reply_selector(c, user->selectors()[0]);
  c.reply.bulk("selectors");
  c.reply.array(user->selectors().size() - 1);
  for (size_t i = 1; i < user->selectors().size(); ++i) {
    c.reply.map(3);
    reply_selector(c, user->selectors()[i]);
  }
}

void dry_run(CommandContext& c) {
  const AclUser* user = c.server.acl().find(c.args[2]);
  if (user == nullptr) return c.fail("ERR User '" + std::string(c.args[2]) + "' not found");
  const std::span<const std::string_view> call = c.args.subspan(3);
  const Command* command = c.server.commands().find(call[0]);
  if (command != nullptr && !command->subcommands.empty() && call.size() > 1) {
    command = command->subcommand(call[1]);
  }
  if (command == nullptr) return c.fail("ERR Command '" + std::string(call[0]) + "' not found");
  if (!command->arity_ok(call.size())) {
    return c.fail("ERR wrong number of arguments for '" + command->full_name + "' command");
  }
  const AclDecision decision = user->check(*command, call);
  if (decision.allowed()) return c.reply.ok();
  c.reply.bulk(acl_denial_text(decision, *user, *command, call, true));
}

void load(CommandContext& c) {
  if (c.options().resp_acl_file.empty() || c.server.hooks().disk == nullptr) return c.fail(kNoFile);
  fail_if(c, c.server.load_acl_file(c.session));
}

void save(CommandContext& c) {
  if (c.options().resp_acl_file.empty() || c.server.hooks().disk == nullptr) return c.fail(kNoFile);
  fail_if(c, c.server.save_acl_file());
}

void categories(CommandContext& c) {
  if (c.argc() > 3) return fail_subcommand(c);
  if (c.argc() == 2) {
    c.reply.array(AclCommands::categories().size());
    for (const std::string_view name : AclCommands::categories()) c.reply.bulk(name);
    return;
  }
  const auto* members = c.server.acl().commands().in_category(c.args[2]);
  if (members == nullptr) {
    return c.fail("ERR Unknown category '" + std::string(c.args[2].substr(0, 128)) + "'");
  }
  c.reply.array(members->size());
  for (const Command* command : *members) c.reply.bulk(command->full_name);
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

void reply_denial(CommandContext& c, const AclLog::Entry& entry) {
  c.reply.map(10);
  const auto text = [&c](std::string_view name, std::string_view value) {
    c.reply.bulk(name);
    c.reply.bulk(value);
  };
  const auto number = [&c](std::string_view name, int64_t value) {
    c.reply.bulk(name);
    c.reply.integer(value);
  };
  number("count", static_cast<int64_t>(entry.count));
  text("reason", acl_reason_name(entry.denial.reason));
  text("context", acl_context_name(entry.denial.context));
  text("object", entry.denial.object);
  text("username", entry.denial.user);
  c.reply.bulk("age-seconds");
  c.reply.real(double(c.now_ms - entry.last_ms) / 1000);
  text("client-info", entry.denial.client);
  number("entry-id", static_cast<int64_t>(entry.id));
  number("timestamp-created", entry.first_ms);
  number("timestamp-last-updated", entry.last_ms);
}

void log(CommandContext& c) {
  if (c.argc() > 3) return fail_subcommand(c);
  int64_t count = kShownDenials;
  if (c.argc() == 3 && c.is(2, "RESET")) {
    c.server.acl_log().clear();
    return c.reply.ok();
  }
  if (c.argc() == 3 && !c.integer(2, &count)) return;
  const auto& entries = c.server.acl_log().entries();
  size_t left = std::min(static_cast<size_t>(std::max<int64_t>(count, 0)), entries.size());
  c.reply.array(left);
  for (const AclLog::Entry& entry : entries) {
    if (left-- == 0) break;
    reply_denial(c, entry);
  }
}

void help(CommandContext& c) {
  reply_help(c, {
                    "CAT [<category>]",
                    "    The categories of commands, or the commands of one.",
                    "DELUSER <username> [<username> ...]",
                    "    Remove users and close their connections.",
                    "DRYRUN <username> <command> [<arg> ...]",
                    "    Whether the user may run the command. It is not run.",
                    "GENPASS [<bits>]",
                    "    A random password of 256 or <bits> bits.",
                    "GETUSER <username>",
                    "    The flags, passwords and rules of a user.",
                    "LIST",
                    "    The rules of each user, as in the ACL file.",
                    "LOAD",
                    "    Make the ACL file the users, all of it or nothing.",
                    "LOG [<count> | RESET]",
                    "    What was denied lately; RESET forgets it.",
                    "SAVE",
                    "    Write the users to the ACL file.",
                    "SETUSER <username> [<rule> ...]",
                    "    Make or change a user.",
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
    row("deluser", -3, kPrivileged, delete_users,
        "O(1) amortized time considering the typical user.",
        "Deletes ACL users, and terminates their connections.", "username [username ...]"),
    row("dryrun", -4, kPrivileged, dry_run, "O(1).",
        "Simulates the execution of a command by a user, without executing the command.",
        "username command [arg [arg ...]]", "7.0.0"),
    row("genpass", -2, kPlain, generate_password, "O(1)",
        "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        "[bits]"),
    row("getuser", 3, kPrivileged, get_user,
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
        "Lists the ACL rules of a user.", "username"),
    row("help", 2, kLoading | kStale, help, "O(1)",
        "Returns helpful text about the different subcommands."),
    row("list", 2, kPrivileged, list, kPerUser, "Dumps the effective rules in ACL file format."),
    row("load", 2, kPrivileged, load, kPerUser, "Reloads the rules from the configured ACL file."),
    row("log", -2, kPrivileged, log, "O(N) with N being the number of entries shown.",
        "Lists recent security events generated due to ACL rules.", "[count | RESET]"),
    row("save", 2, kPrivileged, save, kPerUser,
        "Saves the effective ACL rules in the configured ACL file."),
    row("setuser", -3, kPrivileged, set_user, "O(N). Where N is the number of rules provided.",
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
