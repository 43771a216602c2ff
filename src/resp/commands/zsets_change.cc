// ZADD, ZINCRBY, ZREM and ZREMRANGEBY*: members that come, change their scores and go. Conditions
// and sums are resolved here; the effect says the scores that come out.
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "resp/commands/zsets.h"

namespace holdfast {
namespace {

struct AddOptions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
  bool ch = false;
  bool incr = false;
};

// Takes the options; gives the argument behind them.
size_t take_options(const CommandContext& c, AddOptions* options) {
  size_t i = 2;
  for (; i < c.argc(); ++i) {
    if (c.is(i, "nx")) {
      options->nx = true;
    } else if (c.is(i, "xx")) {
      options->xx = true;
    } else if (c.is(i, "gt")) {
      options->gt = true;
    } else if (c.is(i, "lt")) {
      options->lt = true;
    } else if (c.is(i, "ch")) {
      options->ch = true;
    } else if (c.is(i, "incr")) {
      options->incr = true;
    } else {
      break;
    }
  }
  return i;
}

// False when an error was replied.
bool check_options(CommandContext& c, const AddOptions& options, size_t pairs_at) {
  const size_t rest = c.argc() - pairs_at;
  if (rest == 0 || rest % 2 != 0) {
    c.fail();
  } else if (options.nx && options.xx) {
    c.fail("ERR XX and NX options at the same time are not compatible");
  } else if ((options.gt && options.nx) || (options.lt && options.nx) ||
             (options.gt && options.lt)) {
    c.fail("ERR GT, LT, and/or NX options at the same time are not compatible");
  } else if (options.incr && rest > 2) {
    c.fail("ERR INCR option supports a single increment-element pair");
  } else {
    return true;
  }
  return false;
}

// The scores of members as they are and as one command has changed them so far.
class Scores {
 public:
  Scores(const Object* object, size_t pairs) : object_(object), one_(pairs == 1) {}

  bool find(std::string_view member, double* score) const {
    if (!one_) {
      const auto changed = changed_.find(member);
      if (changed != changed_.end()) {
        *score = changed->second;
        return true;
      }
    }
    return object_ != nullptr && Zset(object_->collection()).score(member, score);
  }

  void set(std::string_view member, double score) {
    if (!one_) changed_[member] = score;
  }

 private:
  const Object* object_;
  const bool one_;  // nothing will be asked for after set()
  std::unordered_map<std::string_view, double> changed_;
};

enum class Outcome : uint8_t { kNothing, kAdded, kUpdated, kUnchanged, kNotANumber };

// What becomes of a member. `*score`: what was given; then what it has.
Outcome resolve(const AddOptions& options, const Scores& scores, std::string_view member,
                double* score) {
  double now;
  if (!scores.find(member, &now)) return options.xx ? Outcome::kNothing : Outcome::kAdded;
  if (options.nx) return Outcome::kNothing;
  if (options.incr) *score += now;
  if (std::isnan(*score)) return Outcome::kNotANumber;
  if ((options.lt && *score >= now) || (options.gt && *score <= now)) return Outcome::kNothing;
  return *score == now ? Outcome::kUnchanged : Outcome::kUpdated;
}

// `item(i)`: the i-th member with the score that is given for it.
template <typename Item>
void add(CommandContext& c, const AddOptions& options, size_t items, Item item) {
  const KeyRef key = c.key(1);
  const Object* object = c.find_write(key);
  if (!c.expect_type(object, ObjectType::kZset)) return;
  Scores scores(object, items);
  std::string& operands = c.operands();
  int64_t added = 0;
  int64_t updated = 0;
  bool processed = false;
  double score = 0;
  for (size_t i = 0; i < items; ++i) {
    const ZsetItem given = item(i);
    const std::string_view member = given.member;
    score = given.score;
    const Outcome outcome = resolve(options, scores, member, &score);
    if (outcome == Outcome::kNotANumber) {
      c.fail("ERR resulting score is not a number (NaN)");
      return;
    }
    processed = processed || outcome != Outcome::kNothing;
    if (outcome == Outcome::kAdded) ++added;
    if (outcome == Outcome::kUpdated) ++updated;
    if (outcome != Outcome::kAdded && outcome != Outcome::kUpdated) continue;
    put_zset_add(member, score, &operands);
    scores.set(member, score);
  }
  if (added + updated > 0) {
    c.edit(EffectType::kZsetAdd, key, operands);
    c.notify(NotifyClass::kZset, options.incr ? "zincr" : "zadd", key);
  }
  if (!options.incr) {
    c.reply.integer(options.ch ? added + updated : added);
  } else if (processed) {
    c.reply.real(score);
  } else {
    c.reply.null();
  }
}

// The arguments from `pairs_at` on: scores and members.
void add_arguments(CommandContext& c, const AddOptions& options, size_t pairs_at) {
  const size_t pairs = (c.argc() - pairs_at) / 2;
  double score = 0;
  // All are checked before anything is changed; a single one need not be read twice.
  for (size_t i = pairs_at; i < c.argc(); i += 2) {
    if (!c.real(i, &score)) return;
  }
  add(c, options, pairs, [&](size_t i) {
    const size_t at = pairs_at + 2 * i;
    if (pairs > 1) parse_double(c.args[at], &score);
    return ZsetItem{c.args[at + 1], score};
  });
}

// Replies how many were removed.
void remove_range(CommandContext& c, const KeyRef& key, const Object& object,
                  const RankRange& ranks, std::string_view event) {
  const uint64_t count = ranks.size();
  if (count > 0) remove_ranks(c, key, object, ranks, event);
  c.reply.integer(static_cast<int64_t>(count));
}

// The object at argument 1; replies 0 or the error and gives null when it is no sorted set.
const Object* found_for_removal(CommandContext& c, const KeyRef& key) {
  const Object* object = c.find_write(key);
  if (object == nullptr) c.reply.integer(0);
  return object != nullptr && c.expect_type(object, ObjectType::kZset) ? object : nullptr;
}

}  // namespace

void zadd_command(CommandContext& c) {
  AddOptions options;
  const size_t pairs_at = take_options(c, &options);
  if (check_options(c, options, pairs_at)) add_arguments(c, options, pairs_at);
}

void zadd_items(CommandContext& c, std::span<const ZsetItem> items) {
  AddOptions options;
  take_options(c, &options);
  if (items.empty()) {
    c.fail();
    return;
  }
  add(c, options, items.size(), [items](size_t i) { return items[i]; });
}

void zincrby_command(CommandContext& c) {
  AddOptions options;
  options.incr = true;
  add_arguments(c, options, 2);
}

void zrem_command(CommandContext& c) {
  const KeyRef key = c.key(1);
  const Object* object = found_for_removal(c, key);
  if (object == nullptr) return;
  const Zset zset(object->collection());
  const uint64_t before = zset.size();
  std::string& operands = c.operands();
  for (size_t i = 2; i < c.argc(); ++i) {
    double score;
    if (zset.score(c.args[i], &score)) put_bytes(operands, c.args[i]);
  }
  if (operands.empty()) {
    c.reply.integer(0);
    return;
  }
  c.edit(EffectType::kZsetRemove, key, operands);
  // A member may be named twice.
  uint64_t after = before - 1;
  if (c.argc() > 3) {
    object = c.keyspace().find(c.db(), key);
    after = object == nullptr ? 0 : Zset(object->collection()).size();
  }
  c.notify(NotifyClass::kZset, "zrem", key);
  if (after == 0) c.notify(NotifyClass::kGeneric, "del", key);
  c.reply.integer(static_cast<int64_t>(before - after));
}

void zremrangebyrank_command(CommandContext& c) {
  int64_t start, stop;
  if (!c.integer(2, &start) || !c.integer(3, &stop)) return;
  const KeyRef key = c.key(1);
  const Object* object = found_for_removal(c, key);
  if (object == nullptr) return;
  const RankRange ranks = rank_range(start, stop, Zset(object->collection()).size());
  remove_range(c, key, *object, ranks, "zremrangebyrank");
}

void zremrangebyscore_command(CommandContext& c) {
  ScoreRange range;
  if (!score_range_argument(c, 2, 3, &range)) return;
  const KeyRef key = c.key(1);
  const Object* object = found_for_removal(c, key);
  if (object == nullptr) return;
  remove_range(c, key, *object, Zset(object->collection()).within(range), "zremrangebyscore");
}

void zremrangebylex_command(CommandContext& c) {
  LexRange range;
  if (!lex_range_argument(c, 2, 3, &range)) return;
  const KeyRef key = c.key(1);
  const Object* object = found_for_removal(c, key);
  if (object == nullptr) return;
  remove_range(c, key, *object, Zset(object->collection()).within(range), "zremrangebylex");
}

}  // namespace holdfast
