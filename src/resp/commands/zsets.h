// Sorted set commands: what their files have in common. The rows are in zsets.cc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "resp/context.h"
#include "store/types/zset.h"

namespace holdfast {

// zsets_change.cc
void zadd_command(CommandContext& c);
void zincrby_command(CommandContext& c);
void zrem_command(CommandContext& c);
void zremrangebyrank_command(CommandContext& c);
void zremrangebyscore_command(CommandContext& c);
void zremrangebylex_command(CommandContext& c);

// zsets_read.cc
void zcard_command(CommandContext& c);
void zscore_command(CommandContext& c);
void zmscore_command(CommandContext& c);
void zrank_command(CommandContext& c);
void zrevrank_command(CommandContext& c);
void zcount_command(CommandContext& c);
void zlexcount_command(CommandContext& c);
void zrandmember_command(CommandContext& c);
void zscan_command(CommandContext& c);

// zsets_range.cc
void zrange_command(CommandContext& c);
void zrangestore_command(CommandContext& c);
void zrevrange_command(CommandContext& c);
void zrangebyscore_command(CommandContext& c);
void zrevrangebyscore_command(CommandContext& c);
void zrangebylex_command(CommandContext& c);
void zrevrangebylex_command(CommandContext& c);

// zsets_pop.cc
void zpopmin_command(CommandContext& c);
void zpopmax_command(CommandContext& c);
void zmpop_command(CommandContext& c);
void bzpopmin_command(CommandContext& c);
void bzpopmax_command(CommandContext& c);
void bzmpop_command(CommandContext& c);

// zsets_combine.cc
void zunion_command(CommandContext& c);
void zunionstore_command(CommandContext& c);
void zinter_command(CommandContext& c);
void zinterstore_command(CommandContext& c);
void zintercard_command(CommandContext& c);
void zdiff_command(CommandContext& c);
void zdiffstore_command(CommandContext& c);

// --- arguments (zset_arguments.cc); each replies and returns false when they are wrong ---

// Bounds of scores at two arguments: "1.5", "(1.5", "-inf".
bool score_range_argument(CommandContext& c, size_t min, size_t max, ScoreRange* range);
// Bounds of members: "[a", "(a", "-", "+".
bool lex_range_argument(CommandContext& c, size_t min, size_t max, LexRange* range);
// Ranks from `start` to `stop`, both included and from the end when negative, of so many members.
RankRange rank_range(int64_t start, int64_t stop, uint64_t size);

// --- replies ---

// Begins a list of `count` members, each with its score if `with_scores`.
inline void begin_items(CommandContext& c, uint64_t count, bool with_scores) {
  c.reply.array(with_scores && !c.reply.resp3() ? count * 2 : count);
}
inline void reply_item(CommandContext& c, const ZsetItem& item, bool with_score) {
  if (with_score && c.reply.resp3()) c.reply.array(2);
  c.reply.bulk(item.member);
  if (with_score) c.reply.real(item.score);
}

// --- changes ---

// ZADD, with its options at argument 2, of items that are computed. No score is NaN.
void zadd_items(CommandContext& c, std::span<const ZsetItem> items);

// Removes what is at these ranks and tells of it: the event, and "del" if nothing is left.
// REQUIRES: the object's ranks, not none.
void remove_ranks(CommandContext& c, const KeyRef& key, const Object& object,
                  const RankRange& ranks, std::string_view event);
// Puts the sorted set in the place of whatever is at the key, or erases that if it is empty, tells
// of it and replies the size.
void store_zset(CommandContext& c, const KeyRef& key, const ZsetBuilder& zset,
                std::string_view event);

}  // namespace holdfast
