// See help.h.
#include "resp/help.h"

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace holdfast {
namespace {

constexpr size_t kShownBytes = 128;      // of an argument that is quoted in an error
constexpr size_t kMaxNumber = 5 * 1024;  // digits of a number, as in Redis
constexpr std::string_view kNegativeTimeout = "ERR timeout is negative";
constexpr std::string_view kTimeoutOutOfRange = "ERR timeout is out of range";

bool check_timeout(CommandContext& c, int64_t milliseconds) {
  if (milliseconds < 0) {
    c.fail(kNegativeTimeout);
    return false;
  }
  if (milliseconds > std::numeric_limits<int64_t>::max() - c.now_ms) {
    c.fail(kTimeoutOutOfRange);
    return false;
  }
  return true;
}

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
  return c.integer(i, milliseconds, "ERR timeout is not an integer or out of range") &&
         check_timeout(c, *milliseconds);
}

bool timeout_in_seconds(CommandContext& c, size_t i, int64_t* milliseconds) {
  const std::string text(c.args[i].substr(0, kMaxNumber));
  char* end = nullptr;
  errno = 0;
  const long double seconds = std::strtold(text.c_str(), &end);
  const bool whole = !text.empty() && text.size() < kMaxNumber && end == text.data() + text.size();
  const bool out_of_range = errno == ERANGE && (seconds == 0 || std::isinf(seconds));
  if (!whole || std::isspace(static_cast<unsigned char>(text[0])) || out_of_range ||
      std::isnan(seconds)) {
    c.fail("ERR timeout is not a float or out of range");
    return false;
  }
  const long double rounded = std::ceil(seconds * 1000);
  constexpr auto kMost = static_cast<long double>(std::numeric_limits<int64_t>::max());
  if (rounded < 0) {
    c.fail(kNegativeTimeout);
    return false;
  }
  if (rounded >= kMost) {
    c.fail(kTimeoutOutOfRange);
    return false;
  }
  *milliseconds = static_cast<int64_t>(rounded);
  return check_timeout(c, *milliseconds);
}

}  // namespace holdfast
