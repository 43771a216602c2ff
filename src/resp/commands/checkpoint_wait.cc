// See checkpoint_wait.h.
#include "resp/commands/checkpoint_wait.h"

#include "replica/shard.h"
#include "resp/server.h"
#include "resp/session.h"

namespace holdfast {

void wait_for_checkpoint(CommandContext& c) {
  if (!c.may_block()) return c.fail("ERR a checkpoint can't be waited for in a transaction");
  // The checkpoint may end after the client, or even the server, has gone.
  auto done = [alive = c.server.alive(), &server = c.server, id = c.session.id(),
               answer = c.session.wants_reply()](const Status& status) {
    if (!*alive) return;
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
  c.shard.checkpoint().start(std::move(done));
}

}  // namespace holdfast
