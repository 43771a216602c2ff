// See redact.h.
#include "resp/redact.h"

#include <algorithm>

#include "base/options.h"
#include "resp/command_table.h"

namespace holdfast {
namespace {

constexpr std::string_view kRedacted = "(redacted)";

bool is_secret(std::string_view setting) {
  const OptionSpec* option = find_option(setting);
  return option != nullptr && option->name == "resp.password";
}

}  // namespace

std::vector<std::string_view> redact(std::span<const std::string_view> args) {
  std::vector<std::string_view> shown(args.begin(), args.end());
  const auto is = [args](size_t i, std::string_view word) {
    return i < args.size() && equals_ignoring_case(args[i], word);
  };
  const auto hide = [&shown](size_t from, size_t to) {
    for (size_t i = from; i < std::min(to, shown.size()); ++i) shown[i] = kRedacted;
  };
  if (is(0, "AUTH")) {
    hide(1, shown.size());
  } else if (is(0, "HELLO")) {
    for (size_t i = 2; i < args.size(); ++i) {
      if (!is(i, "AUTH")) continue;
      hide(i + 1, i + 3);
      i += 2;
    }
  } else if (is(0, "ACL") && (is(1, "SETUSER") || is(1, "DELUSER") || is(1, "GETUSER"))) {
    hide(2, shown.size());
  } else if (is(0, "CONFIG") && is(1, "SET")) {
    for (size_t i = 2; i + 1 < args.size(); i += 2) {
      if (is_secret(args[i])) hide(i + 1, i + 2);
    }
  }
  return shown;
}

}  // namespace holdfast
