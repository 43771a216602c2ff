// Handlers of the set family by file; their rows are in sets.cc.
#pragma once

#include <optional>

#include "store/key.h"
#include "store/object.h"

namespace holdfast {

class CommandContext;

// The set for reading or for writing. Without one `set` is null; false when an error was replied.
bool read_set(CommandContext& c, const KeyRef& key, std::optional<Collection>* set);
bool write_set(CommandContext& c, const KeyRef& key, std::optional<Collection>* set);

// sets_algebra.cc
void sinter_command(CommandContext& c);
void sintercard_command(CommandContext& c);
void sinterstore_command(CommandContext& c);
void sunion_command(CommandContext& c);
void sunionstore_command(CommandContext& c);
void sdiff_command(CommandContext& c);
void sdiffstore_command(CommandContext& c);

// sets_random.cc
void spop_command(CommandContext& c);
void srandmember_command(CommandContext& c);

}  // namespace holdfast
