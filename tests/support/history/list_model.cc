// The model of a list. See models.h.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/support/history/model_parts.h"

namespace holdfast {

namespace {

using Step = Model::Step;

// The fingerprint is a polynomial whose coefficients are the elements, so that both ends can move
// at no cost: an element at position i counts kBase^i times.
class ListModel final : public Model {
 public:
  explicit ListModel(const History& history) : history_(history) {}

  void prepare(std::span<const Act> acts) override;

  Step apply(const Act& act) override {
    const Operation& op = *act.op;
    switch (op.kind) {
      case OpKind::kRpush:
        if (contradicts(act, static_cast<Value>(length() + 1)) || !leads_to_reads(act)) {
          return Step::kRefused;
        }
        return push(op.argument);
      case OpKind::kLpop:
        if (contradicts(act, length() == 0 ? kNil : elements_[head_])) {
          return Step::kRefused;
        }
        if (length() != 0 && act.any_result && is_owed(elements_[head_])) return Step::kRefused;
        return length() == 0 ? Step::kUnchanged : pop();
      case OpKind::kLrange:
        return act.any_result || std::ranges::equal(history_.values(op), content())
                   ? Step::kUnchanged
                   : Step::kRefused;
      case OpKind::kDel:
        if (contradicts(act, length() != 0)) return Step::kRefused;
        if (std::ranges::any_of(content(), [&](Value v) { return is_owed(v); })) {
          return Step::kRefused;
        }
        return length() == 0 ? Step::kUnchanged : clear();
      default:
        misplaced(op);
    }
  }

  void undo() override {
    const Undo& last = undo_.back();
    if (last.cleared) {
      elements_ = std::move(deleted_.back());
      deleted_.pop_back();
    } else if (last.head == head_) {
      elements_.pop_back();
    }
    head_ = last.head;
    print_ = last.print;
    undo_.pop_back();
  }

  Fingerprint fingerprint() const override { return print_; }
  std::string text() const override { return values_text(content()); }

  bool hides(const Act& later, const Act& /*earlier*/) const override {
    return later.op->kind == OpKind::kDel && later.any_result;
  }

  Value effect_of(const Act& open) const override {
    return shown_.contains(open.op->argument) ? open.op->argument : kNil;
  }

  bool may_help(const Act& open, const Act& other) const override {
    if (other.any_result || open.op->kind != OpKind::kRpush) return true;
    switch (other.op->kind) {
      case OpKind::kLpop:
        return other.op->result == open.op->argument;
      case OpKind::kLrange: {
        const auto read = history_.values(*other.op);
        return std::ranges::find(read, open.op->argument) != read.end();
      }
      default:
        return true;
    }
  }

 private:
  static constexpr uint64_t kBase = 0x9e3779b97f4a7c15U;  // odd, so that it has an inverse

  struct Undo {
    bool cleared;
    size_t head;
    Fingerprint print;
  };

  static uint64_t inverse_of_base() {
    uint64_t inverse = kBase;  // correct in 3 bits; each round doubles them
    for (int round = 0; round < 5; ++round) inverse *= 2 - kBase * inverse;
    return inverse;
  }

  size_t length() const { return elements_.size() - head_; }
  std::span<const Value> content() const { return std::span(elements_).subspan(head_); }

  uint64_t power(size_t exponent) {
    if (powers_.empty()) powers_.push_back(1);
    while (powers_.size() <= exponent) powers_.push_back(powers_.back() * kBase);
    return powers_[exponent];
  }

  void note_place(const Operation& push, size_t limit);

  // Where nothing is ever removed, the next element must be the one that was seen at that place,
  // and one that may not have happened adds nothing where nobody looked.
  bool leads_to_reads(const Act& act) const {
    if (!append_only_) return true;
    if (length() >= places_.size()) return act.must;
    return places_[length()] == kNil || places_[length()] == act.op->argument;
  }

  // It was pushed once, and someone was told that they popped it: nobody else can remove it.
  bool is_owed(Value value) const { return owed_.contains(value); }

  // Elements that nobody was shown are all alike.
  Fingerprint print_of(Value value) const {
    return shown_.contains(value) ? fingerprint_of(bits(value), 1) : fingerprint_of(0, 2);
  }

  Step push(Value value) {
    undo_.push_back({false, head_, print_});
    const uint64_t weight = power(length());
    const Fingerprint element = print_of(value);
    print_ = {print_.low + element.low * weight, print_.high + element.high * weight};
    elements_.push_back(value);
    return Step::kChanged;
  }

  Step pop() {
    undo_.push_back({false, head_, print_});
    const Fingerprint element = print_of(elements_[head_]);
    print_ = {(print_.low - element.low) * inverse_, (print_.high - element.high) * inverse_};
    ++head_;
    return Step::kChanged;
  }

  Step clear() {
    undo_.push_back({true, head_, print_});
    deleted_.push_back(std::move(elements_));
    elements_.clear();
    head_ = 0;
    print_ = {};
    return Step::kChanged;
  }

  const History& history_;
  const uint64_t inverse_ = inverse_of_base();
  bool append_only_ = true;
  std::vector<Value> places_;  // by position: the element seen there, or kNil
  std::unordered_set<Value> owed_, shown_;
  std::vector<Value> elements_;
  size_t head_ = 0;
  Fingerprint print_;
  std::vector<uint64_t> powers_;
  std::vector<Undo> undo_;
  std::vector<std::vector<Value>> deleted_;
};

void ListModel::prepare(std::span<const Act> acts) {
  std::unordered_map<Value, int> pushes;
  for (const Act& act : acts) {
    if (act.op->kind == OpKind::kRpush) ++pushes[act.op->argument];
    if (act.op->kind == OpKind::kLpop || act.op->kind == OpKind::kDel) append_only_ = false;
  }
  for (const Act& act : acts) {
    if (act.any_result) continue;
    if (act.op->kind == OpKind::kLpop) {
      shown_.insert(act.op->result);
      if (pushes[act.op->result] == 1) owed_.insert(act.op->result);
    } else if (act.op->kind == OpKind::kLrange) {
      const auto read = history_.values(*act.op);
      if (!append_only_) shown_.insert(read.begin(), read.end());
      if (read.size() > places_.size()) places_.assign(read.begin(), read.end());
    }
  }
  for (const Act& act : acts) {
    if (act.op->kind == OpKind::kRpush && !act.any_result) note_place(*act.op, acts.size());
  }
  shown_.insert(places_.begin(), places_.end());
}

// An acknowledged push says where its element went.
void ListModel::note_place(const Operation& push, size_t limit) {
  const auto place = static_cast<size_t>(push.result) - 1;
  if (place >= limit) return;  // longer than the list can be, or negative: its reply refuses it
  if (place >= places_.size()) places_.resize(place + 1, kNil);
  if (places_[place] == kNil) places_[place] = push.argument;
}

}  // namespace

std::unique_ptr<Model> make_list_model(const History& history) {
  return std::make_unique<ListModel>(history);
}

}  // namespace holdfast
