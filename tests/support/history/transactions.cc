// The record of transactions; what is checked of it is in transaction_check.cc. See transactions.h.
#include "tests/support/history/transactions.h"

#include <stdexcept>

namespace holdfast::history {

KeyId TransactionHistory::add_key(std::string name) {
  keys_.push_back(std::move(name));
  return static_cast<KeyId>(keys_.size() - 1);
}

TransactionId TransactionHistory::invoke(uint32_t client, int64_t at, std::span<const Step> steps) {
  if (steps.empty()) throw std::logic_error("a transaction without steps");
  Transaction transaction;
  transaction.invoked = at;
  transaction.client = client;
  transaction.first_step = static_cast<uint32_t>(steps_.size());
  transaction.step_count = static_cast<uint32_t>(steps.size());
  steps_.insert(steps_.end(), steps.begin(), steps.end());
  transactions_.push_back(transaction);
  return static_cast<TransactionId>(transactions_.size() - 1);
}

TransactionId TransactionHistory::invoke(uint32_t client, int64_t at,
                                         std::initializer_list<Step> steps) {
  return invoke(client, at, std::span(steps.begin(), steps.size()));
}

void TransactionHistory::ok(TransactionId id, int64_t at,
                            const std::vector<std::vector<Value>>& reads) {
  Transaction& transaction = transactions_[id];
  if (transaction.outcome != Outcome::kOpen) throw std::logic_error("answered twice");
  if (at < transaction.invoked) throw std::logic_error("answered before it was sent");
  transaction.outcome = Outcome::kOk;
  transaction.returned = at;
  size_t next = 0;
  for (Step& step : steps(id)) {
    if (!step.is_append) set_values(step, reads.at(next++));
  }
  if (next != reads.size()) throw std::logic_error("more answers than reads");
}

void TransactionHistory::fail(TransactionId id) {
  if (transactions_[id].outcome != Outcome::kOpen) throw std::logic_error("failed, but answered");
  transactions_[id].outcome = Outcome::kFailed;
}

void TransactionHistory::resolve(TransactionId id, bool happened, int64_t by) {
  if (transactions_[id].outcome != Outcome::kOpen) throw std::logic_error("it is not open");
  transactions_[id].outcome = happened ? Outcome::kHappened : Outcome::kFailed;
  transactions_[id].returned = by;
}

std::span<const Step> TransactionHistory::steps(TransactionId id) const {
  return std::span(steps_).subspan(transactions_[id].first_step, transactions_[id].step_count);
}

std::span<Step> TransactionHistory::steps(TransactionId id) {
  return std::span(steps_).subspan(transactions_[id].first_step, transactions_[id].step_count);
}

std::span<const Value> TransactionHistory::values(const Step& step) const {
  return std::span(pool_).subspan(step.values_at, step.values_count);
}

void TransactionHistory::set_values(Step& step, std::span<const Value> values) {
  step.values_at = static_cast<uint32_t>(pool_.size());
  step.values_count = static_cast<uint32_t>(values.size());
  pool_.insert(pool_.end(), values.begin(), values.end());
}

std::string TransactionHistory::describe(TransactionId id) const {
  const Transaction& transaction = transactions_[id];
  std::string text =
      "T" + std::to_string(id) + " client " + std::to_string(transaction.client) + " [" +
      std::to_string(transaction.invoked) + ", " +
      (transaction.returned == kForever ? "..." : std::to_string(transaction.returned)) + "]";
  const char* separator = " ";
  for (const Step& step : steps(id)) {
    text += separator;
    separator = ", ";
    if (step.is_append) {
      text += "RPUSH " + name(step.key) + " " + value_text(step.element);
    } else {
      text += "LRANGE " + name(step.key);
      if (transaction.outcome == Outcome::kOk) text += " -> " + values_text(values(step));
    }
  }
  if (transaction.outcome == Outcome::kOpen) text += " -> unknown";
  if (transaction.outcome == Outcome::kHappened) text += " -> happened";
  if (transaction.outcome == Outcome::kFailed) text += " -> failed";
  return text;
}

}  // namespace holdfast::history
