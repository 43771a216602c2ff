// libFuzzer target: configuration files. Any bytes as the text of a file: options or errors, never
// a crash or a hang. When they are options, a file made from them (each key with its value) must
// read back as the same options.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/config.h"

namespace {

using holdfast::Options;
using holdfast::OptionSpec;

void must(bool holds) {
  if (!holds) std::abort();
}

bool same(const Options& a, const Options& b) {
  for (const OptionSpec& option : holdfast::option_table()) {
    if (option.get(a) != option.get(b)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto options = holdfast::load_config_text(text, "fuzz.yaml", {});
  // The same bytes as an override: the parsers of values see what YAML would not let through.
  (void)holdfast::load_config_text("", "fuzz.yaml", {std::string(text)});
  if (!options.ok()) {
    must(!options.status().message().empty());
    return 0;
  }
  std::string own;
  for (const OptionSpec& option : holdfast::option_table()) {
    own.append(option.name).append(": ").append(holdfast::yaml_value(option, options.value()));
    own.push_back('\n');
  }
  const auto again = holdfast::load_config_text(own, "own.yaml", {});
  must(again.ok() && same(options.value(), again.value()));
  return 0;
}
