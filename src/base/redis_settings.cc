// CONFIG as Redis tools know it: values and refusals in Redis's words, and the settings that are
// no options here but that tools read to learn what kind of server this is.
#include <algorithm>
#include <array>

#include "base/option_kinds.h"
#include "base/options.h"

namespace holdfast {
namespace {

std::string empty(const Options&) { return {}; }
std::string no(const Options&) { return "no"; }
std::string zero(const Options&) { return "0"; }

// Every engine but mem logs each write, which is what this setting tells in Redis.
std::string append_only(const Options& o) {
  return o.engine_type == EngineType::kMem ? "no" : "yes";
}

// Each one is true of this server; one that would be a guess is not listed.
constexpr std::array<FixedSetting, 16> kFixed = {{
    {"save", empty},
    {"appendonly", append_only},
    {"databases", [](const Options&) -> std::string { return "16"; }},
    {"maxmemory-clients", zero},
    {"cluster-enabled",
     [](const Options& o) { return std::string(o.mode == Mode::kStorage ? "yes" : "no"); }},
    {"daemonize", no},
    {"activedefrag", no},
    {"io-threads", [](const Options&) -> std::string { return "1"; }},
    {"tls-port", zero},
    {"min-replicas-to-write", zero},
    {"lazyfree-lazy-eviction", no},
    {"lazyfree-lazy-expire", no},
    {"lazyfree-lazy-server-del", no},
    {"lazyfree-lazy-user-del", no},
    {"lazyfree-lazy-user-flush", no},
    {"lua-time-limit", [](const Options& o) { return std::to_string(o.script_busy_ms); }},
}};

std::string between(std::string_view allowed) {
  const size_t to = allowed.find(" to ");
  const std::string_view max = allowed.substr(to + 4);
  return "argument must be between " + std::string(allowed.substr(0, to)) + " and " +
         std::string(max.substr(0, max.find(' '))) + " inclusive";
}

std::string output_limits_refusal(std::string_view refusal) {
  const auto about = [refusal](std::string_view what) {
    return refusal.find(what) != std::string_view::npos;
  };
  if (about("groups of four;")) return "Wrong number of arguments in buffer limit configuration.";
  if (about("is not a client class")) {
    return "Invalid client class specified in buffer limit configuration.";
  }
  return "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
}

}  // namespace

std::string redis_text(const OptionSpec& option, const Options& options) {
  return option.redis_get != nullptr ? option.redis_get(options) : option.get(options);
}

std::string redis_refusal(const OptionSpec& option, std::string_view value) {
  Options scratch;
  const std::string refusal = option.set(scratch, value).message();
  if (option.type == "yes or no") return "argument must be 'yes' or 'no'";
  if (option.type == "choice") {
    return "argument(s) must be one of the following: " + std::string(option.allowed);
  }
  if (option.type == "event classes") {
    return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
  }
  if (option.type == "output limits") return output_limits_refusal(refusal);
  const bool in_bounds = refusal.find("is out of range;") == std::string::npos;
  if (option.type == "integer" || option.type == "port") {
    return in_bounds ? "argument couldn't be parsed into an integer" : between(option.allowed);
  }
  if (option.type == "size") {
    return in_bounds ? "argument must be a memory value" : between(option.allowed);
  }
  return refusal;
}

std::span<const FixedSetting> fixed_settings() { return kFixed; }

const FixedSetting* find_fixed_setting(std::string_view name) {
  const auto found = std::ranges::find_if(
      kFixed, [name](const FixedSetting& each) { return kinds::same_word(each.name, name); });
  return found == kFixed.end() ? nullptr : &*found;
}

}  // namespace holdfast
