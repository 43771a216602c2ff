// See waits.h.
#include "gateway/waits.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "gateway/backend.h"
#include "resp/parser.h"

namespace holdfast {
namespace {

// Where the time is, and of how many milliseconds its unit.
struct TimePlace {
  size_t argument = 0;  // 0: nowhere
  int unit_ms = 1000;
};

TimePlace time_place(const Command& command, CommandArgs args) {
  const std::string_view name = command.spec.name;
  if (name == "wait" || name == "waitaof") return {args.size() - 1, 1};
  if (name == "blmpop" || name == "bzmpop") return {1, 1000};
  if (!name.starts_with("xread")) return {args.size() - 1, 1000};
  for (size_t i = 1; i + 1 < args.size(); ++i) {
    if (equals_ignoring_case(args[i], "block")) return {i + 1, 1};
  }
  return {};
}

}  // namespace

bool may_wait(const Command& command, CommandArgs args) {
  if (!command.spec.name.starts_with("xread")) return true;
  for (const std::string_view arg : args) {
    if (equals_ignoring_case(arg, "block")) return true;
    if (equals_ignoring_case(arg, "streams")) return false;
  }
  return false;
}

std::string with_time_left(const Command& command, std::string_view request, int64_t waited_ms) {
  RequestParser parser;
  std::vector<std::string_view> args;
  size_t at = 0;
  if (parser.parse(request, &at, &args, {}) != RequestParser::Outcome::kCommand) return {};
  if (args.size() < 2 || !equals_ignoring_case(args[0], command.spec.name)) return {};
  const auto [argument, unit_ms] = time_place(command, args);
  if (argument == 0) return {};
  const std::string_view text = args[argument];
  double time = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), time);
  if (error != std::errc() || end != text.data() + text.size() || !(time > 0)) return {};
  const double left_ms = std::max(time * unit_ms - static_cast<double>(waited_ms), 1.0);
  const std::string left =
      unit_ms == 1 ? fmt::format("{:.0f}", left_ms) : fmt::format("{:.3f}", left_ms / unit_ms);
  args[argument] = left;
  std::string changed;
  append_command(&changed, args);
  return changed;
}

}  // namespace holdfast
