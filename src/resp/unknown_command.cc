// See unknown_command.h.
#include "resp/unknown_command.h"

#include <algorithm>
#include <cctype>

namespace holdfast {
namespace {

constexpr size_t kShownArguments = 128;  // bytes of arguments in "unknown command"

// As much of a client's word as an error shows: it ends at a zero byte, as in Redis.
std::string_view shown(std::string_view word, size_t most = kShownArguments) {
  return word.substr(0, std::min(most, word.find('\0')));
}

}  // namespace

std::string unknown_command(std::span<const std::string_view> args) {
  std::string text = "ERR unknown command '";
  text.append(shown(args[0]));
  text.append("', with args beginning with: ");
  size_t used = 0;
  for (size_t i = 1; i < args.size() && used < kShownArguments; ++i) {
    const std::string_view arg = shown(args[i], kShownArguments - used);
    text.append("'").append(arg).append("' ");
    used += arg.size();
  }
  return text;
}

std::string unknown_subcommand(const Command& command, std::string_view name) {
  std::string container(command.spec.name);
  for (char& c : container) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return "ERR unknown subcommand '" + std::string(shown(name)) + "'. Try " + container + " HELP.";
}

}  // namespace holdfast
