// DependencyGraph: transactions, what each must have come after, and cycles in it.
//
// Beside the transactions there are nodes that keep the number of edges linear. A moment stands for
// "all that had returned by then": a transaction leads to the moment of its return, moments lead
// to later ones, and a moment leads to what was sent after it. The end of a list stands for "after
// all that was seen of it": readers of the whole list lead to it, and it leads to whoever appended
// what nobody saw.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/history/version_order.h"

namespace holdfast::history {

enum class Dependency : uint8_t { kWriteWrite, kWriteRead, kReadWrite, kRealTime };

class DependencyGraph {
 public:
  // REQUIRES: no mistake in `order`. Both outlive the graph.
  DependencyGraph(const TransactionHistory& history, const VersionOrder& order);

  // One transaction after the other, each of which must come before the next one, and the last
  // before the first.
  struct Link {
    TransactionId from;
    Dependency kind;
    KeyId key;      // but of kRealTime
    Value element;  // what `from` appended (ww, wr), or did not see (rw)
  };
  using Cycle = std::vector<Link>;

  // A short cycle: the shortest one through any of the first transactions that are in one. Empty
  // when there is none.
  Cycle find_cycle() const;

 private:
  using Node = uint32_t;
  static constexpr Node kNone = UINT32_MAX;
  static constexpr size_t kStarts = 100;  // transactions from which a short cycle is looked for

  struct Edge {
    Node from;
    Node to;
    Dependency kind;
    KeyId key;
    Value element;  // kNil: known only beyond the end of a list
  };

  bool is_transaction(Node node) const { return node < transactions_; }
  Node end_of(KeyId key) const { return transactions_ + key; }
  void add_versions(KeyId key);
  void add_steps(TransactionId id);
  void add_moments();
  void index_edges();
  std::vector<uint32_t> components() const;
  Cycle cycle_through(Node start, const std::vector<uint32_t>& component) const;

  const TransactionHistory& history_;
  const VersionOrder& order_;
  const Node transactions_;
  Node nodes_;
  std::vector<Edge> edges_;      // by `from`
  std::vector<uint32_t> first_;  // by node: its first edge; one more at the end
};

}  // namespace holdfast::history
