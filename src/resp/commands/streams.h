// What the commands on streams share, and the handlers of the family's files (the rows are in
// streams.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "resp/context.h"
#include "store/types/stream.h"
#include "store/types/stream_effects.h"

namespace holdfast {

// --- arguments; each replies with an error and returns false when it is wrong ---

// An id; "-" and "+" are none.
bool stream_id_argument(CommandContext& c, size_t i, StreamId* id);
// One end of a range: "-", "+", an id, or "(id" for the one beyond it. A half that is not given is
// the lowest for the low end and the highest for the high one.
bool range_low_argument(CommandContext& c, size_t i, StreamId* low);
bool range_high_argument(CommandContext& c, size_t i, StreamId* high);
// "-" and "+" too.
bool any_stream_id_argument(CommandContext& c, size_t i, uint64_t missing_seq, StreamId* id);

// --- keys ---

// A group of a stream and what is around it, as a command looks at them. An effect on the key makes
// it stale until find() is called again.
struct FoundGroup {
  KeyRef key;
  std::string_view name;
  const Stream* stream = nullptr;
  const StreamGroup* group = nullptr;

  // False when there is no such group. REQUIRES: the key, if it is there, is a stream.
  bool find(const Object* object);
};
// Replies WRONGTYPE, or that there is no such key or group.
bool find_group(CommandContext& c, size_t key_at, size_t group_at, FoundGroup* found);

// The consumer is here and asks for entries: makes it if need be, else only notes the time.
void consumer_asks(CommandContext& c, FoundGroup& found, std::string_view consumer);

// --- replies ---

void reply_stream_id(ReplyWriter& reply, const StreamId& id);
// The entry that the iterator is on: its id and its pairs.
void reply_entry(ReplyWriter& reply, StreamIterator& entry);
// The entry; false, and nothing, when there is none.
bool reply_entry_of(ReplyWriter& reply, const Stream& stream, const StreamId& id);
// An array of the entries of a range, `count` (0: all) at most; gives how many.
uint64_t reply_stream_range(ReplyWriter& reply, const Stream& stream, const StreamId& low,
                            const StreamId& high, uint64_t count, bool backward = false);

// --- handlers ---

void xadd_command(CommandContext& c);  // streams_add.cc
void xtrim_command(CommandContext& c);
void xread_command(CommandContext& c);          // streams_read.cc
void xreadgroup_command(CommandContext& c);     //
void xgroup_create_command(CommandContext& c);  // streams_groups.cc
void xgroup_setid_command(CommandContext& c);
void xgroup_destroy_command(CommandContext& c);
void xgroup_createconsumer_command(CommandContext& c);
void xgroup_delconsumer_command(CommandContext& c);
void xgroup_help_command(CommandContext& c);
void xack_command(CommandContext& c);
void xpending_command(CommandContext& c);
void xclaim_command(CommandContext& c);  // streams_claim.cc
void xautoclaim_command(CommandContext& c);
void xinfo_stream_command(CommandContext& c);  // streams_info.cc
void xinfo_groups_command(CommandContext& c);
void xinfo_consumers_command(CommandContext& c);
void xinfo_help_command(CommandContext& c);

}  // namespace holdfast
