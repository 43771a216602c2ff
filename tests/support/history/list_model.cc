// The model of a list. See models.h.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tests/support/history/model_parts.h"

namespace holdfast::history {

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
        if (length() != 0 && is_owed(elements_[head_], act)) return Step::kRefused;
        return length() == 0 ? Step::kUnchanged : pop();
      case OpKind::kLrange:
        return act.any_result || std::ranges::equal(history_.values(op), content())
                   ? Step::kUnchanged
                   : Step::kRefused;
      case OpKind::kDel:
        if (contradicts(act, length() != 0)) return Step::kRefused;
        if (std::ranges::any_of(content(), [&](Value v) { return is_owed(v, act); })) {
          return Step::kRefused;
        }
        return length() == 0 ? Step::kUnchanged : clear();
      default:
        misplaced(op);
    }
  }

  void settle(const Act& act, bool done) override {
    if (append_only_ || act.any_result) return;
    const int change = done ? -1 : 1;
    if (act.op->kind == OpKind::kLpop) owed_[act.op->result].shows += change;
    if (act.op->kind != OpKind::kLrange) return;
    for (const Value value : history_.values(*act.op)) owed_[value].shows += change;
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

  struct Owed {
    int pushes = 0;
    int shows = 0;  // in replies that are not explained yet
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

  // It was pushed once, and a reply that is not explained yet shows it: it must not go before.
  bool is_owed(Value value, const Act& remover) const {
    const auto found = owed_.find(value);
    if (found == owed_.end() || found->second.pushes != 1) return false;
    const bool shown_to_it = remover.op->kind == OpKind::kLpop && !remover.any_result;
    return found->second.shows > (shown_to_it ? 1 : 0);
  }

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
  std::span<const Value> longest_read_;
  std::vector<Value> places_;             // by position: the element seen there, or kNil
  std::unordered_map<Value, Owed> owed_;  // but of lists that only grow
  std::unordered_set<Value> shown_;
  std::vector<Value> elements_;
  size_t head_ = 0;
  Fingerprint print_;
  std::vector<uint64_t> powers_;
  std::vector<Undo> undo_;
  std::vector<std::vector<Value>> deleted_;
};

void ListModel::prepare(std::span<const Act> acts) {
  for (const Act& act : acts) {
    if (act.op->kind == OpKind::kLpop || act.op->kind == OpKind::kDel) append_only_ = false;
  }
  for (const Act& act : acts) {
    if (act.op->kind == OpKind::kRpush) {
      ++owed_[act.op->argument].pushes;
      if (!act.any_result) note_place(*act.op, acts.size());
    } else if (act.op->kind == OpKind::kLpop && !act.any_result) {
      shown_.insert(act.op->result);
    } else if (act.op->kind == OpKind::kLrange && !act.any_result) {
      const auto read = history_.values(*act.op);
      if (!append_only_) shown_.insert(read.begin(), read.end());
      longest_read_ = read.size() > longest_read_.size() ? read : longest_read_;
    }
    settle(act, false);
  }
  if (longest_read_.size() > places_.size()) places_.resize(longest_read_.size(), kNil);
  std::ranges::copy(longest_read_, places_.begin());
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

}  // namespace holdfast::history
