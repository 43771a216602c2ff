// What the files of the models share.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "tests/support/history/models.h"

namespace holdfast::history {

inline uint64_t bits(Value value) { return static_cast<uint64_t>(value); }

[[noreturn]] inline void misplaced(const Operation& op) {
  throw std::logic_error("operation kind " + std::to_string(static_cast<int>(op.kind)) +
                         " does not belong to this kind of object");
}

// True when the reply `would_be` contradicts what the client was told.
inline bool contradicts(const Act& act, Value would_be) {
  return !act.any_result && act.op->result != would_be;
}

std::unique_ptr<Model> make_list_model(const History& history);

}  // namespace holdfast::history
