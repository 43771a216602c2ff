// See models.h.
#include "tests/support/history/models.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "tests/support/history/model_parts.h"

namespace holdfast::history {

namespace {

using Step = Model::Step;

uint64_t mix(uint64_t x) {  // the finalizer of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

// Registers: one, or a group in which MGET and MSET are atomic.
class RegisterModel final : public Model {
 public:
  RegisterModel(const History& history, uint32_t members)
      : history_(history), state_(members, kNil), traces_(members) {}

  void prepare(std::span<const Act> acts) override {
    for (const Act& act : acts) {
      for_written(act, [this](size_t member, Value value) { ++traces_[member][value].writers; });
      for_shown(act, [this](size_t member, Value value) { traces_[member][value].matters = true; });
      if (act.op->kind == OpKind::kCas) traces_[0][act.op->expected].matters = true;
      settle(act, false);
    }
  }

  Step apply(const Act& act) override {
    const Operation& op = *act.op;
    const Value now = state_[0];
    switch (op.kind) {
      case OpKind::kGet:
        return contradicts(act, now) ? Step::kRefused : Step::kUnchanged;
      case OpKind::kSet:
        return become(act, op.argument);
      case OpKind::kSetNx:
        if (contradicts(act, now == kNil)) return Step::kRefused;
        return now == kNil ? become(act, op.argument) : Step::kUnchanged;
      case OpKind::kGetSet:
        return contradicts(act, now) ? Step::kRefused : become(act, op.argument);
      case OpKind::kCas:
        if (contradicts(act, now == op.expected)) return Step::kRefused;
        return now == op.expected ? become(act, op.argument) : Step::kUnchanged;
      case OpKind::kDel:
        return contradicts(act, now != kNil) ? Step::kRefused : become(act, kNil);
      case OpKind::kMget:
        return act.any_result || agrees(history_.values(op)) ? Step::kUnchanged : Step::kRefused;
      case OpKind::kMset:
        return become_all(act, history_.values(op));
      default:
        misplaced(op);
    }
  }

  void settle(const Act& act, bool done) override {
    for_shown(act,
              [&](size_t member, Value value) { traces_[member][value].shows += done ? -1 : 1; });
  }

  void undo() override {
    std::copy(before_.end() - static_cast<ptrdiff_t>(state_.size()), before_.end(), state_.begin());
    before_.resize(before_.size() - state_.size());
  }

  Fingerprint fingerprint() const override {
    Fingerprint all;
    for (size_t i = 0; i < state_.size(); ++i) {
      all = all ^ fingerprint_of(bits(as_seen(i, state_[i])), i + 1);
    }
    return all;
  }

  std::string text() const override {
    return state_.size() == 1 ? value_text(state_[0]) : values_text(state_);
  }

  bool hides(const Act& later, const Act& earlier) const override {
    switch (later.op->kind) {
      case OpKind::kSet:
        return state_.size() == 1;
      case OpKind::kGetSet:
      case OpKind::kDel:
        return state_.size() == 1 && later.any_result;
      case OpKind::kMset:
        return writes_all_of(earlier, history_.values(*later.op));
      default:
        return false;
    }
  }

  Value effect_of(const Act& open) const override { return as_seen(0, open.op->argument); }

 private:
  struct Trace {  // of one value in one member
    int writers = 0;
    int shows = 0;  // in replies that are not explained yet
    bool matters = false;
  };

  template <typename Visit>
  void for_written(const Act& act, Visit visit) const {
    switch (act.op->kind) {
      case OpKind::kSet:
      case OpKind::kSetNx:
      case OpKind::kGetSet:
      case OpKind::kCas:
        return visit(0, act.op->argument);
      case OpKind::kMset:
        return for_touched(history_.values(*act.op), visit);
      default:
        return;
    }
  }

  // What its reply shows to have been there.
  template <typename Visit>
  void for_shown(const Act& act, Visit visit) const {
    if (act.any_result) return;
    const Operation& op = *act.op;
    if (op.kind == OpKind::kGet || op.kind == OpKind::kGetSet) visit(0, op.result);
    if (op.kind == OpKind::kCas && op.result == 1) visit(0, op.expected);
    if (op.kind == OpKind::kMget) for_touched(history_.values(op), visit);
  }

  template <typename Visit>
  static void for_touched(std::span<const Value> values, Visit visit) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] != kUntouched) visit(i, values[i]);
    }
  }

  // Values that no reply tells apart are all alike.
  Value as_seen(size_t member, Value value) const {
    if (value == kNil) return kNil;
    const auto trace = traces_[member].find(value);
    return trace != traces_[member].end() && trace->second.matters ? value : kUntouched;
  }

  // The value was written once, and a reply other than that of `act`, not explained yet, shows it:
  // it must not go before.
  bool is_owed(size_t member, const Act& act) const {
    const Value value = state_[member];
    const auto found = traces_[member].find(value);
    if (value == kNil || found == traces_[member].end() || found->second.writers != 1) return false;
    int others = found->second.shows;
    for_shown(act, [&](size_t of, Value shown) { others -= of == member && shown == value; });
    return others > 0;
  }

  bool agrees(std::span<const Value> read) const {
    if (read.size() != state_.size()) return false;
    for (size_t i = 0; i < read.size(); ++i) {
      if (read[i] != kUntouched && read[i] != state_[i]) return false;
    }
    return true;
  }

  bool writes_all_of(const Act& earlier, std::span<const Value> values) const {
    if (earlier.op->kind != OpKind::kMset) return values[0] != kUntouched;
    const auto before = history_.values(*earlier.op);
    for (size_t i = 0; i < values.size(); ++i) {
      if (before[i] != kUntouched && values[i] == kUntouched) return false;
    }
    return true;
  }

  Step become(const Act& act, Value value) {
    if (state_[0] == value) return Step::kUnchanged;
    if (is_owed(0, act)) return Step::kRefused;
    before_.insert(before_.end(), state_.begin(), state_.end());
    state_[0] = value;
    return Step::kChanged;
  }

  Step become_all(const Act& act, std::span<const Value> values) {
    if (agrees(values)) return Step::kUnchanged;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] != kUntouched && values[i] != state_[i] && is_owed(i, act)) {
        return Step::kRefused;
      }
    }
    before_.insert(before_.end(), state_.begin(), state_.end());
    for_touched(values, [this](size_t i, Value value) { state_[i] = value; });
    return Step::kChanged;
  }

  const History& history_;
  std::vector<Value> state_;
  std::vector<Value> before_;  // states to go back to, one after the other
  std::vector<std::unordered_map<Value, Trace>> traces_;  // by member
};

class CounterModel final : public Model {
 public:
  Step apply(const Act& act) override {
    const Operation& op = *act.op;
    switch (op.kind) {
      case OpKind::kGet:
        return contradicts(act, state_) ? Step::kRefused : Step::kUnchanged;
      case OpKind::kIncr: {
        const Value sum = (state_ == kNil ? 0 : state_) + op.argument;
        return contradicts(act, sum) ? Step::kRefused : become(sum);
      }
      case OpKind::kDel:
        return contradicts(act, state_ != kNil) ? Step::kRefused : become(kNil);
      default:
        misplaced(op);
    }
  }

  void undo() override {
    state_ = before_.back();
    before_.pop_back();
  }
  Fingerprint fingerprint() const override { return fingerprint_of(bits(state_), 1); }
  std::string text() const override { return value_text(state_); }

  bool hides(const Act& later, const Act& /*earlier*/) const override {
    return later.op->kind == OpKind::kDel && later.any_result;
  }

 private:
  Step become(Value value) {
    if (state_ == value) return Step::kUnchanged;
    before_.push_back(state_);
    state_ = value;
    return Step::kChanged;
  }

  Value state_ = kNil;
  std::vector<Value> before_;
};

class SetModel final : public Model {
 public:
  explicit SetModel(const History& history) : history_(history) {}

  void prepare(std::span<const Act> acts) override {
    for (const Act& act : acts) {
      if (act.op->kind != OpKind::kSmembers || act.any_result) continue;
      const auto read = history_.values(*act.op);
      std::vector<Value> sorted(read.begin(), read.end());
      std::ranges::sort(sorted);
      sorted_[act.op] = std::move(sorted);
    }
  }

  Step apply(const Act& act) override {
    const Operation& op = *act.op;
    const auto at = std::ranges::lower_bound(state_, op.argument);
    const bool there = at != state_.end() && *at == op.argument;
    switch (op.kind) {
      case OpKind::kSadd:
        if (contradicts(act, !there)) return Step::kRefused;
        return there ? Step::kUnchanged : toggle(op.argument);
      case OpKind::kSrem:
        if (contradicts(act, there)) return Step::kRefused;
        return there ? toggle(op.argument) : Step::kUnchanged;
      case OpKind::kSismember:
        return contradicts(act, there) ? Step::kRefused : Step::kUnchanged;
      case OpKind::kSmembers:
        return act.any_result || sorted_.at(&op) == state_ ? Step::kUnchanged : Step::kRefused;
      case OpKind::kDel:
        if (contradicts(act, !state_.empty())) return Step::kRefused;
        return state_.empty() ? Step::kUnchanged : clear();
      default:
        misplaced(op);
    }
  }

  void undo() override {
    if (undo_.back().cleared) {
      state_ = std::move(deleted_.back());
      deleted_.pop_back();
      for (const Value member : state_) print_ = print_ ^ fingerprint_of(bits(member), 1);
    } else {
      flip(undo_.back().member);
    }
    undo_.pop_back();
  }

  Fingerprint fingerprint() const override { return print_; }
  std::string text() const override { return values_text(state_); }

  bool hides(const Act& later, const Act& /*earlier*/) const override {
    return later.op->kind == OpKind::kDel && later.any_result;
  }

  bool may_help(const Act& open, const Act& other) const override {
    if (other.any_result || open.op->kind == OpKind::kDel || other.op->kind == OpKind::kDel) {
      return true;
    }
    if (other.op->kind != OpKind::kSmembers) return open.op->argument == other.op->argument;
    const bool seen = std::ranges::binary_search(sorted_.at(other.op), open.op->argument);
    return seen == (open.op->kind == OpKind::kSadd);
  }

 private:
  struct Undo {
    bool cleared;
    Value member;
  };

  void flip(Value member) {
    const auto at = std::ranges::lower_bound(state_, member);
    if (at != state_.end() && *at == member) {
      state_.erase(at);
    } else {
      state_.insert(at, member);
    }
    print_ = print_ ^ fingerprint_of(bits(member), 1);
  }

  Step toggle(Value member) {
    flip(member);
    undo_.push_back({false, member});
    return Step::kChanged;
  }

  Step clear() {
    deleted_.push_back(std::move(state_));
    state_.clear();
    print_ = {};
    undo_.push_back({true, 0});
    return Step::kChanged;
  }

  const History& history_;
  std::unordered_map<const Operation*, std::vector<Value>> sorted_;
  std::vector<Value> state_;  // sorted
  Fingerprint print_;         // of all members
  std::vector<Undo> undo_;
  std::vector<std::vector<Value>> deleted_;
};

}  // namespace

Fingerprint fingerprint_of(uint64_t value, uint64_t salt) {
  const uint64_t seed = value + salt * 0x9e3779b97f4a7c15U;
  return {mix(seed + 0x243f6a8885a308d3U), mix(mix(seed) + 0x13198a2e03707344U)};
}

std::unique_ptr<Model> make_model(const History& history, ObjectId object) {
  switch (history.kind(object)) {
    case ObjectKind::kRegister:
      return std::make_unique<RegisterModel>(history, history.members(object));
    case ObjectKind::kCounter:
      return std::make_unique<CounterModel>();
    case ObjectKind::kSet:
      return std::make_unique<SetModel>(history);
    case ObjectKind::kList:
      return make_list_model(history);
  }
  throw std::logic_error("no such kind of object");
}

bool changes_nothing(const Act& act) {
  if (act.any_result) return false;
  const Operation& op = *act.op;
  switch (op.kind) {
    case OpKind::kGet:
    case OpKind::kMget:
    case OpKind::kSismember:
    case OpKind::kSmembers:
    case OpKind::kLrange:
      return true;
    case OpKind::kSetNx:
    case OpKind::kCas:
    case OpKind::kSadd:
    case OpKind::kSrem:
    case OpKind::kDel:
      return op.result == 0;
    case OpKind::kLpop:
      return op.result == kNil;
    default:
      return false;
  }
}

}  // namespace holdfast::history
