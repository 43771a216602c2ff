// Commands that answer when a checkpoint has ended.
#pragma once

#include "resp/context.h"

namespace holdfast {

// Starts a checkpoint, or joins the running one, and blocks the session until it has ended; then
// replies OK or the reason of its failure. Other sessions go on.
void wait_for_checkpoint(CommandContext& c);

}  // namespace holdfast
