// See which_shard.h.
#include "resp/commands/which_shard.h"

#include <string>

#include "resp/server.h"

namespace holdfast {

bool bind_shard(CommandContext& c, size_t i) {
  if (i == 0) {
    if (c.server.shards().all().size() <= 1) return true;
    c.fail("ERR this server hosts several shards; name one of them");
    return false;
  }
  int64_t id = 0;
  if (!c.integer_between(i, 0, UINT32_MAX, &id)) return false;
  Shard* asked = c.server.shards().find(static_cast<ShardId>(id));
  if (asked == nullptr) {
    c.fail("ERR this server does not host shard " + std::to_string(id));
    return false;
  }
  c.bind_all(*asked);
  return true;
}

}  // namespace holdfast
