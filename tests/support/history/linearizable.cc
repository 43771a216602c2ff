// See linearizable.h.
#include "tests/support/history/linearizable.h"

#include <algorithm>

#include "tests/support/history/search.h"

namespace holdfast::history {

namespace {

class ObjectCheck {
 public:
  ObjectCheck(const History& history, ObjectId object, std::vector<Act> acts,
              const SearchLimits& limits)
      : history_(history), object_(object), acts_(std::move(acts)), limits_(limits) {
    std::ranges::stable_sort(acts_, {}, [](const Act& act) { return act.op->invoked; });
    for (const Act& act : acts_) {
      if (act.must) by_return_.push_back(act);
    }
    std::ranges::stable_sort(by_return_, {}, &Act::returned);
  }

  Judgement run() {
    Judgement judgement;
    judgement.verdict = search(acts_, &judgement.steps);
    const std::string& name = history_.name(object_);
    if (judgement.verdict == Verdict::kUnknown) {
      judgement.why = name + ": no verdict after " + std::to_string(judgement.steps) + " steps\n";
    } else if (judgement.verdict == Verdict::kWrong) {
      judgement.why = explain();
    }
    return judgement;
  }

 private:
  Verdict search(const std::vector<Act>& acts, uint64_t* steps = nullptr) const {
    const auto model = make_model(history_, object_);
    Search search(acts, *model, limits_.steps_per_object);
    const Verdict verdict = search.run();
    if (steps != nullptr) *steps = search.steps();
    return verdict;
  }

  // The history as it was known at `now`, when the first `replies` replies had come.
  std::vector<Act> beginning(size_t replies, int64_t now) const {
    std::vector<bool> answered(history_.size(), false);
    for (size_t i = 0; i < replies; ++i) answered[by_return_[i].id] = true;
    std::vector<Act> part;
    for (const Act& act : acts_) {
      if (act.op->invoked > now) break;
      part.push_back(act);
      if (answered[act.id]) continue;
      part.back() = {act.op, act.id, kForever, false, true};
    }
    return part;
  }

  // The number of replies in the shortest beginning that is wrong.
  size_t shortest_wrong() const {
    size_t correct = 0;
    size_t wrong = by_return_.size();
    while (wrong - correct > 1) {
      const size_t middle = (correct + wrong) / 2;
      const auto part = beginning(middle, by_return_[middle - 1].returned);
      // Where a part takes too long, the longer one stands: it is wrong for certain.
      (search(part) == Verdict::kCorrect ? correct : wrong) = middle;
    }
    return wrong;
  }

  std::string explain() const {
    const size_t replies = shortest_wrong();
    const Act& culprit = by_return_[replies - 1];
    const std::string& name = history_.name(object_);
    std::string why = name + ": no order of its operations explains this reply, number " +
                      std::to_string(replies) + " of " + std::to_string(by_return_.size()) +
                      ":\n  " + history_.describe(culprit.id) + "\n" + name +
                      " can have been, just before:\n";
    const auto model = make_model(history_, object_);
    const auto before = beginning(replies - 1, culprit.returned);
    Search states(before, *model, limits_.steps_per_object);
    for (const std::string& state : states.final_states(limits_.states_shown)) {
      why += "  " + state + "\n";
    }
    return why + "around it:\n" + around(culprit);
  }

  // The last operations that were sent before `culprit` returned.
  std::string around(const Act& culprit) const {
    std::vector<Act> sent;
    for (const Act& act : acts_) {
      if (act.op->invoked <= culprit.returned && act.id != culprit.id) sent.push_back(act);
    }
    const size_t skipped =
        sent.size() > limits_.operations_shown ? sent.size() - limits_.operations_shown : 0;
    std::string text;
    if (skipped > 0) text = "  (" + std::to_string(skipped) + " before)\n";
    for (size_t i = skipped; i < sent.size(); ++i) {
      text += "  " + history_.describe(sent[i].id) + "\n";
    }
    return text;
  }

  const History& history_;
  const ObjectId object_;
  std::vector<Act> acts_;       // in the order in which they were sent
  std::vector<Act> by_return_;  // those that took effect, in the order of their replies
  const SearchLimits& limits_;
};

// By object: what the search has to explain. A read nobody heard the answer of says nothing.
std::vector<std::vector<Act>> partition(const History& history) {
  std::vector<std::vector<Act>> parts(history.objects());
  for (OpId id = 0; id < history.size(); ++id) {
    const Operation& op = history.operation(id);
    if (op.outcome == Outcome::kFailed) continue;
    const bool answered = op.outcome == Outcome::kOk;
    const bool must = answered || op.outcome == Outcome::kHappened;
    parts[op.object].push_back({&op, id, must ? op.returned : kForever, must, !answered});
  }
  return parts;
}

}  // namespace

Judgement check_object(const History& history, ObjectId object, const SearchLimits& limits) {
  return ObjectCheck(history, object, std::move(partition(history)[object]), limits).run();
}

Judgement check_linearizable(const History& history, const SearchLimits& limits) {
  Judgement all;
  auto parts = partition(history);
  for (ObjectId object = 0; object < history.objects(); ++object) {
    Judgement one = ObjectCheck(history, object, std::move(parts[object]), limits).run();
    one.steps += all.steps;
    if (one.verdict == Verdict::kWrong) return one;
    if (one.verdict == Verdict::kUnknown) {
      one.why = all.why + one.why;
      all = std::move(one);
    } else {
      all.steps = one.steps;
    }
  }
  return all;
}

}  // namespace holdfast::history
