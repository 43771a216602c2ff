// VersionOrder: what the reads of a TransactionHistory say about who appended what in which order,
// and the mistakes that show in the reads alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/support/history/transactions.h"

namespace holdfast::history {

class VersionOrder {
 public:
  // Throws std::logic_error when two steps append one element to one key. `history` outlives this.
  explicit VersionOrder(const TransactionHistory& history);

  // What is wrong with the reads, if anything. The rest may be asked only when nothing is.
  const std::optional<std::string>& mistake() const { return mistake_; }

  // The elements of a key in the order in which they were appended, as far as anyone saw.
  std::span<const Value> seen(KeyId key) const { return longest_[key]; }
  TransactionId writer(KeyId key, Value element) const { return appends_[key].at(element).by; }
  bool was_seen(KeyId key, Value element) const { return appends_[key].at(element).seen_at != 0; }
  // It was acknowledged or resolved so, or something that it appended was seen.
  bool happened(TransactionId id) const { return happened_[id]; }

 private:
  struct Append {
    TransactionId by;
    size_t seen_at = 0;  // place in the longest read, from 1; 0: nobody saw it
  };

  void find_appends();
  void find_longest_reads();
  bool check_longest(KeyId key);
  bool check_read(TransactionId id, const Step& step);
  bool blame_element(KeyId key, std::span<const Value> elements, TransactionId id);
  bool check_own_order(TransactionId id);
  bool check_own_view(TransactionId id);
  void blame(std::string what, TransactionId id);

  const TransactionHistory& history_;
  std::vector<std::unordered_map<Value, Append>> appends_;  // by key
  std::vector<std::span<const Value>> longest_;             // by key
  std::vector<TransactionId> reader_;                       // by key: who saw that
  std::vector<bool> happened_;
  std::optional<std::string> mistake_;
};

}  // namespace holdfast::history
