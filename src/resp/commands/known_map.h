// What commands about a cluster share: the map that holds, the word where else to ask, and the
// answer to what was to be decided.
#pragma once

#include "replica/cluster_map.h"
#include "resp/cluster_admin.h"
#include "resp/context.h"

namespace holdfast {

// The committed map of a coordinator that leads; of a storage node the newest that it has seen.
// Null, and the error is replied: another coordinator leads, or this server knows of no cluster.
const ClusterMap* known_map(CommandContext& c);
// Null, and the error is replied: this is no coordinator, or not the one that leads.
ClusterAdmin* leading_admin(CommandContext& c);
// Of what it was asked to decide: OK, when that is committed, or why not.
void reply_decided(CommandContext& c, const Status& done);

}  // namespace holdfast
