// List commands that take elements off an end, in lists_pop.cc; the others and the rows of the
// family are in lists.cc.
#pragma once

#include "resp/context.h"
#include "store/types/list.h"

namespace holdfast {

inline constexpr std::string_view kPushEvents[] = {"lpush", "rpush"};  // by ListSide

// Replies with one element.
inline void reply_element(ReplyWriter& reply, const Listpack::Element& element) {
  if (element.is_number) {
    reply.bulk_integer(element.number);
  } else {
    reply.bulk(element.text);
  }
}

// Replies with `count` elements from `index` on, as an array. REQUIRES: they are there.
void reply_elements(ReplyWriter& reply, const Collection& list, int64_t index, uint64_t count,
                    bool forward);

void lpop_command(CommandContext& c);
void rpop_command(CommandContext& c);
void lmpop_command(CommandContext& c);
void lmove_command(CommandContext& c);
void rpoplpush_command(CommandContext& c);
void blpop_command(CommandContext& c);
void brpop_command(CommandContext& c);
void blmpop_command(CommandContext& c);
void blmove_command(CommandContext& c);
void brpoplpush_command(CommandContext& c);

}  // namespace holdfast
