// check_linearizable: is there one order of the operations on each object, with each at some moment
// between its request and its reply, in which a correct object gives exactly these replies?
//
// The search is that of Wing and Gong (1993) in the form of Lowe (2017): take the first operation
// from those that no outstanding reply forbids, go back when stuck, and never come twice to the
// same state with the same operations done. Objects are checked one by one, since a history is
// linearizable exactly when each object's part is (Herlihy and Wing 1990). What keeps open
// operations from blowing it up:
//   - a read that is possible now is taken now, and nothing else is tried there;
//   - a place is not entered again with more open operations used than before, all else equal;
//   - of open operations that do the same, the one sent first goes first;
//   - an open operation that changes nothing, or whose effect nobody can see, is not taken.
#pragma once

#include <cstdint>

#include "tests/support/history/history.h"

namespace holdfast::history {

struct SearchLimits {
  uint64_t steps_per_object = 5'000'000;  // about a second; then the verdict is kUnknown
  size_t states_shown = 6;                // in an explanation
  size_t operations_shown = 12;
};

// Wrong if one object is wrong, else unknown if one is unknown. `why` of a wrong history names the
// first reply that nothing explains: the shortest beginning of the history that is wrong ends with
// it; then the states in which the object can have been, and the operations around.
Judgement check_linearizable(const History& history, const SearchLimits& limits = {});
Judgement check_object(const History& history, ObjectId object, const SearchLimits& limits = {});

}  // namespace holdfast::history
