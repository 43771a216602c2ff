// PlainObject: what each operation does, written as plainly as can be and apart from the checker's
// models, to judge them by. brute_force tries every order of a small history on it.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/support/history/history.h"

namespace holdfast::history {

struct Reply {
  Value value = 0;
  std::vector<Value> values;
};

class PlainObject {
 public:
  PlainObject(ObjectKind kind, uint32_t members)
      : kind_(kind), values_(kind == ObjectKind::kRegister ? members : 0, kNil) {}

  // `values`: those of an MSET.
  Reply act(const Operation& op, std::span<const Value> values);

 private:
  Reply act_on_register(const Operation& op, std::span<const Value> values);
  Reply act_on_counter(const Operation& op);
  Reply act_on_set(const Operation& op);
  Reply act_on_list(const Operation& op);

  ObjectKind kind_;
  std::vector<Value> values_;  // the registers, the sorted set, the list
  Value counter_ = kNil;
};

// True when some order of the operations on each object explains all replies. Exponential.
bool brute_force(const History& history);

}  // namespace holdfast::history
