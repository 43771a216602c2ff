// The command families: each is one file that ends with its rows. A new family is declared here
// and listed in command_table.cc; a new command of a family touches the family's file only.
#pragma once

#include <span>

#include "resp/command.h"

namespace holdfast {

std::span<const CommandSpec> string_commands();
std::span<const CommandSpec> bitmap_commands();
std::span<const CommandSpec> stream_commands();
std::span<const CommandSpec> hyperloglog_commands();
std::span<const CommandSpec> zset_commands();
std::span<const CommandSpec> geo_commands();
std::span<const CommandSpec> hash_commands();
std::span<const CommandSpec> set_commands();
std::span<const CommandSpec> list_commands();
std::span<const CommandSpec> sort_commands();
std::span<const CommandSpec> key_commands();            // DEL, RENAME, COPY, MOVE, OBJECT, ...
std::span<const CommandSpec> dump_commands();           // DUMP, RESTORE
std::span<const CommandSpec> expiry_commands();         // EXPIRE and TTL families
std::span<const CommandSpec> database_commands();       // DBSIZE, KEYS, SCAN, SWAPDB, FLUSHALL, ...
std::span<const CommandSpec> connection_commands();     // PING, AUTH, HELLO, SELECT, ...
std::span<const CommandSpec> transaction_commands();    // MULTI, EXEC, WATCH, ...
std::span<const CommandSpec> scripting_commands();      // EVAL, SCRIPT
std::span<const CommandSpec> function_commands();       // FCALL, FUNCTION
std::span<const CommandSpec> client_commands();         // CLIENT and its subcommands
std::span<const CommandSpec> config_commands();         // CONFIG
std::span<const CommandSpec> info_commands();           // INFO, LOLWUT
std::span<const CommandSpec> memory_commands();         // MEMORY
std::span<const CommandSpec> latency_commands();        // LATENCY, SLOWLOG
std::span<const CommandSpec> introspection_commands();  // COMMAND
std::span<const CommandSpec> admin_commands();          // MONITOR, SHUTDOWN, WAIT, SAVE, ...
std::span<const CommandSpec> engine_commands();         // ENGINE, a command of our own
std::span<const CommandSpec> shard_commands();          // SHARD, a command of our own
std::span<const CommandSpec> cluster_view_commands();   // VIEW, NODE, EPOCH, of our own
std::span<const CommandSpec> oplog_commands();          // OPLOG, of our own
std::span<const CommandSpec> trace_commands();          // TRACE, of our own
std::span<const CommandSpec> why_commands();            // WHY, of our own
std::span<const CommandSpec> debug_commands();          // DEBUG
std::span<const CommandSpec> acl_commands();            // ACL
std::span<const CommandSpec> cluster_commands();        // CLUSTER
std::span<const CommandSpec> pubsub_commands();         // SUBSCRIBE, PUBLISH, PUBSUB, ...

}  // namespace holdfast
