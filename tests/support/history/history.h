// History: what clients asked a store and what they were told, for the checkers that decide whether
// one correct store could have behaved so (linearizable.h, transactions.h).
//
// What must hold, and what a recorder has to see to:
//   - An operation is recorded when it is sent. Without a verdict it is open: it may take effect at
//     any time after it was sent, or never. A lost connection leaves operations open.
//   - Only an operation that certainly had no effect is `failed`; it is as if it was never sent.
//   - Times are numbers of one clock: virtual or real nanoseconds, or next_moment(). A reply and a
//     request with the same time count as concurrent, so a coarse clock hides mistakes but never
//     invents one.
//   - Objects are empty when the history begins, and nobody else changes them.
// Values are numbers; the store keeps their text. A checker finds most where each write has a value
// of its own.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::history {

using Value = int64_t;
// The key is absent. Not a value that may be written.
inline constexpr Value kNil = std::numeric_limits<Value>::min();
// In an MSET or MGET of a group: this member takes no part.
inline constexpr Value kUntouched = kNil + 1;
inline constexpr int64_t kForever = std::numeric_limits<int64_t>::max();

// How an object behaves. Every kind of object also has DEL -> 1 if it was there, else 0.
enum class ObjectKind : uint8_t {
  kRegister,  // GET, SET, SETNX, GETSET, CAS; a group of them: MGET, MSET
  kCounter,   // INCR, GET
  kSet,       // SADD, SREM, SISMEMBER, SMEMBERS
  kList,      // RPUSH, LPOP, LRANGE
};

enum class OpKind : uint8_t {
  kGet,        // -> value or kNil
  kSet,        // argument
  kSetNx,      // argument -> 1 set, 0 was there
  kGetSet,     // argument -> old value or kNil
  kCas,        // expected, argument -> 1 swapped, 0 was another
  kMget,       // -> values of all members
  kMset,       // values of all members
  kIncr,       // argument (by how much) -> new value
  kSadd,       // argument -> 1 added, 0 was there
  kSrem,       // argument -> 1 removed, 0 was not there
  kSismember,  // argument -> 1 or 0
  kSmembers,   // -> values, in any order
  kRpush,      // argument -> new length
  kLpop,       // -> first element or kNil
  kLrange,     // -> values: the whole list
  kDel,        // -> 1 or 0
};

enum class Outcome : uint8_t {
  kOpen,      // unknown: at any time after it was sent, or never
  kOk,        // took effect between `invoked` and `returned`, with the recorded result
  kHappened,  // resolved: took effect between `invoked` and `returned`, result unknown
  kFailed,    // certainly had no effect
};

using OpId = uint32_t;
using ObjectId = uint32_t;

struct Operation {
  int64_t invoked = 0;
  int64_t returned = kForever;
  Value argument = 0;
  Value expected = 0;  // CAS
  Value result = 0;
  uint32_t values_at = 0;  // MSET's arguments, or the result of a read of many: History::values()
  uint32_t values_count = 0;
  uint32_t client = 0;
  ObjectId object = 0;
  OpKind kind = OpKind::kGet;
  Outcome outcome = Outcome::kOpen;
};

class History {
 public:
  // An object under test. `members` > 1: a group of registers that MGET and MSET treat as one.
  ObjectId add_object(std::string name, ObjectKind kind, uint32_t members = 1);

  // A request was sent at `at`.
  OpId invoke(uint32_t client, ObjectId object, OpKind kind, int64_t at, Value argument = 0,
              Value expected = 0);
  // An MSET was sent. REQUIRES: as many values as the group has members.
  OpId invoke_mset(uint32_t client, ObjectId object, int64_t at, std::span<const Value> values);
  // Its reply came at `at`. REQUIRES: the operation is open.
  void ok(OpId op, int64_t at, Value result = 0);
  void ok(OpId op, int64_t at, std::span<const Value> values);
  void ok(OpId op, int64_t at, std::initializer_list<Value> values);
  // It certainly had no effect, as an error reply that says so.
  void fail(OpId op);
  // What became of an open operation, found out afterwards, as from the server's log: it took
  // effect not later than `by`, or never did. Spares the search both cases.
  void resolve(OpId op, bool happened, int64_t by = kForever);

  // A clock for recorders that see everything in order: each call is later than all before.
  int64_t next_moment() { return ++moment_; }

  size_t size() const { return operations_.size(); }
  const Operation& operation(OpId op) const { return operations_[op]; }
  Operation& operation(OpId op) { return operations_[op]; }  // for tests that corrupt it
  void set_values(OpId op, std::span<const Value> values);   // the same
  std::span<const Value> values(const Operation& op) const;
  size_t objects() const { return objects_.size(); }
  ObjectKind kind(ObjectId object) const { return objects_[object].kind; }
  uint32_t members(ObjectId object) const { return objects_[object].members; }
  const std::string& name(ObjectId object) const { return objects_[object].name; }

  // One line: `#12 client 3 [40, 55] CAS x 1 2 -> 1`.
  std::string describe(OpId op) const;

 private:
  struct Object {
    std::string name;
    ObjectKind kind;
    uint32_t members;
  };

  std::vector<Object> objects_;
  std::vector<Operation> operations_;
  std::vector<Value> pool_;  // of the operations with many values
  int64_t moment_ = 0;
};

enum class Verdict : uint8_t { kCorrect, kWrong, kUnknown };

// What a checker says of a history.
struct Judgement {
  Verdict verdict = Verdict::kCorrect;
  std::string why;     // of kWrong and kUnknown: some lines for a person
  uint64_t steps = 0;  // that the search took
};

// `5`, `nil`, `-` for kUntouched; `[1 2 3]`, shortened in the middle when it is long.
std::string value_text(Value value);
std::string values_text(std::span<const Value> values);

}  // namespace holdfast::history
