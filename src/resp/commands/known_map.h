// What commands about a cluster begin with: the map that holds, or the word where else to ask.
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

}  // namespace holdfast
