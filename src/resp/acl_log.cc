// See acl_log.h.
#include "resp/acl_log.h"

#include <cstdlib>

namespace holdfast {
namespace {

constexpr int64_t kSameWithinMs = 60'000;
constexpr int kLookedAt = 10;  // newest entries that may be the same

bool same(const AclDenial& a, const AclDenial& b) {
  return a.reason == b.reason && a.context == b.context && a.object == b.object && a.user == b.user;
}

}  // namespace

void AclLog::record(AclDenial denial, int64_t now_ms, size_t max_entries) {
  auto found = entries_.begin();
  for (int i = 0; i < kLookedAt && found != entries_.end(); ++i, ++found) {
    if (std::abs(now_ms - found->last_ms) > kSameWithinMs || !same(found->denial, denial)) continue;
    found->denial.client = std::move(denial.client);
    found->last_ms = now_ms;
    ++found->count;
    entries_.splice(entries_.begin(), entries_, found);
    return;
  }
  if (max_entries > 0) entries_.push_front({std::move(denial), next_id_++, 1, now_ms, now_ms});
  trim(max_entries);
}

void AclLog::trim(size_t max_entries) {
  while (entries_.size() > max_entries) entries_.pop_back();
}

std::string_view acl_reason_name(AclReason reason) {
  switch (reason) {
    case AclReason::kCommand:
      return "command";
    case AclReason::kKey:
      return "key";
    case AclReason::kChannel:
      return "channel";
    case AclReason::kAuth:
      return "auth";
    case AclReason::kAllowed:
      break;
  }
  return "unknown";
}

std::string_view acl_context_name(AclContext context) {
  switch (context) {
    case AclContext::kTopLevel:
      return "toplevel";
    case AclContext::kMulti:
      return "multi";
    case AclContext::kLua:
      break;
  }
  return "lua";
}

}  // namespace holdfast
