// See search.h.
#include "tests/support/history/search.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace holdfast::history {

Search::Search(const std::vector<Act>& acts, Model& model, uint64_t step_limit)
    : acts_(acts), model_(model), step_limit_(step_limit) {
  model_.prepare(acts_);
  link_events();
  find_twins();
}

void Search::link_events() {
  request_.assign(acts_.size(), kNone);
  reply_.assign(acts_.size(), kNone);
  events_.push_back({kNone, false, 0, 0});
  for (uint32_t act = 0; act < acts_.size(); ++act) {
    events_.push_back({act, false, 0, 0});
    if (acts_[act].must) events_.push_back({act, true, 0, 0});
    must_left_ += acts_[act].must;
  }
  // Of the same time, requests come first: they count as concurrent with the replies.
  std::stable_sort(events_.begin() + 1, events_.end(), [this](const Event& a, const Event& b) {
    const auto key = [this](const Event& event) {
      const Act& act = acts_[event.act];
      return std::tuple(event.reply ? act.returned : act.op->invoked, event.reply);
    };
    return key(a) < key(b);
  });
  const auto count = static_cast<uint32_t>(events_.size());
  for (uint32_t i = 0; i < count; ++i) {
    events_[i].previous = i == 0 ? count - 1 : i - 1;
    events_[i].next = i + 1 == count ? 0 : i + 1;
    if (i > 0) (events_[i].reply ? reply_ : request_)[events_[i].act] = i;
  }
}

void Search::find_twins() {
  open_number_.assign(acts_.size(), kNone);
  twin_.assign(acts_.size(), kNone);
  uint32_t open = 0;
  // MSETs have no twins: their arguments are elsewhere.
  std::map<std::tuple<OpKind, Value, Value>, uint32_t> latest;
  for (uint32_t act = 0; act < acts_.size(); ++act) {
    if (acts_[act].must) continue;
    open_number_[act] = open++;
    const Operation& op = *acts_[act].op;
    if (op.kind == OpKind::kMset) continue;
    const auto [at, fresh] =
        latest.try_emplace({op.kind, model_.effect_of(acts_[act]), op.expected}, act);
    if (!fresh) twin_[act] = std::exchange(at->second, act);
  }
  open_done_.assign((open + 63) / 64, 0);
}

std::vector<std::string> Search::final_states(size_t count) {
  search(count);
  return states_;
}

// With `states` > 0 it goes on until it has found that many states.
Verdict Search::search(size_t states) {
  first_time_here();
  find_moves();
  for (;;) {
    if (steps_ > step_limit_) return Verdict::kUnknown;
    if (must_left_ == 0) {
      if (states == 0) return Verdict::kCorrect;
      std::string text = model_.text();
      if (std::ranges::find(states_, text) == states_.end()) states_.push_back(std::move(text));
      if (states_.size() >= states) return Verdict::kCorrect;
      places_.back().next = places_.back().end;
    }
    Place& here = places_.back();
    if (here.next < here.end) {
      if (try_move(moves_[here.next++])) find_moves();
      continue;
    }
    moves_.resize(here.first);
    places_.pop_back();
    if (path_.empty()) return states_.empty() ? Verdict::kWrong : Verdict::kCorrect;
    take_back();
  }
}

// The operations that may come next: sent before any outstanding reply.
void Search::find_moves() {
  const auto first = static_cast<uint32_t>(moves_.size());
  open_here_.clear();
  must_here_.clear();
  for (uint32_t i = events_[0].next; i != 0 && !events_[i].reply; i = events_[i].next) {
    const uint32_t act = events_[i].act;
    if (!acts_[act].must) {
      open_here_.push_back(act);
      continue;
    }
    must_here_.push_back(act);
    if (!changes_nothing(acts_[act])) {
      moves_.push_back(act);
      continue;
    }
    ++steps_;
    if (model_.apply(acts_[act]) == Model::Step::kRefused) continue;
    moves_.resize(first);  // done now, it takes nothing from what can come later
    moves_.push_back(act);
    places_.push_back({first, first, first + 1});
    return;
  }
  add_open_moves(first);
}

void Search::add_open_moves(uint32_t first) {
  for (const uint32_t act : open_here_) {
    const uint32_t twin = twin_[act];
    if (twin != kNone) {
      const uint32_t bit = open_number_[twin];
      if ((open_done_[bit / 64] >> (bit % 64) & 1) == 0) continue;
    }
    const bool helps = std::ranges::any_of(
        must_here_, [&](uint32_t other) { return model_.may_help(acts_[act], acts_[other]); });
    if (helps) moves_.push_back(act);
  }
  places_.push_back({first, first, static_cast<uint32_t>(moves_.size())});
}

// False when the move is impossible or useless; then nothing has changed.
bool Search::try_move(uint32_t act) {
  ++steps_;
  if (!path_.empty() && !acts_[path_.back().act].must &&
      model_.hides(acts_[act], acts_[path_.back().act])) {
    return false;
  }
  const Model::Step step = model_.apply(acts_[act]);
  if (step == Model::Step::kRefused) return false;
  const bool changed = step == Model::Step::kChanged;
  if (!changed && !acts_[act].must) return false;
  path_.push_back({act, changed});
  mark(act);
  model_.settle(acts_[act], true);
  lift(request_[act]);
  if (acts_[act].must) {
    lift(reply_[act]);
    --must_left_;
  }
  if (first_time_here()) return true;
  take_back();
  return false;
}

void Search::take_back() {
  const Done last = path_.back();
  path_.pop_back();
  if (acts_[last.act].must) {
    ++must_left_;
    unlift(reply_[last.act]);
  }
  unlift(request_[last.act]);
  mark(last.act);
  model_.settle(acts_[last.act], false);
  if (last.changed) model_.undo();
}

// False when the search was here with the same or fewer open operations used: all that can be
// reached from here was tried from there.
bool Search::first_time_here() {
  auto& sets = visited_[must_done_ ^ model_.fingerprint()];
  const auto within = [](const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      if ((a[i] & ~b[i]) != 0) return false;
    }
    return true;
  };
  for (const auto& set : sets) {
    if (within(set, open_done_)) return false;
  }
  std::erase_if(sets, [&](const auto& set) { return within(open_done_, set); });
  sets.push_back(open_done_);
  return true;
}

void Search::lift(uint32_t event) {
  events_[events_[event].previous].next = events_[event].next;
  events_[events_[event].next].previous = events_[event].previous;
}

void Search::unlift(uint32_t event) {
  events_[events_[event].previous].next = event;
  events_[events_[event].next].previous = event;
}

// Done or, the second time, not done.
void Search::mark(uint32_t act) {
  constexpr uint64_t kSalt = 0x5eed;  // none that a model uses
  if (acts_[act].must) {
    must_done_ = must_done_ ^ fingerprint_of(act, kSalt);
  } else {
    open_done_[open_number_[act] / 64] ^= uint64_t{1} << (open_number_[act] % 64);
  }
}

}  // namespace holdfast::history
