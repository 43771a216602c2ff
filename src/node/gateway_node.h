// A process of mode gateway: a Gateway and nothing else. It has no engine and no data directory.
#pragma once

#include "base/options.h"
#include "base/status.h"

namespace holdfast {

// Serves until SIGTERM or SIGINT: then nothing new is read, and what is on its way is answered, for
// at most a few seconds. The message of a failure to start is for the operator.
Status run_gateway(Options& options);

}  // namespace holdfast
