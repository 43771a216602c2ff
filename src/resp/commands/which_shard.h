// Commands about one shard's replica, on a server that may host several.
#pragma once

#include "resp/context.h"

namespace holdfast {

// Lets the command work on the shard that argument `i` names; 0: on the only one. Else replies why
// not and returns false. A server that hosts none: true, and c.has_shard() says so.
bool bind_shard(CommandContext& c, size_t i);

}  // namespace holdfast
