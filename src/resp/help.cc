// See help.h.
#include "resp/help.h"

#include <cctype>
#include <limits>
#include <string>

namespace holdfast {
namespace {

constexpr size_t kShownBytes = 128;  // of an argument that is quoted in an error

std::string container_name(const CommandContext& c) {
  const std::string_view full = c.command.full_name;
  std::string name(full.substr(0, full.find('|')));
  for (char& letter : name) {
    letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  }
  return name;
}

}  // namespace

void reply_help(CommandContext& c, std::initializer_list<std::string_view> lines) {
  c.reply.array(lines.size() + 3);
  c.reply.simple(container_name(c) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const std::string_view line : lines) c.reply.simple(line);
  c.reply.simple("HELP");
  c.reply.simple("    Prints this help.");
}

void fail_subcommand(CommandContext& c) {
  c.fail("ERR unknown subcommand or wrong number of arguments for '" +
         std::string(c.args[1].substr(0, kShownBytes)) + "'. Try " + container_name(c) + " HELP.");
}

bool timeout_argument(CommandContext& c, size_t i, int64_t* milliseconds) {
  if (!c.integer(i, milliseconds, "ERR timeout is not an integer or out of range")) return false;
  if (*milliseconds < 0) {
    c.fail("ERR timeout is negative");
    return false;
  }
  if (*milliseconds > std::numeric_limits<int64_t>::max() - c.now_ms) {
    c.fail("ERR timeout is out of range");
    return false;
  }
  return true;
}

}  // namespace holdfast
