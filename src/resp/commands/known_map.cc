// See known_map.h.
#include "resp/commands/known_map.h"

#include <string>

#include "resp/server.h"

namespace holdfast {
namespace {

bool leads(CommandContext& c, const ClusterAdmin& admin) {
  if (admin.leads()) return true;
  const std::string leader = admin.leader_address();
  c.fail(leader.empty() ? "CLUSTERDOWN The coordinators have no leader" : "MOVED 0 " + leader);
  return false;
}

}  // namespace

const ClusterMap* known_map(CommandContext& c) {
  const ServerHooks& hooks = c.server.hooks();
  if (hooks.admin != nullptr) return leads(c, *hooks.admin) ? &hooks.admin->map() : nullptr;
  const ClusterMap* map = hooks.cluster_map ? hooks.cluster_map() : nullptr;
  if (map == nullptr)
    c.fail("ERR this server is not part of a cluster with coordinators; see mode");
  return map;
}

ClusterAdmin* leading_admin(CommandContext& c) {
  ClusterAdmin* admin = c.server.hooks().admin;
  if (admin == nullptr) {
    c.fail("ERR only coordinators do this; see cluster.coordinators");
    return nullptr;
  }
  return leads(c, *admin) ? admin : nullptr;
}

void reply_decided(CommandContext& c, const Status& done) {
  if (!done.ok()) {
    return c.fail((done.code() == Code::kStale ? "STALE " : "ERR ") + done.message());
  }
  c.observe(c.shard().last_seq());
  c.reply.ok();
}

}  // namespace holdfast
