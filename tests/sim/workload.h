// Workload: what the clients of a simulation ask for, and whether what they were told can be true.
//
// All objects whose operations are judged live in one history: registers, groups of them under MSET
// and MGET, counters, sets, lists, and lists that transactions append to and read. Other commands
// only stir the keyspace (expiries, hashes, sorted sets, streams, large values): of these the
// replicas' contents are compared.
//
// Outcomes: a reply is one; an error that says that nothing was done fails the operation; without
// either it stays open.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "tests/sim/reply.h"
#include "tests/support/history/history.h"
#include "tests/support/history/transactions.h"

namespace holdfast {

// A thing that a client asks: some requests that are sent together, and what to do with the replies
// when all are there. Recorded as invoked when it is made.
struct Asked {
  std::vector<std::vector<std::string>> requests;
  std::function<void(std::span<const Reply>)> answered;
};

class Workload {
 public:
  // Draws how many objects there are and what is asked how often. `random` outlives it.
  explicit Workload(Random& random);

  Asked next(uint32_t client);
  // Of an object that others write often.
  Asked next_read(uint32_t client);
  // Reads of every object, each to be recorded when it is asked for.
  std::vector<std::function<Asked()>> final_reads(uint32_t client);

  // Empty: the history is correct. Else an explanation.
  std::string judge();
  bool undecided() const { return undecided_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t refused() const { return refused_; }
  uint64_t refused_by_full_device() const { return device_full_; }
  uint64_t unknown() const;

  // The reply says that nothing was done.
  static bool refused(const Reply& reply);

 private:
  using Value = history::Value;
  struct Object {
    history::ObjectId id;
    history::ObjectKind kind;
    std::vector<std::string> keys;
  };

  void add(const std::string& name, history::ObjectKind kind, uint64_t count, uint32_t members);
  const Object& any_object();
  Asked ask(uint32_t client, const Object& object, history::OpKind kind, Value argument,
            std::vector<std::string> words);
  Asked ask_register(uint32_t client, const Object& object);
  Asked ask_group(uint32_t client, const Object& object, bool read);
  Asked ask_counter(uint32_t client, const Object& object);
  Asked ask_set(uint32_t client, const Object& object);
  Asked ask_list(uint32_t client, const Object& object);
  Asked ask_transaction(uint32_t client);
  Asked transaction(uint32_t client, const std::vector<history::Step>& steps);
  Asked stir();
  Asked read(uint32_t client, const Object& object);
  Asked read_whole(uint32_t client, const Object& object);
  void note_refusal(const Reply& reply);
  void take(history::OpId op, const Reply& reply);
  void take_transaction(history::TransactionId id, std::span<const Reply> replies);

  Random& random_;
  history::History history_;
  history::TransactionHistory transactions_;
  std::vector<Object> objects_;
  uint64_t hot_ = 1;          // of them, the first: written more often
  uint64_t hot_percent_ = 0;  // of all
  std::vector<std::pair<history::KeyId, std::string>> lists_;
  Value next_value_ = 1;
  uint64_t stir_percent_ = 0, transaction_percent_ = 0, read_percent_ = 0, large_percent_ = 0;
  uint64_t acknowledged_ = 0, refused_ = 0, device_full_ = 0;
  bool undecided_ = false;
};

}  // namespace holdfast
