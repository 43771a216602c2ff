// See config.h: the reference file, made from the option table.
#include <string>

#include "node/config.h"
#include "node/yaml.h"

namespace holdfast {
namespace {

constexpr std::string_view kHead =
    "# Every option of Holdfast with its default. Written by `make reference` from the option\n"
    "# table (src/base/options.cc); a test fails when the two differ.\n"
    "#\n"
    "# A file needs only what differs from these defaults. `resp: {port: 1}` and `resp.port: 1`\n"
    "# say the same; on the command line it is --set resp.port=1. Sizes take the units k, m, g\n"
    "# (powers of 1000) and kb, mb, gb (powers of 1024). What can be changed at run time is\n"
    "# changed with CONFIG SET, by this name or by the Redis name, and kept with CONFIG REWRITE.\n";

void add_comment(std::string& out, const std::string& indent, std::string_view text) {
  constexpr size_t kColumns = 100;
  while (!text.empty()) {
    const size_t room = kColumns - indent.size() - 2;
    size_t end = text.size();
    if (end > room) end = text.rfind(' ', room);
    out.append(indent).append("# ").append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

std::string default_text(const OptionSpec& option, const Options& defaults) {
  const std::string text = option.get(defaults);
  if (text.empty()) return "empty";
  if (option.type != "size") return text;
  const uint64_t bytes = parse_bytes(text).value();
  constexpr uint64_t kMega = 1 << 20;
  if (bytes == 0 || bytes % kMega != 0) return text;
  return text + " (" + std::to_string(bytes / kMega) + "mb)";
}

std::string facts(const OptionSpec& option, const Options& defaults) {
  std::string out = "Type: " + std::string(option.type);
  if (!option.unit.empty()) out.append("; unit: ").append(option.unit);
  out.append("; default: ").append(default_text(option, defaults));
  if (!option.redis_name.empty()) out.append("; Redis: ").append(option.redis_name);
  if (!option.redis_old_name.empty()) out.append(", ").append(option.redis_old_name);
  return out.append(option.runtime ? "; at run time: yes" : "; at run time: no");
}

}  // namespace

std::string yaml_value(const OptionSpec& option, const Options& options) {
  const std::string text = option.get(options);
  if (!option.list) return yaml_scalar(text);
  std::string out = "[";
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    out.append(out.size() == 1 ? "" : ", ").append(yaml_scalar(rest.substr(0, end)));
    rest.remove_prefix(std::min(rest.size(), end + 1));
  }
  return out + "]";
}

std::string reference_yaml() {
  const Options defaults;
  std::string out(kHead);
  std::string_view section;
  for (const OptionSpec& option : option_table()) {
    const size_t dot = option.name.find('.');
    const bool nested = dot != std::string_view::npos;
    const std::string_view its = nested ? option.name.substr(0, dot) : std::string_view();
    out.push_back('\n');
    if (nested && its != section) out.append(its).append(":\n");
    section = its;
    const std::string indent = nested ? "  " : "";
    add_comment(out, indent, option.doc);
    add_comment(out, indent, facts(option, defaults));
    add_comment(out, indent, "Allowed: " + std::string(option.allowed));
    out.append(indent).append(nested ? option.name.substr(dot + 1) : option.name);
    out.append(": ").append(yaml_value(option, defaults)).append("\n");
  }
  return out;
}

}  // namespace holdfast
