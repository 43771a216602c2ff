// ZUNION, ZINTER, ZDIFF, ZINTERCARD and those that store: sorted sets put together, and sets too,
// whose members all have the score 1.
#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "resp/commands/zsets.h"
#include "store/types/set.h"

namespace holdfast {
namespace {

enum class Operation : uint8_t { kUnion, kIntersection, kDifference };
enum class Aggregate : uint8_t { kSum, kMin, kMax };

struct Combination {
  Operation operation;
  bool store = false;       // argument 1 is where to
  bool count_only = false;  // ZINTERCARD
  bool with_scores = false;
  Aggregate aggregate = Aggregate::kSum;
  uint64_t limit = 0;  // of ZINTERCARD; 0: none
};

// A key that takes part.
class Input {
 public:
  explicit Input(const Object* object) : object_(object) {}

  double weight = 1;

  bool is_set() const { return object_->type() == ObjectType::kSet; }
  uint64_t size() const {
    if (object_ == nullptr) return 0;
    return is_set() ? set_size(object_->collection()) : Zset(object_->collection()).size();
  }
  bool find(std::string_view member, double* score) const {
    if (object_ == nullptr) return false;
    if (!is_set()) return Zset(object_->collection()).score(member, score);
    *score = 1;
    return set_contains(object_->collection(), member);
  }
  // Calls visit(member, score) for all members, in order, until it gives false.
  template <typename Visit>
  void visit(Visit visit) const {
    if (object_ == nullptr) return;
    if (is_set()) {
      for (SetCursor cursor(object_->collection()); cursor.next();) {
        if (!visit(cursor.member(), 1.0)) return;
      }
      return;
    }
    for (Zset::Cursor cursor = Zset(object_->collection()).at(0); cursor.valid(); cursor.next()) {
      const ZsetItem item = cursor.item();
      if (!visit(item.member, item.score)) return;
    }
  }
  bool same_as(const Input& other) const { return object_ == other.object_; }

 private:
  const Object* object_;  // null: the key is not there
};

bool take_inputs(CommandContext& c, size_t count_at, std::vector<Input>* inputs) {
  int64_t count;
  if (!c.integer(count_at, &count)) return false;
  if (count < 1) {
    c.fail("ERR at least 1 input key is needed for '" + c.command.full_name + "' command");
    return false;
  }
  if (static_cast<uint64_t>(count) > c.argc() - count_at - 1) {
    c.fail();
    return false;
  }
  for (size_t i = count_at + 1; i <= count_at + static_cast<size_t>(count); ++i) {
    const Object* object = c.find_read(c.key(i));
    if (object != nullptr && object->type() != ObjectType::kSet &&
        !c.expect_type(object, ObjectType::kZset)) {
      return false;
    }
    inputs->emplace_back(object);
  }
  return true;
}

bool take_aggregate(CommandContext& c, size_t i, Aggregate* aggregate) {
  if (c.is(i, "sum")) {
    *aggregate = Aggregate::kSum;
  } else if (c.is(i, "min")) {
    *aggregate = Aggregate::kMin;
  } else if (c.is(i, "max")) {
    *aggregate = Aggregate::kMax;
  } else {
    c.fail();
    return false;
  }
  return true;
}

bool take_options(CommandContext& c, size_t i, Combination* call, std::vector<Input>* inputs) {
  const bool weighs = call->operation != Operation::kDifference && !call->count_only;
  while (i < c.argc()) {
    const size_t behind = c.argc() - i - 1;
    if (weighs && behind >= inputs->size() && c.is(i, "weights")) {
      for (Input& input : *inputs) {
        if (!c.real(++i, &input.weight, "ERR weight value is not a float")) return false;
      }
      ++i;
    } else if (weighs && behind >= 1 && c.is(i, "aggregate")) {
      if (!take_aggregate(c, i + 1, &call->aggregate)) return false;
      i += 2;
    } else if (!call->store && !call->count_only && c.is(i, "withscores")) {
      call->with_scores = true;
      ++i;
    } else if (call->count_only && behind >= 1 && c.is(i, "limit")) {
      if (!c.number_from(i + 1, 0, "ERR LIMIT can't be negative", &call->limit)) return false;
      i += 2;
    } else {
      c.fail();
      return false;
    }
  }
  return true;
}

// What is no number counts as 0, so that infinities can be weighed with 0 and added.
double or_zero(double score) { return std::isnan(score) ? 0 : score; }

double combined(Aggregate how, double so_far, double score) {
  switch (how) {
    case Aggregate::kSum:
      return or_zero(so_far + score);
    case Aggregate::kMin:
      return score < so_far ? score : so_far;
    case Aggregate::kMax:
      return score > so_far ? score : so_far;
  }
  return so_far;
}

void unite(const Combination& call, const std::vector<Input>& inputs, ZsetBuilder* result) {
  for (const Input& input : inputs) {
    input.visit([&](std::string_view member, double given) {
      double score = or_zero(given * input.weight);
      const ScoredMember* before = result->find(member);
      if (before != nullptr) score = combined(call.aggregate, before->score, score);
      result->set(member, score);
      return true;
    });
  }
}

// Calls visit(member, score) for the members of all inputs, the smallest being the first, until it
// gives false.
template <typename Visit>
void intersect(const Combination& call, const std::vector<Input>& inputs, Visit visit) {
  inputs[0].visit([&](std::string_view member, double given) {
    double score = or_zero(inputs[0].weight * given);
    for (size_t i = 1; i < inputs.size(); ++i) {
      double other = given;
      if (!inputs[i].same_as(inputs[0]) && !inputs[i].find(member, &other)) return true;
      score = combined(call.aggregate, score, other * inputs[i].weight);
    }
    return visit(member, score);
  });
}

void subtract(const std::vector<Input>& inputs, ZsetBuilder* result) {
  inputs[0].visit([&](std::string_view member, double score) {
    double unused;
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (inputs[i].same_as(inputs[0]) || inputs[i].find(member, &unused)) return true;
    }
    result->set(member, score);
    return true;
  });
}

void reply_count(CommandContext& c, const Combination& call, const std::vector<Input>& inputs) {
  uint64_t count = 0;
  intersect(call, inputs, [&](std::string_view, double) {
    ++count;
    return call.limit == 0 || count < call.limit;
  });
  c.reply.integer(static_cast<int64_t>(count));
}

void combine(CommandContext& c, Combination call) {
  const size_t count_at = call.store ? 2 : 1;
  std::vector<Input> inputs;
  if (!take_inputs(c, count_at, &inputs)) return;
  if (!take_options(c, count_at + 1 + inputs.size(), &call, &inputs)) return;
  if (call.operation != Operation::kDifference) {
    // Also decides in which order scores are added.
    std::stable_sort(inputs.begin(), inputs.end(),
                     [](const Input& a, const Input& b) { return a.size() < b.size(); });
  }
  if (call.count_only) {
    reply_count(c, call, inputs);
    return;
  }
  ZsetBuilder result(c.keyspace().limits().hash_seed);
  std::string_view event;
  switch (call.operation) {
    case Operation::kUnion:
      unite(call, inputs, &result);
      event = "zunionstore";
      break;
    case Operation::kIntersection:
      intersect(call, inputs, [&result](std::string_view member, double score) {
        result.set(member, score);
        return true;
      });
      event = "zinterstore";
      break;
    case Operation::kDifference:
      subtract(inputs, &result);
      event = "zdiffstore";
      break;
  }
  if (call.store) {
    store_zset(c, c.key(1), result, event);
    return;
  }
  begin_items(c, result.size(), call.with_scores);
  for (RankTree::Cursor i = result.index().order().at(0); i.valid(); i.next()) {
    reply_item(c, {i.get()->member(), i.get()->score}, call.with_scores);
  }
}

}  // namespace

void zunion_command(CommandContext& c) { combine(c, {Operation::kUnion}); }
void zunionstore_command(CommandContext& c) { combine(c, {Operation::kUnion, true}); }
void zinter_command(CommandContext& c) { combine(c, {Operation::kIntersection}); }
void zinterstore_command(CommandContext& c) { combine(c, {Operation::kIntersection, true}); }
void zintercard_command(CommandContext& c) { combine(c, {Operation::kIntersection, false, true}); }
void zdiff_command(CommandContext& c) { combine(c, {Operation::kDifference}); }
void zdiffstore_command(CommandContext& c) { combine(c, {Operation::kDifference, true}); }

}  // namespace holdfast
