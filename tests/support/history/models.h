// Models: how a correct object behaves, one operation at a time, with steps that can be taken back.
// The search of linearizable.h walks over them. A set of operations leads to equal fingerprints
// exactly when it leads to equal states (but for chance, 2^-100 or so).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tests/support/history/history.h"

namespace holdfast::history {

// 128 bits that stand for a state or a set. Combined with ^.
struct Fingerprint {
  uint64_t low = 0;
  uint64_t high = 0;

  bool operator==(const Fingerprint&) const = default;
  Fingerprint operator^(const Fingerprint& other) const {
    return {low ^ other.low, high ^ other.high};
  }
};

// Bits without pattern that follow from `value` and `salt`.
Fingerprint fingerprint_of(uint64_t value, uint64_t salt);

// An operation as the search sees it: in a part of a history an answered one may be open still.
struct Act {
  const Operation* op = nullptr;
  OpId id = 0;
  int64_t returned = kForever;
  bool must = false;        // it took effect; else it may have
  bool any_result = false;  // what it was told is not known
};

class Model {
 public:
  enum class Step : uint8_t {
    kRefused,    // the object would have answered something else; nothing changed
    kUnchanged,  // possible, and the state stays as it is; nothing to take back
    kChanged,    // possible; undo() takes it back
  };

  virtual ~Model() = default;

  // Told once, before all else, which operations there are: what they saw lets steps be refused
  // that lead nowhere.
  virtual void prepare(std::span<const Act> /*acts*/) {}
  virtual Step apply(const Act& act) = 0;
  // After `act` was done, or before it is taken back: what it saw need not be there any more, or
  // must.
  virtual void settle(const Act& /*act*/, bool /*done*/) {}
  // Takes back the last kChanged that was not taken back.
  virtual void undo() = 0;
  virtual Fingerprint fingerprint() const = 0;
  virtual std::string text() const = 0;
  // What `later` does is the same whether or not `earlier` came right before it.
  virtual bool hides(const Act& later, const Act& earlier) const = 0;
  // Open operations of one kind with the same number here do the same, as far as anyone can tell.
  virtual Value effect_of(const Act& open) const { return open.op->argument; }
  // False when an open operation before `other`, alone or with more of them, cannot make `other`
  // possible, and would do the same after it.
  virtual bool may_help(const Act& /*open*/, const Act& /*other*/) const { return true; }
};

// The model of `object`, empty. `history` outlives it.
std::unique_ptr<Model> make_model(const History& history, ObjectId object);

// What it was told means that it changed nothing, wherever it took effect.
bool changes_nothing(const Act& act);

}  // namespace holdfast::history
