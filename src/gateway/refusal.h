// NodeRefusal: what an error of a storage node means for a gateway: whether the command was
// certainly not carried out, and what to do about it.
//
// R1 A command whose outcome is not known is sent again only if it changes nothing. R2 One that was
// refused for certain is sent again until its time is over. Everything else is the client's to see.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/types.h"

namespace holdfast {

enum class RefusalKind : uint8_t {
  kNone,   // an answer like any other
  kMoved,  // another node serves the slot from now on
  kAsk,    // another node has this key, this once
  kLater,  // nobody serves it now
};

struct NodeRefusal {
  RefusalKind kind = RefusalKind::kNone;
  SlotId slot = 0;           // of kMoved and kAsk
  std::string_view address;  // the same: "HOST:PORT"; empty when the node does not know
};

// `line`: an error reply with or without "-" and its line end.
NodeRefusal classify_refusal(std::string_view line);
// Errors of a command that was not begun, which nodes do not remember: of a write that may have
// been done when it was sent before, they say nothing. `line`: without its '-'.
bool refused_this_time(std::string_view line);

}  // namespace holdfast
