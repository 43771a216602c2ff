// Random transactions on a correct store, some of them lost on the way or answered to nobody, and
// brute force for the small ones.
#pragma once

#include <cstdint>

#include "base/random.h"
#include "tests/support/history/transactions.h"

namespace holdfast::history {

struct TransactionProfile {
  size_t transactions = 40;
  uint32_t clients = 5;
  uint32_t keys = 3;
  uint32_t steps = 4;         // of a transaction, at most
  uint64_t lost_one_in = 12;  // 0: none
  bool resolved = false;      // half of what was lost is found out afterwards
  bool read_at_end = true;    // after all else, one transaction reads all keys
};

TransactionHistory generate_transactions(Random& random, const TransactionProfile& profile);

// True when the transactions in some order, which respects replies before requests, give all
// replies. Exponential.
bool brute_force(const TransactionHistory& history);

}  // namespace holdfast::history
