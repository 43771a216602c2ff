// See checkpoint_wait.h.
#include "resp/commands/checkpoint_wait.h"

#include <memory>
#include <vector>

#include "replica/shards.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {

void wait_for_checkpoint(CommandContext& c) {
  if (!c.may_block()) return c.fail("ERR a checkpoint can't be waited for in a transaction");
  // The last of the checkpoints may end after the client, or even the server, has gone.
  struct Wait {
    size_t left;
    Status error;
  };
  const std::vector<Shard*>& all = c.server.shards().all();
  if (all.empty()) return c.reply.ok();
  const auto done = [alive = c.server.alive(), &server = c.server, id = c.session.id(),
                     answer = c.session.wants_reply(),
                     wait = std::make_shared<Wait>(Wait{all.size(), {}})](const Status& ended) {
    if (!ended.ok()) wait->error = ended;
    if (--wait->left > 0 || !*alive) return;
    const Status& status = wait->error;
    Session* session = server.session(id);
    if (session == nullptr || session->block_reason() != BlockReason::kSave) return;
    if (answer && status.ok()) {
      session->reply.ok();
    } else if (answer) {
      session->reply.error("ERR checkpoint failed: " + status.message());
    }
    session->flush_soon();
    session->unblock();
  };
  c.session.block(BlockReason::kSave, 0, {});
  for (Shard* shard : all) shard->checkpoint().start(done);
}

}  // namespace holdfast
