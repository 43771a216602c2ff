// See version_order.h.
#include "tests/support/history/version_order.h"

#include <algorithm>
#include <stdexcept>

namespace holdfast::history {

VersionOrder::VersionOrder(const TransactionHistory& history) : history_(history) {
  find_appends();
  find_longest_reads();
  for (KeyId key = 0; key < history.keys(); ++key) {
    if (!check_longest(key)) return;
  }
  for (TransactionId id = 0; id < history.size(); ++id) {
    if (!check_own_order(id)) return;
    if (history.transaction(id).outcome != Outcome::kOk) continue;
    for (const Step& step : history.steps(id)) {
      if (!step.is_append && !check_read(id, step)) return;
    }
    if (!check_own_view(id)) return;
  }
}

void VersionOrder::find_appends() {
  appends_.resize(history_.keys());
  happened_.resize(history_.size());
  for (TransactionId id = 0; id < history_.size(); ++id) {
    const Outcome outcome = history_.transaction(id).outcome;
    happened_[id] = outcome == Outcome::kOk || outcome == Outcome::kHappened;
    for (const Step& step : history_.steps(id)) {
      if (!step.is_append) continue;
      if (!appends_[step.key].try_emplace(step.element, Append{id}).second) {
        throw std::logic_error("the test appends " + value_text(step.element) + " to " +
                               history_.name(step.key) + " twice");
      }
    }
  }
}

void VersionOrder::find_longest_reads() {
  longest_.resize(history_.keys());
  reader_.resize(history_.keys());
  for (TransactionId id = 0; id < history_.size(); ++id) {
    if (history_.transaction(id).outcome != Outcome::kOk) continue;
    for (const Step& step : history_.steps(id)) {
      if (step.is_append || step.values_count <= longest_[step.key].size()) continue;
      longest_[step.key] = history_.values(step);
      reader_[step.key] = id;
    }
  }
}

// All that was read of a key is the beginning of its longest read, so each element is looked at
// here.
bool VersionOrder::check_longest(KeyId key) {
  const auto read = longest_[key];
  for (size_t i = 0; i < read.size(); ++i) {
    if (blame_element(key, read.first(i + 1), reader_[key])) return false;
    Append& append = appends_[key].at(read[i]);
    append.seen_at = i + 1;
    happened_[append.by] = true;
  }
  return true;
}

bool VersionOrder::check_read(TransactionId id, const Step& step) {
  const auto read = history_.values(step);
  const auto longest = longest_[step.key];
  const auto differ = std::ranges::mismatch(read, longest);
  if (differ.in1 == read.end()) return true;
  const auto until = read.first(static_cast<size_t>(differ.in1 - read.begin()) + 1);
  if (blame_element(step.key, until, id)) return false;
  blame("two orders of " + history_.name(step.key) + ": " + value_text(*differ.in1) +
            " is where others saw " + value_text(*differ.in2) + ":\n  " +
            history_.describe(reader_[step.key]),
        id);
  return false;
}

// True when the last of `elements`, read by `id`, cannot be there, whatever the order is.
bool VersionOrder::blame_element(KeyId key, std::span<const Value> elements, TransactionId id) {
  const Value element = elements.back();
  const std::string what = history_.name(key) + " has " + value_text(element);
  const auto append = appends_[key].find(element);
  if (append == appends_[key].end()) {
    blame(what + ", which nobody appended", id);
  } else if (history_.transaction(append->second.by).outcome == Outcome::kFailed) {
    blame(what + " of a failed transaction:\n  " + history_.describe(append->second.by), id);
  } else if (append->second.seen_at != 0 && append->second.seen_at < elements.size()) {
    blame(what + " twice", id);
  } else {
    return false;
  }
  return true;
}

// What a transaction appended to one list is there in the order in which it did.
bool VersionOrder::check_own_order(TransactionId id) {
  std::unordered_map<KeyId, size_t> latest;
  for (const Step& step : history_.steps(id)) {
    if (!step.is_append) continue;
    const size_t place = appends_[step.key].at(step.element).seen_at;
    size_t& before = latest[step.key];
    if (place != 0 && place < before) {
      blame(history_.name(step.key) + " has what one transaction appended in another order", id);
      return false;
    }
    before = std::max(before, place);
  }
  return true;
}

// Within a transaction, a read shows what the one before did, and what it appended since.
bool VersionOrder::check_own_view(TransactionId id) {
  struct View {
    std::optional<std::span<const Value>> read;
    std::vector<Value> appended;  // since then
  };
  std::unordered_map<KeyId, View> views;
  for (const Step& step : history_.steps(id)) {
    View& view = views[step.key];
    if (step.is_append) {
      const size_t place = appends_[step.key].at(step.element).seen_at;
      if (view.read && place != 0 && place <= view.read->size()) {
        blame("it read from " + history_.name(step.key) + " what it had yet to append", id);
        return false;
      }
      view.appended.push_back(step.element);
      continue;
    }
    const auto now = history_.values(step);
    const size_t own = view.appended.size();
    const bool ends_with_own =
        now.size() >= own && std::ranges::equal(now.last(own), view.appended);
    if (!ends_with_own || (view.read && now.size() != view.read->size() + own)) {
      blame("it does not see what it did and saw before of " + history_.name(step.key), id);
      return false;
    }
    view.read = now;
    view.appended.clear();
  }
  return true;
}

void VersionOrder::blame(std::string what, TransactionId id) {
  mistake_ = std::move(what) + "\n  " + history_.describe(id) + "\n";
}

}  // namespace holdfast::history
