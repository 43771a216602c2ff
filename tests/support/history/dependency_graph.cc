// See dependency_graph.h.
#include "tests/support/history/dependency_graph.h"

#include <algorithm>
#include <deque>
#include <tuple>

namespace holdfast::history {

DependencyGraph::DependencyGraph(const TransactionHistory& history, const VersionOrder& order)
    : history_(history),
      order_(order),
      transactions_(static_cast<Node>(history.size())),
      nodes_(static_cast<Node>(history.size() + history.keys())) {
  for (KeyId key = 0; key < history.keys(); ++key) add_versions(key);
  for (TransactionId id = 0; id < history.size(); ++id) {
    if (order.happened(id)) add_steps(id);
  }
  add_moments();
  index_edges();
}

// That the last one seen comes before the end of the list follows from its reader.
void DependencyGraph::add_versions(KeyId key) {
  const auto seen = order_.seen(key);
  for (size_t i = 1; i < seen.size(); ++i) {
    const TransactionId from = order_.writer(key, seen[i - 1]);
    const TransactionId to = order_.writer(key, seen[i]);
    if (from != to) edges_.push_back({from, to, Dependency::kWriteWrite, key, seen[i - 1]});
  }
}

void DependencyGraph::add_steps(TransactionId id) {
  const bool answered = history_.transaction(id).outcome == Outcome::kOk;
  for (const Step& step : history_.steps(id)) {
    const auto seen = order_.seen(step.key);
    if (step.is_append) {
      if (!order_.was_seen(step.key, step.element)) {
        edges_.push_back({end_of(step.key), id, Dependency::kWriteWrite, step.key, step.element});
      }
      continue;
    }
    if (!answered) continue;
    size_t read = step.values_count;
    if (read > 0) {
      const TransactionId writer = order_.writer(step.key, seen[read - 1]);
      if (writer != id) {
        edges_.push_back({writer, id, Dependency::kWriteRead, step.key, seen[read - 1]});
      }
    }
    while (read < seen.size() && order_.writer(step.key, seen[read]) == id) ++read;
    const bool all = read == seen.size();
    edges_.push_back({id, all ? end_of(step.key) : order_.writer(step.key, seen[read]),
                      Dependency::kReadWrite, step.key, all ? kNil : seen[read]});
  }
}

void DependencyGraph::add_moments() {
  struct Event {
    int64_t at;
    bool reply;  // of the same time, requests come first: they are concurrent
    TransactionId id;
  };
  std::vector<Event> events;
  for (TransactionId id = 0; id < transactions_; ++id) {
    if (!order_.happened(id)) continue;
    const Transaction& transaction = history_.transaction(id);
    events.push_back({transaction.invoked, false, id});
    if (transaction.returned != kForever) events.push_back({transaction.returned, true, id});
  }
  std::ranges::sort(events, {},
                    [](const Event& event) { return std::tuple(event.at, event.reply, event.id); });
  Node now = kNone;
  for (const Event& event : events) {
    if (event.reply) {
      const Node moment = nodes_++;
      edges_.push_back({event.id, moment, Dependency::kRealTime, 0, 0});
      if (now != kNone) edges_.push_back({now, moment, Dependency::kRealTime, 0, 0});
      now = moment;
    } else if (now != kNone) {
      edges_.push_back({now, event.id, Dependency::kRealTime, 0, 0});
    }
  }
}

void DependencyGraph::index_edges() {
  std::ranges::stable_sort(edges_, {}, &Edge::from);
  first_.assign(nodes_ + 1, 0);
  for (const Edge& edge : edges_) ++first_[edge.from + 1];
  for (Node node = 0; node < nodes_; ++node) first_[node + 1] += first_[node];
}

// Strongly connected components (Tarjan 1972), by node, with a stack of its own.
std::vector<uint32_t> DependencyGraph::components() const {
  struct Visit {
    Node node;
    uint32_t edge;
  };
  std::vector<uint32_t> component(nodes_, kNone), index(nodes_, kNone), low(nodes_, 0);
  std::vector<Node> open;
  std::vector<Visit> path;
  uint32_t visited = 0;
  uint32_t found = 0;
  const auto enter = [&](Node node) {
    index[node] = low[node] = visited++;
    open.push_back(node);
    path.push_back({node, first_[node]});
  };
  for (Node root = 0; root < nodes_; ++root) {
    if (index[root] != kNone) continue;
    enter(root);
    while (!path.empty()) {
      const Node node = path.back().node;
      if (path.back().edge < first_[node + 1]) {
        const Node to = edges_[path.back().edge++].to;
        if (index[to] == kNone) {
          enter(to);
        } else if (component[to] == kNone) {
          low[node] = std::min(low[node], index[to]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[node]);
      if (low[node] != index[node]) continue;
      for (Node member = kNone; member != node; open.pop_back()) {
        member = open.back();
        component[member] = found;
      }
      ++found;
    }
  }
  return component;
}

DependencyGraph::Cycle DependencyGraph::find_cycle() const {
  const std::vector<uint32_t> component = components();
  std::vector<uint32_t> members(nodes_, 0);  // transactions in it, by component
  for (Node node = 0; node < transactions_; ++node) ++members[component[node]];
  Cycle shortest;
  size_t starts = 0;
  for (Node node = 0; node < transactions_ && starts < kStarts; ++node) {
    if (members[component[node]] < 2) continue;
    ++starts;
    Cycle cycle = cycle_through(node, component);
    if (shortest.empty() || cycle.size() < shortest.size()) shortest = std::move(cycle);
    if (shortest.size() == 2) break;
  }
  return shortest;
}

// The shortest way back to `start` through another transaction: one that only goes over the end of
// a list and back is none.
DependencyGraph::Cycle DependencyGraph::cycle_through(
    Node start, const std::vector<uint32_t>& component) const {
  // Places are nodes, twice: before and after another transaction was met. Steps to what is no
  // transaction cost nothing.
  std::vector<uint32_t> came_by(2 * size_t{nodes_}, kNone), distance(2 * size_t{nodes_}, kNone);
  std::vector<size_t> came_from(2 * size_t{nodes_}, 0);
  std::deque<size_t> next = {2 * size_t{start}};
  distance[2 * size_t{start}] = 0;
  while (!next.empty()) {
    const size_t place = next.front();
    next.pop_front();
    const auto node = static_cast<Node>(place / 2);
    if (place == 2 * size_t{start} + 1) break;
    for (uint32_t e = first_[node]; e < first_[node + 1]; ++e) {
      const Node to = edges_[e].to;
      if (component[to] != component[start]) continue;
      const bool met = place % 2 != 0 || (is_transaction(to) && to != start);
      const size_t there = 2 * size_t{to} + (met ? 1 : 0);
      const uint32_t cost = distance[place] + (is_transaction(to) ? 1 : 0);
      if (cost >= distance[there]) continue;
      distance[there] = cost;
      came_by[there] = e;
      came_from[there] = place;
      if (is_transaction(to)) {
        next.push_back(there);
      } else {
        next.push_front(there);
      }
    }
  }
  Cycle cycle;
  Value beyond_end = kNil;
  for (size_t place = 2 * size_t{start} + 1; place != 2 * size_t{start}; place = came_from[place]) {
    const Edge& edge = edges_[came_by[place]];
    if (!is_transaction(edge.from)) {
      if (edge.kind != Dependency::kRealTime) beyond_end = edge.element;
      continue;
    }
    cycle.push_back(
        {edge.from, edge.kind, edge.key, edge.element == kNil ? beyond_end : edge.element});
  }
  std::ranges::reverse(cycle);
  return cycle;
}

}  // namespace holdfast::history
