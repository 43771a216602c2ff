// Sorted set commands that look at members, ranks and counts: ZCARD, ZSCORE, ZMSCORE, ZRANK,
// ZREVRANK, ZCOUNT, ZLEXCOUNT, ZRANDMEMBER, ZSCAN.
#include <string>
#include <string_view>
#include <unordered_set>

#include "resp/commands/collection_scan.h"
#include "resp/commands/random_members.h"
#include "resp/commands/zsets.h"
#include "resp/server.h"

namespace holdfast {
namespace {

// The object at argument 1, for reading. When there is none, replies with `none(c)`; when it is no
// sorted set, the error; then null is given.
template <typename None>
const Object* found(CommandContext& c, None none) {
  const Object* object = c.find_read(c.key(1));
  if (object == nullptr) none();
  return object != nullptr && c.expect_type(object, ObjectType::kZset) ? object : nullptr;
}

const Object* found_or_zero(CommandContext& c) {
  return found(c, [&c] { c.reply.integer(0); });
}

const Object* found_or_null(CommandContext& c) {
  return found(c, [&c] { c.reply.null(); });
}

void rank(CommandContext& c, bool reverse) {
  if (c.argc() > 4) {
    c.fail("ERR wrong number of arguments for '" + c.command.full_name + "' command");
    return;
  }
  const bool with_score = c.argc() == 4;
  if (with_score && !c.is(3, "withscore")) {
    c.fail();
    return;
  }
  const auto none = [&c, with_score] { with_score ? c.reply.null_array() : c.reply.null(); };
  const Object* object = found(c, none);
  if (object == nullptr) return;
  const Zset zset(object->collection());
  uint64_t rank = 0;
  double score = 0;
  if (!zset.rank(c.args[2], &rank, &score)) {
    none();
    return;
  }
  if (reverse) rank = zset.size() - 1 - rank;
  if (with_score) c.reply.array(2);
  c.reply.integer(static_cast<int64_t>(rank));
  if (with_score) c.reply.real(score);
}

// So many members, each drawn by itself.
void reply_draws(CommandContext& c, const Zset& zset, uint64_t count, bool with_scores) {
  begin_items(c, count, with_scores);
  const uint64_t size = zset.size();
  for (uint64_t i = 0; i < count; ++i) {
    reply_item(c, zset.at(c.server.random().below(size)).item(), with_scores);
  }
}

// So many different members. REQUIRES: fewer than there are.
void reply_sample(CommandContext& c, const Zset& zset, uint64_t count, bool with_scores) {
  // Floyd's: each of the last `count` ranks is drawn from those up to it.
  const uint64_t size = zset.size();
  std::unordered_set<uint64_t> drawn;
  drawn.reserve(count);
  begin_items(c, count, with_scores);
  for (uint64_t last = size - count; last < size; ++last) {
    uint64_t rank = c.server.random().below(last + 1);
    if (!drawn.insert(rank).second) {
      rank = last;
      drawn.insert(rank);
    }
    reply_item(c, zset.at(rank).item(), with_scores);
  }
}

}  // namespace

void zcard_command(CommandContext& c) {
  const Object* object = found_or_zero(c);
  if (object != nullptr) {
    c.reply.integer(static_cast<int64_t>(Zset(object->collection()).size()));
  }
}

void zscore_command(CommandContext& c) {
  const Object* object = found_or_null(c);
  if (object == nullptr) return;
  double score;
  if (Zset(object->collection()).score(c.args[2], &score)) {
    c.reply.real(score);
  } else {
    c.reply.null();
  }
}

void zmscore_command(CommandContext& c) {
  const Object* object = c.find_read(c.key(1));
  if (!c.expect_type(object, ObjectType::kZset)) return;
  c.reply.array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    double score;
    if (object != nullptr && Zset(object->collection()).score(c.args[i], &score)) {
      c.reply.real(score);
    } else {
      c.reply.null();
    }
  }
}

void zrank_command(CommandContext& c) { rank(c, false); }
void zrevrank_command(CommandContext& c) { rank(c, true); }

void zcount_command(CommandContext& c) {
  ScoreRange range;
  if (!score_range_argument(c, 2, 3, &range)) return;
  const Object* object = found_or_zero(c);
  if (object == nullptr) return;
  c.reply.integer(static_cast<int64_t>(Zset(object->collection()).within(range).size()));
}

void zlexcount_command(CommandContext& c) {
  LexRange range;
  if (!lex_range_argument(c, 2, 3, &range)) return;
  const Object* object = found_or_zero(c);
  if (object == nullptr) return;
  c.reply.integer(static_cast<int64_t>(Zset(object->collection()).within(range).size()));
}

void zrandmember_command(CommandContext& c) {
  if (c.argc() == 2) {
    const Object* object = found_or_null(c);
    if (object == nullptr) return;
    const Zset zset(object->collection());
    c.reply.bulk(zset.at(c.server.random().below(zset.size())).item().member);
    return;
  }
  int64_t count;
  if (!c.integer_between(2, -INT64_MAX, INT64_MAX, &count)) return;
  const bool with_scores = c.argc() == 4 && c.is(3, "withscores");
  if (c.argc() > 4 || (c.argc() == 4 && !with_scores)) {
    c.fail();
    return;
  }
  if (with_scores && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
    c.fail("ERR value is out of range");
    return;
  }
  const Object* object = found(c, [&c] { c.reply.array(0); });
  if (object == nullptr) return;
  const Zset zset(object->collection());
  if (count < 0) {
    if (count < -static_cast<int64_t>(kMaxDraws)) {
      c.fail("ERR value is out of range");
      return;
    }
    reply_draws(c, zset, static_cast<uint64_t>(-count), with_scores);
    return;
  }
  const auto wanted = static_cast<uint64_t>(count);
  if (wanted < zset.size()) {
    reply_sample(c, zset, wanted, with_scores);
    return;
  }
  begin_items(c, zset.size(), with_scores);
  for (Zset::Cursor cursor = zset.at(0); cursor.valid(); cursor.next()) {
    reply_item(c, cursor.item(), with_scores);
  }
}

void zscan_command(CommandContext& c) {
  ScanArguments scan;
  if (!parse_scan_cursor(c, &scan)) return;
  const Object* object = found(c, [&c] { reply_scan(c, 0, 0, {}); });
  if (object == nullptr || !parse_scan_options(c, false, &scan)) return;
  const Zset zset(object->collection());
  std::string& members = c.operands();
  uint64_t count = 0;
  const auto visit = [&](std::string_view member, double score) {
    if (!scan.wants(member)) return;
    char text[kMaxDoubleText];
    put_bytes(members, member);
    put_bytes(members, format_double(score, text));
    count += 2;
  };
  uint64_t cursor = 0;
  if (zset.index() != nullptr) {
    cursor = scan_table(zset.index()->table(), scan, [&visit](const ScoredMember& entry) {
      visit(entry.member(), entry.score);
    });
  } else {
    for (Zset::Cursor i = zset.at(0); i.valid(); i.next()) {
      const ZsetItem item = i.item();
      visit(item.member, item.score);
    }
  }
  reply_scan(c, cursor, count, members);
}

}  // namespace holdfast
