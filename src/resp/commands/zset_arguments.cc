// What sorted set commands take as arguments and do to keys in common; see zsets.h.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "resp/commands/zsets.h"

namespace holdfast {
namespace {

// As Redis reads a bound, which is more lenient than other numbers: leading space is skipped, and
// nothing at all is 0.
bool parse_bound(std::string_view text, double* score, bool* open) {
  *open = !text.empty() && text[0] == '(';
  if (*open) text.remove_prefix(1);
  if (parse_double(text, score)) return true;
  const std::string terminated(text);
  char* end = nullptr;
  *score = std::strtod(terminated.c_str(), &end);
  return *end == '\0' && !std::isnan(*score);
}

bool parse_bound(std::string_view text, LexBound* bound) {
  if (text.empty()) return false;
  const char first = text[0];
  text.remove_prefix(1);
  if (first == '(' || first == '[') {
    *bound = {LexBound::kMember, first == '(', text};
    return true;
  }
  if (first != '-' && first != '+') return false;
  *bound = {first == '-' ? LexBound::kLowest : LexBound::kHighest, false, {}};
  return text.empty() || text[0] == '\0';
}

}  // namespace

bool score_range_argument(CommandContext& c, size_t min, size_t max, ScoreRange* range) {
  if (parse_bound(c.args[min], &range->min, &range->min_open) &&
      parse_bound(c.args[max], &range->max, &range->max_open)) {
    return true;
  }
  c.fail("ERR min or max is not a float");
  return false;
}

bool lex_range_argument(CommandContext& c, size_t min, size_t max, LexRange* range) {
  if (parse_bound(c.args[min], &range->min) && parse_bound(c.args[max], &range->max)) return true;
  c.fail("ERR min or max not valid string range item");
  return false;
}

RankRange rank_range(int64_t start, int64_t stop, uint64_t size) {
  const auto count = static_cast<int64_t>(size);
  if (start < 0) start = std::max<int64_t>(0, start + count);
  if (stop < 0) stop += count;
  if (start > stop || start >= count) return {};
  return {static_cast<uint64_t>(start), static_cast<uint64_t>(std::min(stop, count - 1)) + 1};
}

void remove_ranks(CommandContext& c, const KeyRef& key, const Object& object,
                  const RankRange& ranks, std::string_view event) {
  const Zset zset(object.collection());
  const bool all = ranks.size() == zset.size();
  std::string& operands = c.operands();
  Zset::Cursor cursor = zset.at(ranks.first);
  for (uint64_t i = ranks.first; i < ranks.end; ++i, cursor.next()) {
    put_bytes(operands, cursor.item().member);
  }
  c.edit(EffectType::kZsetRemove, key, operands);
  c.notify(NotifyClass::kZset, event, key);
  if (all) c.notify(NotifyClass::kGeneric, "del", key);
}

void store_zset(CommandContext& c, const KeyRef& key, const ZsetBuilder& zset,
                std::string_view event) {
  if (zset.size() == 0) {
    if (c.find_write(key) != nullptr) {
      c.erase(key);
      c.notify(NotifyClass::kGeneric, "del", key);
    }
  } else {
    std::string encoded;
    zset.encode(c.keyspace().limits(), &encoded);
    c.put_value(c.db(), key, ObjectType::kZset, encoded, 0);
    c.notify(NotifyClass::kZset, event, key);
  }
  c.reply.integer(static_cast<int64_t>(zset.size()));
}

}  // namespace holdfast
