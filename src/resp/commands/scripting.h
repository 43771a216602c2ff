// What commands that run scripts and functions share.
#pragma once

#include "resp/context.h"

namespace holdfast {

// The keys and the other arguments of EVAL and FCALL: `numkeys key ... arg ...` from argument 2 on.
// Replies with the reason and returns false when the count makes no sense.
bool script_arguments(CommandContext& c, std::span<const std::string_view>* keys,
                      std::span<const std::string_view>* args,
                      std::string_view no_number = errors::kNotInteger);
// SCRIPT KILL and FUNCTION KILL.
void kill_script(CommandContext& c, bool eval);

}  // namespace holdfast
