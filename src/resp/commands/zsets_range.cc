// ZRANGE, the commands that it has replaced, and ZRANGESTORE: members by rank, score or bytes.
#include <algorithm>
#include <string_view>

#include "resp/commands/zsets.h"

namespace holdfast {
namespace {

enum class By : uint8_t { kOptions, kRank, kScore, kLex };
enum class Direction : uint8_t { kOptions, kForward, kReverse };

struct RangeCall {
  bool store = false;  // argument 1 is where to
  By by = By::kOptions;
  Direction direction = Direction::kOptions;
  bool with_scores = false;
  int64_t offset = 0;
  int64_t limit = -1;  // negative: none

  size_t key() const { return store ? 2 : 1; }
  bool reverse() const { return direction == Direction::kReverse; }
};

// Takes the options; replies and returns false when they are wrong.
bool take_options(CommandContext& c, RangeCall* call) {
  for (size_t i = call->key() + 3; i < c.argc(); ++i) {
    if (!call->store && c.is(i, "withscores")) {
      call->with_scores = true;
    } else if (c.is(i, "limit") && i + 2 < c.argc()) {
      if (!c.integer(i + 1, &call->offset) || !c.integer(i + 2, &call->limit)) return false;
      i += 2;
    } else if (call->direction == Direction::kOptions && c.is(i, "rev")) {
      call->direction = Direction::kReverse;
    } else if (call->by == By::kOptions && c.is(i, "bylex")) {
      call->by = By::kLex;
    } else if (call->by == By::kOptions && c.is(i, "byscore")) {
      call->by = By::kScore;
    } else {
      c.fail();
      return false;
    }
  }
  if (call->direction == Direction::kOptions) call->direction = Direction::kForward;
  if (call->by == By::kOptions) call->by = By::kRank;
  if (call->limit != -1 && call->by == By::kRank) {
    c.fail("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (call->with_scores && call->by == By::kLex) {
    c.fail("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  return true;
}

// What is asked for, before it is known of which sorted set.
struct Wanted {
  int64_t start = 0;
  int64_t stop = 0;
  ScoreRange scores;
  LexRange members;
};

bool take_bounds(CommandContext& c, const RangeCall& call, Wanted* wanted) {
  const size_t first = call.key() + 1;
  if (call.by == By::kRank) {
    return c.integer(first, &wanted->start) && c.integer(first + 1, &wanted->stop);
  }
  const size_t min = call.reverse() ? first + 1 : first;
  const size_t max = call.reverse() ? first : first + 1;
  if (call.by == By::kScore) return score_range_argument(c, min, max, &wanted->scores);
  return lex_range_argument(c, min, max, &wanted->members);
}

// Ranks from the lowest score on, also if the direction is the other.
RankRange ranks_of(const Zset& zset, const RangeCall& call, const Wanted& wanted) {
  const uint64_t size = zset.size();
  if (call.by == By::kRank) {
    RankRange ranks = rank_range(wanted.start, wanted.stop, size);
    if (call.reverse()) ranks = {size - ranks.end, size - ranks.first};
    return ranks;
  }
  RankRange ranks =
      call.by == By::kScore ? zset.within(wanted.scores) : zset.within(wanted.members);
  if (call.offset < 0) return {};
  const uint64_t skipped = std::min(static_cast<uint64_t>(call.offset), ranks.size());
  uint64_t taken = ranks.size() - skipped;
  if (call.limit >= 0) taken = std::min(taken, static_cast<uint64_t>(call.limit));
  if (call.reverse()) return {ranks.end - skipped - taken, ranks.end - skipped};
  return {ranks.first + skipped, ranks.first + skipped + taken};
}

// Calls visit(item) for what is at the ranks, in the call's direction.
template <typename Visit>
void visit_ranks(const Zset& zset, const RankRange& ranks, bool reverse, Visit visit) {
  if (ranks.size() == 0) return;
  Zset::Cursor cursor = zset.at(reverse ? ranks.end - 1 : ranks.first);
  for (uint64_t left = ranks.size(); left > 0; --left) {
    visit(cursor.item());
    if (reverse) {
      cursor.prev();
    } else {
      cursor.next();
    }
  }
}

void range(CommandContext& c, RangeCall call) {
  Wanted wanted;
  if (!take_options(c, &call) || !take_bounds(c, call, &wanted)) return;
  const Object* object = c.find_read(c.key(call.key()));
  if (!c.expect_type(object, ObjectType::kZset)) return;
  if (call.store) {
    ZsetBuilder result(c.keyspace().limits().hash_seed);
    if (object != nullptr) {
      const Zset zset(object->collection());
      visit_ranks(zset, ranks_of(zset, call, wanted), call.reverse(),
                  [&result](const ZsetItem& item) { result.set(item.member, item.score); });
    }
    store_zset(c, c.key(1), result, "zrangestore");
    return;
  }
  if (object == nullptr) {
    c.reply.array(0);
    return;
  }
  const Zset zset(object->collection());
  const RankRange ranks = ranks_of(zset, call, wanted);
  begin_items(c, ranks.size(), call.with_scores);
  visit_ranks(zset, ranks, call.reverse(),
              [&](const ZsetItem& item) { reply_item(c, item, call.with_scores); });
}

}  // namespace

void zrange_command(CommandContext& c) { range(c, {}); }

void zrangestore_command(CommandContext& c) { range(c, {true, By::kOptions, Direction::kOptions}); }

void zrevrange_command(CommandContext& c) { range(c, {false, By::kRank, Direction::kReverse}); }

void zrangebyscore_command(CommandContext& c) {
  range(c, {false, By::kScore, Direction::kForward});
}

void zrevrangebyscore_command(CommandContext& c) {
  range(c, {false, By::kScore, Direction::kReverse});
}

void zrangebylex_command(CommandContext& c) { range(c, {false, By::kLex, Direction::kForward}); }

void zrevrangebylex_command(CommandContext& c) { range(c, {false, By::kLex, Direction::kReverse}); }

}  // namespace holdfast
