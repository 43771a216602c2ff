// check_transactions and what it says. See transactions.h.
#include <algorithm>

#include "tests/support/history/dependency_graph.h"

namespace holdfast::history {

namespace {

using Link = DependencyGraph::Link;

// The name that the literature has for such a cycle (Adya 1999).
std::string class_of(const DependencyGraph::Cycle& cycle) {
  const auto count = [&](Dependency kind) { return std::ranges::count(cycle, kind, &Link::kind); };
  std::string name = count(Dependency::kReadWrite) > 1    ? "G2, as write skew"
                     : count(Dependency::kReadWrite) == 1 ? "G-single, as a stale or torn read"
                     : count(Dependency::kWriteRead) > 0  ? "G1c, circular information flow"
                                                          : "G0, interleaved writes";
  if (count(Dependency::kRealTime) > 0) name += ", in real time";
  return name;
}

std::string text_of(const TransactionHistory& history, const Link& link, TransactionId to) {
  const std::string from = "T" + std::to_string(link.from);
  const std::string other = "T" + std::to_string(to);
  const std::string key = link.kind == Dependency::kRealTime ? "" : history.name(link.key);
  const std::string element = value_text(link.element);
  switch (link.kind) {
    case Dependency::kWriteWrite:
      return "ww: " + other + " appended to " + key + " after " + from + " appended " + element;
    case Dependency::kWriteRead:
      return "wr: " + other + " read from " + key + " what " + from + " appended: " + element;
    case Dependency::kReadWrite:
      return "rw: " + from + " read " + key + " before " + other + " appended " + element;
    case Dependency::kRealTime:
      return "rt: " + from + " had returned before " + other + " was sent";
  }
  return {};
}

// An acknowledged element that a later read does not have.
bool is_lost_append(const DependencyGraph::Cycle& cycle) {
  const auto has = [&](Dependency kind) {
    return std::ranges::find(cycle, kind, &Link::kind) != cycle.end();
  };
  return cycle.size() == 2 && has(Dependency::kReadWrite) && has(Dependency::kRealTime);
}

}  // namespace

Judgement check_transactions(const TransactionHistory& history) {
  const VersionOrder order(history);
  if (order.mistake()) return {Verdict::kWrong, *order.mistake(), history.size()};
  const DependencyGraph graph(history, order);
  const DependencyGraph::Cycle cycle = graph.find_cycle();
  if (cycle.empty()) return {Verdict::kCorrect, "", history.size()};
  std::string why = "not strictly serializable: each of these " + std::to_string(cycle.size()) +
                    " came before the next, and the last before the first (" + class_of(cycle) +
                    ")" + (is_lost_append(cycle) ? ": an acknowledged append is missing" : "") +
                    "\n";
  for (size_t i = 0; i < cycle.size(); ++i) {
    const TransactionId to = cycle[(i + 1) % cycle.size()].from;
    why +=
        "  " + history.describe(cycle[i].from) + "\n    " + text_of(history, cycle[i], to) + "\n";
  }
  return {Verdict::kWrong, why, history.size()};
}

}  // namespace holdfast::history
