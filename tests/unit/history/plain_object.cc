// See plain_object.h.
#include "tests/unit/history/plain_object.h"

#include <algorithm>
#include <utility>

namespace holdfast::history {

Reply PlainObject::act(const Operation& op, std::span<const Value> values) {
  switch (kind_) {
    case ObjectKind::kRegister:
      return act_on_register(op, values);
    case ObjectKind::kCounter:
      return act_on_counter(op);
    case ObjectKind::kSet:
      return act_on_set(op);
    case ObjectKind::kList:
      return act_on_list(op);
  }
  return {};
}

Reply PlainObject::act_on_register(const Operation& op, std::span<const Value> values) {
  const Value old = values_[0];
  switch (op.kind) {
    case OpKind::kGet:
      return {old, {}};
    case OpKind::kSet:
      values_[0] = op.argument;
      return {};
    case OpKind::kGetSet:
      values_[0] = op.argument;
      return {old, {}};
    case OpKind::kSetNx:
      if (old == kNil) values_[0] = op.argument;
      return {old == kNil, {}};
    case OpKind::kCas:
      if (old == op.expected) values_[0] = op.argument;
      return {old == op.expected, {}};
    case OpKind::kDel:
      values_[0] = kNil;
      return {old != kNil, {}};
    case OpKind::kMget:
      return {0, values_};
    case OpKind::kMset:
      for (size_t i = 0; i < values.size(); ++i) {
        if (values[i] != kUntouched) values_[i] = values[i];
      }
      return {};
    default:
      std::abort();
  }
}

Reply PlainObject::act_on_counter(const Operation& op) {
  switch (op.kind) {
    case OpKind::kGet:
      return {counter_, {}};
    case OpKind::kIncr:
      if (counter_ == kNil) counter_ = 0;
      counter_ += op.argument;
      return {counter_, {}};
    case OpKind::kDel:
      return {std::exchange(counter_, kNil) != kNil, {}};
    default:
      std::abort();
  }
}

Reply PlainObject::act_on_set(const Operation& op) {
  const bool there = std::ranges::find(values_, op.argument) != values_.end();
  switch (op.kind) {
    case OpKind::kSadd:
      if (!there) values_.push_back(op.argument);
      return {!there, {}};
    case OpKind::kSrem:
      std::erase(values_, op.argument);
      return {there, {}};
    case OpKind::kSismember:
      return {there, {}};
    case OpKind::kSmembers:
      std::ranges::sort(values_);
      return {0, values_};
    case OpKind::kDel:
      return {!std::exchange(values_, {}).empty(), {}};
    default:
      std::abort();
  }
}

Reply PlainObject::act_on_list(const Operation& op) {
  switch (op.kind) {
    case OpKind::kRpush:
      values_.push_back(op.argument);
      return {static_cast<Value>(values_.size()), {}};
    case OpKind::kLpop: {
      if (values_.empty()) return {kNil, {}};
      const Value first = values_.front();
      values_.erase(values_.begin());
      return {first, {}};
    }
    case OpKind::kLrange:
      return {0, values_};
    case OpKind::kDel:
      return {!std::exchange(values_, {}).empty(), {}};
    default:
      std::abort();
  }
}

namespace {

bool is_read_of_many(OpKind kind) {
  return kind == OpKind::kMget || kind == OpKind::kSmembers || kind == OpKind::kLrange;
}

bool agrees(const History& history, const Operation& op, const Reply& reply) {
  if (op.outcome != Outcome::kOk) return true;
  if (op.kind == OpKind::kSet || op.kind == OpKind::kMset) return true;
  if (!is_read_of_many(op.kind)) return op.result == reply.value;
  const auto seen = history.values(op);
  std::vector<Value> told(seen.begin(), seen.end());
  if (op.kind == OpKind::kSmembers) std::ranges::sort(told);
  if (told.size() != reply.values.size()) return false;
  for (size_t i = 0; i < told.size(); ++i) {
    if (told[i] != kUntouched && told[i] != reply.values[i]) return false;
  }
  return true;
}

bool must_happen(const Operation& op) {
  return op.outcome == Outcome::kOk || op.outcome == Outcome::kHappened;
}

bool some_order(const History& history, const PlainObject& object,
                const std::vector<const Operation*>& left) {
  if (std::ranges::none_of(left, [](const auto* op) { return must_happen(*op); })) return true;
  for (size_t i = 0; i < left.size(); ++i) {
    const Operation& op = *left[i];
    const bool too_early = std::ranges::any_of(left, [&](const Operation* other) {
      return must_happen(*other) && other->returned < op.invoked;
    });
    if (too_early) continue;
    PlainObject next = object;
    if (!agrees(history, op, next.act(op, history.values(op)))) continue;
    auto rest = left;
    rest.erase(rest.begin() + static_cast<ptrdiff_t>(i));
    if (some_order(history, next, rest)) return true;
  }
  return false;
}

}  // namespace

bool brute_force(const History& history) {
  for (ObjectId object = 0; object < history.objects(); ++object) {
    std::vector<const Operation*> left;
    for (OpId op = 0; op < history.size(); ++op) {
      const Operation& one = history.operation(op);
      if (one.object == object && one.outcome != Outcome::kFailed) left.push_back(&one);
    }
    const PlainObject empty(history.kind(object), history.members(object));
    if (!some_order(history, empty, left)) return false;
  }
  return true;
}

}  // namespace holdfast::history
