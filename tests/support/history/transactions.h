// TransactionHistory: atomic transactions that append to lists and read them (MULTI with RPUSH and
// LRANGE; a lone command is a transaction of one step), and check_transactions, which decides
// whether they are strictly serializable: one after the other, each between its request and its
// reply.
//
// The method is Elle's (Kingsbury and Alvaro, VLDB 2020). A list shows all that was ever appended
// to it, in order, so the longest read of a key is the order of its versions. From it follows what
// each transaction came after:
//   ww  it appended after another one's element
//   wr  it read what another one appended
//   rw  it read a list before another one appended to it
//   rt  it was sent after another one had returned
// A cycle of these is a contradiction; without one, the transactions in any order that respects
// them give exactly the replies seen. Found before that, as they need no cycle: elements from
// nowhere or of a failed transaction, elements that are there twice, reads that disagree on the
// order, and transactions that do not see their own appends.
//
// What must hold: no element is appended to a key by two steps; elements are never removed; lists
// are empty when the history begins. The rules on open, failed and resolved operations, and on
// times, are those of history.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/support/history/history.h"

namespace holdfast::history {

using KeyId = uint32_t;
using TransactionId = uint32_t;

struct Step {
  static Step append(KeyId key, Value element) { return {key, true, element, 0, 0}; }
  static Step read(KeyId key) { return {key, false, 0, 0, 0}; }

  KeyId key;
  bool is_append;
  Value element;       // of an append
  uint32_t values_at;  // of a read that was answered: TransactionHistory::values()
  uint32_t values_count;
};

struct Transaction {
  int64_t invoked = 0;
  int64_t returned = kForever;
  uint32_t client = 0;
  uint32_t first_step = 0;
  uint32_t step_count = 0;
  Outcome outcome = Outcome::kOpen;
};

class TransactionHistory {
 public:
  KeyId add_key(std::string name);

  // A transaction was sent at `at`. REQUIRES: at least one step.
  TransactionId invoke(uint32_t client, int64_t at, std::span<const Step> steps);
  TransactionId invoke(uint32_t client, int64_t at, std::initializer_list<Step> steps);
  // It was answered; `reads`: what its reads gave, in their order. REQUIRES: it is open.
  void ok(TransactionId id, int64_t at, const std::vector<std::vector<Value>>& reads);
  void fail(TransactionId id);
  void resolve(TransactionId id, bool happened, int64_t by = kForever);

  int64_t next_moment() { return ++moment_; }

  size_t size() const { return transactions_.size(); }
  size_t keys() const { return keys_.size(); }
  const std::string& name(KeyId key) const { return keys_[key]; }
  const Transaction& transaction(TransactionId id) const { return transactions_[id]; }
  std::span<const Step> steps(TransactionId id) const;
  std::span<Step> steps(TransactionId id);  // for tests that corrupt them
  std::span<const Value> values(const Step& step) const;
  void set_values(Step& step, std::span<const Value> values);

  // One line: `T12 client 3 [40, 55] RPUSH x 5, LRANGE y -> [1 2]`.
  std::string describe(TransactionId id) const;

 private:
  std::vector<std::string> keys_;
  std::vector<Transaction> transactions_;
  std::vector<Step> steps_;
  std::vector<Value> pool_;
  int64_t moment_ = 0;
};

// kCorrect or kWrong; linear in the history's size, but for the values that reads show.
Judgement check_transactions(const TransactionHistory& history);

}  // namespace holdfast::history
