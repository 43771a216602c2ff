// Handlers of the hash family by file; their rows are in hashes.cc.
#pragma once

#include <optional>

#include "store/key.h"
#include "store/object.h"

namespace holdfast {

class CommandContext;

// The hash for reading or for writing. Without one `hash` is null; false when an error was replied.
bool read_hash(CommandContext& c, const KeyRef& key, std::optional<Collection>* hash);
bool write_hash(CommandContext& c, const KeyRef& key, std::optional<Collection>* hash);

// hashes_read.cc: HRANDFIELD, HSCAN
void hrandfield_command(CommandContext& c);
void hscan_command(CommandContext& c);

// hashes_expiry.cc
void hexpire_command(CommandContext& c);
void hpexpire_command(CommandContext& c);
void hexpireat_command(CommandContext& c);
void hpexpireat_command(CommandContext& c);
void hpersist_command(CommandContext& c);
void httl_command(CommandContext& c);
void hpttl_command(CommandContext& c);
void hexpiretime_command(CommandContext& c);
void hpexpiretime_command(CommandContext& c);

}  // namespace holdfast
