// See tracking.h. Options are checked in Redis's order before anything is changed.
#include "resp/commands/tracking.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "resp/context.h"
#include "resp/server.h"
#include "resp/session.h"
#include "resp/tracking.h"

namespace holdfast {
namespace {

// One option at *i, which is moved to its last word; false when an error was replied.
bool parse_option(CommandContext& c, size_t* i, ClientTracking* options) {
  const bool has_value = *i + 1 < c.argc();
  if (c.is(*i, "redirect") && has_value) {
    ++*i;
    int64_t id;
    if (options->redirect != 0) {
      c.fail("ERR A client can only redirect to a single other client");
      return false;
    }
    if (!c.integer(*i, &id)) return false;
    if (id <= 0 || c.server.session(static_cast<uint64_t>(id)) == nullptr) {
      c.fail("ERR The client ID you want redirect to does not exist");
      return false;
    }
    options->redirect = static_cast<uint64_t>(id);
  } else if (c.is(*i, "bcast")) {
    options->broadcast = true;
  } else if (c.is(*i, "optin")) {
    options->opt_in = true;
  } else if (c.is(*i, "optout")) {
    options->opt_out = true;
  } else if (c.is(*i, "noloop")) {
    options->no_loop = true;
  } else if (c.is(*i, "prefix") && has_value) {
    ++*i;  // read by parse_prefixes(), when it is known that they make sense
  } else {
    c.fail();
    return false;
  }
  return true;
}

bool overlap(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

bool fail_overlap(CommandContext& c, std::string_view prefix, std::string_view kind,
                  std::string_view other) {
  c.fail("ERR Prefix '" + std::string(prefix) + "' overlaps with " + std::string(kind) +
         " prefix '" + std::string(other) + "'. Prefixes for a single client must not overlap.");
  return false;
}

// Whether no prefix begins another, nor one that the client has already. Of those it has none
// begins another, so that only its neighbours in their order can overlap with a new one.
bool check_prefixes(CommandContext& c, const std::vector<std::string_view>& prefixes) {
  const ClientTracking* current = c.session.tracking.get();
  for (const std::string_view prefix : prefixes) {
    if (current == nullptr) break;
    const auto next = current->prefixes.lower_bound(prefix);
    if (next != current->prefixes.begin() && overlap(*std::prev(next), prefix)) {
      return fail_overlap(c, prefix, "an existing", *std::prev(next));
    }
    if (next != current->prefixes.end() && overlap(*next, prefix)) {
      return fail_overlap(c, prefix, "an existing", *next);
    }
  }
  std::vector<size_t> sorted(prefixes.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::ranges::stable_sort(sorted, {}, [&](size_t i) { return prefixes[i]; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const auto [first, second] = std::minmax(sorted[i - 1], sorted[i]);
    if (overlap(prefixes[first], prefixes[second])) {
      return fail_overlap(c, prefixes[first], "another provided", prefixes[second]);
    }
  }
  return true;
}

// Whether the options go together and with what the client has set before.
bool check_options(CommandContext& c, const ClientTracking& options, bool has_prefixes) {
  const ClientTracking* current = c.session.tracking.get();
  std::string_view error;
  if (has_prefixes && !options.broadcast) {
    error = "ERR PREFIX option requires BCAST mode to be enabled";
  } else if (current != nullptr && current->broadcast != options.broadcast) {
    error =
        "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and "
        "then re-enabling it with a different mode.";
  } else if (options.broadcast && (options.opt_in || options.opt_out)) {
    error = "ERR OPTIN and OPTOUT are not compatible with BCAST";
  } else if (options.opt_in && options.opt_out) {
    error = "ERR You can't specify both OPTIN mode and OPTOUT mode";
  } else if (current != nullptr &&
             ((options.opt_in && current->opt_out) || (options.opt_out && current->opt_in))) {
    error =
        "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
        "then re-enabling it with a different mode.";
  }
  if (error.empty()) return true;
  c.fail(error);
  return false;
}

void turn_on(CommandContext& c, ClientTracking& options) {
  std::vector<std::string_view> prefixes;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.is(i, "redirect")) ++i;
    if (c.is(i, "prefix")) prefixes.push_back(c.args[++i]);
  }
  if (!check_options(c, options, !prefixes.empty()) || !check_prefixes(c, prefixes)) return;
  options.prefixes.insert(prefixes.begin(), prefixes.end());
  if (options.broadcast && prefixes.empty()) options.prefixes.emplace();
  c.server.tracking().enable(c.session, options);
  c.reply.ok();
}

}  // namespace

void client_tracking(CommandContext& c) {
  ClientTracking options;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (!parse_option(c, &i, &options)) return;
  }
  if (c.is(2, "on")) return turn_on(c, options);
  if (!c.is(2, "off")) return c.fail();
  c.server.tracking().disable(c.session);
  c.reply.ok();
}

void client_tracking_info(CommandContext& c) {
  const ClientTracking* tracking = c.session.tracking.get();
  std::vector<std::string_view> flags = {tracking == nullptr ? "off" : "on"};
  if (tracking != nullptr) {
    if (tracking->broadcast) flags.emplace_back("bcast");
    if (tracking->opt_in) flags.emplace_back("optin");
    if (tracking->opt_in && tracking->caching) flags.emplace_back("caching-yes");
    if (tracking->opt_out) flags.emplace_back("optout");
    if (tracking->opt_out && tracking->caching) flags.emplace_back("caching-no");
    if (tracking->no_loop) flags.emplace_back("noloop");
    if (tracking->redirect_broken) flags.emplace_back("broken_redirect");
  }
  c.reply.map(3);
  c.reply.bulk("flags");
  c.reply.set(flags.size());
  for (const std::string_view flag : flags) c.reply.bulk(flag);
  c.reply.bulk("redirect");
  c.reply.integer(tracking == nullptr ? -1 : static_cast<int64_t>(tracking->redirect));
  c.reply.bulk("prefixes");
  c.reply.array(tracking == nullptr ? 0 : tracking->prefixes.size());
  if (tracking == nullptr) return;
  for (const std::string& prefix : tracking->prefixes) c.reply.bulk(prefix);
}

void client_caching(CommandContext& c) {
  ClientTracking* tracking = c.session.tracking.get();
  if (tracking == nullptr) {
    return c.fail(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled");
  }
  const bool yes = c.is(2, "yes");
  if (!yes && !c.is(2, "no")) return c.fail();
  if (yes && !tracking->opt_in) {
    return c.fail("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
  }
  if (!yes && !tracking->opt_out) {
    return c.fail("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
  }
  tracking->caching = true;
  c.reply.ok();
}

void client_getredir(CommandContext& c) {
  const ClientTracking* tracking = c.session.tracking.get();
  c.reply.integer(tracking == nullptr ? -1 : static_cast<int64_t>(tracking->redirect));
}

}  // namespace holdfast
