// What the dispatcher asks about the pub/sub commands.
#pragma once

#include "resp/command.h"

namespace holdfast {

// True for SUBSCRIBE, UNSUBSCRIBE and their kin: a client gets one push for each channel.
bool answers_with_pushes(const Command& command);
// A subscribed RESP2 client may send these only, since it could not tell other replies from
// messages.
bool allowed_while_subscribed(const Command& command);

}  // namespace holdfast
